"""The client with a real child process behind it: start, commands, loss, restart, end."""

import asyncio
import dataclasses
import functools
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason, Family
from custom_components.hikari_denwa.telephony.engine import client as client_module
from custom_components.hikari_denwa.telephony.engine import conversation
from custom_components.hikari_denwa.telephony.engine.child import ChildLauncher, RunningEngine
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    CallConnected,
    CallEnded,
    CallIncoming,
    CallProgress,
    Hello,
    RegistrationState,
    SoundDirection,
)
from custom_components.hikari_denwa.telephony.errors import (
    AddressInvalidError,
    CallUnknownError,
    CredentialsRejectedError,
    DigitsInvalidError,
    EngineError,
    EngineLostError,
    EngineSilentError,
    EngineStartError,
    EngineVersionError,
    FamilyMissingError,
    LineNotRegisteredError,
    LineUnknownError,
    NumberInvalidError,
    StatusInvalidError,
)

from .recorder import Recorder, line_config

SCRIPT = Path(__file__).with_name("scripted_engine.py")
LAUNCHER = ChildLauncher(backend="scripted", script=SCRIPT)

pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture
async def client() -> AsyncIterator[EngineClient]:
    """Run a client, and see that nothing is left of it."""
    client = EngineClient(LAUNCHER)
    await client.start()
    yield client
    await client.close()
    assert not client.running


async def _alive(pid: int) -> bool:
    """Return whether a process is still there after a while of grace."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        await asyncio.sleep(0.05)
    return True


async def test_start_tells_what_runs(client: EngineClient) -> None:
    """The welcome has the back end and the child's number, and a second start changes nothing."""
    welcome = client.welcome
    assert welcome is not None
    assert welcome.backend == "scripted"
    assert welcome.pid == client.pid != os.getpid()
    assert await client.start() == welcome


async def test_close_leaves_nothing() -> None:
    """Neither process nor folder nor task survives, and the client can be started again."""
    launcher = _Watched()
    before = asyncio.all_tasks()
    client = EngineClient(launcher)
    await client.start()
    pid, folder = client.pid, launcher.folder
    assert pid is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    await client.close()
    assert not await _alive(pid)
    assert not folder.exists()
    assert asyncio.all_tasks() == before
    await client.start()
    await client.close()
    await client.close()


class _Watched:
    """A launcher that remembers the folder of the child and its argv."""

    def __init__(self) -> None:
        """Begin with none."""
        self.folder = Path()

    async def launch(self) -> RunningEngine:
        """Launch the scripted engine."""
        engine = await LAUNCHER.launch()
        self.folder = engine._folder  # type: ignore[attr-defined]
        return engine


async def test_registers_a_line(client: EngineClient) -> None:
    """The outcome comes as an event, with family and addresses."""
    line = Recorder()
    await client.add_line("a", line_config(), line)
    event = await line.registered()
    assert event.gateway_address == "2001:db8::1"
    assert event.local_address == "2001:db8::20"
    assert event.error() is None
    await client.remove_line("a")
    assert line.losses == 0
    with pytest.raises(LineUnknownError):
        await client.dial("a", "117")


async def test_rejected_credentials_are_an_event(client: EngineClient) -> None:
    """A line that the gateway rejects says why."""
    line = Recorder()
    await client.add_line("a", line_config(password="wrong"), line)
    event = await line.registration(RegistrationState.REJECTED)
    assert isinstance(event.error(), CredentialsRejectedError)
    with pytest.raises(LineNotRegisteredError):
        await client.dial("a", "117")


async def test_probe(client: EngineClient) -> None:
    """A probe gives the addresses, or the error of the tree."""
    probed = await client.probe(line_config())
    assert probed.gateway_address == "2001:db8::1"
    with pytest.raises(CredentialsRejectedError) as caught:
        await client.probe(line_config(password="wrong"))
    assert caught.value.placeholders == {"user_id": "0003"}


async def test_speaks_sip(client: EngineClient) -> None:
    """A literal is asked over its family; a name is none."""
    assert await client.speaks_sip("192.168.1.1")
    assert not await client.speaks_sip("2001:db8::1")
    assert not await client.speaks_sip("192.168.1.1", 5062)
    with pytest.raises(AddressInvalidError):
        await client.speaks_sip("ntt.setup")


