"""A verdict in words: for responses, the dashboard, and who types a number."""

from collections.abc import Mapping
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)

from .const import DOMAIN
from .exceptions import FAMILY_NAMES
from .telephony.compatibility import Attempt, Verdict

_SENTENCE = f"component.{DOMAIN}.exceptions.{{}}.message"
_OUTLOOK = f"component.{DOMAIN}.entity.sensor.outlook.state.{{}}"
_COST = f"component.{DOMAIN}.selector.cost_class.options.{{}}"
_CATEGORIES = ("entity", "exceptions", "selector")


async def async_described(
    hass: HomeAssistant, verdict: Verdict, *, language: str | None = None
) -> dict[str, Any]:
    """Return a verdict for a response, its sentences in a language."""
    language = language or hass.config.language
    for category in _CATEGORIES:
        await async_get_translations(hass, language, category, {DOMAIN})
    return described(hass, verdict, language=language)


def described(
    hass: HomeAssistant, verdict: Verdict, *, language: str | None = None
) -> dict[str, Any]:
    """Return a verdict for a response; languages that nobody has loaded yet show no sentences."""
    words = _Words(hass, language or hass.config.language)
    number = verdict.number
    return {
        "number": number.digits or None,
        "formatted_number": number.display,
        "kind": number.kind.value,
        "cost": number.cost.value,
        "outlook": verdict.outlook.value,
        "summary": words.outlook(verdict),
        "family": _family(verdict.first),
        "fallback_family": _family(verdict.fallback),
        "line": _title(hass, verdict.line),
        "reasons": [
            {"reason": reason.code.value, "text": words.sentence(reason.code, reason.placeholders)}
            for reason in verdict.reasons
        ],
        "cures": [
            {"cure": cure.code.value, "text": words.sentence(cure.code, cure.placeholders)}
            for cure in verdict.cures
        ],
    }


class _Words:
    """The sentences of one language, as far as they are loaded."""

    def __init__(self, hass: HomeAssistant, language: str) -> None:
        """Take the language."""
        self._texts: dict[str, str] = {}
        for category in _CATEGORIES:
            self._texts |= async_get_cached_translations(hass, language, category, DOMAIN)

    def sentence(self, code: str, placeholders: Mapping[str, str]) -> str:
        """Return the sentence of a code with its placeholders filled in."""
        return self._texts.get(_SENTENCE.format(code), code).format(**self._shown(placeholders))

    def outlook(self, verdict: Verdict) -> str:
        """Return the outlook with its weightiest reason."""
        word = self._texts.get(_OUTLOOK.format(verdict.outlook), verdict.outlook.value)
        if not verdict.reasons:
            return word
        first = verdict.reasons[0]
        return f"{word}: {self.sentence(first.code, first.placeholders)}"

    def _shown(self, placeholders: Mapping[str, str]) -> dict[str, str]:
        """Return placeholders as a person reads them."""
        shown = dict(placeholders)
        if family := shown.get("family"):
            shown["family"] = FAMILY_NAMES.get(family, family)
        if cost := shown.get("cost"):
            shown["cost"] = self._texts.get(_COST.format(cost), cost)
        return shown


def _family(attempt: Attempt | None) -> str | None:
    """Return the family of an attempt."""
    return attempt.family.value if attempt else None


def _title(hass: HomeAssistant, line: str | None) -> str | None:
    """Return what a line is called."""
    entry = hass.config_entries.async_get_entry(line) if line else None
    return entry.title if entry else None
