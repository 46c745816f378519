"""The engine runs with the Python of a pjsua2, which may be as old as 3.11."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="the linters belong to the newest environment")

TELEPHONY = Path(__file__).resolve().parents[3] / "custom_components/hikari_denwa/telephony"


@pytest.mark.timeout(300)
def test_telephony_asks_nothing_of_a_newer_python(tmp_path: Path) -> None:
    """Syntax and standard library are those of 3.11, or what is newer is not relied on."""
    shutil.copytree(TELEPHONY, tmp_path / "telephony", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--config-file=",
            "--python-version=3.11",
            f"--cache-dir={tmp_path / 'cache'}",
            "--package=telephony",
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
