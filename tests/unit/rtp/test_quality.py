"""The E-model: known points of ITU-T G.107 and G.109, and what makes a call worse."""

import pytest

from custom_components.hikari_denwa.telephony.audio.opinion import mean_opinion, r_factor
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutStatistics
from custom_components.hikari_denwa.telephony.engine.native.rtp.quality import quality_of
from custom_components.hikari_denwa.telephony.engine.native.rtp.reports import ReportStatistics
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import RtpStatistics


@pytest.mark.parametrize(
    ("delay_ms", "rating"),
    [(0, 93), (50, 92), (100, 91), (150, 90), (200, 87), (250, 80), (300, 74), (400, 63)],
)
def test_delay(delay_ms: float, rating: float) -> None:
    """R falls with the delay as in figure 1 of ITU-T G.109 (echo at default loudness)."""
    assert r_factor(one_way_delay_ms=delay_ms, loss_pct=0) == pytest.approx(rating, abs=0.6)


@pytest.mark.parametrize(("loss_pct", "impairment"), [(1, 3.64), (5, 15.78), (25.1, 47.5)])
def test_loss(loss_pct: float, impairment: float) -> None:
    """Ie,eff = 95 * Ppl / (Ppl + 25.1) for random loss."""
    rating = r_factor(one_way_delay_ms=0, loss_pct=loss_pct)
    assert rating == pytest.approx(93.2 - impairment, abs=0.1)


def test_bursts_are_worse() -> None:
    """The same loss in bursts is rated lower."""
    random = r_factor(one_way_delay_ms=50, loss_pct=5)
    assert r_factor(one_way_delay_ms=50, loss_pct=5, burst_ratio=3) < random - 1


@pytest.mark.parametrize(
    ("rating", "score"), [(-5, 1.0), (0, 1.0), (50, 2.58), (80, 4.02), (93.2, 4.41), (100, 4.5)]
)
def test_mean_opinion(rating: float, score: float) -> None:
    """Annex B of ITU-T G.107, table B.1."""
    assert mean_opinion(rating) == pytest.approx(score, abs=0.01)


def _quality(**playout: float) -> tuple[float, float]:
    """Return the concealed share and the score of a session."""
    quality = quality_of(
        RtpStatistics(
            sent=10,
            unsent=0,
            passed_over=0,
            play_dropped=0,
            refused=0,
            latched=None,
            last_received=None,
            playout=PlayoutStatistics(**playout),  # type: ignore[arg-type]
            reports=ReportStatistics(round_trip=0.02),
        )
    )
    assert quality.round_trip_ms == 20.0
    return quality.concealed_pct, quality.mos


def test_session() -> None:
    """A whole call is excellent, one with 5 % made up fair, one that was never heard is neither."""
    concealed, score = _quality(played=1000, delay_ms=40)
    assert (concealed, round(score, 1)) == (0.0, 4.4)
    concealed, score = _quality(played=950, concealed=50, gaps=47, delay_ms=40)
    assert concealed == 5.0
    assert 3.7 < score < 4.0
    assert _quality()[0] == 0.0
