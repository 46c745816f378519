"""The policy above the back ends: where a line registers, and when it tries again."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..address import Endpoint, literal_family, resolve
from ..calls import Family
from ..errors import (
    CredentialsRejectedError,
    EngineError,
    ExtensionUnavailableError,
    FamilyMissingError,
    GatewayRenumberedError,
    GatewaySilentError,
    GatewayUnreachableError,
    LineNotRegisteredError,
    LineUnknownError,
    NameNotResolvedError,
    OnlyIPv4AnswersError,
    OnlyIPv6AnswersError,
    RegistrationError,
    RegistrationRefusedError,
    TelephonyError,
)
from .backend import Account, Backend, Registered
from .protocol import FamilyChoice, LineConfig, RegistrationChanged, RegistrationState

_LOGGER = logging.getLogger(__name__)
_RANDOM = random.SystemRandom()
_MOST_ADDRESSES_OF_A_FAMILY = 2
_LEAST_BETWEEN_LOOKS = 60.0
_FINAL = (CredentialsRejectedError, ExtensionUnavailableError)
_NO_ANSWER = (GatewaySilentError, GatewayUnreachableError, GatewayRenumberedError)
_ANSWER = (*_FINAL, RegistrationRefusedError)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a line tries again, in seconds.

    ``attempt`` bounds one address, ``first_pause`` doubles up to ``longest_pause``,
    attempts start at least ``spacing`` apart, and a registration that lasted ``healthy`` ends
    the doubling. With these a line is back within 30 s of its gateway. A gateway that names a
    time is left alone for that time, up to ``longest_wait``; an extension that was ours and is
    refused is asked for ever more seldom, up to ``longest_refused``.
    """

    attempt: float = 6.0
    resolve: float = 5.0
    ask: float = 4.0
    first_pause: float = 2.0
    longest_pause: float = 20.0
    spacing: float = 1.0
    healthy: float = 10.0
    unregister: float = 2.0
    longest_wait: float = 300.0
    longest_refused: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A registration that stands: with which account, and what the gateway said."""

    account: Account
    registered: Registered


async def find_endpoints(
    config: LineConfig, families: Sequence[Family], *, time_limit: float
) -> tuple[list[Endpoint], list[Endpoint]]:
    """Return the gateway's literals of the wanted family, and those of the other.

    IPv6 comes first, at most two of a family. Raises NameNotResolvedError or FamilyMissingError.
    """
    try:
        async with asyncio.timeout(time_limit):
            found = await _resolve_both(config)
    except TimeoutError:
        raise NameNotResolvedError(address=config.gateway) from None
    wanted: list[Endpoint] = []
    other: list[Endpoint] = []
    for family in Family:
        if family not in families:
            continue
        of_family = [item for item in found if item.family is family][:_MOST_ADDRESSES_OF_A_FAMILY]
        fits = config.family is FamilyChoice.AUTOMATIC or config.family.value == family.value
        (wanted if fits else other).extend(of_family)
    if not wanted:
        raise FamilyMissingError(address=config.gateway, family=config.family.value)
    return wanted, other


async def _resolve_both(config: LineConfig) -> list[Endpoint]:
    """Return the literals of both addresses of a gateway; one that says nothing is passed over.

    Raises NameNotResolvedError if neither says anything.
    """
    hosts = filter(None, (config.gateway, config.second_gateway))
    answers = await asyncio.gather(*map(resolve, hosts), return_exceptions=True)
    found = [each for answer in answers if isinstance(answer, tuple) for each in answer]
    if not found:
        raise NameNotResolvedError(address=config.gateway)
    return list(dict.fromkeys(found))


def _account(config: LineConfig, endpoint: Endpoint) -> Account:
    """Return the account of a line at one of the gateway's addresses."""
    return Account(
        gateway=endpoint.address,
        family=endpoint.family,
        extension=config.extension,
        user_id=config.user_id,
        password=config.password,
        port=config.port,
        expires=config.expires,
        codecs=config.codecs,
        call_waiting=config.call_waiting,
    )


def _most_telling(errors: Sequence[TelephonyError]) -> TelephonyError:
    """Return the failure that says most: an answer before silence, silence before no route."""
    return min(
        errors,
        key=lambda error: (
            isinstance(error, GatewayUnreachableError),
            isinstance(error, _NO_ANSWER),
        ),
    )


