"""The engine is started exactly as the app starts it, with a Supervisor on loopback."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from custom_components.hikari_denwa.telephony.engine import process
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.remote import RemoteLauncher
from tests.loopback import loopback

from .supervisor import TOKEN, FakeSupervisor

__all__ = ["loopback"]

ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "app"
START = APP / "rootfs/usr/lib/hikari-denwa/start.py"
PACKAGE = Path(process.__file__).parents[1]
CONFIG = yaml.safe_load((APP / "config.yaml").read_text())
PATIENCE = 30

pytestmark = pytest.mark.usefixtures("loopback")


def load() -> ModuleType:
    """Import the start script."""
    spec = importlib.util.spec_from_file_location("app_start", START)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["app_start"] = module
    spec.loader.exec_module(module)
    return module


start = load()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody has."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def started(
    data: Path, *words: str, **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the start script as the container does; ended by SIGTERM, in good order."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(START),
        "--data",
        str(data),
        "--package",
        str(PACKAGE),
        *words,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield running
        running.terminate()
        assert await asyncio.wait_for(running.wait(), PATIENCE) == 0
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def answering(launcher: RemoteLauncher) -> EngineClient:
    """Return a client of an engine that is just starting."""
    client = EngineClient(launcher)
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Exception):
                await client.start()
                return client
            await asyncio.sleep(0.1)


async def test_as_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is made, the Supervisor is told after a failure, and the engine serves with it."""
    (tmp_path / "options.json").write_text(json.dumps({**CONFIG["options"], "backend": "native"}))
    script = tmp_path / "start.py"
    port = free_port()
    script.write_text(START.read_text().replace(f"PORT = {start.PORT}", f"PORT = {port}"))
    monkeypatch.setattr(sys.modules[__name__], "START", script)
    async with FakeSupervisor(CONFIG["discovery"]) as supervisor:
        supervisor.failures = 1
        words = ("--supervisor", supervisor.url)
        async with started(tmp_path, *words, SUPERVISOR_TOKEN=TOKEN):
            async with asyncio.timeout(PATIENCE):
                while not supervisor.messages:
                    supervisor.changed.clear()
                    await supervisor.changed.wait()
            (told,) = supervisor.messages
            assert supervisor.refused == [503]
            assert set(told["config"]) == {"url", "token"}
            assert told["config"]["url"] == f"http://127.0.0.1:{port}"
            assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
            assert (tmp_path / "token").read_text().strip() == told["config"]["token"]
            client = await answering(RemoteLauncher(**told["config"]))
            assert client.welcome
            assert client.welcome.backend == "native"
            await client.close()
            check = await asyncio.create_subprocess_exec(
                sys.executable, str(script), "--data", str(tmp_path), *words, "--check",
                env={**os.environ, "SUPERVISOR_TOKEN": TOKEN},
            )  # fmt: skip
            assert await check.wait() == 0


async def test_as_a_container(tmp_path: Path) -> None:
    """The environment tells; nobody is told; the engine outlives its clients."""
    port = free_port("::1")
    environment = {
        "HIKARI_BACKEND": "native",
        "HIKARI_LISTEN": f"[::1]:{port}",
        "HIKARI_LOG_LEVEL": "warning",
        "SUPERVISOR_TOKEN": "",
    }
    async with started(tmp_path, **environment):
        async with asyncio.timeout(PATIENCE):
            while not (tmp_path / "token").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.05)
        token = (tmp_path / "token").read_text().strip()
        launcher = RemoteLauncher(url=f"http://[::1]:{port}", token=token)
        for _ in range(2):
            await (await answering(launcher)).close()
    check = await asyncio.create_subprocess_exec(
        sys.executable, str(START), "--data", str(tmp_path), "--check",
        env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert b"does not answer" in (await check.communicate())[1]
    assert check.returncode == 1


async def test_engine_that_ends_ends_the_container(tmp_path: Path) -> None:
    """Its status is that of the container, so that the watchdog sees it."""
    script = tmp_path / "package/engine/__main__.py"
    script.parent.mkdir(parents=True)
    script.write_text("import os; os.abort()")
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(START), "--data", str(tmp_path),
        "--package", str(tmp_path / "package"), env={**os.environ, "SUPERVISOR_TOKEN": ""},
    )  # fmt: skip
    assert await asyncio.wait_for(running.wait(), PATIENCE) == 128 + signal.SIGABRT


def test_command_line(tmp_path: Path) -> None:
    """It is one that the engine's own parser reads, and has no secret in it."""
    settings = start.Settings("native", "info", ("127.0.0.1:17060", "172.30.32.1:17060"))
    words = start.command(PACKAGE, settings, tmp_path / "token")
    assert words[:3] == [sys.executable, "-P", str(PACKAGE / "engine" / "__main__.py")]
    options = process._parser(process.BACKENDS).parse_args(words[3:])
    assert options.listen == [("127.0.0.1", 17060), ("172.30.32.1", 17060)]
    assert options.log_level == "INFO"
    for level in CONFIG["schema"]["log_level"].removeprefix("list(").removesuffix(")").split("|"):
        settings = start.Settings("native", level, ("127.0.0.1:1",))
        process._parser(process.BACKENDS).parse_args(
            start.command(PACKAGE, settings, tmp_path / "token")[3:]
        )
    for backend in CONFIG["schema"]["backend"].removeprefix("list(").removesuffix(")").split("|"):
        assert backend in process.BACKENDS
    tls = start.Settings("native", "info", ("127.0.0.1:1",), "/data/tls/chain", "/data/tls/key")
    assert "--key" in start.command(PACKAGE, tls, tmp_path / "token")


def test_discovery_message() -> None:
    """It is what the Supervisor's API takes: a service that the app declares, and a dictionary."""
    told = start.message("http://127.0.0.1:17060", "word")
    assert told == {
        "service": CONFIG["discovery"][0],
        "config": {"url": "http://127.0.0.1:17060", "token": "word"},
    }


def test_token_is_kept(tmp_path: Path) -> None:
    """It is made once, nobody else may read it, and an empty file is none."""
    path = tmp_path / "token"
    path.write_text("\n")
    token = start.keep_token(path)
    assert len(token) >= 40
    path.chmod(0o644)
    assert start.keep_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["token"]


async def test_supervisor_that_refuses_is_not_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A wrong token stays wrong; the log says what to do."""
    async with FakeSupervisor([]) as supervisor:
        loop = asyncio.get_running_loop()
        for token, status in (("another", 401), (TOKEN, 403)):
            way = start.Supervisor(supervisor.url, token)
            await loop.run_in_executor(None, start._tell, way, start.message("http://x", "y"))
            assert supervisor.refused.pop() == status
            assert not supervisor.refused
    assert "restart the app" in caplog.text
    assert "another" not in caplog.text
