"""Fixtures of the soak suite."""

from tests.loopback import loopback

__all__ = ["loopback"]
