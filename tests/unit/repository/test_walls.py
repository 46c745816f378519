"""The walls of the house stand, and each would be heard if it fell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="the linters belong to the newest environment")

ROOT = Path(__file__).resolve().parents[3]
TELEPHONY = "custom_components/hikari_denwa/telephony"

BREACHES = {
    "telephony-alone": (f"{TELEPHONY}/calls.py", "import homeassistant.core"),
    "doors-of-telephony": (
        "custom_components/hikari_denwa/line.py",
        "from .telephony.engine import native",
    ),
    "floors-of-telephony": (f"{TELEPHONY}/engine/sip/uri.py", "from .... import numbers"),
    "back-ends-apart": (f"{TELEPHONY}/engine/pjsua2/__init__.py", "from .. import native"),
    "gateway-apart": (
        "tests/home_gateway/message.py",
        "from custom_components.hikari_denwa.telephony import calls",
    ),
    "product-without-tests": (
        "custom_components/hikari_denwa/line.py",
        "from tests import home_gateway",
    ),
}


def lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts in a folder."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-logo", "--no-cache", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the sources in which walls may be broken."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("custom_components", "tests"):
        shutil.copytree(
            ROOT / part,
            tmp_path / part,
            ignore=lambda _, names: [name for name in names if not _is_source(name)],
        )
    return tmp_path


def _is_source(name: str) -> bool:
    """Tell folders and Python files from what importing does not need."""
    return name.endswith(".py") or ("." not in name and name != "__pycache__")


def test_every_wall_stands() -> None:
    """The checkout keeps all contracts."""
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wall_has_a_breach_below() -> None:
    """No contract goes without the proof that it can fail."""
    text = (ROOT / "pyproject.toml").read_text()
    assert set(BREACHES) == {
        line.partition('"')[2].rstrip('"') for line in text.splitlines() if line.startswith("id = ")
    }


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_heard(copy: Path, contract: str) -> None:
    """One import through a wall breaks its contract."""
    place, line = BREACHES[contract]
    path = copy / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    done = lint(copy, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
