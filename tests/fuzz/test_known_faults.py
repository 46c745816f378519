"""What the fuzzer has found once, each as small as it could be made."""

import pytest

from custom_components.hikari_denwa.telephony.engine.protocol import decode
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MessageError,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.errors import ProtocolError
from tests.unit.native.bench import Bench, invite


@pytest.mark.parametrize("text", ["[" * 200_000, '{"type":' * 200_000])
def test_depth(text: str) -> None:
    """A message nested without end is refused like any other that is none of ours."""
    with pytest.raises(ProtocolError):
        decode(text)


def test_overlarge_number() -> None:
    """A time that no float holds is refused."""
    text = '{"type":"registration_changed","line":"a","state":"failed","at":%s}' % ("9" * 400)
    with pytest.raises(ProtocolError):
        decode(text)


def test_reason_phrase_of_another_encoding() -> None:
    """A phrase that is not UTF-8 can be told to Home Assistant."""
    head = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n"
    start = "SIP/2.0 480 応答なし\r\n".encode("shift_jis")
    response = parse(start + f"{head}Call-ID: c\r\nCSeq: 1 INVITE\r\n\r\n".encode())
    assert isinstance(response, Response)
    assert response.reason.encode()


def test_control_character_behind_an_address() -> None:
    """What is no white space of SIP is not taken for it: the To with our tag must be readable."""
    with pytest.raises(MessageError):
        parse(
            invite(to="<sip:3@[2001:db8::1]>").encode().replace(b"1]>\r\nCall", b"1]>\x1d\r\nCall")
        )


async def test_a_refresh_overtaken() -> None:
    """A refresh that a verification has overtaken leaves no timer that registers once more."""
    bench = Bench()
    await bench.register()
    bench.agent.registration.verify()
    bench.agent.registration.stop()
    bench.agent.layer.close()
    assert bench.clock.pending == 0
