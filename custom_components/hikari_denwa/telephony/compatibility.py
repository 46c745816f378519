"""Will this call work? The verdict before dialling, and what to try after a refusal.

Pure: no I/O and no clock. All that is known comes in, and a table of cases tests it
(docs/compatibility.md). The matrix of families is NTT's guide for home gateways, the rules for
emergency numbers are NTT's interface documents; what is only reported stays uncertain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from functools import cached_property

from .calls import Family
from .errors import TelephonyError
from .experience import Book, Experience, Lesson
from .numbers import (
    MAX_DIGITS,
    CostClass,
    DialledNumber,
    NumberKind,
    NumberReason,
    classify,
    is_emergency,
)
from .paths import FamilyPath, Paths, Reach, SourceKind

MAX_ATTEMPTS = 2
SHOW_NUMBER = "186"
_FAMILY_REFUSALS = frozenset({488, 606})
_WITHHELD_REFUSED = 433
_KEYS = re.compile(r"[*#]")
_PREFIXES = re.compile(r"^(?:18[46](?=\d))+")


class Outlook(StrEnum):
    """How a call will fare."""

    WORKS = "works"
    LIKELY_WORKS = "likely_works"
    UNCERTAIN = "uncertain"
    LIKELY_FAILS = "likely_fails"
    CANNOT = "cannot"


class _Grade(IntEnum):
    """The outlooks in their order, to take the lowest of several."""

    CANNOT = 0
    LIKELY_FAILS = 1
    UNCERTAIN = 2
    LIKELY_WORKS = 3
    WORKS = 4

    @property
    def outlook(self) -> Outlook:
        """The word for it."""
        return Outlook(self.name.lower())


class Region(StrEnum):
    """Whose gateway it is; rules for emergency calls differ."""

    EAST = "east"
    WEST = "west"
    UNKNOWN = "unknown"


class ReasonCode(StrEnum):
    """What speaks for or against a call, beside what is the matter with its number.

    Each is a key of the translations. Those of BLOCKING are also reasons of errors.
    """

    NUMBER_BLOCKED = "number_blocked"
    COST_NOT_ALLOWED = "cost_not_allowed"
    EMERGENCY_OFF = "number_emergency"
    EMERGENCY_FROM_AUTOMATION = "emergency_from_automation"
    LINE_NOT_REGISTERED = "line_not_registered"
    CALLEE_NEEDS_IPV4 = "callee_needs_ipv4"
    CALLEE_NEEDS_IPV6 = "callee_needs_ipv6"
    EMERGENCY_NEEDS_IPV4 = "emergency_needs_ipv4"
    CALLEE_TAKES_FAMILY = "callee_takes_family"
    WORKED_BEFORE = "worked_before"
    FAILED_BEFORE = "failed_before"
    REFUSED_OVER_BOTH = "refused_over_both"
    KIND_WORKED_BEFORE = "kind_worked_before"
    KIND_FAILED_BEFORE = "kind_failed_before"
    NETWORK_TAKES_IPV4 = "network_takes_ipv4"
    OUTSIDE_OVER_IPV6 = "outside_over_ipv6"
    EXTENSION_FAMILY_UNKNOWN = "extension_family_unknown"
    OWN_EXTENSION = "own_extension"
    EMERGENCY_PREFERS_IPV4 = "emergency_prefers_ipv4"
    EMERGENCY_REGION_UNKNOWN = "emergency_region_unknown"
    EMERGENCY_NOT_RELIABLE = "emergency_not_reliable"
    WITHHELD_REFUSED_BEFORE = "withheld_refused_before"
    FALLBACK_READY = "fallback_ready"
    OTHER_LINE = "other_line"
    FAMILY_NOT_ALLOWED = "family_not_allowed"
    FAMILY_NO_PATH = "family_no_path"
    FAMILY_NO_ANSWER = "family_no_answer"
    IPV4_TRANSLATED = "ipv4_translated"
    SOURCE_DEPRECATED = "source_deprecated"
    DOCKER_BRIDGE = "docker_bridge"


BLOCKING = frozenset(
    {
        ReasonCode.NUMBER_BLOCKED,
        ReasonCode.COST_NOT_ALLOWED,
        ReasonCode.EMERGENCY_OFF,
        ReasonCode.EMERGENCY_FROM_AUTOMATION,
        ReasonCode.LINE_NOT_REGISTERED,
        ReasonCode.CALLEE_NEEDS_IPV4,
        ReasonCode.CALLEE_NEEDS_IPV6,
        ReasonCode.EMERGENCY_NEEDS_IPV4,
        NumberReason.INVALID,
        NumberReason.TOO_SHORT,
        NumberReason.TOO_LONG,
        NumberReason.NOT_IN_PLAN,
        NumberReason.CARRIER_SELECT,
        NumberReason.NOT_OFFERED,
        NumberReason.PREFIX_MISPLACED,
    }
)


class CureCode(StrEnum):
    """What would make a call work; each is a key of the translations."""

    ALLOW_FAMILY = "cure_allow_family"
    GIVE_FAMILY = "cure_give_family"
    NATIVE_IPV4 = "cure_native_ipv4"
    HOST_NETWORK = "cure_host_network"
    RENEW_ADDRESS = "cure_renew_address"
    ENTER_EXTENSION = "cure_enter_extension"
    ENTER_REGION = "cure_enter_region"
    SHOW_NUMBER = "cure_show_number"
    ADD_AREA_CODE = "cure_add_area_code"
    CORRECT_NUMBER = "cure_correct_number"
    INTERNATIONAL_PREFIX = "cure_international_prefix"
    ALLOW_COST = "cure_allow_cost"
    UNBLOCK = "cure_unblock"
    USE_TELEPHONE = "cure_use_telephone"
    CHECK_REGISTRATION = "cure_check_registration"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One thing that speaks for or against a call, with the placeholders of its sentence."""

    code: ReasonCode | NumberReason
    placeholders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cure:
    """One thing that would help, with the placeholders of its sentence."""

    code: CureCode
    placeholders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LineFacts:
    """What a line can do now.

    ``family`` is that of its registration, None if it has none; ``families`` are those
    that its owner lets it use. ``shows_number`` tells whether callees are known to see the number
    without 186. ``others`` are more lines of the same gateway.
    """

    id: str
    extension: str
    family: Family | None
    families: frozenset[Family] = frozenset(Family)
    shows_number: bool = False
    others: tuple[LineFacts, ...] = ()


