"""Programs of others, run in the foreground for one test and ended by their process id."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pytest

# Debian keeps daemons where an ordinary user's PATH does not look.
_EXTRA_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_PACKAGES = {"baresip": "baresip-core", "sipp": "sip-tester", "ffprobe": "ffmpeg"}
_END_SECONDS = 5.0


class PeerError(Exception):
    """A peer did not do what the test needs of it; the message carries its last output."""


def program(name: str) -> str | None:
    """Return the path of an installed program, or None."""
    if found := shutil.which(name):
        return found
    for folder in _EXTRA_FOLDERS:
        if found := shutil.which(name, path=folder):
            return found
    return None


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test, saying how to change that, where one of these programs is missing."""
    missing = [name for name in names if program(name) is None]
    packages = " ".join(_PACKAGES.get(name, name) for name in missing)
    return pytest.mark.skipif(
        bool(missing),
        reason=f"{', '.join(missing)} not installed (Debian: apt-get install {packages})",
    )


def bracketed(address: str) -> str:
    """Return a literal as it stands in a SIP URI."""
    return f"[{address}]" if ":" in address else address


def free_port(address: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """Return a port that nothing uses at a loopback address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


class Peer:
    """A program in the foreground; its output is read line by line into ``lines``."""

    def __init__(self, name: str, arguments: Iterable[str], folder: Path) -> None:
        """Keep what is to run and where."""
        self.name = name
        self.arguments = list(arguments)
        self.folder = folder
        self.lines: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        """Start and wait until the program serves."""
        await self.start()
        try:
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the program."""
        await self.stop()

    async def start(self) -> None:
        """Start the program; it ends with the test process, however that ends."""
        command = [str(program(self.name)), *self.arguments]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", *command]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())

    async def ready(self) -> None:
        """Wait until the program serves; a program that needs no waiting keeps this."""

    async def stop(self) -> None:
        """End the program: SIGTERM, and SIGKILL if that is not heard."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        self._process = self._reader = None
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reader

    @property
    def is_running(self) -> bool:
        """Tell whether the program has not ended."""
        return self._process is not None and self._process.returncode is None

    async def exit_status(self, time_limit: float) -> int:
        """Wait for the program to end by itself; return its exit status."""
        if self._process is None or self._reader is None:
            raise PeerError(f"{self.name} is not running")
        try:
            async with asyncio.timeout(time_limit):
                status = await self._process.wait()
                await asyncio.shield(self._reader)
        except TimeoutError as error:
            raise PeerError(f"{self.name} does not end:\n{self.tail()}") from error
        return status

    async def line(self, *words: str, after: int = 0, time_limit: float = 5.0) -> str:
        """Wait for an output line that holds all these words, from line ``after`` on."""
        try:
            async with asyncio.timeout(time_limit), self._news:
                while True:
                    for line in self.lines[after:]:
                        if all(word in line for word in words):
                            return line
                    await self._news.wait()
        except TimeoutError as error:
            raise PeerError(f"{self.name} never said {words}:\n{self.tail()}") from error

    def tail(self) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.lines[-40:])

    async def _read(self) -> None:
        """Collect the output until the program closes it."""
        if self._process is None or self._process.stdout is None:
            return
        async for raw in self._process.stdout:
            async with self._news:
                self.lines.append(raw.decode("utf-8", "replace").rstrip())
                self._news.notify_all()
