"""Descriptions as gateways stand them: what pjsua2 writes, less what nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..sip import sdp
from ..sip.messages import Request, Response
from ..sip.sdp import TELEPHONE_EVENT, AudioStream, Codec, SdpError, SessionDescription

_UNWANTED = ("b=", "a=ssrc:", "a=rtcp-fb:", "a=rtcp-xr:", "a=mid:", "a=msid")
_ORIGIN_VERSION = re.compile(rb"(?m)^(o=\S+ \S+ )\d+")
_OF_A_FORMAT = ("a=rtpmap:", "a=fmtp:")


def trimmed(text: str, *, codecs: Sequence[Codec], answers: bool) -> str:
    """Return a description with the line's codecs alone, in the line's order.

    Telephone events stay in an answer, where they count only if they were offered.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith(_UNWANTED)]
    first = next((at for at, line in enumerate(lines) if line.startswith("m=audio ")), None)
    if first is None:
        return text
    types = _types(lines[first:])
    kind, port, protocol, *formats = lines[first].split(" ")
    wanted = [_type_of(codec, types, formats) for codec in codecs]
    events = [each for each in formats if types.get(each, "").startswith(TELEPHONE_EVENT.name)]
    kept = [each for each in wanted if each is not None] + (events if answers else [])
    if not kept:
        return text
    lines[first] = " ".join((kind, port, protocol, *kept))
    dropped = set(formats) - set(kept)
    return "".join(f"{line}\r\n" for line in lines if _format_of(line) not in dropped)


def _types(lines: Sequence[str]) -> dict[str, str]:
    """Read which encoding each payload type stands for."""
    pairs = [line.removeprefix("a=rtpmap:").split(" ", 1) for line in lines if "a=rtpmap:" in line]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _type_of(codec: Codec, types: dict[str, str], formats: Sequence[str]) -> str | None:
    """Find the payload type of a codec."""
    named = (each for each in formats if types.get(each, "").upper().startswith(f"{codec.name}/"))
    static = str(codec.payload_type)
    return next(named, static if static in formats else None)


def _format_of(line: str) -> str | None:
    """Give the payload type that a line is about, None if it is about none."""
    start = next((each for each in _OF_A_FORMAT if line.startswith(each)), None)
    return line.removeprefix(start).split(" ", 1)[0] if start else None


@dataclass(frozen=True, kw_only=True)
class _Offer:
    """An offer that has no answer yet."""

    number: int
    description: SessionDescription
    ours: bool


class Descriptions:
    """The offer/answer exchanges of a call, as they pass (RFC 3264)."""

    def __init__(self) -> None:
        """Begin before the first."""
        self.local: SessionDescription | None = None
        self.remote: SessionDescription | None = None
        self._offer: _Offer | None = None

    @property
    def stream(self) -> AudioStream | None:
        """Give what was agreed on, None while nothing is."""
        if self.local is None or self.remote is None:
            return None
        agreed = sdp.agree(self.local, self.remote)
        return agreed if isinstance(agreed, AudioStream) else None

    def goes_out(self, message: Request | Response) -> bool:
        """See a message of ours leave; True if it completes an exchange.

        Its version becomes that of what stands if it says the same, else the next (§8): pjsua2
        counts offers that were refused as well.
        """
        description = _description_in(message)
        if description is None:
            return self._see(message, None, ours=True)
        if self.local:
            same = replace(description, version=self.local.version) == self.local
            version = self.local.version if same else self.local.version + 1
            description = replace(description, version=version)
            message.body = _ORIGIN_VERSION.sub(rb"\g<1>%d" % version, message.body, count=1)
        return self._see(message, description, ours=True)

    def comes_in(self, message: Request | Response) -> bool:
        """See a message of the far side's; True if it completes an exchange."""
        return self._see(message, _description_in(message), ours=False)

    def _see(
        self, message: Request | Response, description: SessionDescription | None, *, ours: bool
    ) -> bool:
        """See a message pass."""
        number = message.cseq.number
        offer = self._offer
        response = isinstance(message, Response)
        if isinstance(message, Response) and message.status >= 300:
            if offer and offer.number == number:
                self._offer = None
            return False
        if description is None:
            return False
        if offer is None or offer.number != number or offer.ours is ours:
            if not response or description != (self.local if ours else self.remote):
                self._offer = _Offer(number=number, description=description, ours=ours)
            return False
        self.local, self.remote = (
            (description, offer.description) if ours else (offer.description, description)
        )
        if not isinstance(message, Response) or message.status >= 200:
            self._offer = None
        return True


def _description_in(message: Request | Response) -> SessionDescription | None:
    """Read the description in a message, None if there is none that can be read."""
    if not message.body or message.content_type != sdp.CONTENT_TYPE:
        return None
    try:
        return SessionDescription.parse(message.body)
    except SdpError:
        return None