DEFAULT_COSTS = frozenset(CostClass) - {
    CostClass.PREMIUM,
    CostClass.INTERNATIONAL,
    CostClass.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True)
class DialOptions:
    """What the owner allows, and who asks.

    Emergency numbers hang on their two switches alone, not on ``allowed_costs``. Whoever does
    not say that a person asks is taken for an automation. ``blocked_numbers`` are as
    ``blocked`` makes them.
    """

    allowed_costs: frozenset[CostClass] = DEFAULT_COSTS
    emergency_enabled: bool = False
    emergency_from_automation: bool = False
    blocked_numbers: frozenset[str] = frozenset()
    show_number_on_refusal: bool = False
    from_automation: bool = True


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One INVITE to send. ``moves_registration``: the line is registered over the other family."""

    digits: str
    line: str
    family: Family
    moves_registration: bool = False


@dataclass(frozen=True, kw_only=True)
class Tried:
    """An attempt and its final status; None if it was given up without one."""

    attempt: Attempt
    status: int | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a call will fare, over what, and why; reasons and cures the weightiest first.

    ``first`` is the attempt to begin with (None exactly if the outlook is cannot) and
    ``fallback`` the one over the other family after a 488 or 606.
    """

    number: DialledNumber
    outlook: Outlook
    reasons: tuple[Reason, ...]
    cures: tuple[Cure, ...] = ()
    first: Attempt | None = None
    fallback: Attempt | None = None
    may_show_number: bool = False

    @property
    def family(self) -> Family | None:
        """The family to use."""
        return self.first.family if self.first else None

    @property
    def line(self) -> str | None:
        """The line to use."""
        return self.first.line if self.first else None

    def error(self) -> TelephonyError | None:
        """Return why the call cannot be placed, None if it can be tried."""
        if self.outlook is not Outlook.CANNOT:
            return None
        reason = self.reasons[0]
        return TelephonyError.of_reason(reason.code, reason.placeholders)