async def test_trace(client: EngineClient) -> None:
    """A trace comes whole, in messages that are not too large, and without what is private."""
    messages = await client.trace("one")
    assert [message.number for message in messages] == list(range(1, 50))
    assert all("sip:031*******@gw" in message.text for message in messages)
    assert await client.trace("quiet") == ()


async def test_move(client: EngineClient) -> None:
    """A line that is there already stays; a family that the gateway has not is an error."""
    line = Recorder()
    await client.add_line("a", line_config(), line)
    await line.registered()
    await client.move_line("a", Family.IPV6)
    with pytest.raises(FamilyMissingError):
        await client.move_line("a", Family.IPV4)
    with pytest.raises(LineUnknownError):
        await client.move_line("b", Family.IPV6)


async def test_dial_returns_before_its_events(client: EngineClient) -> None:
    """Events that the back end told early come in order, after ``dial`` has returned."""
    line = Recorder()
    await client.add_line("a", line_config(), line)
    await line.registered()
    seen = len(line.events)
    dialled = await client.dial("a", "117")
    assert line.events[seen:] == []
    await line.event(CallEnded)
    kinds = [type(event) for event in line.events[seen:]]
    assert kinds == [CallProgress, CallConnected, CallEnded]
    assert dialled.channel == 1


async def test_call_that_nobody_waits_for_is_hung_up(client: EngineClient) -> None:
    """A dial that is given up before its reply leaves no call behind."""
    line = Recorder()
    await client.add_line("a", line_config(), line)
    await line.registered()
    dialling = asyncio.create_task(client.dial("a", "555"))
    await asyncio.sleep(0.02)
    dialling.cancel()
    ended = await line.event(CallEnded)
    assert ended.ending.reason is EndReason.HUNG_UP_HERE


async def test_incoming_call_is_answered_and_hung_up(client: EngineClient) -> None:
    """Commands for one call are carried out in the order in which they were given."""
    line = Recorder()
    await client.add_line("a", line_config(extension="7"), line)
    incoming = await line.event(CallIncoming)
    assert incoming.caller.number == "0312345678"
    answering = asyncio.create_task(client.answer(incoming.call))
    await asyncio.sleep(0)
    await client.hang_up(incoming.call)
    await answering
    kinds = [type(event) for event in line.events[-2:]]
    assert kinds == [CallConnected, CallEnded]


async def test_sound_goes_both_ways(client: EngineClient) -> None:
    """Streamed frames reach the line whose call it is, and played frames reach the back end."""
    line = Recorder()
    await client.add_line("a", line_config(extension="7"), line)
    incoming = await line.event(CallIncoming)
    await client.stream_sound(incoming.call, enabled=True)
    client.play(incoming.channel, SILENCE)
    client.play(99, SILENCE)
    await line.until(lambda line: len(line.frames) == 4)
    assert [frame.direction for frame in line.frames] == [SoundDirection.FAR] * 3 + [
        SoundDirection.NEAR
    ]
    with pytest.raises(ValueError, match="160"):
        client.play(incoming.channel, b"short")


async def test_digits_do_not_hold_up_a_hang_up(client: EngineClient) -> None:
    """While digits are being sent, other commands of the same call are carried out."""
    line = Recorder()
    await client.add_line("a", line_config(extension="7"), line)
    incoming = await line.event(CallIncoming)
    sending = asyncio.create_task(client.send_dtmf(incoming.call, "0123456789*#"))
    await asyncio.sleep(0.05)
    await client.hang_up(incoming.call)
    assert not sending.done()
    await sending


async def test_wrong_commands_raise_their_own_errors(client: EngineClient) -> None:
    """What no back end should see is refused before it."""
    line = Recorder()
    await client.add_line("a", line_config(extension="7"), line)
    incoming = await line.event(CallIncoming)
    with pytest.raises(CallUnknownError):
        await client.answer("c99")
    with pytest.raises(StatusInvalidError):
        await client.reject(incoming.call, 200)
    with pytest.raises(DigitsInvalidError):
        await client.send_dtmf(incoming.call, "12a")
    with pytest.raises(NumberInvalidError):
        await client.dial("a", "0312345678@example.com")
    with pytest.raises(EngineError):
        await client.dial("a", "999")
    await client.reject(incoming.call)
    assert client.running