def _only_answers(wanted: Endpoint, other: Endpoint) -> RegistrationError:
    """Return the failure of a gateway that is silent at one address and not at the other."""
    only = OnlyIPv4AnswersError if other.family is Family.IPV4 else OnlyIPv6AnswersError
    return only(address=wanted.address, other_address=other.address)


def _wish(error: TelephonyError) -> float:
    """Give for how many seconds the gateway wants to be left alone (RFC 3261 §20.33)."""
    return error.retry_after or 0.0 if isinstance(error, RegistrationError) else 0.0


def _may_ask_at_once(error: TelephonyError) -> bool:
    """Tell whether a loss is no reason to wait."""
    return not _wish(error) and not isinstance(error, ExtensionUnavailableError)


class Registrar:
    """Registers lines at one address after the other, through a back end."""

    def __init__(
        self,
        backend: Backend,
        timing: Timing,
        foreign_prefix: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Keep the back end and the bounds.

        `foreign_prefix` gives the prefix of our network for a literal that is outside of it.
        """
        self.backend = backend
        self.timing = timing
        self._foreign_prefix = foreign_prefix

    async def endpoints(self, config: LineConfig) -> tuple[list[Endpoint], list[Endpoint]]:
        """Return the wanted and the other addresses of a line's gateway."""
        return await find_endpoints(config, self.backend.families, time_limit=self.timing.resolve)

    async def register(
        self, line: str, config: LineConfig, endpoints: Sequence[Endpoint]
    ) -> Standing:
        """Register at the first address that takes it.

        Goes on to the next address for everything but a verdict on the account, which
        another address would only repeat, and sends no two within a second. Raises the most
        telling failure.
        """
        loop = asyncio.get_running_loop()
        errors: list[TelephonyError] = []
        earliest = loop.time()
        for endpoint in endpoints:
            account = _account(config, endpoint)
            await asyncio.sleep(earliest - loop.time())
            began = loop.time()
            try:
                return Standing(account=account, registered=await self._register(line, account))
            except _FINAL:
                raise
            except TelephonyError as error:
                _LOGGER.debug("Line %s at %s: %s", line, endpoint.address, error)
                errors.append(error)
                if not isinstance(error, RegistrationError) or error.sent:
                    earliest = began + self.timing.spacing
        raise self._explained(config, _most_telling(errors))

    async def ask(self, config: LineConfig, endpoint: Endpoint) -> float | None:
        """Ask the gateway at an address; returns the round trip in seconds, None after silence."""
        account = _account(config, endpoint)
        return await self.backend.ask(account, time_limit=self.timing.ask)

    async def unregister(self, line: str) -> None:
        """Un-register a line within the bound, whatever the gateway does."""
        try:
            async with asyncio.timeout(self.timing.unregister + 1):
                await self.backend.unregister(line)
        except LineUnknownError:
            return
        except (TimeoutError, TelephonyError):
            _LOGGER.debug("Line %s could not be un-registered", line)

    def _explained(self, config: LineConfig, error: TelephonyError) -> TelephonyError:
        """Say so if nobody answers at a literal that our network has left behind."""
        if not isinstance(error, _NO_ANSWER) or literal_family(config.gateway) is None:
            return error
        if prefix := self._foreign_prefix(config.gateway):
            return GatewayRenumberedError(address=config.gateway, prefix=prefix)
        return error

    async def _register(self, line: str, account: Account) -> Registered:
        """Register at one address; a back end that overruns its bound counts as silence."""
        try:
            async with asyncio.timeout(self.timing.attempt * 4):
                return await self.backend.register(line, account, time_limit=self.timing.attempt)
        except TimeoutError:
            raise GatewaySilentError(address=account.gateway, family=account.family.value) from None


class LineKeeper:
    """Keeps one line registered until it is closed or its account is rejected."""

    def __init__(
        self,
        line: str,
        config: LineConfig,
        registrar: Registrar,
        emit: Callable[[RegistrationChanged], None],
    ) -> None:
        """Take the line; ``start`` sets to work."""
        self.line = line
        self.config = config
        self.standing: Standing | None = None
        self._registrar = registrar
        self._emit = emit
        self._last: Endpoint | None = None
        self._disturbed = asyncio.Event()
        self._nudged = asyncio.Event()
        self._turn = asyncio.Lock()
        self._has_served = False
        self._elsewhere: RegistrationError | None = None
        self._look_after = float("-inf")
        self._loss: TelephonyError | None = None
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Register and keep registered."""
        self._tell(RegistrationState.REGISTERING)
        self._task = asyncio.create_task(self._keep(), name=f"line {self.line}")

    async def stop(self) -> None:
        """Try no more, and leave the registration as it is."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Try no more and un-register."""
        await self.stop()
        await self._registrar.unregister(self.line)
        self.standing = None
        self._tell(RegistrationState.UNREGISTERED)

    def lost(self, error: TelephonyError) -> None:
        """Take note that the back end could not refresh the registration."""
        if self.standing is None:
            return
        self.standing = None
        self._loss = error
        self._disturbed.set()

    def refreshed(self, registered: Registered) -> None:
        """Take note of a refresh; tells only what changed by it."""
        if self.standing is None:
            return
        former = self.standing
        self.standing = Standing(account=former.account, registered=registered)
        if self.standing != former:
            self._tell_registered()

    def renew(self) -> None:
        """Register anew now: somebody else may have taken our place at the gateway."""
        if self.standing:
            self._disturbed.set()

    def network_changed(self) -> None:
        """Register from where we are now, or try again at once if we were waiting to."""
        self._nudged.set()
        if self.standing and self._registrar.backend.has_moved(self.line):
            self._disturbed.set()

    def woke(self) -> None:
        """Register anew now: while we were asleep, the gateway may have forgotten us."""
        self._nudged.set()
        self.renew()

    async def move(self, family: Family) -> None:
        """Register over a family; what stood before stays until that is done, or if it fails.

        Raises what a registration raises, and FamilyMissingError.
        """
        async with self._turn:
            if self.standing and self.standing.account.family is family:
                return
            wanted, _ = await self._registrar.endpoints(self.config)
            wanted = [endpoint for endpoint in wanted if endpoint.family is family]
            if not wanted:
                raise FamilyMissingError(address=self.config.gateway, family=family.value)
            self._take(await self._registrar.register(self.line, self.config, wanted))
            self._tell_registered()

    async def _keep(self) -> None:
        """Register, wait for a loss, and begin again, until the account is rejected."""
        loop = asyncio.get_running_loop()
        while True:
            self._disturbed.clear()
            self._nudged.clear()
            self._loss = None
            began = loop.time()
            try:
                async with self._turn:
                    await self._register()
            except TelephonyError as error:
                if self._is_final(error):
                    self._reject(error)
                    return
                await self._pause(error, spent=loop.time() - began)
                continue
            took = loop.time()
            if self._nudged.is_set():
                self.network_changed()
            await self._disturbed.wait()
            if self._loss and self._is_final(self._loss):
                self._reject(self._loss)
                return
            lasted = loop.time() - took >= self._registrar.timing.healthy
            if lasted:
                self._failures = 0
            if self._loss and (not lasted or not _may_ask_at_once(self._loss)):
                await self._pause(self._loss, spent=0.0)
                continue
            spacing = self._registrar.timing.spacing
            if self._loss:
                # The refresh that failed was a REGISTER, too.
                began = loop.time()
                self._tell(RegistrationState.FAILED, self._loss, retry_in=spacing)
            await asyncio.sleep(began + spacing - loop.time())

    async def _register(self) -> None:
        """Make one attempt over all addresses; what worked last comes first."""
        former, self.standing = self.standing, None
        try:
            wanted, other = await self._registrar.endpoints(self.config)
            if self._last:
                last = self._last
                wanted.sort(key=lambda item: (item != last, item.family is not last.family))
            try:
                self._take(await self._registrar.register(self.line, self.config, wanted))
            except _NO_ANSWER as error:
                await self._look_elsewhere(wanted, other)
                raise self._elsewhere or error from None
        except TelephonyError:
            raise
        except Exception as error:
            _LOGGER.exception("Line %s could not be registered", self.line)
            raise EngineError from error
        if self.standing != former:
            self._tell_registered()

    async def _look_elsewhere(self, wanted: list[Endpoint], other: list[Endpoint]) -> None:
        """Ask, at times, whether the gateway is there over the family that the line may not use."""
        now = asyncio.get_running_loop().time()
        if not other:
            self._elsewhere = None
        elif now >= self._look_after:
            self._look_after = now + _LEAST_BETWEEN_LOOKS
            there = await self._registrar.ask(self.config, other[0]) is not None
            self._elsewhere = _only_answers(wanted[0], other[0]) if there else None

    def _take(self, standing: Standing) -> None:
        """Take a registration that stands; its address comes first the next time."""
        self._elsewhere = None
        self.standing = standing
        self._has_served = True
        account = standing.account
        self._last = Endpoint(address=account.gateway, family=account.family)

    def _is_final(self, error: TelephonyError) -> bool:
        """Tell whether asking again is of no use.

        An extension that was ours may be ours again: a gateway that is starting, or another
        device that goes.
        """
        if isinstance(error, ExtensionUnavailableError):
            return not self._has_served
        return isinstance(error, _FINAL)

    async def _pause(self, error: TelephonyError, *, spent: float) -> None:
        """Tell a failure and wait, longer each time; the time spent trying counts as waiting."""
        timing = self._registrar.timing
        refused = isinstance(error, ExtensionUnavailableError)
        cap = timing.longest_refused if refused else timing.longest_pause
        longest = min(timing.first_pause * 2**self._failures, cap)
        self._failures = min(self._failures + 1, 16)
        least = max(timing.spacing, min(_wish(error), timing.longest_wait))
        pause = max(longest * _RANDOM.uniform(0.75, 1.0) - spent, least)
        self._tell(RegistrationState.FAILED, error, retry_in=pause)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause - least):
                await self._nudged.wait()

    def _reject(self, error: TelephonyError) -> None:
        """Tell that the account is rejected; nothing more is sent."""
        self.standing = None
        self._tell(RegistrationState.REJECTED, error)

    def _tell_registered(self) -> None:
        """Tell the registration that stands."""
        self._tell(RegistrationState.REGISTERED)

    def _tell(
        self,
        state: RegistrationState,
        error: TelephonyError | None = None,
        *,
        retry_in: float | None = None,
    ) -> None:
        """Tell where the registration stands."""
        standing = self.standing
        self._emit(
            RegistrationChanged(
                at=time.time(),
                line=self.line,
                state=state,
                family=standing.account.family if standing else None,
                gateway_address=standing.account.gateway if standing else None,
                local_address=standing.registered.local_address if standing else None,
                expires=standing.registered.expires if standing else None,
                domain=standing.registered.domain if standing else None,
                reason=error.reason if error else None,
                placeholders=error.placeholders if error else {},
                retry_in=retry_in,
            )
        )