@dataclass(frozen=True)
class _Judged:
    """A grade with what led to it."""

    grade: _Grade
    reasons: tuple[Reason, ...] = ()
    cures: tuple[Cure, ...] = ()

    def capped(self, other: _Judged) -> _Judged:
        """Return both together: the lower grade, all reasons, all cures."""
        return _Judged(
            min(self.grade, other.grade),
            (*self.reasons, *other.reasons),
            (*self.cures, *other.cures),
        )


@dataclass(frozen=True, kw_only=True)
class _Case:
    """All that a verdict is made of."""

    number: DialledNumber
    line: LineFacts
    paths: Paths
    book: Book
    experience: Experience
    region: Region
    options: DialOptions
    now: float

    @cached_property
    def callee(self) -> dict[Family, _Judged]:
        """How the callee's side takes each family."""
        return {family: _judge_callee(self, family) for family in Family}


@dataclass(frozen=True)
class _Leg:
    """A way to place the call, with how it would fare."""

    attempt: Attempt
    judged: _Judged


def verdict(
    number: DialledNumber,
    line: LineFacts,
    *,
    paths: Paths,
    book: Book,
    experience: Experience,
    region: Region,
    options: DialOptions,
    now: float,
) -> Verdict:
    """Return how a call will fare; ``now`` in Unix seconds. Never raises.

    ``book`` is the corrected one. What the guard forbids and what Hikari Denwa cannot dial is
    ``cannot``, and so is what documents rule out over every family that is there.
    """
    if blocking := _not_dialable(number) or _forbidden(number, options):
        return _cannot(number, blocking)
    case = _Case(
        number=number,
        line=line,
        paths=paths,
        book=book,
        experience=experience,
        region=region,
        options=options,
        now=now,
    )
    legs = [_Leg(attempt, _judge(case, attempt)) for attempt in _attempts(case)]
    if not legs:
        return _cannot(
            number,
            _Judged(
                _Grade.CANNOT,
                (Reason(code=ReasonCode.LINE_NOT_REGISTERED),),
                (Cure(code=CureCode.CHECK_REGISTRATION),),
            ),
        )
    legs = [_with_fallback(case, leg, legs) for leg in legs]
    return _chosen(case, _best(legs), legs)


def forbidden(number: DialledNumber, options: DialOptions) -> Reason | None:
    """Return what the owner's guard has against a number, None if nothing.

    For a last look before an INVITE; the verdict has asked the same.
    """
    judged = _forbidden(number, options)
    return judged.reasons[0] if judged else None


def blocked(texts: Iterable[str], *, area_code: str | None = None) -> frozenset[str]:
    """Return numbers that a person entered as the guard compares them."""
    numbers = (classify(text, area_code=area_code).national for text in texts)
    return frozenset(number for number in numbers if number)


def next_attempt(verdict: Verdict, tried: Sequence[Tried]) -> Attempt | None:
    """Return the INVITE to send next, None if nothing more is to be tried.

    First what the verdict says. Then at most one more: over the other family after 488 or 606,
    or with 186 after 433 if the caller allowed to show the number and did not dial 184.
    """
    if verdict.outlook is Outlook.CANNOT or len(tried) >= MAX_ATTEMPTS:
        return None
    if not tried:
        return verdict.first
    last = tried[-1]
    if last.status in _FAMILY_REFUSALS:
        return verdict.fallback
    if last.status == _WITHHELD_REFUSED and verdict.may_show_number:
        return replace(last.attempt, digits=f"{SHOW_NUMBER}{verdict.number.digits}")
    return None


