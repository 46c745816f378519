"""A short run of calls; `scripts/bench --only soak_calls_rss_growth_mib` makes five thousand."""

import asyncio
import gc
from collections import Counter

import pytest

from custom_components.hikari_denwa.telephony.audio.dtmf import DtmfDetector
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.backend import Account, Registered
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutBuffer
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import RtpSession
from custom_components.hikari_denwa.telephony.engine.native.sip.media import CallMedia
from custom_components.hikari_denwa.telephony.engine.native.sip.session import Session
from custom_components.hikari_denwa.telephony.engine.native.sip.user_agent import UserAgent
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallEvent,
    CallIncoming,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.errors import RegistrationError
from tests.home_gateway.config import GatewayConfig
from tests.home_gateway.gateway import HomeGateway

from .calls import soak

pytestmark = pytest.mark.usefixtures("loopback")

_CALLS = 120
_WARM_UP = 40
_MOST_GROWTH = 8 * 2**20
_CALLS_IN_MEMORY = 12
_OF_A_CALL = (Session, CallMedia, RtpSession, PlayoutBuffer, DtmfDetector)


async def test_calls_leave_nothing_in_the_engine() -> None:
    """Calls of all kinds on all lines end as they should; no port, file or thread is left."""
    outcome = await soak(_CALLS, warm_up=_WARM_UP)
    assert not outcome.faults
    assert not outcome.violations
    assert outcome.calls == _CALLS + _WARM_UP
    assert outcome.after.descriptors == outcome.before.descriptors
    assert outcome.after.threads == outcome.before.threads
    assert outcome.growth < _MOST_GROWTH


class _Answering:
    """Answers what rings, and wakes who waits for the end of a call."""

    def __init__(self) -> None:
        """Begin without a back end."""
        self.backend: NativeBackend | None = None
        self.ended = asyncio.Event()
        self.connected = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()

    def registration_lost(self, line: str, error: RegistrationError) -> None:
        """Pass over."""

    def registration_refreshed(self, line: str, registered: Registered) -> None:
        """Pass over."""

    def call_event(self, event: CallEvent) -> None:
        """Answer, or wake."""
        match event:
            case CallIncoming(call=call) if self.backend:
                answer = asyncio.create_task(self.backend.answer(call))
                self._answers.add(answer)
                answer.add_done_callback(self._answers.discard)
            case CallConnected():
                self.connected.set()
            case CallEnded():
                self.ended.set()

    def sound(self, frame: SoundFrame) -> None:
        """Pass over."""

    async def over(self) -> None:
        """Wait for the end of a call."""
        async with asyncio.timeout(10):
            await self.ended.wait()
        self.ended.clear()
        self.connected.clear()


def _of_calls() -> Counter[str]:
    """Count the objects in memory that belong to one call each."""
    gc.collect()
    return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, _OF_A_CALL))


def _tasks() -> list[str]:
    """Name the product's tasks that run."""
    return sorted(str(task) for task in asyncio.all_tasks() if _is_ours(task.get_coro()))


def _is_ours(coroutine: object) -> bool:
    """Tell whether a coroutine is the product's."""
    code = getattr(coroutine, "cr_code", None)
    return code is not None and "telephony" in code.co_filename


async def test_calls_leave_nothing_in_memory() -> None:
    """No object of a call outlives it, and no task."""
    async with HomeGateway(GatewayConfig()) as gateway:
        listener = _Answering()
        backend = listener.backend = NativeBackend(listener)
        account = Account(
            gateway="::1",
            port=gateway.port_v6,
            family=Family.IPV6,
            extension="3",
            user_id="0003",
            password="secret-3",
        )
        try:
            await backend.register("line", account, time_limit=5)
            before, tasks = _of_calls(), _tasks()
            for number in range(_CALLS_IN_MEMORY):
                if number % 2:
                    call = await gateway.ring("3")
                    await call.answered()
                    await call.hang_up()
                else:
                    placed = await backend.dial("line", "0451110000")
                    async with asyncio.timeout(10):
                        await listener.connected.wait()
                    await backend.hang_up(placed.call)
                await listener.over()
                for each in backend._lines.values():
                    await each.user_agent.idle()
            for each in backend._lines.values():
                assert isinstance(each.user_agent, UserAgent)
                # They hold on to a caller's call for 32 s, for another phone may answer late.
                each.user_agent.layer.close()
            assert _of_calls() == before
            assert _tasks() == tasks
        finally:
            await backend.close()
        assert _tasks() == []
