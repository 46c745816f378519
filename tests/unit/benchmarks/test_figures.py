"""Figures are what they are called, and every one is explained."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.benchmarks import command
from scripts.benchmarks.far_end import measures
from scripts.benchmarks.figures import Figure, middle_and_tail, percentile
from scripts.benchmarks.rig import RigError
from scripts.environment import ROOT
from tests.home_gateway import Recording
from tests.home_gateway.config import Family
from tests.home_gateway.recording import RtpPacket
from tests.home_gateway.transport import Peer

# Once given, a name stays: others compare figures from one version to the next.
NAMES = {
    "ring_to_event_ms",
    "invite_to_180_ms",
    "invite_to_180_ms_blocked_loop",
    "rtp_gap_ms_blocked_loop",
    "rtp_short_pct_blocked_loop",
    "rtp_holes_pct_blocked_loop",
    "rtp_gap_ms_blocked_loop_in_process",
    "rtp_short_pct_blocked_loop_in_process",
    "rtp_holes_pct_blocked_loop_in_process",
    "engine_restart_s",
    "engine_rss_mib",
    "register_ms",
}


def recording(times: list[float]) -> Recording:
    """Make a recording of packets that came at these times."""
    made = Recording()
    for number, time in enumerate(times):
        made.add(
            RtpPacket(
                time=time,
                peer=Peer(Family.V6, "::1", 4000),
                sequence=number,
                timestamp=160 * number,
                ssrc=1,
                payload_type=0,
                marker=False,
                payload=b"\xff" * 160,
            )
        )
    return made


def test_percentile_is_a_sample() -> None:
    """The nearest rank: of a hundred samples the 99th."""
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentile(hundred, 0.99) == 99
    assert percentile(hundred, 1.0) == 100
    assert percentile([7.0], 0.99) == 7
    assert middle_and_tail(hundred) == {"p50": 50.5, "p99": 99}


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0.01, 1))
def test_percentile_is_not_exceeded_by_its_share(samples: list[float], share: float) -> None:
    """At least the share of all samples is not above the percentile."""
    value = percentile(samples, share)
    assert sum(sample <= value for sample in samples) >= share * len(samples) - 1e-9


def test_a_whole_stream() -> None:
    """50 packets a second: nothing short, no hole, no gap."""
    heard = measures(recording([number * 0.02 for number in range(501)]), 0.0, 10.0)
    assert heard["short_pct"] == 0
    assert heard["holes_pct"] == 0
    assert heard["gap_max"] == pytest.approx(20)


def test_a_stream_that_stops_for_300_ms_of_each_second() -> None:
    """A sender in a blocked loop: 35 packets a second, and holes, though none is lost."""
    times = [second + 0.3 + step * 0.02 for second in range(10) for step in range(35)]
    heard = measures(recording(times), 0.0, 10.0)
    assert heard["short_pct"] == pytest.approx(30)
    assert heard["holes_pct"] > 20
    assert heard["gap_max"] == pytest.approx(320)


def test_a_stream_that_ends_early_is_short() -> None:
    """The span is what was asked for, not from the first packet to the last."""
    heard = measures(recording([number * 0.02 for number in range(250)]), 0.0, 10.0)
    assert heard["short_pct"] == pytest.approx(50)


def test_silence_is_short_and_full_of_holes() -> None:
    """No packet at all."""
    heard = measures(recording([]), 0.0, 10.0)
    assert heard["short_pct"] == 100
    assert heard["holes_pct"] == 100


def test_names_stay() -> None:
    """Every figure is there under its name, whatever came after."""
    assert set(command.NAMES) >= NAMES


def test_every_figure_is_explained() -> None:
    """docs/figures.md tells what each one means."""
    text = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    missing = {name for name in command.NAMES if f"`{name}`" not in text}
    assert not missing


def test_table_and_json_hold_the_same_values() -> None:
    """A person and a program read the same."""
    figures = [
        Figure(name="plain", value=1.5, unit="s", context="so"),
        Figure(name="deep", value={"p50": 2.5, "hops": {"one": 3.5}}, unit="ms", context="thus"),
    ]
    shown = command.table(figures)
    assert all(text in shown for text in ("plain", "1.5 s", "p50 2.5 ms", "one 3.5", "thus"))
    assert json.loads(command.as_json(figures)) == {
        "plain": 1.5,
        "deep": {"p50": 2.5, "hops": {"one": 3.5}},
    }


async def test_what_goes_wrong_takes_no_other_figure_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts after one that cannot be measured are measured; that one is named."""

    async def fails() -> list[Figure]:
        raise RigError("the call was lost")

    async def works() -> list[Figure]:
        return [Figure(name="good", value=1.0, unit="ms", context="")]

    parts = (
        command.LonePart(names=("bad", "worse"), measure=fails),
        command.LonePart(names=("good",), measure=works),
    )
    monkeypatch.setattr(command, "ALONE", parts)
    figures, missed = await command.run({"bad", "good"})
    assert [figure.name for figure in figures] == ["good"]
    assert missed == ["bad", "worse"]
