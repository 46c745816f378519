"""Keeps an eye on how each line's gateway is reached, and tells when that changes.

Looks when a line comes, when the kernel tells of a change, and when a registration moves;
nothing is polled. While a line is registered and both families lead to its gateway, that is asked
by one OPTIONS over each, at most once in LEAST_BETWEEN_QUESTIONS seconds. Where one family leads
there, nobody needs to ask: that it answers, and how soon, the registration itself has shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..address import Endpoint
from ..calls import Family
from ..errors import TelephonyError
from ..path_finder import Answer, PathFinder
from ..paths import FamilyPath, Paths, Reach, SourceKind
from .protocol import PathsChanged, RegistrationChanged, RegistrationState

_LOGGER = logging.getLogger(__name__)
LEAST_BETWEEN_QUESTIONS = 30.0
_SILENT = frozenset({"gateway_silent", "gateway_unreachable", "gateway_renumbered"})
_WORTH_ASKING = frozenset({Reach.SAME_LINK, Reach.ROUTED, Reach.UNKNOWN})


class Gateways(Protocol):
    """Who knows the addresses of a line's gateway, and can ask it; may raise TelephonyError."""

    async def endpoints(self, line: str) -> Sequence[Endpoint]:
        """Return all addresses of a line's gateway."""

    async def ask(self, line: str, endpoint: Endpoint) -> float | None:
        """Ask at an address; returns the round trip in seconds, None after silence."""

    def round_trip(self, line: str) -> float | None:
        """Return in how many seconds the gateway took the registration, None if not known."""


