"""Session descriptions (RFC 8866, RFC 4566) and the offer/answer model for audio (RFC 3264)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

CONTENT_TYPE = "application/sdp"
PTIME_MS = 20
MAX_MEDIA = 32
MAX_BYTES = 16 * 1024

Attributes = tuple[tuple[str, str | None], ...]
PayloadTexts = tuple[tuple[str, str], ...]

_MEDIA = re.compile(r"([^\s]++) +([0-9]{1,5})(?:/[0-9]++)? +([^\s]++) +([^\s].*)")
_CONNECTION = re.compile(r"([^\s]++) +([^\s]++) +([^\s/]++)(?:/.*)?")
_PAYLOAD_TYPE = re.compile(r"[0-9]|[1-9][0-9]|1[01][0-9]|12[0-7]")
_PORT = re.compile(r"[0-9]{1,5}")
_BANDWIDTH = re.compile(r"(AS|CT|TIAS):([0-9]{1,9})", re.IGNORECASE)
# What G.711 makes; some count the headers in, some do not, so more is not asked for.
_NEEDED_BANDWIDTH = 64_000
_PTIME = re.compile(r"[0-9]{1,4}")
_ORIGIN = re.compile(r"([^\s]++) +([0-9]++) +([0-9]++) +([^\s]++ +[^\s]++ +[^\s]++)")


class SdpError(ValueError):
    """A body that is no session description."""


class Direction(StrEnum):
    """Which way media flows, seen from whoever wrote the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Tell whether the writer sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Tell whether the writer receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """Give the direction with these two halves."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def answered_by(self, wanted: Direction) -> Direction:
        """Give what one who wants `wanted` answers to an offer of this (RFC 3264 §6.1)."""
        return Direction.of(
            sends=self.receives and wanted.sends, receives=self.sends and wanted.receives
        )


@dataclass(frozen=True, slots=True)
class Codec:
    """An audio format: encoding name, static payload type (None: dynamic), RTP clock in Hz."""

    name: str
    payload_type: int | None
    clock_rate: int = 8000

    def __str__(self) -> str:
        """Write it as in rtpmap."""
        return f"{self.name}/{self.clock_rate}"


PCMU = Codec("PCMU", 0)
PCMA = Codec("PCMA", 8)
# The RTP clock of G722 is 8000 Hz though it samples at 16000 (RFC 3551 §4.5.2).
G722 = Codec("G722", 9)
TELEPHONE_EVENT = Codec("telephone-event", None)
COMFORT_NOISE = Codec("CN", 13)
_AUDIO_CODECS = (PCMU, PCMA, G722)
_STATIC = {str(codec.payload_type): codec for codec in (*_AUDIO_CODECS, COMFORT_NOISE)}


@dataclass(frozen=True, slots=True)
class Connection:
    """A c= value: an address literal or host name, of address type IP4 or IP6, in network IN."""

    address: str
    family: str
    network: str = "IN"

    @classmethod
    def to(cls, address: str) -> Connection:
        """Make the value for a literal; ValueError when it is none or has a zone."""
        if "%" in address:
            raise ValueError("zone in an address")
        return cls(address, f"IP{ip_address(address).version}")

    def __str__(self) -> str:
        """Write the value."""
        return f"{self.network} {self.family} {self.address}"

    @property
    def literal(self) -> IPv4Address | IPv6Address | None:
        """Give the address, None when it is a host name or of a foreign network."""
        if self.network != "IN":
            return None
        try:
            return ip_address(self.address)
        except ValueError:
            return None

    @property
    def unspecified(self) -> bool:
        """Tell whether it is 0.0.0.0 or ::, the old sign for hold (RFC 3264 §8.4, RFC 6157 §3)."""
        literal = self.literal
        return literal is not None and literal.is_unspecified


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaDescription:
    """One m= line and what belongs to it.

    `connection` and `direction` are those of the session where the media have none of their own.
    `rtpmap` and `fmtp` pair a payload type with its text; `attributes` holds all others in order.
    `ptime` is in milliseconds, `bandwidth` in bit/s (b=AS, CT or TIAS; other units are passed
    over, as RFC 8866 §5.8 wants).
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    connection: Connection | None = None
    rtpmap: PayloadTexts = ()
    fmtp: PayloadTexts = ()
    ptime: int | None = None
    direction: Direction = Direction.SENDRECV
    attributes: Attributes = ()
    bandwidth: int | None = None

    @property
    def black_holed(self) -> bool:
        """Tell whether the address says that nothing may be sent to it."""
        return self.connection is not None and self.connection.unspecified

    @property
    def held(self) -> bool:
        """Tell whether the writer takes no sound, by its direction or its address."""
        return not self.direction.receives or self.black_holed

    def codec_of(self, payload_type: str) -> str:
        """Give name/clock rate in lower case that a payload type stands for, "" when unknown."""
        if _PAYLOAD_TYPE.fullmatch(payload_type) is None:
            return ""
        for form, text in self.rtpmap:
            if form == payload_type:
                name, _, rest = "".join(text.split()).lower().partition("/")
                rate, _, channels = rest.partition("/")
                return f"{name}/{rate}" if channels in ("", "1") else f"{name}/{rate}/{channels}"
        static = _STATIC.get(payload_type)
        return str(static).lower() if static else ""

    def payload_type(self, codec: Codec) -> str | None:
        """Give the first payload type that stands for a codec, None when there is none."""
        wanted = str(codec).lower()
        return next((form for form in self.formats if self.codec_of(form) == wanted), None)

    def lines(self, session_connection: Connection | None) -> list[str]:
        """Write the description's lines, c= only where it differs from the session's."""
        written = [f"m={self.kind} {self.port} {self.protocol} {' '.join(self.formats)}"]
        if self.connection is not None and self.connection != session_connection:
            written.append(f"c={self.connection}")
        if not self.port:
            return written
        written += [f"a=rtpmap:{form} {text}" for form, text in self.rtpmap]
        written += [f"a=fmtp:{form} {text}" for form, text in self.fmtp]
        if self.ptime is not None:
            written.append(f"a=ptime:{self.ptime}")
        written += [_attribute_line(each) for each in self.attributes]
        written.append(f"a={self.direction}")
        return written


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionDescription:
    """A session description; `session_id` and `version` are those of its o= line."""

    session_id: int
    version: int
    origin: Connection
    media: tuple[MediaDescription, ...] = ()
    username: str = "-"
    name: str = "-"
    connection: Connection | None = None
    attributes: Attributes = ()

    @classmethod
    def parse(cls, body: bytes) -> SessionDescription:
        """Read a description, tolerating unknown and missing lines; SdpError when it is none."""
        return _parse_description(body)

    def encode(self) -> bytes:
        """Write the description with CRLF line ends."""
        lines = [
            "v=0",
            f"o={self.username} {self.session_id} {self.version} {self.origin}",
            f"s={self.name}",
        ]
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines.append("t=0 0")
        lines += [_attribute_line(each) for each in self.attributes]
        for media in self.media:
            lines += media.lines(self.connection)
        return "".join(f"{line}\r\n" for line in lines).encode(errors="surrogateescape")

    @property
    def audio(self) -> MediaDescription | None:
        """Give the first audio description with a port, None when there is none."""
        return next((each for each in self.media if each.kind == "audio" and each.port), None)

    def next_version(self) -> SessionDescription:
        """Give the description with its version one up, as a changed one needs (RFC 3264 §8)."""
        return replace(self, version=self.version + 1)

    def unchanged_from(self, other: SessionDescription) -> bool:
        """Tell whether both are the same version of the same session (RFC 3264 §8)."""
        return (self.session_id, self.version) == (other.session_id, other.version)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a description cannot be accepted: the status to answer and a Warning (§20.43)."""

    warning_code: int
    text: str
    status: int = 488

    def warning(self, agent: str) -> str:
        """Write the Warning value; the agent is host[:port] of the writer or a pseudonym."""
        return f'{self.warning_code} {agent} "{self.text}"'


BAD_NETWORK = Refusal(300, "Incompatible network protocol")
BAD_ADDRESS = Refusal(301, "Incompatible network address formats")
BAD_TRANSPORT = Refusal(302, "Incompatible transport protocol")
NO_AUDIO = Refusal(304, "Media type not available")
NO_CODEC = Refusal(305, "Incompatible media format")
NO_BANDWIDTH = Refusal(370, "Insufficient bandwidth")
MULTICAST = Refusal(330, "Multicast not available")


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioStream:
    """What offer and answer agreed on, seen from here.

    `send_type` and `receive_type` are RTP payload types, `ptime` is in milliseconds.
    `control_port` is where RTCP goes, if the description says so (RFC 3605).
    """

    address: str
    port: int
    codec: Codec
    send_type: int
    receive_type: int
    telephone_event_type: int | None
    ptime: int
    direction: Direction
    control_port: int | None = None


def codecs_named(names: Iterable[str]) -> tuple[Codec, ...]:
    """Give the codecs with these encoding names, in that order."""
    by_name = {codec.name: codec for codec in _AUDIO_CODECS}
    return tuple(by_name[name] for name in names)


def new_session_id() -> int:
    """Make an o= session id from the clock (RFC 8866 §5.2)."""
    return time.time_ns() // 1_000_000


def offer(
    address: str,
    port: int,
    *,
    session_id: int | None = None,
    version: int = 1,
    codecs: tuple[Codec, ...] = (PCMU,),
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription:
    """Offer audio with static codecs at 20 ms and no telephone-event (home-gateway facts §2).

    ValueError when the address is no literal or the port is odd: gateways refuse those.
    """
    connection = _local(address, port)
    forms = tuple((str(codec.payload_type), str(codec)) for codec in codecs)
    audio = MediaDescription(
        kind="audio",
        port=port,
        protocol="RTP/AVP",
        formats=tuple(form for form, _ in forms),
        connection=connection,
        rtpmap=forms,
        ptime=PTIME_MS,
        direction=direction,
    )
    return _description(connection, session_id, version, [audio])


def answer(
    offered: SessionDescription,
    address: str,
    port: int,
    *,
    session_id: int | None = None,
    version: int = 1,
    codecs: tuple[Codec, ...] = (PCMU,),
    telephone_event: bool = False,
    comfort_noise: bool = False,
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription | Refusal:
    """Answer an offer with what was offered and nothing else (RFC 3264 §6).

    One codec is answered, the first of the offer that is in `codecs`; telephone-event and comfort
    noise (RFC 3389) only when offered and asked for. Every m= line but the accepted one is
    refused with port 0.
    """
    connection = _local(address, port)
    verdicts = [_acceptable(media, connection, codecs) for media in offered.media]
    chosen = next((i for i, each in enumerate(verdicts) if isinstance(each, Codec)), None)
    if chosen is None:
        # What an audio line lacks tells the caller more than that there are other lines.
        refusals = [each for each in verdicts if isinstance(each, Refusal)]
        return next((each for each in refusals if each is not NO_AUDIO), NO_AUDIO)
    media = [_refused(each) for each in offered.media]
    media[chosen] = _accepted(
        offered.media[chosen],
        [codec for codec in (verdicts[chosen],) if isinstance(codec, Codec)]
        + [TELEPHONE_EVENT] * telephone_event
        + [COMFORT_NOISE] * comfort_noise,
        connection=connection,
        port=port,
        direction=direction,
    )
    return _description(connection, session_id, version, media)


def agree(local: SessionDescription, remote: SessionDescription) -> AudioStream | Refusal:
    """Tell what the two halves of an offer/answer exchange agreed on, whoever offered.

    Refuses other m= lines than were offered, no audio on both sides, no common codec.
    """
    if len(local.media) != len(remote.media):
        return NO_AUDIO
    index = next((i for i, each in enumerate(local.media) if each.port), None)
    if index is None:
        return NO_AUDIO
    ours, theirs = local.media[index], remote.media[index]
    known = tuple(codec for codec in _AUDIO_CODECS if ours.payload_type(codec) is not None)
    codec = _acceptable(theirs, local.origin, known)
    if isinstance(codec, Refusal):
        return codec
    event = theirs.payload_type(TELEPHONE_EVENT)
    both = event is not None and ours.payload_type(TELEPHONE_EVENT) is not None
    return AudioStream(
        address=theirs.connection.address if theirs.connection else "",
        port=theirs.port,
        codec=codec,
        send_type=_number(theirs.payload_type(codec)),
        receive_type=_number(ours.payload_type(codec)),
        telephone_event_type=_number(event) if both else None,
        ptime=theirs.ptime or PTIME_MS,
        direction=Direction.of(
            sends=ours.direction.sends and not theirs.held,
            receives=ours.direction.receives and theirs.direction.sends,
        ),
        control_port=_control_port(theirs),
    )


def _control_port(media: MediaDescription) -> int | None:
    """Give the port of an a=rtcp line (RFC 3605), None when there is none."""
    value = next((value for name, value in media.attributes if name == "rtcp"), None)
    port = (value or "").partition(" ")[0]
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        return None
    return int(port)


def _number(payload_type: str | None) -> int:
    """Give a payload type that is known to be there as a number."""
    return int(payload_type or "0")


def _local(address: str, port: int) -> Connection:
    """Check where this side takes media; ValueError when a gateway would refuse it."""
    if not 0 < port < 65536 or port % 2:
        raise ValueError("RTP needs an even port")
    return Connection.to(address)


def _description(
    connection: Connection, session_id: int | None, version: int, media: list[MediaDescription]
) -> SessionDescription:
    """Make a description of this side."""
    return SessionDescription(
        session_id=new_session_id() if session_id is None else session_id,
        version=version,
        origin=connection,
        connection=connection,
        media=tuple(media),
    )


def _acceptable(
    media: MediaDescription, local: Connection, codecs: tuple[Codec, ...]
) -> Codec | Refusal:
    """Give the codec to use for an m= line of the peer, or why it cannot be used."""
    if media.kind != "audio" or not media.port:
        return NO_AUDIO
    if media.protocol.upper() != "RTP/AVP":
        return BAD_TRANSPORT
    refusal = _address_refusal(media.connection, local)
    if refusal is not None:
        return refusal
    if media.bandwidth and media.bandwidth < _NEEDED_BANDWIDTH:
        return NO_BANDWIDTH
    by_name = {str(codec).lower(): codec for codec in codecs}
    known = (by_name.get(media.codec_of(form)) for form in media.formats)
    return next((codec for codec in known if codec is not None), NO_CODEC)


def _address_refusal(connection: Connection | None, local: Connection) -> Refusal | None:
    """Tell why media cannot be sent there from here, None when they can."""
    if connection is None:
        return BAD_ADDRESS
    if (connection.network, connection.family) != (local.network, local.family):
        return BAD_NETWORK
    literal = connection.literal
    if literal is None or literal.version != ip_address(local.address).version:
        return BAD_ADDRESS
    return MULTICAST if literal.is_multicast else None


def _accepted(
    media: MediaDescription,
    codecs: list[Codec],
    *,
    connection: Connection,
    port: int,
    direction: Direction,
) -> MediaDescription:
    """Answer an m= line with those of the codecs that it offers, under its payload types."""
    pairs = [(media.payload_type(codec), codec) for codec in codecs]
    chosen = [(form, codec) for form, codec in pairs if form is not None]
    return MediaDescription(
        kind=media.kind,
        port=port,
        protocol=media.protocol,
        formats=tuple(form for form, _ in chosen),
        connection=connection,
        rtpmap=tuple((form, str(codec)) for form, codec in chosen),
        fmtp=tuple((form, "0-15") for form, codec in chosen if codec is TELEPHONE_EVENT),
        ptime=PTIME_MS,
        direction=media.direction.answered_by(direction),
    )


def _refused(media: MediaDescription) -> MediaDescription:
    """Refuse an m= line by port 0 (RFC 3264 §6)."""
    return MediaDescription(kind=media.kind, port=0, protocol=media.protocol, formats=media.formats)


def _attribute_line(attribute: tuple[str, str | None]) -> str:
    """Write an a= line."""
    name, value = attribute
    return f"a={name}" if value is None else f"a={name}:{value}"


def _parse_connection(text: str) -> Connection:
    """Read a c= value without TTL and count; SdpError when malformed."""
    found = _CONNECTION.fullmatch(text.strip())
    if found is None:
        raise SdpError("malformed c=")
    return Connection(found[3], found[2].upper(), found[1].upper())


def _parse_media(text: str) -> MediaDescription:
    """Read an m= value; SdpError when malformed."""
    found = _MEDIA.fullmatch(text.strip())
    if found is None or int(found[2]) > 65535:
        raise SdpError("malformed m=")
    return MediaDescription(
        kind=found[1].lower(),
        port=int(found[2]),
        protocol=found[3],
        formats=tuple(found[4].split()),
    )


def _parse_origin(text: str) -> tuple[str, int, int, Connection]:
    """Read an o= value; SdpError when malformed."""
    found = _ORIGIN.fullmatch(text.strip())
    if found is None or max(len(found[2]), len(found[3])) > 20:
        raise SdpError("malformed o=")
    return found[1], int(found[2]), int(found[3]), _parse_connection(found[4])


def _pairs(attributes: list[tuple[str, str | None]], name: str) -> PayloadTexts:
    """Give what the named attribute says about each payload type."""
    split = ((value or "").partition(" ") for each, value in attributes if each == name)
    return tuple((form, text.strip()) for form, _, text in split if form and text.strip())


def _direction(attributes: list[tuple[str, str | None]], default: Direction) -> Direction:
    """Give the direction among attributes."""
    named = [each for each, value in attributes if value is None and each in _DIRECTIONS]
    return Direction(named[-1]) if named else default


_DIRECTIONS = frozenset(Direction)
_OWN_FIELDS = _DIRECTIONS | {"rtpmap", "fmtp", "ptime"}


class _Section:
    """The lines of the session or of one m= line while they are read."""

    def __init__(self) -> None:
        """Start empty."""
        self.connection: Connection | None = None
        self.attributes: list[tuple[str, str | None]] = []
        self.bandwidth: int | None = None

    def read(self, kind: str, value: str) -> None:
        """Take one line; lines that do not matter are passed over."""
        if kind == "c" and self.connection is None:
            self.connection = _parse_connection(value)
        elif kind == "a":
            name, colon, text = value.strip().partition(":")
            self.attributes.append((name.lower(), text.strip() if colon else None))
        elif kind == "b" and (found := _BANDWIDTH.fullmatch(value.strip())):
            bits = int(found[2]) * (1 if found[1].upper() == "TIAS" else 1000)
            self.bandwidth = min(bits, self.bandwidth or bits)

    @property
    def others(self) -> Attributes:
        """Give the attributes that have no field of their own."""
        return tuple(each for each in self.attributes if each[0] not in _OWN_FIELDS)

    def complete(self, media: MediaDescription, session: _Section) -> MediaDescription:
        """Fill an m= line with its section and, where that is silent, the session's."""
        ptime = next((value for name, value in self.attributes if name == "ptime"), None)
        return replace(
            media,
            connection=self.connection or session.connection,
            rtpmap=_pairs(self.attributes, "rtpmap"),
            fmtp=_pairs(self.attributes, "fmtp"),
            ptime=int(ptime) if ptime and _PTIME.fullmatch(ptime) else None,
            direction=_direction(
                self.attributes, _direction(session.attributes, Direction.SENDRECV)
            ),
            attributes=self.others,
            bandwidth=self.bandwidth or session.bandwidth,
        )


def _parse_description(body: bytes) -> SessionDescription:
    """Read a description line by line."""
    if len(body) > MAX_BYTES:
        raise SdpError("too long")
    session = _Section()
    sections: list[tuple[MediaDescription, _Section]] = []
    section = session
    origin: tuple[str, int, int, Connection] | None = None
    name = "-"
    started = False
    for line in body.decode(errors="surrogateescape").split("\n"):
        kind, equals, value = line.rstrip("\r").partition("=")
        if not equals:
            continue
        match kind.strip():
            case "v":
                started = True
            case "o":
                origin = _parse_origin(value)
            case "s":
                name = value.strip() or "-"
            case "m":
                section = _Section()
                sections.append((_parse_media(value), section))
            case other:
                section.read(other, value)
    if not started or origin is None or len(sections) > MAX_MEDIA:
        raise SdpError("no session description")
    username, session_id, version, address = origin
    return SessionDescription(
        session_id=session_id,
        version=version,
        origin=address,
        media=tuple(each.complete(media, session) for media, each in sections),
        username=username,
        name=name,
        connection=session.connection,
        attributes=session.others,
    )
