"""What a pjsua2 must not do to a line: take one that it cannot serve, or take it down for long."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from custom_components.hikari_denwa.telephony.calls import Family as LineFamily
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.pjsua2.probe import (
    Pjsua2Problem,
    probe_pjsua2,
)
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallIncoming,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.errors import (
    CallUnknownError,
    FamilyMissingError,
    TooManyCallsError,
)
from tests.home_gateway.config import Family, GatewayConfig
from tests.home_gateway.gateway import HomeGateway

from .engine import PJSUA2, Subject, subjects
from .stage import Line, Stage

BACK_WITHIN_SECONDS = 3.0
PYPI_CALLS = 4

pytestmark = pytest.mark.usefixtures("loopback")


def _subject() -> Subject:
    """Return pjsua2 over IPv4, or skip."""
    found = next(
        item for item in subjects() if item.backend == PJSUA2 and Family.V4 in item.families
    )
    if found.missing:
        pytest.skip(found.missing)
    return found


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Give an engine by pjsua2, and a gateway."""
    async with HomeGateway(GatewayConfig()) as gateway:
        client = EngineClient(_subject().launcher())
        await client.start()
        try:
            yield Stage(gateway, client, Family.V4, Line())
        finally:
            await client.close()


async def test_probe_tells_what_the_engine_has(stage: Stage) -> None:
    """The probe's families are those with which the engine greets."""
    report = await probe_pjsua2(_subject().interpreter)
    assert report.found
    assert report.problem is None
    assert report.version
    assert report.max_calls >= PYPI_CALLS
    assert stage.client.welcome
    assert stage.client.welcome.backend == PJSUA2
    assert stage.client.welcome.families == report.families


async def test_ipv4_alone_serves_no_ipv6_line(stage: Stage) -> None:
    """A line of an IPv6 address is refused in a sentence, no message leaves, nothing aborts."""
    assert stage.client.welcome
    if LineFamily.IPV6 in stage.client.welcome.families:
        pytest.skip("this pjsua2 has IPv6")
    pid = stage.client.pid
    stage = Stage(stage.gateway, stage.client, Family.V6, stage.line)
    await stage.add()
    failed = await stage.line.registration(RegistrationState.FAILED)
    assert isinstance(failed.error(), FamilyMissingError)
    assert not stage.gateway.registers
    assert stage.client.pid == pid


async def test_abort_in_a_call_costs_the_call_alone(stage: Stage) -> None:
    """SIGABRT within a call is told as the loss of the engine; soon the line rings again."""
    await stage.register()
    _, incoming = await stage.talking()
    known, began = len(stage.line.registrations), time.monotonic()
    assert stage.client.pid
    os.kill(stage.client.pid, signal.SIGABRT)
    await stage.line.registration(RegistrationState.REGISTERED, known)
    took = time.monotonic() - began
    assert stage.line.losses == 1
    with pytest.raises(CallUnknownError):
        await stage.client.hang_up(incoming.call)
    call, again = await stage.talking()
    await stage.hung_up_there(call, again.call)
    # A machine with more to do than it can is no fault of ours.
    assert took < BACK_WITHIN_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def test_one_call_too_many_is_a_sentence(stage: Stage) -> None:
    """The call that pjsua2 has no room for is refused, and the others go on."""
    report = await probe_pjsua2(_subject().interpreter)
    if report.max_calls > PYPI_CALLS:
        pytest.skip("this pjsua2 has room for more calls than the gateway has extensions")
    lines = {extension: Line() for extension in ("3", "4", "5", "6", "7")}
    for extension, line in lines.items():
        await stage.client.add_line(extension, stage.config(extension), line)
        await line.registration(RegistrationState.REGISTERED)
    *first, last = lines
    for extension in first:
        call = await stage.gateway.ring(extension)
        await call.ringing()
        incoming = await lines[extension].event(CallIncoming)
        await stage.client.answer(incoming.call)
        await lines[extension].event(CallConnected)
    with pytest.raises(TooManyCallsError):
        await stage.client.dial(last, "0451110000")
    refused = await stage.gateway.ring(last)
    await refused.ended()
    assert refused.statuses[-1] == 486
    await asyncio.sleep(0.1)
    assert lines[last].events == []
    assert stage.line.losses == 0


async def test_a_python_without_pjsua2_is_told() -> None:
    """Neither a missing module nor a missing interpreter raises anything."""
    missing = await probe_pjsua2("/nowhere/python3")
    assert missing.problem is Pjsua2Problem.INTERPRETER
    assert not missing.found
