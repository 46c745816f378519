"""What thousands of calls leave behind in the engine."""

from scripts.benchmarks.figures import Figure, rounded
from scripts.benchmarks.rig import RigError
from tests.soak.calls import soak

CALLS = 5000
# What the engine keeps of a call for 32 s is in balance then, and what waits to be collected.
WARM_UP = 2500


async def measure() -> list[Figure]:
    """Make calls of all kinds on five lines, one after the other on each."""
    outcome = await soak(CALLS, warm_up=WARM_UP)
    if outcome.faults:
        raise RigError(f"{len(outcome.faults)} calls went wrong, the first: {outcome.faults[0]}")
    kept = outcome.after.descriptors - outcome.before.descriptors
    return [
        Figure(
            name="soak_calls_rss_growth_mib",
            value=rounded(outcome.growth / 2**20),
            unit="MiB",
            context=(
                f"{CALLS} calls after {WARM_UP} to warm up, {outcome.calls / outcome.seconds:.0f} "
                f"a second; {outcome.after.resident / 2**20:.0f} MiB at the end, "
                f"{kept.total()} descriptors more, {len(outcome.violations)} breaches seen"
            ),
        )
    ]
