"""Scenarios of loss and return: the engine dies, the gateway reboots, datagrams get lost."""

import asyncio
import os
import signal

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import RegistrationState
from tests.home_gateway.config import FaultConfig, GatewayConfig, RegistrarConfig

from .stage import Stage, scenario


@scenario("house rule (the engine comes back)", patience=20, alone=True)
async def engine_killed_in_a_call_comes_back(stage: Stage) -> None:
    """The loss is told once, the line registers again by itself, and calls work."""
    await stage.talking()
    former, known = stage.client.pid, len(stage.line.registrations)
    assert former
    os.kill(former, signal.SIGKILL)
    await stage.line.registration(RegistrationState.REGISTERED, known)
    assert stage.line.losses == 1
    assert stage.client.pid != former
    call, incoming = await stage.talking()
    await stage.hung_up_there(call, incoming.call)


@scenario(
    "facts §8.1 (reboot); RFC 3261 §10.2.4",
    GatewayConfig(registrar=RegistrarConfig(max_expires=6)),
    patience=40,
)
async def gateway_that_reboots_is_registered_at_again(stage: Stage) -> None:
    """A gateway that forgot everything and was silent has the line again soon afterwards."""
    known = len(stage.line.registrations)
    stage.gateway.reboot(silent_for=9)
    event = await stage.line.registration(RegistrationState.FAILED, known)
    assert event.reason == "gateway_silent"
    await stage.line.registration(RegistrationState.REGISTERED, known)
    await stage.called()


@scenario(
    "RFC 3261 §17 (Timers A, E, G); RFC 3261 §17.2",
    GatewayConfig(faults=FaultConfig(signalling_duplication=0.4)),
)
async def copies_of_messages_change_nothing(stage: Stage) -> None:
    """Retransmissions of requests and responses are absorbed."""
    call, incoming = await stage.talking()
    await stage.hung_up_there(call, incoming.call)
    call_out, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    await call_out.ended()
    await stage.ended_with(dialled.call, EndReason.HUNG_UP_HERE)


@scenario("RFC 3261 §17.1.1.2 Timer A, §13.3.1.4", patience=30)
async def lost_messages_are_sent_again(stage: Stage) -> None:
    """The first 200 and the first INVITE are lost, and both calls stand nevertheless."""
    stage.gateway.lose(lambda way, message: way == "in" and message.status == 200)
    call, incoming = await stage.talking()
    await stage.hung_up_there(call, incoming.call)
    stage.gateway.lose(lambda way, message: way == "in" and message.method == "INVITE")
    call_out, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    await call_out.ended()


@scenario("house rule (bounded end)", alone=True)
async def ends_in_time_without_a_gateway(stage: Stage) -> None:
    """A gateway that has gone does not hold up the end, in a call or not."""
    await stage.talking()
    stage.gateway.go_silent(60)
    async with asyncio.timeout(10):
        await stage.client.close()
