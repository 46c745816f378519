"""The terminal of the demo while it stays up: what happens, and commands for the gateway."""

import asyncio
import signal
import sys

from scripts.demonstration.gateway import Gateway, GatewayError, GatewayEvent
from scripts.demonstration.report import say
from scripts.demonstration.watch import Change
from scripts.home_assistant import HomeAssistant

PROMPT = (
    "The demo stays up. Call from the dashboard, or let the gateway call:\n"
    "  ring 3 from 0312345678 · ring 3 from withheld · cancel · hang up · calls · help\n"
    "Ctrl-C ends it.\n"
)


class Console:
    """Prints what happens, once somebody watches, and passes typed commands on."""

    def __init__(self) -> None:
        """Begin in silence, while the show tells its own story."""
        self._watched: dict[str, str] = {}

    def on_change(self, change: Change) -> None:
        """Tell a state that changed."""
        name = self._watched.get(change.entity_id)
        if name is None:
            return
        kind = change.attributes.get("event_type", change.state)
        told = [
            str(change.attributes[key])
            for key in ("who", "formatted_number", "reason", "digit")
            if change.attributes.get(key)
        ]
        say(f"  Home Assistant  {name}: {kind}  {' · '.join(dict.fromkeys(told))}")

    def on_gateway(self, event: GatewayEvent) -> None:
        """Tell what happened at the gateway."""
        if self._watched and event.kind != "register":
            detail = ", ".join(f"{key} {value}" for key, value in event.detail.items())
            say(f"  gateway         {event.kind}  {detail}")

    async def stay(self, running: HomeAssistant, side: Gateway, entities: dict[str, str]) -> None:
        """Stay until Ctrl-C, or until Home Assistant ends by itself."""
        self._watched = {
            entities[key]: key for key in ("sensor.call_state", "event.call", "event.doorbell")
        }
        say(f"\n{PROMPT}")
        loop = asyncio.get_running_loop()
        enough = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, enough.set)
        typing = asyncio.create_task(self._take_commands(side))
        try:
            while not enough.is_set() and running.is_running:
                try:
                    async with asyncio.timeout(1):
                        await enough.wait()
                except TimeoutError:
                    continue
        finally:
            typing.cancel()
            self._watched = {}

    async def _take_commands(self, side: Gateway) -> None:
        """Pass typed lines to the gateway until the terminal is closed."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        try:
            async for line in reader:
                if command := line.decode(errors="replace").strip():
                    try:
                        say(str(await side.ask("type", line=command)))
                    except GatewayError as error:
                        say(str(error))
        finally:
            transport.close()
