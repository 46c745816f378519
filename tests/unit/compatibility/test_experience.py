"""What past calls taught is kept, aged, forgotten, read back, and never invented."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.experience import (
    MAX_AGE,
    MAX_NUMBERS,
    OUTCOMES_PER_NUMBER,
    Book,
    Experience,
    ExtensionKind,
    Lesson,
    Outcome,
    Result,
    corrected_book,
    entered_book,
    read_experience,
    result_of,
)
from custom_components.hikari_denwa.telephony.numbers import NumberKind

from .cases import (
    DAY,
    NOW,
    OUTSIDE,
    REACHED,
    REFUSED,
    TAUGHT_V4,
    V4,
    V6,
    outcome,
    past,
)

WITHHELD_REFUSED = Result.WITHHELD_REFUSED
ROW = {
    "number": OUTSIDE,
    "kind": "landline",
    "family": "ipv6",
    "result": "reached",
    "at": NOW,
    "withheld": None,
}


@pytest.mark.parametrize(
    ("status", "rang", "result"),
    [
        (488, False, REFUSED),
        (606, False, REFUSED),
        (488, True, REFUSED),
        (433, False, WITHHELD_REFUSED),
        (200, True, REACHED),
        (486, True, REACHED),
        (486, False, Result.OTHER),
        (603, False, REACHED),
        (404, False, Result.OTHER),
        (500, False, Result.OTHER),
        (None, False, Result.OTHER),
        (None, True, REACHED),
    ],
)
def test_result(status: int | None, rang: bool, result: Result) -> None:
    """Only what shows the callee's side counts; a congested network says 486, too."""
    assert result_of(status, rang=rang) is result


@pytest.mark.assumption
@pytest.mark.parametrize(
    ("outcomes", "over_ipv6", "over_ipv4"),
    [
        ([], Lesson.NOTHING, Lesson.NOTHING),
        ([(V6, REFUSED)], Lesson.ALONE_REFUSED, Lesson.NOTHING),
        ([(V6, REFUSED), (V4, REACHED)], Lesson.FAILED, Lesson.WORKED),
        ([(V4, REACHED), (V6, REFUSED)], Lesson.FAILED, Lesson.WORKED),
        ([(V6, REFUSED), (V4, REFUSED)], Lesson.BOTH_REFUSED, Lesson.BOTH_REFUSED),
        ([(V6, REFUSED), (V4, REACHED), (V6, REACHED)], Lesson.WORKED, Lesson.WORKED),
        ([(V6, REACHED), (V6, REFUSED), (V4, REACHED)], Lesson.FAILED, Lesson.WORKED),
        ([(V6, REFUSED), (V4, WITHHELD_REFUSED)], Lesson.FAILED, Lesson.WORKED),
        ([(V6, REFUSED), (V4, Result.OTHER)], Lesson.ALONE_REFUSED, Lesson.NOTHING),
    ],
)
def test_lesson(
    outcomes: list[tuple[Family, Result]], over_ipv6: Lesson, over_ipv4: Lesson
) -> None:
    """The newest outcome of each family counts, and one over both teaches nothing."""
    experience = past(*(outcome(family, result) for family, result in outcomes))
    assert experience.lesson(OUTSIDE, V6, NOW) is over_ipv6
    assert experience.lesson(OUTSIDE, V4, NOW) is over_ipv4
    assert experience.lesson("0451234567", V6, NOW) is Lesson.NOTHING


@pytest.mark.parametrize(
    ("lessons", "rule"),
    [
        ([(V6, REFUSED, V4, REACHED)] * 2, Lesson.NOTHING),
        ([(V6, REFUSED, V4, REACHED)] * 3, Lesson.FAILED),
        ([(V6, REFUSED, V4, REFUSED)] * 3, Lesson.NOTHING),
        ([(V6, REACHED, V4, REACHED)] * 3, Lesson.WORKED),
        ([(V6, REFUSED, V4, REACHED)] * 3 + [(V6, REACHED, V4, REACHED)], Lesson.NOTHING),
    ],
)
def test_rule_of_a_kind(lessons: list[tuple[Family, Result, Family, Result]], rule: Lesson) -> None:
    """Three that agree and none against them make a rule, for their kind alone."""
    experience = past(
        *(
            outcome(family, result, number=f"031234000{last}")
            for last, (one, first, other, second) in enumerate(lessons)
            for family, result in ((one, first), (other, second))
        )
    )
    assert experience.lesson_of_kind(NumberKind.LANDLINE, V6, NOW) is rule
    assert experience.lesson_of_kind(NumberKind.MOBILE, V6, NOW) is Lesson.NOTHING


