"""What past calls taught: outcomes by number, kind and family, and the book of extensions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from .calls import Family
from .numbers import MAX_DIGITS, NumberKind

if TYPE_CHECKING:
    from typing_extensions import TypeIs

VERSION = 1
MAX_AGE = 180 * 86400.0
MAX_NUMBERS = 500
OUTCOMES_PER_NUMBER = 8
# A few numbers may be special; this many of a kind, and none against it, are a rule.
RULE_OF_KIND = 3
NUMBERS_OF_KIND = 50
_LATEST = 1e12
_E = TypeVar("_E", bound=StrEnum)
_NUMBER = re.compile(rf"[0-9*#]{{1,{MAX_DIGITS}}}")
_FAMILY_REFUSALS = frozenset({488, 606})
_CALLEE_DECIDED = frozenset({600, 603, 607})
_NOT_SHOWN: Collection[bool | None] = frozenset({True, None})


class Result(StrEnum):
    """What an attempt tells about the callee's side."""

    REACHED = "reached"
    FAMILY_REFUSED = "family_refused"
    WITHHELD_REFUSED = "withheld_refused"
    OTHER = "other"


class ExtensionKind(StrEnum):
    """Which families an extension of the gateway takes; analog phones count as IPv4."""

    ANALOG = "analog"
    IPV4_ONLY = "ipv4_only"
    IPV6_ONLY = "ipv6_only"
    DUAL = "dual"
    UNKNOWN = "unknown"

    def takes(self, family: Family) -> bool | None:
        """Tell whether a call over a family can reach such an extension; None: not known."""
        match self:
            case ExtensionKind.UNKNOWN:
                return None
            case ExtensionKind.DUAL:
                return True
            case ExtensionKind.IPV6_ONLY:
                return family is Family.IPV6
        return family is Family.IPV4


