"""One engine process for many scenarios: most of them leave nothing behind in it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher, RunningEngine
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.surroundings import environment_of
from custom_components.hikari_denwa.telephony.errors import EngineStartError
from scripts.environment import interpreter_of
from tests.home_gateway.config import Family

from . import engine_with_names

NATIVE, PJSUA2 = "native", "pjsua2"
END_SECONDS = 10
CACHED_PJSUA2 = interpreter_of("pjsua2")


@dataclass(frozen=True)
class Subject:
    """A back end, the interpreter that runs it, and the families over which it is asked.

    ``both`` if it can move a line to the other family. ``missing`` says why there is no such
    interpreter here.
    """

    backend: str
    families: tuple[Family, ...]
    both: bool = True
    interpreter: str = sys.executable
    missing: str | None = None

    def launcher(self) -> ChildLauncher:
        """Return what starts an engine that knows the name with both families."""
        return ChildLauncher(
            backend=self.backend,
            interpreter=self.interpreter,
            script=Path(engine_with_names.__file__),
        )


def subjects() -> list[Subject]:
    """Return what is examined: native, and pjsua2 where there is one.

    ``HIKARI_PJSUA2_PYTHON`` names an interpreter whose pjsua2 has IPv6; that of PyPI has not.
    """
    named = os.environ.get("HIKARI_PJSUA2_PYTHON")
    reason = os.environ.get("HIKARI_PJSUA2_MISSING")
    cached = CACHED_PJSUA2.exists() and not reason
    return [
        Subject(NATIVE, (Family.V6, Family.V4)),
        Subject(
            PJSUA2,
            (Family.V6,),
            interpreter=named or "",
            missing=None if named else "HIKARI_PJSUA2_PYTHON names no pjsua2 that has IPv6",
        ),
        Subject(
            PJSUA2,
            (Family.V4,),
            both=not cached,
            interpreter=str(CACHED_PJSUA2) if cached else named or "",
            missing=None
            if cached or named
            else f"no pjsua2 here: {reason or 'scripts/test conformance installs it'}",
        ),
    ]


@dataclass
class _Visit:
    """One client's use of an engine that stays."""

    pid: int | None
    session: aiohttp.ClientSession
    url: str = "http://engine/"
    token: str | None = None

    def kill(self) -> None:
        """Let the engine be: it is not this client's."""

    async def close(self) -> None:
        """Go; the engine removes what this client made."""
        await self.session.close()


@dataclass
class SharedEngine:
    """Brings clients to one engine of a back end, which is started when there is none.

    It ends by itself some seconds after its last client, and at once with this process.
    """

    launcher: ChildLauncher
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _socket: Path = Path()
    _started: int = 0

    async def launch(self) -> RunningEngine:
        """Bring an engine up, or use the one that is up; raises EngineStartError."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process
        session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)))
        return _Visit(self._process.pid, session)

    def stop(self) -> None:
        """End the engine, if it runs."""
        if process := self._process:
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.stdout.close()
            process.wait(END_SECONDS)
            self._process = None

    def _start(self) -> None:
        """Start a process; its log is kept in the folder."""
        self.stop()
        self._started += 1
        folder = self.folder / str(self._started)
        folder.mkdir(mode=0o700)
        arguments = self.launcher._arguments(folder)
        self._socket = Path(arguments[arguments.index("--socket") + 1])
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment_of(arguments[0]),
            )
        assert self._process.stdout
        if not self._process.stdout.readline().startswith(b"ready"):
            raise EngineStartError(detail=(folder / "log").read_text())


class Visitor(EngineClient):
    """A client that leaves the engine running when it goes."""

    async def close(self) -> None:
        """Take its lines away and go."""
        for line in tuple(self._lines):
            await self.remove_line(line)
        self._conversation = None
        await super().close()