@pytest.mark.parametrize(
    ("outcomes", "refuses"),
    [
        ([(WITHHELD_REFUSED, None)], True),
        ([(WITHHELD_REFUSED, True)], True),
        ([(WITHHELD_REFUSED, None), (REACHED, False)], True),
        ([(WITHHELD_REFUSED, None), (REACHED, None)], False),
        ([(REACHED, None), (WITHHELD_REFUSED, True)], True),
        ([(WITHHELD_REFUSED, None), (REFUSED, None)], True),
        ([], False),
    ],
)
def test_withheld(outcomes: list[tuple[Result, bool | None]], refuses: bool) -> None:
    """Getting through with 186 does not show that the callee takes withheld numbers now."""
    experience = past(*(outcome(V4, result, withheld=hidden) for result, hidden in outcomes))
    assert experience.refuses_withheld(OUTSIDE, NOW) is refuses


def test_withheld_from_a_line_that_shows_its_number() -> None:
    """There 184 and no prefix are two things, and each says nothing of the other."""
    experience = past(
        outcome(V4, WITHHELD_REFUSED, withheld=True), outcome(V4, REACHED, withheld=None)
    )
    assert experience.refuses_withheld(OUTSIDE, NOW, {True})
    assert not experience.refuses_withheld(OUTSIDE, NOW, {None})
    assert not experience.refuses_withheld(OUTSIDE, NOW)


def test_age() -> None:
    """What is too old neither teaches nor stays."""
    old = past(outcome(V6, REACHED, days=MAX_AGE / DAY + 1), outcome(V4, REACHED, number="1"))
    assert old.lesson(OUTSIDE, V6, NOW) is Lesson.NOTHING
    assert set(old.aged(NOW).outcomes) == {"1"}
    assert old.aged(NOW - 2 * DAY) == old


def test_forget() -> None:
    """The user can have one number forgotten, or all."""
    experience = TAUGHT_V4.add(outcome(V6, REACHED, number="1"))
    assert set(experience.forget(OUTSIDE).outcomes) == {"1"}
    assert experience.forget("unheard-of") == experience
    assert experience.forget() == Experience()


def test_bounded() -> None:
    """It does not grow without end: the numbers longest unused go first."""
    experience = Experience()
    for count in range(MAX_NUMBERS + 5):
        experience = experience.add(outcome(V6, REACHED, number=f"03{count:08}"))
    for _ in range(OUTCOMES_PER_NUMBER + 5):
        experience = experience.add(outcome(V6, REACHED, number="0300000005"))
    assert len(experience.outcomes) == MAX_NUMBERS
    assert "0300000004" not in experience.outcomes
    assert list(experience.outcomes)[-1] == "0300000005"
    assert len(experience.outcomes["0300000005"]) == OUTCOMES_PER_NUMBER
    assert read_experience(experience.to_dict()) == (experience, 0)


def test_a_change_gives_another_value() -> None:
    """Nobody's experience changes behind his back."""
    before = past(outcome(V6, REFUSED))
    before.add(outcome(V4, REACHED))
    before.forget()
    assert before == past(outcome(V6, REFUSED))


@pytest.mark.parametrize(
    ("data", "lost"),
    [
        (None, 0),
        ({}, 1),
        ([], 1),
        ("x", 1),
        ({"version": 1, "outcomes": None}, 1),
        ({"version": 1, "outcomes": []}, 0),
        ({"version": 99, "outcomes": [ROW]}, 0),
        ({"outcomes": [ROW]}, 0),
        ({"outcomes": [ROW, None, 5, [], {}, "x"]}, 5),
        ({"outcomes": [ROW, ROW | {"family": "ipv9"}]}, 1),
        ({"outcomes": [ROW, ROW | {"kind": ["landline"]}]}, 1),
        ({"outcomes": [ROW, ROW | {"result": {}}]}, 1),
        ({"outcomes": [ROW, ROW | {"number": "03-1234"}]}, 1),
        ({"outcomes": [ROW, ROW | {"number": ""}]}, 1),
        ({"outcomes": [ROW, ROW | {"number": 312345678}]}, 1),
        ({"outcomes": [ROW, ROW | {"number": "1" * 33}]}, 1),
        ({"outcomes": [ROW, ROW | {"at": "now"}]}, 1),
        ({"outcomes": [ROW, ROW | {"at": True}]}, 1),
        ({"outcomes": [ROW, ROW | {"at": math.nan}]}, 1),
        ({"outcomes": [ROW, ROW | {"at": math.inf}]}, 1),
        ({"outcomes": [ROW, ROW | {"at": 10**400}]}, 1),
        ({"outcomes": [ROW | {"withheld": "maybe", "later": 1}]}, 0),
    ],
)
def test_corrupt_data(data: object, lost: int) -> None:
    """What can be read is read, and the rest is counted."""
    experience, count = read_experience(data)
    assert count == lost
    rows = data.get("outcomes") if isinstance(data, dict) else None
    readable = isinstance(rows, list) and rows[:1] not in ([], [None])
    assert (OUTSIDE in experience.outcomes) is readable


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
outcomes = st.builds(
    Outcome,
    number=st.text(alphabet="0123456789*#", min_size=1, max_size=32),
    kind=st.sampled_from(NumberKind),
    family=st.sampled_from(Family),
    result=st.sampled_from(Result),
    at=st.floats(0, 1e11),
    withheld=st.none() | st.booleans(),
)


