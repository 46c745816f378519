"""The native back end: one user agent with one socket for each line."""

from __future__ import annotations

import asyncio
import functools

from ...calls import Family
from ..agents import AgentBackend, LineListener, routes_from
from ..backend import Account, BackendListener
from ..sip.trace import Trace
from ..sip.transport import UdpTransport
from .rtp.pacing import Pacer
from .rtp.session import RtpSession
from .sip.media import OpenSound
from .sip.user_agent import UserAgent


class NativeBackend(AgentBackend):
    """SIP and RTP in pure Python."""

    name = "native"
    families = (Family.IPV6, Family.IPV4)

    def __init__(self, listener: BackendListener, *, open_sound: OpenSound | None = None) -> None:
        """Keep who is told; `open_sound` makes the RTP session of a call."""
        super().__init__(listener)
        pacer = Pacer(asyncio.get_running_loop())
        self._open_sound = open_sound or functools.partial(RtpSession.open, pacer=pacer)

    async def start(self) -> None:
        """Make ready: there is nothing to do."""

    def make_user_agent(
        self,
        line: str,
        account: Account,
        transport: UdpTransport,
        listener: LineListener,
        trace: Trace,
    ) -> UserAgent:
        """Put a user agent on an open socket."""
        user_agent = UserAgent(
            account,
            line=line,
            local=transport.local,
            clock=asyncio.get_running_loop(),
            send=transport.send,
            listener=listener,
            names=self.names,
            open_sound=self._open_sound,
            address_is_ours=lambda: routes_from(account, transport.local[0]),
            trace=trace,
        )
        transport.on_datagram = user_agent.receive
        transport.on_unreachable = user_agent.unreachable
        return user_agent
