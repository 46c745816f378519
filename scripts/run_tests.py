"""Run the test suites in the environment of a Home Assistant version.

Runs on any Python from 3.11 with the standard library and pip alone:

    scripts/test [unit|integration|conformance|fuzz|soak|peers|players|install|browser …]
                 [--home-assistant minimum|newest] [--backend native|pjsua2] [--coverage]
                 [-- arguments for pytest]

All suites run unless some are named. Ends with the sum of all suites, and with a
status other than 0 if a test failed, a suite is empty, or a suite could not run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from scripts import coverage_limits, environment

ROOT = environment.ROOT
SUITES = (
    "unit",
    "integration",
    "conformance",
    "fuzz",
    "soak",
    "peers",
    "players",
    "install",
    "browser",
)
# Programs of others that suites need, and the Debian packages that bring them.
PROGRAMS = {
    "unit": {"ffmpeg": "ffmpeg"},
    "integration": {"ffmpeg": "ffmpeg"},
    "peers": {
        "kamailio": "kamailio",
        "baresip": "baresip",
        "sipp": "sip-tester",
        "tayga": "tayga",
        "ip": "iproute2",
        "unshare": "util-linux",
    },
    "players": {
        "ffmpeg": "ffmpeg",
        "mpv": "mpv",
        "sox": "sox",
        "wget": "wget",
        "chromium": "chromium",
        "mpd": "mpd",
        # It plays by GStreamer, whose readers of HTTP and MP3 come by themselves.
        "gmediarender": "gmediarender gstreamer1.0-plugins-base gstreamer1.0-plugins-good",
    },
    "browser": {"chromium": "chromium fonts-ipafont-gothic"},
}
# Suites that are run without their programs as well; the tests that want these are skipped.
PARTLY = frozenset({"unit", "integration"})
PYTEST_NO_TESTS = 5
PJSUA2_MISSING = "HIKARI_PJSUA2_MISSING"
# Suites that wait more than they compute, and how many of their tests run at a time.
AT_ONCE = {"unit": 3, "conformance": 4, "install": 2, "browser": 2}
POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass
class Tally:
    """What happened to the tests of all suites."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("passed", "failed", "errors", "skipped"), 0)
    )
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, report: Path) -> None:
        """Add the figures of a suite from its JUnit report."""
        for suite in ET.parse(report).getroot().iter("testsuite"):
            figure = {
                name: int(suite.get(name, "0"))
                for name in ("tests", "failures", "errors", "skipped")
            }
            self.counts["failed"] += figure["failures"]
            self.counts["errors"] += figure["errors"]
            self.counts["skipped"] += figure["skipped"]
            self.counts["passed"] += figure["tests"] - sum(
                figure[name] for name in ("failures", "errors", "skipped")
            )

    def sentence(self) -> str:
        """Return the sum in one line."""
        shown = [f"{self.counts['passed']} passed", f"{self.counts['failed']} failed"]
        shown += [f"{self.counts[name]} {name}" for name in ("errors", "skipped")
                  if self.counts[name]]  # fmt: skip
        return ", ".join(shown)


def missing_programs(suite: str) -> list[str]:
    """Return the programs of others that a suite needs and this machine does not have."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])
    programs = PROGRAMS.get(suite, {})
    return [program for program in programs if not shutil.which(program, path=path)]


@contextlib.contextmanager
def no_service_started() -> Iterator[None]:
    """Keep Debian from starting what is installed meanwhile: the tests start their own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def provide_programs(suite: str) -> str | None:
    """Install the Debian packages that a suite needs; returns why that cannot be, or None."""
    if not (missing := missing_programs(suite)):
        return None
    packages = " ".join(PROGRAMS[suite][program] for program in missing).split()
    wanted = f"it needs {', '.join(missing)} (apt-get install {' '.join(packages)})"
    if not shutil.which("apt-get"):
        return f"{wanted}, and this machine has no apt-get"
    if os.geteuid() != 0:
        return f"{wanted}, and only root can install them"
    try:
        with no_service_started():
            environment.install_packages(*packages)
    except environment.SetupError as error:
        return f"{wanted}, and they cannot be installed here: {error}"
    if missing := missing_programs(suite):
        return f"{wanted}, and the packages did not bring them"
    return None


