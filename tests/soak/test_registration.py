"""What a registration survives, in simulated time: back within 30 s of the gateway."""

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest

from custom_components.hikari_denwa.telephony.address import Endpoint, literal_family
from custom_components.hikari_denwa.telephony.engine import agents
from custom_components.hikari_denwa.telephony.engine import lines as lines_module
from custom_components.hikari_denwa.telephony.engine.commands import Engine
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.network import NetworkWatch, SleepWatch
from custom_components.hikari_denwa.telephony.engine.protocol import (
    AddLine,
    Event,
    LineConfig,
    RegistrationChanged,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import UdpTransport
from custom_components.hikari_denwa.telephony.errors import NameNotResolvedError
from custom_components.hikari_denwa.telephony.path_finder import PathFinder, Snapshot
from tests.home_gateway import gateway as gateway_module
from tests.home_gateway.config import (
    GatewayConfig,
    OptionsAnswer,
    RegistrarConfig,
    SecondDevice,
)
from tests.home_gateway.gateway import HomeGateway

from . import simulation
from .simulation import WALL_AT_START, House, Sent, SimulatedGatewaySocket, SimulatedLoop

OLD_V6, NEW_V6 = "2001:db8:0:100::1", "2001:db8:0:900::1"
OWN_OLD_V6, OWN_NEW_V6 = "2001:db8:0:100::20", "2001:db8:0:900::20"
V4, OWN_V4 = "192.0.2.1", "192.0.2.20"
HOUR = 3600.0
BACK_WITHIN = 30.0
NAME = "gateway"


class _NoNetwork(PathFinder):
    """Sees no addresses and no routes: this machine's own are none of the scene's.

    To read them takes a thread, which knows nothing of simulated time.
    """

    async def snapshot(self, gateway: Sequence[Endpoint]) -> Snapshot:
        """Return what a machine without a network knows."""
        del gateway
        return Snapshot()


class Scene:
    """An engine in a house with a gateway; everything that is told is kept with its time."""

    def __init__(self, house: House) -> None:
        """Begin with no line."""
        self.house = house
        self.names: dict[str, list[str]] = {NAME: [OLD_V6]}
        self.told: list[tuple[float, RegistrationChanged]] = []
        self.keeps_log = True
        self.gateway: HomeGateway
        self.engine = Engine(NativeBackend, emit=self._hear, emit_sound=lambda _: None)
        self.engine._surveyor._finder = _NoNetwork()
        self.engine._sleep = SleepWatch(
            self.engine._lines.woke,
            awake=house.loop.time,
            passed=house.world_time,
            wall=lambda: WALL_AT_START + house.world_time(),
        )
        self.engine._sleep.start()

    async def open_gateway(self, config: GatewayConfig) -> None:
        """Switch a gateway on."""
        self.gateway = HomeGateway(config)
        await self.gateway.start()

    async def add(
        self, gateway: str = NAME, *, extension: str = "3", password: str | None = None
    ) -> None:
        """Add the line, and wait until it is registered or has failed."""
        slot = self.gateway.config.slot(extension)
        assert slot
        config = LineConfig(
            gateway=gateway,
            extension=slot.number,
            user_id=slot.user_id,
            password=password or slot.password,
        )
        await self.engine.carry_out(AddLine(id=1, line=slot.number, config=config))
        await asyncio.sleep(20)

    @property
    def last(self) -> RegistrationChanged:
        """Give the newest word on the registration."""
        return self.told[-1][1]

    @property
    def states(self) -> list[RegistrationState]:
        """Give the states that were told, in their order."""
        return [event.state for _, event in self.told]

    def told_at(self, state: RegistrationState, after: float) -> float:
        """Give when a state was told first from a time on."""
        return next(at for at, event in self.told if at >= after and event.state is state)

    async def back_within(self, seconds: float) -> float:
        """Wait, and give after how long the gateway had us again; it fails after so long."""
        began = self.house.loop.time()
        while self.gateway.binding() is None or self.last.state is not RegistrationState.REGISTERED:
            await asyncio.sleep(0.1)
            assert self.house.loop.time() - began <= seconds, self.told[-3:]
        return self.house.loop.time() - began

    def registers(self) -> list[Sent]:
        """Give every REGISTER that was sent, copies apart."""
        seen: dict[str, Sent] = {}
        for sent in self.house.sent:
            if sent.method == "REGISTER":
                seen.setdefault(sent.header("Via"), sent)
        return list(seen.values())

    def attempts(self) -> list[Sent]:
        """Give the REGISTERs that answer no challenge."""
        return [sent for sent in self.registers() if not sent.header("Authorization")]

    def assert_gentle(self) -> None:
        """Nobody was asked twice within a second, and never more than ten times in ten."""
        for one, two in pairwise(self.attempts()):
            assert two.at - one.at >= 1.0 - 1e-6, (one.at, two.at)
        every = [sent.at for sent in self.house.sent if sent.method == "REGISTER"]
        for first, eleventh in zip(every, every[10:], strict=False):
            assert eleventh - first > 10.0 - 1e-6

    def _hear(self, event: Event) -> None:
        """Keep what is told."""
        if self.keeps_log and isinstance(event, RegistrationChanged):
            self.told.append((self.house.loop.time(), event))


type Play = Callable[[Callable[[Scene], Awaitable[None]], GatewayConfig], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, loopback: None) -> Iterator[Play]:
    """Give what runs a scene to its end, in simulated time."""
    del loopback
    loop = SimulatedLoop()
    house = House(loop)
    monkeypatch.setattr(time, "monotonic", house.world_time)
    monkeypatch.setattr(time, "time", lambda: WALL_AT_START + house.world_time())
    monkeypatch.setattr(
        UdpTransport,
        "open",
        lambda local, *_: simulation.SimulatedTransport(house, local),
    )
    monkeypatch.setattr(agents, "local_address_towards", house.source)
    monkeypatch.setattr(
        gateway_module,
        "bind_pair",
        lambda v4, v6, _, receiver: tuple(
            host and SimulatedGatewaySocket(house, host, 5060, receiver) for host in (v4, v6)
        ),
    )

    @asynccontextmanager
    async def scene(config: GatewayConfig) -> AsyncIterator[Scene]:
        """Give an engine and a gateway, and close both."""
        house.own = [OWN_V4, OWN_OLD_V6]
        scene = Scene(house)

        async def resolve(host: str) -> tuple[Endpoint, ...]:
            """Look a name up in the scene's table."""
            literals = scene.names.get(host, [host] if literal_family(host) else [])
            if not literals:
                raise NameNotResolvedError(address=host)
            found = [(literal, literal_family(literal)) for literal in literals]
            return tuple(
                Endpoint(address=literal, family=family) for literal, family in found if family
            )

        monkeypatch.setattr(lines_module, "resolve", resolve)
        await scene.open_gateway(config)
        yield scene
        await scene.engine.close()
        assert scene.gateway.violations == []
        await scene.gateway.stop()
        await asyncio.sleep(60)
        assert house.transports == {}
        assert len(asyncio.all_tasks()) == 1

    def play(act: Callable[[Scene], Awaitable[None]], config: GatewayConfig) -> None:
        """Run one scene."""

        async def main() -> None:
            """Play between the curtains."""
            async with scene(config) as stage:
                await act(stage)

        simulation.run(loop, main())

    yield play
    loop.close()


def config(**registrar: object) -> GatewayConfig:
    """Give a gateway with both families."""
    return GatewayConfig(
        v4_address=V4,
        v6_address=OLD_V6,
        port=5060,
        registrar=replace(RegistrarConfig(), **registrar),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("options", OptionsAnswer)
@pytest.mark.parametrize("phase", [0.0, 7.0, 13.0, 19.0, 24.0])
def test_gateway_away_ten_minutes(play: Play, options: OptionsAnswer, phase: float) -> None:
    """It forgets us, is silent for ten minutes, and has us within 30 s of its return."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await asyncio.sleep(HOUR + phase)
        left = scene.house.loop.time()
        scene.gateway.reboot(silent_for=600)
        await asyncio.sleep(600)
        assert scene.told_at(RegistrationState.FAILED, left) - left < 70
        assert await scene.back_within(BACK_WITHIN) <= BACK_WITHIN
        scene.assert_gentle()

    play(act, config(options=options))


@pytest.mark.parametrize("options", OptionsAnswer)
@pytest.mark.parametrize("away", [65.0, 90.0, 120.0])
@pytest.mark.parametrize("phase", [0.0, 9.0, 17.0, 33.0, 50.0])
def test_reboot(play: Play, away: float, phase: float, options: OptionsAnswer) -> None:
    """A gateway needs one to two minutes to start (facts §8.1)."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await asyncio.sleep(300 + phase)
        scene.gateway.reboot(silent_for=away)
        await asyncio.sleep(away)
        await scene.back_within(BACK_WITHIN)
        scene.assert_gentle()

    play(act, config(options=options))


def test_port_closed_for_ten_minutes(play: Play) -> None:
    """Its host says at once that nobody listens; we ask ever more seldom all the same."""

    async def act(scene: Scene) -> None:
        await scene.add()
        socket = scene.house.gateways.pop((OLD_V6, 5060))
        scene.house.dead_hosts.add(OLD_V6)
        before = len(scene.registers())
        await asyncio.sleep(600)
        assert scene.last.reason == "gateway_unreachable"
        assert len(scene.registers()) - before < 50
        scene.gateway.reboot()
        scene.house.gateways[OLD_V6, 5060] = socket
        await scene.back_within(BACK_WITHIN)
        scene.assert_gentle()

    play(act, config())


def test_stale_nonces(play: Play) -> None:
    """Nonces that are never fresh cost a REGISTER more, and the registration is never lost."""

    async def act(scene: Scene) -> None:
        await scene.add()
        for _ in range(24):
            await asyncio.sleep(HOUR)
            scene.gateway.expire_nonces()
        assert scene.states == [RegistrationState.REGISTERING, RegistrationState.REGISTERED]
        assert scene.gateway.binding()
        scene.assert_gentle()

    play(act, config())


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_password(play: Play, status: int) -> None:
    """One REGISTER without credentials, one with, and a day of silence."""

    async def act(scene: Scene) -> None:
        await scene.add(password="a wrong one")
        await asyncio.sleep(24 * HOUR)
        assert scene.last.state is RegistrationState.REJECTED
        assert scene.last.reason == "credentials_rejected"
        assert len(scene.registers()) == 2
        scene.gateway.violations.clear()

    play(act, config(wrong_password=status))


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("second_device", SecondDevice)
def test_prefix_renumbered(play: Play, told: bool, second_device: SecondDevice) -> None:
    """Our address and the gateway's change at once; its name leads to the new one."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await asyncio.sleep(HOUR)
        await scene.gateway.stop()
        await scene.open_gateway(replace(scene.gateway.config, v6_address=NEW_V6))
        scene.house.own.remove(OWN_OLD_V6)
        scene.house.own.append(OWN_NEW_V6)
        scene.names[NAME] = [NEW_V6]
        if told:
            scene.engine._lines.network_changed()
        await scene.back_within(2.0 if told else BACK_WITHIN)
        assert scene.last.local_address == OWN_NEW_V6
        assert scene.last.gateway_address == NEW_V6
        scene.assert_gentle()

    play(act, config(second_device=second_device))


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("second_device", SecondDevice)
def test_own_address_changes(play: Play, told: bool, second_device: SecondDevice) -> None:
    """The gateway stays and still holds our old contact, and has only the new one soon after."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await asyncio.sleep(100)
        scene.house.own.remove(OWN_OLD_V6)
        await asyncio.sleep(1)
        if told:
            scene.engine._lines.network_changed()
        await asyncio.sleep(1)
        scene.house.own.append(OWN_NEW_V6)
        if told:
            scene.engine._lines.network_changed()
        await asyncio.sleep(BACK_WITHIN)
        assert scene.last.state is RegistrationState.REGISTERED
        assert scene.last.local_address == OWN_NEW_V6
        bindings = scene.gateway._registrar.bindings("3")
        assert [binding.uri.host for binding in bindings] == [OWN_NEW_V6]
        scene.assert_gentle()

    play(act, config(second_device=second_device))


def test_literal_that_the_network_left_behind(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed: the error names the new prefix, and the literal is tried on."""
    monkeypatch.setattr(
        NetworkWatch,
        "foreign_prefix",
        lambda _, literal: "2001:db8:0:900::/64" if literal == OLD_V6 else None,
    )

    async def act(scene: Scene) -> None:
        await scene.add(OLD_V6)
        await asyncio.sleep(100)
        await scene.gateway.stop()
        scene.house.own[:] = [OWN_NEW_V6]
        scene.engine._lines.network_changed()
        await asyncio.sleep(600)
        assert scene.last.reason == "gateway_renumbered"
        assert scene.last.placeholders == {"address": OLD_V6, "prefix": "2001:db8:0:900::/64"}
        assert {sent.destination[0] for sent in scene.house.sent} == {OLD_V6}
        scene.assert_gentle()

    play(act, config())


def test_family_that_goes_is_left(play: Play) -> None:
    """Without IPv6 the line is on IPv4 within 30 s, and no candidate is hammered."""

    async def act(scene: Scene) -> None:
        scene.names[NAME] = [OLD_V6, V4]
        await scene.add()
        assert scene.last.gateway_address == OLD_V6
        await asyncio.sleep(HOUR)
        scene.house.own.remove(OWN_OLD_V6)
        await asyncio.sleep(BACK_WITHIN)
        assert scene.last.state is RegistrationState.REGISTERED
        assert scene.last.gateway_address == V4
        scene.assert_gentle()

    play(act, config())


@pytest.mark.parametrize("nap", [8 * HOUR, 61.0])
def test_asleep(play: Play, nap: float) -> None:
    """The gateway let the binding run out meanwhile, and answers OPTIONS as ever."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await asyncio.sleep(1234)
        scene.house.asleep += nap
        assert (scene.gateway.binding() is None) == (nap > HOUR)
        before = len(scene.attempts())
        await asyncio.sleep(8)
        assert len(scene.attempts()) == before + 1
        assert scene.gateway.binding()
        assert scene.last.state is RegistrationState.REGISTERED
        scene.assert_gentle()

    play(act, config())


def test_extension_that_was_ours_is_asked_for_again(play: Play) -> None:
    """A gateway that has not read its own table yet does not silence us for good."""

    async def act(scene: Scene) -> None:
        await scene.add()
        slots = scene.gateway.config.slots
        scene.gateway.config.__dict__["slots"] = ()
        scene.gateway.reboot(silent_for=90)
        await asyncio.sleep(8 * HOUR)
        assert scene.last.reason == "extension_unavailable"
        assert scene.states[-1] is RegistrationState.FAILED
        assert len(scene.registers()) < 8 * 60
        scene.gateway.config.__dict__["slots"] = slots
        await asyncio.sleep(301)
        assert scene.last.state is RegistrationState.REGISTERED
        scene.assert_gentle()

    play(act, config())


@pytest.mark.timeout(300)
def test_seventy_two_hours(play: Play) -> None:
    """Two lines, with all that happens in three days: nothing grows."""

    async def act(scene: Scene) -> None:
        await scene.add()
        await scene.add(V4, extension="4")
        await _days(scene, 1)
        before = await _left(scene)
        await _days(scene, 2)
        after = await _left(scene)
        assert after.tasks == before.tasks
        assert after.sockets == before.sockets
        assert after.timers <= before.timers
        # The caches of parsed headers are bounded, and hold now these URIs, now those.
        assert (after.objects - before.objects).total() < 16
        for kind in ("UserAgent", "Registration", "LineKeeper", "ClientUser", "Exchange"):
            assert after.objects[kind] == before.objects[kind]
        assert after.size - before.size < 1024
        assert scene.gateway.binding("3")
        assert scene.gateway.binding("4")

    play(act, config())


async def _days(scene: Scene, days: int) -> None:
    """Let days pass; in each the gateway is started anew, and our address changes."""
    house = scene.house
    for _ in range(days):
        await asyncio.sleep(7 * HOUR)
        scene.gateway.reboot(silent_for=100)
        await asyncio.sleep(5 * HOUR)
        house.own.append(OWN_NEW_V6)
        scene.engine._lines.network_changed()
        await asyncio.sleep(HOUR)
        house.own.remove(OWN_NEW_V6)
        scene.engine._lines.network_changed()
        await asyncio.sleep(11 * HOUR)
        house.sent.clear()
        scene.told.clear()
        scene.gateway.registers.clear()


@dataclass(frozen=True, kw_only=True)
class Left:
    """What the engine holds: tasks, sockets, timers, its objects by type, their bytes."""

    tasks: int
    sockets: int
    timers: int
    objects: Counter[str]
    size: int


async def _left(scene: Scene) -> Left:
    """Count what the engine holds for good: of each figure the least of some moments.

    An OPTIONS that is under way has its timers, and its line holds more objects then.
    """
    moments: list[Left] = []
    for _ in range(10):
        await asyncio.sleep(35)
        gc.collect()
        kinds = Counter(
            type(each).__qualname__
            for each in gc.get_objects()
            if type(each).__module__.startswith("custom_components")
        )
        moments.append(
            Left(
                tasks=len(asyncio.all_tasks()),
                sockets=len(scene.house.transports),
                timers=scene.house.loop.timers,
                objects=kinds,
                size=_size(scene.engine),
            )
        )
    return Left(
        tasks=min(left.tasks for left in moments),
        sockets=min(left.sockets for left in moments),
        timers=min(left.timers for left in moments),
        objects=min((left.objects for left in moments), key=Counter.total),
        size=min(left.size for left in moments),
    )


def _size(root: object) -> int:
    """Give the bytes of all that hangs on the engine, the loop and the house apart."""
    gc.collect()
    apart = (type, ModuleType, FunctionType, BuiltinFunctionType, SimulatedLoop, House, Scene)
    seen: set[int] = set()
    waiting, size = [root], 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, apart):
            continue
        seen.add(id(each))
        size += sys.getsizeof(each)
        waiting.extend(gc.get_referents(each))
    return size
