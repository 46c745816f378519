"""What a trial told before it ended is judged, whatever it did not come to."""

import sys
from pathlib import Path
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.pjsua2 import probe
from custom_components.hikari_denwa.telephony.engine.pjsua2.probe import (
    Pjsua2Problem,
    probe_pjsua2,
    report_of,
)

PYTHON = {"python": [3, 12, 1]}
FOUND = {**PYTHON, "found": True}
WORKS = {**FOUND, "version": "2.15.1", "ipv4": True, "max_calls": 4}


@pytest.mark.parametrize(
    ("facts", "timely", "problem"),
    [
        ({}, True, Pjsua2Problem.INTERPRETER),
        ({}, False, Pjsua2Problem.SILENT),
        ({"python": [3, 9, 2]}, True, Pjsua2Problem.PYTHON_TOO_OLD),
        ({**PYTHON, "import_error": "no"}, True, Pjsua2Problem.NOT_INSTALLED),
        ({**FOUND, "missing": "aiohttp"}, True, Pjsua2Problem.AIOHTTP_MISSING),
        ({**FOUND, "missing": "audioop"}, True, Pjsua2Problem.AUDIOOP_MISSING),
        ({**FOUND, "version": "2.12"}, True, Pjsua2Problem.TOO_OLD),
        ({**WORKS, "version": "2.9"}, True, Pjsua2Problem.TOO_OLD),
        ({**FOUND, "version": "2.15.1"}, True, Pjsua2Problem.BROKEN),
        ({**FOUND, "version": "2.15.1"}, False, Pjsua2Problem.SILENT),
        ({**WORKS, "max_calls": 0}, True, Pjsua2Problem.BROKEN),
    ],
)
def test_problems(facts: dict[str, Any], problem: Pjsua2Problem, *, timely: bool) -> None:
    """Each thing that can be wrong is told apart, and such a pjsua2 serves nobody."""
    report = report_of(facts, timely=timely)
    assert report.problem is problem
    assert report.families == ()
    assert report.max_calls == 0
    assert report.found is ("found" in facts)


def test_abort_at_ipv6_leaves_ipv4() -> None:
    """Nothing after the calls means that it ended there."""
    report = report_of(WORKS)
    assert report.problem is None
    assert report.families == (Family.IPV4,)
    assert (report.version, report.max_calls) == ("2.15.1", 4)


@pytest.mark.parametrize("version", ["2.14", "2.17-dev", "2.100", "svn"])
def test_both_families(version: str) -> None:
    """IPv6 comes first, as everywhere; a version without numbers is taken."""
    report = report_of({**WORKS, "version": version, "ipv6": True})
    assert report.families == (Family.IPV6, Family.IPV4)


async def test_interpreter_without_pjsua2() -> None:
    """This Python is one."""
    report = await probe_pjsua2(sys.executable)
    assert report.problem is Pjsua2Problem.NOT_INSTALLED
    assert not report.found


async def test_no_interpreter_at_all(tmp_path: Path) -> None:
    """Neither a path to nothing nor to something else raises."""
    other = tmp_path / "python"
    other.write_text("no program")
    other.chmod(0o755)
    for path in (str(tmp_path / "none"), str(other), str(tmp_path), "nul\0l"):
        assert (await probe_pjsua2(path)).problem is Pjsua2Problem.INTERPRETER


async def test_trial_that_hangs_or_aborts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for within a bound, and what it told until then counts."""
    trial = tmp_path / "trial.py"
    monkeypatch.setattr(probe, "_TRIAL", trial)
    monkeypatch.setattr(probe, "_LONGEST_SECONDS", 3.0)
    told = f"import json, os, time; print('noise'); print(json.dumps({WORKS!r}), flush=True);"
    trial.write_text(f"{told} time.sleep(60)")
    assert (await probe_pjsua2(sys.executable)).families == (Family.IPV4,)
    trial.write_text(f"{told} os.abort()")
    assert (await probe_pjsua2(sys.executable)).families == (Family.IPV4,)
