"""Fixtures of the peers suite: each runs its program anew, over one family, on loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import pytest_socket

from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from tests.loopback import loopback

from .baresip import Baresip
from .desk import Desk
from .kamailio import PHONE, Kamailio

__all__ = ["loopback"]

PHONE_TONE = 1000


@pytest.fixture(params=["::1", "127.0.0.1"], ids=["ipv6", "ipv4"])
def address(request: pytest.FixtureRequest) -> str:
    """Run the test over both families, with sockets."""
    request.getfixturevalue("loopback")
    literal: str = request.param
    return literal


@pytest_asyncio.fixture(loop_scope="module")
async def kamailio(address: str, tmp_path: Path) -> AsyncIterator[Kamailio]:
    """Start the registrar."""
    async with Kamailio(tmp_path / "kamailio", address) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def phone(kamailio: Kamailio, tmp_path: Path) -> AsyncIterator[Baresip]:
    """Start a phone that is registered at the registrar."""
    async with Baresip(tmp_path / "phone", kamailio, PHONE, frequency=PHONE_TONE) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[EngineClient]:
    """Start one engine for a file; every test has a line, and thus a user agent, of its own."""
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts([], allow_unix_socket=True)
    client = EngineClient()
    await client.start()
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(engine: EngineClient, address: str) -> AsyncIterator[Desk]:
    """Give the engine a line; ``address`` is there for its sockets."""
    del address
    async with Desk(engine) as running:
        yield running
