"""Writes what calls taught as fast as it can and is killed, many times over.

``python -m tests.unit.experience_store.killed_writer FOLDER ROUNDS``: each round is a process of
its own, forked before anything of Home Assistant runs. Prints a line for each: what was found.
"""

import asyncio
import os
import random
import select
import signal
import sys
from typing import NoReturn

from homeassistant.core import HomeAssistant

from custom_components.hikari_denwa.experience_store import ExperienceStore
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.experience import Outcome, Result
from custom_components.hikari_denwa.telephony.numbers import NumberKind

GATEWAY = "192.168.1.1 5060"
_MANY = 200


def number(index: int) -> str:
    """Return the number that is learnt as the index says."""
    return f"03{index:08d}"


def learnt(store: ExperienceStore) -> int:
    """Return how many numbers were learnt; the oldest of very many are let go of."""
    known = list(store.of(GATEWAY).outcomes)
    return int(known[-1][2:]) + 1 if known else 0


async def write(folder: str, told: int) -> None:
    """Learn one number after the other, and tell of each that is on the disk."""
    hass = HomeAssistant(folder)
    store = ExperienceStore(hass)
    await store.async_load()
    begun = learnt(store)
    for index in range(begun, begun + _MANY):
        outcome = Outcome(
            number=number(index),
            kind=NumberKind.LANDLINE,
            family=Family.IPV4,
            result=Result.REACHED,
            at=2_000_000_000.0 + index,
        )
        store.note(GATEWAY, outcome)
        await store._store.async_save(store._data())
        os.write(told, b".")


async def read(folder: str) -> int:
    """Return how many numbers the file holds; it must hold them whole and without a gap."""
    store = ExperienceStore(HomeAssistant(folder))
    await store.async_load()
    known = list(store.of(GATEWAY).outcomes)
    whole = learnt(store)
    assert known == [number(index) for index in range(whole - len(known), whole)]
    return whole


def be_killed(folder: str) -> int:
    """Fork a writer and kill it at a random moment; returns how much it wrote for sure."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        _be_writer(folder, writable)
    os.close(writable)
    select.select([readable], [], [], 20)
    # The writer takes about a millisecond for each; this falls anywhere within.
    select.select([], [], [], random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    sure = 0
    while chunk := os.read(readable, 4096):
        sure += len(chunk)
    os.close(readable)
    return sure


def _be_writer(folder: str, writable: int) -> NoReturn:
    """Write until the end comes."""
    asyncio.run(write(folder, writable))
    os._exit(0)


def main() -> None:
    """Run the rounds."""
    folder, rounds = sys.argv[1], int(sys.argv[2])
    before = 0
    for _ in range(rounds):
        sure = be_killed(folder)
        readable, writable = os.pipe()
        if not os.fork():
            os.write(writable, str(asyncio.run(read(folder))).encode())
            os._exit(0)
        os.close(writable)
        found = int(os.read(readable, 64) or -1)
        os.close(readable)
        os.wait()
        sys.stdout.write(f"{before} + {sure} <= {found}\n")
        if not before + sure <= found <= before + sure + 1:
            sys.exit(1)
        before = found


if __name__ == "__main__":
    main()
