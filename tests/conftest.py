"""What every suite shares."""

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from . import standstill

# Timing belongs in scripts/bench; a busy machine must not turn a test red.
settings.register_profile("default-without-deadline", deadline=None)
settings.load_profile("default-without-deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the real engine of a suite be chosen."""
    parser.addoption(
        "--backend",
        choices=("native", "pjsua2"),
        default="native",
        help="what runs the engine in tests with a real one; pjsua2 is that of the Python which"
        " HIKARI_PJSUA2_PYTHON names",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Play a test, and again where the machine stood still meanwhile."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in standstill.play(item, nextitem):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Name the tests that were played more than once."""
    for reports in tuple(terminalreporter.stats.values()):
        for report in reports:
            for name, times in getattr(report, "user_properties", ()):
                if name == standstill.PLAYED_AGAIN:
                    terminalreporter.write_line(
                        f"AGAIN {report.nodeid}: the machine stood still, {times} time(s)"
                    )