def _not_dialable(number: DialledNumber) -> _Judged | None:
    """Return why a number cannot be dialled at all, None if it can."""
    if number.dialable:
        return None
    code = number.reason or NumberReason.INVALID
    cures = {
        NumberReason.CARRIER_SELECT: CureCode.INTERNATIONAL_PREFIX,
        NumberReason.NOT_OFFERED: CureCode.USE_TELEPHONE,
    }
    return _blocked(code, cures.get(code, CureCode.CORRECT_NUMBER), number)


def _forbidden(number: DialledNumber, options: DialOptions) -> _Judged | None:
    """Judge a number by what the owner allows: the one place that decides it."""
    if number.kind is NumberKind.EMERGENCY or is_emergency(number.digits):
        return _forbidden_emergency(number, options)
    if _is_blocked(number, options):
        return _blocked(ReasonCode.NUMBER_BLOCKED, CureCode.UNBLOCK, number)
    if number.cost not in options.allowed_costs:
        return _blocked(
            ReasonCode.COST_NOT_ALLOWED, CureCode.ALLOW_COST, number, cost=number.cost.value
        )
    return None


def _forbidden_emergency(number: DialledNumber, options: DialOptions) -> _Judged | None:
    """Return what the switches for emergency numbers have against a call."""
    if not options.emergency_enabled:
        return _blocked(ReasonCode.EMERGENCY_OFF, CureCode.USE_TELEPHONE, number)
    if options.from_automation and not options.emergency_from_automation:
        return _blocked(ReasonCode.EMERGENCY_FROM_AUTOMATION, CureCode.USE_TELEPHONE, number)
    if _is_blocked(number, options):
        return _blocked(ReasonCode.NUMBER_BLOCKED, CureCode.UNBLOCK, number)
    return None


def _is_blocked(number: DialledNumber, options: DialOptions) -> bool:
    """Tell whether the owner blocked a number, however it is dialled.

    Where the digits do not tell the whole number, what could be a blocked one counts as one.
    """
    if {number.national, number.digits, _bare(number.digits)} & options.blocked_numbers:
        return True
    if number.kind is NumberKind.LOCAL:
        return any(listed.endswith(number.national) for listed in options.blocked_numbers)
    if number.kind is NumberKind.UNKNOWN:
        return any(
            len(listed) > 2 and listed in number.digits for listed in options.blocked_numbers
        )
    return False


def _bare(digits: str) -> str:
    """Return dialled digits without keys and 184 or 186: an exchange may ring what is left."""
    return _PREFIXES.sub("", _KEYS.sub("", digits))


def _blocked(
    code: ReasonCode | NumberReason, cure: CureCode, number: DialledNumber, **more: str
) -> _Judged:
    """Return one reason that a call cannot be placed, with its cure."""
    return _Judged(
        _Grade.CANNOT,
        (Reason(code=code, placeholders={"number": number.display, **more}),),
        (Cure(code=cure, placeholders=more),),
    )


def _cannot(number: DialledNumber, judged: _Judged) -> Verdict:
    """Return the verdict of a call that is not placed."""
    return Verdict(
        number=number, outlook=Outlook.CANNOT, reasons=judged.reasons, cures=judged.cures
    )


