"""Who is behind a number: contacts as data, and an index of them that answers at once."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from .telephony.errors import NumberInvalidError
from .telephony.numbers import normalize, without_prefix

CONF_DIAL_BUTTON: Final = "dial_button"
CONF_GROUP: Final = "group"
CONF_LANGUAGE: Final = "language"
CONF_NUMBERS: Final = "numbers"
CONF_PICTURE: Final = "picture"
CONF_READING: Final = "reading"
CONF_RING_RULE: Final = "ring_rule"
CONF_SHOW_NUMBER: Final = "show_number"

_WILDCARD: Final = "*"


class RingRule(StrEnum):
    """What a contact's calls do here.

    - ``normal``: ring.
    - ``door_phone``: ring, and ring the doorbell.
    - ``vip``: ring also when the line is not to be disturbed.
    - ``silent``: do not ring; a call that nobody took is still a missed one.
    - ``block``: treated as the line treats blocked callers.
    """

    NORMAL = "normal"
    DOOR_PHONE = "door_phone"
    VIP = "vip"
    SILENT = "silent"
    BLOCK = "block"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """One contact. ``line`` is the entry that owns it, ``language`` a BCP 47 tag.

    ``numbers`` are digits as the gateway is given them; one that ends in ``*`` stands for all
    numbers that begin so. ``reading`` is how the name is spoken (ふりがな).
    """

    name: str
    numbers: tuple[str, ...]
    id: str = ""
    line: str = ""
    reading: str | None = None
    group: str | None = None
    picture: str | None = None
    ring_rule: RingRule = RingRule.NORMAL
    language: str | None = None
    show_number: bool = False
    dial_button: bool = True

    @classmethod
    def from_data(cls, name: str, data: Mapping[str, Any], *, id: str, line: str) -> Contact:  # noqa: A002
        """Return the contact that was kept under a name."""
        return cls(
            id=id,
            line=line,
            name=name,
            numbers=tuple(data.get(CONF_NUMBERS, ())),
            reading=data.get(CONF_READING),
            group=data.get(CONF_GROUP),
            picture=data.get(CONF_PICTURE),
            ring_rule=RingRule(data.get(CONF_RING_RULE, RingRule.NORMAL)),
            language=data.get(CONF_LANGUAGE),
            show_number=data.get(CONF_SHOW_NUMBER, False),
            dial_button=data.get(CONF_DIAL_BUTTON, True),
        )

    def as_data(self) -> dict[str, Any]:
        """Return what is kept beside the name; what is not known is left out."""
        kept = {
            CONF_NUMBERS: list(self.numbers),
            CONF_READING: self.reading,
            CONF_GROUP: self.group,
            CONF_PICTURE: self.picture,
            CONF_RING_RULE: self.ring_rule.value,
            CONF_LANGUAGE: self.language,
            CONF_SHOW_NUMBER: self.show_number,
            CONF_DIAL_BUTTON: self.dial_button,
        }
        return {key: value for key, value in kept.items() if value is not None}

    @property
    def numbers_to_dial(self) -> tuple[str, ...]:
        """Return the numbers that are whole ones."""
        return tuple(number for number in self.numbers if not is_pattern(number))

    @property
    def number_to_dial(self) -> str | None:
        """Return the first number that is a whole one."""
        return next(iter(self.numbers_to_dial), None)


def number_or_pattern(text: str) -> str:
    """Return what a person wrote as a number, or as the beginning of numbers with ``*`` after it.

    Raises NumberInvalidError.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain.endswith(_WILDCARD):
        return normalize(text)
    try:
        stem = normalize(plain.removesuffix(_WILDCARD))
    except NumberInvalidError:
        raise NumberInvalidError(number=text) from None
    return f"{stem}{_WILDCARD}"


def is_pattern(number: str) -> bool:
    """Tell whether it stands for all numbers that begin so."""
    return number.endswith(_WILDCARD) and number.removesuffix(_WILDCARD).isdecimal()


def _key(number: str) -> str:
    """Return a number as it is compared: callers from abroad are told with a plus sign."""
    return f"010{number[1:]}" if number.startswith("+") else without_prefix(number)


class NumberTable[T]:
    """Values by number. A whole number goes before a pattern, a longer pattern before a shorter."""

    def __init__(self) -> None:
        """Begin empty."""
        self._whole: dict[str, list[T]] = {}
        self._beginnings: dict[str, list[T]] = {}
        self._longest = 0

    def add(self, number: str, value: T) -> None:
        """Put a value under a number or a pattern."""
        kept, key = self._place(number)
        if kept is self._beginnings:
            self._longest = max(self._longest, len(key))
        kept.setdefault(key, []).append(value)

    def discard(self, number: str, value: T) -> None:
        """Take a value away again."""
        kept, key = self._place(number)
        values = kept.get(key, [])
        if value in values:
            values.remove(value)
        if not values:
            kept.pop(key, None)

    def find(self, number: str) -> list[T]:
        """Return the values of what fits a caller's or a dialled number best."""
        digits = _key(number)
        if found := self._whole.get(digits):
            return found
        for length in range(min(len(digits), self._longest), 0, -1):
            if found := self._beginnings.get(digits[:length]):
                return found
        return []

    def _place(self, number: str) -> tuple[dict[str, list[T]], str]:
        """Return where a number belongs, and its key there."""
        digits = _key(number)
        if is_pattern(digits):
            return self._beginnings, digits.removesuffix(_WILDCARD)
        return self._whole, digits


class NumberSet:
    """A set of numbers and patterns."""

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        """Take them, normalised."""
        self._table = NumberTable[str]()
        for number in numbers:
            self._table.add(number, number)

    def __contains__(self, number: str) -> bool:
        """Tell whether a whole number is among them."""
        return bool(self._table.find(number))


class ContactIndex:
    """All contacts, found by number in the time of a few dictionary look-ups."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        """Take the contacts that there are."""
        self._contacts: dict[str, Contact] = {}
        self._table = NumberTable[Contact]()
        for contact in contacts:
            self.put(contact)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._contacts)

    def __iter__(self) -> Iterator[Contact]:
        """Go through them in the order in which they came."""
        return iter(self._contacts.values())

    def put(self, contact: Contact) -> None:
        """Add a contact, or take its new form."""
        self.remove(contact.id)
        self._contacts[contact.id] = contact
        for number in dict.fromkeys(contact.numbers):
            self._table.add(number, contact)

    def remove(self, contact_id: str) -> None:
        """Forget a contact, if it is there."""
        if (contact := self._contacts.pop(contact_id, None)) is None:
            return
        for number in dict.fromkeys(contact.numbers):
            self._table.discard(number, contact)

    def find(self, number: str | None, line: str | None = None) -> Contact | None:
        """Return who has a number: of several, one of the line itself, else the first."""
        if not number:
            return None
        found = self._table.find(number)
        return next((contact for contact in found if contact.line == line), next(iter(found), None))