class Lines:
    """All lines of the engine, and probes beside them."""

    def __init__(
        self,
        backend: Backend,
        emit: Callable[[RegistrationChanged], None],
        timing: Timing | None = None,
        *,
        foreign_prefix: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Begin with no line."""
        self._registrar = Registrar(backend, timing or Timing(), foreign_prefix)
        self._emit = emit
        self._keepers: dict[str, LineKeeper] = {}
        self._probe_numbers = itertools.count(1)
        self._clearing = asyncio.Lock()

    async def add(self, line: str, config: LineConfig) -> None:
        """Keep a line registered from now on.

        A line of that name is replaced; with the very same configuration its calls stay.
        """
        if former := self._keepers.pop(line, None):
            await (former.stop() if former.config == config else former.close())
        keeper = LineKeeper(line, config, self._registrar, self._emit)
        self._keepers[line] = keeper
        keeper.start()

    async def remove(self, line: str) -> None:
        """Hang up, un-register and forget a line. Raises LineUnknownError."""
        if line not in self._keepers:
            raise LineUnknownError(line=line)
        await self._keepers.pop(line).close()

    async def move(self, line: str, family: Family) -> None:
        """Register a line over a family, so that it can ring all the time.

        Raises LineUnknownError, FamilyMissingError and what a registration raises.
        """
        if line not in self._keepers:
            raise LineUnknownError(line=line)
        await self._keepers[line].move(family)

    def network_changed(self) -> None:
        """Hear that addresses or routes of this machine changed."""
        for keeper in self._keepers.values():
            keeper.network_changed()

    def woke(self, asleep: float) -> None:
        """Hear that this machine was asleep for some seconds."""
        _LOGGER.info("Awake after %.0f s: every line is registered anew", asleep)
        for keeper in self._keepers.values():
            keeper.woke()

    async def clear(self) -> None:
        """Remove every line, all at the same time."""
        async with self._clearing:
            keepers = list(self._keepers.values())
            self._keepers.clear()
            await asyncio.gather(*(keeper.close() for keeper in keepers))

    async def endpoints(self, line: str) -> list[Endpoint]:
        """Return all addresses of a line's gateway, whatever family the line may use.

        Raises LineUnknownError, NameNotResolvedError or FamilyMissingError.
        """
        if line not in self._keepers:
            raise LineUnknownError(line=line)
        wanted, other = await self._registrar.endpoints(self._keepers[line].config)
        return [*wanted, *other]

    async def ask(self, line: str, endpoint: Endpoint) -> float | None:
        """Ask a line's gateway at an address; as Registrar.ask. Raises LineUnknownError."""
        if line not in self._keepers:
            raise LineUnknownError(line=line)
        return await self._registrar.ask(self._keepers[line].config, endpoint)

    def round_trip(self, line: str) -> float | None:
        """Return in how many seconds a line's gateway took its registration, None if not known."""
        keeper = self._keepers.get(line)
        return keeper.standing.registered.round_trip if keeper and keeper.standing else None

    def standing(self, line: str) -> Standing:
        """Return a line's registration. Raises LineUnknownError or LineNotRegisteredError."""
        if line not in self._keepers:
            raise LineUnknownError(line=line)
        if standing := self._keepers[line].standing:
            return standing
        raise LineNotRegisteredError

    def lost(self, line: str, error: RegistrationError) -> None:
        """Take a back end's word that a registration is lost."""
        if keeper := self._keepers.get(line):
            keeper.lost(error)

    def refreshed(self, line: str, registered: Registered) -> None:
        """Take a back end's word that a registration was refreshed."""
        if keeper := self._keepers.get(line):
            keeper.refreshed(registered)

    async def probe(self, config: LineConfig) -> Standing:
        """Register once with a configuration, from a socket of its own, and un-register.

        Raises what a registration raises, and OnlyIPv4AnswersError or OnlyIPv6AnswersError
        when the chosen family is silent and the other is not. A line of this engine that uses the
        same extension registers anew afterwards, because a gateway may give an extension's
        place to the newest.
        """
        line = f"probe {next(self._probe_numbers)}"
        wanted, other = await self._registrar.endpoints(config)
        try:
            return await self._probe(line, config, wanted, other)
        finally:
            await self._registrar.unregister(line)
            for keeper in self._same_extension(config, [*wanted, *other]):
                keeper.renew()

    async def _probe(
        self, line: str, config: LineConfig, wanted: list[Endpoint], other: list[Endpoint]
    ) -> Standing:
        """Register the private line of a probe."""
        try:
            return await self._registrar.register(line, config, wanted)
        except ExtensionUnavailableError:
            for keeper in self._same_extension(config, wanted):
                same = (keeper.config.user_id, keeper.config.password)
                if keeper.standing and same == (config.user_id, config.password):
                    return keeper.standing
            raise
        except _NO_ANSWER:
            if not other or not await self._answers(line, config, other):
                raise
        raise _only_answers(wanted[0], other[0])

    async def _answers(self, line: str, config: LineConfig, endpoints: list[Endpoint]) -> bool:
        """Return whether a SIP server answers at one of the addresses, whatever it says."""
        try:
            await self._registrar.register(line, config, endpoints)
        except TelephonyError as error:
            return isinstance(error, _ANSWER)
        return True

    def _same_extension(
        self, config: LineConfig, endpoints: Sequence[Endpoint]
    ) -> list[LineKeeper]:
        """Return the lines that are registered as the same extension of the same gateway."""
        addresses = {endpoint.address for endpoint in endpoints}
        return [
            keeper
            for keeper in self._keepers.values()
            if keeper.standing
            and keeper.standing.account.gateway in addresses
            and keeper.config.port == config.port
            and keeper.config.extension == config.extension
        ]
