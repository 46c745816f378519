"""What the conformance suite needs of the machine."""

from collections.abc import Iterator

import pytest

from tests.loopback import loopback

from .engine import SharedEngine, Subject, subjects

__all__ = ["loopback"]


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Subject, SharedEngine]]:
    """Keep one engine of each subject for the scenarios that can share it."""
    found = {
        subject: SharedEngine(subject.launcher(), tmp_path_factory.mktemp(subject.backend))
        for subject in subjects()
    }
    yield found
    for engine in found.values():
        engine.stop()
