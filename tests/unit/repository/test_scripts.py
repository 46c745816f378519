"""The scripts say what they do, and fail when they should."""

import array
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import coverage_limits, environment, run_tests
from scripts.demonstration.report import Outcome, Report, SceneEndedError
from scripts.demonstration.sound import Heard
from scripts.home_assistant import HomeAssistantError, _fill_in

ROOT = Path(__file__).resolve().parents[3]
REPORT = """<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3"/></testsuites>"""


def test_help_of_the_tests() -> None:
    """A person can ask for help before anything is installed."""
    done = subprocess.run([ROOT / "scripts" / "test", "--help"], check=True, capture_output=True)
    assert b"--home-assistant" in done.stdout


def test_unknown_suite_is_an_error() -> None:
    """A suite that is misspelt must not look like one that passed."""
    done = subprocess.run(
        [ROOT / "scripts" / "test", "unti"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "unti" in done.stderr


def test_arguments_of_pytest_stand_apart() -> None:
    """What follows the two hyphens is not ours."""
    options, extra = run_tests.parse(["unit", "--coverage", "--", "-k", "digest"])
    assert (options.suites, options.coverage, extra) == (["unit"], True, ["-k", "digest"])


def test_tally_adds_reports(tmp_path: Path) -> None:
    """Passed is what neither failed, nor had an error, nor was skipped."""
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    tally = run_tests.Tally()
    tally.add(report)
    tally.add(report)
    assert tally.sentence() == "8 passed, 4 failed, 2 errors, 6 skipped"


def copy_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder look like the checkout, with a suite that is still empty."""
    monkeypatch.setattr(run_tests, "ROOT", folder)
    monkeypatch.setattr(run_tests, "AT_ONCE", {})
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (folder / "tests" / "unit").mkdir(parents=True)


def test_suite_without_tests_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without tests, and a selection of none, are told in a sentence."""
    copy_project(tmp_path, monkeypatch)
    tally = run_tests.Tally()
    run_tests.run_suite("unit", Path(sys.executable), [], tally)
    assert tally.problems == ["tests/unit has no tests."]
    (tmp_path / "tests" / "unit" / "test_one.py").write_text("def test_one() -> None: ...\n")
    run_tests.run_suite("unit", Path(sys.executable), ["-k", "two"], tally)
    assert tally.problems[1:] == ["No test of tests/unit was run: -k two."]


def test_suite_that_fails_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed test reaches the sum and the status."""
    copy_project(tmp_path, monkeypatch)
    (tmp_path / "tests" / "unit" / "test_one.py").write_text(
        "def test_one() -> None:\n    assert False\n\n\ndef test_two() -> None: ...\n"
    )
    tally = run_tests.Tally()
    run_tests.run_suite("unit", Path(sys.executable), [], tally)
    assert tally.sentence() == "1 passed, 1 failed"
    assert len(tally.problems) == 1


@pytest.mark.parametrize(
    ("tools", "user", "reason"),
    [
        ({"kamailio", "baresip", "sipp", "tayga", "ip", "unshare"}, 1000, None),
        ({"baresip", "apt-get"}, 1000, "only root can install them"),
        ({"baresip"}, 0, "this machine has no apt-get"),
    ],
)
def test_peers_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, tools: set[str], user: int, reason: str | None
) -> None:
    """Nothing is installed where that may not be, and the sentence names what is missing."""
    monkeypatch.setattr(
        "shutil.which", lambda name, **_: f"/usr/bin/{name}" if name in tools else None
    )
    monkeypatch.setattr("os.geteuid", lambda: user)
    said = run_tests.provide_programs("peers")
    if reason is None:
        assert said is None
    else:
        assert said is not None
        assert reason in said
        assert "apt-get install kamailio sip-tester" in said


def test_every_suite_of_programs_is_a_suite() -> None:
    """What installs programs is run, and the players are skipped with a reason as well."""
    assert run_tests.PROGRAMS.keys() <= set(run_tests.SUITES)
    assert all(package.strip() for each in run_tests.PROGRAMS.values() for package in each.values())


def test_packages_start_no_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's switch is there while packages are installed, and gone afterwards."""
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(run_tests, "POLICY", policy)
    with run_tests.no_service_started():
        assert subprocess.run([policy], check=False).returncode == 101
    assert not policy.exists()


def test_services_rule_of_the_machine_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that was there before is neither used up nor changed."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("own")
    monkeypatch.setattr(run_tests, "POLICY", policy)
    with run_tests.no_service_started():
        assert policy.read_text() == "own"
    assert policy.read_text() == "own"


def test_environments_are_those_of_the_project() -> None:
    """Groups are put together from the groups that they include."""
    newest = environment.requirements("newest")
    assert "homeassistant==2026.11.0" in newest
    assert any(line.startswith("ruff==") for line in newest)
    assert not any(line.startswith("ruff==") for line in environment.requirements("minimum"))
    with pytest.raises(environment.SetupError, match="no dependency group"):
        environment.environment("oldest")


async def test_report_tells_a_failure_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A step that fails ends its scene, is counted, and keeps its reason."""
    report = Report()
    async with report.step("One") as step:
        step.measured(2.04, "ms", "INVITE to event")
        step.saw("公衆電話")
    with pytest.raises(SceneEndedError):
        async with report.step("Two") as step:
            step.check(condition=False, otherwise="it was not so")
    assert report.failed
    assert [step.outcome for step in report.steps] == [Outcome.PASSED, Outcome.FAILED]
    assert "INVITE to event 2.0 ms" in report.table()
    assert "it was not so" in capsys.readouterr().out
    assert report.table().splitlines()[-1].startswith("1 passed, 1 failed, 0 skipped in ")


@pytest.mark.parametrize(("frequency", "share"), [(440.0, 1.0), (1000.0, 0.0)])
def test_a_tone_is_told_from_another(frequency: float, share: float) -> None:
    """All of the power is in the tone that is there, none in the one that is not."""
    samples = array.array(
        "h", (int(8000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(8000))
    )
    heard = Heard(content_type="audio/wav", rate=8000, first_byte_s=0.0, samples=samples)
    assert heard.share_of(frequency) == pytest.approx(share, abs=0.01)


def test_silence_holds_no_tone() -> None:
    """Nothing is divided by nothing."""
    heard = Heard(
        content_type="audio/wav", rate=8000, first_byte_s=0.0, samples=array.array("h", bytes(1600))
    )
    assert heard.share_of(440.0) == 0.0


def test_forms_are_filled_in_by_name() -> None:
    """Sections hold fields, too; what has a default may be left out; what is asked for may not."""
    schema: list[dict[str, Any]] = [
        {"name": "gateway", "required": True},
        {"name": "family", "required": True, "default": "automatic"},
        {"name": "advanced", "type": "expandable", "schema": [{"name": "port", "required": True}]},
    ]
    answers = {"gateway": "::1", "port": 5060, "other": 1}
    assert _fill_in(schema, answers) == {"gateway": "::1", "advanced": {"port": 5060}}
    with pytest.raises(HomeAssistantError, match="port"):
        _fill_in(schema, {"gateway": "::1"})


def coverage_report(**least: int) -> dict[str, Any]:
    """Return what coverage.py says of an integration of which all was run but some lines."""
    files = dict.fromkeys((*coverage_limits.FLOWS, "line.py"), 100) | least
    return {
        "files": {
            f"custom_components/hikari_denwa/{name}": {
                "summary": {
                    "covered_lines": run,
                    "covered_branches": 0,
                    "num_statements": 100,
                    "num_branches": 0,
                }
            }
            for name, run in files.items()
        }
    }


def test_coverage_has_limits() -> None:
    """One branch of a dialog is missed, and so is a small part of the whole."""
    assert coverage_limits.shortfalls(coverage_report(), pjsua2=True) == []
    report = coverage_report(**{"repairs.py": 99})
    report["files"]["custom_components/hikari_denwa/repairs.py"]["summary"] |= {
        "covered_lines": 100,
        "covered_branches": 9,
        "num_branches": 10,
    }
    assert coverage_limits.shortfalls(report, pjsua2=True) == [
        "repairs.py answers people, and its coverage is 99.1 % instead of 100 %."
    ]
    (told,) = coverage_limits.shortfalls(coverage_report(**{"line.py": 66}), pjsua2=True)
    assert told == "The coverage of the whole is 96.91 %; 97 % is the least."
    assert coverage_limits.shortfalls(coverage_report(**{"line.py": 67}), pjsua2=True) == []
    assert len(coverage_limits.shortfalls({}, pjsua2=True)) == len(coverage_limits.FLOWS) + 1


def test_coverage_counts_pjsua2_where_there_is_one() -> None:
    """What cannot run here is not missed."""
    report = coverage_report(**{"telephony/engine/pjsua2/call.py": 0})
    assert coverage_limits.shortfalls(report, pjsua2=False) == []
    assert len(coverage_limits.shortfalls(report, pjsua2=True)) == 1


def test_flows_of_the_limits_are_files() -> None:
    """A file that gets another name takes its limit with it."""
    folder = ROOT / "custom_components" / "hikari_denwa"
    assert all((folder / name).is_file() for name in coverage_limits.FLOWS)
    flows = {path.name for path in folder.glob("*_flow.py")}
    assert flows | {"repairs.py"} <= set(coverage_limits.FLOWS)
    assert set(run_tests.SUITES) > coverage_limits.SUITES


@pytest.mark.parametrize(
    ("words", "judged"),
    [
        ([], True),
        (["unit", "integration", "conformance"], True),
        (["unit", "integration"], False),
        (["--", "-k", "digest"], False),
        (["--home-assistant", "minimum"], False),
        (["--backend", "pjsua2"], False),
    ],
)
def test_coverage_is_judged_after_all_suites(
    monkeypatch: pytest.MonkeyPatch, words: list[str], *, judged: bool
) -> None:
    """A part of the tests runs a part of the code, which is no fault."""
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/usr/bin/{name}")
    options, extra = run_tests.parse(words)
    suites = options.suites or list(run_tests.SUITES)
    assert run_tests.is_judged(options, suites, extra) is judged
    monkeypatch.setattr("shutil.which", lambda _name, **_: None)
    assert not run_tests.is_judged(options, suites, extra)


def test_suite_without_some_of_its_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The integration's tests are run without ffmpeg as well, the peers not without Kamailio."""
    monkeypatch.setattr("shutil.which", lambda _name, **_: None)
    tally = run_tests.Tally()
    assert run_tests.provided(["unit", "integration", "peers"], tally) == ["unit", "integration"]
    *parts, whole = tally.notes
    assert [part.split(" (")[0] for part in parts] == [
        f"Skipped a part of the suite “{suite}”: it needs ffmpeg"
        for suite in ("unit", "integration")
    ]
    assert whole.startswith("Skipped the suite “peers”: it needs kamailio, ")
