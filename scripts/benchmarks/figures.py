"""Numbers from samples."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

type Value = float | dict[str, "Value"] | None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value under its name; ``context`` tells a person how it came about."""

    name: str
    value: Value
    unit: str
    context: str


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share (0 to 1) of all do not exceed."""
    ordered = sorted(samples)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]


def middle_and_tail(samples: Sequence[float]) -> dict[str, Value]:
    """Return the median and the 99th percentile."""
    return {
        "p50": rounded(statistics.median(samples)),
        "p99": rounded(percentile(samples, 0.99)),
    }


def rounded(value: float) -> float:
    """Keep three decimals: more is noise."""
    return round(value, 3)


def spread(samples: Sequence[float]) -> str:
    """Return how many samples there are and how far they lie apart, for the table."""
    return f"{len(samples)} samples, {min(samples):.2f} … {max(samples):.2f}"
