"""Scenarios of calls that go out."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallProgress,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.errors import LineBusyError, LineNotRegisteredError
from tests.home_gateway.call import Side
from tests.home_gateway.callees import Callee, answers, refuses, stalls
from tests.home_gateway.config import (
    CallConfig,
    GatewayConfig,
    Progress,
    RefreshMethod,
    RegistrarConfig,
    SessionTimerConfig,
)

from .stage import Stage, scenario

ANSWERED = "0451110000"
RINGS_FOREVER = "0451110487"


def _calls(**changes: object) -> GatewayConfig:
    """Return a gateway whose calls differ."""
    return GatewayConfig(calls=replace(CallConfig(), **changes))  # type: ignore[arg-type]


async def _fails(
    stage: Stage, number: str, reason: EndReason, status: int, warning: int | None = None
) -> None:
    """Dial a number that does not connect, and see what is told."""
    dialled = await stage.client.dial("line", number)
    event = await stage.ended_with(dialled.call, reason)
    assert event.ending.status == status
    assert event.ending.warning == warning
    assert CallConnected not in stage.line.of_call(dialled.call)


@scenario("RFC 3261 §13.2, §22.2; facts §8.2 D4")
async def dials_and_hangs_up(stage: Stage) -> None:
    """Challenged, early media, connected, and our BYE at the end."""
    call, dialled = await stage.connected(ANSWERED)
    assert dialled.family.value == stage.family.value
    progress = await stage.line.event(CallProgress)
    assert progress.status == 183
    assert progress.early_media
    await stage.client.hang_up(dialled.call)
    end = await call.ended()
    assert end.by is Side.CLIENT
    await stage.ended_with(dialled.call, EndReason.HUNG_UP_HERE)
    assert stage.line.of_call(dialled.call) == [CallProgress, CallConnected, CallEnded]


@scenario("RFC 3261 §15.1.2")
async def dials_and_the_callee_hangs_up(stage: Stage) -> None:
    """BYE from there is answered and told."""
    stage.gateway.callees["0312345678"] = answers(0.1, talks_for=0.3)
    call, dialled = await stage.connected("0312345678")
    await stage.ended_with(dialled.call, EndReason.HUNG_UP_THERE)
    assert (await call.ended()).by is Side.GATEWAY


@scenario("RFC 3261 §21.1.2", _calls(progress=Progress.RINGING))
async def hears_that_it_rings(stage: Stage) -> None:
    """180 without a body is ringing without sound from the network."""
    _, dialled = await stage.dial(RINGS_FOREVER)
    progress = await stage.line.event(CallProgress, call=dialled.call)
    assert progress.status == 180
    assert not progress.early_media


@scenario("RFC 3261 §22.3", _calls(invite_challenge=407), assumption=True)
async def dials_through_a_proxy_challenge(stage: Stage) -> None:
    """407 is met as 401 is."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("facts §8.1 profile B", _calls(invite_challenge=0))
async def dials_without_challenge(stage: Stage) -> None:
    """An INVITE that is not challenged goes through at once."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario(
    "RFC 3261 §22.4 stale",
    GatewayConfig(registrar=RegistrarConfig(nonce_per_request=True)),
    assumption=True,
)
async def dials_twice_on_nonces_that_serve_once(stage: Stage) -> None:
    """Each INVITE gets its own challenge and its own answer."""
    for _ in range(2):
        call, dialled = await stage.connected(ANSWERED)
        await stage.client.hang_up(dialled.call)
        await call.ended()


@scenario("RFC 3261 §21; facts §3.4")
async def tells_why_a_call_failed(stage: Stage) -> None:
    """Each final status has its reason in a person's terms."""
    stage.gateway.callees |= {"0451110600": refuses(600), "0451110410": refuses(410)}
    await _fails(stage, "0451110486", EndReason.BUSY, 486)
    await _fails(stage, "0451110600", EndReason.BUSY, 600)
    await _fails(stage, "0451110404", EndReason.NUMBER_UNKNOWN, 404)
    await _fails(stage, "0451110410", EndReason.NUMBER_CHANGED, 410)
    await _fails(stage, "0451110480", EndReason.NO_ANSWER, 480)
    await _fails(stage, "0451110603", EndReason.DECLINED, 603)
    await _fails(stage, "0451110500", EndReason.NETWORK_FAILURE, 500)
    await _fails(stage, "0451", EndReason.NUMBER_INCOMPLETE, 484)


@scenario("facts §3.3 (not dialable)", assumption=True)
async def tells_that_a_number_is_barred(stage: Stage) -> None:
    """A number that the service does not take is told apart from wrong credentials."""
    await _fails(stage, "0180123456", EndReason.BARRED, 403)


@scenario("RFC 5079 §5; facts §3.1", _calls(shows_number=False))
async def tells_that_a_withheld_number_was_refused(stage: Stage) -> None:
    """433, and the same number goes through with 186 in front."""
    await _fails(stage, "0451110433", EndReason.NUMBER_WITHHELD_REFUSED, 433)
    await stage.connected("1860451110433")


