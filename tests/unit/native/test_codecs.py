"""Which codecs a line speaks, and that it answers only what was offered (RFC 3264 §6)."""

from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.engine.backend import Account
from custom_components.hikari_denwa.telephony.engine.native.rtp.payload import PayloadFormat
from custom_components.hikari_denwa.telephony.engine.protocol import CallConnected, SoundCodec
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request

from .bench import ACCOUNT, OFFER, Bench, invite
from .test_incoming import talking

_BOTH = replace(ACCOUNT, codecs=(SoundCodec.PCMU, SoundCodec.PCMA))
_ALAW_FIRST = replace(ACCOUNT, codecs=(SoundCodec.PCMA, SoundCodec.PCMU))
_G722_FIRST = replace(ACCOUNT, codecs=(SoundCodec.G722, SoundCodec.PCMU))
_G722 = PayloadFormat(send_type=9, receive_type=9, codec=SoundCodec.G722)
_EVENTS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"


def _offer(formats: str, more: str = "") -> str:
    """Return an offer of these payload types."""
    return OFFER.replace("RTP/AVP 0", f"RTP/AVP {formats}") + more


@pytest.mark.parametrize(
    ("account", "offered", "answered", "payload_format"),
    [
        (ACCOUNT, _offer("8 0"), "0", PayloadFormat()),
        (ACCOUNT, _offer("0 13"), "0 13", PayloadFormat()),
        (ACCOUNT, _offer("9 0 101", _EVENTS), "0 101", PayloadFormat(event_type=101)),
        (
            _BOTH,
            _offer("8 0"),
            "8",
            PayloadFormat(send_type=8, receive_type=8, codec=SoundCodec.PCMA),
        ),
        (_BOTH, _offer("0 8"), "0", PayloadFormat()),
        (
            _BOTH,
            _offer("8 13 101", _EVENTS),
            "8 101 13",
            PayloadFormat(send_type=8, receive_type=8, codec=SoundCodec.PCMA, event_type=101),
        ),
        (_BOTH, _offer("9 0"), "0", PayloadFormat()),
        (_G722_FIRST, _offer("9 0", "a=rtpmap:9 G722/8000\r\n"), "9", _G722),
        (_G722_FIRST, _offer("0 9"), "0", PayloadFormat()),
        (_G722_FIRST, _offer("8 0"), "0", PayloadFormat()),
    ],
    ids=[
        "alaw off",
        "noise",
        "events",
        "alaw on",
        "order of the offer",
        "all",
        "g722 off",
        "g722 on",
        "g722 after",
        "g722 not offered",
    ],
)
async def test_answers(
    account: Account, offered: str, answered: str, payload_format: PayloadFormat
) -> None:
    """The first codec of the offer that the line has, and nothing that was not offered."""
    bench = Bench(account)
    response = await talking(bench, invite(body=offered))
    assert f"RTP/AVP {answered}\r\n".encode() in response.body
    assert bench.sounds[0].format == payload_format
    (connected,) = [event for event in bench.events if isinstance(event, CallConnected)]
    assert connected.codec == payload_format.codec


@pytest.mark.parametrize("formats", ["8", "9", "8 9 13"])
async def test_nothing_in_common(formats: str) -> None:
    """Without a codec in common it is 488 with 305, and does not ring."""
    bench = Bench()
    bench.receive(invite(body=_offer(formats)))
    refused = bench.sent_status(488)
    assert (refused.headers.get("Warning") or "").startswith("305 ")
    assert bench.events == []


@pytest.mark.parametrize(
    ("account", "formats"),
    [(ACCOUNT, "0"), (_BOTH, "0 8"), (_ALAW_FIRST, "8 0"), (_G722_FIRST, "9 0")],
)
async def test_offers(account: Account, formats: str) -> None:
    """What the line has, in its order, and neither events nor noise (facts §2.1)."""
    bench = Bench(account)
    await bench.register()
    await bench.agent.dial("117")
    offers = [each for each in bench.sent() if isinstance(each, Request)]
    assert f"RTP/AVP {formats}\r\n".encode() in offers[-1].body
