"""Pytest fixtures of the simulated gateway; import the names in a conftest.

``home_gateway`` runs with defaults on loopback and fails its test when the client broke a rule.
``start_gateway`` starts gateways of other configurations.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from .config import GatewayConfig
from .gateway import HomeGateway

type StartGateway = Callable[[GatewayConfig], Awaitable[HomeGateway]]


@pytest.fixture
async def home_gateway(socket_enabled: None) -> AsyncIterator[HomeGateway]:
    """Run a gateway with the default configuration; at the end nothing may be broken."""
    del socket_enabled
    async with HomeGateway() as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
async def start_gateway(socket_enabled: None) -> AsyncIterator[StartGateway]:
    """Start gateways by configuration; all are stopped at the end."""
    del socket_enabled
    async with AsyncExitStack() as stack:

        async def start(config: GatewayConfig) -> HomeGateway:
            return await stack.enter_async_context(HomeGateway(config))

        yield start
