"""What calls cost Home Assistant: rows in its database, and moments in its event loop."""

import asyncio
import random
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from custom_components.hikari_denwa.contacts import Contact, ContactIndex
from scripts.benchmarks.figures import Figure, middle_and_tail, percentile, rounded, spread
from scripts.benchmarks.rig import Rig, RigError, rig
from scripts.home_assistant import HomeAssistantError

CALLS = 1000
CALLERS = 40
CONTACTS = 1000
BOOK = 10_000
ANSWERED_EVERY = 3
_DATABASE = "home-assistant_v2.db"
_RECORDER = "recorder:\n  commit_interval: 1\n"
_OF_OUR_EVENTS = (
    "FROM events JOIN event_types USING (event_type_id) "
    "WHERE event_types.event_type LIKE 'hikari_denwa%'"
)
_COMMIT_SECONDS = 5.0
_ANSWER_SECONDS = 5.0
_RING_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows that the recorder wrote for the line's entities and events so far."""

    states: int
    attributes: int
    events: int
    event_data: int

    @property
    def all(self) -> int:
        """Return all of them."""
        return self.states + self.attributes + self.events + self.event_data


async def measure() -> list[Figure]:
    """Let 1,000 calls of 40 callers come, a third of them answered, with a book of contacts."""
    async with rig(_RECORDER) as running:
        database = running.home_assistant.folder / _DATABASE
        await running.client.action("import_contacts", content=_table())
        await _call(running, CALLERS)
        await asyncio.sleep(_COMMIT_SECONDS)
        before = rows(database, running)
        await running.perform("watch_loop", on=True)
        await _call(running, CALLS)
        steps = await running.ask("watch_loop", on=False)
        await asyncio.sleep(_COMMIT_SECONDS)
        after = rows(database, running)
    held = [1000 * seconds for seconds in steps["seconds"]]
    written = after.all - before.all
    context = (
        f"{CALLS} calls; states {after.states - before.states}, "
        f"attributes {after.attributes - before.attributes}, events {after.events - before.events}"
    )
    return [
        Figure(
            name="recorder_rows_per_call",
            value=rounded(written / CALLS),
            unit="rows",
            context=context,
        ),
        Figure(
            name="loop_block_ms_max",
            value=rounded(max(held, default=0.0)),
            unit="ms",
            context=(
                f"{len(held)} steps of ours over 1 ms; "
                f"p50 {_at(held, 0.5)}, p99 {_at(held, 0.99)} ms; Python's collector, which is "
                f"not in them, took {1000 * steps['collector']:.0f} ms at the longest"
            ),
        ),
    ]


async def measure_lookup() -> list[Figure]:
    """Look every number of a large address book up, and as many that nobody has."""
    dice = random.Random(1)
    numbers = [f"03{dice.randrange(10**8):08}" for _ in range(BOOK)]
    index = ContactIndex(
        Contact(id=str(at), name=f"Contact {at}", numbers=(number,))
        for at, number in enumerate(numbers)
    )
    for at in range(100):
        index.put(Contact(id=f"p{at}", name=f"Company {at}", numbers=(f"0455{at:02}*",)))
    samples: list[float] = []
    for number in (*numbers, *(f"06{number[2:]}" for number in numbers)):
        began = time.perf_counter()
        index.find(number)
        samples.append(1e6 * (time.perf_counter() - began))
    return [
        Figure(
            name="contact_lookup_us",
            value=middle_and_tail(samples),
            unit="µs",
            context=f"{len(index)} contacts; {spread(samples)}",
        )
    ]


def rows(database: Path, running: Rig) -> Rows:
    """Count what the recorder has written of the line's."""
    ours = tuple(running.entities.values())
    places = ",".join("?" * len(ours))
    of_ours = (
        "FROM states JOIN states_meta USING (metadata_id) "
        f"WHERE states_meta.entity_id IN ({places})"
    )
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:

        def count(query: str, *arguments: str) -> int:
            return int(connection.execute(query, arguments).fetchone()[0])

        return Rows(
            states=count(f"SELECT count(*) {of_ours}", *ours),
            attributes=count(f"SELECT count(DISTINCT attributes_id) {of_ours}", *ours),
            events=count(f"SELECT count(*) {_OF_OUR_EVENTS}"),
            event_data=count(f"SELECT count(DISTINCT data_id) {_OF_OUR_EVENTS}"),
        )


async def _call(running: Rig, times: int) -> None:
    """Let so many calls come, one after the other."""
    for at in range(times):
        caller = f"0451234{at % CALLERS:03}"
        if at % ANSWERED_EVERY:
            await running.far_end.ask("ring", hold=_RING_SECONDS, caller=caller)
            continue
        await running.far_end.ask("begin_call", caller=caller)
        await _answer(running)
        await running.far_end.ask("end_call")


async def _answer(running: Rig) -> None:
    """Answer as soon as Home Assistant knows of the call."""
    limit = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            await running.client.action("answer")
        except HomeAssistantError:
            if time.monotonic() > limit:
                raise RigError("the call does not ring in Home Assistant") from None
            await asyncio.sleep(0.01)
        else:
            return


def _at(samples: list[float], share: float) -> float:
    """Return a percentile, nothing of nothing."""
    return rounded(percentile(samples, share)) if samples else 0.0


def _table() -> str:
    """Return a file of contacts, half of the callers among them."""
    names = [f"Caller {at},0451234{at:03}" for at in range(0, CALLERS, 2)]
    names += [f"Contact {at},06{at:08}" for at in range(CONTACTS - len(names))]
    return "\n".join(["name,numbers", *names])
