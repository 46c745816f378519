"""An engine client without an engine: it takes commands and tells what a test wants told."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from custom_components.hikari_denwa.telephony.calls import (
    CallerId,
    CallerIdKind,
    Ending,
    EndReason,
    Family,
)
from custom_components.hikari_denwa.telephony.engine.child import Launcher
from custom_components.hikari_denwa.telephony.engine.client import LineListener
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallIncoming,
    CallQuality,
    Dialled,
    DtmfReceived,
    LineConfig,
    PathsChanged,
    Probed,
    RegistrationChanged,
    RegistrationState,
    SoundDirection,
    SoundFrame,
    SoundPlayed,
    SoundQuality,
    TracedMessage,
    Welcome,
)
from custom_components.hikari_denwa.telephony.errors import TelephonyError
from custom_components.hikari_denwa.telephony.paths import Paths

GATEWAY = "2001:db8::1"
LOCAL = "2001:db8::1234:5678:9abc:def0"
AT = 1_790_000_000.0


@dataclass(frozen=True, kw_only=True)
class Invite:
    """What an INVITE that a real engine would have sent comes down to."""

    line: str
    number: str
    family: Family
    mu_law_only: bool


class FakeEngine:
    """What all fake clients of a test share: the wishes of the test, and what was asked."""

    def __init__(self) -> None:
        """Begin with a gateway that takes everything."""
        self.clients: list[FakeClient] = []
        self.start_error: TelephonyError | None = None
        self.start_errors: dict[Launcher, TelephonyError] = {}
        self.families: tuple[Family, ...] = (Family.IPV6, Family.IPV4)
        self.first: RegistrationChanged | None = None
        self.silent = False
        self.probe_error: TelephonyError | None = None
        self.errors: dict[str, TelephonyError] = {}
        self.commands: list[tuple[Any, ...]] = []
        self.probed: list[LineConfig] = []
        self.early: list[Any] = []
        self.plays = True
        self.queued: list[bytes] = []
        self.played: list[bytes] = []
        self.invites: list[Invite] = []
        self.lose_while_dialling = False
        self.trace: tuple[TracedMessage, ...] = ()
        self.sound: list[bytes] = []
        self.after_hang_up: list[Any] = []

    @property
    def client(self) -> FakeClient:
        """Return the client that runs."""
        (client,) = [client for client in self.clients if client.running]
        return client

    def make(
        self,
        launcher: Launcher,
        *,
        on_lost: Callable[[], None] | None = None,
        on_restored: Callable[[Welcome], None] | None = None,
    ) -> FakeClient:
        """Make a client, as the integration would make a real one."""
        client = FakeClient(self, launcher, on_lost, on_restored)
        self.clients.append(client)
        return client

    def has_sent(self, name: str, *arguments: Any) -> bool:
        """Tell whether a command was asked for."""
        return arguments in self.sent(name)

    def sent(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of all commands of a name."""
        return [command[1:] for command in self.commands if command[0] == name]


