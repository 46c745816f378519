"""Session descriptions (RFC 4566) and the strict check of answers (RFC 3264)."""

from dataclasses import dataclass

from .config import Family

ENCODINGS = {
    "0": "PCMU/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "13": "CN/8000",
    "101": "telephone-event/8000",
}
CODECS = frozenset(("0", "8", "9"))
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
MIRRORED = {"sendonly": "recvonly", "recvonly": "sendonly"}
ALLOWED_ANSWERS = {
    "sendrecv": set(DIRECTIONS),
    "sendonly": {"recvonly", "inactive"},
    "recvonly": {"sendonly", "inactive"},
    "inactive": {"inactive"},
}
PTIME_MS = 20


class SdpError(ValueError):
    """The description breaks the grammar of RFC 4566."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the gateway offers: PCMU alone [R]; G.722 first and 101 are variants [A]."""

    formats: tuple[str, ...] = ("0",)
    direction: str = "sendrecv"
    ptime_ms: int = PTIME_MS
    others: tuple[str, ...] = ()
    """Other m= lines that stand before the audio line, each with port and formats [?]."""
    absent: bool = False
    """True: INVITE without a body, the client has to offer (RFC 3264 §5) [?]."""


PCMU_OFFER = Offer()
G722_FIRST_OFFER = Offer(formats=("9", "0"))
TELEPHONE_EVENT_OFFER = Offer(formats=("0", "101"))
NO_OFFER = Offer(absent=True)


@dataclass(frozen=True, slots=True)
class Media:
    """One media line with its attributes; ``host`` is the connection address that holds for it."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    family: Family | None
    host: str
    direction: str
    attributes: tuple[str, ...]

    def encoding(self, payload_format: str) -> str:
        """Return ``name/rate`` of a format, static ones known (RFC 3551)."""
        for attribute in self.attributes:
            if attribute.startswith(f"rtpmap:{payload_format} "):
                return attribute.split(" ", 1)[1].strip()
        return ENCODINGS.get(payload_format, "") if int_or(payload_format, 128) < 96 else ""


@dataclass(frozen=True, slots=True)
class Description:
    """A session description: its origin and its media lines."""

    origin: tuple[str, ...]
    media: tuple[Media, ...]
    text: str

    @property
    def audio(self) -> Media | None:
        """The first audio line."""
        return next((media for media in self.media if media.kind == "audio"), None)

    @property
    def session(self) -> tuple[str, str]:
        """User name and session id of the origin: the same for the whole dialog."""
        return self.origin[0], self.origin[1]

    @property
    def version(self) -> int:
        """The version of the origin."""
        return int(self.origin[2])

    @property
    def without_origin(self) -> str:
        """Everything but the o= line: two descriptions alike in it describe the same."""
        return "\n".join(line for line in self.text.splitlines() if not line.startswith("o="))


def int_or(text: str, fallback: int) -> int:
    """Read a decimal number, or give the fallback."""
    return int(text) if text.isdecimal() else fallback


def parse_sdp(body: bytes) -> Description:
    """Read a description strictly; raises SdpError."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise SdpError("not UTF-8") from error
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if any(len(line) < 2 or line[1] != "=" for line in lines):
        raise SdpError("a line is not type=value")
    pairs = [(line[0], line[2:]) for line in lines]
    kinds = "".join(kind for kind, _ in pairs)
    if not kinds.startswith("vos") or "t" not in kinds or pairs[0][1] != "0":
        raise SdpError("v=0, o=, s= and t= must be there in this order")
    origin = tuple(pairs[1][1].split())
    if len(origin) != 6 or not (origin[1].isdecimal() and origin[2].isdecimal()):
        raise SdpError(f"bad o= {pairs[1][1]!r}")
    first_media = kinds.find("m")
    session = pairs[:first_media] if first_media >= 0 else pairs
    return Description(origin, tuple(_media_sections(session, pairs[len(session) :])), text)


def _media_sections(session: list[tuple[str, str]], rest: list[tuple[str, str]]) -> list[Media]:
    """Read the media lines, each with what follows it."""
    sections: list[list[tuple[str, str]]] = []
    for pair in rest:
        if pair[0] == "m":
            sections.append([])
        sections[-1].append(pair)
    return [_media(session, section) for section in sections]


