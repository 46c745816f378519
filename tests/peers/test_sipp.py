"""The engine against flows that SIPp plays: repetitions, unexpected numbers, strangers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallIncoming,
)

from .desk import Desk
from .kamailio import ENGINE
from .processes import needs
from .sipp import Sipp

pytestmark = needs("sipp")


@pytest.fixture
async def sipp(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> AsyncIterator[Sipp]:
    """Run the scenario that the test names, for so many calls, the REGISTER among them."""
    scenario, calls = request.param
    async with Sipp(tmp_path / "sipp", address, scenario, calls=calls) as running:
        yield running


def plays(scenario: str, calls: int = 1) -> pytest.MarkDecorator:
    """Have SIPp play a scenario."""
    return pytest.mark.parametrize("sipp", [(scenario, calls)], indirect=True, ids=[scenario])


@plays("incoming_retransmissions")
async def test_repeated_requests_ring_once(sipp: Sipp, desk: Desk) -> None:
    """Three INVITEs are one call; its 200 is repeated until the ACK; BYE twice ends it once."""
    await desk.register(sipp.address, sipp.port, ENGINE)
    incoming = await desk.event(CallIncoming)
    assert incoming.caller.number == "09012345678"
    # The scenario wants its third INVITE answered 180 before the 200 comes.
    await asyncio.sleep(0.5)
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