async def test_kill_in_a_call_brings_the_line_back(caplog: pytest.LogCaptureFixture) -> None:
    """SIGKILL of the engine: told once, pending commands fail, the line registers again."""
    heard: list[str] = []
    client = EngineClient(
        LAUNCHER,
        on_lost=lambda: heard.append("lost"),
        on_restored=lambda welcome: heard.append(f"restored {welcome.backend}"),
    )
    await client.start()
    try:
        line = Recorder()
        await client.add_line("a", line_config(), line)
        await line.registered()
        former, seen = client.pid, len(line.events)
        with pytest.raises(EngineLostError):
            await client.dial("a", "666")
        await line.until(lambda line: line.losses == 1)
        await line.registered(seen)
        assert client.pid != former
        assert heard == ["lost", "restored scripted"]
        assert caplog.text.count("The engine is lost") == 1
    finally:
        await client.close()


async def test_restart_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in a restart, the next one is tried, and it is logged once."""
    monkeypatch.setattr(client_module, "_PAUSES", (0.0, 0.05))
    failures: list[Exception] = [EngineStartError(detail="x"), OSError("y"), RuntimeError("z")]
    client = EngineClient(_Failing(failures))
    await client.start()
    try:
        line = Recorder()
        await client.add_line("a", line_config(), line)
        await line.registered()
        assert client.pid
        seen = len(line.events)
        os.kill(client.pid, signal.SIGKILL)
        await line.registered(seen)
        assert failures == []
        assert line.losses == 1
        told = [item for item in caplog.records if "cannot be restarted" in item.message]
        assert [item.levelno for item in told] == [logging.ERROR, logging.DEBUG, logging.DEBUG]
    finally:
        await client.close()


async def test_close_while_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose engine cannot be restarted ends at once."""
    monkeypatch.setattr(client_module, "_PAUSES", (0.0, 60.0))
    client = EngineClient(_Failing([EngineStartError(detail="x")]))
    await client.start()
    line = Recorder()
    await client.add_line("a", line_config(), line)
    assert client.pid
    os.kill(client.pid, signal.SIGKILL)
    await line.until(lambda line: line.losses == 1)
    with pytest.raises(EngineLostError):
        await client.probe(line_config())
    with pytest.raises(EngineLostError):
        await client.start()
    await client.remove_line("a")
    await client.close()
    assert not client.running


async def test_starts_that_come_together_are_one(client: EngineClient) -> None:
    """Two who start a client at the same time get the same engine."""
    await client.close()
    first, second = await asyncio.gather(client.start(), client.start())
    assert first == second


class _Failing:
    """A launcher that starts the engine once, then fails a few times."""

    def __init__(self, failures: list[Exception]) -> None:
        """Keep the failures."""
        self.failures = failures
        self.started = False

    async def launch(self) -> RunningEngine:
        """Launch, or fail."""
        if self.started and self.failures:
            raise self.failures.pop(0)
        self.started = True
        return await LAUNCHER.launch()


async def test_commands_fail_while_there_is_no_engine() -> None:
    """Before the start and after the end every command says so."""
    client = EngineClient(LAUNCHER)
    with pytest.raises(EngineLostError):
        await client.dial("a", "117")
    with pytest.raises(EngineLostError):
        await client.add_line("a", line_config(), Recorder())
    await client.remove_line("a")
    client.play(1, SILENCE)
    assert client.welcome is None
    assert client.pid is None


async def test_hung_engine_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers neither commands nor pings is replaced."""
    monkeypatch.setattr(conversation, "_PING_SECONDS", 0.3)
    monkeypatch.setattr(client_module, "_COMMAND_SECONDS", 0.2)
    client = EngineClient(LAUNCHER)
    await client.start()
    try:
        line = Recorder()
        await client.add_line("a", line_config(), line)
        await line.registered()
        former, seen = client.pid, len(line.events)
        with pytest.raises(EngineSilentError):
            await client.dial("a", "777")
        await line.registered(seen)
        assert client.pid != former
    finally:
        await client.close()


async def test_line_that_is_added_while_the_engine_restarts(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is registered when the engine is back."""
    monkeypatch.setattr(client_module, "_PAUSES", (0.2,))
    lost = Recorder()
    await client.add_line("a", line_config(), lost)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    await lost.until(lambda line: line.losses == 1)
    line = Recorder()
    await client.add_line("b", line_config(), line)
    await line.registered()


