"""What the tests of the simulated gateway share."""

import pytest

from tests.home_gateway.config import TransactionTimers

FAST = TransactionTimers(t1=0.03, t2=0.06, t4=0.06)


@pytest.fixture(autouse=True)
def sockets(socket_enabled: None) -> None:
    """Allow sockets: all of them are on loopback."""
    del socket_enabled
