"""What the suite needs of the machine."""

from tests.loopback import loopback

__all__ = ["loopback"]
