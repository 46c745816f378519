"""Wait for what Home Assistant tells a WebSocket client."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scripts.demonstration.report import StepFailedError
from scripts.home_assistant import Client


@dataclass(frozen=True, kw_only=True)
class Change:
    """A state as the WebSocket brought it, and when, in monotonic seconds."""

    at: float
    entity_id: str
    state: str
    attributes: dict[str, Any]


class Watch:
    """Every state change since it began."""

    def __init__(self, on_change: Callable[[Change], None] | None = None) -> None:
        """Keep who else is told."""
        self.changes: list[Change] = []
        self._came = asyncio.Event()
        self._on_change = on_change

    async def begin(self, client: Client) -> None:
        """Subscribe."""
        await client.subscribe(self._take, "subscribe_events", event_type="state_changed")

    def _take(self, event: dict[str, Any], at: float) -> None:
        """Keep a change."""
        if (new := event["data"]["new_state"]) is None:
            return
        change = Change(
            at=at, entity_id=new["entity_id"], state=new["state"], attributes=new["attributes"]
        )
        self.changes.append(change)
        self._came.set()
        if self._on_change:
            self._on_change(change)

    def mark(self) -> int:
        """Return where now is, for ``wait``."""
        return len(self.changes)

    async def wait(
        self, since: int, entity_id: str, *, time_limit: float = 5.0, **wanted: str
    ) -> Change:
        """Wait for a change of an entity whose state or attributes are as wanted.

        Raises StepFailedError with what the entity said instead.
        """
        try:
            async with asyncio.timeout(time_limit):
                while True:
                    for change in self.changes[since:]:
                        if change.entity_id == entity_id and _fits(change, wanted):
                            return change
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            said = [
                change.attributes.get("event_type", change.state)
                for change in self.changes[since:]
                if change.entity_id == entity_id
            ]
            raise StepFailedError(
                f"{entity_id} did not come to {wanted} within {time_limit:.0f} s "
                f"(it said {said or 'nothing'})"
            ) from None


def _fits(change: Change, wanted: dict[str, str]) -> bool:
    """Tell whether a change is the one that is waited for."""
    return all(
        (change.state if name == "state" else change.attributes.get(name)) == value
        for name, value in wanted.items()
    )
