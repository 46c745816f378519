"""Scenarios of registration: digest, refusals, refresh, un-REGISTER, probes."""

import asyncio
import socket
from dataclasses import replace
from typing import cast

import pytest

from custom_components.hikari_denwa.telephony.engine.protocol import RegistrationState
from custom_components.hikari_denwa.telephony.errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    GatewaySilentError,
    GatewayUnreachableError,
    LineNotRegisteredError,
    NotSipServerError,
)
from tests.home_gateway.config import (
    Algorithm,
    GatewayConfig,
    Qop,
    RegistrarConfig,
    SecondDevice,
)

from .stage import ADDRESSES, PATIENCE_SECONDS, Stage, eventually, scenario

SILENCE_AFTER_SECONDS = 2.5


def _registrar(**changes: object) -> GatewayConfig:
    """Return a gateway whose registrar differs."""
    return GatewayConfig(registrar=replace(RegistrarConfig(), **changes))  # type: ignore[arg-type]


def _statuses(stage: Stage) -> list[int | None]:
    """Return what the gateway answered to each REGISTER."""
    return [seen.status for seen in stage.gateway.registers]


async def _stays_silent(stage: Stage, most: int) -> None:
    """See that no more REGISTERs come than were allowed."""
    count = len(stage.gateway.registers)
    assert count <= most
    await asyncio.sleep(SILENCE_AFTER_SECONDS)
    assert len(stage.gateway.registers) == count


@scenario("RFC 3261 §10.2, §22.4; facts §1.2", registers=False)
async def registers_with_digest(stage: Stage) -> None:
    """One REGISTER is challenged, the next is taken; the event tells where and for how long."""
    event = await stage.register()
    assert _statuses(stage) == [401, 200]
    first, second = stage.gateway.registers
    assert first.message.call_id == second.message.call_id
    assert second.message.cseq[0] == first.message.cseq[0] + 1
    assert event.gateway_address == event.local_address == ADDRESSES[stage.family]
    assert event.expires == 3600
    assert event.family is not None
    assert event.family.value == stage.family.value


@scenario("house rule (ask nothing that is known)")
async def tells_how_soon_the_gateway_answers(stage: Stage) -> None:
    """The path of a line with one family tells the round trip, which its REGISTER has shown."""
    name = "ipv6" if stage.is_v6 else "ipv4"

    def round_trip() -> float | None:
        path = getattr(stage.line.paths[-1], name) if stage.line.paths else None
        return path.round_trip_ms if path and path.gateway_answers else None

    await stage.line.until(lambda: round_trip() is not None)
    assert 0 < (round_trip() or 0) < 1000 * PATIENCE_SECONDS


@scenario("RFC 2617 §3.2.2, facts §8.1", _registrar(qop=Qop.AUTH), assumption=True)
async def registers_with_qop_auth(stage: Stage) -> None:
    """A challenge with qop is answered with cnonce and count."""
    assert _statuses(stage) == [401, 200]


@scenario("RFC 7616 §3.4", _registrar(qop=Qop.AUTH_AND_INT, opaque=True), assumption=True)
async def registers_with_a_choice_of_qop(stage: Stage) -> None:
    """Of auth and auth-int auth is taken, and opaque comes back."""
    assert _statuses(stage) == [401, 200]


@scenario(
    "RFC 8760 §2",
    _registrar(algorithm=Algorithm.SHA256, qop=Qop.AUTH),
    assumption=True,
)
async def registers_with_sha256(stage: Stage) -> None:
    """SHA-256 serves as well as MD5."""
    assert _statuses(stage) == [401, 200]


@scenario("facts §8.1 profile B", _registrar(challenges=False))
async def registers_without_challenge(stage: Stage) -> None:
    """A gateway that asks for nothing is given nothing."""
    assert _statuses(stage) == [200]
    assert not stage.gateway.registers[0].authorized


