"""An engine that runs by itself on ::1: token, TLS, versions, loss, and being there again."""

import asyncio
import functools
import hashlib
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from custom_components.hikari_denwa.telephony.engine import client as client_module
from custom_components.hikari_denwa.telephony.engine import conversation
from custom_components.hikari_denwa.telephony.engine.attempts import Attempts
from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from custom_components.hikari_denwa.telephony.engine.protocol import Hello, RegistrationState
from custom_components.hikari_denwa.telephony.engine.remote import (
    RemoteLauncher,
    engine_url,
    fingerprint,
)
from custom_components.hikari_denwa.telephony.errors import (
    EngineCertificateError,
    EngineForeignError,
    EngineLockedError,
    EngineTokenError,
    EngineUnreachableError,
    EngineUrlError,
    EngineVersionError,
)

from .recorder import Recorder, line_config

SCRIPT = Path(__file__).with_name("scripted_engine.py")
TOKEN = "a-token-that-is-long"
PATIENCE = 30

pytestmark = pytest.mark.usefixtures("loopback")


class Standing:
    """An engine process that nobody of the tests owns but by its pid."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        """Keep the process and where it listens."""
        self.process = process
        self.address = address
        self.log = b""

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        assert self.process.stderr
        self.log += await self.process.stderr.read()
        return await self.process.wait()


@asynccontextmanager
async def engine(folder: Path, *words: str, where: str = "[::1]:0") -> AsyncIterator[Standing]:
    """Run an engine with the scripted back end and a token."""
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(SCRIPT), "--backend", "scripted", "--listen", where,
        "--token-file", str(token), *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        ready = (await process.stdout.readline()).decode().split()
    standing = Standing(process, ready[1])
    try:
        yield standing
    finally:
        await standing.end(signal.SIGKILL)


@asynccontextmanager
async def connected(launcher: RemoteLauncher) -> AsyncIterator[EngineClient]:
    """Have a client, and see that nothing is left of it."""
    client = EngineClient(launcher)
    await client.start()
    yield client
    await client.close()
    assert not client.running


def way(standing: Standing, token: str | None = TOKEN, **more: str) -> RemoteLauncher:
    """Return the way to an engine."""
    scheme = more.pop("scheme", "http")
    return RemoteLauncher(url=f"{scheme}://{standing.address}", token=token, **more)


async def test_line_at_a_remote_engine(tmp_path: Path) -> None:
    """It registers, and is gone with its client; the engine stays for the next one."""
    async with engine(tmp_path) as standing:
        for _ in range(2):
            async with connected(way(standing)) as client:
                assert client.welcome
                assert client.welcome.backend == "scripted"
                assert client.pid is None
                line = Recorder()
                await client.add_line("a", line_config(), line)
                await line.until(lambda line: _registered(line) == 1)
        assert await standing.end() == 0


async def test_wrong_tokens(tmp_path: Path) -> None:
    """None and a wrong one are refused, and who goes on guessing has to wait."""
    async with engine(tmp_path) as standing:
        for token in (None, "wrong", TOKEN[:-1], f"{TOKEN}x", ""):
            with pytest.raises(EngineTokenError):
                await EngineClient(way(standing, token)).start()
        with pytest.raises(EngineLockedError) as refused:
            await EngineClient(way(standing)).start()
        assert 1 <= int(refused.value.placeholders["seconds"]) <= 2
        await standing.end()
    assert b"its token is not ours" in standing.log
    assert TOKEN.encode() not in standing.log


async def test_wrong_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides say it: the client by its error, the engine in its log."""
    monkeypatch.setattr(conversation, "Hello", functools.partial(Hello, version=99))
    async with engine(tmp_path) as standing:
        with pytest.raises(EngineVersionError) as refused:
            await EngineClient(way(standing)).start()
        assert refused.value.placeholders == {"ours": "99", "theirs": "1"}
        await standing.end()
    assert b"it speaks version 99 of the protocol and this engine version 1" in standing.log


