"""A run of the fuzzer over one target: damaged inputs, those that reach something new kept."""

import gc
import hashlib
import itertools
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .coverage import Coverage
from .mutation import Mutator
from .parsers import PARSERS
from .target import Meter, Target
from .user_agent import SEPARATOR, UserAgents

CORPUS = Path(__file__).with_name("corpus")
LONGEST = 0.05
"""Seconds of processor time that one datagram may take."""

_MOST_KEPT = 3000
_LARGEST_CORPUS = 128 * 1024
_REPEATS = 3
_SETTLED_AFTER = 0.2
_PAGE = 4096

_ALL: tuple[type[Target], ...] = (*PARSERS, UserAgents)
TARGETS = {target.name: target for target in _ALL}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An input and what it did."""

    target: str
    data: bytes
    what: str


@dataclass(kw_only=True)
class Outcome:
    """What came of a run. ``seconds`` passed on the clock, ``longest`` is processor time."""

    target: str
    datagrams: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    growth: int = 0
    branches: int = 0
    kept: list[bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def corpus_of(target: type[Target]) -> list[bytes]:
    """Give the seeds of a target and the inputs kept from earlier runs."""
    folder = CORPUS / target.name
    kept = [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []
    return [*target.seeds(), *kept]


def keep(target: type[Target], inputs: Iterable[bytes]) -> None:
    """Add inputs to the corpus, and leave the fewest in it that will do."""
    folder = CORPUS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    old = list(folder.iterdir())
    chosen = fewest(target, [*(path.read_bytes() for path in old), *inputs])
    for path in old:
        path.unlink()
    sizes = itertools.accumulate(map(len, chosen))
    for data, size in zip(chosen, sizes, strict=True):
        if size > _LARGEST_CORPUS:
            break
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def feed(target: Target, data: bytes) -> tuple[float, Fault | None]:
    """Feed one input; returns the longest time of a datagram in it, and what is wrong.

    What takes long is fed again, for only an input that takes long each time is at fault.
    """
    longest = LONGEST
    for _ in range(_REPEATS):
        target.meter.next_input()
        try:
            target.feed(data)
        except Exception:  # noqa: BLE001 - that is what is looked for
            return longest, Fault(target=target.name, data=data, what=traceback.format_exc())
        if target.meter.longest < LONGEST:
            return target.meter.longest, None
        longest = target.meter.longest
    what = f"one datagram took {longest * 1000:.0f} ms"
    return longest, Fault(target=target.name, data=data, what=what)


def fewest(kind: type[Target], inputs: Iterable[bytes]) -> list[bytes]:
    """Give the shortest inputs that together reach what all of them reach beyond the seeds."""
    target = kind(Meter())
    chosen = []
    with Coverage() as coverage:
        for seed in kind.seeds():
            target.feed(seed)
        for data in sorted(inputs, key=len):
            reached = coverage.reached
            target.feed(data)
            if coverage.reached > reached:
                chosen.append(data)
    return chosen


def run(
    kind: type[Target], *, datagrams: int, seed: int, most_faults: int = 5, seconds: float = 1e9
) -> Outcome:
    """Fuzz one target until so many datagrams are through, or the time is over."""
    meter = Meter()
    target = kind(meter)
    mutator = Mutator(seed)
    outcome = Outcome(target=kind.name)
    began = time.monotonic()
    settled: int | None = None
    with Coverage() as coverage:
        inputs: list[bytes] = []
        for data in corpus_of(kind):
            inputs.append(data)
            longest, fault = feed(target, data)
            outcome.longest = max(outcome.longest, longest)
            if fault:
                outcome.faults.append(fault)
        while meter.datagrams < datagrams and time.monotonic() - began < seconds:
            data = _next(mutator, inputs, kind)
            reached = coverage.reached
            longest, fault = feed(target, data)
            outcome.longest = max(outcome.longest, longest)
            if fault:
                outcome.faults.append(fault)
                if len(outcome.faults) >= most_faults:
                    break
            elif coverage.reached > reached and len(inputs) < _MOST_KEPT:
                inputs.append(data)
                outcome.kept.append(data)
            if settled is None and meter.datagrams >= datagrams * _SETTLED_AFTER:
                settled = resident()
        outcome.branches = coverage.reached
    outcome.datagrams = meter.datagrams
    outcome.seconds = time.monotonic() - began
    outcome.growth = resident() - settled if settled is not None else 0
    return outcome


def resident() -> int:
    """Give the memory of this process in bytes, after the rubbish has gone."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _next(mutator: Mutator, inputs: list[bytes], kind: type[Target]) -> bytes:
    """Make an input; a script is damaged in one or two of its steps, or in their order."""
    data = mutator.choose(inputs)
    if kind is not UserAgents:
        return mutator.damage(data, inputs, text=kind.text)
    steps = data.split(SEPARATOR)
    others = mutator.choose(inputs).split(SEPARATOR)
    if mutator.chance(0.3):
        return SEPARATOR.join(mutator.shuffle(steps, others))
    for _ in range(1 + mutator.chance(0.3)):
        place = mutator.index(steps)
        steps[place] = mutator.damage(steps[place], others, text=True)
    return SEPARATOR.join(steps)