def _attempts(case: _Case) -> list[Attempt]:
    """Return the ways to place a call, the one that changes least first.

    The line as it is registered, another line of the gateway over the other family, the line
    itself over the other family where a path exists.
    """
    digits, line = case.number.digits, case.line
    found: list[Attempt] = []
    if line.family is not None:
        found.append(Attempt(digits=digits, line=line.id, family=line.family))
    for other in line.others:
        if other.family is not None and other.family not in {way.family for way in found}:
            found.append(Attempt(digits=digits, line=other.id, family=other.family))
    if line.family is not None:
        found.extend(
            Attempt(digits=digits, line=line.id, family=family, moves_registration=True)
            for family in line.families - {line.family}
            if carries_sip(case.paths.of(family))
        )
    return found


def carries_sip(path: FamilyPath | None) -> bool:
    """Tell whether a family that no line is registered over is worth an attempt."""
    if path is None or path.gateway_answers is False or is_translated(path):
        return False
    if path.source_kind is SourceKind.LINK_LOCAL or path.reach is Reach.NONE:
        return False
    return path.reach is not Reach.UNKNOWN or path.gateway_answers is True


def is_translated(path: FamilyPath) -> bool:
    """Tell whether IPv4 exists through NAT64 alone: addresses inside SIP are not translated."""
    return path.reach is Reach.TRANSLATED or path.source_kind is SourceKind.CLAT


def _judge(case: _Case, attempt: Attempt) -> _Judged:
    """Return how one way to place the call would fare."""
    return case.callee[attempt.family].capped(_judge_beside(case, attempt))


def _judge_beside(case: _Case, attempt: Attempt) -> _Judged:
    """Return what there is to a way beside the family that the callee's side takes."""
    judged = _judge_path(case, attempt).capped(_judge_number(case, attempt))
    return judged.capped(_judge_withheld(case))


def _judge_callee(case: _Case, family: Family) -> _Judged:
    """Return how the callee's side takes a family."""
    match case.number.kind:
        case NumberKind.EMERGENCY:
            return _judge_emergency(case, family)
        case NumberKind.EXTENSION:
            return _judge_extension(case, family)
    return _judge_outside(case, family)


def _judge_emergency(case: _Case, family: Family) -> _Judged:
    """Return how 110, 118 and 119 take a family: East IPv4 only, West does not say.

    NTT East's interface document (type 3, v5.0) demands µ-law over IPv4, NTT West's (type 2,
    v6.4) µ-law. Nothing here is ever more than likely: without power there is no call.
    """
    unreliable = Reason(code=ReasonCode.EMERGENCY_NOT_RELIABLE)
    telephone = Cure(code=CureCode.USE_TELEPHONE)
    if family is Family.IPV4:
        return _Judged(_Grade.LIKELY_WORKS, (unreliable,), (telephone,))
    if case.region is Region.EAST:
        reason = Reason(
            code=ReasonCode.EMERGENCY_NEEDS_IPV4, placeholders={"number": case.number.display}
        )
        return _Judged(_Grade.CANNOT, (reason,), (telephone,))
    if case.region is Region.WEST:
        reason = Reason(code=ReasonCode.EMERGENCY_PREFERS_IPV4)
        return _Judged(_Grade.UNCERTAIN, (reason, unreliable), (telephone,))
    return _Judged(
        _Grade.LIKELY_FAILS,
        (Reason(code=ReasonCode.EMERGENCY_REGION_UNKNOWN), unreliable),
        (telephone, Cure(code=CureCode.ENTER_REGION)),
    )


def _judge_extension(case: _Case, family: Family) -> _Judged:
    """Return how an extension takes a family: the matrix of NTT's guide."""
    takes = case.book.kind(case.number.national).takes(family)
    told = {"number": case.number.display, "family": family.value}
    if takes is True:
        reason = Reason(code=ReasonCode.CALLEE_TAKES_FAMILY, placeholders=told)
        return _Judged(_Grade.WORKS, (reason,))
    if takes is False:
        ipv4 = family is Family.IPV6
        code = ReasonCode.CALLEE_NEEDS_IPV4 if ipv4 else ReasonCode.CALLEE_NEEDS_IPV6
        reason = Reason(code=code, placeholders={"number": case.number.display})
        return _Judged(_Grade.CANNOT, (reason,))
    if learnt := _judge_by_experience(case, family):
        return learnt
    # Most extensions are analog, and an IPv4 call reaches all but those with IPv6 alone.
    grade = _Grade.LIKELY_WORKS if family is Family.IPV4 else _Grade.UNCERTAIN
    reason = Reason(code=ReasonCode.EXTENSION_FAMILY_UNKNOWN, placeholders=told)
    cure = Cure(code=CureCode.ENTER_EXTENSION, placeholders={"number": case.number.display})
    return _Judged(grade, (reason,), (cure,))


