"""Calls that the gateway rings: shapes, ends, the strict check, hold and refresh."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.home_gateway import (
    G722_FIRST_OFFER,
    NO_OFFER,
    TELEPHONE_EVENT_OFFER,
    CallConfig,
    CallEndedError,
    CallState,
    Family,
    GatewayConfig,
    HomeGateway,
    IncomingCall,
    NoTimerClient,
    Refresher,
    RefreshMethod,
    SessionTimerConfig,
    Shape,
    Side,
    Withheld,
)

from .conftest import FAST
from .hand import Answer, HandPhone

TIMER = "\nRequire: timer\nSession-Expires: 300;refresher=uac"


async def rung(
    phone: HandPhone, gateway: HomeGateway, **how: object
) -> tuple[IncomingCall, Answer]:
    """Register, ring, and take the INVITE."""
    await phone.register()
    call = await gateway.ring("3", **how)  # type: ignore[arg-type]
    return call, await phone.receive()


async def talking(
    phone: HandPhone, gateway: HomeGateway, *, headers: str = TIMER
) -> tuple[IncomingCall, Answer]:
    """Register, ring and answer rightly."""
    call, invite = await rung(phone, gateway)
    phone.reply(invite, 180)
    phone.reply(invite, 200, headers=headers, body=phone.sdp())
    assert (await phone.receive()).start.startswith("ACK")
    await call.answered()
    return call, invite


async def request_of(phone: HandPhone, method: str) -> Answer:
    """Return the next request of a method from the gateway."""
    return await phone.receive_until(lambda answer: answer.start.startswith(f"{method} "))


async def test_outside_call_has_number_twice_and_called_number_in_to() -> None:
    """Shape C1, with its headers and its offer."""
    async with HomeGateway() as gateway, HandPhone(gateway, Family.V4) as phone:
        _, invite = await rung(phone, gateway, caller="0451234567")
        assert invite.header("From").startswith('"0451234567" <sip:0451234567@127.0.0.1>;tag=')
        assert invite.header("To") == '"0312345678" <sip:3@127.0.0.1>'
        assert invite.header("Allow") == "INVITE,ACK,BYE,CANCEL,PRACK,UPDATE"
        assert invite.header("Supported") == "timer,100rel"
        assert invite.header("Session-Expires") == "300;refresher=uac"
        assert invite.header("Min-SE") == "300"
        media = [line for line in invite.body.split("\r\n") if line.startswith(("m=", "c="))]
        assert media[0] == "c=IN IP4 127.0.0.1"
        assert media[1].endswith(" RTP/AVP 0")
        assert int(media[1].split()[1]) % 2 == 0


@pytest.mark.assumption
@pytest.mark.parametrize("reason", list(Withheld))
async def test_withheld_callers(reason: Withheld) -> None:
    """Shape C2 with each reason."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway, caller=reason)
        assert invite.header("From").startswith(f'"{reason}" <sip:anonymous@anonymous.invalid>')


async def test_internal_call() -> None:
    """Shape C3: the extension number on both sides, no called number."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway, caller="1")
        assert invite.header("From").startswith('"1" <sip:1@[::1]>')
        assert invite.header("To") == '"3" <sip:3@[::1]>'


async def test_compact_form() -> None:
    """Shape C4."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway, shape=Shape.COMPACT)
        for name in ("v", "f", "t", "i", "m", "k", "x", "c", "l"):
            assert f"\r\n{name}: " in invite.text
        assert "\r\nVia:" not in invite.text


async def test_ipv6_shape_takes_the_ipv6_binding() -> None:
    """Shape C5: brackets in URIs, none in the SDP."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway, shape=Shape.IPV6)
        assert invite.start == f"INVITE sip:3@[::1]:{phone.port} SIP/2.0"
        assert "c=IN IP6 ::1\r\n" in invite.body
        assert invite.header("Contact") == f"<sip:[::1]:{gateway.port_v6}>"


@pytest.mark.assumption
async def test_variants_of_who_calls() -> None:
    """No number display; the called number in the URI; the gateway as withheld host."""
    calls = CallConfig(number_display=False, called_in_uri=True, withheld_host="")
    async with HomeGateway(GatewayConfig(calls=calls)) as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway, caller="0451234567")
        assert invite.header("From").startswith('"Anonymous" <sip:anonymous@[::1]>')
        assert invite.header("To") == "<sip:0312345678@[::1]>"


async def test_refusals_end_the_call_and_are_acknowledged() -> None:
    """486 ends it, by the client, with its status."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        phone.reply(invite, 486)
        ack = await phone.receive()
        assert ack.start.startswith("ACK")
        assert ack.header("Via") == invite.header("Via")
        end = await call.ended()
        assert (end.by, end.how, end.status) == (Side.CLIENT, "refused", 486)
        with pytest.raises(CallEndedError):
            await call.answered()