@scenario("RFC 3261 §22.4 stale, facts §8.1", _registrar(max_expires=4, nonce_per_request=True))
async def refreshes_with_a_stale_nonce(stage: Stage) -> None:
    """A refresh on a used nonce is challenged as stale and goes through."""
    async with asyncio.timeout(8):
        while _statuses(stage).count(200) < 2:  # noqa: ASYNC110 - the gateway has no event for it
            await asyncio.sleep(0.05)
    assert stage.line.registrations[-1].state is RegistrationState.REGISTERED


@scenario("RFC 3261 §10.2.4", _registrar(max_expires=4))
async def refreshes_in_time(stage: Stage) -> None:
    """The registration outlives its own duration, with one Call-ID and a rising CSeq."""
    await asyncio.sleep(6)
    registers = stage.gateway.registers
    await eventually(lambda: len(registers) >= 4)
    assert stage.gateway.binding("3")
    assert len({seen.message.call_id for seen in registers}) == 1
    numbers = [seen.message.cseq[0] for seen in registers]
    assert numbers == sorted(set(numbers))
    assert [event.state for event in stage.line.registrations] == [
        RegistrationState.REGISTERING,
        RegistrationState.REGISTERED,
    ]


@scenario("facts §5 (403)", registers=False)
async def wrong_password_is_final(stage: Stage) -> None:
    """A wrong password is told as such after at most three REGISTERs, and silence follows."""
    await stage.add(stage.config(password="wrong"))
    event = await stage.line.registration(RegistrationState.REJECTED)
    assert isinstance(event.error(), CredentialsRejectedError)
    await _stays_silent(stage, 3)
    with pytest.raises(LineNotRegisteredError):
        await stage.client.dial("line", "117")


@scenario("facts §8.1 (401 loop)", _registrar(wrong_password=401), registers=False)
async def wrong_password_in_a_loop_is_final(stage: Stage) -> None:
    """A gateway that challenges for ever is not answered for ever."""
    await stage.add(stage.config(password="wrong"))
    event = await stage.line.registration(RegistrationState.REJECTED)
    assert isinstance(event.error(), CredentialsRejectedError)
    await _stays_silent(stage, 3)


@scenario("facts §8.1 (wrong user ID: 401 again)", registers=False)
async def wrong_user_id_is_final(stage: Stage) -> None:
    """The extension's number as user ID is the commonest mistake."""
    await stage.add(stage.config(user_id="3"))
    event = await stage.line.registration(RegistrationState.REJECTED)
    assert isinstance(event.error(), CredentialsRejectedError)
    await _stays_silent(stage, 3)


@scenario("facts §8.1 (mismatch: 404)", _registrar(mismatch=404), registers=False, assumption=True)
async def extension_that_is_not_set_up_is_final(stage: Stage) -> None:
    """An extension that the gateway does not have is told apart from wrong credentials."""
    await stage.add(stage.config(user_id="0004", password="secret-4"))
    event = await stage.line.registration(RegistrationState.REJECTED)
    assert isinstance(event.error(), ExtensionUnavailableError)
    await _stays_silent(stage, 3)


@scenario("RFC 3261 §10.2.8, §21.4.17", _registrar(min_expires=7200, max_expires=7200))
async def takes_a_longer_minimum(stage: Stage) -> None:
    """423 is answered with the gateway's own minimum."""
    assert 423 in _statuses(stage)
    assert _statuses(stage)[-1] == 200
    assert stage.line.registrations[-1].expires == 7200


@scenario("facts §3.4 (400 for rport)", _registrar(rport_refused=True), assumption=True)
async def goes_without_rport(stage: Stage) -> None:
    """A gateway that refuses rport is asked without it, also for calls."""
    call, incoming = await stage.talking()
    await stage.client.hang_up(incoming.call)
    await call.ended()
    call_out, dialled = await stage.connected("0451110000")
    await stage.client.hang_up(dialled.call)
    await call_out.ended()


@scenario("RFC 3261 §10.2.2")
async def unregisters_when_removed(stage: Stage) -> None:
    """A removed line takes its own contact back, and nobody else's."""
    await stage.client.remove_line("line")
    await stage.gateway.unregistered("3", within=0.1)
    last = stage.gateway.registers[-1]
    assert last.status == 200
    assert last.expires == 0
    assert last.message.get("Contact") != "*"


