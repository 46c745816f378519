"""A short run over every target; `scripts/fuzz` is the long one."""

import time
from collections.abc import Sequence

import pytest

from .campaign import TARGETS, corpus_of, feed, fewest, run
from .mutation import Mutator
from .target import Meter, Target

_DATAGRAMS = {"sound": 1000, "user-agent": 1500}
_USUAL = 3000


@pytest.mark.parametrize("name", TARGETS)
async def test_short_run(name: str) -> None:
    """Nothing out of the corpus, and nothing made of it, breaks anything or takes long."""
    outcome = run(TARGETS[name], datagrams=_DATAGRAMS.get(name, _USUAL), seed=1)
    assert not outcome.faults, f"{outcome.faults[0].what}\n{outcome.faults[0].data!r}"
    assert outcome.datagrams >= _DATAGRAMS.get(name, _USUAL)
    assert outcome.branches > 5, "nothing was reached"


@pytest.mark.parametrize("name", TARGETS)
def test_corpus_is_small(name: str) -> None:
    """What is kept can be read through in a moment."""
    inputs = corpus_of(TARGETS[name])
    assert sum(len(data) for data in inputs) < 2**18


class _Door(Target):
    """Something that breaks only behind three doors, one after another."""

    name = "door"

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give something that opens none."""
        return [b"INVITE sip:3@h SIP/2.0\r\nl: 0\r\n\r\n"]

    def feed(self, data: bytes) -> None:
        """Go through the doors that are open."""
        self.meter.take(_enter_telephony, data)


def _enter_telephony(data: bytes) -> None:
    """Break where a field, its number and an octet of no encoding come together."""
    if data.startswith(b"INVITE") and b"l: 7" in data:
        raise RuntimeError("found")


def test_faults_are_found() -> None:
    """The fuzzer finds what is there to be found, and gives the input that shows it."""
    outcome = run(_Door, datagrams=20_000, seed=1, most_faults=1)
    (fault,) = outcome.faults
    assert "RuntimeError: found" in fault.what
    assert feed(_Door(Meter()), fault.data)[1]


class _Slow(_Door):
    """Something that is slow, the first time or always."""

    name = "slow"

    def __init__(self, meter: Meter) -> None:
        """Begin."""
        super().__init__(meter)
        self.times = 0

    def feed(self, data: bytes) -> None:
        """Take long where the input asks for it."""
        self.times += 1
        if data == b"always" or self.times == 1:
            self.meter.take(_work)
        else:
            self.meter.take(len, data)


def _work() -> None:
    """Use the processor for longer than a datagram may."""
    until = time.thread_time() + 0.06
    while time.thread_time() < until:
        pass


def test_hangs_are_found() -> None:
    """What takes long each time is a fault; what did once, on a machine with other work, is not."""
    assert feed(_Slow(Meter()), b"once")[1] is None
    _, fault = feed(_Slow(Meter()), b"always")
    assert fault is not None
    assert "one datagram took" in fault.what


async def test_fewest() -> None:
    """Of inputs that reach the same the shortest is kept, and none that a seed makes needless."""
    kind = TARGETS["protocol"]
    short, long = b'{"type": 1}', b'{"type": 1, "and": "more"}'
    assert fewest(kind, [long, *kind.seeds(), short]) == [short]


def test_same_seed_same_inputs() -> None:
    """A run can be repeated."""
    seeds = [b"a: 1\r\nb: 2\r\n", b"c"]
    made = [
        [mutator.damage(seeds[0], seeds, text=True) for _ in range(200)]
        for mutator in (Mutator(3), Mutator(3), Mutator(4))
    ]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) > 150