@pytest.mark.parametrize("with_reason", [False, True])
async def test_another_phone_answers(with_reason: bool) -> None:
    """CANCEL with the INVITE's branch, 200 and 487 come, the 487 is acknowledged."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        phone.reply(invite, 180)
        await call.ringing()
        work = asyncio.create_task(call.answered_elsewhere(with_reason=with_reason))
        cancel = await phone.receive()
        assert cancel.start == f"CANCEL {phone.contact} SIP/2.0"
        assert cancel.header("Via") == invite.header("Via")
        assert ("Call completed elsewhere" in cancel.header("Reason")) is with_reason
        phone.reply(cancel, 200)
        phone.reply(invite, 487)
        assert (await phone.receive()).start.startswith("ACK")
        await work
        end = await call.ended()
        assert (end.by, end.how, end.status) == (Side.GATEWAY, "CANCEL", 487)
        assert gateway.violations == []


async def test_cancel_waits_for_a_provisional_response() -> None:
    """No CANCEL before the client said anything (RFC 3261 §9.1)."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        work = asyncio.create_task(call.cancel())
        assert await phone.nothing_comes()
        phone.reply(invite, 180)
        cancel = await phone.receive()
        phone.reply(cancel, 200)
        phone.reply(invite, 487)
        await work


async def test_answer_that_crosses_a_cancel_is_ended_by_bye() -> None:
    """The client answered first: ACK, then BYE."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        phone.reply(invite, 180)
        await call.ringing()
        work = asyncio.create_task(call.cancel())
        cancel = await request_of(phone, "CANCEL")
        phone.reply(invite, 200, body=phone.sdp())
        phone.reply(cancel, 200)
        assert (await phone.receive()).start.startswith("ACK")
        bye = await request_of(phone, "BYE")
        phone.reply(bye, 200)
        await work
        assert gateway.violations == []


async def test_caller_gives_up_by_itself() -> None:
    """ring_for: CANCEL when nobody answers."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway, ring_for=0.1)
        phone.reply(invite, 180)
        cancel = await request_of(phone, "CANCEL")
        phone.reply(cancel, 200)
        phone.reply(invite, 487)
        assert (await call.ended()).status == 487


async def test_invite_is_sent_again_and_given_up() -> None:
    """Timer A doubles, Timer B ends it."""
    async with HomeGateway(GatewayConfig(timers=FAST)) as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        again = await phone.receive()
        assert again.text == invite.text
        end = await call.ended()
        assert (end.how, end.status) == ("timeout", 408)
        sent = [entry.time for entry in gateway.trace if entry.text.startswith("INVITE")]
        gaps = [after - before for before, after in pairwise(sent)]
        # At 0, 1, 3, 7, 15, 31 and 63 times T1; the last is a close race with 64 times T1.
        assert len(sent) in {6, 7}
        for count, gap in enumerate(gaps):
            assert gap >= FAST.t1 * 2**count * 0.99


