"""What the conformance suite needs of the machine."""

from collections.abc import Iterator

import pytest

from tests.loopback import loopback

from .engine import BACKENDS, SharedEngine

__all__ = ["loopback"]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SharedEngine]]:
    """Keep one engine of each back end for the scenarios that can share it."""
    found = {
        backend: SharedEngine(backend, tmp_path_factory.mktemp(backend)) for backend in BACKENDS
    }
    yield found
    for engine in found.values():
        engine.stop()
