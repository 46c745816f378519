"""Start the engine as a child process, read its log, and end it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from ..errors import EngineStartError
from .log_lines import RecordReader
from .surroundings import environment_of

_LOGGER = logging.getLogger(__name__)
_ENGINE_LOGGER = logging.getLogger(__name__.rpartition(".")[0])
_LONGEST_SOCKET_PATH = 100
_LOOSE_LINES_SECONDS = 0.5
_TERMINATE_SECONDS = 3.0
_KILL_SECONDS = 2.0
_SOCKET_NAME = "engine"
READY = "ready"
FOLDER_PREFIX = "hikari-"
_SCRIPT = Path(__file__).with_name("__main__.py")


class RunningEngine(Protocol):
    """An engine that listens: how to reach it, and how to be rid of it."""

    pid: int | None
    url: str
    token: str | None
    session: aiohttp.ClientSession

    def kill(self) -> None:
        """End it at once."""

    async def close(self) -> None:
        """End it, in good order if it can, and leave nothing of it."""


class Launcher(Protocol):
    """Whatever brings an engine up."""

    async def launch(self) -> RunningEngine:
        """Bring an engine up; raises EngineStartError, and leaves nothing then."""


@dataclass(frozen=True, kw_only=True)
class ChildLauncher:
    """Starts the engine with an interpreter; the one that we run in finds what we find."""

    backend: str = "native"
    interpreter: str = sys.executable
    script: Path = _SCRIPT

    async def launch(self) -> RunningEngine:
        """Start a child in a private folder and wait until it listens."""
        loop = asyncio.get_running_loop()
        folder = await loop.run_in_executor(None, _make_folder)
        child = _Child(folder)
        try:
            await child.start(self._arguments(folder))
        except BaseException:
            await child.close()
            raise
        return child

    def _arguments(self, folder: Path) -> list[str]:
        """Return the command line; nothing in it is secret."""
        return [
            self.interpreter,
            "-P",
            str(self.script),
            "--socket",
            str(folder / _SOCKET_NAME),
            "--backend",
            self.backend,
            "--log-level",
            _level_name(),
        ]


class _Child:
    """One engine process, its folder, and the task that reads its log."""

    def __init__(self, folder: Path) -> None:
        """Take the folder over."""
        self.pid: int | None = None
        self.url = "http://engine/"
        self.token: str | None = None
        self._folder = folder
        self.session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(folder / _SOCKET_NAME))
        )
        self._process: Process | None = None
        self._reader = RecordReader(_log)
        self._reading: asyncio.Task[None] | None = None

    async def start(self, arguments: Sequence[str]) -> None:
        """Start the process and wait until it says that it listens."""
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=environment_of(arguments[0]),
                start_new_session=True,
            )
        except OSError as error:
            raise EngineStartError(detail=str(error)) from error
        self._process = process
        self.pid = process.pid
        self._reading = asyncio.create_task(self._read_log(process), name="engine log")
        if process.stdout is None:
            raise EngineStartError(detail="no standard output")
        ready = await process.stdout.readline()
        if not ready.startswith(READY.encode()):
            await asyncio.wait({self._reading}, timeout=1.0)
            raise EngineStartError(detail=self._reader.last_error or "it ended at once")

    def kill(self) -> None:
        """End the process at once."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the process: by the end of its input and a SIGTERM, then by SIGKILL."""
        await self.session.close()
        if self._process:
            await self._end(self._process)
        if self._reading:
            await asyncio.wait({self._reading}, timeout=1.0)
            self._reading.cancel()
            await asyncio.wait({self._reading})
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, _remove_folder, self._folder)

    async def _end(self, process: Process) -> None:
        """Wait for the end of the process, and bring it about."""
        if process.stdin:
            process.stdin.close()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TERMINATE_SECONDS):
                await process.wait()
                return
        _LOGGER.warning("The engine does not end by itself")
        self.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILL_SECONDS):
                await process.wait()

    async def _read_log(self, process: Process) -> None:
        """Turn what the engine writes into log records until it ends."""
        stream = process.stderr
        while stream:
            try:
                async with asyncio.timeout(_LOOSE_LINES_SECONDS if self._reader.pending else None):
                    data = await stream.read(65_536)
            except TimeoutError:
                self._reader.flush()
                continue
            if not data:
                break
            self._reader.feed(data)
        self._reader.close()


def _level_name() -> str:
    """Return the name of the level at which our logger takes records, rounded down."""
    wanted = _ENGINE_LOGGER.getEffectiveLevel()
    levels = logging.getLevelNamesMapping()
    return max((name for name in levels if levels[name] <= wanted), key=levels.__getitem__)


def _log(level: int, text: str) -> None:
    """Log what the engine said."""
    _ENGINE_LOGGER.log(level, "%s", text)


def _make_folder() -> Path:
    """Make a private folder whose path leaves room for a local socket's name."""
    places = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - mkdtemp is safe there
    problem = "no folder for temporary files"
    for place in dict.fromkeys(places):
        try:
            folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=place))
        except OSError as error:
            problem = str(error)
            continue
        if len(os.fsencode(folder / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return folder
        folder.rmdir()
        problem = f"the path {place} is too long"
    raise EngineStartError(detail=problem)


def _remove_folder(folder: Path) -> None:
    """Remove the folder of an engine."""
    shutil.rmtree(folder, ignore_errors=True)
