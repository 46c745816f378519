"""What the verdict before dialling rests on, with the native back end at a simulated gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from ipaddress import IPv6Network

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine import surveyor as surveyor_module
from custom_components.hikari_denwa.telephony.engine.backend import Account
from custom_components.hikari_denwa.telephony.engine.commands import Engine
from custom_components.hikari_denwa.telephony.engine.lines import Timing
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.protocol import (
    AddLine,
    CallEnded,
    Command,
    Dial,
    Dialled,
    Event,
    Failure,
    FamilyChoice,
    HangUp,
    LineConfig,
    MoveLine,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    Reply,
    SoundCodec,
)
from custom_components.hikari_denwa.telephony.path_finder import PathFinder
from custom_components.hikari_denwa.telephony.paths import Paths, Reach
from tests.home_gateway.config import GatewayConfig, OptionsAnswer, V6Register
from tests.home_gateway.gateway import HomeGateway

pytestmark = pytest.mark.usefixtures("loopback")

V4_ONLY_OUTSIDE = "0451110004"


class Stage:
    """An engine with one line at a gateway that has both families."""

    def __init__(self, gateway: HomeGateway) -> None:
        """Begin with no line."""
        self.gateway = gateway
        self.events: list[Event] = []
        self._told = asyncio.Event()
        self.engine = Engine(
            NativeBackend,
            emit=self._hear,
            emit_sound=lambda _: None,
            timing=Timing(attempt=1.0, ask=0.5),
        )

    async def ask(self, command: Command) -> Reply:
        """Carry a command out."""
        return await self.engine.carry_out(command)

    async def add(
        self,
        *,
        gateway: str = "::1",
        second_gateway: str | None = "127.0.0.1",
        family: FamilyChoice = FamilyChoice.AUTOMATIC,
        codecs: tuple[SoundCodec, ...] = (SoundCodec.PCMU,),
    ) -> None:
        """Begin to register the line."""
        config = LineConfig(
            gateway=gateway,
            second_gateway=second_gateway,
            extension="3",
            user_id="0003",
            password="secret-3",
            port=self.gateway.port_v6,
            family=family,
            codecs=codecs,
        )
        await self.ask(AddLine(id=1, line="line", config=config))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that events bring about."""
        async with asyncio.timeout(15):
            while not holds():
                self._told.clear()
                await self._told.wait()

    async def paths(self, holds: Callable[[Paths], bool]) -> Paths:
        """Wait for paths of a kind."""

        def last() -> Paths:
            told = [event.paths for event in self.events if isinstance(event, PathsChanged)]
            return told[-1] if told else Paths()

        await self.until(lambda: holds(last()))
        return last()

    async def registered(self) -> RegistrationChanged:
        """Wait for the registration."""

        def found() -> list[RegistrationChanged]:
            return [
                event
                for event in self.events
                if isinstance(event, RegistrationChanged)
                and event.state is RegistrationState.REGISTERED
            ]

        await self.until(lambda: bool(found()))
        return found()[-1]

    def ended(self) -> list[CallEnded]:
        """Return the calls that have ended."""
        return [event for event in self.events if isinstance(event, CallEnded)]

    def _hear(self, event: Event) -> None:
        """Remember an event."""
        self.events.append(event)
        self._told.set()


def at(config: GatewayConfig) -> pytest.MarkDecorator:
    """Choose the gateway of a test."""
    return pytest.mark.parametrize("stage", [config], indirect=True)


def registrar(**changes: object) -> GatewayConfig:
    """Return a gateway whose registrar is another."""
    plain = GatewayConfig()
    return replace(plain, registrar=replace(plain.registrar, **changes))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no resolver of this machine for NAT64."""

    async def nothing() -> tuple[IPv6Network, ...]:
        return ()

    monkeypatch.setattr(surveyor_module, "PathFinder", partial(PathFinder, nat64=nothing))


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Run a gateway and an engine; at the end nothing was broken."""
    async with HomeGateway(getattr(request, "param", None) or GatewayConfig()) as gateway:
        stage = Stage(gateway)
        yield stage
        await stage.engine.close()
        assert gateway.violations == []


