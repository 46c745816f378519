"""A line's calls as Home Assistant shows them, and what is told about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from .contacts import Contact
from .screening import RINGS, Screening
from .telephony.calls import (
    CallDirection,
    CallerIdKind,
    CallState,
    Ending,
    EndReason,
    Family,
)
from .telephony.engine.protocol import CallIncoming, Dialled, SoundQuality
from .telephony.numbers import format_number


class CallEventType(StrEnum):
    """What an automation can wait for.

    - ``incoming``: an INVITE came, the call rings here.
    - ``outgoing``: the INVITE of a call placed here is sent.
    - ``answered``: an incoming call was picked up here; the 200 is sent.
    - ``connected``: sound flows both ways, whoever placed the call. For an incoming call
      this follows ``answered`` when the gateway's ACK is there; an outgoing call has no
      ``answered``, because the far side's answer and the sound come as one.
    - ``dtmf``: the far side pressed a key.
    - ``playback_done``: something was played into the call, to its end or not.
    - ``message``: somebody left a message with the answering machine, which can be played.
    - ``recorded``: a recording of the call can be played; also after the end of the call.
    - ``blocked``: a caller who is blocked calls; nothing else is told of that call.

    Exactly one of these ends every other call:

    - ``ended``: the call had been answered, or another phone of the home took it, or an
      outgoing call was given up here; the reason tells which.
    - ``missed``: an incoming call that nobody took.
    - ``rejected``: an incoming call that was turned away here.
    - ``failed``: an outgoing call that did not come about, or an incoming one that was
      lost by a failure while it rang.
    """

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    ANSWERED = "answered"
    CONNECTED = "connected"
    DTMF = "dtmf"
    PLAYBACK_DONE = "playback_done"
    MESSAGE = "message"
    RECORDED = "recorded"
    BLOCKED = "blocked"
    ENDED = "ended"
    MISSED = "missed"
    REJECTED = "rejected"
    FAILED = "failed"


class CallOutcome(StrEnum):
    """What became of a call.

    - ``running``: it is not over.
    - ``answered``: somebody spoke: here, or the one who was called.
    - ``answered_elsewhere``: another phone of the home took it.
    - ``missed``: nobody took an incoming call.
    - ``rejected``: an incoming call was turned away here, by a person or an automation.
    - ``blocked``: an incoming call was kept away by a rule.
    - ``given_up``: an outgoing call was given up here.
    - ``failed``: an outgoing call did not come about, or a failure cut an incoming one.
    """

    RUNNING = "running"
    ANSWERED = "answered"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    MISSED = "missed"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    GIVEN_UP = "given_up"
    FAILED = "failed"


OUTCOMES = tuple(outcome for outcome in CallOutcome if outcome is not CallOutcome.RUNNING)
_OUTCOMES = {
    CallEventType.MISSED: CallOutcome.MISSED,
    CallEventType.REJECTED: CallOutcome.REJECTED,
    CallEventType.FAILED: CallOutcome.FAILED,
}
# What is told beside the course of a call, some of it after its end.
ASIDE = frozenset(
    {
        CallEventType.DTMF,
        CallEventType.MESSAGE,
        CallEventType.PLAYBACK_DONE,
        CallEventType.RECORDED,
    }
)
_GIVEN_UP_HERE = frozenset({EndReason.CANCELLED_HERE, EndReason.HUNG_UP_HERE})
_TURNED_AWAY = frozenset({EndReason.REJECTED_HERE, EndReason.HUNG_UP_HERE, EndReason.BUSY})
FAILURES = frozenset(
    {
        EndReason.ANSWER_REFUSED,
        EndReason.ENGINE_LOST,
        EndReason.GATEWAY_SILENT,
        EndReason.MEDIA_TIMEOUT,
        EndReason.NETWORK_FAILURE,
        EndReason.PROTOCOL_FAILURE,
        EndReason.SESSION_EXPIRED,
    }
)


@dataclass(frozen=True, kw_only=True)
class CallAttempt:
    """One INVITE of an outgoing call, and what became of it; ``line`` is the line's title.

    ``milliseconds`` run from the INVITE to the answer or the refusal, None until then.
    """

    family: Family
    line: str
    shows_number: bool = False
    milliseconds: float | None = None
    ending: Ending | None = None

    def shown(self) -> dict[str, Any]:
        """Return what a response and an event tell of it."""
        ending = self.ending
        return {
            "family": self.family.value,
            "line": self.line,
            "shows_number": self.shows_number,
            "milliseconds": self.milliseconds,
            "reason": ending.reason.value if ending else None,
            "status": ending.status if ending else None,
            "phrase": ending.phrase if ending else None,
            "warning": ending.warning if ending else None,
        }


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a line. Times are UTC; ``started`` is when its INVITE was read or sent.

    ``number`` is the other side's, in digits; ``name`` the contact's, else the network's;
    ``channel`` names the call's sound; ``quality`` is the last that was told of it. ``attempts``
    are the INVITEs of an outgoing call, the last one the call's own.
    """

    id: str
    channel: int
    direction: CallDirection
    state: CallState
    caller_id: CallerIdKind
    number: str | None
    name: str | None
    called: str | None
    internal: bool
    family: Family
    started: datetime
    answered: datetime | None = None
    connected: datetime | None = None
    ended: datetime | None = None
    held: bool = False
    holding: bool = False
    ending: Ending | None = None
    quality: SoundQuality | None = None
    contact: Contact | None = None
    screening: Screening = RINGS
    attempts: tuple[CallAttempt, ...] = ()

    @classmethod
    def incoming(cls, event: CallIncoming) -> Call:
        """Return the call that an event announces."""
        caller = event.caller
        name = caller.display_name if caller.display_name != caller.number else None
        return cls(
            id=event.call,
            channel=event.channel,
            direction=CallDirection.INCOMING,
            state=CallState.RINGING,
            caller_id=caller.kind,
            number=caller.number,
            name=name if caller.kind is CallerIdKind.NUMBER else None,
            called=event.called,
            internal=event.internal,
            family=event.family,
            started=datetime.fromtimestamp(event.at, UTC),
        )

    @classmethod
    def outgoing(cls, dialled: Dialled, number: str, at: datetime, attempt: CallAttempt) -> Call:
        """Return the call whose INVITE is on its way."""
        return cls(
            id=dialled.call,
            channel=dialled.channel,
            direction=CallDirection.OUTGOING,
            state=CallState.DIALING,
            caller_id=CallerIdKind.NUMBER,
            number=number,
            name=None,
            called=None,
            internal=False,
            family=dialled.family,
            started=at,
            attempts=(attempt,),
        )

    def known_as(self, contact: Contact | None) -> Call:
        """Return the call with the contact who is on the other side, if it is one."""
        return replace(self, contact=contact, name=contact.name) if contact else self

    @property
    def formatted_number(self) -> str | None:
        """Return the number as it is written in Japan."""
        return format_number(self.number) if self.number else None

    @property
    def since(self) -> datetime:
        """Return when the call came into its state."""
        return self.ended or self.connected or self.started

    @property
    def duration(self) -> float:
        """Return how many seconds sound flowed."""
        if self.connected is None or self.ended is None:
            return 0.0
        return max(0.0, (self.ended - self.connected).total_seconds())

    def finished(self, at: datetime, ending: Ending) -> Call:
        """Return the call as it is after its end."""
        return replace(
            self, state=CallState.ENDED, ended=at, ending=ending, held=False, holding=False
        )

    def final_event(self) -> CallEventType:
        """Return what the end of the call is to a person."""
        reason = self.ending.reason if self.ending else EndReason.PROTOCOL_FAILURE
        if self.answered or self.connected or reason is EndReason.ANSWERED_ELSEWHERE:
            return CallEventType.ENDED
        if self.direction is CallDirection.OUTGOING:
            return CallEventType.ENDED if reason in _GIVEN_UP_HERE else CallEventType.FAILED
        if reason in _TURNED_AWAY:
            return CallEventType.REJECTED
        if reason in FAILURES or reason is EndReason.LINE_CLOSED:
            return CallEventType.FAILED
        return CallEventType.MISSED

    @property
    def outcome(self) -> CallOutcome:
        """Return what became of the call."""
        if self.ending is None:
            return CallOutcome.RUNNING
        if self.screening.blocked:
            return CallOutcome.BLOCKED
        if outcome := _OUTCOMES.get(self.final_event()):
            return outcome
        if self.answered or self.connected:
            return CallOutcome.ANSWERED
        if self.ending.reason is EndReason.ANSWERED_ELSEWHERE:
            return CallOutcome.ANSWERED_ELSEWHERE
        return CallOutcome.GIVEN_UP


