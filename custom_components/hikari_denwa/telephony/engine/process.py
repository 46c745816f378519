"""The life of the engine process: arguments, log, priority, serving, and a clean end."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import importlib
import ipaddress
import logging
import os
import signal
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from aiohttp import web

from ..address import bracketed
from .backend import Backend
from .child import FOLDER_PREFIX, READY
from .log_lines import RecordFormatter
from .server import Server

_LOGGER = logging.getLogger(__name__)
_PACKAGE = __name__.rpartition(".")[0]
_LINGER_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_HEARTBEAT_SECONDS = 30.0
_PRIORITY = -10
# With all that was loaded frozen a collection takes no time, and a call that is over is mostly
# cycles: by the usual thresholds those of some thousand calls would wait, 10 KiB each.
_COLLECT_AFTER = 1000, 5, 5
_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_LEAST_TOKEN = 16
_STDIN, _STDOUT, _STDERR = range(3)


def _native() -> type[Backend]:
    """Load the native back end."""
    module = importlib.import_module(".native.backend", _PACKAGE)
    backend: type[Backend] = module.NativeBackend
    return backend


def _pjsua2() -> type[Backend]:
    """Load the back end by pjsua2, and with it a library that not every interpreter has."""
    module = importlib.import_module(".pjsua2.backend", _PACKAGE)
    backend: type[Backend] = module.Pjsua2Backend
    return backend


BACKENDS: Mapping[str, Callable[[], type[Backend]]] = {"native": _native, "pjsua2": _pjsua2}


def main(
    arguments: Sequence[str] | None = None,
    backends: Mapping[str, Callable[[], type[Backend]]] = BACKENDS,
) -> NoReturn:
    """Run the engine until it is to end, and end the process."""
    options = _parser(backends).parse_args(arguments)
    _set_log_up(options.log_level, for_client=options.socket is not None)
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
    status = 1
    try:
        asyncio.Runner().run(_run(options, backends[options.backend]))
        status = 0
    except _RefusedError as error:
        _LOGGER.error("The engine does not start: %s", error)  # noqa: TRY400 - a sentence for its owner
    except Exception:
        _LOGGER.exception("The engine failed")
    logging.shutdown()
    # A name that is still being looked up would hold the interpreter until the resolver gives up.
    os._exit(status)


def _parser(backends: Mapping[str, Callable[[], type[Backend]]]) -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="hikari-denwa-engine", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=Path, help="local socket to make; ends with its parent")
    where.add_argument(
        "--listen",
        metavar="HOST:PORT",
        type=_tcp_address,
        action="append",
        help="TCP address; port 0 for a free one; may be given more than once",
    )
    parser.add_argument("--token-file", type=Path, help="what clients over TCP must know")
    parser.add_argument("--certificate", type=Path, help="chain in PEM: speak TLS over TCP")
    parser.add_argument("--key", type=Path, help="the certificate's key, if it is not beside it")
    parser.add_argument("--backend", choices=sorted(backends), default="native")
    parser.add_argument("--log-level", choices=logging.getLevelNamesMapping(), default="INFO")
    return parser


def _set_log_up(level: str, *, for_client: bool) -> None:
    """Write the log to stderr, as lines that the client reads back or that people read."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        RecordFormatter(_PACKAGE) if for_client else logging.Formatter(_LOG_FORMAT)
    )
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("asyncio").setLevel(max(logging.INFO, logging.getLogger().level))
    faulthandler.enable()


async def _run(options: argparse.Namespace, load_backend: Callable[[], type[Backend]]) -> None:
    """Serve until the end, then close within bounds."""
    token = _token(options)
    trust = _tls(options)
    server = Server(
        load_backend(),
        token=token,
        linger=_LINGER_SECONDS if options.socket else None,
        heartbeat=None if options.socket else _HEARTBEAT_SECONDS,
        owned=options.socket is not None,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop.set)
    await server.start()
    server.engine.watch()
    try:
        for site in _sites(options, server, trust):
            await _open(site)
        if options.socket:
            threading.Thread(target=_watch_parent, args=(loop, server), daemon=True).start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)
        _tell_ready(server)
        await server.stop.wait()
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await server.close()
        if options.socket:
            _leave_folder(options.socket)


def _leave_folder(path: Path) -> None:
    """Remove the folder that was made for us; a parent that was killed cannot."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent.name.startswith(FOLDER_PREFIX):
            path.parent.rmdir()


class _RefusedError(Exception):
    """What was asked for on the command line cannot be; the text says why."""


def _tcp_address(text: str) -> tuple[str, int]:
    """Read where to listen; raises ValueError."""
    host, _, port = text.rpartition(":")
    address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    return str(address), int(port)


def _token(options: argparse.Namespace) -> str | None:
    """Return what clients must know. Without a token the engine listens on this machine alone."""
    if not options.token_file:
        for host, _ in options.listen or ():
            if not ipaddress.ip_address(host).is_loopback:
                raise _RefusedError(f"without a token it listens on loopback alone, not on {host}")
        return None
    try:
        token: str = options.token_file.read_text().strip()
    except (OSError, ValueError) as error:
        raise _RefusedError(f"the token cannot be read: {error}") from error
    if len(token) < _LEAST_TOKEN:
        raise _RefusedError(f"the token has less than {_LEAST_TOKEN} signs")
    return token


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the terms of TLS, if it is asked for."""
    if not options.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.certificate, options.key)
    except OSError as error:
        raise _RefusedError(f"the certificate cannot be used: {error}") from error
    return context


def _sites(
    options: argparse.Namespace, server: Server, trust: ssl.SSLContext | None
) -> list[web.BaseSite]:
    """Return where the engine listens."""
    if options.socket:
        return [web.UnixSite(server.runner, options.socket)]
    return [
        web.TCPSite(server.runner, host, port, ssl_context=trust) for host, port in options.listen
    ]


async def _open(site: web.BaseSite) -> None:
    """Listen there."""
    try:
        await site.start()
    except OSError as error:
        raise _RefusedError(f"it cannot listen on {site.name}: {error.strerror}") from error


def _watch_parent(loop: asyncio.AbstractEventLoop, server: Server) -> None:
    """End the engine when its standard input ends, as it does however the parent dies."""
    with suppress(OSError):
        while os.read(_STDIN, 4096):
            pass
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(server.stop.set)


def _tell_ready(server: Server) -> None:
    """Tell the parent where the engine listens; whatever is printed later joins the log."""
    address = server.runner.addresses[0]
    where = address if isinstance(address, str) else _host_and_port(address)
    os.write(_STDOUT, f"{READY} {where}\n".encode())
    os.dup2(_STDERR, _STDOUT)


def _host_and_port(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return a TCP address as a URL has it."""
    return f"{bracketed(address[0])}:{address[1]}"
