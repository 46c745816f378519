"""Descriptions as gateways stand them: what pjsua2 writes, less what nobody asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ..sip.sdp import TELEPHONE_EVENT, Codec

_UNWANTED = ("b=", "a=ssrc:", "a=rtcp-fb:", "a=rtcp-xr:", "a=mid:", "a=msid")
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
