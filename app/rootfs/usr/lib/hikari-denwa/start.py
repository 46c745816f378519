#!/usr/bin/python3 -P
"""Start the engine in its container, and tell the Supervisor where it is.

As an app of Home Assistant OS it reads the app's options, as a container of its own the
environment. The token that clients must know is made at the first start and kept in the data
folder. Standard library alone, any Python from 3.11.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_LOGGER = logging.getLogger("start")
SERVICE = "hikari_denwa"
PORT = 17060
TOKEN_BYTES = 32
_READY = "ready"
_TELL_SECONDS = 10.0
_TELL_PAUSES = (1, 2, 5, 10, 30, 60)
_CHECK_SECONDS = 5.0


@dataclass(frozen=True)
class Settings:
    """What the owner wants: back end, level of the log, where to listen, TLS."""

    backend: str
    log_level: str
    listen: tuple[str, ...]
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Supervisor:
    """How to speak with the Supervisor."""

    url: str
    token: str


def main(arguments: list[str] | None = None) -> int:
    """Run the engine until it ends; returns its exit status."""
    options = _parser().parse_args(arguments)
    supervisor = _supervisor(options.supervisor)
    settings = _settings(options.data, supervisor)
    if options.check:
        return _check(settings)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    token_file = options.data / "token"
    token = keep_token(token_file)
    engine = subprocess.Popen(  # noqa: S603 - our own program
        command(options.package, settings, token_file),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.terminate())
    ready = engine.stdout.readline() if engine.stdout else ""
    if ready.startswith(_READY) and supervisor:
        url = f"http://{ready.split()[1]}"
        threading.Thread(target=_tell, args=(supervisor, message(url, token)), daemon=True).start()
    status = engine.wait()
    return status if status >= 0 else 128 - status


def command(package: Path, settings: Settings, token_file: Path) -> list[str]:
    """Return the command line of the engine; nothing in it is secret."""
    words = [sys.executable, "-P", str(package / "engine" / "__main__.py")]
    for where in settings.listen:
        words += ["--listen", where]
    words += ["--token-file", str(token_file), "--backend", settings.backend]
    if settings.certificate:
        words += ["--certificate", settings.certificate]
    if settings.key:
        words += ["--key", settings.key]
    return [*words, "--log-level", settings.log_level.upper()]


def message(url: str, token: str) -> dict[str, object]:
    """Return what the Supervisor hands on to the integration."""
    return {"service": SERVICE, "config": {"url": url, "token": token}}


def keep_token(path: Path) -> str:
    """Return the token; made if there is none, and nobody else may read it."""
    if path.exists() and (token := path.read_text().strip()):
        path.chmod(0o600)
        return token
    token = secrets.token_urlsafe(TOKEN_BYTES)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(f"{token}\n")
    new.replace(path)
    return token


def tell(supervisor: Supervisor, told: dict[str, object]) -> None:
    """Hand a discovery message to the Supervisor; raises OSError."""
    request = urllib.request.Request(  # noqa: S310 - the Supervisor's own address
        f"{supervisor.url}/discovery",
        data=json.dumps(told).encode(),
        headers={
            "Authorization": f"Bearer {supervisor.token}",
            "Content-Type": "application/json",
        },
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=_TELL_SECONDS):  # noqa: S310 - as above
        pass


def _tell(supervisor: Supervisor, told: dict[str, object]) -> None:
    """Tell the Supervisor, with some patience while it starts itself."""
    pause = threading.Event()
    for seconds in (*_TELL_PAUSES, None):
        try:
            tell(supervisor, told)
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code in {401, 403}
            _LOGGER.warning("The Supervisor does not take the message about the engine: %s", error)
            if refused or seconds is None:
                _LOGGER.error("Home Assistant is not told where the engine is; restart the app")  # noqa: TRY400 - a sentence for people
                return
            pause.wait(seconds)
        else:
            _LOGGER.info("Home Assistant is told where the engine is")
            return


def _parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("/data"))
    parser.add_argument("--package", type=Path, default=Path("/usr/share/hikari-denwa/telephony"))
    parser.add_argument("--supervisor", default="http://supervisor", metavar="URL")
    parser.add_argument("--check", action="store_true", help="ask a running engine how it is")
    return parser


def _supervisor(url: str) -> Supervisor | None:
    """Return the Supervisor, if we run as its app."""
    token = os.environ.get("SUPERVISOR_TOKEN")
    return Supervisor(url, token) if token else None


def _settings(data: Path, supervisor: Supervisor | None) -> Settings:
    """Return what the owner wants."""
    if supervisor:
        options = json.loads((data / "options.json").read_text())
        return Settings(options["backend"], options["log_level"], _app_addresses(supervisor))
    environment = os.environ
    return Settings(
        environment.get("HIKARI_BACKEND", "pjsua2"),
        environment.get("HIKARI_LOG_LEVEL", "info"),
        tuple(environment.get("HIKARI_LISTEN", f"127.0.0.1:{PORT}").split()),
        environment.get("HIKARI_CERTIFICATE"),
        environment.get("HIKARI_KEY"),
    )


def _app_addresses(supervisor: Supervisor) -> tuple[str, ...]:
    """Return where an app listens: for Home Assistant, and for the Supervisor's watchdog.

    On the host's network both are addresses of this machine that no other machine sees.
    """
    address = urllib.parse.urlsplit(supervisor.url)
    hosts = ["127.0.0.1"]
    try:
        found = socket.getaddrinfo(address.hostname, address.port or 80, type=socket.SOCK_DGRAM)
        family, kind, _, _, where = found[0]
        with socket.socket(family, kind) as way:
            way.connect(where)
            hosts.append(way.getsockname()[0])
    except OSError as error:
        _LOGGER.warning("The Supervisor's watchdog will not find the engine: %s", error)
    return tuple(f"{_bracketed(host)}:{PORT}" for host in dict.fromkeys(hosts))


def _check(settings: Settings) -> int:
    """Ask the engine that runs here whether it is well; returns the exit status."""
    host, _, port = settings.listen[0].rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    scheme = "https" if settings.certificate else "http"
    # It is this very machine that is asked, whatever name the certificate has.
    trust = ssl._create_unverified_context()  # noqa: S323, SLF001 - documented for this use
    url = f"{scheme}://{_bracketed(str(address))}:{port}/health"
    try:
        with urllib.request.urlopen(url, timeout=_CHECK_SECONDS, context=trust):  # noqa: S310 - ours
            return 0
    except OSError as error:
        sys.stderr.write(f"The engine does not answer: {error}\n")
        return 1


def _bracketed(host: str) -> str:
    """Return an address as a URL has it."""
    return f"[{host}]" if ":" in host else host


if __name__ == "__main__":
    sys.exit(main())
