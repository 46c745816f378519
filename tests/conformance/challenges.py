"""Scenarios of credentials and of registrars that make a line wait."""

from dataclasses import replace
from itertools import pairwise

from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallIncoming,
    RegistrationState,
)
from tests.home_gateway.call import Side
from tests.home_gateway.config import (
    Algorithm,
    CallConfig,
    GatewayConfig,
    Qop,
    RegistrarConfig,
    Slot,
)

from .stage import Line, Stage, eventually, scenario

TEN = tuple(str(number) for number in range(11, 21))


def _registrar(**changes: object) -> GatewayConfig:
    """Return a gateway whose registrar differs."""
    return GatewayConfig(registrar=replace(RegistrarConfig(), **changes))  # type: ignore[arg-type]


@scenario("RFC 7616 §3.4.3, RFC 2617 §3.2.2.3", _registrar(qop=Qop.INT), assumption=True)
async def protects_bodies_where_that_is_wanted(stage: Stage) -> None:
    """Where auth-int is the only choice it is taken, for REGISTER and for INVITE with a body."""
    assert [seen.status for seen in stage.gateway.registers] == [401, 200]
    call, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("RFC 7616 §3.7, RFC 3261 §22.1", _registrar(several_challenges=True), assumption=True)
async def picks_the_challenge_that_it_can_meet(stage: Stage) -> None:
    """Of several challenges the one with a known algorithm is answered, elsewhere too."""
    assert [seen.status for seen in stage.gateway.registers] == [401, 200]
    call, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario(
    "RFC 7616 §3.4 (nc), RFC 8760 §2",
    _registrar(qop=Qop.AUTH, algorithm=Algorithm.SHA256, max_expires=4, opaque=True),
    assumption=True,
)
async def counts_the_uses_of_a_nonce(stage: Stage) -> None:
    """A nonce that still holds is used again with the next count, or is challenged anew."""
    await stage.gateway.until(
        lambda: [seen.status for seen in stage.gateway.registers].count(200) >= 3, 10
    )
    counts = [
        seen.message.require("Authorization").partition("nc=")[2][:8]
        for seen in stage.gateway.registers
        if seen.status == 200
    ]
    assert all(len(count) == 8 and int(count, 16) > 0 for count in counts), counts


@scenario(
    "RFC 3261 §22.2, §22.3 (on every method)",
    GatewayConfig(
        calls=CallConfig(challenges_in_dialog=True), registrar=RegistrarConfig(qop=Qop.AUTH)
    ),
    assumption=True,
)
async def meets_challenges_within_a_call(stage: Stage) -> None:
    """BYE is challenged as INVITE is, in both directions of calls."""
    call, incoming = await stage.talking()
    await stage.client.hang_up(incoming.call)
    assert (await call.ended()).by is Side.CLIENT
    call_out, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    assert (await call_out.ended()).by is Side.CLIENT


@scenario("RFC 3261 §22.4 stale", assumption=True)
async def meets_a_stale_nonce_when_it_dials(stage: Stage) -> None:
    """A nonce that has become old costs one challenge more, and no refusal."""
    for _ in range(2):
        call, dialled = await stage.connected("0451110000")
        await stage.client.hang_up(dialled.call)
        await call.ended()
        stage.gateway.expire_nonces()


@scenario(
    "RFC 3261 §20.33, §21.5.4",
    _registrar(overloaded=1, retry_after=4),
    registers=False,
    assumption=True,
    patience=25,
)
async def waits_as_long_as_it_is_told(stage: Stage) -> None:
    """After 503 with Retry-After no REGISTER comes before that, and then one does."""
    await stage.add()
    failed = await stage.line.registration(RegistrationState.FAILED)
    assert failed.retry_in is not None
    assert failed.retry_in >= 4
    await stage.line.registration(RegistrationState.REGISTERED)
    times = [seen.stamp.monotonic for seen in stage.gateway.registers]
    assert times[1] - times[0] >= 3.9


@scenario(
    "house rule (never more than 1 REGISTER a second); RFC 3261 §21.5.4",
    _registrar(overloaded=2),
    patience=30,
)
async def does_not_hammer_a_busy_registrar(stage: Stage) -> None:
    """Refusals without a time are met with growing pauses."""
    times = [seen.stamp.monotonic for seen in stage.gateway.registers if not seen.authorized]
    assert all(later - sooner >= 0.95 for sooner, later in pairwise(times))


@scenario(
    "house rule (ten lines in one engine); facts §5 (own source port each)",
    GatewayConfig(
        slots=tuple(
            Slot(number=number, user_id=f"000{number}", password=f"secret-{number}")
            for number in TEN
        )
    ),
    registers=False,
    patience=25,
)
async def ten_lines_ring_and_talk_at_once(stage: Stage) -> None:
    """Each line has its own port, its own call and its own sound."""
    lines = {number: Line(25) for number in TEN}
    for number, line in lines.items():
        await stage.client.add_line(number, stage.config(number), line)
    for line in lines.values():
        await line.registration(RegistrationState.REGISTERED)
    calls = {number: await stage.gateway.ring(number) for number in TEN}
    for number, line in lines.items():
        await calls[number].ringing(10)
        incoming = await line.event(CallIncoming)
        await stage.client.answer(incoming.call)
        await calls[number].answered(10)
    assert len({call.dialog.peer.port for call in calls.values()}) == len(TEN)
    for number, call in calls.items():
        await eventually(lambda call=call: len(call.received.packets) > 10)  # type: ignore[misc]
        await stage.client.hang_up(lines[number].events[0].call)
        await call.ended()
