"""A call as data: who, which way, its state, and why it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """The IP family that a registration or a call uses."""

    IPV6 = "ipv6"
    IPV4 = "ipv4"


class CallDirection(StrEnum):
    """Which side placed the call."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class CallState(StrEnum):
    """Where a call stands; it only moves forward."""

    RINGING = "ringing"
    DIALING = "dialing"
    TALKING = "talking"
    ENDED = "ended"


class CallerIdKind(StrEnum):
    """What the network tells about the caller (TTC JJ-90.22, docomo's strings)."""

    NUMBER = "number"
    WITHHELD = "withheld"
    PAYPHONE = "payphone"
    UNAVAILABLE = "unavailable"
    INTERACTION = "interaction"


class EndReason(StrEnum):
    """Why a call ended, in a person's terms; each has a sentence in the translations."""

    HUNG_UP_HERE = "hung_up_here"
    HUNG_UP_THERE = "hung_up_there"
    CALLER_GAVE_UP = "caller_gave_up"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    REJECTED_HERE = "rejected_here"
    CANCELLED_HERE = "cancelled_here"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    NUMBER_UNKNOWN = "number_unknown"
    NUMBER_CHANGED = "number_changed"
    NUMBER_INCOMPLETE = "number_incomplete"
    BARRED = "barred"
    NUMBER_WITHHELD_REFUSED = "number_withheld_refused"
    NOT_ACCEPTABLE = "not_acceptable"
    CREDENTIALS_REJECTED = "credentials_rejected"
    MOVED = "moved"
    NETWORK_FAILURE = "network_failure"
    GATEWAY_SILENT = "gateway_silent"
    ANSWER_REFUSED = "answer_refused"
    SESSION_EXPIRED = "session_expired"
    MEDIA_TIMEOUT = "media_timeout"
    ENGINE_LOST = "engine_lost"
    LINE_CLOSED = "line_closed"
    PROTOCOL_FAILURE = "protocol_failure"


@dataclass(frozen=True, kw_only=True)
class CallerId:
    """Who calls: the number in national format if it is known, else why it is not."""

    kind: CallerIdKind
    number: str | None = None
    display_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a call ended: the reason, and what the gateway said in SIP, if it did.

    ``warning`` is the code of a Warning header (RFC 3261 §20.43).
    """

    reason: EndReason
    status: int | None = None
    phrase: str | None = None
    warning: int | None = None
