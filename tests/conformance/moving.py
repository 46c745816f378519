"""Scenarios of a line that moves from one family to the other while it stands."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony import calls
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    RegistrationChanged,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.errors import (
    ExtensionUnavailableError,
    FamilyMissingError,
    GatewayUnreachableError,
    LineUnknownError,
)
from tests.home_gateway.config import Family, GatewayConfig, RegistrarConfig, SecondDevice
from tests.home_gateway.sources import Tone

from .engine_with_names import TWO_FAMILIES
from .sound import HERTZ_THERE, hears_the_tone
from .stage import Stage, scenario

OTHER = {Family.V6: Family.V4, Family.V4: Family.V6}
BOTH_RING = GatewayConfig(registrar=RegistrarConfig(second_device=SecondDevice.BOTH))
NEWEST_RINGS = GatewayConfig(registrar=RegistrarConfig(second_device=SecondDevice.NEWEST_WINS))
SECOND_REFUSED = GatewayConfig(registrar=RegistrarConfig(second_device=SecondDevice.REFUSED))


async def _move(stage: Stage, family: Family) -> None:
    """Move the line."""
    await stage.client.move_line("line", calls.Family(family.value))


async def _stand(stage: Stage) -> None:
    """Register by a name that has both families, over the leg's."""
    await stage.register(replace(stage.config(), gateway=TWO_FAMILIES))
    await _move(stage, stage.family)
    await _is_bound(stage, stage.family)


async def _is_bound(stage: Stage, family: Family) -> None:
    """Wait until the gateway has one binding, over a family."""
    await stage.gateway.until(lambda: stage.bound == [family], 10)


async def _rings(stage: Stage, family: Family) -> None:
    """See that a call rings, over a family."""
    call, incoming = await stage.called()
    assert call.family is family
    await call.cancel()
    await stage.ended_with(incoming.call, EndReason.CALLER_GAVE_UP)


async def _moves_without_a_window(stage: Stage) -> None:
    """Move there and back; see at each message that a call could ring, and that no loss is told."""
    await _stand(stage)
    known = len(stage.line.registrations)
    windows: list[int] = []
    stage.gateway.events.append(lambda _: windows.append(not stage.bound))
    for family in (OTHER[stage.family], stage.family):
        await _move(stage, family)
        await _rings(stage, family)
        await _is_bound(stage, family)
    assert windows
    assert not any(windows)
    told = stage.line.registrations[known:]
    assert [event.state for event in told] == [RegistrationState.REGISTERED] * 2
    assert [_family(event) for event in told] == [OTHER[stage.family], stage.family]


def _family(event: RegistrationChanged) -> Family | None:
    """Return the family that is told, in the gateway's terms."""
    return Family(event.family.value) if event.family else None


@scenario(
    "RFC 3261 §10.2; house rule (moving)",
    NEWEST_RINGS,
    registers=False,
    assumption=True,
    moves=True,
)
async def moves_where_the_newest_rings(stage: Stage) -> None:
    """A gateway with one binding for an extension has one at each moment, and it rings."""
    await _moves_without_a_window(stage)


@scenario(
    "RFC 3261 §10.2.2; house rule (moving)", BOTH_RING, registers=False, assumption=True, moves=True
)
async def moves_where_both_ring(stage: Stage) -> None:
    """A gateway that keeps several bindings has one at each moment, and in the end one alone."""
    await _moves_without_a_window(stage)


@scenario(
    "RFC 3261 §10.2; house rule (moving)", BOTH_RING, registers=False, assumption=True, moves=True
)
async def moves_in_a_call(stage: Stage) -> None:
    """The call goes on where it began, with its sound; the next one comes over the new family."""
    await _stand(stage)
    call, incoming = await stage.talking(media=Tone(HERTZ_THERE))
    await _move(stage, OTHER[stage.family])
    await stage.client.stream_sound(incoming.call, enabled=True)
    await hears_the_tone(stage, 25)
    assert call.family is stage.family
    await stage.hung_up_there(call, incoming.call)
    await _is_bound(stage, OTHER[stage.family])
    await _rings(stage, OTHER[stage.family])


@scenario(
    "RFC 3261 §10.2; house rule (moving)", BOTH_RING, registers=False, assumption=True, moves=True
)
async def moves_while_it_rings(stage: Stage) -> None:
    """A call that rings can be answered after the move, and hung up from here."""
    await _stand(stage)
    call, incoming = await stage.called()
    await _move(stage, OTHER[stage.family])
    await stage.client.answer(incoming.call)
    await call.answered()
    await asyncio.sleep(0.3)
    await stage.client.hang_up(incoming.call)
    await call.ended()
    await stage.ended_with(incoming.call, EndReason.HUNG_UP_HERE)
    await _is_bound(stage, OTHER[stage.family])


@scenario(
    "RFC 3261 §10.3; house rule (moving)",
    SECOND_REFUSED,
    registers=False,
    families=(Family.V6,),
    moves=True,
)
async def refused_move_stays(stage: Stage) -> None:
    """A move that the gateway refuses is told to who wanted it; the line stands where it was."""
    await _stand(stage)
    known = len(stage.line.registrations)
    with pytest.raises(ExtensionUnavailableError):
        await _move(stage, OTHER[stage.family])
    assert stage.line.registrations[known:] == []
    assert stage.bound == [stage.family]
    await _rings(stage, stage.family)


@scenario(
    "RFC 3261 §8.1.3.1; house rule (moving)",
    GatewayConfig(v4_address=None),
    registers=False,
    families=(Family.V6,),
    moves=True,
)
async def move_to_where_nobody_is_stays(stage: Stage) -> None:
    """A family in which the gateway does not listen leaves the line where it is."""
    await _stand(stage)
    known = len(stage.line.registrations)
    with pytest.raises(GatewayUnreachableError):
        await _move(stage, OTHER[stage.family])
    assert stage.line.registrations[known:] == []
    await _rings(stage, stage.family)


@scenario("house rule (moving)")
async def move_to_a_family_that_is_not_there_stays(stage: Stage) -> None:
    """An address has one family, and a line that nobody added has none."""
    with pytest.raises(FamilyMissingError):
        await _move(stage, OTHER[stage.family])
    with pytest.raises(LineUnknownError):
        await stage.client.move_line("other", calls.Family(stage.family.value))
    registers = len(stage.gateway.registers)
    await _move(stage, stage.family)
    assert len(stage.gateway.registers) == registers
    await _rings(stage, stage.family)
