"""What every call of the gateway shares: configuration, addresses, transactions, tasks, events."""

import asyncio
import random
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from .config import Family, GatewayConfig
from .media import MediaLeg
from .message import join_host
from .transactions import TransactionLayer
from .violations import Violations


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for people and for programs that drive the gateway."""

    time: float
    kind: str
    detail: dict[str, object]


@dataclass(kw_only=True)
class Exchange:
    """The parts of the gateway that calls use."""

    config: GatewayConfig
    violations: Violations
    layer: TransactionLayer
    dice: random.Random
    hosts: dict[Family, str] = field(default_factory=dict)
    ports: dict[Family, int] = field(default_factory=dict)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    legs: list[MediaLeg] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def literal(self, family: Family) -> str:
        """Return the gateway's own address for a URI, brackets where they belong."""
        return join_host(self.hosts[family])

    def contact(self, family: Family) -> str:
        """Return the gateway's contact URI."""
        port = self.ports[family]
        return f"sip:{self.literal(family)}" + (f":{port}" if port != 5060 else "")

    def via(self, family: Family, branch: str) -> str:
        """Return a Via value."""
        return f"SIP/2.0/UDP {self.literal(family)}:{self.ports[family]};branch={branch}"

    def open_media(self, family: Family) -> MediaLeg:
        """Bind the media sockets of a call."""
        leg = MediaLeg(self.config, self.hosts[family], self.violations, self.dice)
        self.legs.append(leg)
        return leg

    def tell(self, kind: str, **detail: object) -> None:
        """Tell the listeners."""
        event = Event(time.monotonic(), kind, detail)
        for listener in tuple(self.listeners):
            listener(event)

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run work beside; a crash of it is recorded, so that a test sees it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> None:
        """End every task, transaction and media socket."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.layer.close()
        for leg in self.legs:
            await leg.stop()
            leg.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        """Forget a task and keep its crash."""
        self._tasks.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            told = "".join(traceback.format_exception(error))
            self.violations.add("gateway itself", told)
