"""What of the integration the tests have run: measured, shown, and held to its limits."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from scripts import environment

# Those that run all of the integration. The soak watches memory, which measuring takes, and the
# fuzzer watches the same lines by the same means, for which there is room for one.
SUITES = frozenset({"unit", "integration", "conformance"})
ARGUMENTS = ("--cov", "--cov-append", "--cov-report=")
LEAST = 97.0
# What ends with an answer to a person: no way through it is without a test.
FLOWS = (
    "config_flow.py",
    "contact_flow.py",
    "engine_flow.py",
    "engine_issue.py",
    "options_form.py",
    "path_cures.py",
    "problems.py",
    "repairs.py",
    "sound_options.py",
    "telephony/gateway_finder.py",
)
_INTEGRATION = "custom_components/hikari_denwa/"
_PJSUA2 = "telephony/engine/pjsua2/"
_RUN = ("covered_lines", "covered_branches")
_ALL = ("num_statements", "num_branches")


def forget() -> None:
    """Begin anew: what an earlier run measured is of other code."""
    for left in environment.ROOT.glob(".coverage*"):
        left.unlink()


def show(python: Path) -> dict[str, Any]:
    """Print what was measured, and return it as coverage.py reports it; {} if nothing was."""
    command: list[str | Path] = [python, "-m", "coverage"]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "coverage.json"
        # An engine that ended after its suite has left its own beside the rest.
        for quiet in (["combine", "--append"], ["json", "-o", path]):
            subprocess.run(
                [*command, *quiet], cwd=environment.ROOT, check=False, capture_output=True
            )
        report: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    subprocess.run([*command, "report", "--skip-covered"], cwd=environment.ROOT, check=False)
    return report


def shortfalls(report: dict[str, Any], *, pjsua2: bool) -> list[str]:
    """Return what has been run less than it must be, in sentences.

    Without a ``pjsua2`` its back end cannot run, and is left out of the whole.
    """
    files = {
        name.removeprefix(_INTEGRATION): [file["summary"]]
        for name, file in report.get("files", {}).items()
    }
    found = [
        f"{name} answers people, and its coverage is {percent:.1f} % instead of 100 %."
        for name in FLOWS
        if (percent := _percent(files.get(name, []))) < 100
    ]
    counted = [
        summary for name, (summary,) in files.items() if pjsua2 or not name.startswith(_PJSUA2)
    ]
    if (percent := _percent(counted)) < LEAST:
        found.append(f"The coverage of the whole is {percent:.2f} %; {LEAST:g} % is the least.")
    return found


def _percent(summaries: list[dict[str, int]]) -> float:
    """Return how much of the lines and branches of files was run, 0 if there are none."""
    run, everything = (
        sum(summary[name] for summary in summaries for name in names) for names in (_RUN, _ALL)
    )
    return 100 * run / everything if everything else 0.0
