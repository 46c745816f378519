"""A line that changes its family or its address: it can ring all the time (RFC 3261 §10.2)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.address import Endpoint
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine import agents
from custom_components.hikari_denwa.telephony.engine import lines as lines_module
from custom_components.hikari_denwa.telephony.engine.commands import Engine
from custom_components.hikari_denwa.telephony.engine.lines import Timing
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.protocol import (
    AddLine,
    Answer,
    CallIncoming,
    Command,
    Event,
    Failure,
    LineConfig,
    MoveLine,
    RegistrationChanged,
    RegistrationState,
    RemoveLine,
    Result,
)
from tests.home_gateway.config import Family as GatewayFamily
from tests.home_gateway.config import GatewayConfig, SecondDevice
from tests.home_gateway.gateway import HomeGateway

pytestmark = pytest.mark.usefixtures("loopback")

LITERALS = {Family.IPV6: "::1", Family.IPV4: "127.0.0.1"}


class Stage:
    """An engine with the native back end, and a gateway with both families."""

    def __init__(self, gateway: HomeGateway) -> None:
        """Begin with no line."""
        self.gateway = gateway
        self.events: list[Event] = []
        self._told = asyncio.Event()
        self.engine = Engine(
            NativeBackend,
            emit=self._hear,
            emit_sound=lambda _: None,
            timing=Timing(attempt=0.6),
        )

    async def ask(self, command: Command) -> Result | Failure:
        """Carry a command out."""
        reply = await self.engine.carry_out(command)
        assert isinstance(reply, Result | Failure)
        return reply

    async def add(self) -> None:
        """Register the line."""
        slot = self.gateway.config.slot("3")
        assert slot
        config = LineConfig(
            gateway="gateway",
            extension="3",
            user_id=slot.user_id,
            password=slot.password,
            port=self.gateway.port_v6,
        )
        await self.ask(AddLine(id=1, line="line", config=config))
        await self.gateway.registered()
        await self.until_registered()

    async def until_registered(self) -> None:
        """Wait for the registration to be told."""
        async with asyncio.timeout(10):
            while self.last.state is not RegistrationState.REGISTERED:
                self._told.clear()
                await self._told.wait()

    @property
    def last(self) -> RegistrationChanged:
        """Give the newest word on the registration."""
        told = [event for event in self.events if isinstance(event, RegistrationChanged)]
        return told[-1]

    @property
    def families(self) -> list[str]:
        """Give the families of the bindings, in their order."""
        return [binding.family.value for binding in self.gateway.bindings()]

    def _hear(self, event: Event) -> None:
        """Remember an event."""
        self.events.append(event)
        self._told.set()

    async def settled(self) -> None:
        """Wait until the former socket is closed."""
        backend = self.engine.backend
        assert isinstance(backend, NativeBackend)
        await asyncio.gather(*backend._farewells)
        assert not backend._retired

    def rung(self) -> int:
        """Count the calls that came."""
        return sum(isinstance(event, CallIncoming) for event in self.events)


def config(second_device: SecondDevice) -> GatewayConfig:
    """Give a gateway that treats a second contact so."""
    plain = GatewayConfig()
    registrar = replace(plain.registrar, second_device=second_device)
    return replace(plain, registrar=registrar)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a name stand for both loopback addresses, and the former socket go soon."""

    async def resolve(host: str) -> tuple[Endpoint, ...]:
        assert host == "gateway"
        return tuple(Endpoint(address=LITERALS[family], family=family) for family in Family)

    monkeypatch.setattr(lines_module, "resolve", resolve)
    monkeypatch.setattr(agents, "_LINGER", 0.3)


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Give a registered line at a gateway of the wanted behaviour."""
    async with HomeGateway(config(request.param)) as gateway:
        stage = Stage(gateway)
        await stage.add()
        yield stage
        await stage.engine.close()
        assert stage.families == []
        assert gateway.violations == []


BOTH = pytest.mark.parametrize(
    "stage", [SecondDevice.NEWEST_WINS, SecondDevice.BOTH], indirect=True
)


@BOTH
@pytest.mark.assumption
async def test_family_changes_without_a_moment_unbound(stage: Stage) -> None:
    """There is a binding at each moment, at the end one, and calls come over it."""
    bound: list[int] = []
    stage.gateway.events.append(lambda _: bound.append(len(stage.families)))
    assert stage.families == ["ipv6"]
    for number, family in enumerate((Family.IPV4, Family.IPV6), 2):
        reply = await stage.ask(MoveLine(id=number, line="line", family=family))
        assert isinstance(reply, Result)
        assert stage.last.family is family
        await stage.settled()
        assert stage.families == [family.value]
        call = await stage.gateway.ring()
        await call.ringing()
        assert stage.rung() == number - 1
        await call.cancel()
        await call.ended()
    assert min(bound) == 1
    told = [event for event in stage.events if isinstance(event, RegistrationChanged)]
    assert {event.state for event in told[1:]} == {RegistrationState.REGISTERED}


@BOTH
@pytest.mark.assumption
async def test_old_contact_rings_for_a_while(stage: Stage) -> None:
    """An INVITE that was on its way to the old contact still rings."""
    old = stage.gateway.binding()
    assert old
    await stage.ask(MoveLine(id=2, line="line", family=Family.IPV4))
    registrar = stage.gateway._registrar
    registrar._bindings.append(old)
    await asyncio.sleep(0.1)
    call = await stage.gateway.ring(family=GatewayFamily.V6)
    registrar._bindings.remove(old)
    await call.ringing()
    await call.cancel()
    await call.ended()
    await stage.settled()


@pytest.mark.parametrize("stage", [SecondDevice.BOTH], indirect=True)
async def test_call_goes_on_over_the_old_family(stage: Stage) -> None:
    """A call that stands keeps its socket until it is over."""
    call = await stage.gateway.ring()
    await call.ringing()
    incoming = next(event for event in stage.events if isinstance(event, CallIncoming))
    await stage.ask(Answer(id=2, call=incoming.call))
    await call.answered()
    await stage.ask(MoveLine(id=3, line="line", family=Family.IPV4))
    await asyncio.sleep(0.5)
    await call.hang_up()
    await call.ended()
    await stage.settled()


@pytest.mark.parametrize("stage", [SecondDevice.BOTH], indirect=True)
async def test_failed_move_changes_nothing(stage: Stage) -> None:
    """A family that is silent, and one that the gateway has not, leave the line where it is."""
    stage.gateway.lose(lambda way, message: way == "in" and message.method == "REGISTER", 2)
    reply = await stage.ask(MoveLine(id=2, line="line", family=Family.IPV4))
    assert isinstance(reply, Failure)
    assert reply.reason == "gateway_silent"
    assert stage.last.family is Family.IPV6
    assert stage.families == ["ipv6"]
    call = await stage.gateway.ring()
    await call.ringing()
    await call.cancel()
    await call.ended()
    reply = await stage.ask(MoveLine(id=3, line="other", family=Family.IPV4))
    assert isinstance(reply, Failure)
    assert reply.reason == "line_unknown"
    assert len([event for event in stage.events if isinstance(event, RegistrationChanged)]) == 2


@pytest.mark.parametrize("stage", [SecondDevice.BOTH], indirect=True)
async def test_removed_while_it_moves(stage: Stage) -> None:
    """Neither socket is left, and no binding."""
    moving = asyncio.ensure_future(stage.ask(MoveLine(id=2, line="line", family=Family.IPV4)))
    await asyncio.sleep(0)
    await stage.ask(RemoveLine(id=3, line="line"))
    await moving
    await stage.settled()
    assert stage.families == []
    backend = stage.engine.backend
    assert isinstance(backend, NativeBackend)
    assert not backend._lines
    assert not backend._joining