class Lesson(StrEnum):
    """What outcomes say of one family.

    It got through; it was refused where the other got through; it was refused and the other
    never tried; both were refused; nothing.
    """

    WORKED = "worked"
    FAILED = "failed"
    ALONE_REFUSED = "alone_refused"
    BOTH_REFUSED = "both_refused"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one attempt ended.

    ``number`` is national, without 184 or 186. ``withheld`` tells whether the attempt hid
    the caller's number (184: True, 186: False, neither: None). ``at`` is Unix time in seconds.
    """

    number: str
    kind: NumberKind
    family: Family
    result: Result
    at: float
    withheld: bool | None = None


def result_of(status: int | None, *, rang: bool) -> Result:
    """Return what an attempt tells; ``rang`` if 180 or 2xx came for it.

    A 486 does not count as reached: the network says it too when it is congested, and an
    announcement in early media (183) may come from anywhere.
    """
    if status in _FAMILY_REFUSALS:
        return Result.FAMILY_REFUSED
    if status == 433:
        return Result.WITHHELD_REFUSED
    if rang or status in _CALLEE_DECIDED:
        return Result.REACHED
    return Result.OTHER


@dataclass(frozen=True)
class Experience:
    """Outcomes, the newest numbers last; every change gives a new one.

    At most MAX_NUMBERS numbers with OUTCOMES_PER_NUMBER each; the longest unused go first.
    """

    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> Experience:
        """Return the experience with one outcome more."""
        kept = dict(self.outcomes)
        of_number = kept.pop(outcome.number, ())
        kept[outcome.number] = (*of_number, outcome)[-OUTCOMES_PER_NUMBER:]
        for number in list(kept)[: max(0, len(kept) - MAX_NUMBERS)]:
            del kept[number]
        return Experience(kept)

    def aged(self, now: float) -> Experience:
        """Return the experience without what is older than MAX_AGE; ``now`` in Unix seconds."""
        young = {
            number: tuple(outcome for outcome in of_number if _is_young(outcome, now))
            for number, of_number in self.outcomes.items()
        }
        return Experience({number: of_number for number, of_number in young.items() if of_number})

    def forget(self, number: str | None = None) -> Experience:
        """Return the experience without a number (national digits), or without anything."""
        if number is None:
            return Experience()
        return Experience(
            {known: of_number for known, of_number in self.outcomes.items() if known != number}
        )

    def lesson(self, number: str, family: Family, now: float) -> Lesson:
        """Return what the number's past says of a family.

        The newest outcome of each family counts. A refusal where the other family got
        through teaches; one over both does not, for then the family is not the cause.
        """
        return _lesson(self.outcomes.get(number, ()), family, now)

    def lesson_of_kind(self, kind: NumberKind, family: Family, now: float) -> Lesson:
        """Return what a kind's newest numbers say of a family, if they agree and are enough."""
        of_kind = self._by_kind.get(kind, ())[-NUMBERS_OF_KIND:]
        lessons = [_lesson(of_number, family, now) for of_number in of_kind]
        for one, against in ((Lesson.WORKED, Lesson.FAILED), (Lesson.FAILED, Lesson.WORKED)):
            if lessons.count(one) >= RULE_OF_KIND and against not in lessons:
                return one
        return Lesson.NOTHING

    def refuses_withheld(
        self, number: str, now: float, alike: Collection[bool | None] = _NOT_SHOWN
    ) -> bool:
        """Tell whether the callee refused callers without a number (433), and still does.

        Only calls say something whose ``Outcome.withheld`` is ``alike``: those that did not show
        the number by 186, or fewer.
        """
        telling = [
            outcome.result
            for outcome in self.outcomes.get(number, ())
            if outcome.withheld in alike
            and outcome.result in {Result.WITHHELD_REFUSED, Result.REACHED}
            and _is_young(outcome, now)
        ]
        return telling[-1:] == [Result.WITHHELD_REFUSED]

    @cached_property
    def _by_kind(self) -> dict[NumberKind, list[tuple[Outcome, ...]]]:
        """The outcomes of each number by its kind, as it was last classified."""
        found: dict[NumberKind, list[tuple[Outcome, ...]]] = {}
        for of_number in self.outcomes.values():
            found.setdefault(of_number[-1].kind, []).append(of_number)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the experience as plain data that JSON can hold."""
        return {
            "version": VERSION,
            "outcomes": [
                {
                    "number": outcome.number,
                    "kind": outcome.kind.value,
                    "family": outcome.family.value,
                    "result": outcome.result.value,
                    "at": outcome.at,
                    "withheld": outcome.withheld,
                }
                for of_number in self.outcomes.values()
                for outcome in of_number
            ],
        }


def read_experience(data: object) -> tuple[Experience, int]:
    """Return the experience that plain data of any version holds, and how many rows it lost.

    Never raises: what cannot be read is passed over, the rest is kept.
    """
    rows = data.get("outcomes") if isinstance(data, Mapping) else None
    if not isinstance(rows, list):
        return Experience(), 0 if data is None else 1
    outcomes: dict[str, tuple[Outcome, ...]] = {}
    lost = 0
    for row in rows:
        outcome = _read_outcome(row)
        if outcome is None:
            lost += 1
            continue
        of_number = outcomes.pop(outcome.number, ())
        outcomes[outcome.number] = (*of_number, outcome)[-OUTCOMES_PER_NUMBER:]
    newest = list(outcomes.items())[-MAX_NUMBERS:]
    return Experience(dict(newest)), lost


@dataclass(frozen=True, kw_only=True)
class BookEntry:
    """One extension. ``entered`` is what the user said if experience says otherwise now."""

    kind: ExtensionKind
    entered: ExtensionKind | None = None


@dataclass(frozen=True)
class Book:
    """The gateway's extensions by their number."""

    entries: Mapping[str, BookEntry] = field(default_factory=dict)

    @cached_property
    def extensions(self) -> frozenset[str]:
        """The numbers of all extensions that are known."""
        return frozenset(self.entries)

    def kind(self, extension: str) -> ExtensionKind:
        """Return the kind of an extension, unknown if it is not in the book."""
        entry = self.entries.get(extension)
        return ExtensionKind.UNKNOWN if entry is None else entry.kind