def provide_pjsua2(home_assistant: str) -> None:
    """Have a pjsua2 for the suites that show it, or let them say why there is none."""
    if home_assistant != "newest":
        # No line of the second back end depends on Home Assistant.
        os.environ[PJSUA2_MISSING] = "it is examined beside the newest Home Assistant alone"
        return
    try:
        environment.environment("pjsua2")
    except environment.SetupError as error:
        os.environ[PJSUA2_MISSING] = str(error).splitlines()[0]


def run_suite(suite: str, python: Path, arguments: list[str], tally: Tally) -> None:
    """Run one suite and add what came out of it."""
    folder = ROOT / "tests" / suite
    if not any(folder.rglob("test_*.py")):
        tally.problems.append(f"tests/{suite} has no tests.")
        return
    if suite in AT_ONCE and not any(word.startswith(("-n", "--pdb")) for word in arguments):
        arguments = ["-n", str(AT_ONCE[suite]), *arguments]
    print(f"\n── {suite} ──", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        done = subprocess.run(
            [python, "-m", "pytest", folder.relative_to(ROOT), f"--junitxml={report}", *arguments],
            cwd=ROOT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if report.exists():
            tally.add(report)
    if done.returncode == PYTEST_NO_TESTS:
        tally.problems.append(f"No test of tests/{suite} was run: {' '.join(arguments)}.")
    elif done.returncode:
        tally.problems.append(f"The suite “{suite}” failed (pytest ended with {done.returncode}).")


def provided(suites: list[str], tally: Tally) -> list[str]:
    """Have the programs that suites need; returns those that can run, and notes the others."""
    able = []
    for suite in suites:
        reason = provide_programs(suite)
        if reason:
            what = "a part of the suite" if suite in PARTLY else "the suite"
            tally.notes.append(f"Skipped {what} “{suite}”: {reason}.")
        if not reason or suite in PARTLY:
            able.append(suite)
    return able


def is_judged(options: argparse.Namespace, suites: list[str], extra: list[str]) -> bool:
    """Tell whether all ran that the limits of the coverage are for."""
    return (
        coverage_limits.SUITES.issubset(suites)
        and not extra
        and (options.home_assistant, options.backend) == ("newest", "native")
        and not any(map(missing_programs, coverage_limits.SUITES))
    )


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what follows ``--`` is pytest's."""
    ours, extra = words, []
    if "--" in words:
        cut = words.index("--")
        ours, extra = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(prog="scripts/test", description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"of {', '.join(SUITES)}")
    parser.add_argument(
        "--home-assistant",
        choices=("minimum", "newest"),
        default="newest",
        help="the version that the tests run with (default: newest)",
    )
    parser.add_argument(
        "--backend",
        choices=("native", "pjsua2"),
        default="native",
        help="what runs the engine in the integration's tests; pjsua2 is that of the Python which"
        " HIKARI_PJSUA2_PYTHON names (default: native)",
    )
    parser.add_argument("--coverage", action="store_true", help="measure and show the coverage")
    options = parser.parse_args(ours)
    if unknown := [suite for suite in options.suites if suite not in SUITES]:
        parser.error(f"no such suite: {', '.join(unknown)} (choose from {', '.join(SUITES)})")
    return options, extra


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    options, extra = parse(sys.argv[1:])
    began = time.monotonic()
    tally = Tally()
    try:
        python = environment.environment(options.home_assistant)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    suites = provided(options.suites or list(SUITES), tally)
    if not {"conformance", "browser"}.isdisjoint(suites):
        provide_pjsua2(options.home_assistant)
    arguments = ["-p", "no:cacheprovider", "--backend", options.backend, *extra]
    if options.coverage:
        coverage_limits.forget()
    for suite in suites:
        measured = (
            coverage_limits.ARGUMENTS
            if options.coverage and suite in coverage_limits.SUITES
            else ()
        )
        run_suite(suite, python, [*measured, *arguments], tally)
    if options.coverage:
        report = coverage_limits.show(python)
        if is_judged(options, suites, extra):
            tally.problems += coverage_limits.shortfalls(
                report, pjsua2=PJSUA2_MISSING not in os.environ
            )
    print()
    for sentence in (*tally.notes, *tally.problems):
        print(sentence)
    version = environment.run(
        python, "-c", "from importlib.metadata import version; print(version('homeassistant'))"
    ).strip()
    print(
        f"Home Assistant {version}, "
        f"{', '.join(suites)}: {tally.sentence()} in {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return 1 if tally.problems or tally.counts["failed"] or tally.counts["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