async def test_both_addresses_are_one_gateway(stage: Stage) -> None:
    """A line with two literals can be moved between them, and its paths are those of both."""
    await stage.add()
    assert (await stage.registered()).family is Family.IPV6
    paths = await stage.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
    assert paths.ipv6
    assert paths.ipv6.gateway_answers
    assert paths.ipv6.reach is Reach.SAME_LINK
    assert paths.ipv6.round_trip_ms is not None
    assert not isinstance(await stage.ask(MoveLine(id=2, line="line", family=Family.IPV4)), Failure)
    assert (await stage.registered()).family is Family.IPV4


@pytest.mark.parametrize("gateway", ["::1", "127.0.0.1"])
async def test_single_family_is_not_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, gateway: str
) -> None:
    """How soon its gateway answers is known from the registration; no packet more is sent."""
    asked: list[str] = []

    async def ask(account: Account, **_: float) -> None:
        asked.append(account.gateway)

    monkeypatch.setattr(stage.engine.backend, "ask", ask)
    await stage.add(gateway=gateway, second_gateway=None)
    family = (await stage.registered()).family
    assert family
    (survey,) = stage.engine._surveyor._surveys.values()

    def timed(paths: Paths) -> bool:
        path = paths.of(family)
        return bool(path and path.gateway_answers and path.round_trip_ms is not None)

    first = (await stage.paths(timed)).of(family)
    assert first
    assert first.round_trip_ms
    assert 0 < first.round_trip_ms < 5000
    # A network that changed, and left the registration where it was, takes nothing of it away.
    survey.told = None
    stage.events.clear()
    stage.engine._network_changed()
    assert (await stage.paths(lambda paths: paths.of(family) is not None)).of(family) == first
    assert asked == []


@pytest.mark.parametrize("broken", ["gateway", "second_gateway"])
async def test_one_address_that_nobody_knows_does_no_harm(stage: Stage, broken: str) -> None:
    """A name that is not resolved is passed over if the other address serves."""
    hosts = {"gateway": "::1", "second_gateway": "127.0.0.1", broken: "nobody.invalid"}
    await stage.add(gateway=hosts["gateway"], second_gateway=hosts["second_gateway"])
    assert await stage.registered()


@at(registrar(options=OptionsAnswer.SILENCE))
async def test_silence_of_a_silent_unit_says_nothing(stage: Stage) -> None:
    """Where the gateway answers no OPTIONS over the line's own family, the other stays open."""
    await stage.add()
    await stage.registered()
    paths = await stage.paths(lambda paths: bool(paths.ipv6 and paths.ipv6.gateway_answers))
    await asyncio.sleep(0.7)
    paths = await stage.paths(lambda paths: paths.ipv4 is not None)
    assert paths.ipv4
    assert paths.ipv4.gateway_answers is None


@at(replace(GatewayConfig(), v4_address=None))
async def test_silence_of_one_family_is_told(stage: Stage) -> None:
    """An address at which nobody answers, while the gateway does answer over the other."""
    await stage.add()
    await stage.registered()
    paths = await stage.paths(
        lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers is not None)
    )
    assert paths.ipv4
    assert paths.ipv4.gateway_answers is False


@at(registrar(v6_register=V6Register.IGNORE))
async def test_move_in_vain_is_remembered(stage: Stage) -> None:
    """A gateway that answers OPTIONS and no REGISTER over a family does not have it for us."""
    await stage.add(gateway="127.0.0.1", second_gateway="::1")
    await stage.registered()
    reply = await stage.ask(MoveLine(id=2, line="line", family=Family.IPV6))
    assert isinstance(reply, Failure)
    paths = await stage.paths(
        lambda paths: bool(paths.ipv6 and paths.ipv6.gateway_answers is False)
    )
    assert paths.ipv4
    assert paths.ipv4.gateway_answers


