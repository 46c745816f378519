"""Scenarios of calls that come in."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallIncoming,
)
from custom_components.hikari_denwa.telephony.errors import (
    CallNotRingingError,
    CallUnknownError,
    LineBusyError,
)
from tests.home_gateway.call import Side
from tests.home_gateway.config import (
    CallConfig,
    GatewayConfig,
    RefreshMethod,
    SessionTimerConfig,
    Withheld,
)
from tests.home_gateway.incoming import Shape
from tests.home_gateway.sdp import (
    G722_FIRST_OFFER,
    NO_OFFER,
    TELEPHONE_EVENT_OFFER,
    Offer,
)
from tests.home_gateway.sources import Nothing

from .stage import Stage, scenario


def _calls(**changes: object) -> GatewayConfig:
    """Return a gateway whose calls differ."""
    return GatewayConfig(calls=replace(CallConfig(), **changes))  # type: ignore[arg-type]


@scenario("facts §2.1, §8.2 C1; RFC 3261 §13.3.1.1")
async def rings_with_number(stage: Stage) -> None:
    """180 goes out, and the event tells who calls which number over which family."""
    call, incoming = await stage.called(caller="0312345678", called="0451234567")
    assert call.statuses[-1] == 180
    assert incoming.caller.kind is CallerIdKind.NUMBER
    assert incoming.caller.number == "0312345678"
    assert incoming.called == "0451234567"
    assert incoming.family.value == stage.family.value
    assert not incoming.internal


@scenario("facts §2.1, §8.2 C2", assumption=True)
async def rings_without_number(stage: Stage) -> None:
    """Each reason why there is no number is told apart."""
    kinds = {
        Withheld.ANONYMOUS: CallerIdKind.WITHHELD,
        Withheld.PAYPHONE: CallerIdKind.PAYPHONE,
        Withheld.UNAVAILABLE: CallerIdKind.UNAVAILABLE,
        Withheld.SERVICE: CallerIdKind.INTERACTION,
    }
    for withheld, kind in kinds.items():
        call, incoming = await stage.called(caller=withheld)
        assert incoming.caller.kind is kind
        assert incoming.caller.number is None
        await call.cancel()
        await stage.ended(incoming.call)


@scenario("facts §8.2 C2 (variant)", _calls(withheld_host=""), assumption=True)
async def rings_without_number_from_the_gateway_itself(stage: Stage) -> None:
    """``anonymous`` at the gateway's address is withheld as well."""
    _, incoming = await stage.called(caller=Withheld.ANONYMOUS)
    assert incoming.caller.kind is CallerIdKind.WITHHELD


@scenario("facts §8.2 C3")
async def rings_from_another_extension(stage: Stage) -> None:
    """A caller with one digit is another phone of the house."""
    _, incoming = await stage.called(caller="1", shape=Shape.INTERNAL)
    assert incoming.internal
    assert incoming.caller.number == "1"


@scenario("RFC 3261 §7.3.3; facts §8.2 C4", _calls(compact_headers=True))
async def rings_in_compact_form(stage: Stage) -> None:
    """Compact header names are the same headers."""
    call, incoming = await stage.talking(shape=Shape.COMPACT)
    assert incoming.caller.kind is CallerIdKind.NUMBER
    await stage.hung_up_there(call, incoming.call)


@scenario("facts §2.1 (called number)", _calls(called_in_uri=True), assumption=True)
async def finds_the_called_number_in_the_uri(stage: Stage) -> None:
    """The number that was dialled may stand in the URI of To."""
    _, incoming = await stage.called(called="0451234567")
    assert incoming.called == "0451234567"


@scenario("RFC 3261 §9.2, §15")
async def caller_gives_up(stage: Stage) -> None:
    """CANCEL is answered, the INVITE gets 487, and the call has ended as missed."""
    call, incoming = await stage.called()
    await call.cancel()
    assert call.statuses[-1] == 487
    await stage.ended_with(incoming.call, EndReason.CALLER_GAVE_UP)


@scenario("RFC 3326 §3.1", assumption=True)
async def answered_elsewhere(stage: Stage) -> None:
    """CANCEL with ``SIP;cause=200`` says that another phone took it."""
    call, incoming = await stage.called()
    await call.answered_elsewhere(with_reason=True)
    await stage.ended_with(incoming.call, EndReason.ANSWERED_ELSEWHERE)


@scenario("RFC 3261 §13.3.1.4, RFC 3264 §6, RFC 4028 §9; facts §8.2 C6")
async def answers_and_hears_the_caller_hang_up(stage: Stage) -> None:
    """The answer stands the strict check, and BYE from there ends the call."""
    call, incoming = await stage.talking()
    await stage.hung_up_there(call, incoming.call)
    assert stage.line.of_call(incoming.call) == [CallIncoming, CallConnected, CallEnded]


@scenario("facts §2.1 (answer check: BYE soon after the ACK)", assumption=True)
async def is_told_that_the_answer_was_refused(stage: Stage) -> None:
    """BYE right after the ACK, before any sound, is the gateway's refusal and no hang-up."""
    call, incoming = await stage.talking(media=Nothing())
    await call.hang_up()
    await stage.ended_with(incoming.call, EndReason.ANSWER_REFUSED)


