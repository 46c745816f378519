"""Requests outside of calls that need no more than one answer each (RFC 3261 §17.1.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from .binding import CHALLENGES
from .clock import TimerValues
from .digest import DigestClient
from .messages import Request, Response
from .transport import Address
from .uri import Via


class OwnRequests:
    """Sends requests until they are answered; whoever has the socket hands the responses over."""

    def __init__(self, local: Address, send: Callable[[bytes], None]) -> None:
        """Take our address on the wire, and the way to the gateway."""
        self._local = local
        self._send = send
        self._waiting: dict[str, asyncio.Future[Response | None]] = {}

    def take(self, response: Response) -> bool:
        """Take a response; False if it is to no request of these."""
        waiting = self._waiting.get(response.via.branch or "")
        if waiting is None:
            return False
        if response.status >= 200 and not waiting.done():
            waiting.set_result(response)
        return True

    def fail(self) -> None:
        """Know that nobody listens at the gateway's port."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)

    async def ask(self, request: Request, *, time_limit: float) -> Response | None:
        """Send a request at the intervals of timer E; returns its final response, None without."""
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        request.headers.remove("Via")
        request.headers.prepend("Via", str(Via("SIP/2.0/UDP", *self._local, (("branch", branch),))))
        datagram = request.encode()
        waiting: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        self._waiting[branch] = waiting
        values = TimerValues()
        pause = values.t1
        try:
            async with asyncio.timeout(time_limit):
                while not waiting.done():
                    self._send(datagram)
                    await asyncio.wait({waiting}, timeout=pause)
                    pause = min(2 * pause, values.t2)
                return await waiting
        except TimeoutError:
            return None
        finally:
            del self._waiting[branch]

    async def ask_as(
        self, digest: DigestClient, request: Request, *, time_limit: float
    ) -> Response | None:
        """Send a request, and once more with credentials if they are wanted."""
        response = await self.ask(request, time_limit=time_limit)
        if response is None or response.status not in CHALLENGES:
            return response
        challenged, answered = CHALLENGES[response.status]
        credentials = digest.answer(
            response.headers.get_all(challenged), request.method, str(request.uri), request.body
        )
        if credentials is None:
            return response
        request.headers.set(answered, credentials)
        request.headers.set("CSeq", f"{request.cseq.number + 1} {request.method}")
        return await self.ask(request, time_limit=time_limit)
