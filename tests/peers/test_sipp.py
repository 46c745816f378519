"""The engine against flows that SIPp plays: repetitions, unexpected numbers, strangers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import pytest_socket

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallIncoming,
    CallProgress,
    DtmfReceived,
)

from .desk import Desk
from .kamailio import ENGINE
from .processes import needs
from .sipp import Sipp

pytestmark = [needs("sipp"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[EngineClient]:
    """Start an engine, whose every datagram the scenarios know."""
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts([], allow_unix_socket=True)
    client = EngineClient(ChildLauncher())
    await client.start()
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def sipp(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> AsyncIterator[Sipp]:
    """Run the scenario that the test names, for so many calls, the REGISTER among them."""
    scenario, calls = request.param
    async with Sipp(tmp_path / "sipp", address, scenario, calls=calls) as running:
        yield running


def plays(scenario: str, calls: int = 1) -> pytest.MarkDecorator:
    """Have SIPp play a scenario."""
    return pytest.mark.parametrize("sipp", [(scenario, calls)], indirect=True, ids=[scenario])


# Flows that wait for seconds on timers, which know nothing of families.
over_ipv6_alone = pytest.mark.parametrize("address", ["::1"], indirect=True, ids=["ipv6"])


@plays("incoming_retransmissions")
async def test_repeated_requests_ring_once(sipp: Sipp, desk: Desk) -> None:
    """Three INVITEs are one call; its 200 is repeated until the ACK; BYE twice ends it once."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.event(CallIncoming)
    assert incoming.caller.number == "09012345678"
    # The scenario wants its third INVITE answered 180 before the 200 comes.
    await sipp.saw("SIP/2.0 180", 3)
    await desk.client.answer(incoming.call)
    await sipp.passed()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallIncoming)) == 1
    assert len(desk.told(CallConnected)) == 1
    assert len(desk.told(CallEnded)) == 1


@plays("incoming_unexpected_cseq")
async def test_unexpected_cseq(sipp: Sipp, desk: Desk) -> None:
    """A lower CSeq is refused without effect, a jump ahead is taken."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    await sipp.passed()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallConnected)) == 1


@plays("incoming_strangers")
async def test_strangers_leave_the_call_alone(sipp: Sipp, desk: Desk) -> None:
    """Requests with a tag of nobody get 481; OPTIONS outside the dialog gets 486."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    await sipp.passed()
    await desk.event(CallEnded)
    assert len(desk.told(CallEnded)) == 1


@plays("incoming_cancelled")
async def test_a_cancelled_call(sipp: Sipp, desk: Desk) -> None:
    """CANCEL, and CANCEL again, are answered 200, the INVITE 487 once its ACK came."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.event(CallIncoming)
    await sipp.passed()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.CALLER_GAVE_UP


@plays("incoming_late_offer")
async def test_an_invite_without_an_offer(sipp: Sipp, desk: Desk) -> None:
    """We offer in the 200 and take the answer from the ACK."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    await sipp.passed()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_THERE


@plays("outgoing_retransmissions", 2)
async def test_a_slow_gateway(sipp: Sipp, desk: Desk) -> None:
    """The INVITE is repeated until something comes, each 200 gets an ACK, it connects once."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.dial("0312345678")
    await desk.event(CallConnected)
    await sipp.passed()
    assert (await desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallConnected)) == 1


@plays("outgoing_busy", 2)
async def test_a_repeated_refusal(sipp: Sipp, desk: Desk) -> None:
    """486 twice is acknowledged twice and ends the call once."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.dial("0312345678")
    ending = (await desk.event(CallEnded)).ending
    assert (ending.reason, ending.status) == (EndReason.BUSY, 486)
    await sipp.passed()
    assert len(desk.told(CallEnded)) == 1


