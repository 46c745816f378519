"""Fixtures of the fuzz suite."""

from tests.loopback import loopback

__all__ = ["loopback"]