async def test_a_repeated_200_is_acknowledged_each_time() -> None:
    """The same ACK to each copy."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await talking(phone, gateway)
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        first = await phone.receive()
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        assert (await phone.receive()).text == first.text
        assert first.start == f"ACK {phone.contact} SIP/2.0"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (lambda phone: phone.sdp("0 101"), "payload type 101 was not offered"),
        (lambda phone: phone.sdp(port=0), "port zero"),
        (lambda phone: phone.sdp(family=Family.V4), "c= of ipv4 answers ipv6"),
        (lambda phone: phone.sdp() + "m=text 4000 RTP/AVP 98\r\n", "2 media lines for 1 offered"),
        (lambda _: "", "no answer to the offer"),
        (lambda phone: phone.sdp().replace("t=0 0\r\n", ""), "must be there in this order"),
    ],
)
async def test_wrong_answer_is_cut_after_90_ms(body: object, detail: str) -> None:
    """ACK, then BYE after about 90 ms, and the breach is recorded."""
    assert callable(body)
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        phone.reply(invite, 200, headers=TIMER, body=body(phone))
        assert (await phone.receive()).start.startswith("ACK")
        bye = await request_of(phone, "BYE")
        sent = {entry.text[:3]: entry.time for entry in gateway.trace if entry.direction == "out"}
        assert sent["BYE"] - sent["ACK"] >= 0.09
        phone.reply(bye, 200)
        assert (await call.ended()).how == "wrong answer"
        assert any(detail in violation.detail for violation in gateway.violations)


@pytest.mark.assumption
async def test_offer_variants() -> None:
    """G.722 first, telephone-event, and an INVITE without an offer."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        for offer, formats in ((G722_FIRST_OFFER, "9 0"), (TELEPHONE_EVENT_OFFER, "0 101")):
            call, invite = await rung(phone, gateway, offer=offer)
            assert f"RTP/AVP {formats}\r\n" in invite.body
            phone.reply(invite, 486)
            await phone.receive()
            await call.ended()
        call, invite = await rung(phone, gateway, offer=NO_OFFER)
        assert invite.body == ""
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        ack = await phone.receive()
        assert "m=audio" in ack.body
        await call.answered()
        assert gateway.violations == []


@pytest.mark.assumption
@pytest.mark.parametrize("method", list(RefreshMethod))
async def test_session_is_refreshed(method: RefreshMethod) -> None:
    """By UPDATE without SDP, or by re-INVITE with the same SDP; again after each 200."""
    timer = SessionTimerConfig(method=method, refresh_after=0.1)
    config = GatewayConfig(session_timer=timer)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        call, invite = await talking(phone, gateway)
        for _ in range(2):
            refresh = await request_of(phone, method)
            assert refresh.header("Session-Expires") == "300;refresher=uac"
            assert refresh.body == ("" if method == "UPDATE" else invite.body)
            phone.reply(refresh, 200, headers=TIMER, body=phone.sdp() if refresh.body else "")
        await asyncio.sleep(0.05)
        assert call.refreshes[:2] == [(method, 200)] * 2
        assert call.state is CallState.TALKING
        assert gateway.violations == []


async def test_refused_refresh_ends_the_call() -> None:
    """No 2xx to the refresh: BYE."""
    timer = SessionTimerConfig(refresh_after=0.05)
    config = GatewayConfig(session_timer=timer)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        call, _ = await talking(phone, gateway)
        phone.reply(await request_of(phone, "UPDATE"), 405, headers="\nAllow: INVITE")
        phone.reply(await request_of(phone, "BYE"), 200)
        assert (await call.ended()).how == "session refresh failed"


async def test_client_without_update_is_refreshed_by_reinvite() -> None:
    """RFC 3311: UPDATE only to those who allow it."""
    timer = SessionTimerConfig(refresh_after=0.05)
    config = GatewayConfig(session_timer=timer)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        await call.answered()
        call.client_allows.discard("UPDATE")
        assert (await request_of(phone, "INVITE")).body == invite.body


@pytest.mark.assumption
async def test_client_that_should_refresh_and_does_not() -> None:
    """Refresher is the client: BYE when its refresh does not come in time."""
    timer = SessionTimerConfig(refresher=Refresher.CLIENT, expire_after=0.1)
    config = GatewayConfig(session_timer=timer)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        call, invite = await rung(phone, gateway)
        assert invite.header("Session-Expires") == "300;refresher=uas"
        headers = "\nSession-Expires: 300;refresher=uas"
        phone.reply(invite, 200, headers=headers, body=phone.sdp())
        phone.reply(await request_of(phone, "BYE"), 200)
        assert (await call.ended()).how == "session expired"
        assert gateway.violations == []


@pytest.mark.assumption
@pytest.mark.parametrize("policy", list(NoTimerClient))
async def test_answer_without_a_timer(policy: NoTimerClient) -> None:
    """No timer then, or BYE when the interval is over."""
    timer = SessionTimerConfig(client_without_timer=policy, expire_after=0.1, refresh_after=0.05)
    config = GatewayConfig(session_timer=timer)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        call, _ = await talking(phone, gateway, headers="")
        if policy is NoTimerClient.BYE_AT_EXPIRY:
            phone.reply(await request_of(phone, "BYE"), 200)
            assert (await call.ended()).how == "session expired"
        else:
            assert await phone.nothing_comes(0.2)