async def dialled(desk: Desk, sipp: Sipp) -> str:
    """Register and place a call."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    return (await desk.dial("0312345678")).call


async def ended(desk: Desk, sipp: Sipp) -> EndReason:
    """Wait for the end of the scenario and of its only call; return why that ended."""
    await sipp.passed()
    ending = (await desk.event(CallEnded)).ending
    assert len(desk.told(CallEnded)) == 1
    return ending.reason


@plays("outgoing_forked", 2)
async def test_two_branches_answer(sipp: Sipp, desk: Desk) -> None:
    """The first 2xx is the call; that of the other branch is acknowledged and hung up."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallConnected)) == 1


@plays("outgoing_late_answer", 2)
async def test_an_answer_long_after_the_cancel(sipp: Sipp, desk: Desk) -> None:
    """The user is told once that the call is cancelled; who answered late is hung up."""
    call = await dialled(desk, sipp)
    await desk.event(CallProgress)
    await desk.client.hang_up(call)
    assert await ended(desk, sipp) is EndReason.CANCELLED_HERE
    assert not desk.told(CallConnected)


@plays("outgoing_cancel_race", 2)
async def test_an_answer_that_crosses_the_cancel(sipp: Sipp, desk: Desk) -> None:
    """481 to the CANCEL says nothing about the call, which is answered and hung up."""
    call = await dialled(desk, sipp)
    await desk.event(CallProgress)
    await desk.client.hang_up(call)
    assert await ended(desk, sipp) is EndReason.CANCELLED_HERE
    assert not desk.told(CallConnected)


@plays("outgoing_cancel_unheard", 2)
async def test_a_cancel_waits_for_a_provisional(sipp: Sipp, desk: Desk) -> None:
    """Hanging up at once sends no CANCEL before the gateway has said anything."""
    await desk.client.hang_up(await dialled(desk, sipp))
    assert await ended(desk, sipp) is EndReason.CANCELLED_HERE


@plays("outgoing_reliable_provisionals", 2)
async def test_acknowledges_reliable_provisionals(sipp: Sipp, desk: Desk) -> None:
    """One PRACK for each in turn, with its RSeq; the early media are told."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    told = [(event.status, event.early_media) for event in desk.told(CallProgress)]
    assert told == [(180, False), (183, True)]


@plays("outgoing_storm", 2)
async def test_everything_comes_six_times_to_the_caller(sipp: Sipp, desk: Desk) -> None:
    """Six 2xx are one call and six ACKs, six BYEs one end and six answers."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallProgress)) == 1
    assert len(desk.told(CallConnected)) == 1


@plays("outgoing_refusal_storm", 2)
async def test_a_refusal_comes_six_times(sipp: Sipp, desk: Desk) -> None:
    """Six times 603 is one end."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.DECLINED


@plays("outgoing_moved", 2)
async def test_is_not_sent_elsewhere(sipp: Sipp, desk: Desk) -> None:
    """302 ends the call with its own reason; no other number is dialled."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.MOVED
    assert desk.told(CallEnded)[0].ending.status == 302


@over_ipv6_alone
@plays("outgoing_glare", 2)
async def test_two_offers_cross(sipp: Sipp, desk: Desk) -> None:
    """Hold is asked for again after the 491, and stands then."""
    call = await dialled(desk, sipp)
    await desk.event(CallConnected)
    await desk.client.hold(call, held=True)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE


