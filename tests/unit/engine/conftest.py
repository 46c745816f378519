"""What the tests of the engine share."""

from tests.loopback import loopback

__all__ = ["loopback"]
