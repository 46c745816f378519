"""The fixtures that other suites import."""

import pytest

from tests.home_gateway import GatewayConfig, HomeGateway, V6Register, profile_b
from tests.home_gateway.fixtures import StartGateway, home_gateway, start_gateway

from .hand import HandPhone

__all__ = ["home_gateway", "start_gateway"]


async def test_home_gateway(home_gateway: HomeGateway) -> None:
    """It listens on one port number in both families."""
    assert home_gateway.port_v4 == home_gateway.port_v6
    async with HandPhone(home_gateway) as phone:
        assert (await phone.register()).status == 200


async def test_start_gateway(start_gateway: StartGateway) -> None:
    """Several at once, each with its own configuration."""
    first = await start_gateway(profile_b())
    second = await start_gateway(GatewayConfig(v4_address=None))
    assert first.config.registrar.v6_register is V6Register.IGNORE
    assert first.port_v6 != second.port_v6
    with pytest.raises(RuntimeError):
        _ = second.port_v4