async def test_engine_comes_back(tmp_path: Path) -> None:
    """After a kill the line ends its calls at once, and is registered again by the next engine."""
    restored = asyncio.Event()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(engine(tmp_path))
        client = EngineClient(way(first), on_restored=lambda _: restored.set())
        await client.start()
        line = Recorder()
        await client.add_line("a", line_config(), line)
        await line.until(lambda line: _registered(line) == 1)
        await first.end(signal.SIGKILL)
        await line.until(lambda line: line.losses == 1)
        await stack.enter_async_context(engine(tmp_path, where=first.address))
        async with asyncio.timeout(PATIENCE):
            await restored.wait()
        await line.until(lambda line: _registered(line) == 2)
        await client.close()


async def test_engine_that_is_not_there_yet(tmp_path: Path) -> None:
    """Somebody who keeps trying gets it when it comes, at once if there is a hurry."""
    restored = asyncio.Event()
    async with engine(tmp_path) as standing:
        launcher = way(standing)
    client = EngineClient(launcher, on_restored=lambda _: restored.set())
    with pytest.raises(EngineUnreachableError):
        await client.start()
    await client.keep_trying()
    async with engine(tmp_path, where=standing.address):
        client.hurry()
        async with asyncio.timeout(PATIENCE):
            await restored.wait()
        assert client.running
        await client.close()


