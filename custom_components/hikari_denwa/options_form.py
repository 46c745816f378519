"""The part of a line's options that its calls hang on: fields, and what is kept of them."""

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    ObjectSelector,
    ObjectSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)

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
from .telephony import address
from .telephony.compatibility import DEFAULT_COSTS, Region
from .telephony.errors import AddressError, NumberInvalidError
from .telephony.experience import Book, ExtensionKind
from .telephony.numbers import CostClass, normalize

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

SECTION_GATEWAY: Final = "gateway"
SECTION_CALLS: Final = "calls"
CONF_UNDERSTOOD: Final = "understood"
REGION_GUESSED: Final = "automatic"

_EXTENSION = re.compile(r"[0-9]{1,8}")
_AREA_CODE = re.compile(r"0[1-9][0-9]{0,3}")
_KINDS: Final = [kind.value for kind in ExtensionKind if kind is not ExtensionKind.UNKNOWN]
# Emergency numbers have switches of their own.
_COSTS: Final = [cost.value for cost in CostClass if cost is not CostClass.EMERGENCY]
_DEFAULT_COSTS: Final = [cost for cost in _COSTS if cost in DEFAULT_COSTS]

CALLS: Final[dict[Any, Any]] = {
    vol.Required(SECTION_CALLS): section(
        vol.Schema(
            {
                vol.Required(CONF_ALLOWED_COSTS, default=_DEFAULT_COSTS): SelectSelector(
                    SelectSelectorConfig(
                        options=_COSTS,
                        translation_key="cost_class",
                        multiple=True,
                        mode=SelectSelectorMode.LIST,
                    )
                ),
                vol.Optional(CONF_BLOCKED_NUMBERS, default=list): TextSelector(
                    TextSelectorConfig(multiple=True)
                ),
                vol.Required(CONF_EMERGENCY, default=False): BooleanSelector(),
            }
        ),
        {"collapsed": True},
    ),
}
GATEWAY: Final[dict[Any, Any]] = {
    vol.Required(SECTION_GATEWAY): section(
        vol.Schema(
            {
                vol.Optional(CONF_SECOND_GATEWAY): TextSelector(),
                vol.Required(CONF_REGION, default=REGION_GUESSED): SelectSelector(
                    SelectSelectorConfig(
                        options=[REGION_GUESSED, Region.EAST.value, Region.WEST.value],
                        translation_key=CONF_REGION,
                        mode=SelectSelectorMode.DROPDOWN,
                    )
                ),
                vol.Optional(CONF_AREA_CODE): TextSelector(),
                vol.Required(CONF_SHOWS_NUMBER, default=False): BooleanSelector(),
                vol.Optional(CONF_EXTENSIONS, default=list): ObjectSelector(
                    ObjectSelectorConfig(
                        multiple=True,
                        translation_key=CONF_EXTENSIONS,
                        label_field=CONF_NUMBER,
                        description_field=CONF_KIND,
                        fields={
                            CONF_NUMBER: {"required": True, "selector": {"text": {}}},
                            CONF_KIND: {
                                "required": True,
                                "selector": {
                                    "select": {
                                        "options": _KINDS,
                                        "translation_key": "extension_kind",
                                    }
                                },
                            },
                        },
                    )
                ),
            }
        ),
        {"collapsed": True},
    ),
}
EMERGENCY_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_UNDERSTOOD, default=False): BooleanSelector(),
        vol.Required(CONF_EMERGENCY_FROM_AUTOMATION, default=False): BooleanSelector(),
    }
)


class OptionError(Exception):
    """What was entered cannot be right; the sentence and its placeholders."""

    def __init__(self, reason: str, **placeholders: str) -> None:
        """Keep them."""
        super().__init__(reason)
        self.reason = reason
        self.placeholders = placeholders


def suggested(options: Mapping[str, Any], book: Book) -> dict[str, Any]:
    """Return what the form shows at first; ``book`` is that which calls have corrected."""
    return {
        SECTION_GATEWAY: {
            CONF_SECOND_GATEWAY: options.get(CONF_SECOND_GATEWAY, ""),
            CONF_REGION: options.get(CONF_REGION, REGION_GUESSED),
            CONF_AREA_CODE: options.get(CONF_AREA_CODE, ""),
            CONF_SHOWS_NUMBER: options.get(CONF_SHOWS_NUMBER, False),
            CONF_EXTENSIONS: [
                {CONF_NUMBER: number, CONF_KIND: entry.kind.value}
                for number, entry in sorted(book.entries.items())
                if entry.kind is not ExtensionKind.UNKNOWN
            ],
        },
        SECTION_CALLS: {
            CONF_ALLOWED_COSTS: options.get(CONF_ALLOWED_COSTS, _DEFAULT_COSTS),
            CONF_BLOCKED_NUMBERS: options.get(CONF_BLOCKED_NUMBERS, []),
            CONF_EMERGENCY: options.get(CONF_EMERGENCY, False),
        },
    }


def read(entered: Mapping[str, Any], gateway: str) -> dict[str, Any]:
    """Return the options that the sections hold, as they are kept; raises OptionError.

    ``gateway`` is the line's own address, from which the second has to differ.
    """
    of_gateway, of_calls = entered[SECTION_GATEWAY], entered[SECTION_CALLS]
    return {
        CONF_SECOND_GATEWAY: second_gateway(of_gateway.get(CONF_SECOND_GATEWAY, ""), gateway),
        CONF_REGION: of_gateway[CONF_REGION],
        CONF_AREA_CODE: _area_code(of_gateway.get(CONF_AREA_CODE, "")),
        CONF_SHOWS_NUMBER: of_gateway[CONF_SHOWS_NUMBER],
        CONF_EXTENSIONS: _extensions(of_gateway[CONF_EXTENSIONS]),
        CONF_ALLOWED_COSTS: of_calls[CONF_ALLOWED_COSTS],
        CONF_BLOCKED_NUMBERS: _numbers(of_calls[CONF_BLOCKED_NUMBERS]),
        CONF_EMERGENCY: of_calls[CONF_EMERGENCY],
    }


def second_gateway(text: str, gateway: str) -> str:
    """Return the gateway's address in the other family, "" for none; raises OptionError."""
    if not (plain := _plain(text)):
        return ""
    try:
        host = address.normalize(plain)
    except AddressError as error:
        raise OptionError(error.reason, **error.placeholders) from error
    if host == gateway:
        return ""
    family = address.literal_family(host)
    if family is not None and family is address.literal_family(gateway):
        raise OptionError("second_gateway_same_family", address=host)
    return host


def _area_code(text: str) -> str:
    """Return an area code with its leading zero, "" for none."""
    plain = _plain(text)
    if plain and not _AREA_CODE.fullmatch(plain):
        raise OptionError("area_code_invalid")
    return plain


def _extensions(rows: list[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the book of extensions, each once."""
    found: dict[str, str] = {}
    for row in rows:
        number = _plain(row[CONF_NUMBER])
        if not _EXTENSION.fullmatch(number):
            raise OptionError("extension_invalid")
        if number in found:
            raise OptionError("extension_twice", number=number)
        found[number] = row[CONF_KIND]
    return [{CONF_NUMBER: number, CONF_KIND: kind} for number, kind in found.items()]


def _numbers(texts: list[str]) -> list[str]:
    """Return numbers as digits, each once."""
    try:
        return list(dict.fromkeys(map(normalize, texts)))
    except NumberInvalidError as error:
        raise OptionError(error.reason, **error.placeholders) from error


def _plain(text: str) -> str:
    """Return what was typed, without full-width characters and spaces around it."""
    return unicodedata.normalize("NFKC", text).strip()
