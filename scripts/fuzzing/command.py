"""The command line of ``scripts/fuzz``: ``scripts/fuzz --datagrams 10000000``.

Inputs that reach branches of the code for the first time become part of the corpus (``--keep``
writes them to ``tests/fuzz/corpus``); inputs that break something are written to ``.cache/fuzz``.
With ``--libfuzzer`` one target is run by atheris instead, if that is installed.
"""

import argparse
import asyncio
import gc
import hashlib
import importlib
import resource
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

from scripts import environment
from tests.fuzz.campaign import TARGETS, Outcome, corpus_of, keep, run
from tests.fuzz.target import Meter

FAULTS = Path(environment.ROOT) / ".cache" / "fuzz"
PRODUCT = ".telephony."
SHARES = {
    "sip": 0.25,
    "sdp": 0.08,
    "digest": 0.05,
    "rtp": 0.3,
    "rtcp": 0.05,
    "protocol": 0.07,
    "sound": 0.05,
    "user-agent": 0.15,
}
"""How the datagrams are divided, by what they cost and by how often they come."""


def main() -> int:
    """Read the command line and fuzz; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Fuzz what reads datagrams.")
    parser.add_argument("--datagrams", type=int, default=100_000, help="how many, in all")
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=1, help="the same makes the same inputs")
    parser.add_argument("--keep", action="store_true", help="add to the corpus")
    parser.add_argument("--libfuzzer", nargs="*", metavar="ARGUMENT", help="run by atheris")
    options = parser.parse_args()
    if options.libfuzzer is not None:
        return asyncio.run(_libfuzzer(options.target[0], options.libfuzzer))
    return asyncio.run(_campaign(options))


async def _campaign(options: argparse.Namespace) -> int:
    """Fuzz the targets one after another; the user agent wants a running loop around it."""
    whole = sum(SHARES[name] for name in options.target)
    outcomes = []
    for name in options.target:
        datagrams = round(options.datagrams * SHARES[name] / whole)
        outcome = run(TARGETS[name], datagrams=datagrams, seed=options.seed)
        outcomes.append(outcome)
        print(_line(outcome), flush=True)
        if options.keep:
            keep(TARGETS[name], outcome.kept)
        _write_faults(outcome)
    total = sum(outcome.datagrams for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    longest = max(outcome.longest for outcome in outcomes)
    growth = sum(outcome.growth for outcome in outcomes)
    faults = sum(len(outcome.faults) for outcome in outcomes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{total:,} datagrams in {seconds:.0f} s, {faults} faults, "
        f"longest {longest * 1000:.1f} ms, "
        f"memory grew by {growth / 2**20:.1f} MiB to {peak / 1024:.0f} MiB at most"
    )
    return 1 if faults else 0


def _line(outcome: Outcome) -> str:
    """Tell what came of one target."""
    return (
        f"{outcome.target:<11} {outcome.datagrams:>9,} datagrams  {outcome.seconds:>6.0f} s  "
        f"longest {outcome.longest * 1000:>5.1f} ms  grew {outcome.growth / 2**20:>4.1f} MiB  "
        f"{outcome.branches:>5} branches  {len(outcome.kept):>4} kept  {len(outcome.faults)} faults"
    )


def _write_faults(outcome: Outcome) -> None:
    """Write what broke something to where it can be looked at."""
    for fault in outcome.faults:
        FAULTS.mkdir(parents=True, exist_ok=True)
        path = FAULTS / f"{fault.target}-{hashlib.sha256(fault.data).hexdigest()[:12]}"
        path.write_bytes(fault.data)
        print(f"{path}: {fault.what}", file=sys.stderr)


async def _libfuzzer(name: str, arguments: list[str]) -> int:
    """Let atheris make the inputs; it ends the process itself."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("atheris is not installed here (pip install atheris).", file=sys.stderr)
        return 1
    folder = FAULTS / f"libfuzzer-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(corpus_of(TARGETS[name])):
        (folder / f"seed-{number}").write_bytes(seed)
    target = TARGETS[name](Meter())
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and PRODUCT in str(function.__module__):
            atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *arguments, str(folder)], target.feed)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