@dataclass(kw_only=True)
class _Survey:
    """What is known of one line."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    family: Family | None = None
    answers: dict[Family, Answer] = field(default_factory=dict)
    refused: set[Family] = field(default_factory=set)
    ask_after: float = float("-inf")
    ask_at: float | None = None
    told: Paths | None = None
    task: asyncio.Task[None] | None = None

    def known(self, round_trip: float | None) -> dict[Family, Answer]:
        """Return what the gateway did over each family; a registration says more than OPTIONS.

        ``round_trip`` is that of the registration, in seconds, for where OPTIONS told none.
        """
        found = dict(self.answers) | {family: Answer(answers=False) for family in self.refused}
        if self.family is not None:
            asked = self.answers.get(self.family)
            trip = asked.round_trip_ms if asked else None
            if trip is None and round_trip is not None:
                trip = _milliseconds(round_trip)
            found[self.family] = Answer(answers=True, round_trip_ms=trip)
        return found


class Surveyor:
    """Finds the paths of all lines and tells `emit` those that changed."""

    def __init__(
        self,
        gateways: Gateways,
        emit: Callable[[PathsChanged], None],
        finder: PathFinder | None = None,
        *,
        foreign_prefix: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Begin with no line.

        `foreign_prefix` gives the prefix of our network for a literal that is outside of it.
        """
        self._gateways = gateways
        self._emit = emit
        self._finder = finder or PathFinder()
        self._foreign_prefix = foreign_prefix
        self._surveys: dict[str, _Survey] = {}

    def add(self, line: str) -> None:
        """Survey a line from now on, and tell of it in any case."""
        self.remove(line)
        survey = self._surveys[line] = _Survey()
        survey.task = asyncio.create_task(self._keep(line, survey), name=f"paths of {line}")

    def remove(self, line: str) -> None:
        """Survey a line no more."""
        if (survey := self._surveys.pop(line, None)) and survey.task:
            survey.task.cancel()

    async def close(self) -> None:
        """Survey nothing more."""
        tasks = {survey.task for survey in self._surveys.values() if survey.task}
        for line in tuple(self._surveys):
            self.remove(line)
        if tasks:
            await asyncio.wait(tasks)

    def network_changed(self) -> None:
        """Look anew at everything: what was true of the old network says nothing of this one."""
        self._finder.forget()
        for survey in self._surveys.values():
            survey.answers.clear()
            survey.refused.clear()
            survey.wanted.set()

    def registration_changed(self, event: RegistrationChanged) -> None:
        """Take from a registration over which family the gateway answers."""
        survey = self._surveys.get(event.line)
        if survey is None:
            return
        family = event.family if event.state is RegistrationState.REGISTERED else None
        if event.state is RegistrationState.FAILED and event.reason in _SILENT:
            self.unanswered(event.line, event.placeholders.get("family"))
        if family is not None:
            survey.refused.discard(family)
        if family is not survey.family:
            survey.family = family
            survey.wanted.set()

    def unanswered(self, line: str, family: str | None) -> None:
        """Hear that a registration over a family came to nothing for want of an answer."""
        survey = self._surveys.get(line)
        found = next((each for each in Family if each == family), None)
        if survey and found and found not in survey.refused:
            survey.refused.add(found)
            survey.wanted.set()

    async def _keep(self, line: str, survey: _Survey) -> None:
        """Look whenever it is wanted."""
        while True:
            survey.wanted.clear()
            try:
                await self._look(line, survey)
            except TelephonyError as error:
                _LOGGER.debug("The paths of line %s are not known: %s", line, error)
            except Exception:
                _LOGGER.exception("The paths of line %s could not be found", line)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(survey.ask_at):
                    await survey.wanted.wait()

    async def _look(self, line: str, survey: _Survey) -> None:
        """Find the paths and tell them; then ask the gateway, and tell what that changed."""
        endpoints = await self._gateways.endpoints(line)
        paths = await self._find(line, survey, endpoints)
        self._tell(line, survey, paths)
        if await self._ask(line, survey, endpoints, paths):
            self._tell(line, survey, await self._find(line, survey, endpoints))

    async def _find(self, line: str, survey: _Survey, endpoints: Sequence[Endpoint]) -> Paths:
        """Find the paths, and whether the network has left the gateway's address behind."""
        known = survey.known(self._gateways.round_trip(line))
        paths = await self._finder.find(endpoints, known)
        if paths.ipv6 is None or not _is_silent(paths.ipv6):
            return paths
        literals = (each.address for each in endpoints if each.family is Family.IPV6)
        prefixes = filter(None, map(self._foreign_prefix, literals))
        environment = replace(paths.environment, new_prefix=next(prefixes, None))
        return replace(paths, environment=environment)

    async def _ask(
        self, line: str, survey: _Survey, endpoints: Sequence[Endpoint], paths: Paths
    ) -> bool:
        """Ask the gateway over both families, if both lead to it and it was not asked just now.

        Some gateways answer no OPTIONS: silence over one family says something only where the
        other, over which the line is registered, answers.
        """
        now = asyncio.get_running_loop().time()
        survey.ask_at = None
        if survey.family is None:
            return False
        asked = [
            endpoint
            for family in Family
            if _is_worth_asking(paths.of(family))
            for endpoint in [each for each in endpoints if each.family is family][:1]
        ]
        if {each.family for each in asked} <= {survey.family}:
            return False
        if now < survey.ask_after:
            # What the network's last change made doubtful is asked when it may be.
            if not {each.family for each in asked} <= set(survey.answers):
                survey.ask_at = survey.ask_after
            return False
        survey.ask_after = now + LEAST_BETWEEN_QUESTIONS
        trips = await asyncio.gather(*(self._gateways.ask(line, each) for each in asked))
        found = {each.family: trip for each, trip in zip(asked, trips, strict=True)}
        telling = found.get(survey.family) is not None
        for family, trip in found.items():
            if trip is not None:
                survey.answers[family] = Answer(answers=True, round_trip_ms=_milliseconds(trip))
            elif telling:
                survey.answers[family] = Answer(answers=False)
        return True

    def _tell(self, line: str, survey: _Survey, paths: Paths) -> None:
        """Tell paths that are news."""
        if paths == survey.told or self._surveys.get(line) is not survey:
            return
        survey.told = paths
        self._emit(PathsChanged(at=time.time(), line=line, paths=paths))


def _is_silent(path: FamilyPath) -> bool:
    """Tell whether nobody answers at the end of a path, or nothing leads there."""
    return path.gateway_answers is False or (path.reach is Reach.NONE and not path.gateway_answers)


def _milliseconds(seconds: float) -> float:
    """Return a round trip as it is told."""
    return round(1000 * seconds, 1)


def _is_worth_asking(path: FamilyPath | None) -> bool:
    """Tell whether a question would get to the gateway."""
    return (
        path is not None
        and path.reach in _WORTH_ASKING
        and path.source is not None
        and path.source_kind not in {SourceKind.CLAT, SourceKind.LINK_LOCAL}
    )
