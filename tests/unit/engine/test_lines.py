"""The policy above the back ends: which address, when again, when never again."""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import override

import pytest

from custom_components.hikari_denwa.telephony import address
from custom_components.hikari_denwa.telephony.address import Endpoint
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine import lines as lines_module
from custom_components.hikari_denwa.telephony.engine.backend import (
    Account,
    Backend,
    PlacedCall,
    Registered,
)
from custom_components.hikari_denwa.telephony.engine.lines import Lines, Timing
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FamilyChoice,
    RegistrationState,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.errors import (
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
    NotSipServerError,
    OnlyIPv4AnswersError,
    OnlyIPv6AnswersError,
    RegistrationRefusedError,
)

from .recorder import Recorder, line_config

V6, V6B, V4 = "2001:db8::1", "2001:db8::2", "192.0.2.1"
FAST = Timing(
    attempt=1.0, first_pause=0.02, longest_pause=0.08, spacing=0.005, healthy=0.0, unregister=0.2
)
SILENT = GatewaySilentError(address="x", family="y")
UNREACHABLE = GatewayUnreachableError(address="x", family="y")
WRONG = CredentialsRejectedError(user_id="0003")
TAKEN = ExtensionUnavailableError(extension="3", code="403")
REFUSED = RegistrationRefusedError(code="503", phrase="Service Unavailable")

