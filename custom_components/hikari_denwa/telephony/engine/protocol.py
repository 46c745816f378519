"""The protocol between Home Assistant and the engine process.

JSON commands and events in WebSocket text messages, sound in binary ones. The
client sends ``Hello`` first and the engine answers ``Welcome`` or ``Failure``; every other
command carries an ``id`` that its ``Result`` or ``Failure`` repeats. Events carry none.

A sound message is a header of 16 bytes in network order, ``!BBHIQ``: direction,
flags, the call's sound channel, the frame's number, and the Unix time in
microseconds at which the frame was played out, then 160 bytes of G.711 µ-law (20 ms at 8 kHz).
"""

from __future__ import annotations

import dataclasses
import json
import struct
import types
import typing
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from typing import Any, ClassVar

from ..calls import CallerId, Ending, Family
from ..errors import ProtocolError, TelephonyError
from ..paths import Paths

VERSION = 1
FRAME_BYTES = 160
FRAME_SECONDS = 0.02
SILENCE = b"\xff" * FRAME_BYTES
_SOUND_HEADER = struct.Struct("!BBHIQ")
SOUND_MESSAGE_BYTES = _SOUND_HEADER.size + FRAME_BYTES


class FamilyChoice(StrEnum):
    """Which family a line may use; automatic prefers IPv6."""

    AUTOMATIC = "automatic"
    IPV6 = "ipv6"
    IPV4 = "ipv4"


class SoundCodec(StrEnum):
    """A codec that a line may use towards the gateway; here sound is always µ-law."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"


class RegistrationState(StrEnum):
    """Where a line's registration stands."""

    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"
    REJECTED = "rejected"
    UNREGISTERED = "unregistered"


