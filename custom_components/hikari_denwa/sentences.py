"""Sentences for people that no entity and no error has: those of the logbook and of findings."""

from collections.abc import Mapping
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_cached_translations

from .const import DOMAIN
from .exceptions import shown_placeholders
from .telephony.calls import EndReason
from .telephony.errors import TelephonyError

_ERRORS: Final = f"component.{DOMAIN}.exceptions."
_REASONS: Final = f"component.{DOMAIN}.entity.event.call.state_attributes.reason.state."
_MINUTE: Final = 60


def sentence(hass: HomeAssistant, key: str, /, **placeholders: str) -> str:
    """Return a sentence of the home's language; its key if there is none."""
    told = async_get_cached_translations(hass, hass.config.language, "common", DOMAIN)
    return _filled(told.get(f"component.{DOMAIN}.common.{key}", key), placeholders)


def error_in_words(hass: HomeAssistant, error: TelephonyError) -> str:
    """Return the sentence of an error."""
    told = async_get_cached_translations(hass, hass.config.language, "exceptions", DOMAIN)
    text = told.get(f"{_ERRORS}{error.reason}.message", error.reason)
    return _filled(text, shown_placeholders(error))


def reason_in_words(hass: HomeAssistant, reason: str) -> str:
    """Return why a call ended, in the words of the event entity."""
    told = async_get_cached_translations(hass, hass.config.language, "entity", DOMAIN)
    return told.get(f"{_REASONS}{reason}", reason)


def failure_in_words(hass: HomeAssistant, reason: EndReason, number: str) -> str:
    """Return the sentence of a call that did not come about."""
    told = async_get_cached_translations(hass, hass.config.language, "exceptions", DOMAIN)
    text = told.get(f"{_ERRORS}call_{reason}.message", reason.value)
    return _filled(text, {"number": number})


def duration_in_words(hass: HomeAssistant, seconds: float) -> str:
    """Return how long something took, in minutes and seconds."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes:
        return sentence(hass, "duration_minutes", minutes=str(minutes), seconds=str(rest))
    return sentence(hass, "duration_seconds", seconds=str(rest))


def _filled(text: str, placeholders: Mapping[str, str]) -> str:
    """Return a sentence with its placeholders filled in."""
    for name, value in placeholders.items():
        text = text.replace(f"{{{name}}}", value)
    return text
