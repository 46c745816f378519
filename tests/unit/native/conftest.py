"""What the tests with real sockets need."""

from tests.loopback import loopback

__all__ = ["loopback"]