def _media(session: list[tuple[str, str]], section: list[tuple[str, str]]) -> Media:
    """Read one media line."""
    parts = section[0][1].split()
    if len(parts) < 4 or not parts[1].partition("/")[0].isdecimal():
        raise SdpError(f"bad m= {section[0][1]!r}")
    family, host = None, ""
    attributes: list[str] = []
    direction = "sendrecv"
    for kind, value in [*session, *section]:
        if kind == "c":
            family, host = _connection(value)
        elif kind == "a" and value in DIRECTIONS:
            direction = value
    attributes = [value for kind, value in section if kind == "a"]
    port = int(parts[1].partition("/")[0])
    return Media(
        kind=parts[0],
        port=port,
        protocol=parts[2],
        formats=tuple(parts[3:]),
        family=family,
        host=host,
        direction=direction,
        attributes=tuple(attributes),
    )


def _connection(value: str) -> tuple[Family, str]:
    """Read ``IN IP4 address``; an address must fit its type."""
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in {"IP4", "IP6"}:
        raise SdpError(f"bad c= {value!r}")
    family = Family.V4 if parts[1] == "IP4" else Family.V6
    host = parts[2]
    if host.startswith("[") or (":" in host) != (family is Family.V6):
        raise SdpError(f"address does not fit its type in c= {value!r}")
    return family, host


def build_sdp(
    *,
    family: Family,
    host: str,
    port: int,
    formats: tuple[str, ...],
    direction: str = "sendrecv",
    session: int,
    version: int,
    ptime_ms: int = PTIME_MS,
    others: tuple[str, ...] = (),
) -> bytes:
    """Write the gateway's description with one audio line, after other m= lines if given."""
    kind = "IP4" if family is Family.V4 else "IP6"
    lines = [
        "v=0",
        f"o=- {session} {version} IN {kind} {host}",
        "s=-",
        f"c=IN {kind} {host}",
        "t=0 0",
        *(f"m={other}" for other in others),
        f"m=audio {port} RTP/AVP {' '.join(formats)}",
        *(f"a=rtpmap:{payload} {ENCODINGS[payload]}" for payload in formats),
        *(("a=fmtp:101 0-15",) if "101" in formats else ()),
        f"a=ptime:{ptime_ms}",
        f"a={direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def wrong_in_answer(offer: Description, answer: Description) -> list[str]:
    """List what an answer holds against its offer (RFC 3264 §6); empty is right."""
    wrong: list[str] = []
    if len(answer.media) != len(offer.media):
        wrong.append(f"{len(answer.media)} media lines for {len(offer.media)} offered")
    for offered, answered in zip(offer.media, answer.media, strict=False):
        wrong += _wrong_in_media(offered, answered)
    return wrong


def _wrong_in_media(offered: Media, answered: Media) -> list[str]:
    """List what one answered media line holds against the offered one."""
    if (answered.kind, answered.protocol) != (offered.kind, offered.protocol):
        return [f"m={answered.kind} {answered.protocol} answers m={offered.kind}"]
    wrong: list[str] = []
    if answered.port == 0 and offered.kind != "audio":
        return []
    if answered.port == 0 and offered.port != 0:
        wrong.append("port zero")
    if extra := [name for name in answered.formats if name not in offered.formats]:
        wrong.append(f"payload type {' '.join(extra)} was not offered")
    if answered.family is None:
        wrong.append("no c= line")
    elif answered.family is not offered.family:
        wrong.append(f"c= of {answered.family} answers {offered.family}")
    if answered.direction not in ALLOWED_ANSWERS[offered.direction]:
        wrong.append(f"{answered.direction} answers {offered.direction}")
    wrong += [
        f"payload type {payload} means something else"
        for payload in answered.formats
        if payload in offered.formats and not _same_encoding(offered, answered, payload)
    ]
    return wrong


def _same_encoding(offered: Media, answered: Media, payload: str) -> bool:
    """Compare what a payload type means on both sides; ``/1`` channels may be left out."""
    theirs = answered.encoding(payload).lower().removesuffix("/1")
    return theirs == offered.encoding(payload).lower().removesuffix("/1")
