"""Fixtures of the peers suite: each runs its program anew, over one family, on loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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


@pytest.fixture
async def kamailio(address: str, tmp_path: Path) -> AsyncIterator[Kamailio]:
    """Start the registrar."""
    async with Kamailio(tmp_path / "kamailio", address) as running:
        yield running


@pytest.fixture
async def phone(kamailio: Kamailio, tmp_path: Path) -> AsyncIterator[Baresip]:
    """Start a phone that is registered at the registrar."""
    async with Baresip(tmp_path / "phone", kamailio, PHONE, frequency=PHONE_TONE) as running:
        yield running


@pytest.fixture
async def desk(address: str) -> AsyncIterator[Desk]:
    """Start an engine without a line; ``address`` is there for its sockets."""
    del address
    async with Desk() as running:
        yield running
