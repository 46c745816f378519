"""The one pjsua2 of this process: started, kept going by the event loop, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..sip.manners import USER_AGENT
from ..sip.transport import Address

pj: Any = importlib.import_module("pjsua2")

INSIDE = "127.0.0.1"
USUAL_SETTINGS = True
MOST_CALLS = 64
SAMPLE_RATE = 8000
FRAME_MS = 20

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.01
_LOG_LEVEL = 2
_CODECS = ("PCMU/8000/1", "PCMA/8000/1", "G722/16000/1")
_NO_SYNTAX = "syntax error"
_Called = TypeVar("_Called", bound=Callable[..., Any])


def guarded(callback: _Called) -> _Called:
    """Log what a callback raises: pjsua2 would end the process."""

    def call(*arguments: Any) -> Any:
        """Call it."""
        try:
            return callback(*arguments)
        except Exception:
            _LOGGER.exception("A callback of pjsua2 failed")
            return None

    return call  # type: ignore[return-value]


class _Log(pj.LogWriter):
    """Passes on what the library complains of; the messages themselves are logged elsewhere."""

    @guarded
    def write(self, entry: Any) -> None:
        """Take an entry, on whatever thread."""
        _LOGGER.debug("%s", entry.msg.rstrip())


class _Endpoint(pj.Endpoint):
    """Lets each line's calls find their account by the socket that they come through."""

    def __init__(self) -> None:
        """Start without accounts."""
        super().__init__()
        self.accounts: dict[str, int] = {}

    @guarded
    def onSelectAccount(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Choose the account of a request."""
        chosen = self.accounts.get(str(prm.rdata.srcAddress))
        if chosen is not None:
            prm.accountIndex = chosen


class Library:
    """pjsua2 with one socket on loopback, behind which each line has its own.

    Everything but the sound happens on the event loop's thread: the library has no thread of its
    own for signalling, and is asked every 10 ms, and whenever a message went in, to go on.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.address: Address = (INSIDE, 0)
        self.transport = -1
        self.endpoint: Any = None
        self._log: Any = None
        self._polling: asyncio.Task[None] | None = None
        self._soon: asyncio.Handle | None = None

    def start(self) -> None:
        """Start the library; must run on the event loop's thread."""
        with _standard_output_elsewhere():
            self.endpoint = _Endpoint()
            self.endpoint.libCreate()
        self._log = _Log()
        # The library deletes its writer at its end.
        self.endpoint.libInit(_configuration(self._log.__disown__()))
        for codec in self.endpoint.codecEnum2():
            wanted = codec.codecId in _CODECS
            self.endpoint.codecSetPriority(
                codec.codecId, 255 - _CODECS.index(codec.codecId) if wanted else 0
            )
        self.endpoint.audDevManager().setNullDev()
        config = pj.TransportConfig()
        config.boundAddress = INSIDE
        self.transport = int(self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, config))
        bound = str(self.endpoint.transportGetInfo(self.transport).localAddress)
        self.address = INSIDE, int(bound.rpartition(":")[2])
        self.endpoint.libStart()
        self._polling = asyncio.get_running_loop().create_task(self._poll(), name="pjsua2")

    async def close(self) -> None:
        """End the library; nothing more is sent."""
        if self._polling:
            self._polling.cancel()
            await asyncio.wait({self._polling})
            self._polling = None
        if self._soon:
            self._soon.cancel()
        if self.endpoint is not None:
            self.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
            self.endpoint = None

    def go_on_soon(self) -> None:
        """Let the library read what was sent to it as soon as this callback is over."""
        if self._soon is None and self._polling:
            self._soon = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Let the library work, without waiting."""
        self._soon = None
        if self.endpoint is not None:
            self.endpoint.libHandleEvents(0)

    async def _poll(self) -> None:
        """Let the library work again and again."""
        while True:
            self._go_on()
            await asyncio.sleep(_POLL_SECONDS)


def reason_of(error: Any) -> str:
    """Give what an error of pjsua2 says; as text it is only its name."""
    return str(getattr(error, "reason", "") or getattr(error, "title", "") or error)


def _configuration(log: Any) -> Any:
    """Return how the library is to work."""
    config = pj.EpConfig()
    agent = config.uaConfig
    agent.threadCnt = 0
    agent.mainThreadOnly = True
    agent.maxCalls = MOST_CALLS
    agent.userAgent = USER_AGENT
    agent.mwiUnsolicitedEnabled = False
    agent.natTypeInSdp = 0
    media = config.medConfig
    media.clockRate = media.sndClockRate = SAMPLE_RATE
    media.channelCount = 1
    media.audioFramePtime = media.ptime = FRAME_MS
    media.quality = 4
    media.noVad = True
    media.ecTailLen = 0
    media.sndAutoCloseTime = -1
    config.logConfig.level = config.logConfig.consoleLevel = _LOG_LEVEL
    config.logConfig.msgLogging = 0
    config.logConfig.writer = log
    return config


@contextlib.contextmanager
def _standard_output_elsewhere() -> Iterator[None]:
    """Let what the library prints before it has a log go nowhere: the parent reads our output."""
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)
