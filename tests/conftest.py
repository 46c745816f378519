"""What every suite shares."""

import pytest
from hypothesis import settings

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
