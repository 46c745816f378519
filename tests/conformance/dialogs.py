"""Scenarios of dialogs: forks, races, routes, targets, reliability, hold, second calls."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallHeld,
    CallIncoming,
    CallProgress,
)
from custom_components.hikari_denwa.telephony.errors import HoldRefusedError
from tests.home_gateway.call import Call, Side
from tests.home_gateway.callees import stalls
from tests.home_gateway.config import (
    CallConfig,
    Family,
    GatewayConfig,
    Refresher,
    RefreshMethod,
    SessionTimerConfig,
)
from tests.home_gateway.message import Message, response_to
from tests.home_gateway.outgoing import OutgoingCall
from tests.home_gateway.sources import Silence

from .hand import ask_in_dialog, came
from .stage import ADDRESSES, Stage, eventually, scenario

STALLS = "0312340000"
ANSWERED = "0451110000"


def _calls(**changes: object) -> GatewayConfig:
    """Return a gateway whose calls differ."""
    return GatewayConfig(calls=replace(CallConfig(), **changes))  # type: ignore[arg-type]


async def _dials(stage: Stage) -> tuple[OutgoingCall, str]:
    """Dial a number that does nothing by itself; return the call and its name."""
    stage.gateway.callees[STALLS] = stalls()
    call, dialled = await stage.dial(STALLS)
    return call, dialled.call


def _respond_as(
    call: OutgoingCall, tag: str, status: int, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Send a response of another branch of a forked INVITE."""
    layer = call._exchange.layer
    response = response_to(
        call.transaction.request,
        status,
        tag=tag,
        headers=(*call._headers(), *headers),
        body=call._media_answer() if status >= 200 else b"",
        via=layer.via_of_response(call.transaction.received),
    )
    layer.send(response, call.transaction.reply_to)


def _requests(stage: Stage, method: str, to_tag: str | None = None) -> list[Message]:
    """Return the requests of a method that came, to a tag if given."""
    return [
        each
        for each in came(stage)
        if each.is_request and each.method == method and to_tag in {None, each.to.tag}
    ]


def _audio_direction(call: Call) -> str:
    """Return the direction of the client's last description."""
    assert call.remote_sdp
    assert call.remote_sdp.audio
    return call.remote_sdp.audio.direction


@scenario("RFC 3261 §12.1.2, §13.2.2.1")
async def hears_every_branch_ring(stage: Stage) -> None:
    """Several early dialogs are one call; the one that answers is connected."""
    call, name = await _dials(stage)
    for tag in ("one", "two", "three"):
        _respond_as(call, tag, 180)
    await stage.line.event(CallProgress, call=name)
    await call.accept(Silence())
    await stage.line.event(CallConnected, call=name)
    await call.answered()
    assert stage.line.of_call(name) == [CallProgress, CallConnected]
    await stage.client.hang_up(name)
    await call.ended()


@scenario("RFC 3261 §13.2.2.4")
async def hangs_up_a_late_second_answer(stage: Stage) -> None:
    """A 2xx of another branch is acknowledged and ended by BYE; the first call goes on."""
    call, name = await _dials(stage)
    await call.accept(Silence())
    await call.answered()
    _respond_as(call, "late", 200)
    await stage.gateway.until(lambda: bool(_requests(stage, "BYE", "late")), 3)
    assert _requests(stage, "ACK", "late")
    assert call.is_talking
    await stage.hung_up_there(call, name)


@scenario("RFC 3261 §13.2.2.4")
async def acknowledges_every_copy_of_an_answer(stage: Stage) -> None:
    """The ACK is lost, the 200 comes again, and gets the same ACK."""
    stage.gateway.lose(lambda way, message: way == "in" and message.start.startswith("ACK"))
    call, dialled = await stage.dial(ANSWERED)
    await call.answered()
    await stage.line.event(CallConnected, call=dialled.call)
    assert stage.line.of_call(dialled.call).count(CallConnected) == 1
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("RFC 3261 §9.1, §15 (CANCEL crosses the 200)")
async def hangs_up_an_answer_that_crosses_its_cancel(stage: Stage) -> None:
    """The call was answered before the CANCEL came: ACK and BYE, and it is cancelled here."""
    call, name = await _dials(stage)
    stage.gateway.lose(lambda way, message: way == "in" and message.start.startswith("CANCEL"))
    await stage.client.hang_up(name)
    await call.accept(Silence())
    end = await call.ended()
    assert end.by is Side.CLIENT
    assert end.how == "BYE"
    await stage.ended_with(name, EndReason.CANCELLED_HERE)