@scenario("facts §3.1, RFC 3261 §21.4.26, §20.43", assumption=True)
async def meets_the_family_matrix(stage: Stage) -> None:
    """An IPv4-only callee is refused over IPv6 with 488 and a Warning, and taken over IPv4."""
    if stage.is_v6:
        await _fails(stage, "0451110004", EndReason.NOT_ACCEPTABLE, 488, 300)
        await _fails(stage, "1", EndReason.NOT_ACCEPTABLE, 488, 300)
    else:
        await stage.connected("0451110004")


@scenario("facts §3.1 (Warning may be absent)", _calls(family_warning=0), assumption=True)
async def needs_no_warning(stage: Stage) -> None:
    """A 488 without a Warning is told without one."""
    if stage.is_v6:
        await _fails(stage, "0451110004", EndReason.NOT_ACCEPTABLE, 488)


@scenario(
    "RFC 4028 §7.4",
    GatewayConfig(
        session_timer=SessionTimerConfig(
            session_expires=3600, min_se=3600, refuse_below_min_se=True
        )
    ),
    assumption=True,
)
async def takes_a_longer_session_interval(stage: Stage) -> None:
    """422 is answered once with the gateway's own minimum."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario(
    "facts §2.2 (odd ports, other addresses)",
    _calls(odd_rtp_port_refused=True, sdp_address_mismatch=488),
)
async def offers_an_even_port_at_its_own_address(stage: Stage) -> None:
    """The sound is wanted on an even port of the address that signals."""
    for _ in range(3):
        call, dialled = await stage.connected(ANSWERED)
        await stage.client.hang_up(dialled.call)
        await call.ended()


@scenario("RFC 3261 §9.1")
async def cancels_while_it_rings(stage: Stage) -> None:
    """CANCEL after a provisional response, and the 487 is acknowledged."""
    call, dialled = await stage.dial(RINGS_FOREVER)
    await stage.line.event(CallProgress, call=dialled.call)
    await stage.client.hang_up(dialled.call)
    await stage.ended_with(dialled.call, EndReason.CANCELLED_HERE)
    end = await call.ended()
    assert end.by is Side.CLIENT
    assert end.how == "CANCEL"


@scenario("RFC 3261 §9.1")
async def cancels_at_once(stage: Stage) -> None:
    """A call that is hung up as soon as it is placed waits for a provisional response."""
    stage.gateway.callees["0312345678"] = stalls()
    dialled = await stage.client.dial("line", "0312345678")
    await stage.client.hang_up(dialled.call)
    await stage.ended_with(dialled.call, EndReason.CANCELLED_HERE)


@scenario("facts §3.3 (# is %23); RFC 3261 §25.1")
async def dials_hash_and_star(stage: Stage) -> None:
    """``#`` is escaped in the Request-URI and arrives as itself."""
    stage.gateway.callees["#7119"] = Callee(answers_after=0.05)
    call, _ = await stage.connected("#7119")
    assert call.dialled.replace("%23", "#") == "#7119"


@scenario("facts §8.1 (internal)")
async def dials_another_extension(stage: Stage) -> None:
    """One digit is another phone of the house."""
    stage.gateway.callees["6"] = answers(0.05)
    call, dialled = await stage.connected("6")
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("RFC 4028 §9, §7.4; facts §8.2 E")
async def agrees_to_a_refresh_of_a_dialled_call(stage: Stage) -> None:
    """The gateway refreshes calls in this direction too."""
    call, dialled = await stage.connected(ANSWERED)
    for method in (RefreshMethod.UPDATE, RefreshMethod.REINVITE):
        assert await call.refresh(method) == 200
    assert call.is_talking
    await stage.client.hang_up(dialled.call)
    await call.ended()


@scenario("RFC 3261 §12.1.2, §13.2.2.4", _calls(record_route=True))
async def follows_record_route_of_a_dialled_call(stage: Stage) -> None:
    """ACK and BYE carry the route set in the reverse order of the 200."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.hang_up(dialled.call)
    assert (await call.ended()).by is Side.CLIENT


@scenario("house rule (one call a line)")
async def does_not_dial_when_busy_or_unregistered(stage: Stage) -> None:
    """A line with a call, and one without a registration, say so."""
    _, dialled = await stage.dial(RINGS_FOREVER)
    with pytest.raises(LineBusyError):
        await stage.client.dial("line", ANSWERED)
    await stage.client.hang_up(dialled.call)
    await stage.ended(dialled.call)
    await stage.client.add_line("other", stage.config("4", password="wrong"), stage.line)
    await stage.line.registration(RegistrationState.REJECTED)
    with pytest.raises(LineNotRegisteredError):
        await stage.client.dial("other", ANSWERED)


@scenario("RFC 3261 §15; house rule (unload)")
async def removing_the_line_ends_its_call(stage: Stage) -> None:
    """A line that is taken down in a call hangs up before it un-registers."""
    call, dialled = await stage.connected(ANSWERED)
    await stage.client.remove_line("line")
    end = await call.ended(0.5)
    assert end.by is Side.CLIENT
    assert end.how == "BYE"
    await stage.gateway.unregistered("3", within=0.1)
    await asyncio.sleep(0)
    assert dialled.call