def _judge_outside(case: _Case, family: Family) -> _Judged:
    """Return how the network takes a family for a number outside."""
    if learnt := _judge_by_experience(case, family):
        return learnt
    if family is Family.IPV4:
        return _Judged(_Grade.WORKS, (Reason(code=ReasonCode.NETWORK_TAKES_IPV4),))
    lesson = case.experience.lesson_of_kind(case.number.kind, family, case.now)
    if lesson is Lesson.WORKED:
        reason = Reason(code=ReasonCode.KIND_WORKED_BEFORE)
        return _Judged(_Grade.LIKELY_WORKS, (reason,))
    if lesson is Lesson.FAILED:
        return _Judged(_Grade.LIKELY_FAILS, (Reason(code=ReasonCode.KIND_FAILED_BEFORE),))
    return _Judged(_Grade.UNCERTAIN, (Reason(code=ReasonCode.OUTSIDE_OVER_IPV6),))


def _judge_by_experience(case: _Case, family: Family) -> _Judged | None:
    """Return how calls to this very number fared over a family, None if that says nothing."""
    told = {"number": case.number.display, "family": family.value}
    lesson = case.experience.lesson(case.number.national, family, case.now)
    if lesson is Lesson.WORKED:
        return _Judged(_Grade.WORKS, (Reason(code=ReasonCode.WORKED_BEFORE, placeholders=told),))
    if lesson is Lesson.BOTH_REFUSED:
        return _Judged(_Grade.UNCERTAIN, (Reason(code=ReasonCode.REFUSED_OVER_BOTH),))
    if lesson is Lesson.ALONE_REFUSED and family is Family.IPV4 and not _is_inside(case):
        # Outside, IPv4 is what everybody has: something else was wrong.
        return _Judged(
            _Grade.UNCERTAIN, (Reason(code=ReasonCode.FAILED_BEFORE, placeholders=told),)
        )
    if lesson in {Lesson.FAILED, Lesson.ALONE_REFUSED}:
        return _Judged(
            _Grade.LIKELY_FAILS, (Reason(code=ReasonCode.FAILED_BEFORE, placeholders=told),)
        )
    return None


def _is_inside(case: _Case) -> bool:
    """Tell whether an extension of the same gateway is called."""
    return case.number.kind is NumberKind.EXTENSION


def _judge_path(case: _Case, attempt: Attempt) -> _Judged:
    """Return what the way to the gateway does to a call."""
    judged = _Judged(_Grade.WORKS)
    if attempt.moves_registration:
        judged = _Judged(_Grade.LIKELY_WORKS)
    elif attempt.line != case.line.id:
        judged = _Judged(_Grade.WORKS, (Reason(code=ReasonCode.OTHER_LINE),))
    path = case.paths.of(attempt.family)
    if path is None:
        return judged
    if path.reach is Reach.NONE:
        told = {"family": attempt.family.value}
        reason = Reason(code=ReasonCode.FAMILY_NO_PATH, placeholders=told)
        judged = judged.capped(_Judged(_Grade.LIKELY_FAILS, (reason,)))
    if is_translated(path):
        judged = judged.capped(
            _Judged(
                _Grade.LIKELY_FAILS,
                (Reason(code=ReasonCode.IPV4_TRANSLATED),),
                (Cure(code=CureCode.NATIVE_IPV4),),
            )
        )
    if path.source_kind is SourceKind.DEPRECATED:
        judged = judged.capped(
            _Judged(
                _Grade.UNCERTAIN,
                (Reason(code=ReasonCode.SOURCE_DEPRECATED),),
                (Cure(code=CureCode.RENEW_ADDRESS),),
            )
        )
    if case.paths.environment.docker_bridge and path.source_kind is not SourceKind.LOOPBACK:
        judged = judged.capped(
            _Judged(
                _Grade.UNCERTAIN,
                (Reason(code=ReasonCode.DOCKER_BRIDGE),),
                (Cure(code=CureCode.HOST_NETWORK),),
            )
        )
    return judged