@given(st.lists(outcomes, max_size=30))
def test_round_trip(taught: list[Outcome]) -> None:
    """What is written as JSON comes back as it was."""
    experience = past(*taught)
    assert read_experience(json.loads(json.dumps(experience.to_dict()))) == (experience, 0)


@given(
    st.lists(outcomes, min_size=1, max_size=10, unique_by=lambda one: one.number),
    st.data(),
)
def test_what_is_broken_costs_only_itself(taught: list[Outcome], data: st.DataObject) -> None:
    """Rows that are damaged do not take the others with them."""
    rows: list[Any] = past(*taught).to_dict()["outcomes"]
    place = data.draw(st.integers(0, len(rows) - 1))
    field = data.draw(st.sampled_from([None, *rows[place]]))
    rubbish = data.draw(json_values)
    broken = rubbish if field is None else rows[place] | {field: rubbish}
    experience, lost = read_experience({"outcomes": [*rows[:place], broken, *rows[place + 1 :]]})
    others = {one.number for one in taught} - {taught[place].number}
    assert others <= set(experience.outcomes)
    assert lost in {0, 1}


@given(json_values | st.dictionaries(st.sampled_from(["version", "outcomes"]), json_values))
def test_rubbish_never_raises(data: object) -> None:
    """Whatever is in the file, the line starts; the book that was entered, too."""
    experience, _ = read_experience(data)
    assert experience.aged(NOW).to_dict()
    assert all(kind.kind in ExtensionKind for kind in entered_book(data).entries.values())


def inside(*outcomes: tuple[Family, Result]) -> Experience:
    """Return the experience of calls to extension 4."""
    return past(
        *(
            outcome(family, result, number="4", kind=NumberKind.EXTENSION)
            for family, result in outcomes
        )
    )


@pytest.mark.parametrize(
    ("entered", "outcomes", "shown"),
    [
        ("unknown", [(V6, REFUSED), (V4, REACHED)], "ipv4_only"),
        ("unknown", [(V4, REFUSED), (V6, REACHED)], "ipv6_only"),
        ("unknown", [(V4, REACHED), (V6, REACHED)], "dual"),
        ("unknown", [(V4, REACHED)], "unknown"),
        ("unknown", [(V6, REFUSED)], "unknown"),
        ("unknown", [(V6, REFUSED), (V4, REFUSED)], "unknown"),
        ("analog", [(V6, REFUSED), (V4, REACHED)], "analog"),
        ("analog", [(V6, REACHED)], "dual"),
        ("ipv4_only", [(V6, REACHED)], "dual"),
        ("ipv6_only", [(V4, REACHED)], "dual"),
        ("ipv6_only", [(V6, REFUSED), (V4, REACHED)], "ipv4_only"),
        ("dual", [(V6, REFUSED), (V4, REACHED)], "ipv4_only"),
        ("dual", [(V6, REACHED)], "dual"),
    ],
)
def test_the_book_is_corrected(
    entered: str, outcomes: list[tuple[Family, Result]], shown: str
) -> None:
    """What calls show stands against what was entered, which is remembered."""
    book = corrected_book(entered_book({"4": entered}), inside(*outcomes), NOW)
    entry = book.entries["4"]
    assert entry.kind == shown
    assert entry.entered == (None if shown == entered else entered)


def test_the_book_learns_extensions_and_nothing_else() -> None:
    """An extension that nobody entered appears; outside numbers do not."""
    book = corrected_book(Book(), inside((V6, REFUSED), (V4, REACHED)), NOW)
    assert book.kind("4") is ExtensionKind.IPV4_ONLY
    assert book.extensions == {"4"}
    assert corrected_book(Book(), TAUGHT_V4, NOW) == Book()
    old = corrected_book(Book(), inside((V6, REFUSED), (V4, REACHED)), NOW + MAX_AGE)
    assert old.kind("4") is ExtensionKind.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "over_ipv6", "over_ipv4"),
    [
        (ExtensionKind.ANALOG, False, True),
        (ExtensionKind.IPV4_ONLY, False, True),
        (ExtensionKind.IPV6_ONLY, True, False),
        (ExtensionKind.DUAL, True, True),
        (ExtensionKind.UNKNOWN, None, None),
    ],
)
def test_kinds(kind: ExtensionKind, over_ipv6: bool | None, over_ipv4: bool | None) -> None:
    """Analog phones count as IPv4 (NTT's guide)."""
    assert (kind.takes(V6), kind.takes(V4)) == (over_ipv6, over_ipv4)
