"""The back end by pjsua2: PJSIP's signalling and sound behind a socket for each line."""

from __future__ import annotations

import asyncio
import logging
import sys

from ...calls import Family
from ...errors import EngineStartError
from ..agents import AgentBackend, LineListener, routes_from
from ..backend import Account, BackendListener
from ..sip.trace import Trace
from ..sip.transport import UdpTransport
from .library import Library
from .probe import probe_pjsua2
from .sound import Ports
from .user_agent import UserAgent

_LOGGER = logging.getLogger(__name__)


class Pjsua2Backend(AgentBackend):
    """SIP and RTP by pjsua2, over the families that this pjsua2 was made for."""

    name = "pjsua2"
    families: tuple[Family, ...] = ()

    def __init__(self, listener: BackendListener) -> None:
        """Keep who is told; ``start`` finds out what there is."""
        super().__init__(listener)
        self._library = Library()
        self._ports = Ports()

    async def start(self) -> None:
        """Start pjsua2, and try meanwhile, in a process that may break, what it can do.

        Raises EngineStartError.
        """
        probing = asyncio.create_task(probe_pjsua2(sys.executable))
        await asyncio.sleep(0)
        self._library.start()
        report = await probing
        if report.problem:
            raise EngineStartError(detail=f"pjsua2: {report.problem}")
        self.families = report.families
        _LOGGER.info(
            "pjsua2 %s: %s, %d calls", report.version, ", ".join(report.families), report.max_calls
        )

    async def close(self) -> None:
        """End every call, un-register every line, end the library."""
        await super().close()
        await self._library.close()

    def make_user_agent(
        self,
        line: str,
        account: Account,
        transport: UdpTransport,
        listener: LineListener,
        trace: Trace,
    ) -> UserAgent:
        """Put a user agent on an open socket."""
        return UserAgent(
            account,
            line=line,
            transport=transport,
            library=self._library,
            ports=self._ports,
            listener=listener,
            names=self.names,
            trace=trace,
            address_is_ours=lambda: routes_from(account, transport.local[0]),
        )