pytestmark = pytest.mark.usefixtures("names")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve names from a table."""
    table = {"dual": [V6, V4], "two": [V6, V6B, V4], "old": [V4], "new": [V6]}

    async def resolve(host: str) -> tuple[Endpoint, ...]:
        found = table.get(host, [host] if address.literal_family(host) else [])
        if not found:
            raise NameNotResolvedError(address=host)
        return tuple(
            Endpoint(address=item, family=Family.IPV6 if ":" in item else Family.IPV4)
            for item in found
        )

    monkeypatch.setattr(lines_module, "resolve", resolve)
    return table


class FakeBackend(Backend):
    """Answers a REGISTER at an address by that address's list of outcomes, then takes it."""

    name = "fake"
    families = (Family.IPV6, Family.IPV4)

    def __init__(self, outcomes: dict[str, Iterable[Exception | None]] | None = None) -> None:
        """Keep the outcomes; None takes the registration."""
        self.outcomes = {key: iter(value) for key, value in (outcomes or {}).items()}
        self.attempts: list[tuple[str, str]] = []
        self.unregistered: list[str] = []
        self.moved = False
        self._attempted = asyncio.Event()

    @override
    async def start(self) -> None:
        """Nothing to do."""

    @override
    async def close(self) -> None:
        """Nothing to do."""

    @override
    async def register(self, line: str, account: Account, *, time_limit: float) -> Registered:
        """Take the next outcome of the address."""
        self.attempts.append((line, account.gateway))
        self._attempted.set()
        await asyncio.sleep(0)
        if error := next(self.outcomes.get(account.gateway, iter(())), None):
            raise error
        return Registered(local_address="2001:db8::20", expires=account.expires)

    @override
    def has_moved(self, line: str) -> bool:
        """Say what the test says."""
        return self.moved

    @override
    async def unregister(self, line: str) -> None:
        """Remember."""
        self.unregistered.append(line)

    @override
    async def dial(self, line: str, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Not in these tests."""
        raise NotImplementedError

    @override
    async def answer(self, call: str) -> None:
        """Not in these tests."""

    @override
    async def reject(self, call: str, status: int) -> None:
        """Not in these tests."""

    @override
    async def hang_up(self, call: str) -> None:
        """Not in these tests."""

    @override
    async def hold(self, call: str, *, held: bool) -> None:
        """Not in these tests."""

    @override
    async def send_dtmf(self, call: str, digits: str) -> None:
        """Not in these tests."""

    @override
    def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Not in these tests."""

    @override
    def play(self, frame: SoundFrame) -> None:
        """Not in these tests."""

    async def attempted(self, count: int) -> None:
        """Wait until so many attempts were made."""
        async with asyncio.timeout(5):
            while len(self.attempts) < count:
                self._attempted.clear()
                await self._attempted.wait()

    @property
    def addresses(self) -> list[str]:
        """The addresses that were tried, in order."""
        return [gateway for _, gateway in self.attempts]


def _lines(backend: FakeBackend, timing: Timing = FAST) -> tuple[Lines, Recorder]:
    """Return lines over a back end, and who hears of them."""
    recorder = Recorder()
    return Lines(backend, recorder.registration_changed, timing), recorder


async def test_ipv6_is_preferred() -> None:
    """A gateway with both families is registered at over IPv6, and IPv4 is not asked."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    event = await recorder.registered()
    assert event.family is Family.IPV6
    assert backend.addresses == [V6]
    assert recorder.events[0] == await recorder.registration(RegistrationState.REGISTERING)
    await lines.clear()
    assert backend.unregistered == ["a"]
    await recorder.registration(RegistrationState.UNREGISTERED)


@pytest.mark.parametrize("failure", [SILENT, UNREACHABLE, REFUSED])
async def test_next_family_when_one_fails(failure: Exception) -> None:
    """Silence, no route and a refusal all lead on to the other family."""
    backend = FakeBackend({V6: [failure]})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    assert (await recorder.registered()).family is Family.IPV4
    assert backend.addresses == [V6, V4]
    await lines.clear()


async def test_what_worked_last_is_tried_first() -> None:
    """After a loss the family that worked is asked before the preferred one."""
    backend = FakeBackend({V6: itertools.repeat(SILENT)})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    await recorder.registered()
    seen = len(recorder.events)
    lines.lost("a", SILENT)
    await recorder.registered(seen)
    assert backend.addresses == [V6, V4, V4]
    await lines.clear()


async def test_family_that_worked_comes_first_when_the_address_moved(
    names: dict[str, list[str]],
) -> None:
    """A new prefix does not send the line back to the family that was silent."""
    backend = FakeBackend({V6: itertools.repeat(SILENT), V6B: itertools.repeat(SILENT)})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    await recorder.registered()
    names["dual"] = [V6B, "192.0.2.9"]
    seen = len(recorder.events)
    lines.lost("a", SILENT)
    await recorder.registered(seen)
    assert backend.addresses == [V6, V4, "192.0.2.9"]
    await lines.clear()


@pytest.mark.parametrize("verdict", [WRONG, TAKEN])
async def test_verdict_on_the_account_is_final(verdict: Exception) -> None:
    """No other family, no other time: silence until the line is added anew."""
    backend = FakeBackend({V6: [verdict]})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    event = await recorder.registration(RegistrationState.REJECTED)
    assert event.retry_in is None
    assert isinstance(event.error(), type(verdict))
    await asyncio.sleep(0.2)
    assert backend.addresses == [V6]
    await lines.add("a", line_config(gateway="dual"))
    await recorder.registered()
    await lines.clear()


async def test_verdict_on_a_refresh_is_final() -> None:
    """Credentials that stop working are not tried again."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    lines.lost("a", WRONG)
    await recorder.registration(RegistrationState.REJECTED)
    await asyncio.sleep(0.1)
    assert len(backend.attempts) == 1
    with pytest.raises(LineNotRegisteredError):
        lines.standing("a")
    await lines.clear()


async def test_pauses_grow_to_a_cap_and_begin_anew() -> None:
    """Each failure waits up to twice as long as the one before, with jitter."""
    backend = FakeBackend({V6: [SILENT] * 5})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    pauses = [event.retry_in for event in recorder.events if event.reason]  # type: ignore[attr-defined]
    for pause, longest in zip(pauses, (0.02, 0.04, 0.08, 0.08, 0.08), strict=True):
        assert FAST.spacing <= pause <= longest
        assert pause >= longest * 0.75 - 0.01 or pause == FAST.spacing
    backend.outcomes[V6] = iter([SILENT])
    seen = len(recorder.events)
    lines.lost("a", SILENT)
    await recorder.registered(seen)
    assert recorder.events[seen].retry_in == FAST.spacing  # type: ignore[attr-defined]
    assert recorder.events[seen + 1].retry_in <= FAST.first_pause  # type: ignore[attr-defined]
    await lines.clear()


async def test_registration_that_does_not_hold_backs_off() -> None:
    """A gateway that takes and drops us again is not asked ever faster."""
    backend = FakeBackend()
    lines, recorder = _lines(backend, Timing(first_pause=0.02, spacing=0.005, healthy=60.0))
    await lines.add("a", line_config())
    pauses: list[float | None] = []
    seen = 0
    for _ in range(3):
        await recorder.registered(seen)
        seen = len(recorder.events)
        lines.lost("a", SILENT)
        pauses.append((await recorder.registration(RegistrationState.FAILED, seen)).retry_in)
    first, second, third = pauses
    assert first
    assert second
    assert third
    assert first < second < third
    await lines.clear()


async def test_most_telling_failure_is_told() -> None:
    """An answer says more than silence, and silence more than no route."""
    for outcomes, expected in (
        ((UNREACHABLE, SILENT), GatewaySilentError),
        ((SILENT, UNREACHABLE), GatewaySilentError),
        ((SILENT, REFUSED), RegistrationRefusedError),
        ((UNREACHABLE, UNREACHABLE), GatewayUnreachableError),
        ((SILENT, NotSipServerError(address=V4)), NotSipServerError),
    ):
        backend = FakeBackend({V6: [outcomes[0]], V4: [outcomes[1]]})
        lines, recorder = _lines(backend)
        await lines.add("a", line_config(gateway="dual"))
        event = await recorder.registration(RegistrationState.FAILED)
        assert isinstance(event.error(), expected)
        await lines.clear()


async def test_missing_addresses_are_failures_that_are_tried_again(
    names: dict[str, list[str]],
) -> None:
    """A name without an address, or without one of the family, may have one later."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="nowhere"))
    event = await recorder.registration(RegistrationState.FAILED)
    assert isinstance(event.error(), NameNotResolvedError)
    names["nowhere"] = [V4]
    await recorder.registered()
    await lines.add("b", line_config(gateway="old", family=FamilyChoice.IPV6))
    event = await recorder.registration(RegistrationState.FAILED, len(recorder.events))
    assert isinstance(event.error(), FamilyMissingError)
    assert backend.addresses == [V4]
    await lines.clear()


async def test_mistake_of_a_back_end_does_not_end_the_line() -> None:
    """An exception that nobody expected is a failure like any other."""
    backend = FakeBackend({V6: [RuntimeError("a mistake")]})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    event = await recorder.registration(RegistrationState.FAILED)
    assert type(event.error()) is EngineError
    await recorder.registered()
    await lines.clear()


async def test_refresh_tells_only_what_changed() -> None:
    """The same registration again is no event; another address or duration is one."""
    lines, recorder = _lines(FakeBackend())
    await lines.add("a", line_config())
    await recorder.registered()
    seen = len(recorder.events)
    lines.refreshed("a", Registered(local_address="2001:db8::20", expires=3600, round_trip=0.02))
    assert recorder.events[seen:] == []
    assert lines.round_trip("a") == 0.02
    assert lines.round_trip("nobody") is None
    lines.refreshed("a", Registered(local_address="2001:db8::20", expires=600))
    assert (await recorder.registered(seen)).expires == 600
    await lines.clear()


async def test_replaced_line_is_unregistered_unless_it_is_the_same() -> None:
    """Another account takes the old one back first; the same one keeps its calls."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    seen = len(recorder.events)
    await lines.add("a", line_config())
    await recorder.registered(seen)
    assert backend.unregistered == []
    await lines.add("a", line_config(extension="4"))
    assert backend.unregistered == ["a"]
    await lines.clear()


async def test_unknown_lines() -> None:
    """What is not there cannot be removed or dialled on, and late news of it is dropped."""
    lines, recorder = _lines(FakeBackend())
    with pytest.raises(LineUnknownError):
        await lines.remove("a")
    with pytest.raises(LineUnknownError):
        lines.standing("a")
    lines.lost("a", SILENT)
    lines.refreshed("a", Registered(local_address=V6, expires=1))
    assert recorder.events == []


async def test_unregistering_is_bounded() -> None:
    """A back end that does not come back from un-registering does not hold up the end."""

    class Stuck(FakeBackend):
        """Never un-registers."""

        @override
        async def unregister(self, line: str) -> None:
            """Hang."""
            await asyncio.sleep(1000)

    lines, recorder = _lines(Stuck(), Timing(unregister=-0.9))
    await lines.add("a", line_config())
    await recorder.registered()
    await lines.remove("a")
    await recorder.registration(RegistrationState.UNREGISTERED)


async def test_probe_registers_once_and_unregisters() -> None:
    """A probe leaves nothing behind, whatever comes of it."""
    backend = FakeBackend({V6: [None, WRONG]})
    lines, recorder = _lines(backend)
    standing = await lines.probe(line_config(gateway="dual"))
    assert standing.account.family is Family.IPV6
    with pytest.raises(CredentialsRejectedError):
        await lines.probe(line_config(gateway="dual"))
    assert backend.addresses == [V6, V6]
    assert backend.unregistered == [line for line, _ in backend.attempts]
    assert recorder.events == []


@pytest.mark.parametrize("answer", [None, WRONG, TAKEN, REFUSED])
async def test_probe_says_that_the_other_family_answers(answer: Exception | None) -> None:
    """Whatever the other family says, it is alive, and that is the advice."""
    backend = FakeBackend({V6: [SILENT], V4: [answer]})
    lines, _ = _lines(backend)
    with pytest.raises(OnlyIPv4AnswersError) as caught:
        await lines.probe(line_config(gateway="dual", family=FamilyChoice.IPV6))
    assert caught.value.placeholders == {"address": V6, "other_address": V4}
    backend = FakeBackend({V6: [answer], V4: [UNREACHABLE]})
    lines, _ = _lines(backend)
    with pytest.raises(OnlyIPv6AnswersError):
        await lines.probe(line_config(gateway="dual", family=FamilyChoice.IPV4))
    assert backend.unregistered


@pytest.mark.parametrize("other", [SILENT, UNREACHABLE, NotSipServerError(address=V4)])
async def test_probe_is_silent_when_both_are(other: Exception) -> None:
    """A second silence, or something that is not SIP, changes nothing about the first."""
    lines, _ = _lines(FakeBackend({V6: [SILENT], V4: [other]}))
    with pytest.raises(GatewaySilentError):
        await lines.probe(line_config(gateway="dual", family=FamilyChoice.IPV6))


async def test_probe_of_automatic_takes_either() -> None:
    """Without a chosen family silence of one is no matter, and of both is silence."""
    lines, _ = _lines(FakeBackend({V6: [SILENT]}))
    assert (await lines.probe(line_config(gateway="dual"))).account.family is Family.IPV4
    lines, _ = _lines(FakeBackend({V6: [SILENT], V4: [SILENT]}))
    with pytest.raises(GatewaySilentError):
        await lines.probe(line_config(gateway="dual"))


async def test_probe_gives_a_registered_line_its_place_back() -> None:
    """A gateway that gives the extension to the newest has our line again right afterwards."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await lines.add("b", line_config(extension="4"))
    await recorder.until(lambda recorder: len(recorder.events) == 4)
    await lines.probe(line_config())
    await backend.attempted(4)
    assert [line for line, _ in backend.attempts] == ["a", "b", "probe 1", "a"]
    await asyncio.sleep(0.02)
    assert len(recorder.events) == 4
    assert lines.standing("a")
    await lines.clear()


async def test_probe_of_our_own_extension_that_refuses_a_second_device() -> None:
    """Our own registration proves the same account; another password is not proved by it."""
    backend = FakeBackend({V6: [None, TAKEN, None, TAKEN]})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    assert (await lines.probe(line_config())).account.gateway == V6
    await backend.attempted(3)
    await asyncio.sleep(0.02)
    with pytest.raises(ExtensionUnavailableError):
        await lines.probe(line_config(password="another"))
    await lines.clear()


def _refused(retry_after: float) -> RegistrationRefusedError:
    """Return a refusal that names a time."""
    error = RegistrationRefusedError(code="503", phrase="Service Unavailable")
    error.retry_after = retry_after
    return error


async def test_retry_after_is_heeded_up_to_a_cap() -> None:
    """The gateway is left alone as long as it says, whatever changes here meanwhile."""
    timing = replace(FAST, longest_wait=0.3)
    backend = FakeBackend({V6: [_refused(0.15), _refused(9999)]})
    lines, recorder = _lines(backend, timing)
    await lines.add("a", line_config())
    event = await recorder.registration(RegistrationState.FAILED)
    assert event.retry_in == 0.15
    lines.network_changed()
    await asyncio.sleep(0.05)
    assert len(backend.attempts) == 1
    await recorder.until(lambda recorder: len(recorder.events) == 3)
    assert recorder.events[2].retry_in == 0.3  # type: ignore[attr-defined]
    await recorder.registered()
    lines.lost("a", _refused(0.2))
    await asyncio.sleep(0.1)
    assert len(backend.attempts) == 3
    await backend.attempted(4)
    await lines.clear()


async def test_network_that_changes_ends_a_pause() -> None:
    """Who waits to try again tries at once; also if it changed while the last try was on."""
    slow = replace(FAST, first_pause=60.0, longest_pause=60.0)
    backend = FakeBackend({V6: [UNREACHABLE, UNREACHABLE]})
    lines, recorder = _lines(backend, slow)
    await lines.add("a", line_config())
    await recorder.registration(RegistrationState.FAILED)
    lines.network_changed()
    await backend.attempted(2)
    lines.network_changed()
    await recorder.registered()
    assert len(backend.attempts) == 3
    lines.network_changed()
    await asyncio.sleep(0.05)
    assert len(backend.attempts) == 3
    await lines.clear()


async def test_line_that_moved_registers_from_where_it_is() -> None:
    """A registered line asks the back end whether its address still holds."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    backend.moved = True
    lines.network_changed()
    await backend.attempted(2)
    backend.moved = False
    await asyncio.sleep(0.05)
    assert len(backend.attempts) == 2
    assert lines.standing("a")
    await lines.clear()


async def test_awake_again_every_line_registers() -> None:
    """Whether it is registered or waiting."""
    slow = replace(FAST, first_pause=60.0, longest_pause=60.0)
    backend = FakeBackend({V4: [SILENT]})
    lines, recorder = _lines(backend, slow)
    await lines.add("a", line_config())
    await recorder.registered()
    await lines.add("b", line_config(gateway="old", extension="4"))
    await recorder.registration(RegistrationState.FAILED)
    lines.woke(28800.0)
    await backend.attempted(4)
    assert sorted(backend.addresses) == [V4, V4, V6, V6]
    await lines.clear()


async def test_candidates_are_spaced_unless_nothing_was_sent() -> None:
    """One REGISTER in each interval; an address without a route costs no time."""
    timing = replace(FAST, spacing=0.1)
    loop = asyncio.get_running_loop()
    lines, _ = _lines(FakeBackend({V6: [UNREACHABLE]}), timing)
    began = loop.time()
    await lines.probe(line_config(gateway="dual"))
    assert loop.time() - began >= 0.1
    unsent = GatewayUnreachableError(address="x", family="y")
    unsent.sent = False
    backend = FakeBackend({V6: [unsent]})
    lines, _ = _lines(backend, replace(timing, spacing=60.0))
    async with asyncio.timeout(10):
        await lines.probe(line_config(gateway="dual"))
    assert backend.addresses == [V6, V4]


async def test_extension_that_served_is_asked_for_again() -> None:
    """A refusal ends a line only before it was ever registered."""
    backend = FakeBackend()
    lines, recorder = _lines(backend)
    await lines.add("a", line_config())
    await recorder.registered()
    seen = len(recorder.events)
    lines.lost("a", TAKEN)
    event = await recorder.registration(RegistrationState.FAILED, seen)
    assert event.retry_in
    await recorder.registered(seen)
    await lines.clear()


@pytest.mark.parametrize("failure", [SILENT, UNREACHABLE])
async def test_literal_outside_of_our_network(failure: Exception) -> None:
    """The error names the prefix that we have now; for a name it would say nothing."""
    for gateway, expected in ((V6, GatewayRenumberedError), ("new", type(failure))):
        recorder = Recorder()
        lines = Lines(
            FakeBackend({V6: [failure]}),
            recorder.registration_changed,
            FAST,
            foreign_prefix=lambda _: "2001:db8:9::/64",
        )
        await lines.add("a", line_config(gateway=gateway))
        event = await recorder.registration(RegistrationState.FAILED)
        assert type(event.error()) is expected
        await lines.clear()


async def test_move_keeps_to_the_family() -> None:
    """After a move the family stays, also over a loss; a failed one leaves all as it was."""
    backend = FakeBackend({V4: [SILENT]})
    lines, recorder = _lines(backend)
    await lines.add("a", line_config(gateway="dual"))
    await recorder.registered()
    with pytest.raises(GatewaySilentError):
        await lines.move("a", Family.IPV4)
    assert lines.standing("a").account.family is Family.IPV6
    assert len(recorder.events) == 2
    await lines.move("a", Family.IPV4)
    await lines.move("a", Family.IPV4)
    assert lines.standing("a").account.family is Family.IPV4
    seen = len(recorder.events)
    lines.lost("a", SILENT)
    await recorder.registered(seen)
    assert backend.addresses == [V6, V4, V4, V4]
    with pytest.raises(LineUnknownError):
        await lines.move("b", Family.IPV4)
    await lines.add("c", line_config(gateway="dual", family=FamilyChoice.IPV6))
    with pytest.raises(FamilyMissingError):
        await lines.move("c", Family.IPV4)
    await lines.clear()
