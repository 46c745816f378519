"""A Supervisor on loopback that takes discovery messages, as its API documents them."""

import asyncio
from typing import Any, Self

from aiohttp import web

TOKEN = "supervisor-token"


class FakeSupervisor:
    """Takes messages of the one service that the app's configuration names."""

    def __init__(self, services: list[str]) -> None:
        """Begin without a message; ``failures`` of the next requests fail."""
        self.services = services
        self.messages: list[dict[str, Any]] = []
        self.failures = 0
        self.refused: list[int] = []
        self.url = ""
        self.changed = asyncio.Event()
        app = web.Application()
        app.router.add_post("/discovery", self._discovery)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go."""
        await self._runner.cleanup()

    async def _discovery(self, request: web.Request) -> web.Response:
        """Take a message."""
        status = 200
        body = await request.json()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 401
        elif self.failures:
            self.failures -= 1
            status = 503
        elif set(body) != {"service", "config"} or not isinstance(body["config"], dict):
            status = 400
        elif body["service"] not in self.services:
            status = 403
        if status == 200:
            self.messages.append(body)
        else:
            self.refused.append(status)
        self.changed.set()
        return web.json_response({"result": "ok" if status == 200 else "error"}, status=status)
