"""No call is ever placed that the guard forbids."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.compatibility import (
    MAX_ATTEMPTS,
    Attempt,
    DialOptions,
    LineFacts,
    Outlook,
    Region,
    Tried,
    Verdict,
    blocked,
    forbidden,
    next_attempt,
    verdict,
)
from custom_components.hikari_denwa.telephony.experience import (
    Book,
    Experience,
    ExtensionKind,
    Outcome,
    Result,
    entered_book,
)
from custom_components.hikari_denwa.telephony.numbers import (
    CostClass,
    DialledNumber,
    NumberKind,
    classify,
    is_emergency,
)
from custom_components.hikari_denwa.telephony.paths import (
    Environment,
    FamilyPath,
    Paths,
    Reach,
    SourceKind,
)

from .cases import BOTH, DUAL_LINE, NOW

PLAIN = [
    *("110", "118", "119", "117", "104", "171", "188", "1421", "#7119", "114", "*21", "125"),
    *("1", "3", "7", "21", "0312345678", "0451234567", "09012345678", "05012345678"),
    *("0120123456", "08001234567", "0570012345", "0990512345", "0180991234", "34567890"),
    *("01012125550100", "0033112345678", "09001234567", "02012345678", "999"),
]
DRESSES = [
    "{}",
    "184{}",
    "186-{}",
    "184186{}",
    "{}#",
    "{}*1",
    "*{}",
    "tel:{}",
    "+81{}",
    "01081{}",
    "{}0",
    "#{}",
]

numbers = st.one_of(
    st.builds(str.format, st.sampled_from(DRESSES), st.sampled_from(PLAIN)),
    st.sampled_from([f"+81{number[1:]}" for number in PLAIN if number.startswith("0")]),
    st.sampled_from([f"010 81 {number[1:]}" for number in PLAIN if number.startswith("0")]),
    st.text(alphabet="0123456789*#", min_size=1, max_size=14),
)
options = st.builds(
    DialOptions,
    allowed_costs=st.frozensets(st.sampled_from(CostClass)),
    emergency_enabled=st.booleans(),
    emergency_from_automation=st.booleans(),
    blocked_numbers=st.lists(st.sampled_from(PLAIN), max_size=4).map(blocked),
    show_number_on_refusal=st.booleans(),
    from_automation=st.booleans(),
)
families = st.sampled_from(Family)


def paths_of(family: Family) -> st.SearchStrategy[FamilyPath | None]:
    """Return any path of a family."""
    return st.none() | st.builds(
        FamilyPath,
        family=st.just(family),
        source_kind=st.none() | st.sampled_from(SourceKind),
        reach=st.sampled_from(Reach),
        gateway_answers=st.none() | st.booleans(),
    )


paths = st.builds(
    Paths,
    ipv6=paths_of(Family.IPV6),
    ipv4=paths_of(Family.IPV4),
    environment=st.builds(Environment, docker_bridge=st.booleans()),
)
others = st.lists(
    st.builds(
        LineFacts,
        id=st.just("second"),
        extension=st.just("7"),
        family=st.none() | families,
        families=st.frozensets(families),
    ),
    max_size=2,
).map(tuple)
lines = st.builds(
    LineFacts,
    id=st.just("line"),
    extension=st.just("3"),
    family=st.none() | families,
    families=st.frozensets(families),
    shows_number=st.booleans(),
    others=others,
)
books = st.dictionaries(
    st.sampled_from(["1", "3", "7", "21", "110", "0990512345"]),
    st.sampled_from([*ExtensionKind, "nonsense"]),
).map(entered_book)
outcomes = st.builds(
    Outcome,
    number=st.sampled_from(PLAIN),
    kind=st.sampled_from(NumberKind),
    family=families,
    result=st.sampled_from(Result),
    at=st.floats(NOW - 300 * 86400, NOW),
    withheld=st.none() | st.booleans(),
)


@st.composite
def experiences(draw: st.DrawFn) -> Experience:
    """Return any experience."""
    experience = Experience()
    for outcome in draw(st.lists(outcomes, max_size=8)):
        experience = experience.add(outcome)
    return experience


statuses = st.sampled_from([433, 488, 606, 486, 404, 500, 200, 603, None])


def all_attempts(said: Verdict, answers: list[int | None]) -> list[Tried]:
    """Return what is tried when the gateway answers like this."""
    tried: list[Tried] = []
    for status in answers:
        attempt = next_attempt(said, tried)
        if attempt is None:
            break
        tried.append(Tried(attempt=attempt, status=status))
    return tried


def plain(digits: str) -> str:
    """Return dialled digits without prefixes and keys: what a telephone network would ring."""
    bare = re.sub(r"[*#]", "", digits)
    while re.match(r"18[46]\d", bare):
        bare = bare[3:]
    return bare


def attempt_number(attempt: Attempt, book: Book) -> DialledNumber:
    """Return what an attempt dials."""
    return classify(attempt.digits, extensions=book.extensions)


def breaks(digits: str, options: DialOptions) -> str | None:
    """Return which rule of the owner dialling these digits would break, judged on its own."""
    bare = plain(digits)
    if is_emergency(digits) or bare in {"110", "118", "119"}:
        if not options.emergency_enabled:
            return "emergency is off"
        if options.from_automation and not options.emergency_from_automation:
            return "emergency from an automation"
        return "blocked" if bare in options.blocked_numbers else None
    if bare in options.blocked_numbers:
        return "blocked"
    costs = options.allowed_costs
    if re.match(r"0990\d|010810?990", bare) and CostClass.PREMIUM not in costs:
        return "premium"
    if bare.startswith("010") and CostClass.INTERNATIONAL not in costs and digits[0] == "0":
        return "international"
    if re.match(r"00[1-9]", bare) and digits[0] == "0":
        return "carrier code"
    mobile = re.fullmatch(r"0[6-9]0[1-9]\d{7}", bare)
    if mobile and digits[0] == "0" and CostClass.MOBILE not in costs:
        return "mobile"
    return None


@settings(max_examples=600, deadline=None)
@given(
    text=numbers,
    line=lines,
    paths=paths,
    book=books,
    experience=experiences(),
    region=st.sampled_from(Region),
    options=options,
    answers=st.lists(statuses, min_size=4, max_size=4),
)
def test_nothing_forbidden_is_dialled(
    *,
    text: str,
    line: LineFacts,
    paths: Paths,
    book: Book,
    experience: Experience,
    region: Region,
    options: DialOptions,
    answers: list[int | None],
) -> None:
    """Whatever the state and the answers: each INVITE is allowed, and there are two at most."""
    number = classify(text, extensions=book.extensions)
    said = verdict(
        number,
        line,
        paths=paths,
        book=book,
        experience=experience,
        region=region,
        options=options,
        now=NOW,
    )
    tried = all_attempts(said, answers)
    assert (said.outlook is Outlook.CANNOT) is (not tried)
    assert len(tried) <= MAX_ATTEMPTS
    registered = {line.id: line.family} | {other.id: other.family for other in line.others}
    for one in tried:
        attempt = one.attempt
        assert breaks(attempt.digits, options) is None
        assert forbidden(attempt_number(attempt, book), options) is None
        again = attempt_number(attempt, book)
        assert (again.national, again.cost, again.dialable) == (
            number.national,
            number.cost,
            True,
        )
        if again.kind is not NumberKind.EMERGENCY:
            assert again.cost in options.allowed_costs
        if attempt.moves_registration:
            assert attempt.family in line.families
            assert registered[attempt.line] is not None
        if again.kind is NumberKind.EMERGENCY and region is Region.EAST:
            assert attempt.family is Family.IPV4


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("number", ["110", "118", "119"])
def test_emergency_is_off_in_every_dress(number: str, dress: str) -> None:
    """No way of writing gets an emergency number through while the switch is off."""
    said = verdict(
        classify(dress.format(number)),
        DUAL_LINE,
        paths=BOTH,
        book=entered_book({}),
        experience=Experience(),
        region=Region.EAST,
        options=DialOptions(allowed_costs=frozenset(CostClass)),
        now=NOW,
    )
    dials_emergency = said.first is not None and plain(said.first.digits) in {"110", "118", "119"}
    assert not dials_emergency


def test_who_does_not_say_is_an_automation() -> None:
    """The careful answer is the default."""
    assert DialOptions().from_automation
    assert not DialOptions().emergency_enabled
    assert not {CostClass.PREMIUM, CostClass.INTERNATIONAL, CostClass.UNKNOWN} & (
        DialOptions().allowed_costs
    )


@pytest.mark.parametrize(
    ("listed", "dialled"),
    [
        ("1", "*1"),
        ("1", "1#"),
        ("21", "*2*1"),
        ("1421", "#1421"),
        ("1421", "1421#"),
        ("1", "184*1"),
    ],
)
def test_keys_do_not_hide_a_blocked_number(listed: str, dialled: str) -> None:
    """An exchange may take no notice of the keys; what is left counts, be it ever so short."""
    every_cost = frozenset(CostClass)
    options = DialOptions(allowed_costs=every_cost, blocked_numbers=blocked([listed]))
    assert forbidden(classify(dialled), options) is not None
    assert forbidden(classify(dialled), DialOptions(allowed_costs=every_cost)) is None