async def test_gateway_is_not_asked_again_and_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the network changes, a gateway is asked once in a while."""
    await stage.add()
    await stage.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
    asked: list[str] = []
    enough = asyncio.Event()

    async def ask(account: Account, **_: float) -> None:
        asked.append(account.gateway)
        if len(asked) == 2:
            enough.set()

    monkeypatch.setattr(stage.engine.backend, "ask", ask)
    for _ in range(5):
        stage.engine._network_changed()
        await asyncio.sleep(0.02)
    assert asked == []
    (survey,) = stage.engine._surveyor._surveys.values()
    survey.ask_after = 0.0
    stage.engine._network_changed()
    async with asyncio.timeout(10):
        await enough.wait()
    assert sorted(asked) == ["127.0.0.1", "::1"]


async def test_question_that_came_too_early_is_asked_later(stage: Stage) -> None:
    """What a change of the network made doubtful does not stay so until the next change."""
    await stage.add()
    both = await stage.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
    (survey,) = stage.engine._surveyor._surveys.values()
    survey.ask_after = asyncio.get_running_loop().time() + 1.0
    stage.engine._network_changed()
    await stage.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers is None))
    again = await stage.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
    assert again.ipv4
    assert both.ipv4
    assert replace(again.ipv4, round_trip_ms=None) == replace(both.ipv4, round_trip_ms=None)
    assert survey.ask_at is None


@at(registrar(v6_register=V6Register.IGNORE))
async def test_other_family_answers(stage: Stage) -> None:
    """A line that may use a silent family alone is told that the other one answers."""
    await stage.add(family=FamilyChoice.IPV6)

    def reasons() -> list[str | None]:
        return [
            event.reason
            for event in stage.events
            if isinstance(event, RegistrationChanged) and event.state is RegistrationState.FAILED
        ]

    await stage.until(lambda: bool(reasons()))
    assert reasons()[0] == "only_ipv4_answers"


@at(registrar(p_associated_uri=True))
async def test_no_domain_in_an_address(stage: Stage) -> None:
    """A gateway that names its own literal tells no domain."""
    await stage.add()
    assert (await stage.registered()).domain is None


async def test_call_goes_on_under_its_name(stage: Stage) -> None:
    """What is dialled in the place of a call has its name and its line, in events and commands."""
    await stage.add()
    await stage.registered()
    first = await stage.ask(Dial(id=2, line="line", number=V4_ONLY_OUTSIDE, as_line="other"))
    assert isinstance(first, Dialled)
    await stage.until(lambda: len(stage.ended()) == 1)
    (refused,) = stage.ended()
    assert (refused.line, refused.call, refused.ending.status) == ("other", first.call, 488)
    await stage.ask(MoveLine(id=3, line="line", family=Family.IPV4))
    second = await stage.ask(
        Dial(id=4, line="line", number="0451110487", as_line="other", as_call=first.call)
    )
    assert isinstance(second, Dialled)
    assert second.call == first.call
    assert second.family is Family.IPV4
    assert not isinstance(await stage.ask(HangUp(id=5, call=first.call)), Failure)
    await stage.until(lambda: len(stage.ended()) == 2)
    assert stage.ended()[1].call == first.call
    assert stage.engine._shown == {}


async def test_mu_law_alone(stage: Stage) -> None:
    """A call that is to have nothing else offers payload type 0 alone, whatever the line has."""
    await stage.add(codecs=(SoundCodec.G722, SoundCodec.PCMU))
    await stage.registered()
    for number, (only, formats) in enumerate(((False, ("9", "0")), (True, ("0",))), start=2):
        dialled = await stage.ask(
            Dial(id=number, line="line", number="0451110487", mu_law_only=only)
        )
        assert isinstance(dialled, Dialled)
        call = await stage.gateway.next_call(after=number - 2)
        audio = call.dialling.offer.audio
        assert audio is not None
        assert tuple(each for each in audio.formats if each in {"9", "0", "8"}) == formats
        await stage.ask(HangUp(id=number + 10, call=dialled.call))
        await call.ended()