@plays("outgoing_strict_route", 2)
async def test_a_proxy_that_routes_strictly(sipp: Sipp, desk: Desk) -> None:
    """ACK and BYE go to its URI, and carry the peer's at the end of the Route."""
    call = await dialled(desk, sipp)
    await desk.event(CallConnected)
    await desk.client.hang_up(call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_HERE


@plays("outgoing_two_proxies", 2)
async def test_two_proxies_of_a_call_we_place(sipp: Sipp, desk: Desk) -> None:
    """ACK and BYE go by way of both, the nearer first."""
    call = await dialled(desk, sipp)
    await desk.event(CallConnected)
    await desk.client.hang_up(call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_HERE


@over_ipv6_alone
@plays("outgoing_session_timer", 2)
async def test_refreshes_and_is_not_refreshed(sipp: Sipp, desk: Desk) -> None:
    """An UPDATE in time; then the gateway forgets its own, and the session expires."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.SESSION_EXPIRED


@over_ipv6_alone
@plays("outgoing_refresh_by_invite", 2)
async def test_refreshes_by_invite(sipp: Sipp, desk: Desk) -> None:
    """Where UPDATE is not allowed a re-INVITE refreshes, and changes nothing."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert not desk.told(CallHeld)


@plays("outgoing_interval_too_small", 2)
async def test_takes_a_longer_interval(sipp: Sipp, desk: Desk) -> None:
    """422 is no end: the INVITE comes again with the interval that it tells."""
    await dialled(desk, sipp)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE


@over_ipv6_alone
@plays("incoming_reliable_ringing")
async def test_rings_reliably(sipp: Sipp, desk: Desk) -> None:
    """180 comes again until the right PRACK, and no more after it."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.event(CallIncoming)
    # The scenario takes its time for PRACKs, and 1.5 s to see that nothing comes after them.
    await asyncio.sleep(2.5)
    await desk.client.answer(incoming.call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE


@plays("incoming_storm")
async def test_everything_comes_six_times_to_the_callee(sipp: Sipp, desk: Desk) -> None:
    """Eleven INVITEs ring once, six ACKs connect once, six BYEs end once."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.event(CallIncoming)
    # The scenario wants six of its INVITEs answered 180 before the 200 comes.
    await sipp.saw("SIP/2.0 180", 6)
    await desk.client.answer(incoming.call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallIncoming)) == 1
    assert len(desk.told(CallConnected)) == 1


@plays("incoming_cancel_race")
async def test_a_cancel_that_crosses_our_answer(sipp: Sipp, desk: Desk) -> None:
    """It is answered, and the call goes on."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE


@plays("incoming_elsewhere")
async def test_another_phone_answers(sipp: Sipp, desk: Desk) -> None:
    """What another phone answered is no missed call."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    assert await ended(desk, sipp) is EndReason.ANSWERED_ELSEWHERE


@plays("incoming_merged")
async def test_a_merged_request(sipp: Sipp, desk: Desk) -> None:
    """An INVITE that comes by two ways rings once, and the call is what the first made of it."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.event(CallIncoming)
    await sipp.saw("SIP/2.0 482", 1)
    await desk.client.answer(incoming.call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert len(desk.told(CallIncoming)) == 1


@plays("incoming_hold")
async def test_hold_in_all_its_ways(sipp: Sipp, desk: Desk) -> None:
    """Held by re-INVITE, back by one without an offer, held by UPDATE."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert [event.held for event in desk.told(CallHeld)] == [True, False, True]


@plays("incoming_refer_and_info")
async def test_other_methods_in_a_call(sipp: Sipp, desk: Desk) -> None:
    """None but INFO has an effect: its key is told."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE
    assert [event.digit for event in desk.told(DtmfReceived)] == ["5"]


@over_ipv6_alone
@plays("incoming_session_timer")
async def test_is_refreshed_and_then_not(sipp: Sipp, desk: Desk) -> None:
    """An UPDATE prolongs the session; without another it expires."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    assert await ended(desk, sipp) is EndReason.SESSION_EXPIRED


@over_ipv6_alone
@plays("incoming_our_refresh")
async def test_refreshes_a_call_that_came_in(sipp: Sipp, desk: Desk) -> None:
    """The callee is the refresher if the gateway wants it so."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    await desk.answer()
    assert await ended(desk, sipp) is EndReason.HUNG_UP_THERE


@plays("incoming_record_routes")
async def test_two_proxies_of_a_call_that_came_in(sipp: Sipp, desk: Desk) -> None:
    """BYE goes by way of both, in the order in which they stood."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.answer()
    await desk.client.hang_up(incoming.call)
    assert await ended(desk, sipp) is EndReason.HUNG_UP_HERE