async def test_engine_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat notices; it is not ours to kill, and is used again when it wakes up."""
    monkeypatch.setattr(conversation, "_PING_SECONDS", 0.3)
    monkeypatch.setattr(client_module, "_PAUSES", (0.2,))
    async with engine(tmp_path) as standing:
        lost, restored = asyncio.Event(), asyncio.Event()
        client = EngineClient(way(standing), on_lost=lost.set, on_restored=lambda _: restored.set())
        await client.start()
        standing.process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(PATIENCE):
            await lost.wait()
        standing.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE):
            await restored.wait()
        os.kill(standing.process.pid, 0)
        await client.close()


async def test_lasting_refusals_are_not_repeated_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that is wrong is wrong in a second as well: the longest pause comes next."""
    pauses: list[float] = []

    async def pause(_: EngineClient, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 2:
            await asyncio.Event().wait()

    monkeypatch.setattr(EngineClient, "_pause", pause)
    async with engine(tmp_path) as standing:
        client = EngineClient(way(standing, "wrong-token-of-some-length"))
        await client.keep_trying()
        async with asyncio.timeout(PATIENCE):
            while len(pauses) < 3:  # noqa: ASYNC110 - the client has no event for it
                await asyncio.sleep(0.05)
        await client.close()
    assert pauses[1:] == [client_module._PAUSES[-1]] * 2


async def test_tls(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused, unless it is the named one."""
    print_ = _certificate(tmp_path / "tls.pem")
    async with engine(tmp_path, "--certificate", str(tmp_path / "tls.pem")) as standing:
        for scheme in ("https", "wss"):
            async with connected(way(standing, scheme=scheme, fingerprint=print_)) as client:
                assert client.running
        with pytest.raises(EngineCertificateError) as unknown:
            await EngineClient(way(standing, scheme="https")).start()
        assert "self" in unknown.value.placeholders["detail"]
        with pytest.raises(EngineCertificateError) as other:
            await EngineClient(way(standing, scheme="https", fingerprint="0" * 64)).start()
        assert print_ in other.value.placeholders["detail"]
        with pytest.raises(EngineUnreachableError):
            await EngineClient(way(standing)).start()


async def test_certificate_of_an_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the machine trusts needs no fingerprint."""
    _certificate(tmp_path / "tls.pem")
    trusting = ssl.create_default_context(cafile=tmp_path / "tls.pem")
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with (
        engine(tmp_path, "--certificate", str(tmp_path / "tls.pem")) as standing,
        connected(way(standing, scheme="https")) as client,
    ):
        assert client.running


@pytest.mark.parametrize("status", [200, 404, 502])
async def test_something_else_answers(status: int) -> None:
    """A web server that is no engine is told from nobody at all."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "::1", 0).start()
    url = f"http://[::1]:{runner.addresses[0][1]}/"
    with pytest.raises(EngineForeignError) as refused:
        await EngineClient(RemoteLauncher(url=url)).start()
    assert refused.value.placeholders == {"url": url}
    await runner.cleanup()


async def test_no_listening_without_reason(tmp_path: Path) -> None:
    """What is asked for and cannot be is refused by a sentence before anything listens."""
    short = tmp_path / "short"
    short.write_text("1234\n")
    for words, told in (
        (["--listen", "[::]:0"], "without a token it listens on loopback alone"),
        (["--listen", "[::1]:0", "--token-file", str(short)], "less than 16 signs"),
        (["--listen", "[::1]:0", "--token-file", "/nowhere"], "cannot be read"),
        (["--listen", "[::1]:0", "--certificate", "/nowhere"], "certificate cannot be used"),
        (["--listen", "[::1]:0", "--listen", "192.0.2.1:1", "--token-file", str(short)], "less"),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(SCRIPT), "--backend", "scripted", *words,
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        log = (await process.communicate())[1].decode()
        assert process.returncode == 1
        assert told in log
        assert "Traceback" not in log


async def test_taken_address_is_a_sentence(tmp_path: Path) -> None:
    """A port that somebody else has is named."""
    async with engine(tmp_path) as standing:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(SCRIPT), "--backend", "scripted",
            "--listen", standing.address,
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        log = (await process.communicate())[1].decode()
        assert process.returncode == 1
        assert f"cannot listen on http://{standing.address}" in log


@pytest.mark.parametrize(
    ("entered", "kept"),
    [
        ("engine.local", "http://engine.local:17060"),
        (" 192.168.1.5:8000 ", "http://192.168.1.5:8000"),
        ("http://[2001:db8::5]:8000/", "http://[2001:db8::5]:8000/"),
        ("ws://engine.local:1", "http://engine.local:1"),
        ("wss://engine.example/denwa", "https://engine.example/denwa"),
        ("HTTPS://Engine.Example", "https://engine.example"),
    ],
)
def test_addresses(entered: str, kept: str) -> None:
    """People leave out what goes without saying."""
    assert engine_url(entered).rstrip("/") == kept.rstrip("/")
    assert engine_url(engine_url(entered)) == engine_url(entered)


@pytest.mark.parametrize(
    "entered",
    [
        "",
        "   ",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://u:secret@x",
        "http://x/?token=s",
        "x y",
    ],
)
def test_no_addresses(entered: str) -> None:
    """They are refused, and no password is shown."""
    with pytest.raises(EngineUrlError) as refused:
        engine_url(entered)
    assert "secret" not in str(refused.value)


def test_fingerprints() -> None:
    """As openssl and browsers show them."""
    digits = hashlib.sha256(b"x").hexdigest()
    colons = ":".join(digits[i : i + 2] for i in range(0, 64, 2)).upper()
    for text in (digits, colons, f" {colons} ", f"SHA256 Fingerprint={colons}", f"sha256:{digits}"):
        assert fingerprint(text) == digits
    for text in ("", digits[:-1], f"{digits}0", "x" * 64):
        with pytest.raises(ValueError, match=r".*"):
            fingerprint(text)


def test_attempts() -> None:
    """Five are free, then the pauses double to a minute; who is right begins anew."""
    now = 0.0
    attempts = Attempts(lambda: now)
    for _ in range(5):
        assert attempts.wait("a") == 0
        attempts.wrong("a")
    waits = []
    for _ in range(30):
        waits.append(attempts.wait("a"))
        now += waits[-1]
        attempts.wrong("a")
    assert waits[:6] == [2, 4, 8, 16, 32, 60]
    assert set(waits[6:]) == {60}
    assert attempts.wait("b") == 0
    attempts.right("a")
    assert attempts.wait("a") == 0


def test_attempts_do_not_fill_the_memory() -> None:
    """The oldest address is forgotten."""
    attempts = Attempts(lambda: 0.0)
    for number in range(2000):
        attempts.wrong(str(number))
    assert len(attempts._records) == 1000
    assert "0" not in attempts._records


def _registered(line: Recorder) -> int:
    """Count how often a line has registered."""
    states = [getattr(event, "state", None) for event in line.events]
    return states.count(RegistrationState.REGISTERED)


def _certificate(path: Path) -> str:
    """Write a certificate for ::1 with its key that nobody vouches for; returns its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("::1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return certificate.fingerprint(hashes.SHA256()).hex()
