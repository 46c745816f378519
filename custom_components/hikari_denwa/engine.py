"""The engines that the lines share: one for each choice, started with its first line.

A line says which engine it wants. When that one does not serve, the line gets the built-in
one meanwhile, is told why, and is asked to come again when the chosen one serves.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final, Self

from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from .const import (
    CONF_ENGINE,
    CONF_ENGINE_FINGERPRINT,
    CONF_ENGINE_INTERPRETER,
    CONF_ENGINE_TOKEN,
    CONF_ENGINE_URL,
    CONF_FAMILY,
    CONF_GATEWAY,
    DOMAIN,
)
from .storage import HikariStore, has_lines
from .telephony.address import literal_family
from .telephony.calls import Family
from .telephony.engine.child import ChildLauncher, Launcher
from .telephony.engine.client import EngineClient
from .telephony.engine.pjsua2.launcher import Pjsua2Launcher
from .telephony.engine.pjsua2.probe import Pjsua2Report
from .telephony.engine.protocol import FamilyChoice, Welcome
from .telephony.engine.remote import RemoteLauncher
from .telephony.errors import EngineError, EngineFamilyError, EngineLostError

_LOGGER = logging.getLogger(__name__)

NATIVE: Final = ChildLauncher()
# An engine that is only restarted is back sooner; one that stays away is given up for now.
PATIENCE_SECONDS = 60.0
_STORE_VERSION = 1


class EngineKind(StrEnum):
    """What a line can choose."""

    AUTOMATIC = "automatic"
    NATIVE = "native"
    PJSUA2 = "pjsua2"
    REMOTE = "remote"


@dataclass(frozen=True, kw_only=True)
class EngineApp:
    """The app that was discovered: how to reach its engine."""

    uuid: str
    name: str
    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """Which engine a line wants."""

    kind: EngineKind = EngineKind.AUTOMATIC
    interpreter: str = ""
    url: str = ""
    token: str | None = field(default=None, repr=False)
    fingerprint: str | None = None

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Self:
        """Return the choice that a config entry's options hold."""
        return cls(
            kind=EngineKind(options.get(CONF_ENGINE, EngineKind.AUTOMATIC)),
            interpreter=options.get(CONF_ENGINE_INTERPRETER, ""),
            url=options.get(CONF_ENGINE_URL, ""),
            token=options.get(CONF_ENGINE_TOKEN),
            fingerprint=options.get(CONF_ENGINE_FINGERPRINT),
        )

    def launcher(self, app: EngineApp | None) -> Launcher:
        """Return how the engine is brought up."""
        match self.kind:
            case EngineKind.PJSUA2:
                return Pjsua2Launcher(interpreter=self.interpreter)
            case EngineKind.REMOTE:
                return RemoteLauncher(url=self.url, token=self.token, fingerprint=self.fingerprint)
            case EngineKind.AUTOMATIC if app:
                return RemoteLauncher(url=app.url, token=app.token)
            case _:
                return NATIVE


@dataclass(frozen=True, kw_only=True)
class Lease:
    """An engine for a line; ``problem`` tells why it is not the one that the line wants."""

    client: EngineClient
    wanted: Launcher
    served: Launcher
    automatic: bool
    problem: EngineError | None = None


@dataclass(kw_only=True)
class _Engine:
    """An engine that somebody wants: its client, and why it does not serve."""

    client: EngineClient
    problem: EngineError | None = None
    patience: asyncio.TimerHandle | None = None


@dataclass(frozen=True, kw_only=True)
class _User:
    """Who has an engine, by which choice, and how to have it come again."""

    choice: EngineChoice
    lease: Lease
    renew: Callable[[], None]


