"""What is tried after a refusal, and when it ends."""

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.compatibility import (
    Attempt,
    DialOptions,
    LineFacts,
    Outlook,
    Region,
    Tried,
    next_attempt,
)
from custom_components.hikari_denwa.telephony.compatibility import Verdict as Said
from custom_components.hikari_denwa.telephony.paths import Paths

from .cases import (
    BOTH,
    DUAL_LINE,
    DUAL_LINE_ON_V4,
    EMERGENCY_ON,
    NAT64,
    ONLY_V6,
    OUTSIDE,
    PERSON,
    TWO_LINES,
    V4_LINE,
    V6_LINE,
    Case,
)

SHOW = DialOptions(show_number_on_refusal=True, from_automation=False)


def said_of(
    number: str = OUTSIDE,
    line: LineFacts = DUAL_LINE,
    paths: Paths = BOTH,
    options: DialOptions = PERSON,
    region: Region = Region.EAST,
) -> Said:
    """Return the verdict of a call without a past."""
    return Case(
        name="",
        number=number,
        line=line,
        paths=paths,
        options=options,
        region=region,
        outlook=Outlook.WORKS,
        over=None,
        reasons=(),
    ).verdict()


def placed(said: Said, *answers: int | None) -> list[Attempt]:
    """Return every INVITE when the gateway answers like this, one after the other."""
    tried: list[Tried] = []
    for status in answers:
        if (attempt := next_attempt(said, tried)) is None:
            break
        tried.append(Tried(attempt=attempt, status=status))
    return [one.attempt for one in tried]


def families(attempts: list[Attempt]) -> list[Family]:
    """Return the family of each attempt."""
    return [attempt.family for attempt in attempts]


@pytest.mark.parametrize("status", [488, 606])
def test_once_over_ipv4(status: int) -> None:
    """A refusal over IPv6 is followed by one attempt over IPv4, by moving the line."""
    attempts = placed(said_of(), status, status, status)
    assert families(attempts) == [Family.IPV6, Family.IPV4]
    assert [attempt.moves_registration for attempt in attempts] == [False, True]
    assert {attempt.line for attempt in attempts} == {"line"}


def test_once_over_the_second_line() -> None:
    """A second line that has IPv4 takes the call without moving anything."""
    attempts = placed(said_of(line=TWO_LINES), 488, 488)
    assert [(attempt.line, attempt.moves_registration) for attempt in attempts] == [
        ("line", False),
        ("second", False),
    ]


@pytest.mark.parametrize(
    ("line", "paths"),
    [(V6_LINE, BOTH), (DUAL_LINE, ONLY_V6), (DUAL_LINE, NAT64), (DUAL_LINE, Paths())],
    ids=["not allowed", "no path", "NAT64", "not looked at"],
)
def test_no_ipv4_no_second_attempt(line: LineFacts, paths: Paths) -> None:
    """Without a path that carries SIP there is nothing more to try."""
    assert families(placed(said_of(line=line, paths=paths), 488, 488)) == [Family.IPV6]


def test_outside_ipv4_is_not_followed_by_ipv6() -> None:
    """A refusal over IPv4 has other causes outside; an extension may have IPv6 alone."""
    assert families(placed(said_of(line=DUAL_LINE_ON_V4), 488, 488)) == [Family.IPV4]
    inside = said_of(number="2", line=DUAL_LINE_ON_V4)
    assert families(placed(inside, 488, 488)) == [Family.IPV4, Family.IPV6]


@pytest.mark.parametrize("status", [200, 403, 404, 480, 486, 487, 500, 503, 603, None])
def test_other_answers_end_it(status: int | None) -> None:
    """Nothing else is tried again: it would cost, and it would not help."""
    assert len(placed(said_of(options=SHOW), status, 200)) == 1


def test_186_when_the_caller_allows_it() -> None:
    """A callee who refuses withheld numbers is called once more, with the number."""
    attempts = placed(said_of(line=V4_LINE, options=SHOW), 433, 433, 433)
    assert [attempt.digits for attempt in attempts] == [OUTSIDE, f"186{OUTSIDE}"]
    assert families(attempts) == [Family.IPV4, Family.IPV4]


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (OUTSIDE, PERSON),
        (f"184{OUTSIDE}", SHOW),
        (f"186{OUTSIDE}", SHOW),
        ("1", SHOW),
        (f"{OUTSIDE}*{'1' * 19}", SHOW),
    ],
    ids=["not allowed", "184 dialled", "186 dialled", "extension", "too long with 186"],
)
def test_no_186_otherwise(number: str, options: DialOptions) -> None:
    """The number is shown only to whom the caller allowed it, and never against 184."""
    assert len(placed(said_of(number, V4_LINE, options=options), 433, 433)) == 1


@pytest.mark.parametrize("answers", [(488, 433, 200), (433, 488, 200)])
def test_never_a_third_attempt(answers: tuple[int, ...]) -> None:
    """Two refusals of different kinds end it, too."""
    assert len(placed(said_of(options=SHOW), *answers)) == 2


def test_forbidden_is_not_tried() -> None:
    """What cannot be placed has no attempt at all."""
    assert placed(said_of("110"), 488) == []
    assert placed(said_of("136"), 488) == []


def test_emergency_leaves_nothing_untried_where_it_may() -> None:
    """In the West IPv6 is left; in the East it is not."""
    west = said_of("110", DUAL_LINE_ON_V4, options=EMERGENCY_ON, region=Region.WEST)
    assert families(placed(west, 488, 488)) == [Family.IPV4, Family.IPV6]
    east = said_of("110", DUAL_LINE_ON_V4, options=EMERGENCY_ON)
    assert families(placed(east, 488, 488)) == [Family.IPV4]
