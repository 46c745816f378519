"""Real sockets for tests that need them: this machine's own addresses and local sockets."""

from collections.abc import Iterator

import pytest
import pytest_socket


@pytest.fixture
def loopback() -> Iterator[None]:
    """Let a test use sockets, as far as they stay on this machine."""
    pytest_socket.enable_socket()
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    yield
    pytest_socket.socket_allow_hosts(["127.0.0.1"])
    pytest_socket.disable_socket(allow_unix_socket=True)