@dataclass(frozen=True, kw_only=True)
class CallUpdate:
    """Something that happened to a call, and the call after it.

    ``digit`` for dtmf; ``media``, and how it came out, for playback_done; ``recording`` is the
    media id of one, and ``transcription`` what was said in it, for message and recorded.
    """

    type: CallEventType
    call: Call
    who: str
    digit: str | None = None
    media: str | None = None
    playback: str | None = None
    recording: str | None = None
    transcription: str | None = None

    def attributes(self) -> Mapping[str, Any]:
        """Return what an event entity shows; what is not known is left out."""
        call = self.call
        shown: dict[str, Any] = {
            "call_id": call.id,
            "direction": call.direction.value,
            "who": self.who,
            "caller_id": call.caller_id.value,
            "number": call.number,
            "formatted_number": call.formatted_number,
            "name": call.name,
            **_of_contact(call.contact),
            "called_number": call.called,
            "internal": call.internal,
            "blocked_by": call.screening.reason.value if call.screening.reason else None,
            "family": call.family.value,
            "started": call.started.isoformat(),
            "digit": self.digit,
            "media": self.media,
            "playback": self.playback,
            "recording": self.recording,
            "transcription": self.transcription,
        }
        if ending := call.ending:
            shown |= {
                "reason": ending.reason.value,
                "status": ending.status,
                "phrase": ending.phrase,
                "warning": ending.warning,
                "duration": round(call.duration, 1),
            }
        if call.attempts and (call.connected or call.ended):
            shown["attempts"] = [attempt.shown() for attempt in call.attempts]
        return {key: value for key, value in shown.items() if value is not None}


def _of_contact(contact: Contact | None) -> dict[str, Any]:
    """Return what the address book tells of the other side beside the name."""
    if contact is None:
        return {}
    return {
        "reading": contact.reading,
        "group": contact.group,
        "ring_rule": contact.ring_rule.value,
        "language": contact.language,
        "picture": contact.picture,
    }