@scenario("RFC 3261 §9.2, §13.3.1.4 (CANCEL crosses our 200)", patience=20)
async def cancel_that_crosses_its_answer_comes_too_late(stage: Stage) -> None:
    """CANCEL after the 200 is answered and changes nothing; the BYE that follows ends the call."""
    call, incoming = await stage.called()
    stage.gateway.lose(
        lambda way, message: way == "in" and message.status == 200 and message.method == "INVITE"
    )
    await stage.client.answer(incoming.call)
    await call.cancel()
    assert call.statuses[-1] == 200
    await stage.ended(incoming.call)


@scenario("RFC 3261 §13.3.1.4")
async def repeats_its_answer_until_the_ack(stage: Stage) -> None:
    """The 200 comes again while the ACK is lost, and the call is connected once."""
    stage.gateway.lose(lambda way, message: way == "out" and message.start.startswith("ACK"))
    call, incoming = await stage.talking()
    answers = [
        each
        for each in came(stage)
        if each.status == 200 and each.method == "INVITE" and each.call_id == call.dialog.call_id
    ]
    assert len(answers) >= 2
    assert len({each.body for each in answers}) == 1
    assert stage.line.of_call(incoming.call) == [CallIncoming, CallConnected]
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §15")
async def says_no_bye_before_the_ack(stage: Stage) -> None:
    """A callee that hangs up at once waits for the ACK of its answer."""
    call, incoming = await stage.called()
    stage.gateway.lose(lambda way, message: way == "out" and message.start.startswith("ACK"))
    await stage.client.answer(incoming.call)
    await stage.client.hang_up(incoming.call)
    end = await call.ended()
    assert end.by is Side.CLIENT
    trace = [each for each in stage.gateway.trace if each.direction in {"in", "out"}]
    first_ack = next(i for i, each in enumerate(trace) if each.text.startswith("ACK"))
    first_bye = next(i for i, each in enumerate(trace) if each.text.startswith("BYE"))
    assert first_ack < first_bye


@scenario("RFC 3261 §15.1.2")
async def takes_a_bye_before_the_answer(stage: Stage) -> None:
    """A caller may end its early dialog by BYE: 200 to it and 487 to the INVITE."""
    call, incoming = await stage.called()
    assert (await ask_in_dialog(call, "BYE")).status == 200
    await call.ended()
    assert call.statuses[-1] == 487
    await stage.ended_with(incoming.call, EndReason.CALLER_GAVE_UP)


@scenario("RFC 3261 §8.1.3.4, §21.3; house rule (3xx refused)")
async def follows_no_redirection(stage: Stage) -> None:
    """302 ends the call as moved, and no other number is called."""
    call, name = await _dials(stage)
    literal = stage.gateway.exchange.literal(stage.family)
    call.refuse(302, (("Contact", f"<sip:{ANSWERED}@{literal}>"),))
    event = await stage.ended_with(name, EndReason.MOVED)
    assert event.ending.status == 302
    await asyncio.sleep(0.3)
    assert len(stage.gateway.placed) == 1


@scenario("RFC 3262 §4, §7", _calls(reliable_progress=True), assumption=True)
async def confirms_reliable_progress(stage: Stage) -> None:
    """A gateway that may tell progress reliably has its PRACK, and the call connects."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("RFC 3262 §3", _calls(requires_100rel=True), assumption=True)
async def rings_reliably_where_that_is_required(stage: Stage) -> None:
    """The 180 has Require: 100rel and an RSeq, its PRACK gets 200, and the call connects."""
    call, incoming = await stage.called()
    ringing = next(each for each in came(stage) if each.status == 180)
    assert "100rel" in ringing.tokens("Require")
    assert ringing.require("RSeq").isdecimal()
    await stage.client.answer(incoming.call)
    await call.answered()
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3262 §3", _calls(requires_100rel=True), assumption=True)
async def repeats_its_ringing_until_the_prack(stage: Stage) -> None:
    """The 180 comes again with the same RSeq while the PRACK is lost; a wrong PRACK gets 481."""
    nothing = "77 77 INVITE"
    stage.gateway.lose(
        lambda way, message: (
            way == "out" and message.start.startswith("PRACK") and message.get("RAck") != nothing
        ),
        count=3,
    )
    call, incoming = await stage.called()
    wrong = await ask_in_dialog(call, "PRACK", (("RAck", nothing),))
    assert wrong.status == 481
    await stage.gateway.until(
        lambda: len([each for each in came(stage) if each.status == 180]) > 1, 3
    )
    assert len({each.get("RSeq") for each in came(stage) if each.status == 180}) == 1
    await call.cancel()
    await stage.ended_with(incoming.call, EndReason.CALLER_GAVE_UP)


@scenario("RFC 3261 §12.2.1.1, §16.12.1.2", _calls(strict_route=True), assumption=True)
async def follows_a_strict_route(stage: Stage) -> None:
    """A first route without lr becomes the Request-URI, the target the last Route."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    assert (await call.ended()).by is Side.CLIENT


