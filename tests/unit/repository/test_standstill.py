"""A failure counts if the machine was at hand, and is asked again if it was not."""

import time
from typing import Any
from unittest.mock import Mock

import pytest

from tests import standstill

ITEM: Any = object()


class Runs:
    """Stands for pytest's own way to run a test, which fails so many times first."""

    def __init__(self, failures: int) -> None:
        """Begin with nothing run."""
        self.failures = failures
        self.count = 0

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        """Run it."""
        self.count += 1
        return [Mock(failed=self.count <= self.failures, user_properties=[])]


@pytest.mark.parametrize(
    ("still", "failures", "runs", "fails"),
    [
        (0.0, 0, 1, False),
        (0.0, 1, 1, True),
        (0.05, 0, 1, False),
        (0.05, 1, 2, False),
        (0.05, 2, 3, False),
        (0.05, 9, 3, True),
    ],
)
def test_failure_with_the_machine_at_hand_counts(
    monkeypatch: pytest.MonkeyPatch, still: float, failures: int, runs: int, fails: bool
) -> None:
    """Once, or three times at most where the machine stood still each time."""
    run = Runs(failures)
    monkeypatch.setattr(standstill, "runtestprotocol", run)
    monkeypatch.setattr(standstill.Watch, "_look", lambda watch: setattr(watch, "longest", still))
    (report,) = standstill.play(ITEM, None)
    assert run.count == runs
    assert report.failed is fails
    again = [(standstill.PLAYED_AGAIN, runs - 1)] if runs > 1 else []
    assert report.user_properties == again


def test_long_one_is_not_played_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit of pytest-timeout is for all of a test's runs."""
    run = Runs(9)
    monkeypatch.setattr(standstill, "runtestprotocol", run)
    monkeypatch.setattr(standstill, "_SHORT", 0)
    monkeypatch.setattr(standstill.Watch, "_look", lambda watch: setattr(watch, "longest", 1.0))
    standstill.play(ITEM, None)
    assert run.count == 1


def test_watch_sees_a_standstill() -> None:
    """What is later than it wanted to be was not let run."""
    times = iter([10.0, 10.006, 10.3, 10.306])
    with standstill.Watch(lambda: next(times, 10.306)) as watch:
        while watch.longest < 0.2:
            time.sleep(0.001)
    assert watch.stood_still
    assert watch.longest == pytest.approx(0.289)
