"""The engine at Kamailio: digest, Record-Route, and calls with a baresip phone, sound checked."""

import asyncio

import pytest

from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason, Family
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallIncoming,
    CallProgress,
    DtmfReceived,
    RegistrationChanged,
)
from custom_components.hikari_denwa.telephony.errors import CredentialsRejectedError

from . import sound
from .baresip import Baresip
from .conftest import PHONE_TONE
from .desk import LINE, Desk
from .kamailio import ANONYMITY_REFUSED, BARRED, ENGINE, OTHER_FAMILY, PHONE, Extension, Kamailio
from .processes import PeerError, needs

pytestmark = [needs("kamailio", "baresip"), pytest.mark.asyncio(loop_scope="module")]

OUR_TONE = 600
TALK_SECONDS = 2.0
# Longer than the first pause of the back-off that other failures have.
SILENCE_SECONDS = 3.0
KEYS = "4712*#"
# The playout buffers on both sides begin with silence.
WHOLE = 0.85


def family_of(address: str) -> Family:
    """Return the family of a literal."""
    return Family.IPV6 if ":" in address else Family.IPV4


async def registered(desk: Desk, kamailio: Kamailio) -> RegistrationChanged:
    """Register the engine."""
    return await desk.register(kamailio.address, kamailio.port, ENGINE)


async def assert_in_dialog(kamailio: Kamailio, *methods: str) -> None:
    """Requests in the dialog followed the route set (RFC 3261 §12.2.1.1)."""
    for method in methods:
        await kamailio.line(f"{method} in dialog")
    assert not kamailio.said("unrouted")
    assert not kamailio.said("malformed")


async def test_registers_with_digest(kamailio: Kamailio, desk: Desk) -> None:
    """REGISTER with the user ID as user name, qop=auth and a counted nonce (RFC 2617 §3.2.2)."""
    change = await registered(desk, kamailio)
    assert change.family is family_of(kamailio.address)
    assert change.local_address == kamailio.address
    line = await kamailio.line("REGISTER of 3 by 0003")
    assert f"sip:3@{'[::1]' if ':' in kamailio.address else '127.0.0.1'}:" in line
    assert len(kamailio.said("challenge REGISTER")) == 1


async def test_unregisters(kamailio: Kamailio, desk: Desk) -> None:
    """Removing the line un-registers it with credentials (RFC 3261 §10.2.2)."""
    await registered(desk, kamailio)
    await kamailio.line("REGISTER of 3 by 0003")
    before = len(kamailio.lines)
    await desk.client.remove_line(LINE)
    line = await kamailio.line("REGISTER of 3 by 0003", after=before)
    assert "expires 0" in line or "expires=0" in line


async def test_wrong_password_ends_in_silence(kamailio: Kamailio, desk: Desk) -> None:
    """A registrar that challenges without end gets no more than three REGISTERs."""
    wrong = Extension(number="3", user_id="0003", password="not this one")
    with pytest.raises(PeerError):
        await desk.register(kamailio.address, kamailio.port, wrong)
    await asyncio.sleep(SILENCE_SECONDS)
    change = desk.told(RegistrationChanged)[-1]
    assert isinstance(change.error(), CredentialsRejectedError)
    assert len(kamailio.said("challenge REGISTER")) <= 3


