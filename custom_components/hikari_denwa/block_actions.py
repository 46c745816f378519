"""What the actions for the block list do."""

from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import callback

from .const import CONF_BLOCKED_CALLERS
from .contacts import NumberSet, is_pattern, number_or_pattern
from .exceptions import translated_errors, wrong_input
from .line import Line
from .telephony.numbers import format_number

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

ATTR_NUMBER: Final = "number"
BLOCK_FIELDS: Final = {vol.Optional(ATTR_NUMBER): vol.Any(str, int)}
UNBLOCK_FIELDS: Final = {vol.Required(ATTR_NUMBER): vol.Any(str, int)}


@callback
def block_number(line: Line, written: str | None) -> dict[str, Any]:
    """Put a number, or the beginning of numbers, on the block list; else that of the last caller.

    Raises ServiceValidationError where that would block nobody.
    """
    number = _last_number(line) if written is None else _number(written)
    if not is_pattern(number) and (contact := line.contact(number)):
        raise wrong_input("block_contact", name=contact.name, number=_shown(number))
    before = _blocked(line)
    covered = number in (before if is_pattern(number) else NumberSet(before))
    after = before if covered else [*before, number]
    return _kept(line, number, before, after)


@callback
def unblock_number(line: Line, written: str) -> dict[str, Any]:
    """Take a number, or the beginning of numbers, off the block list.

    Raises ServiceValidationError for a number that stays blocked by a beginning.
    """
    number = _number(written)
    before = _blocked(line)
    after = [blocked for blocked in before if not _is_same(blocked, number)]
    if not is_pattern(number):
        for pattern in filter(is_pattern, after):
            if number in NumberSet((pattern,)):
                raise wrong_input("unblock_pattern", number=_shown(number), pattern=pattern)
    return _kept(line, number, before, after)


def _is_same(one: str, other: str) -> bool:
    """Tell whether two entries of the list are one, 184 or 186 before a number aside."""
    if is_pattern(one) or is_pattern(other):
        return one == other
    return other in NumberSet((one,))


def _last_number(line: Line) -> str:
    """Return the number of the last caller who was not blocked."""
    if (last := line.log.last_incoming) is None:
        raise wrong_input("nobody_called")
    if last.number is None:
        raise wrong_input("last_caller_withheld", who=line.who(last))
    return last.number


def _number(written: str) -> str:
    """Return what a person wrote as the list has it."""
    with translated_errors():
        return number_or_pattern(written)


def _blocked(line: Line) -> list[str]:
    """Return the block list."""
    return list(line.entry.options.get(CONF_BLOCKED_CALLERS, ()))


def _kept(line: Line, number: str, before: list[str], after: list[str]) -> dict[str, Any]:
    """Keep the list, from the next call on, and tell what is blocked now."""
    if after != before:
        line.set_option(CONF_BLOCKED_CALLERS, value=after)
    return {
        "number": number,
        "formatted_number": _shown(number),
        "changed": after != before,
        "blocked_numbers": after,
    }


def _shown(number: str) -> str:
    """Return a number as it is written in Japan; a beginning stays as it is."""
    return number if is_pattern(number) else format_number(number)
