"""Ask an interpreter what its pjsua2 can do, in a process that may break."""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...calls import Family
from ..surroundings import environment_of

_LOGGER = logging.getLogger(__name__)
_TRIAL = Path(__file__).with_name("trial.py")
_LONGEST_SECONDS = 15.0
_OLDEST_PYTHON = [3, 11]
_OLDEST_PJSUA2 = (2, 14)


class Pjsua2Problem(StrEnum):
    """Why a pjsua2 cannot serve."""

    INTERPRETER = "interpreter"
    """The path is no Python that starts."""
    PYTHON_TOO_OLD = "python_too_old"
    """Older than Python 3.11."""
    NOT_INSTALLED = "not_installed"
    """This Python has no module pjsua2 that can be imported."""
    TOO_OLD = "too_old"
    """Older than pjproject 2.14."""
    AIOHTTP_MISSING = "aiohttp_missing"
    """The engine needs aiohttp in the same interpreter."""
    AUDIOOP_MISSING = "audioop_missing"
    """From Python 3.13 on the engine needs audioop-lts in the same interpreter."""
    BROKEN = "broken"
    """It does not even place a call over IPv4."""
    SILENT = "silent"
    """It did not answer in time."""


_MISSING = {
    "aiohttp": Pjsua2Problem.AIOHTTP_MISSING,
    "audioop": Pjsua2Problem.AUDIOOP_MISSING,
}


@dataclass(frozen=True, kw_only=True)
class Pjsua2Report:
    """What an interpreter's pjsua2 can do.

    ``found`` if there is one at all; it can serve if ``problem`` is None, over ``families``
    and with ``max_calls`` calls at a time. ``problem`` is a Pjsua2Problem.
    """

    found: bool = False
    version: str | None = None
    families: tuple[Family, ...] = ()
    max_calls: int = 0
    problem: str | None = None


async def probe_pjsua2(interpreter: str) -> Pjsua2Report:
    """Find out what the pjsua2 of an interpreter can do; never raises, takes 15 s at most."""
    facts: dict[str, Any] = {}
    try:
        process = await asyncio.create_subprocess_exec(
            interpreter,
            str(_TRIAL),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment_of(interpreter),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        _LOGGER.debug("%s cannot be started: %s", interpreter, error)
        return Pjsua2Report(problem=Pjsua2Problem.INTERPRETER)
    timely = True
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await _listen(process, facts)
    except TimeoutError:
        timely = False
    finally:
        await _end(process)
    return report_of(facts, timely=timely)


def report_of(facts: dict[str, Any], *, timely: bool = True) -> Pjsua2Report:
    """Judge what a trial told before it ended, or before its time was over."""
    serves = bool(facts.get("ipv4")) and bool(facts.get("max_calls"))
    families = (Family.IPV6,) * bool(facts.get("ipv6")) + (Family.IPV4,) * serves
    version = facts.get("version")
    problem = _problem(facts, serves=serves, timely=timely)
    return Pjsua2Report(
        found=bool(facts.get("found")),
        version=str(version) if version else None,
        families=() if problem else families,
        max_calls=0 if problem else int(facts["max_calls"]),
        problem=problem,
    )


def _problem(facts: dict[str, Any], *, serves: bool, timely: bool) -> Pjsua2Problem | None:
    """Say why it cannot serve, None if it can."""
    python, missing = facts.get("python"), facts.get("missing")
    problem = None
    if serves and not _is_too_old(str(facts.get("version"))):
        problem = None
    elif not isinstance(python, list):
        problem = Pjsua2Problem.INTERPRETER if timely else Pjsua2Problem.SILENT
    elif python < _OLDEST_PYTHON:
        problem = Pjsua2Problem.PYTHON_TOO_OLD
    elif "import_error" in facts:
        problem = Pjsua2Problem.NOT_INSTALLED
    elif missing in _MISSING:
        problem = _MISSING[missing]
    elif not timely:
        problem = Pjsua2Problem.SILENT
    elif _is_too_old(str(facts.get("version"))):
        problem = Pjsua2Problem.TOO_OLD
    else:
        problem = Pjsua2Problem.BROKEN
    return problem


def _is_too_old(version: str) -> bool:
    """Tell whether a version is one that we do not know to work; one without numbers is not."""
    numbers = version.partition("-")[0].split(".")[:2]
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        return False
    return tuple(map(int, numbers)) < _OLDEST_PJSUA2


async def _listen(process: Process, facts: dict[str, Any]) -> None:
    """Take what the trial tells until it ends; the library prints beside it."""
    while process.stdout and (line := await process.stdout.readline()):
        if line.startswith(b"{"):
            with suppress(ValueError):
                facts.update(json.loads(line))
    await process.wait()


async def _end(process: Process) -> None:
    """See to it that nothing of the trial is left."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