@scenario("RFC 3261 §12.2.2, §12.2.1.2 (target refresh)")
async def follows_a_new_target(stage: Stage) -> None:
    """After an UPDATE or re-INVITE with another Contact, requests go there."""
    for method in (RefreshMethod.UPDATE, RefreshMethod.REINVITE):
        call, incoming = await stage.talking()
        assert await call.move_target(method=method) == 200
        await stage.client.hang_up(incoming.call)
        assert (await call.ended()).by is Side.CLIENT
    call_out, dialled = await stage.connected(ANSWERED)
    assert await call_out.move_target() == 200
    await stage.client.hang_up(dialled.call)
    assert (await call_out.ended()).by is Side.CLIENT


@scenario("RFC 3261 §14.2, RFC 3264 §5 (offer in the 2xx)")
async def offers_again_when_it_is_asked(stage: Stage) -> None:
    """A re-INVITE without a body gets an offer of what stands, and the ACK has the answer."""
    call, incoming = await stage.talking()
    assert await call.ask_for_offer() == 200
    assert call.is_talking
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3264 §8.4; house rule (hold from our side)")
async def holds_and_takes_back(stage: Stage) -> None:
    """Our hold is a re-INVITE with sendonly or inactive, and sendrecv takes back."""
    call, incoming = await stage.talking()
    await stage.client.hold(incoming.call, held=True)
    assert _audio_direction(call) in {"sendonly", "inactive"}
    await stage.client.hold(incoming.call, held=False)
    assert _audio_direction(call) == "sendrecv"
    await stage.hung_up_there(call, incoming.call)
    call_out, dialled = await stage.connected(ANSWERED)
    await stage.client.hold(dialled.call, held=True)
    assert _audio_direction(call_out) in {"sendonly", "inactive"}
    await stage.client.hang_up(dialled.call)
    await call_out.ended()


@scenario("RFC 3264 §8.4 (both hold)")
async def both_sides_hold(stage: Stage) -> None:
    """A call that we hold can be held there as well, and each side takes back its own."""
    call, incoming = await stage.talking()
    await stage.client.hold(incoming.call, held=True)
    assert await call.hold() == 200
    held = await stage.line.event(CallHeld, call=incoming.call)
    assert held.held
    assert await call.resume() == 200
    assert _audio_direction(call) in {"sendonly", "inactive"}
    await stage.client.hold(incoming.call, held=False)
    assert _audio_direction(call) == "sendrecv"
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §14.1; facts (メディア変更)", _calls(media_change=False), assumption=True)
async def keeps_the_call_when_hold_is_refused(stage: Stage) -> None:
    """488 to our re-INVITE is told, and the call goes on as it was."""
    call, incoming = await stage.talking()
    with pytest.raises(HoldRefusedError):
        await stage.client.hold(incoming.call, held=True)
    assert call.is_talking
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §14.1 (glare)", patience=20)
async def tries_again_after_glare(stage: Stage) -> None:
    """491 to our re-INVITE is followed by a pause and another try, as long as both need."""
    call, incoming = await stage.talking()
    stage.gateway.lose(lambda way, message: way == "out" and message.start.startswith("INVITE"))
    theirs = asyncio.ensure_future(call.refresh(RefreshMethod.REINVITE))
    await asyncio.sleep(0)
    await stage.client.hold(incoming.call, held=True)
    assert await theirs == 200
    assert _audio_direction(call) in {"sendonly", "inactive"}
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §14.2 (glare)", patience=20)
async def refuses_a_reinvite_in_the_way_of_its_own(stage: Stage) -> None:
    """A re-INVITE that meets ours gets 491, and is taken when it comes again."""
    call, incoming = await stage.talking()
    stage.gateway.lose(lambda way, message: way == "in" and message.start.startswith("INVITE"))
    ours = asyncio.ensure_future(stage.client.hold(incoming.call, held=True))
    await asyncio.sleep(0.1)
    assert await call.refresh(RefreshMethod.REINVITE) == 200
    await ours
    statuses = {each.status for each in came(stage) if each.method == "INVITE"}
    assert 491 in statuses
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §13.3.1; facts §8.1 (call waiting)", registers=False)
async def a_second_call_waits(stage: Stage) -> None:
    """With the option a second call rings and a third is busy; the first is held meanwhile."""
    await stage.register(replace(stage.config(), call_waiting=True))
    first, known = await stage.talking()
    second, waiting = await stage.called(caller="0312345678")
    assert waiting.call != known.call
    third = await stage.gateway.ring("3")
    await third.ended()
    assert third.statuses[-1] == 486
    await stage.client.hold(known.call, held=True)
    await stage.client.answer(waiting.call)
    await second.answered()
    assert first.is_talking
    await stage.hung_up_there(second, waiting.call)
    await stage.client.hold(known.call, held=False)
    assert _audio_direction(first) == "sendrecv"
    await stage.hung_up_there(first, known.call)