@scenario("RFC 3261 §10.2.2", alone=True)
async def unregisters_at_the_end(stage: Stage) -> None:
    """The end of the engine un-registers its lines."""
    await stage.client.close()
    await stage.gateway.unregistered("3", within=0.1)


@scenario("RFC 3261 §17.1.2.2 Timer F", registers=False, patience=40)
async def silent_gateway_is_tried_again(stage: Stage) -> None:
    """Silence is told as silence, and the line is there soon after the gateway is."""
    stage.gateway.go_silent(7)
    await stage.add()
    event = await stage.line.registration(RegistrationState.FAILED)
    assert isinstance(event.error(), GatewaySilentError)
    assert event.retry_in
    await stage.line.registration(RegistrationState.REGISTERED)


@scenario("RFC 1122 §3.2.2.1, RFC 3261 §18.4", registers=False)
async def closed_port_is_unreachable(stage: Stage) -> None:
    """A port where nobody listens is told at once, not after a silence."""
    kind = socket.AF_INET6 if stage.is_v6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as taken:
        taken.bind((ADDRESSES[stage.family], 0))
        port = taken.getsockname()[1]
    with pytest.raises(GatewayUnreachableError):
        await stage.client.probe(replace(stage.config(), port=port))


@scenario("house rule (not a SIP server)", registers=False)
async def something_else_is_no_sip_server(stage: Stage) -> None:
    """A port that answers in another language is told apart from silence."""
    loop = asyncio.get_running_loop()

    class Other(asyncio.DatagramProtocol):
        """Answers everything with something that is no SIP."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Keep the transport."""
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            """Answer."""
            del data
            self.transport.sendto(b"HTTP/1.1 400 Bad Request\r\n\r\n", addr)

    transport, _ = await loop.create_datagram_endpoint(
        Other, local_addr=(ADDRESSES[stage.family], 0)
    )
    try:
        port = transport.get_extra_info("sockname")[1]
        with pytest.raises(NotSipServerError):
            await stage.client.probe(replace(stage.config(), port=port))
    finally:
        transport.close()


@scenario("RFC 3261 §10.2; house rule (config flow)", registers=False)
async def probe_leaves_nothing(stage: Stage) -> None:
    """A probe registers, tells the addresses, and takes its contact back."""
    probed = await stage.client.probe(stage.config())
    assert probed.family.value == stage.family.value
    assert probed.gateway_address == probed.local_address == ADDRESSES[stage.family]
    await stage.gateway.unregistered("3", within=0.1)
    with pytest.raises(CredentialsRejectedError):
        await stage.client.probe(stage.config(password="wrong"))


@scenario(
    "facts §8.1 (newest device wins)",
    _registrar(second_device=SecondDevice.NEWEST_WINS),
    assumption=True,
)
async def probe_does_not_take_the_place_of_the_line(stage: Stage) -> None:
    """After a probe of its own extension the line still rings."""
    before = stage.gateway.binding("3")
    assert before
    await stage.client.probe(stage.config())
    binding = await stage.gateway.registered("3")
    assert binding.contact == before.contact
    await stage.called()


@scenario(
    "facts §8.1 (second device refused)",
    _registrar(second_device=SecondDevice.REFUSED),
    assumption=True,
)
async def probe_of_our_own_extension_is_no_conflict(stage: Stage) -> None:
    """The place is taken by ourselves: the account is proved, and the line stays."""
    probed = await stage.client.probe(stage.config())
    assert probed.gateway_address == ADDRESSES[stage.family]
    await stage.gateway.registered("3")
    await stage.called()


@scenario("facts §5 (own source port each)")
async def two_lines_are_two_extensions(stage: Stage) -> None:
    """Each line has its own socket, and each rings for itself."""
    other = type(stage.line)()
    await stage.client.add_line("other", stage.config("4"), other)
    await other.registration(RegistrationState.REGISTERED)
    first, second = stage.gateway.binding("3"), stage.gateway.binding("4")
    assert first
    assert second
    assert first.peer != second.peer
    call = await stage.gateway.ring("4")
    await call.ringing()
    await other.until(lambda: bool(other.events))
    assert stage.line.events == []
