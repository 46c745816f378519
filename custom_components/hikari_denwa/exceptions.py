"""How errors of the telephony package reach a person: as translated sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

from homeassistant.core import async_get_hass_or_none
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .telephony.calls import EndReason
from .telephony.engine.protocol import FamilyChoice
from .telephony.errors import (
    CallForbiddenError,
    DigitsInvalidError,
    NumberInvalidError,
    NumberNotDialableError,
    StatusInvalidError,
    TelephonyError,
)

FAMILY_NAMES = {
    FamilyChoice.IPV6.value: "IPv6",
    FamilyChoice.IPV4.value: "IPv4",
    FamilyChoice.AUTOMATIC.value: "IPv6 / IPv4",
}
_COST_WORDS = f"component.{DOMAIN}.selector.cost_class.options."
_WRONG_INPUT = (
    CallForbiddenError,
    DigitsInvalidError,
    NumberInvalidError,
    NumberNotDialableError,
    StatusInvalidError,
)


def shown_placeholders(error: TelephonyError) -> dict[str, str]:
    """Return an error's placeholders as a person reads them."""
    shown = dict(error.placeholders)
    if family := shown.get("family"):
        shown["family"] = FAMILY_NAMES.get(family, family)
    if (cost := shown.get("cost")) and (hass := async_get_hass_or_none()):
        words = async_get_cached_translations(hass, hass.config.language, "selector", DOMAIN)
        shown["cost"] = words.get(f"{_COST_WORDS}{cost}", cost)
    return shown


def translated(error: TelephonyError) -> HomeAssistantError:
    """Return the error for a person: its reason is the key of its sentence.

    What was entered wrongly is a ServiceValidationError, the rest a HomeAssistantError.
    """
    cls = ServiceValidationError if isinstance(error, _WRONG_INPUT) else HomeAssistantError
    return cls(
        translation_domain=DOMAIN,
        translation_key=error.reason,
        translation_placeholders=shown_placeholders(error),
    )


def wrong_input(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error of an action that was asked for something that cannot be."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def call_failed(reason: EndReason, number: str) -> HomeAssistantError:
    """Return the error of a call that did not come about."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=f"call_{reason}",
        translation_placeholders={"number": number},
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise what goes wrong inside as a translated error."""
    try:
        yield
    except TelephonyError as error:
        raise translated(error) from error
