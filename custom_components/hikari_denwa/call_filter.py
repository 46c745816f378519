"""Which calls an automation means: by line, caller, contact group, kind of caller ID, direction."""

import fnmatch
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv

from .const import DOMAIN
from .telephony.calls import CallDirection, CallerIdKind
from .telephony.errors import NumberInvalidError
from .telephony.numbers import normalize

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

CONF_CALLER: Final = "caller"
CONF_CALLER_ID: Final = "caller_id"
CONF_CONTACT_GROUP: Final = "contact_group"
CONF_DIRECTION: Final = "direction"

_NUMBER: Final = re.compile(r"[0-9+*?#()\-. ]*[0-9][0-9+*?#()\-. ]*")
_WILDCARDS: Final = re.compile(r"[*?]")
_PREFIX: Final = "(?:18[46])?"


def caller_pattern(value: object) -> str:
    """Take a number or a name, with ``*`` and ``?`` for what may be anything.

    YAML reads 0312345678 without quotes as another number, so long ones want quotes.
    """
    if isinstance(value, int) and not isinstance(value, bool) and len(str(value)) <= 3:
        value = str(value)
    if not isinstance(value, str):
        raise vol.Invalid("Put the number in quotes")
    if not value.strip():
        raise vol.Invalid("A caller is a number or a name")
    return value


LINE_FIELDS: Final = {
    vol.Optional(ATTR_CONFIG_ENTRY_ID): vol.All(cv.ensure_list, [cv.string]),
}
CALLER_FIELDS: Final = {
    vol.Optional(CONF_CALLER): vol.All(cv.ensure_list, [caller_pattern]),
    vol.Optional(CONF_CONTACT_GROUP): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(CONF_CALLER_ID): vol.All(cv.ensure_list, [vol.Coerce(CallerIdKind)]),
}
DIRECTION_FIELDS: Final = {
    vol.Optional(CONF_DIRECTION): vol.All(cv.ensure_list, [vol.Coerce(CallDirection)]),
}


def check_lines(hass: HomeAssistant, options: Mapping[str, Any]) -> None:
    """Raise vol.Invalid if a line is named that does not exist."""
    for entry_id in options.get(ATTR_CONFIG_ENTRY_ID, ()):
        entry = hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN:
            raise vol.Invalid(f"There is no line {entry_id}")


@dataclass(frozen=True, kw_only=True)
class CallFilter:
    """What a call has to be; what is empty lets everything pass."""

    lines: frozenset[str] = frozenset()
    numbers: tuple[re.Pattern[str], ...] = ()
    names: tuple[re.Pattern[str], ...] = ()
    groups: frozenset[str] = frozenset()
    caller_ids: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the filter of options that the fields of this module have checked."""
        callers = options.get(CONF_CALLER, ())
        numbers = [number for caller in callers if (number := _number_pattern(caller))]
        return cls(
            lines=frozenset(options.get(ATTR_CONFIG_ENTRY_ID, ())),
            numbers=tuple(numbers),
            names=tuple(re.compile(fnmatch.translate(_plain(caller))) for caller in callers),
            groups=frozenset(_plain(group) for group in options.get(CONF_CONTACT_GROUP, ())),
            caller_ids=frozenset(options.get(CONF_CALLER_ID, ())),
            directions=frozenset(options.get(CONF_DIRECTION, ())),
        )

    def matches(self, line: str, shown: Mapping[str, Any]) -> bool:
        """Tell whether a call is meant; ``shown`` is what the call's event shows of it."""
        return (
            (not self.lines or line in self.lines)
            and (not self.names or self._is_caller(shown))
            and (not self.groups or _plain(shown.get("group") or "") in self.groups)
            and (not self.caller_ids or shown["caller_id"] in self.caller_ids)
            and (not self.directions or shown["direction"] in self.directions)
        )

    def _is_caller(self, shown: Mapping[str, Any]) -> bool:
        """Tell whether the other side is one of the callers that are named."""
        number = shown.get("number")
        if number and any(pattern.fullmatch(number) for pattern in self.numbers):
            return True
        names = {_plain(name) for key in ("name", "who") if (name := shown.get(key))}
        return any(pattern.fullmatch(name) for pattern in self.names for name in names)


def _plain(text: str) -> str:
    """Return text as it is compared: half-width, and without the difference of case."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _number_pattern(caller: str) -> re.Pattern[str] | None:
    """Return what a number with wildcards matches, or None for what is a name."""
    plain = unicodedata.normalize("NFKC", caller).strip()
    if not _NUMBER.fullmatch(plain):
        return None
    pieces: list[str] = []
    for piece in _WILDCARDS.split(plain):
        digits = re.sub(r"[^0-9#+]", "", piece)
        if digits.startswith("+") and not pieces:
            try:
                digits = normalize(digits)
            except NumberInvalidError:
                return None
        pieces.append(re.escape(digits))
    wildcards = [".*" if mark == "*" else "." for mark in _WILDCARDS.findall(plain)]
    return re.compile(_PREFIX + "".join(map("".join, zip(pieces, [*wildcards, ""], strict=True))))