def _judge_number(case: _Case, attempt: Attempt) -> _Judged:
    """Return what is doubtful about a number that can be dialled."""
    number = case.number
    told = {"number": number.display}
    lines = (case.line, *case.line.others)
    own = next((line.extension for line in lines if line.id == attempt.line), None)
    if number.kind is NumberKind.EXTENSION and number.national == own:
        reason = Reason(code=ReasonCode.OWN_EXTENSION, placeholders=told)
        return _Judged(_Grade.LIKELY_FAILS, (reason,))
    if number.reason is None:
        return _Judged(_Grade.WORKS)
    grade, cure = {
        NumberReason.NOT_ALLOCATED: (_Grade.LIKELY_FAILS, CureCode.CORRECT_NUMBER),
        NumberReason.AREA_CODE_MISSING: (_Grade.LIKELY_WORKS, CureCode.ADD_AREA_CODE),
        NumberReason.EXTENSION_UNKNOWN: (_Grade.UNCERTAIN, CureCode.CORRECT_NUMBER),
    }.get(number.reason, (_Grade.UNCERTAIN, CureCode.CORRECT_NUMBER))
    return _Judged(grade, (Reason(code=number.reason, placeholders=told),), (Cure(code=cure),))


def _judge_withheld(case: _Case) -> _Judged:
    """Return what becomes of a caller without a number where such callers were refused (433)."""
    number = case.number
    inside = number.kind in {NumberKind.EXTENSION, NumberKind.EMERGENCY}
    if number.prefix == SHOW_NUMBER or inside:
        return _Judged(_Grade.WORKS)
    # Without a prefix the line withholds its number, unless it is known to show it.
    alike: frozenset[bool | None] = frozenset({True, None})
    if case.line.shows_number:
        alike = frozenset({True if number.prefix else None})
    if not case.experience.refuses_withheld(number.national, case.now, alike):
        return _Judged(_Grade.WORKS)
    reason = Reason(
        code=ReasonCode.WITHHELD_REFUSED_BEFORE, placeholders={"number": number.display}
    )
    if _may_show_number(case):
        return _Judged(_Grade.LIKELY_WORKS, (reason,))
    return _Judged(_Grade.LIKELY_FAILS, (reason,), (Cure(code=CureCode.SHOW_NUMBER),))


def _may_show_number(case: _Case) -> bool:
    """Tell whether a 433 may be followed by a call that shows the number."""
    outside = case.number.kind not in {
        NumberKind.EXTENSION,
        NumberKind.EMERGENCY,
        NumberKind.SERVICE_CODE,
    }
    fits = len(SHOW_NUMBER) + len(case.number.digits) <= MAX_DIGITS
    asked = case.number.prefix is None and case.options.show_number_on_refusal
    return outside and fits and asked


def _fallback(case: _Case, leg: _Leg, legs: Iterable[_Leg]) -> _Leg | None:
    """Return the way over the other family after a refusal of the first.

    From IPv6 to IPv4. Back only where IPv6 alone may be what the callee has, or where nothing may
    be left untried; outside, a refusal over IPv4 has other causes.
    """
    both_ways = case.number.kind in {NumberKind.EXTENSION, NumberKind.EMERGENCY}
    if leg.attempt.family is Family.IPV4 and not both_ways:
        return None
    others = [
        other
        for other in legs
        if other.attempt.family is not leg.attempt.family
        and other.judged.grade is not _Grade.CANNOT
    ]
    return max(others, key=lambda other: other.judged.grade, default=None)


