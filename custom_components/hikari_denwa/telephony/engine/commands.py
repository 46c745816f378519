"""What the engine does for each command, whatever carries the commands to it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, assert_never
from weakref import WeakValueDictionary

from ..address import literal_family
from ..errors import (
    AddressInvalidError,
    DigitsInvalidError,
    EngineError,
    GatewaySilentError,
    GatewayUnreachableError,
    NumberInvalidError,
    ProtocolError,
    RegistrationError,
    StatusInvalidError,
    TelephonyError,
)
from .backend import Account, Backend, BackendListener, Registered
from .lines import Lines, Timing
from .network import NetworkWatch, SleepWatch
from .protocol import (
    AddLine,
    Answer,
    Asked,
    AskGateway,
    CallEnded,
    CallEvent,
    CallIncoming,
    ClearSound,
    Command,
    Dial,
    Dialled,
    Event,
    Failure,
    FetchTrace,
    HangUp,
    Hello,
    Hold,
    MoveLine,
    Probed,
    ProbeLine,
    RegistrationChanged,
    Reject,
    RemoveLine,
    Reply,
    Result,
    SendDtmf,
    Shutdown,
    SoundDirection,
    SoundFrame,
    StreamSound,
    Traced,
    TracedMessage,
)
from .redaction import Redactor
from .surveyor import Surveyor

_LOGGER = logging.getLogger(__name__)
_ASK_SECONDS = 4.0
# Half of the largest message that the other side takes.
_TRACE_PAGE = 32_768
_DIALLABLE = re.compile(r"[0-9*#]{1,64}")
_KEYPAD = re.compile(r"[0-9*#A-D]{1,128}")

MakeBackend = Callable[[BackendListener], Backend]


class Turns:
    """Locks by name: who asks first for a name goes first, and names cost nothing afterwards."""

    def __init__(self) -> None:
        """Begin with no lock."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn of a name."""
        lock = self._locks.get(name)
        if lock is None:
            self._locks[name] = lock = asyncio.Lock()
        async with lock:
            yield