@scenario("RFC 3326 §2, RFC 3261 §9.2")
async def another_phone_of_the_house_answers(stage: Stage) -> None:
    """Two extensions ring, one answers, and the other's call ends without having been missed."""
    other = type(stage.line)()
    await stage.client.add_line("other", stage.config("4"), other)
    await stage.gateway.registered("4")
    first, second = await stage.gateway.ring_all("3", "4")
    incoming = await stage.line.event(CallIncoming)
    twin = await other.event(CallIncoming)
    await stage.client.answer(incoming.call)
    await first.answered()
    await second.ended()
    assert second.statuses[-1] == 487
    await other.until(lambda: len(other.of_call(twin.call)) == 2)
    await stage.hung_up_there(first, incoming.call)


@scenario("RFC 3311 §5.2, RFC 3264 §8", assumption=True)
async def takes_an_offer_by_update(stage: Stage) -> None:
    """UPDATE with a description is answered with one, and holds as a re-INVITE does."""
    call, incoming = await stage.talking()
    call._direction = "sendonly"
    offer = call._describe()
    answer = await ask_in_dialog(
        call, "UPDATE", (("Contact", call._contact()), *call._timer_headers()), offer
    )
    assert answer.status == 200
    assert b"a=recvonly" in answer.body or b"a=inactive" in answer.body
    held = await stage.line.event(CallHeld, call=incoming.call)
    assert held.held
    await stage.hung_up_there(call, incoming.call)


@scenario(
    "RFC 4028 §9 (refresher=uas)",
    GatewayConfig(session_timer=SessionTimerConfig(refresher=Refresher.CLIENT)),
    assumption=True,
)
async def takes_over_the_refreshes(stage: Stage) -> None:
    """A gateway that leaves the refreshes to its callee is told so in the 200."""
    call, incoming = await stage.talking()
    answer = next(each for each in came(stage) if each.status == 200 and each.method == "INVITE")
    assert answer.require("Session-Expires").replace(" ", "") == "300;refresher=uas"
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3264 §8 (o= of a refused offer)", assumption=True)
async def an_offer_that_will_not_do_changes_nothing(stage: Stage) -> None:
    """A re-INVITE without a usable codec gets 488, and the sound goes on as before."""
    call, incoming = await stage.talking()
    assert call.media
    body = call.local_sdp.replace(b"RTP/AVP 0", b"RTP/AVP 9").replace(
        b"a=rtpmap:0 PCMU/8000\r\n", b""
    )
    headers = (("Contact", call._contact()), *call._timer_headers())
    assert (await ask_in_dialog(call, "INVITE", headers, body)).status == 488
    before = len(call.received.packets)
    await eventually(lambda: len(call.received.packets) > before + 10)
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §18.2.2; facts §2.2 (both families at once)")
async def keeps_a_call_to_its_family(stage: Stage) -> None:
    """Signalling and sound of a call stay at the addresses of the registration."""
    call, dialled = await stage.connected(ANSWERED)
    await eventually(lambda: bool(call.received.packets))
    assert dialled.family.value == stage.family.value
    assert {packet.peer.host for packet in call.received.packets} == {ADDRESSES[stage.family]}
    assert call.family is (Family.V6 if stage.is_v6 else Family.V4)
    await stage.client.hang_up(dialled.call)
    await call.ended()