class FakeClient:
    """Has the methods of EngineClient that the integration uses."""

    def __init__(
        self,
        engine: FakeEngine,
        launcher: Launcher,
        on_lost: Callable[[], None] | None,
        on_restored: Callable[[Welcome], None] | None,
    ) -> None:
        """Begin with nothing running."""
        self.engine = engine
        self.launcher = launcher
        self.on_lost = on_lost
        self.on_restored = on_restored
        self.running = False
        self.trying = False
        self.closed = False
        self.lines: dict[str, tuple[LineConfig, LineListener]] = {}
        self.families: dict[str, Family] = defaultdict(lambda: Family.IPV6)
        self._last: dict[str, int] = defaultdict(int)
        self.connected: dict[str, bool] = {}
        self._frames = 0
        self._marks: list[tuple[int, int]] = []

    @property
    def welcome(self) -> Welcome | None:
        """Return what an engine says of itself."""
        if not self.running:
            return None
        families = self.engine.families
        return Welcome(id=1, version=1, backend="fake", families=families, pid=1)

    async def start(self) -> Welcome:
        """Start."""
        if error := self.engine.start_errors.get(self.launcher, self.engine.start_error):
            raise error
        self.running = True
        assert self.welcome
        return self.welcome

    async def keep_trying(self) -> None:
        """Go on trying."""
        self.trying = True

    def hurry(self) -> None:
        """Be ready at once."""
        self.restore()

    def lose(self) -> None:
        """Lose the engine, as a test wants it."""
        self.running = False
        for _, listener in tuple(self.lines.values()):
            listener.engine_lost()
        if self.on_lost:
            self.on_lost()

    def restore(self) -> None:
        """Be there again, as a test wants it."""
        self.running, self.trying = True, False
        if self.on_restored and self.welcome:
            self.on_restored(self.welcome)

    async def close(self) -> None:
        """Stop."""
        self.running = self.trying = False
        self.closed = True

    async def add_line(self, line: str, config: LineConfig, listener: LineListener) -> None:
        """Tell the first outcome at once."""
        self.lines[line] = (config, listener)
        if not self.engine.silent:
            first = self.engine.first or registered(line)
            if first.family:
                self.families[line] = first.family
            listener.registration_changed(first)

    async def remove_line(self, line: str) -> None:
        """Forget the line."""
        self.command("remove_line", line)
        self.lines.pop(line, None)

    async def probe(self, config: LineConfig) -> Probed:
        """Register once."""
        self.engine.probed.append(config)
        if self.engine.probe_error:
            raise self.engine.probe_error
        return Probed(id=2, family=Family.IPV6, gateway_address=GATEWAY, local_address=LOCAL)

    async def speaks_sip(self, gateway: str) -> bool:
        """Answer nowhere."""
        self.command("speaks_sip", gateway)
        return False

    async def move_line(self, line: str, family: Family) -> None:
        """Register over another family."""
        self.command("move_line", line, family)
        self.families[line] = family
        self.lines[line][1].registration_changed(registered(line, family))

    async def dial(
        self,
        line: str,
        number: str,
        *,
        mu_law_only: bool = False,
        as_line: str | None = None,
        as_call: str | None = None,
    ) -> Dialled:
        """Place a call."""
        self.command("dial", line, number)
        family = self.families[line]
        self.engine.invites.append(
            Invite(line=line, number=number, family=family, mu_law_only=mu_law_only)
        )
        self._last[line] += 1
        call = as_call or f"out-{self._last[line]}"
        listener = self.lines[as_line or line][1]
        if self.engine.lose_while_dialling:
            listener.engine_lost()
        for event in self.engine.early:
            listener.call_event(event)
        return Dialled(id=3, call=call, channel=100 + self._last[line], family=family)

    async def answer(self, call: str) -> None:
        """Answer."""
        self.command("answer", call)

    async def reject(self, call: str, status: int = 486) -> None:
        """Reject."""
        self.command("reject", call, status)

    async def hang_up(self, call: str) -> None:
        """Hang up, and tell what the test wants told then."""
        self.command("hang_up", call)
        for event in self.engine.after_hang_up:
            self.listener().call_event(event)

    async def hold(self, call: str, *, held: bool) -> None:
        """Hold, or take back."""
        self.command("hold", call, held)

    async def send_dtmf(self, call: str, digits: str) -> None:
        """Send digits."""
        self.command("send_dtmf", call, digits)

    async def trace(self, line: str) -> tuple[TracedMessage, ...]:
        """Return what the test wants a trace to be."""
        self.command("trace", line)
        return self.engine.trace

    async def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Switch the sound, and let be heard what the test wants heard."""
        self.command("stream_sound", call, enabled, *(["near"] if near else []))
        for payload in self.engine.sound if enabled else ():
            self.listener().sound(far_sound(payload, 100 + self._last[next(iter(self.lines))]))

    async def clear_sound(self, call: str) -> None:
        """Forget what is queued."""
        self.command("clear_sound", call)
        self._marks.clear()
        self.engine.queued.clear()

    def play(self, channel: int, payload: bytes, *, marked: bool = False) -> int:
        """Queue a frame, which is heard at the next mark, or when the test wants that."""
        self._frames += 1
        self.engine.queued.append(payload)
        if marked:
            self._marks.append((channel, self._frames))
            if self.engine.plays:
                asyncio.get_running_loop().call_soon(self.tell_played)
        return self._frames

    def tell_played(self) -> None:
        """Let everything be heard that is queued, and tell so."""
        self.engine.played += self.engine.queued
        self.engine.queued.clear()
        marks, self._marks = self._marks, []
        for channel, number in marks:
            call = f"out-{channel - 100}" if channel > 100 else f"in-{channel}"
            for _, listener in self.lines.values():
                listener.call_event(SoundPlayed(at=AT + 8, line="", call=call, number=number))

    def command(self, name: str, *arguments: Any) -> None:
        """Note a command, and fail if the test wants that."""
        self.engine.commands.append((name, *arguments))
        if error := self.engine.errors.get(name):
            raise error

    def listener(self, line: str | None = None) -> LineListener:
        """Return who is told of a line; of the only one if none is named."""
        return self.lines[line or next(iter(self.lines))][1]


def registered(
    line: str, family: Family = Family.IPV6, *, domain: str | None = None
) -> RegistrationChanged:
    """Return the event of a registration."""
    ipv6 = family is Family.IPV6
    return RegistrationChanged(
        at=AT,
        line=line,
        state=RegistrationState.REGISTERED,
        family=family,
        gateway_address=GATEWAY if ipv6 else "192.168.1.1",
        local_address=LOCAL if ipv6 else "192.168.1.20",
        expires=3600,
        domain=domain,
    )


def paths_changed(line: str, paths: Paths) -> PathsChanged:
    """Return the event of other paths."""
    return PathsChanged(at=AT, line=line, paths=paths)


def not_registered(
    line: str, error: TelephonyError, state: RegistrationState = RegistrationState.FAILED
) -> RegistrationChanged:
    """Return the event of a registration that failed."""
    return RegistrationChanged(
        at=AT, line=line, state=state, reason=error.reason, placeholders=error.placeholders
    )


def incoming(
    call: str = "in-1",
    *,
    number: str | None = "0312345678",
    kind: CallerIdKind = CallerIdKind.NUMBER,
    display_name: str | None = None,
    channel: int = 1,
    internal: bool = False,
) -> CallIncoming:
    """Return the event of a call that rings."""
    return CallIncoming(
        at=AT,
        line="",
        call=call,
        channel=channel,
        caller=CallerId(kind=kind, number=number, display_name=display_name),
        called="0398765432",
        family=Family.IPV6,
        internal=internal,
    )


def connected(call: str = "in-1", *, after: float = 5.0) -> CallConnected:
    """Return the event of a call that carries sound."""
    return CallConnected(at=AT + after, line="", call=call, codec="PCMU")


def sounding(call: str = "in-1", *, mos: float = 4.4, packets_received: int = 499) -> CallQuality:
    """Return the event that tells how a call sounds."""
    quality = SoundQuality(
        packets_sent=500,
        packets_received=packets_received,
        packets_lost=1,
        packets_late=0,
        concealed_pct=0.2,
        jitter_ms=1.0,
        round_trip_ms=None,
        playout_delay_ms=42.0,
        r_factor=91.0,
        mos=mos,
    )
    return CallQuality(at=AT + 9, line="", call=call, quality=quality)


def ended(
    call: str = "in-1",
    reason: EndReason = EndReason.HUNG_UP_THERE,
    *,
    after: float = 15.0,
    status: int | None = None,
    warning: int | None = None,
) -> CallEnded:
    """Return the event of a call that is over."""
    ending = Ending(reason=reason, status=status, warning=warning)
    return CallEnded(at=AT + after, line="", call=call, ending=ending)


def held(call: str = "in-1", *, held: bool = True, here: bool = False) -> CallHeld:
    """Return the event of a call that is put on hold or taken back."""
    return CallHeld(at=AT + 6, line="", call=call, held=held, here=here)


def dtmf(digit: str, call: str = "in-1") -> DtmfReceived:
    """Return the event of a key."""
    return DtmfReceived(at=AT + 7, line="", call=call, digit=digit)


_frame_numbers = itertools.count(1000)


def far_sound(payload: bytes, channel: int = 1, number: int | None = None) -> SoundFrame:
    """Return 20 ms of the far side, the next ones unless they have a number."""
    return SoundFrame(
        direction=SoundDirection.FAR,
        channel=channel,
        number=next(_frame_numbers) if number is None else number,
        payload=payload,
    )
