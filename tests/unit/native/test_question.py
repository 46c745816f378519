"""Asking whether somebody speaks SIP: found by any answer, and nothing changes there."""

import asyncio
import socket
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.backend import Account
from custom_components.hikari_denwa.telephony.engine.sip import question
from custom_components.hikari_denwa.telephony.engine.sip.question import speaks_sip
from custom_components.hikari_denwa.telephony.errors import GatewayUnreachableError
from tests.home_gateway import (
    GatewayConfig,
    HomeGateway,
    OptionsAnswer,
    RegistrarConfig,
)

pytestmark = pytest.mark.usefixtures("loopback")


def nobody(host: str, port: int) -> Account:
    """Return an account that nobody has."""
    return Account(
        gateway=host,
        family=Family.IPV6 if ":" in host else Family.IPV4,
        extension="anonymous",
        user_id="",
        password="",
        port=port,
    )


async def asked(gateway: HomeGateway, family: Family, *, time_limit: float = 4.0) -> bool:
    """Ask a simulated gateway."""
    if family is Family.IPV6:
        return await speaks_sip(nobody("::1", gateway.port_v6), time_limit=time_limit)
    return await speaks_sip(nobody("127.0.0.1", gateway.port_v4), time_limit=time_limit)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("answer", OptionsAnswer)
async def test_gateways(answer: OptionsAnswer, family: Family) -> None:
    """A gateway is found however it takes OPTIONS, and has no registration more by it."""
    registrar = replace(RegistrarConfig(), options=answer)
    async with HomeGateway(GatewayConfig(registrar=registrar)) as gateway:
        assert await asked(gateway, family)
        assert gateway.violations == []
        assert gateway.binding() is None


async def test_who_is_no_gateway() -> None:
    """A port that is closed, one that is silent, and one that talks otherwise are none."""
    assert not await speaks_sip(nobody("127.0.0.1", 9), time_limit=0.4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        assert not await speaks_sip(nobody("127.0.0.1", port), time_limit=0.4)


async def test_noise() -> None:
    """What answers, and not in SIP, is no gateway."""

    class Echo(asyncio.DatagramProtocol):
        """Sends everything back, and something else."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Keep the socket."""
            assert isinstance(transport, asyncio.DatagramTransport)
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            """Send it back."""
            self.transport.sendto(data, addr)
            self.transport.sendto(b"\x00what?", addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Echo, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    assert not await speaks_sip(nobody("127.0.0.1", port), time_limit=0.4)
    transport.close()


async def test_no_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that nothing leads to is none."""

    def no_way(gateway: str, port: int, family: Family) -> str:
        del port
        raise GatewayUnreachableError(address=gateway, family=family)

    monkeypatch.setattr(question, "local_address_towards", no_way)
    assert not await speaks_sip(nobody("2001:db8::1", 5060), time_limit=0.2)