@dataclass(frozen=True, kw_only=True)
class LineConfig:
    """What a line needs to register. ``gateway`` is a literal without brackets or a host name.

    ``second_gateway`` is the same gateway's address in the other family, where one name does
    not tell both. ``codecs`` are offered in this order, and taken when offered. Others than
    µ-law are for gateways that are known to want them.
    """

    gateway: str
    extension: str
    user_id: str
    password: str = field(repr=False)
    port: int = 5060
    family: FamilyChoice = FamilyChoice.AUTOMATIC
    expires: int = 3600
    call_waiting: bool = False
    codecs: tuple[SoundCodec, ...] = (SoundCodec.PCMU,)
    second_gateway: str | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """Base of all text messages; ``kind`` is its ``type`` on the wire."""

    kind: ClassVar[str]
    _by_kind: ClassVar[dict[str, type[Message]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class findable by its kind."""
        super().__init_subclass__()
        if "kind" in cls.__dict__:
            Message._by_kind[cls.kind] = cls


@dataclass(frozen=True, kw_only=True)
class Command(Message):
    """Base of what the client asks; ``id`` comes back in the answer."""

    id: int


@dataclass(frozen=True, kw_only=True)
class Hello(Command):
    """Open the conversation; ``token`` only where the engine listens on TCP."""

    kind = "hello"
    version: int = VERSION
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class AddLine(Command):
    """Register a line and keep it registered; answered at once, the outcome is an event."""

    kind = "add_line"
    line: str
    config: LineConfig


@dataclass(frozen=True, kw_only=True)
class RemoveLine(Command):
    """Hang up the line's calls, un-register it and forget it; answered when done."""

    kind = "remove_line"
    line: str


@dataclass(frozen=True, kw_only=True)
class MoveLine(Command):
    """Register a line over this family instead of the other; answered when it is done.

    The new registration stands before the old one goes, so that the line can always ring;
    when it fails, the old one stays. The line keeps to that family as long as it answers.
    """

    kind = "move_line"
    line: str
    family: Family


@dataclass(frozen=True, kw_only=True)
class ProbeLine(Command):
    """Register once with this configuration and un-register; answered by ``Probed``."""

    kind = "probe_line"
    config: LineConfig


@dataclass(frozen=True, kw_only=True)
class AskGateway(Command):
    """Ask whether a literal address speaks SIP; nothing changes there. Answered by ``Asked``."""

    kind = "ask_gateway"
    gateway: str
    port: int = 5060


@dataclass(frozen=True, kw_only=True)
class Dial(Command):
    """Place a call; answered by ``Dialled`` when the INVITE is sent.

    ``mu_law_only`` offers nothing else, whatever the line is set to. ``as_line`` and ``as_call``
    are what the call's events and commands name as its line and call, its own if None: so a
    call that was refused and has ended goes on under its name, over another family or line.
    """

    kind = "dial"
    line: str
    number: str
    mu_law_only: bool = False
    as_line: str | None = None
    as_call: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer(Command):
    """Answer an incoming call that rings."""

    kind = "answer"
    call: str


@dataclass(frozen=True, kw_only=True)
class Reject(Command):
    """Reject an incoming call that rings, with a SIP status from 400 to 699."""

    kind = "reject"
    call: str
    status: int = 486


@dataclass(frozen=True, kw_only=True)
class HangUp(Command):
    """End a call in whatever state: rejects, cancels or says BYE."""

    kind = "hang_up"
    call: str


@dataclass(frozen=True, kw_only=True)
class Hold(Command):
    """Put a connected call on hold, or take it back; answered when the far side has agreed."""

    kind = "hold"
    call: str
    held: bool


@dataclass(frozen=True, kw_only=True)
class SendDtmf(Command):
    """Send keypad digits (0-9 * # A-D) as tones in the sound of a connected call."""

    kind = "send_dtmf"
    call: str
    digits: str


@dataclass(frozen=True, kw_only=True)
class StreamSound(Command):
    """Start or stop the sound messages of a call: the far side's, and ours if ``near``."""

    kind = "stream_sound"
    call: str
    enabled: bool
    near: bool = False


@dataclass(frozen=True, kw_only=True)
class ClearSound(Command):
    """Forget the sound that is queued to be sent in a call; its marks are not told any more."""

    kind = "clear_sound"
    call: str


@dataclass(frozen=True, kw_only=True)
class FetchTrace(Command):
    """Ask for the last messages of a line after this number, redacted; answered by ``Traced``."""

    kind = "fetch_trace"
    line: str
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class Shutdown(Command):
    """Un-register every line and end the engine if it is the client's; answered before it goes."""

    kind = "shutdown"


@dataclass(frozen=True, kw_only=True)
class Reply(Message):
    """Base of what answers a command; ``id`` is the command's."""

    id: int


@dataclass(frozen=True, kw_only=True)
class Result(Reply):
    """The command was carried out."""

    kind = "result"


@dataclass(frozen=True, kw_only=True)
class Failure(Reply):
    """The command was not carried out; the pair makes the error anew."""

    kind = "failure"
    reason: str
    placeholders: dict[str, str]

    @classmethod
    def of(cls, command_id: int, error: TelephonyError) -> Failure:
        """Describe an error for the other process."""
        return cls(id=command_id, reason=error.reason, placeholders=error.placeholders)

    def error(self) -> TelephonyError:
        """Make the error anew."""
        return TelephonyError.of_reason(self.reason, self.placeholders)


@dataclass(frozen=True, kw_only=True)
class Welcome(Reply):
    """The engine takes the client."""

    kind = "welcome"
    version: int
    backend: str
    families: tuple[Family, ...]
    pid: int


@dataclass(frozen=True, kw_only=True)
class Probed(Reply):
    """The gateway took the registration: over which family, and both addresses."""

    kind = "probed"
    family: Family
    gateway_address: str
    local_address: str


@dataclass(frozen=True, kw_only=True)
class Asked(Reply):
    """Whether a SIP server answers there."""

    kind = "asked"
    answers: bool


@dataclass(frozen=True, kw_only=True)
class Dialled(Reply):
    """The INVITE is on its way; ``channel`` names the call in sound messages."""

    kind = "dialled"
    call: str
    channel: int
    family: Family


@dataclass(frozen=True, kw_only=True)
class TracedMessage:
    """A message of a line as text. ``at`` is Unix time in seconds; numbers only grow."""

    number: int
    at: float
    sent: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Traced(Reply):
    """The next messages of a trace, the oldest first; none when there are no more."""

    kind = "traced"
    messages: tuple[TracedMessage, ...]


@dataclass(frozen=True, kw_only=True)
class Event(Message):
    """Base of what the engine tells unasked. ``at`` is Unix time in seconds."""

    at: float


@dataclass(frozen=True, kw_only=True)
class RegistrationChanged(Event):
    """A line's registration moved; ``reason`` and ``placeholders`` tell a failure.

    ``domain`` is the SIP domain that the gateway names as ours, if it names one.
    """

    kind = "registration_changed"
    line: str
    state: RegistrationState
    family: Family | None = None
    gateway_address: str | None = None
    local_address: str | None = None
    expires: int | None = None
    reason: str | None = None
    placeholders: dict[str, str] = field(default_factory=dict)
    retry_in: float | None = None
    domain: str | None = None

    def error(self) -> TelephonyError | None:
        """Return why the registration failed, or None if it did not."""
        return TelephonyError.of_reason(self.reason, self.placeholders) if self.reason else None


@dataclass(frozen=True, kw_only=True)
class PathsChanged(Event):
    """Which families reach a line's gateway from the engine's machine, now."""

    kind = "paths_changed"
    line: str
    paths: Paths


@dataclass(frozen=True, kw_only=True)
class CallEvent(Event):
    """Base of what happens to a call."""

    line: str
    call: str


@dataclass(frozen=True, kw_only=True)
class CallIncoming(CallEvent):
    """A call rings here. ``at`` is when its INVITE was read from the socket.

    ``called`` is the number that was dialled, if the gateway tells it (a DID or an
    extension); ``internal`` if the caller is another extension of the gateway.
    """

    kind = "call_incoming"
    channel: int
    caller: CallerId
    called: str | None
    family: Family
    internal: bool = False


@dataclass(frozen=True, kw_only=True)
class CallProgress(CallEvent):
    """An outgoing call rings there; ``early_media`` if the sound comes from the network."""

    kind = "call_progress"
    status: int
    early_media: bool


@dataclass(frozen=True, kw_only=True)
class CallConnected(CallEvent):
    """The call is answered and carries sound both ways."""

    kind = "call_connected"
    codec: str


@dataclass(frozen=True, kw_only=True)
class CallHeld(CallEvent):
    """A call was put on hold, or taken back: by the far side, or ``here``."""

    kind = "call_held"
    held: bool
    here: bool = False


@dataclass(frozen=True, kw_only=True)
class CallEnded(CallEvent):
    """The call is over; nothing about it follows, unless it is dialled ``as_call`` once more."""

    kind = "call_ended"
    ending: Ending


@dataclass(frozen=True, kw_only=True)
class DtmfReceived(CallEvent):
    """The far side pressed a key: 0-9, *, #, A-D."""

    kind = "dtmf_received"
    digit: str


@dataclass(frozen=True, kw_only=True)
class SoundPlayed(CallEvent):
    """A marked frame has left the queue: it was sent, or its time passed otherwise.

    ``number`` is that of the frame. This is the clock of who plays sound into a call.
    """

    kind = "sound_played"
    number: int


@dataclass(frozen=True, kw_only=True)
class SoundQuality:
    """How a call sounds, from its beginning to now.

    ``packets_lost`` never came, ``packets_late`` came too late to be heard; ``concealed_pct`` of
    what was heard was made up. ``round_trip_ms`` is None where the far side does not report.
    ``playout_delay_ms`` is how long packets wait here. ``r_factor`` (0 to 93.2) and ``mos`` (1 to
    4.5) are ITU-T G.107's estimates of what is heard here.
    """

    packets_sent: int
    packets_received: int
    packets_lost: int
    packets_late: int
    concealed_pct: float
    jitter_ms: float
    round_trip_ms: float | None
    playout_delay_ms: float
    r_factor: float
    mos: float


@dataclass(frozen=True, kw_only=True)
class CallQuality(CallEvent):
    """How a call sounds: every ten seconds while it is connected, and before it ends."""

    kind = "call_quality"
    quality: SoundQuality


class SoundDirection(IntEnum):
    """Whose sound a sound message carries."""

    FAR = 1
    NEAR = 2
    PLAY = 3


class SoundFlag(IntFlag):
    """What is special about a sound message: made up here, or to be told when it has gone."""

    NONE = 0
    CONCEALED = 1
    MARKED = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFrame:
    """20 ms of G.711 µ-law of one call. ``played_at`` is Unix time in microseconds."""

    direction: SoundDirection
    channel: int
    number: int
    payload: bytes
    played_at: int = 0
    flags: SoundFlag = SoundFlag.NONE

    def encode(self) -> bytes:
        """Return the binary message."""
        header = _SOUND_HEADER.pack(
            self.direction, self.flags, self.channel, self.number & 0xFFFFFFFF, self.played_at
        )
        return header + self.payload

    @classmethod
    def decode(cls, message: bytes) -> SoundFrame:
        """Read a binary message; raises ProtocolError for anything else."""
        if len(message) != SOUND_MESSAGE_BYTES:
            raise ProtocolError(detail=f"sound message of {len(message)} bytes")
        direction, flags, channel, number, played_at = _SOUND_HEADER.unpack_from(message)
        try:
            return cls(
                direction=SoundDirection(direction),
                flags=SoundFlag(flags),
                channel=channel,
                number=number,
                played_at=played_at,
                payload=message[_SOUND_HEADER.size :],
            )
        except ValueError as error:
            raise ProtocolError(detail=str(error)) from error


def encode(message: Message) -> str:
    """Return a message as JSON text."""
    return json.dumps({"type": message.kind, **dataclasses.asdict(message)}, ensure_ascii=False)


def decode(text: str) -> Message:
    """Read a message from JSON text; raises ProtocolError if it is none of ours.

    Members that this version does not know are passed over, so that a minor
    addition on the other side does no harm.
    """
    try:
        data = json.loads(text)
        cls = Message._by_kind[data["type"]]  # noqa: SLF001 - the registry of this module
        return typing.cast("Message", _build(cls, data))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ProtocolError(detail=f"{type(error).__name__}: {error}") from error


def _build(kind: Any, value: Any) -> Any:
    """Make a value of an annotated type from its JSON form, checking as it goes."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise TypeError(f"{kind.__name__} wants an object")
        hints = _hints(kind)
        known = {key: _build(hints[key], item) for key, item in value.items() if key in hints}
        return kind(**known)
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(kind):
            return None
        (wanted,) = (arg for arg in typing.get_args(kind) if arg is not type(None))
        return _build(wanted, value)
    if origin is tuple:
        return tuple(_build(typing.get_args(kind)[0], item) for item in value)
    if origin is dict:
        return {str(key): str(item) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind}")
    return value


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields, looked up once for each class."""
    if kind not in _HINTS:
        hints = typing.get_type_hints(kind)
        _HINTS[kind] = {item.name: hints[item.name] for item in dataclasses.fields(kind)}
    return _HINTS[kind]
