"""The command line of ``scripts/bench``."""

import argparse
import asyncio
import functools
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks import (
    calls,
    dialling,
    digits,
    drift,
    endurance,
    engine,
    insertion,
    listeners,
    load,
    playout,
    rings,
    setting_up,
    sound,
)
from scripts.benchmarks.figures import Figure, Value
from scripts.benchmarks.rig import Rig, RigError, rig
from scripts.home_assistant import HomeAssistantError


@dataclass(frozen=True, kw_only=True)
class Part:
    """A measurement of a minute or two, and the figures that come of it."""

    names: tuple[str, ...]
    measure: Callable[[Rig], Awaitable[list[Figure]]]


@dataclass(frozen=True, kw_only=True)
class LonePart:
    """A measurement that needs no Home Assistant."""

    names: tuple[str, ...]
    measure: Callable[[], Awaitable[list[Figure]]]


_RTP = ("rtp_gap_ms_blocked_loop", "rtp_short_pct_blocked_loop", "rtp_holes_pct_blocked_loop")

# In this order: the memory is that of a fresh engine, and the kills come last.
PARTS = (
    Part(names=("engine_rss_mib",), measure=engine.measure_memory),
    Part(names=("ring_to_event_ms", "invite_to_180_ms"), measure=rings.measure),
    Part(names=("invite_to_180_ms_blocked_loop",), measure=rings.measure_blocked),
    Part(names=(*_RTP, *(f"{name}_in_process" for name in _RTP)), measure=sound.measure),
    Part(names=("insert_level_db", "insert_clipped_ms"), measure=insertion.measure),
    Part(names=("rtp_to_http_ms",), measure=listeners.measure_latency),
    Part(names=("listeners_50",), measure=listeners.measure_crowd),
    Part(names=("dial_to_invite_ms", "fallback_ms"), measure=dialling.measure),
    Part(names=("engine_restart_s",), measure=engine.measure_restart),
)
# These have an engine alone, nothing but a piece of the product, or a Home Assistant of their own.
ALONE = (
    LonePart(names=("recorder_rows_per_call", "loop_block_ms_max"), measure=calls.measure),
    LonePart(names=("contact_lookup_us",), measure=calls.measure_lookup),
    LonePart(names=("verdict_us",), measure=dialling.measure_verdicts),
    LonePart(names=("register_ms",), measure=engine.measure_registration),
    LonePart(names=("cpu_pct", "rss_mib"), measure=load.measure_cost),
    LonePart(names=("call_setup_ms",), measure=setting_up.measure),
    LonePart(names=("packet_interval_ms",), measure=load.measure_intervals),
    LonePart(names=("mouth_to_websocket_ms",), measure=playout.measure_latency),
    LonePart(
        names=("playout_gap_pct_at_loss_5", "playout_delay_ms_at_loss_5"),
        measure=playout.measure_loss,
    ),
    LonePart(names=("playout_by_network",), measure=playout.measure_networks),
    LonePart(names=("stream_drift_frames_per_hour",), measure=drift.measure),
    LonePart(names=("dtmf_hit_pct", "dtmf_false_per_hour"), measure=digits.measure),
    LonePart(names=("soak_calls_rss_growth_mib",), measure=endurance.measure),
)
NAMES = tuple(name for part in (*PARTS, *ALONE) for name in part.names)


async def run(wanted: set[str]) -> tuple[list[Figure], list[str]]:
    """Measure what is wanted; returns the figures, and those that could not be measured.

    What goes wrong takes no figure with it but its own.
    """
    found: list[Figure] = []
    missed: list[str] = []
    parts = [part for part in PARTS if wanted.intersection(part.names)]
    if parts:
        _say("Starting Home Assistant and the gateway …")
        async with rig() as running:
            for part in parts:
                measure = functools.partial(part.measure, running)
                found += await _measured(part.names, measure, missed)
    for alone in ALONE:
        if wanted.intersection(alone.names):
            found += await _measured(alone.names, alone.measure, missed)
    return [figure for figure in found if figure.name in wanted], missed


async def _measured(
    names: Sequence[str], measure: Callable[[], Awaitable[list[Figure]]], missed: list[str]
) -> list[Figure]:
    """Return the figures of a part; none, and its names among the missed, if it goes wrong."""
    _say(f"Measuring {', '.join(names)} …")
    try:
        return await measure()
    except (RigError, HomeAssistantError, TimeoutError) as error:
        _say(f"That went wrong: {error!r}")
        missed += names
        return []


def machine() -> str:
    """Describe this machine in a line."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} × {model}, Linux {platform.release()}, Python {sys.version.split()[0]}"
    )


def as_json(figures: list[Figure]) -> str:
    """Return the figures for a program: one object, by name."""
    return json.dumps({figure.name: figure.value for figure in figures}, indent=2)


def table(figures: list[Figure]) -> str:
    """Return the figures for a person."""
    rows = [row for figure in figures for row in _rows(figure)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:<{widths[0]}}  {value:<{widths[1]}}  {told}" for name, value, told in rows]
    return "\n".join([machine(), "", *lines])


def _rows(figure: Figure) -> list[tuple[str, str, str]]:
    """Return the table's rows for a figure: one, and one for each member with members."""
    if not isinstance(figure.value, dict):
        return [(figure.name, f"{_number(figure.value)} {figure.unit}", figure.context)]
    plain = {name: item for name, item in figure.value.items() if not isinstance(item, dict)}
    rows = [(figure.name, f"{_members(plain)} {figure.unit}", figure.context)]
    for name, item in figure.value.items():
        if isinstance(item, dict):
            rows += [(f"  {name}", "", _members(item))]
    return rows


def _members(value: Mapping[str, Value]) -> str:
    """Return the members of a value in a line."""
    return ", ".join(f"{name} {_number(item)}" for name, item in value.items())


def _number(value: Value) -> str:
    """Return a number; what could not be measured has none."""
    return f"{value:g}" if isinstance(value, float | int) else "–"


def _say(text: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure what docs/figures.md tells."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=NAMES, help=f"only these: {', '.join(NAMES)}"
    )
    options = parser.parse_args()
    figures, missed = asyncio.run(run(set(options.only or NAMES)))
    if options.json:
        print(as_json(figures))
    else:
        print(table(figures))
    if missed:
        _say(f"Not measured: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