def _with_fallback(case: _Case, leg: _Leg, legs: Iterable[_Leg]) -> _Leg:
    """Raise an uncertain way whose refusal is caught by a good one over the other family.

    A gateway refuses a family with 488; nothing catches what is uncertain for another reason.
    """
    fallback = _fallback(case, leg, legs)
    if (
        fallback is None
        or leg.judged.grade is not _Grade.UNCERTAIN
        or case.number.kind is NumberKind.EMERGENCY
        or fallback.judged.grade < _Grade.LIKELY_WORKS
        or case.callee[leg.attempt.family].grade is not _Grade.UNCERTAIN
        or _judge_beside(case, leg.attempt).grade < _Grade.LIKELY_WORKS
    ):
        return leg
    ready = Reason(
        code=ReasonCode.FALLBACK_READY, placeholders={"family": fallback.attempt.family.value}
    )
    reasons = (*leg.judged.reasons, ready)
    return replace(leg, judged=replace(leg.judged, grade=_Grade.LIKELY_WORKS, reasons=reasons))


def _best(legs: Sequence[_Leg]) -> _Leg:
    """Return the first way that is likely to work, else the best there is."""
    for leg in legs:
        if leg.judged.grade >= _Grade.LIKELY_WORKS:
            return leg
    return max(legs, key=lambda leg: leg.judged.grade)


def _chosen(case: _Case, leg: _Leg, legs: Sequence[_Leg]) -> Verdict:
    """Return the verdict of the way that was chosen."""
    judged = leg.judged
    if judged.grade < _Grade.LIKELY_WORKS:
        judged = judged.capped(_missing(case, leg.attempt.family, legs))
    if judged.grade is _Grade.CANNOT:
        return _cannot(case.number, judged)
    fallback = _fallback(case, leg, legs)
    return Verdict(
        number=case.number,
        outlook=judged.grade.outlook,
        reasons=judged.reasons,
        cures=tuple({cure.code: cure for cure in judged.cures}.values()),
        first=leg.attempt,
        fallback=fallback.attempt if fallback else None,
        may_show_number=_may_show_number(case),
    )


def _missing(case: _Case, used: Family, legs: Sequence[_Leg]) -> _Judged:
    """Return why the other family is not there to help, and what would bring it."""
    other = Family.IPV4 if used is Family.IPV6 else Family.IPV6
    if any(leg.attempt.family is other for leg in legs):
        return _Judged(_Grade.WORKS)
    if case.callee[other].grade <= case.callee[used].grade:
        return _Judged(_Grade.WORKS)
    told = {"family": other.value}
    path = case.paths.of(other)
    give = Cure(code=CureCode.GIVE_FAMILY, placeholders=told)
    if path is not None and is_translated(path):
        return _note(ReasonCode.IPV4_TRANSLATED, {}, Cure(code=CureCode.NATIVE_IPV4))
    if other not in case.line.families:
        cure = Cure(code=CureCode.ALLOW_FAMILY, placeholders=told)
        return _note(ReasonCode.FAMILY_NOT_ALLOWED, told, cure)
    if path is not None and path.gateway_answers is False and path.reach is not Reach.NONE:
        return _note(ReasonCode.FAMILY_NO_ANSWER, told, give)
    return _note(ReasonCode.FAMILY_NO_PATH, told, give)


def _note(code: ReasonCode, told: dict[str, str], cure: Cure) -> _Judged:
    """Return a reason with its cure that lowers nothing by itself."""
    return _Judged(_Grade.WORKS, (Reason(code=code, placeholders=told),), (cure,))
