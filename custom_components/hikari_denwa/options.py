"""What the owner set about dialling, read from the options of a config entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .const import (
    CONF_ALLOWED_COSTS,
    CONF_AREA_CODE,
    CONF_BLOCKED_NUMBERS,
    CONF_EMERGENCY,
    CONF_EMERGENCY_FROM_AUTOMATION,
    CONF_EXTENSIONS,
    CONF_KIND,
    CONF_NUMBER,
    CONF_REGION,
    CONF_SECOND_GATEWAY,
    CONF_SHOWS_NUMBER,
)
from .telephony.compatibility import DEFAULT_COSTS, DialOptions, Region, blocked
from .telephony.experience import Book, entered_book
from .telephony.numbers import CostClass


@dataclass(frozen=True, kw_only=True)
class DiallingOptions:
    """The options of a line that its calls hang on; ``region`` is None if it is to be guessed."""

    region: Region | None
    book: Book
    area_code: str | None
    allowed_costs: frozenset[CostClass]
    blocked_numbers: frozenset[str]
    emergency: bool
    emergency_from_automation: bool
    second_gateway: str | None
    shows_number: bool

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Read the options; what is not there is as careful as it can be."""
        area_code = options.get(CONF_AREA_CODE) or None
        emergency = options.get(CONF_EMERGENCY) is True
        region = options.get(CONF_REGION)
        return cls(
            region=Region(region) if region in set(Region) - {Region.UNKNOWN} else None,
            book=entered_book(
                {row[CONF_NUMBER]: row[CONF_KIND] for row in options.get(CONF_EXTENSIONS, ())}
            ),
            area_code=area_code,
            allowed_costs=_costs(options),
            blocked_numbers=blocked(options.get(CONF_BLOCKED_NUMBERS, ()), area_code=area_code),
            emergency=emergency,
            emergency_from_automation=emergency
            and options.get(CONF_EMERGENCY_FROM_AUTOMATION) is True,
            second_gateway=options.get(CONF_SECOND_GATEWAY) or None,
            shows_number=options.get(CONF_SHOWS_NUMBER) is True,
        )

    def of_call(self, *, person: bool, show_number: bool) -> DialOptions:
        """Return what is allowed to who asks."""
        return DialOptions(
            allowed_costs=self.allowed_costs,
            emergency_enabled=self.emergency,
            emergency_from_automation=self.emergency_from_automation,
            blocked_numbers=self.blocked_numbers,
            show_number_on_refusal=show_number,
            from_automation=not person,
        )


def _costs(options: Mapping[str, Any]) -> frozenset[CostClass]:
    """Return the allowed cost classes; a word that is none allows nothing."""
    chosen = options.get(CONF_ALLOWED_COSTS)
    if chosen is None:
        return DEFAULT_COSTS
    return frozenset(cost for cost in CostClass if cost.value in chosen)