@scenario("RFC 3261 §15.1.1")
async def answers_and_hangs_up(stage: Stage) -> None:
    """Our BYE ends the call at the gateway."""
    call, incoming = await stage.talking()
    await stage.client.hang_up(incoming.call)
    end = await call.ended()
    assert end.by is Side.CLIENT
    assert end.how == "BYE"
    await stage.ended_with(incoming.call, EndReason.HUNG_UP_HERE)


@scenario("RFC 3261 §13.3.1.3; facts §8.1")
async def rejects_with_a_status(stage: Stage) -> None:
    """The gateway gets the status that was asked for."""
    for status in (486, 603):
        call, incoming = await stage.called()
        await stage.client.reject(incoming.call, status)
        await call.ended()
        assert call.statuses[-1] == status
        await stage.ended_with(incoming.call, EndReason.REJECTED_HERE)


@scenario("RFC 3261 §13.3.1.3")
async def hangs_up_while_it_rings(stage: Stage) -> None:
    """Hanging up a ringing call says busy here."""
    call, incoming = await stage.called()
    await stage.client.hang_up(incoming.call)
    await call.ended()
    assert call.statuses[-1] == 486
    await stage.ended_with(incoming.call, EndReason.REJECTED_HERE)


@scenario("RFC 3261 §21.4.24")
async def is_busy_for_a_second_call(stage: Stage) -> None:
    """A second call gets 486 and is not told; the first goes on."""
    call, incoming = await stage.talking()
    second = await stage.gateway.ring("3", caller="0312345678")
    await second.ended()
    assert second.statuses[-1] == 486
    assert call.is_talking
    with pytest.raises(LineBusyError):
        await stage.client.dial("line", "0451110000")
    await call.hang_up()
    await stage.ended(incoming.call)
    assert len({event.call for event in stage.line.events}) == 1
    await stage.called()


@scenario("RFC 3264 §6; facts §8.2 C7")
async def answers_only_what_was_offered(stage: Stage) -> None:
    """The answer holds PCMU, and telephone-event only where that was offered."""
    for offer in (TELEPHONE_EVENT_OFFER, G722_FIRST_OFFER):
        call, incoming = await stage.talking(offer=offer)
        await asyncio.sleep(0.2)
        assert call.is_talking
        await stage.client.hang_up(incoming.call)
        await call.ended()


@scenario("RFC 3261 §21.4.26, §20.43; facts §3.1")
async def refuses_what_it_cannot_hear(stage: Stage) -> None:
    """An offer without PCMU gets 488 and never rings."""
    call = await stage.gateway.ring("3", offer=Offer(formats=("9",)))
    await call.ended()
    assert call.statuses[-1] == 488
    assert stage.line.events == []


@scenario("RFC 3264 §5, RFC 3261 §13.2.1", assumption=True)
async def offers_when_the_invite_does_not(stage: Stage) -> None:
    """An INVITE without a body is answered with an offer, and the ACK brings the answer."""
    call, incoming = await stage.talking(offer=NO_OFFER)
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario("RFC 3264 §8.4; facts §8.1 (hold)", assumption=True)
async def is_put_on_hold_and_taken_back(stage: Stage) -> None:
    """A re-INVITE with sendonly or inactive holds, sendrecv takes back."""
    call, incoming = await stage.talking()
    for direction in ("sendonly", "inactive"):
        assert await call.hold(direction) == 200
        assert await call.resume() == 200

    def holds() -> list[bool]:
        return [event.held for event in stage.line.events if isinstance(event, CallHeld)]

    await stage.line.until(lambda: len(holds()) == 4)
    assert holds() == [True, False, True, False]
    await call.hang_up()
    await stage.ended(incoming.call)


@scenario("RFC 4028 §9, RFC 3311 §5.2; facts §8.2 E")
async def agrees_to_a_refresh(stage: Stage) -> None:
    """UPDATE without a body and re-INVITE with the same one keep the session."""
    call, incoming = await stage.talking()
    for method in (RefreshMethod.UPDATE, RefreshMethod.REINVITE, RefreshMethod.UPDATE):
        assert await call.refresh(method) == 200
    assert call.is_talking
    assert stage.line.of_call(incoming.call) == [CallIncoming, CallConnected]
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario(
    "RFC 3261 §12.1.1, §12.2.1.1; facts §2.2",
    _calls(record_route=True),
)
async def follows_record_route(stage: Stage) -> None:
    """Requests in the dialog carry the route set."""
    call, incoming = await stage.talking()
    await stage.client.hang_up(incoming.call)
    end = await call.ended()
    assert end.by is Side.CLIENT


@scenario(
    "RFC 4028 §7.1; facts §8.1 (no timer)",
    GatewayConfig(session_timer=SessionTimerConfig(enabled=False)),
    assumption=True,
)
async def answers_without_session_timer(stage: Stage) -> None:
    """A gateway that knows no session timer is not asked for one."""
    call, incoming = await stage.talking()
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §17.2.1")
async def commands_that_come_too_late_change_nothing(stage: Stage) -> None:
    """What has been answered rings no more, and what has ended is unknown."""
    call, incoming = await stage.talking()
    with pytest.raises(CallNotRingingError):
        await stage.client.answer(incoming.call)
    with pytest.raises(CallNotRingingError):
        await stage.client.reject(incoming.call)
    await call.hang_up()
    await stage.ended(incoming.call)
    for command in (stage.client.answer, stage.client.hang_up):
        with pytest.raises(CallUnknownError):
            await command(incoming.call)
