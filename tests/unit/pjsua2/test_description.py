"""Descriptions of pjsua2 become what gateways stand, and exchanges are followed as they pass."""

import pytest

from custom_components.hikari_denwa.telephony.engine.pjsua2.description import (
    Descriptions,
    trimmed,
)
from custom_components.hikari_denwa.telephony.engine.sip import sdp
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request, Response
from custom_components.hikari_denwa.telephony.engine.sip.sdp import Codec
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri

OURS = """v=0\r
o=- 3995575669 3995575669 IN IP4 192.0.2.2\r
s=pjmedia\r
b=AS:84\r
t=0 0\r
a=X-nat:0\r
m=audio 12000 RTP/AVP 8 0 9 120\r
c=IN IP4 192.0.2.2\r
b=TIAS:64000\r
a=rtcp:12001 IN IP4 192.0.2.2\r
a=sendrecv\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:9 G722/8000\r
a=rtpmap:120 telephone-event/8000\r
a=fmtp:120 0-16\r
a=ssrc:1 cname:x\r
"""


@pytest.mark.parametrize(
    ("codecs", "answers", "formats"),
    [
        ((sdp.PCMU,), False, "0"),
        ((sdp.PCMU,), True, "0 120"),
        ((sdp.PCMU, sdp.PCMA), False, "0 8"),
        ((sdp.G722, sdp.PCMU), False, "9 0"),
    ],
)
def test_codecs_of_the_line_alone(
    codecs: tuple[Codec, ...], formats: str, *, answers: bool
) -> None:
    """They stand in the line's order; events are never offered."""
    lines = trimmed(OURS, codecs=codecs, answers=answers).splitlines()
    assert f"m=audio 12000 RTP/AVP {formats}" in lines
    types = {line.split()[0].partition(":")[2] for line in lines if line.startswith("a=rtpmap")}
    assert types == set(formats.split())
    assert ("a=fmtp:120 0-16" in lines) is answers


def test_nothing_that_nobody_asked_for() -> None:
    """Bandwidth and sources go, what RTCP needs stays."""
    text = trimmed(OURS, codecs=(sdp.PCMU,), answers=False)
    assert "b=" not in text
    assert "ssrc" not in text
    assert "a=rtcp:12001 IN IP4 192.0.2.2\r\n" in text


def test_static_types_need_no_name() -> None:
    """A format without rtpmap is what RFC 3551 says."""
    plain = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8 0\r\n"
    assert "m=audio 9000 RTP/AVP 0\r\n" in trimmed(plain, codecs=(sdp.PCMU,), answers=False)


@pytest.mark.parametrize("text", ["v=0\r\ns=-\r\n", OURS.replace("m=audio", "m=video")])
def test_what_has_no_sound_stays(text: str) -> None:
    """There is nothing to choose from."""
    assert trimmed(text, codecs=(sdp.PCMU,), answers=True) == text


def described(
    method: str, number: int, version: int, *, status: int = 0, direction: str = "sendrecv"
) -> Request | Response:
    """Return a message with a description, a response if it has a status."""
    message: Request | Response = (
        Response(status, "") if status else Request(method, SipUri(host="192.0.2.1"))
    )
    message.headers.add("CSeq", f"{number} {method}")
    message.headers.add("Content-Type", "application/sdp")
    message.body = (
        f"v=0\r\no=- 7 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        f"m=audio 9000 RTP/AVP 0\r\na={direction}\r\n"
    ).encode()
    return message


def version_of(message: Request | Response) -> int:
    """Read the version of a description."""
    return sdp.SessionDescription.parse(message.body).version


def test_an_exchange_is_complete_with_its_answer() -> None:
    """Whoever offered; a copy of the answer is no new offer."""
    seen = Descriptions()
    assert not seen.goes_out(described("INVITE", 1, 5))
    assert seen.comes_in(described("INVITE", 1, 1, status=183))
    assert seen.stream
    assert seen.comes_in(described("INVITE", 1, 1, status=200))
    assert not seen.comes_in(described("INVITE", 1, 1, status=200))
    assert not seen.comes_in(described("INVITE", 9, 2, direction="sendonly"))
    assert seen.goes_out(described("INVITE", 9, 6, status=200, direction="recvonly"))
    assert seen.stream
    assert not seen.stream.direction.sends


def test_an_offer_in_the_answer() -> None:
    """A 2xx may offer, and the ACK answers."""
    seen = Descriptions()
    assert not seen.goes_out(described("INVITE", 3, 5, status=200))
    ack = described("INVITE", 3, 1)
    assert seen.comes_in(ack)


def test_a_refused_offer_does_not_count() -> None:
    """What says the same as what stands has its version, whatever was offered in between."""
    seen = Descriptions()
    seen.goes_out(described("INVITE", 1, 5))
    seen.comes_in(described("INVITE", 1, 1, status=200))
    hold = described("INVITE", 2, 6, direction="sendonly")
    seen.goes_out(hold)
    assert version_of(hold) == 6
    refusal = Response(491, "")
    refusal.headers.add("CSeq", "2 INVITE")
    seen.comes_in(refusal)
    seen.comes_in(described("INVITE", 8, 2))
    answer = described("INVITE", 8, 7, status=200)
    assert seen.goes_out(answer)
    assert version_of(answer) == 5


def test_no_description_changes_nothing() -> None:
    """Rubbish in a body is not ours to judge here."""
    seen = Descriptions()
    message = described("INVITE", 1, 1)
    message.body = b"rubbish"
    assert not seen.goes_out(message)
    assert message.body == b"rubbish"
    assert seen.stream is None
