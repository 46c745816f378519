"""The child process itself: where it lives, and how it is got rid of."""

import asyncio
import dataclasses
import logging
import os
import sys
import tempfile
from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.engine import child as child_module
from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.surroundings import environment_of
from custom_components.hikari_denwa.telephony.errors import EngineStartError

pytestmark = pytest.mark.usefixtures("loopback")

DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready nowhere\\n")
time.sleep(1000)
"""


async def test_deaf_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What neither listens nor ends by SIGTERM is ended by SIGKILL, and its folder goes."""
    monkeypatch.setattr(child_module, "_TERMINATE_SECONDS", 0.2)
    script = tmp_path / "deaf.py"
    script.write_text(DEAF)
    engine = await ChildLauncher(script=script).launch()
    await engine.close()
    assert engine.pid
    with pytest.raises(ProcessLookupError):
        os.kill(engine.pid, 0)
    with pytest.raises(EngineStartError):
        await EngineClient(ChildLauncher(script=script)).start()


async def test_start_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that says nothing is given up, with nothing left."""
    monkeypatch.setattr("custom_components.hikari_denwa.telephony.engine.client._START_SECONDS", 1)
    script = tmp_path / "mute.py"
    script.write_text("import time; time.sleep(1000)")
    before = asyncio.all_tasks()
    with pytest.raises(EngineStartError, match="in time"):
        await EngineClient(ChildLauncher(script=script)).start()
    assert asyncio.all_tasks() == before


def test_folder_leaves_room_for_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder with a long path, or none at all, is passed over for another."""
    long = tmp_path / ("x" * 90)
    long.mkdir()
    for place in (long, tmp_path / "missing"):
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        folder = child_module._make_folder()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(str(folder)) < 90
        folder.rmdir()
    assert list(long.iterdir()) == []
    monkeypatch.setattr(child_module, "_LONGEST_SOCKET_PATH", 3)
    with pytest.raises(EngineStartError, match="too long"):
        child_module._make_folder()


def test_child_finds_our_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets our own path, whichever way the packages came onto it."""
    monkeypatch.setattr(sys, "path", ["", "/config/deps", "/some/lib.zip", "/some/lib.zip"])
    path = environment_of(sys.executable)["PYTHONPATH"]
    assert path.split(os.pathsep) == [str(Path.cwd()), "/config/deps", "/some/lib.zip"]


def test_child_of_another_interpreter_finds_its_own_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ours may be made for another version of Python."""
    monkeypatch.setenv("PYTHONPATH", "/ours")
    assert "PYTHONPATH" not in environment_of("/usr/bin/python3.12")


@pytest.mark.parametrize(
    ("level", "name"), [(logging.DEBUG, "DEBUG"), (15, "DEBUG"), (30, "WARNING"), (99, "CRITICAL")]
)
def test_child_logs_at_our_level(level: int, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The level is a name that the engine knows, whatever number was set."""
    caplog.set_level(level, child_module._ENGINE_LOGGER.name)
    arguments = dataclasses.replace(ChildLauncher(), backend="native")._arguments(Path("/x"))
    chosen = logging.getLevelNamesMapping()[arguments[-1]]
    assert chosen == logging.getLevelNamesMapping()[name]