async def test_calls_the_phone(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """A call from the engine: 407, ringing, answer, sound both ways, BYE from us."""
    await registered(desk, kamailio)
    dialled = await desk.dial(PHONE.number)
    assert dialled.family is family_of(kamailio.address)
    await phone.event("CALL_INCOMING")
    assert (await desk.event(CallProgress)).status == 180
    await phone.accept()
    await desk.event(CallConnected)
    await desk.talk(dialled.call, dialled.channel, OUR_TONE, TALK_SECONDS)
    await desk.client.hang_up(dialled.call)
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_HERE
    await phone.event("CALL_CLOSED")
    assert sound.tone_share(await phone.heard(), OUR_TONE) > WHOLE
    assert sound.tone_share(desk.heard_samples(), PHONE_TONE) > WHOLE
    assert len(kamailio.said("challenge INVITE by 3")) == 1
    await assert_in_dialog(kamailio, "ACK", "BYE")


async def test_is_called_by_the_phone(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """A call to the engine: ringing, answer, sound both ways, BYE from the phone."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    incoming = await desk.answer()
    assert incoming.caller.kind is CallerIdKind.NUMBER
    assert incoming.caller.number == PHONE.number
    assert incoming.family is family_of(kamailio.address)
    await phone.event("CALL_RINGING")
    await phone.event("CALL_ESTABLISHED")
    await desk.talk(incoming.call, incoming.channel, OUR_TONE, TALK_SECONDS)
    await phone.hang_up()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_THERE
    assert sound.tone_share(await phone.heard(), OUR_TONE) > WHOLE
    assert sound.tone_share(desk.heard_samples(), PHONE_TONE) > WHOLE
    await assert_in_dialog(kamailio, "ACK", "BYE")


async def test_hangs_up_a_call_that_the_phone_placed(
    kamailio: Kamailio, phone: Baresip, desk: Desk
) -> None:
    """BYE of the side that was called goes by the route set in its own order (§12.1.1)."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    incoming = await desk.answer()
    await phone.event("CALL_ESTABLISHED")
    await desk.client.hang_up(incoming.call)
    await phone.event("CALL_CLOSED")
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_HERE
    await assert_in_dialog(kamailio, "ACK", "BYE")


async def test_the_phone_puts_on_hold(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """A re-INVITE of the phone: hold, and back (RFC 3264 §8.4)."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    incoming = await desk.answer()
    await phone.event("CALL_ESTABLISHED")
    await phone.hold()
    assert (await desk.event(CallHeld)).held
    await phone.resume()
    assert not (await desk.event(CallHeld)).held
    await desk.talk(incoming.call, incoming.channel, OUR_TONE, 1.0)
    await phone.hang_up()
    await desk.event(CallEnded)
    assert sound.tone_share(desk.heard_samples(), PHONE_TONE) > 0.7
    await assert_in_dialog(kamailio, "INVITE", "ACK", "BYE")


async def test_puts_the_phone_on_hold(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """A re-INVITE of ours: nothing is heard on hold, and the phone is heard again after it."""
    await registered(desk, kamailio)
    dialled = await desk.dial(PHONE.number)
    await phone.event("CALL_INCOMING")
    await phone.accept()
    await desk.event(CallConnected)
    await desk.client.stream_sound(dialled.call, enabled=True)
    await desk.client.hold(dialled.call, held=True)
    await asyncio.sleep(0.5)
    desk.heard.clear()
    await asyncio.sleep(0.5)
    assert sound.tone_share(desk.heard_samples(), PHONE_TONE) == 0
    await desk.client.hold(dialled.call, held=False)
    desk.heard.clear()
    await asyncio.sleep(1.5)
    assert sound.tone_share(desk.heard_samples(), PHONE_TONE) > 0.7
    await desk.client.hang_up(dialled.call)
    await phone.event("CALL_CLOSED")
    assert [(event.held, event.here) for event in desk.told(CallHeld)] == [
        (True, True),
        (False, True),
    ]
    await assert_in_dialog(kamailio, "INVITE", "ACK", "BYE")


async def test_keys_in_the_sound(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """Without telephone events, which we do not offer, keys are tones that the phone hears."""
    await registered(desk, kamailio)
    dialled = await desk.dial(PHONE.number)
    await phone.event("CALL_INCOMING")
    await phone.accept()
    await desk.event(CallConnected)
    await desk.client.send_dtmf(dialled.call, KEYS)
    await asyncio.sleep(0.3)
    await desk.client.hang_up(dialled.call)
    await phone.event("CALL_CLOSED")
    assert sound.keys(await phone.heard()) == KEYS
    assert not [event for event in phone.events if event["type"] == "CALL_DTMF_START"]


async def test_keys_as_events(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """Keys go both ways as telephone events where the phone's offer has them (RFC 4733)."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    incoming = await desk.answer()
    await phone.event("CALL_ESTABLISHED")
    await phone.press(KEYS)
    await desk.client.send_dtmf(incoming.call, KEYS)
    for key in KEYS:
        assert (await phone.event("CALL_DTMF_START"))["param"] == key
    await phone.hang_up()
    await desk.event(CallEnded)
    assert "".join(event.digit for event in desk.told(DtmfReceived)) == KEYS
    assert not sound.keys(await phone.heard())


async def test_the_caller_gives_up(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """CANCEL of a call that rings here (§9.2)."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    await desk.event(CallIncoming)
    await phone.event("CALL_RINGING")
    await phone.hang_up()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.CALLER_GAVE_UP
    await phone.event("CALL_CLOSED")


async def test_cancels_a_call_that_rings_there(
    kamailio: Kamailio, phone: Baresip, desk: Desk
) -> None:
    """CANCEL of a call that we placed (§9.1), and the ACK to its 487 (§17.1.1.3)."""
    await registered(desk, kamailio)
    dialled = await desk.dial(PHONE.number)
    await desk.event(CallProgress)
    await desk.client.hang_up(dialled.call)
    assert (await desk.event(CallEnded)).ending.reason is EndReason.CANCELLED_HERE
    await phone.event("CALL_CLOSED")
    await kamailio.line("CANCEL by 3")


async def test_the_phone_rejects(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """486 from the phone."""
    await registered(desk, kamailio)
    await desk.dial(PHONE.number)
    await phone.event("CALL_INCOMING")
    await desk.event(CallProgress)
    await phone.hang_up()
    ending = (await desk.event(CallEnded)).ending
    assert (ending.reason, ending.status) == (EndReason.BUSY, 486)


async def test_rejects_the_phone(kamailio: Kamailio, phone: Baresip, desk: Desk) -> None:
    """486 from us."""
    await registered(desk, kamailio)
    await phone.dial(ENGINE.number)
    incoming = await desk.event(CallIncoming)
    await desk.client.reject(incoming.call, 486)
    assert (await desk.event(CallEnded)).ending.reason is EndReason.REJECTED_HERE
    closed = await phone.event("CALL_CLOSED")
    assert "486" in closed["param"]


async def test_tells_why_the_proxy_refuses(kamailio: Kamailio, desk: Desk) -> None:
    """Final responses of the proxy itself: 404, 403, 433 (RFC 5079), 488 with a Warning."""
    await registered(desk, kamailio)
    expected = {
        "0312349999": (EndReason.NUMBER_UNKNOWN, 404, None),
        BARRED: (EndReason.BARRED, 403, None),
        ANONYMITY_REFUSED: (EndReason.NUMBER_WITHHELD_REFUSED, 433, None),
        OTHER_FAMILY: (EndReason.NOT_ACCEPTABLE, 488, 300),
    }
    for number, outcome in expected.items():
        await desk.dial(number)
        ending = (await desk.event(CallEnded)).ending
        assert (ending.reason, ending.status, ending.warning) == outcome