class EngineKeeper:
    """Brings engines up for who needs them, and ends each with its last user."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Make ready; nothing is started yet."""
        self._hass = hass
        self._lock = asyncio.Lock()
        self._engines: dict[Launcher, _Engine] = {}
        self._users: dict[str, _User] = {}
        self._stopped = False
        self._app: EngineApp | None = None
        self._store = HikariStore[dict[str, str]](
            hass, _STORE_VERSION, "engine_app", on_removed=self._forget_app
        )
        self._loaded = False
        self._unsaved = False

    @property
    def clients(self) -> tuple[EngineClient, ...]:
        """Return the clients of all engines that are kept."""
        return tuple(engine.client for engine in self._engines.values())

    def lease(self, user: str) -> Lease | None:
        """Return what a user has."""
        found = self._users.get(user)
        return found.lease if found else None

    async def async_app(self) -> EngineApp | None:
        """Return the app that was discovered, if one was taken."""
        if not self._loaded:
            stored = await self._store.async_load()
            if not self._loaded:
                self._app = EngineApp(**stored) if stored else None
                self._loaded = True
        return self._app

    async def async_take_app(self, app: EngineApp | None) -> None:
        """Use an app from now on, or none; who wants what is automatic comes again.

        It is written down with the first line, not for somebody who never adds one.
        """
        if app == await self.async_app():
            return
        self._app = app
        self._unsaved = app is not None
        if app is None:
            await self._store.async_remove()
        await self._save_app()
        for user in tuple(self._users.values()):
            if user.choice.launcher(app) != user.lease.wanted:
                user.renew()

    async def _save_app(self) -> None:
        """Write the app down if that is still to be done and there is a line to use it."""
        if self._unsaved and self._app and has_lines(self._hass):
            self._unsaved = False
            await self._store.async_save(asdict(self._app))

    @callback
    def _forget_app(self) -> None:
        """Know no app any more."""
        self._app = None
        self._unsaved = False

    async def acquire(
        self,
        user: str,
        choice: EngineChoice,
        *,
        family: Family | None = None,
        renew: Callable[[], None] = lambda: None,
    ) -> Lease:
        """Return an engine for a user, who gives it back by ``release``.

        If the chosen one does not serve (over the ``family`` that must be), that is the
        built-in one with the problem. ``renew`` is called when another engine would be
        given by now. Raises an EngineError if there is none at all.
        """
        async with self._lock:
            if self._stopped:
                raise EngineLostError
            await self._save_app()
            wanted = served = choice.launcher(await self.async_app())
            problem: EngineError | None = None
            try:
                try:
                    client = await self._serving(wanted, family)
                except EngineError as error:
                    if wanted == NATIVE:
                        raise
                    _LOGGER.warning("The chosen engine does not serve: %s", error)
                    served, problem = NATIVE, error
                    client = await self._serving(NATIVE, None)
                lease = Lease(
                    client=client,
                    wanted=wanted,
                    served=served,
                    automatic=choice.kind is EngineKind.AUTOMATIC,
                    problem=problem,
                )
                self._users[user] = _User(choice=choice, lease=lease, renew=renew)
            finally:
                await self._end_unused()
        return lease

    async def release(self, user: str) -> None:
        """Take an engine back; the last one to give it back stops it."""
        async with self._lock:
            self._users.pop(user, None)
            await self._end_unused()

    @asynccontextmanager
    async def use(
        self, choice: EngineChoice, family: Family | None = None
    ) -> AsyncIterator[EngineClient]:
        """Have an engine for the time of a block."""
        user = f"flow {uuid.uuid4()}"
        lease = await self.acquire(user, choice, family=family)
        try:
            yield lease.client
        finally:
            await self.release(user)

    async def async_try(self, choice: EngineChoice, family: Family | None) -> Welcome:
        """Return what a chosen engine says of itself, and no other; raises its EngineError."""
        launcher = choice.launcher(await self.async_app())
        async with self._lock:
            engine = self._engines.get(launcher)
            if engine is None or (welcome := engine.client.welcome) is None:
                welcome = await _tried(launcher)
                if engine:
                    engine.client.hurry()
        _check_family(welcome, family)
        return welcome

    async def async_stop(self) -> None:
        """Stop with Home Assistant, whoever still uses an engine: the lines un-register."""
        async with self._lock:
            self._stopped = True
            for launcher in tuple(self._engines):
                await self._end(launcher)

    async def _serving(self, launcher: Launcher, family: Family | None) -> EngineClient:
        """Return the client of an engine that serves; raises the EngineError why it does not."""
        if isinstance(launcher, Pjsua2Launcher) and family:
            _check_family(await launcher.probe(), family)
        if (engine := self._engines.get(launcher)) is None:
            client = EngineClient(
                launcher,
                on_lost=partial(self._lost, launcher),
                on_restored=partial(self._restored, launcher),
            )
            engine = self._engines[launcher] = _Engine(client=client)
            try:
                await client.start()
            except EngineError as error:
                engine.problem = error
                if launcher != NATIVE:
                    await client.keep_trying()
        if engine.problem:
            raise engine.problem
        if welcome := engine.client.welcome:
            _check_family(welcome, family)
        return engine.client

    async def _end_unused(self) -> None:
        """End the engines that nobody has or wants, and forget those that never ran."""
        used = {
            launcher
            for user in self._users.values()
            for launcher in (user.lease.wanted, user.lease.served)
        }
        for launcher, engine in tuple(self._engines.items()):
            if launcher not in used or (launcher == NATIVE and engine.problem):
                await self._end(launcher)

    async def _end(self, launcher: Launcher) -> None:
        """End an engine."""
        engine = self._engines.pop(launcher)
        if engine.patience:
            engine.patience.cancel()
        await engine.client.close()

    @callback
    def _lost(self, launcher: Launcher) -> None:
        """Have patience with an engine that was lost; the built-in one is the last resort."""
        engine = self._engines.get(launcher)
        if engine and launcher != NATIVE and engine.patience is None:
            engine.patience = self._hass.loop.call_later(PATIENCE_SECONDS, self._give_up, launcher)

    @callback
    def _give_up(self, launcher: Launcher) -> None:
        """Have the lines of an engine that stays away come again."""
        if engine := self._engines.get(launcher):
            engine.patience = None
            engine.problem = EngineLostError()
            self._renew(lambda lease: lease.served == launcher)

    @callback
    def _restored(self, launcher: Launcher, _welcome: Welcome) -> None:
        """Have the lines come back that want an engine which serves again."""
        if engine := self._engines.get(launcher):
            if engine.patience:
                engine.patience.cancel()
                engine.patience = None
            engine.problem = None
            self._renew(lambda lease: lease.wanted == launcher and lease.served != launcher)

    @callback
    def _renew(self, concerned: Callable[[Lease], bool]) -> None:
        """Have users come again."""
        for user in tuple(self._users.values()):
            if concerned(user.lease):
                user.renew()


def needed_family(data: Mapping[str, Any]) -> Family | None:
    """Return the IP family without which a line cannot be, if there is one."""
    choice = FamilyChoice(data.get(CONF_FAMILY, FamilyChoice.AUTOMATIC))
    if choice is not FamilyChoice.AUTOMATIC:
        return Family(choice)
    return literal_family(data[CONF_GATEWAY])


async def _tried(launcher: Launcher) -> Welcome:
    """Return what an engine says that nobody uses; raises its EngineError."""
    client = EngineClient(launcher)
    try:
        return await client.start()
    finally:
        await client.close()


def _check_family(able: Welcome | Pjsua2Report, family: Family | None) -> None:
    """Raise EngineFamilyError if an engine does not speak the family that must be."""
    if family and family not in able.families:
        raise EngineFamilyError(family=family)


DATA_ENGINES: HassKey[EngineKeeper] = HassKey(f"{DOMAIN}_engines")


def engine_keeper(hass: HomeAssistant) -> EngineKeeper:
    """Return the keeper of this Home Assistant's engines.

    The first config flow asks for it before the integration is set up.
    """
    return hass.data.setdefault(DATA_ENGINES, EngineKeeper(hass))
