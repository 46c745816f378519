"""The gateway as a command: lines, settings, JSON."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.home_gateway import (
    GatewayConfig,
    HomeGateway,
    OptionsAnswer,
    Outcome,
    Qop,
    Reach,
    TransactionTimers,
)
from tests.home_gateway.command import HELP, CommandError, Console, change

from .hand import HandPhone

TIMER = "\nRequire: timer\nSession-Expires: 300;refresher=uac"


def test_settings() -> None:
    """Every kind of switch is set from text."""
    config = GatewayConfig()
    for setting in (
        "port=5070",
        "v6_address=none",
        "registrar.qop=auth",
        "registrar.options=silence",
        "registrar.challenges=false",
        "registrar.allowed_sources=::1,127.0.0.1",
        "calls.max_outside_calls=1",
        "session_timer.refresh_after=0.5",
        "timers.t1=0.1",
        "slots.4.reach=ipv6-only",
    ):
        config = change(config, setting)
    assert config.port == 5070
    assert config.v6_address is None
    assert config.registrar.qop is Qop.AUTH
    assert config.registrar.options is OptionsAnswer.SILENCE
    assert not config.registrar.challenges
    assert config.registrar.allowed_sources == ("::1", "127.0.0.1")
    assert config.calls.max_outside_calls == 1
    assert config.session_timer.refresh_after == 0.5
    assert config.timers == TransactionTimers(t1=0.1)
    slot = config.slot("4")
    assert slot
    assert slot.reach is Reach.V6_ONLY


@pytest.mark.parametrize(
    "setting", ["registrar", "nothing.x=1", "registrar.nothing=1", "registrar.qop=x", "calls.x"]
)
def test_settings_that_are_none(setting: str) -> None:
    """They are refused."""
    with pytest.raises(ValueError, match=r".+"):
        change(GatewayConfig(), setting)


async def test_lines_drive_a_call() -> None:
    """Ring, wait, hold, measure, hang up; status and trace tell it."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        console = Console(gateway)
        await phone.register()
        registered = await console.do("wait registered 3")
        assert isinstance(registered, dict)
        assert registered["family"] == "ipv6"
        told = await console.do("ring 3 from payphone to 0612345678 for 9 as C2 over ipv6")
        assert isinstance(told, dict)
        assert told["state"] == "calling"
        invite = await phone.receive()
        assert invite.header("From").startswith('"Coin line/payphone"')
        assert invite.header("To").startswith('"0612345678"')
        phone.reply(invite, 180)
        await console.do("wait ringing")
        phone.reply(invite, 200, headers=TIMER, body=phone.sdp())
        told = await console.do("wait answered")
        assert isinstance(told, dict)
        assert told["state"] == "talking"
        moments = told["moments"]
        assert isinstance(moments, dict)
        assert {"invite", "ringing", "answered", "confirmed"} <= set(moments)
        for line in ("play tone 500", "digits 12", "impair loss 0.5 jitter 0.01"):
            await console.do(line)
        measured = await console.do("measure 440")
        assert isinstance(measured, dict)
        assert measured["packets"] == 0
        await phone.receive_until(lambda answer: answer.start.startswith("ACK"))
        work = asyncio.create_task(console.do("hang up"))
        phone.reply(await phone.receive(), 200)
        ended = await work
        assert isinstance(ended, dict)
        assert (ended["by"], ended["how"]) == ("gateway", "BYE")
        rows = await console.do("status")
        assert isinstance(rows, list)
        assert len(rows) == 7
        assert "BYE sip:3@" in str(await console.do("trace 2"))
        assert await console.do("violations") == []
        registers = await console.do("registers")
        assert isinstance(registers, list)
        assert [row["status"] for row in registers] == [401, 200]


async def test_lines_change_who_answers() -> None:
    """Each behaviour has a line."""
    async with HomeGateway() as gateway:
        console = Console(gateway)
        for line, outcome in (
            ("callee 1 busy", Outcome.REFUSES),
            ("callee 1 refuses 500", Outcome.REFUSES),
            ("callee 1 answers 2", Outcome.ANSWERS),
            ("callee 1 no-answer 3", Outcome.NO_ANSWER),
            ("callee 1 rings", Outcome.RINGS_FOREVER),
            ("callee 1 stalls", Outcome.STALLS),
            ("callee 1 silent", Outcome.SILENT),
            ("callee 1 rejects-withheld", Outcome.ANSWERS),
        ):
            await console.do(line)
            assert gateway.callees["1"].outcome is outcome
        assert gateway.callees["1"].rejects_withheld
        await console.do("callee 1 v4-only")
        assert gateway.callees["1"].reach is Reach.V4_ONLY
        await console.do("callee 1 gone")
        assert "1" not in gateway.callees
        for line in ("reboot 0.1", "silent 0", "stale", "help", "", "wait 0.01", "calls"):
            await console.do(line)


@pytest.mark.parametrize(
    "line",
    [
        "what",
        "ring 3",
        "ring",
        "ring 3 from",
        "ring 3 by 1",
        "cancel",
        "hang",
        "hang up",
        "play nothing",
        "callee 1 dances",
        "callee 1",
        "wait for it",
        "answer",
        "measure",
    ],
)
async def test_lines_that_cannot_be_done(line: str) -> None:
    """Each says why, and nothing else happens."""
    async with HomeGateway() as gateway:
        with pytest.raises(CommandError):
            await Console(gateway).do(line)


async def command(*arguments: str, text: str = "") -> tuple[int, str, str]:
    """Run the command in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.home_gateway",
        *arguments,
        cwd=Path(__file__).parents[3],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate(text.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def test_command_runs_lines_and_tells_in_json() -> None:
    """Settings, --run, standard input and the exit code."""
    code, out, _ = await command("--json", "--set", "registrar.qop=auth", "--run", "status; calls")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0]["event"] == "listening"
    assert lines[0]["ipv4"] == lines[0]["ipv6"]
    assert len(lines[1]["result"]) == 7
    code, out, _ = await command("--run", "ring 3")
    assert code == 1
    assert "! ring: extension 3 is not registered" in out
    code, out, _ = await command("--v4", "none", text="help\nquit\n")
    assert code == 0
    assert "ipv4" not in out.splitlines()[0]
    assert HELP in out
    code, _, error = await command("--set", "registrar.qop=x")
    assert code == 2
    assert "not a valid Qop" in error


def test_setting_deep_inside() -> None:
    """A part of a part."""
    assert change(GatewayConfig(), "faults.rtp.loss=0.25").faults.rtp.loss == 0.25