def entered_book(entered: object) -> Book:
    """Return the book that the user entered: kinds by extension; never raises."""
    if not isinstance(entered, Mapping):
        return Book()
    return Book(
        {
            str(extension): BookEntry(kind=_member(ExtensionKind, kind) or ExtensionKind.UNKNOWN)
            for extension, kind in entered.items()
        }
    )


def corrected_book(book: Book, experience: Experience, now: float) -> Book:
    """Return the book as calls to the extensions show it; what they do not show stays."""
    entries = dict(book.entries)
    for number, of_number in experience.outcomes.items():
        if of_number[-1].kind is not NumberKind.EXTENSION:
            continue
        entered = book.kind(number)
        shown = _shown_kind(entered, of_number, now)
        if shown is not entered:
            entries[number] = BookEntry(kind=shown, entered=entered)
    return Book(entries)


def _shown_kind(
    entered: ExtensionKind, of_number: tuple[Outcome, ...], now: float
) -> ExtensionKind:
    """Return the kind of an extension after its outcomes."""
    over_ipv6 = _lesson(of_number, Family.IPV6, now)
    over_ipv4 = _lesson(of_number, Family.IPV4, now)
    if over_ipv6 is over_ipv4 is Lesson.WORKED:
        return ExtensionKind.DUAL
    if over_ipv6 is Lesson.FAILED:
        return _unless_fits(entered, ExtensionKind.IPV4_ONLY)
    if over_ipv4 is Lesson.FAILED:
        return _unless_fits(entered, ExtensionKind.IPV6_ONLY)
    for family, lesson in ((Family.IPV6, over_ipv6), (Family.IPV4, over_ipv4)):
        if lesson is Lesson.WORKED and entered.takes(family) is False:
            return ExtensionKind.DUAL
    return entered


def _unless_fits(entered: ExtensionKind, shown: ExtensionKind) -> ExtensionKind:
    """Keep what the user entered if it comes to the same: analog phones are IPv4 phones."""
    same = all(entered.takes(family) == shown.takes(family) for family in Family)
    return entered if same else shown


def _lesson(of_number: tuple[Outcome, ...], family: Family, now: float) -> Lesson:
    """Return what one number's outcomes say of a family."""
    newest: dict[Family, Result] = {}
    for outcome in of_number:
        # A 433 came from behind the check of families: the family was no hindrance.
        result = Result.REACHED if outcome.result is Result.WITHHELD_REFUSED else outcome.result
        if result is not Result.OTHER and _is_young(outcome, now):
            newest[outcome.family] = result
    own = newest.pop(family, None)
    other = next(iter(newest.values()), None)
    if own is Result.REACHED:
        return Lesson.WORKED
    if own is None:
        return Lesson.NOTHING
    if other is Result.FAMILY_REFUSED:
        return Lesson.BOTH_REFUSED
    return Lesson.FAILED if other is Result.REACHED else Lesson.ALONE_REFUSED


def _is_young(outcome: Outcome, now: float) -> bool:
    """Tell whether an outcome still counts."""
    return now - outcome.at <= MAX_AGE


def _read_outcome(row: object) -> Outcome | None:
    """Return the outcome of one row, None if it cannot be read."""
    if not isinstance(row, Mapping):
        return None
    kind, family = _member(NumberKind, row.get("kind")), _member(Family, row.get("family"))
    result, at, number = _member(Result, row.get("result")), row.get("at"), row.get("number")
    if kind is None or family is None or result is None or not _is_number(number):
        return None
    # The comparison is false for what is not finite, too.
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < _LATEST:
        return None
    withheld = row.get("withheld")
    return Outcome(
        number=number,
        kind=kind,
        family=family,
        result=result,
        at=float(at),
        withheld=withheld if isinstance(withheld, bool) else None,
    )


def _is_number(value: object) -> TypeIs[str]:
    """Tell whether a value can be dial digits."""
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


def _member(enum: type[_E], value: object) -> _E | None:
    """Return the member of an enumeration with a value, None if there is none."""
    return next((member for member in enum if member.value == value), None)
