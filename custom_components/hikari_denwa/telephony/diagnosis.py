"""Which part failed: registration, codec, sound one way, IP family, session timer, or the engine.

A pure function over what is known of a line and its last calls; where each rule comes from
stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .calls import CallDirection, EndReason, Family

# Sound takes a moment to begin, longer through a network that has to wake up.
_HEARD_BY_NOW = 3.0
# A gateway that dislikes the answer takes the call back after some 90 ms.
_CUT_AT_ONCE = 1.0
# Session-Expires of home gateways is 300 s; RFC 4028 §10 ends a session somewhat before that.
_SESSION = 300.0
_SESSION_SLACK = 12.0
_REFUSED_MEDIA = frozenset((488, 606))
# RFC 3261 §20.43: the network protocol, or the format of its addresses.
_WRONG_FAMILY = frozenset((300, 301))
# The media type, its format, its attributes, its description.
_WRONG_CODEC = frozenset((304, 305, 306, 307))


class Fault(StrEnum):
    """What failed; each has a sentence in the translations that says what to do."""

    NONE = "none"
    NO_CALLS = "no_calls"
    REGISTRATION = "registration"
    CALL_CREDENTIALS = "call_credentials"
    CODEC = "codec"
    FAMILY = "family"
    FAMILY_OR_CODEC = "family_or_codec"
    CALL_UNANSWERED_IPV6 = "call_unanswered_ipv6"
    CALL_UNANSWERED = "call_unanswered"
    NOTHING_HEARD = "nothing_heard"
    NOTHING_SENT = "nothing_sent"
    SOUND_STOPPED = "sound_stopped"
    TIMER = "timer"
    TIMER_PERHAPS = "timer_perhaps"
    ENGINE = "engine"


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """What is known of a call that is over; packets where they were counted."""

    direction: CallDirection
    family: Family
    reason: EndReason
    connected: bool
    seconds: float = 0.0
    status: int | None = None
    warning: int | None = None
    packets_received: int | None = None
    packets_sent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What failed, in how many of the calls that were looked at."""

    fault: Fault
    calls: int = 0
    of: int = 0


def diagnose(*, registered: bool, calls: Sequence[CallFacts]) -> Finding:
    """Return what a person should look at first; ``calls`` begin with the oldest.

    A line that is not registered explains all else. Of several faults in calls the newest
    counts, because what went wrong before may have been cured.
    """
    faults = [_fault_of(call) for call in calls]
    timed = [_ends_with_its_session(call) for call in calls]
    if sum(timed) > 1:
        faults = [
            Fault.TIMER if ran_out else fault for fault, ran_out in zip(faults, timed, strict=True)
        ]
    newest = next((fault for fault in reversed(faults) if fault), None)
    if not registered:
        return Finding(fault=Fault.REGISTRATION, of=len(calls))
    if newest is None:
        return Finding(fault=Fault.NONE if calls else Fault.NO_CALLS, of=len(calls))
    return Finding(fault=newest, calls=faults.count(newest), of=len(calls))


def _fault_of(call: CallFacts) -> Fault | None:
    """Return what was wrong with a call, or None if it was the other side's choice or all right."""
    match call.reason:
        case EndReason.ENGINE_LOST:
            return Fault.ENGINE
        case EndReason.CREDENTIALS_REJECTED:
            return Fault.CALL_CREDENTIALS
        case EndReason.ANSWER_REFUSED:
            return Fault.CODEC
        case EndReason.SESSION_EXPIRED:
            return Fault.TIMER
        case EndReason.GATEWAY_SILENT:
            # Gateways drop calls from IPv6 networks that they have not given out, unread.
            over_ipv6 = call.family is Family.IPV6
            return Fault.CALL_UNANSWERED_IPV6 if over_ipv6 else Fault.CALL_UNANSWERED
        case EndReason.MEDIA_TIMEOUT:
            return Fault.SOUND_STOPPED if call.packets_received else Fault.NOTHING_HEARD
        case EndReason.NOT_ACCEPTABLE:
            return _refused_media(call)
    if call.status in _REFUSED_MEDIA:
        return _refused_media(call)
    return _fault_in_talk(call) if call.connected else None


def _refused_media(call: CallFacts) -> Fault:
    """Return why a call of this kind was refused: gateways often leave the warning out."""
    if call.warning in _WRONG_FAMILY:
        return Fault.FAMILY
    if call.warning in _WRONG_CODEC or call.family is Family.IPV4:
        return Fault.CODEC
    return Fault.FAMILY if call.warning is None else Fault.FAMILY_OR_CODEC


def _fault_in_talk(call: CallFacts) -> Fault | None:
    """Return what was wrong with a call that was connected."""
    by_gateway = call.reason is EndReason.HUNG_UP_THERE
    if by_gateway and call.direction is CallDirection.INCOMING and call.seconds < _CUT_AT_ONCE:
        return Fault.CODEC
    if call.seconds >= _HEARD_BY_NOW:
        if call.packets_received == 0:
            return Fault.NOTHING_HEARD
        if call.packets_sent == 0:
            return Fault.NOTHING_SENT
    return Fault.TIMER_PERHAPS if _ends_with_its_session(call) else None


def _ends_with_its_session(call: CallFacts) -> bool:
    """Tell whether a call was cut when its session would run out without a refresh."""
    cut = call.reason is EndReason.HUNG_UP_THERE and call.connected
    return cut and -_SESSION_SLACK <= call.seconds - _SESSION <= 2.0