async def test_hold_and_resume() -> None:
    """Re-INVITE with a higher version; the answer must fit the direction."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, _ = await talking(phone, gateway)
        for work, offered, answered, version in (
            (call.hold(), "sendonly", "recvonly", 2),
            (call.hold("inactive"), "inactive", "inactive", 3),
            (call.resume(), "sendrecv", "sendrecv", 4),
        ):
            task = asyncio.create_task(work)
            invite = await request_of(phone, "INVITE")
            assert f"a={offered}\r\n" in invite.body
            body = phone.sdp().replace("o=- 1 1", f"o=- 1 {version}")
            phone.reply(invite, 200, headers=TIMER, body=body.replace("sendrecv", answered))
            assert (await request_of(phone, "ACK")).start
            assert await task == 200
        assert gateway.violations == []


async def test_hold_answered_with_the_wrong_direction() -> None:
    """Sendrecv does not answer sendonly."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, _ = await talking(phone, gateway)
        task = asyncio.create_task(call.hold())
        phone.reply(await request_of(phone, "INVITE"), 200, headers=TIMER, body=phone.sdp())
        await task
        phone.reply(await request_of(phone, "BYE"), 200)
        assert (await call.ended()).how == "wrong answer"
        assert "RFC 3264 6 answer" in gateway.violations.rules()


async def test_reliable_ringing_gets_prack() -> None:
    """A 183 with Require: 100rel is acknowledged by PRACK."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        _, invite = await rung(phone, gateway)
        phone.reply(invite, 180, headers="\nRequire: 100rel\nRSeq: 7")
        prack = await request_of(phone, "PRACK")
        number = invite.header("CSeq").split()[0]
        assert prack.header("RAck") == f"7 {number} INVITE"
        phone.reply(prack, 200)


@pytest.mark.assumption
async def test_first_of_several_extensions_wins() -> None:
    """The phone that answers ends the ringing of the other."""
    async with (
        HomeGateway() as gateway,
        HandPhone(gateway) as first,
        HandPhone(gateway, Family.V4, extension="4", user_id="0004", password="secret-4") as second,
    ):
        await first.register()
        await second.register()
        calls = await gateway.ring_all("3", "4")
        invites = [await first.receive(), await second.receive()]
        first.reply(invites[0], 180)
        second.reply(invites[1], 180)
        second.reply(invites[1], 200, headers=TIMER, body=second.sdp())
        cancel = await request_of(first, "CANCEL")
        first.reply(cancel, 200)
        first.reply(invites[0], 487)
        assert (await calls[0].ended()).how == "CANCEL"
        await calls[1].answered()
        assert gateway.violations == []


async def test_bye_of_the_client_must_carry_the_dialogs_uris() -> None:
    """From must be the INVITE's To, else 481 and a breach."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        call, invite = await talking(phone, gateway)
        for user, status in (("9", 481), ("3", 200)):
            phone.cseq += 1
            phone.send(f"""
BYE {invite.header("Contact").strip("<>")} SIP/2.0
Via: {phone.via()}
Max-Forwards: 70
From: <sip:{user}@{phone.host}>;tag=hand
To: {invite.header("From")}
Call-ID: {invite.header("Call-ID")}
CSeq: {phone.cseq} BYE
Content-Length: 0
""")
            assert (await phone.receive()).status == status
        assert (await call.ended()).by is Side.CLIENT
        assert gateway.violations.rules() == {"RFC 3261 12.2.1.1 URIs"}


async def test_lost_messages_are_repaired() -> None:
    """The first INVITE and the first ACK are lost; copies do it."""
    config = GatewayConfig(timers=replace(FAST, t1=0.1))
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        gateway.lose(lambda way, message: way == "out" and message.method == "INVITE")
        gateway.lose(lambda way, message: way == "out" and message.method == "ACK")
        call = await gateway.ring("3")
        invite = await phone.receive()
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        await call.answered()
        assert await phone.nothing_comes(0.05)
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        assert (await phone.receive()).start.startswith("ACK")
