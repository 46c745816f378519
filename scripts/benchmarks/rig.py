"""What is measured: a real Home Assistant with one line, registered at the far end over IPv6."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import environment, home_assistant
from scripts.benchmarks import far_end
from scripts.benchmarks.far_end import FarEnd
from scripts.home_assistant import Client, HomeAssistant, HomeAssistantOptions

COMPONENT = "bench_loop"
_COMPONENT_FOLDER = Path(__file__).parent / "components" / COMPONENT
MEDIA = environment.CACHE / "bench" / "media"
_CONFIGURATION = f"""{COMPONENT}:
homeassistant:
  media_dirs:
    local: {MEDIA}
"""
_SETTLE_SECONDS = 2.0
_UNTIL_KNOWN_SECONDS = 0.5


class RigError(Exception):
    """The thing to be measured is not as it must be; the message says what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Everything that a measurement works with."""

    home_assistant: HomeAssistant
    client: Client
    far_end: FarEnd
    entry_id: str
    entities: dict[str, str]

    async def perform(self, action: str, **data: object) -> None:
        """Perform an action of the component inside Home Assistant."""
        await self.client.command(
            "call_service", domain=COMPONENT, service=action, service_data=data
        )

    async def ask(self, action: str, **data: object) -> dict[str, Any]:
        """Perform an action of the component, and return its response."""
        answer = await self.client.command(
            "call_service",
            domain=COMPONENT,
            service=action,
            service_data=data,
            return_response=True,
        )
        response: dict[str, Any] = answer["response"]
        return response

    async def call(self) -> None:
        """Ring, and answer at Home Assistant."""
        await self.far_end.ask("begin_call")
        # The gateway has its 180 before Home Assistant has the event.
        await asyncio.sleep(_UNTIL_KNOWN_SECONDS)
        await self.client.action("answer")

    async def stamps(self) -> list[dict[str, float]]:
        """Take the times at which Home Assistant had read incoming calls."""
        taken: list[dict[str, float]] = (await self.ask("stamps"))["taken"]
        return taken

    @contextlib.asynccontextmanager
    async def blocked_loop(self) -> AsyncIterator[None]:
        """Block Home Assistant's event loop for 300 ms of each second meanwhile."""
        await self.perform("block", on=True)
        try:
            yield
        finally:
            await self.perform("block", on=False)

    def engine_pid(self) -> int:
        """Return the process id of the engine that runs under Home Assistant."""
        assert self.home_assistant.process is not None
        for pid in home_assistant.descendants(self.home_assistant.process.pid):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if any(word.endswith(b"telephony/engine/__main__.py") for word in command):
                    return pid
        raise RigError("no engine runs under Home Assistant")


@contextlib.asynccontextmanager
async def rig(configuration: str = "") -> AsyncIterator[Rig]:
    """Start the far end and a Home Assistant, and set the integration up by its config flow."""
    folder = environment.CACHE / "bench" / "config"
    MEDIA.mkdir(parents=True, exist_ok=True)
    options = HomeAssistantOptions(
        configuration=_CONFIGURATION + configuration,
        components={COMPONENT: _COMPONENT_FOLDER},
        log_level="warning",
    )
    async with (
        FarEnd() as gateway,
        HomeAssistant(folder, options) as running,
        Client(running.url) as client,
    ):
        began = time.monotonic()
        entry = await client.add_line(
            {
                "gateway": "::1",
                "extension": far_end.EXTENSION,
                "user_id": far_end.USER_ID,
                "password": far_end.PASSWORD,
                "port": gateway.port,
                "name": "Bench",
            }
        )
        await gateway.ask("registered", since=began, time_limit=15.0)
        # Home Assistant goes on loading for a while after it answers.
        await asyncio.sleep(_SETTLE_SECONDS)
        yield Rig(
            home_assistant=running,
            client=client,
            far_end=gateway,
            entry_id=entry["entry_id"],
            entities=await client.entities(entry["entry_id"]),
        )