@pytest.fixture
def temporary_files() -> Iterator[Path]:
    """Give a place for temporary files, with a short path, in which nothing may be left."""
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    yield home
    assert list(home.iterdir()) == []
    home.rmdir()


async def test_child_ends_when_its_parent_is_killed(tmp_path: Path, temporary_files: Path) -> None:
    """A parent that dies by SIGKILL takes the engine with it, and the engine its folder."""
    program = tmp_path / "parent.py"
    program.write_text(
        "import asyncio, os, signal, sys\n"
        "from tests.unit.engine.test_client import EngineClient, LAUNCHER\n"
        "from tests.unit.engine.recorder import Recorder, line_config\n"
        "async def parent():\n"
        "    client = EngineClient(LAUNCHER)\n"
        "    await client.start()\n"
        "    line = Recorder()\n"
        "    await client.add_line('a', line_config(), line)\n"
        "    await line.registered()\n"
        "    print(client.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(parent())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary_files)},
    )
    output, _ = await parent.communicate()
    assert parent.returncode == -signal.SIGKILL
    assert not await _alive(int(output))


async def test_engine_that_cannot_start_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """The detail is the last line of what went wrong; the traceback is in the log."""
    client = EngineClient(dataclasses.replace(LAUNCHER, backend="mutinous"))
    before = asyncio.all_tasks()
    with pytest.raises(EngineStartError) as caught:
        await client.start()
    assert caught.value.placeholders == {"detail": "RuntimeError: no room for a back end"}
    assert "Traceback" in caplog.text
    assert not client.running
    assert asyncio.all_tasks() == before
    with pytest.raises(EngineStartError):
        await EngineClient(dataclasses.replace(LAUNCHER, interpreter="/nowhere/python")).start()
    with pytest.raises(EngineStartError, match="invalid choice"):
        await EngineClient(dataclasses.replace(LAUNCHER, backend="unheard-of")).start()


async def test_engine_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two versions that cannot talk say both numbers."""
    monkeypatch.setattr(conversation, "Hello", functools.partial(Hello, version=99))
    with pytest.raises(EngineVersionError) as caught:
        await EngineClient(LAUNCHER).start()
    assert caught.value.placeholders == {"ours": "99", "theirs": "1"}


async def test_engine_log_arrives_with_its_level_and_without_secrets(
    client: EngineClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine's records come under one logger; a traceback is one record."""
    caplog.set_level(logging.DEBUG)
    line = Recorder()
    await client.add_line("a", line_config(), line)
    await line.registered()
    with pytest.raises(EngineError):
        await client.dial("a", "999")
    await client.close()
    records = [record for record in caplog.records if record.name.endswith("telephony.engine")]
    (trace,) = [record for record in records if "a back end's mistake" in record.getMessage()]
    assert trace.levelno == logging.ERROR
    assert "Traceback" in trace.getMessage()
    assert any("closed" in record.getMessage() for record in records)
    assert "secret-word" not in caplog.text


async def test_start_of_the_real_engine_imports_neither_home_assistant_nor_our_folder(
    tmp_path: Path,
) -> None:
    """Loaded by path the package has its own name, and nothing of Home Assistant comes along."""
    script = Path(client_module.__file__).with_name("__main__.py")
    program = tmp_path / "look.py"
    program.write_text(
        "import runpy, sys, importlib\n"
        f"load = runpy.run_path({str(script)!r})['load_package']\n"
        "load()\n"
        "importlib.import_module('hikari_denwa_telephony.engine.process')\n"
        "print([name for name in sys.modules if name.startswith(('homeassistant', 'custom_'))])\n"
        "print([item for item in sys.path if item.endswith('hikari_denwa')])\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(program), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.decode().split() == ["[]", "[]"]