class Engine:
    """Lines and calls over one back end; tells what happens to ``emit`` and ``emit_sound``."""

    def __init__(
        self,
        make_backend: MakeBackend,
        *,
        emit: Callable[[Event], None],
        emit_sound: Callable[[SoundFrame], None],
        timing: Timing | None = None,
    ) -> None:
        """Make the back end; ``start`` makes it ready."""
        self.backend = make_backend(self)
        self._emit = emit
        self._emit_sound = emit_sound
        self._network = NetworkWatch()
        self._lines = Lines(
            self.backend,
            self._registration_changed,
            timing,
            foreign_prefix=self._network.foreign_prefix,
        )
        self._surveyor = Surveyor(self._lines, emit, foreign_prefix=self._network.foreign_prefix)
        self._sleep = SleepWatch(self._lines.woke)
        self._turns = Turns()
        self._announced: set[str] = set()
        self._held: dict[str, list[CallEvent]] = {}
        self._shown: dict[str, tuple[str, str]] = {}

    async def start(self) -> None:
        """Make the back end ready."""
        await self.backend.start()

    def watch(self) -> None:
        """Watch the machine from now on: its addresses, and whether it was asleep."""
        self._network.start(self._network_changed)
        self._sleep.start()

    async def release(self) -> None:
        """Remove every line: its calls end and it is un-registered."""
        await self._surveyor.close()
        await self._lines.clear()

    async def close(self) -> None:
        """Remove every line and end the back end."""
        self._network.stop()
        self._sleep.stop()
        await self.release()
        await self.backend.close()

    async def carry_out(self, command: Command) -> Reply:
        """Do what a command asks; a failure comes back as ``Failure``, nothing is raised.

        May run many times at once. Commands for the same line, and those for the same call,
        take their turns in the order in which they were begun; digits do not hold up a hang-up.
        """
        try:
            return await self._carry_out(self._addressed(command))
        except TelephonyError as error:
            return Failure.of(command.id, error)
        except Exception:
            _LOGGER.exception("The command %s failed", command.kind)
            return Failure.of(command.id, EngineError())

    async def _carry_out(self, command: Command) -> Reply:
        """Do what a command asks, or raise."""
        match command:
            case AddLine() | MoveLine() | RemoveLine():
                async with self._turns.turn(f"line {command.line}"):
                    await self._change_line(command)
            case AskGateway() | ProbeLine() | Dial() | FetchTrace():
                return await self._tell_more(command)
            case Answer() | Reject() | HangUp() | Hold():
                async with self._turns.turn(f"call {command.call}"):
                    await self._change_call(command)
            case SendDtmf():
                if not _KEYPAD.fullmatch(command.digits):
                    raise DigitsInvalidError(digits=command.digits)
                async with self._turns.turn(f"digits {command.call}"):
                    await self.backend.send_dtmf(command.call, command.digits)
            case StreamSound() | ClearSound():
                self._change_sound(command)
            case Shutdown():
                await self.release()
            case Hello():
                raise ProtocolError(detail="a second hello")
            case _:
                raise ProtocolError(detail=f"no command: {command.kind}")
        return Result(id=command.id)

    async def _tell_more(self, command: AskGateway | ProbeLine | Dial | FetchTrace) -> Reply:
        """Do what a command asks that has a reply of its own."""
        match command:
            case AskGateway():
                return await self._ask_gateway(command)
            case ProbeLine():
                return await self._probe(command)
            case Dial():
                async with self._turns.turn(f"dial {command.line}"):
                    return await self._dial(command)
            case FetchTrace():
                return await self._fetch_trace(command)
            case _:
                assert_never(command)

    async def _change_line(self, command: AddLine | MoveLine | RemoveLine) -> None:
        """Add, move or remove a line."""
        match command:
            case AddLine():
                await self._lines.add(command.line, command.config)
                self._surveyor.add(command.line)
            case MoveLine():
                await self._move(command)
            case RemoveLine():
                self._surveyor.remove(command.line)
                await self._lines.remove(command.line)
            case _:
                assert_never(command)

    async def _ask_gateway(self, command: AskGateway) -> Asked:
        """Ask an address whether it speaks SIP; raises AddressInvalidError if it is no literal."""
        family = literal_family(command.gateway)
        if family is None:
            raise AddressInvalidError(address=command.gateway)
        nobody = Account(
            gateway=command.gateway,
            port=command.port,
            family=family,
            extension="anonymous",
            user_id="",
            password="",
        )
        answers = family in self.backend.families and await self.backend.speaks_sip(
            nobody, time_limit=_ASK_SECONDS
        )
        return Asked(id=command.id, answers=answers)

    async def _move(self, command: MoveLine) -> None:
        """Move a line; that nobody answers over a family is worth knowing."""
        try:
            await self._lines.move(command.line, command.family)
        except (GatewaySilentError, GatewayUnreachableError):
            self._surveyor.unanswered(command.line, command.family)
            raise

    async def _probe(self, command: ProbeLine) -> Probed:
        """Prove a configuration at the gateway."""
        standing = await self._lines.probe(command.config)
        return Probed(
            id=command.id,
            family=standing.account.family,
            gateway_address=standing.account.gateway,
            local_address=standing.registered.local_address,
        )

    async def _dial(self, command: Dial) -> Dialled:
        """Place a call; what the back end tells of it before that is done waits for the reply."""
        if not _DIALLABLE.fullmatch(command.number):
            raise NumberInvalidError(number=command.number)
        standing = self._lines.standing(command.line)
        held = self._held[command.line] = []
        try:
            placed = await self.backend.dial(
                command.line, command.number, mu_law_only=command.mu_law_only
            )
        finally:
            del self._held[command.line]
        self._announced.add(placed.call)
        shown = self._shown[placed.call] = (
            command.as_line or command.line,
            command.as_call or placed.call,
        )
        early = [event for event in held if event.call == placed.call]
        asyncio.get_running_loop().call_soon(self._tell_all, early)
        return Dialled(
            id=command.id,
            call=shown[1],
            channel=placed.channel,
            family=standing.account.family,
        )

    async def _fetch_trace(self, command: FetchTrace) -> Traced:
        """Redact a line's trace, and give as much of it as one message may hold."""
        redactor = Redactor()
        page: list[TracedMessage] = []
        room = _TRACE_PAGE
        for message in self.backend.trace(command.line):
            shown = dataclasses.replace(message, text=redactor.redact(message.text))
            # Sound goes through this loop as well.
            await asyncio.sleep(0)
            if message.number > command.after:
                room -= len(json.dumps(dataclasses.asdict(shown)))
                if page and room < 0:
                    break
                page.append(shown)
        return Traced(id=command.id, messages=tuple(page))

    async def _change_call(self, command: Answer | Reject | HangUp | Hold) -> None:
        """Answer, reject, hold or end a call."""
        match command:
            case Answer():
                await self.backend.answer(command.call)
            case Reject():
                if not 400 <= command.status <= 699:
                    raise StatusInvalidError(code=str(command.status))
                await self.backend.reject(command.call, command.status)
            case HangUp():
                await self.backend.hang_up(command.call)
            case Hold():
                await self.backend.hold(command.call, held=command.held)
            case _:
                assert_never(command)

    def _change_sound(self, command: StreamSound | ClearSound) -> None:
        """Tell of a call's sound or not any more, or forget what is queued."""
        match command:
            case StreamSound():
                self.backend.stream_sound(command.call, enabled=command.enabled, near=command.near)
            case ClearSound():
                self.backend.clear_sound(command.call)
            case _:
                assert_never(command)

    def play(self, message: bytes) -> None:
        """Take a binary message: 20 ms to be sent in a call."""
        try:
            frame = SoundFrame.decode(message)
        except ProtocolError as error:
            _LOGGER.warning("Sound that cannot be understood: %s", error)
            return
        if frame.direction is SoundDirection.PLAY:
            self.backend.play(frame)

    def registration_lost(self, line: str, error: RegistrationError) -> None:
        """Hand a loss to the line."""
        self._lines.lost(line, error)

    def registration_refreshed(self, line: str, registered: Registered) -> None:
        """Hand a refresh to the line."""
        self._lines.refreshed(line, registered)

    def call_event(self, event: CallEvent) -> None:
        """Tell what happened to a call, never before the call itself was told."""
        if isinstance(event, CallIncoming):
            self._announced.add(event.call)
        if event.call in self._announced:
            self._tell(event)
        elif event.line in self._held:
            self._held[event.line].append(event)

    def sound(self, frame: SoundFrame) -> None:
        """Pass sound on."""
        self._emit_sound(frame)

    def _registration_changed(self, event: RegistrationChanged) -> None:
        """Tell where a registration stands, and let the surveyor know."""
        self._emit(event)
        self._surveyor.registration_changed(event)

    def _network_changed(self) -> None:
        """Hear that addresses or routes of this machine changed."""
        self._lines.network_changed()
        self._surveyor.network_changed()

    def _addressed(self, command: Command) -> Command:
        """Return a command for a call with the name that the back end knows the call by."""
        about_call: Any = command
        named = getattr(command, "call", None)
        call = next((call for call, shown in self._shown.items() if shown[1] == named), None)
        return command if call in {None, named} else dataclasses.replace(about_call, call=call)

    def _tell_all(self, events: list[CallEvent]) -> None:
        """Tell the events of a call that came before the reply to its ``Dial`` was sent."""
        for event in events:
            self._tell(event)

    def _tell(self, event: CallEvent) -> None:
        """Tell an event and forget a call that ended."""
        line, call = self._shown.get(event.call, (event.line, event.call))
        if isinstance(event, CallEnded):
            self._announced.discard(event.call)
            self._shown.pop(event.call, None)
        self._emit(dataclasses.replace(event, line=line, call=call))
