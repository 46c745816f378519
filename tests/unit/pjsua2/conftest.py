"""What these tests need of the machine."""

from tests.loopback import loopback

__all__ = ["loopback"]
