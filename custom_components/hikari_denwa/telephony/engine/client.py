"""The engine as Home Assistant sees it: started, watched, restarted, and asked.

Runs in the event loop of whoever uses it and knows nothing of Home Assistant.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ParamSpec, Protocol

from ..calls import Family
from ..errors import (
    EngineError,
    EngineLockedError,
    EngineLostError,
    EngineSilentError,
    EngineStartError,
    EngineTokenError,
    EngineVersionError,
    LineUnknownError,
    TelephonyError,
)
from .child import ChildLauncher, Launcher, RunningEngine
from .conversation import Conversation
from .protocol import (
    FRAME_BYTES,
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
    FetchTrace,
    HangUp,
    Hold,
    LineConfig,
    MoveLine,
    PathsChanged,
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
    SoundFlag,
    SoundFrame,
    StreamSound,
    Traced,
    TracedMessage,
    Welcome,
)

_LOGGER = logging.getLogger(__name__)
_P = ParamSpec("_P")
_START_SECONDS = 10.0
_COMMAND_SECONDS = 10.0
_PROBE_SECONDS = 60.0
_DIGIT_SECONDS = 0.5
# RFC 3261 gives a re-INVITE 32 s to be answered, and glare may want it twice more.
_HOLD_SECONDS = 60.0
_SHUTDOWN_SECONDS = 5.0
_MOST_TRACE_PAGES = 64
_FAILED_START = 5
_PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0, 60.0, 120.0, 300.0)
_HEALTHY_SECONDS = 60.0
# What does not get better by asking again soon.
_LASTING = (EngineLockedError, EngineTokenError, EngineVersionError)


class LineListener(Protocol):
    """What a line is told, on the event loop, right as the message is read."""

    def registration_changed(self, event: RegistrationChanged) -> None:
        """The line's registration moved."""

    def paths_changed(self, event: PathsChanged) -> None:
        """Other families than before reach the line's gateway."""

    def call_event(self, event: CallEvent) -> None:
        """Something happened to a call of the line."""

    def sound(self, frame: SoundFrame) -> None:
        """20 ms of a call whose sound is streamed."""

    def engine_lost(self) -> None:
        """The engine is gone and the line's calls with it; it is being restarted."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line that the engine is to keep, and who hears of it."""

    config: LineConfig
    listener: LineListener


class EngineClient:
    """Runs an engine and keeps it running; lines come back by themselves after a restart.

    Commands raise the errors of the telephony tree: what the engine says, EngineLostError while
    there is no engine, EngineSilentError when it does not answer in time. ``on_lost`` and
    ``on_restored`` are called on the event loop.
    """

    def __init__(
        self,
        launcher: Launcher | None = None,
        *,
        on_lost: Callable[[], None] | None = None,
        on_restored: Callable[[Welcome], None] | None = None,
    ) -> None:
        """Begin with nothing running."""
        self._launcher = launcher or ChildLauncher()
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._conversation: Conversation | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._closing = False
        self._hurry = asyncio.Event()
        self._turn = asyncio.Lock()
        self._lines: dict[str, _Line] = {}
        self._channels: dict[int, LineListener] = {}
        self._call_channels: dict[str, int] = {}
        self._frame_numbers = itertools.count()

    @property
    def running(self) -> bool:
        """Whether an engine is there to be asked."""
        return self._conversation is not None

    @property
    def welcome(self) -> Welcome | None:
        """What the engine said of itself, or None while there is none."""
        return self._conversation.welcome if self._conversation else None

    @property
    def pid(self) -> int | None:
        """The process of the engine, or None while there is none."""
        return self._conversation.engine.pid if self._conversation else None

    async def start(self) -> Welcome:
        """Start the engine and keep it running. Raises the EngineError that it fails with."""
        async with self._turn:
            if self._supervisor is None:
                conversation = await self._open()
                self._supervisor = asyncio.create_task(
                    self._supervise(conversation), name="engine supervisor"
                )
                self._conversation = conversation
        if welcome := self.welcome:
            return welcome
        raise EngineLostError

    async def keep_trying(self) -> None:
        """Go on, after a ``start`` that failed, until the engine runs; ``on_restored`` is told."""
        async with self._turn:
            if self._supervisor is None:
                self._supervisor = asyncio.create_task(
                    self._supervise(None), name="engine supervisor"
                )

    def hurry(self) -> None:
        """Do not wait any longer before the engine is tried again."""
        self._hurry.set()

    async def close(self) -> None:
        """Un-register every line and end the engine; nothing of it is left."""
        self._lines.clear()
        async with self._turn:
            if self._supervisor is None:
                return
            self._closing = True
            if self._conversation:
                command = Shutdown(id=self._conversation.next_id())
                with suppress(TelephonyError):
                    await self._conversation.ask(Result, command, time_limit=_SHUTDOWN_SECONDS)
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
            self._supervisor = None
            self._closing = False
            self._forget_calls()

    async def add_line(self, line: str, config: LineConfig, listener: LineListener) -> None:
        """Keep a line registered from now on, also by engines to come; outcomes are events.

        A line of that name is replaced. Raises EngineLostError only before ``start``.
        """
        if self._supervisor is None:
            raise EngineLostError
        self._lines[line] = _Line(config=config, listener=listener)
        with suppress(EngineLostError):
            await self._ask(AddLine(id=self._next_id(), line=line, config=config))

    async def remove_line(self, line: str) -> None:
        """Hang up a line's calls, un-register it and forget it; waits until that is done.

        An engine that is not there, or does not answer, has no line that would come back.
        """
        self._lines.pop(line, None)
        with suppress(EngineLostError, EngineSilentError, LineUnknownError):
            await self._ask(RemoveLine(id=self._next_id(), line=line))

    async def move_line(self, line: str, family: Family) -> None:
        """Register a line over a family instead; it can ring all the time, and stays if that fails.

        Raises FamilyMissingError or a RegistrationError. An engine that is restarted begins
        with the preferred family again.
        """
        command = MoveLine(id=self._next_id(), line=line, family=family)
        await self._ask(command, time_limit=_PROBE_SECONDS)

    async def probe(self, config: LineConfig) -> Probed:
        """Register once with a configuration and un-register. Raises a RegistrationError."""
        conversation = self._talking()
        command = ProbeLine(id=conversation.next_id(), config=config)
        return await conversation.ask(Probed, command, time_limit=_PROBE_SECONDS)

    async def speaks_sip(self, gateway: str, port: int = 5060) -> bool:
        """Tell whether a literal address answers in SIP; nothing changes there by it."""
        conversation = self._talking()
        command = AskGateway(id=conversation.next_id(), gateway=gateway, port=port)
        asked = await conversation.ask(Asked, command, time_limit=_COMMAND_SECONDS)
        return asked.answers

    async def dial(
        self,
        line: str,
        number: str,
        *,
        mu_law_only: bool = False,
        as_line: str | None = None,
        as_call: str | None = None,
    ) -> Dialled:
        """Place a call to 0-9 * #; returns when the INVITE is on its way, the rest is events.

        The keywords are those of ``Dial``; the listener of ``as_line`` hears of the call.
        """
        conversation = self._talking()
        command = Dial(
            id=conversation.next_id(),
            line=line,
            number=number,
            mu_law_only=mu_law_only,
            as_line=as_line,
            as_call=as_call,
        )
        dialled = await conversation.ask(Dialled, command, time_limit=_COMMAND_SECONDS)
        self._remember(as_line or line, dialled.call, dialled.channel)
        return dialled

    async def answer(self, call: str) -> None:
        """Answer a call that rings here."""
        await self._ask(Answer(id=self._next_id(), call=call))

    async def reject(self, call: str, status: int = 486) -> None:
        """Reject a call that rings here, with a SIP status from 400 to 699."""
        await self._ask(Reject(id=self._next_id(), call=call, status=status))

    async def hang_up(self, call: str) -> None:
        """End a call in whatever state."""
        await self._ask(HangUp(id=self._next_id(), call=call))

    async def hold(self, call: str, *, held: bool) -> None:
        """Put a connected call on hold, or take it back; returns when the far side has agreed."""
        command = Hold(id=self._next_id(), call=call, held=held)
        await self._ask(command, time_limit=_HOLD_SECONDS)

    async def send_dtmf(self, call: str, digits: str) -> None:
        """Send keypad digits as tones; returns when the last tone has gone."""
        command = SendDtmf(id=self._next_id(), call=call, digits=digits)
        await self._ask(command, time_limit=_COMMAND_SECONDS + _DIGIT_SECONDS * len(digits))

    async def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Start or stop the far side's sound, and ours if ``near``; the line's listener hears."""
        await self._ask(StreamSound(id=self._next_id(), call=call, enabled=enabled, near=near))

    async def clear_sound(self, call: str) -> None:
        """Forget what is queued to be sent in a call."""
        await self._ask(ClearSound(id=self._next_id(), call=call))

    async def trace(self, line: str) -> tuple[TracedMessage, ...]:
        """Return the last SIP messages of a line, the oldest first, without what is private."""
        found: list[TracedMessage] = []
        for _ in range(_MOST_TRACE_PAGES):
            conversation = self._talking()
            after = found[-1].number if found else 0
            command = FetchTrace(id=conversation.next_id(), line=line, after=after)
            page = await conversation.ask(Traced, command, time_limit=_COMMAND_SECONDS)
            if not page.messages:
                break
            found += page.messages
        return tuple(found)

    def play(self, channel: int, payload: bytes, *, marked: bool = False) -> int:
        """Queue 20 ms (160 bytes of µ-law) to be sent in a call; without an engine, no effect.

        Returns the frame's number, which ``SoundPlayed`` repeats when a ``marked`` frame has gone.
        The engine holds a second at most; then the oldest goes.
        """
        if len(payload) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(payload)}")
        number = next(self._frame_numbers) & 0xFFFFFFFF
        if self._conversation:
            frame = SoundFrame(
                direction=SoundDirection.PLAY,
                channel=channel,
                number=number,
                payload=payload,
                flags=SoundFlag.MARKED if marked else SoundFlag.NONE,
            )
            self._conversation.play(frame)
        return number

    def engine_event(self, event: Event) -> None:
        """Tell an event to the line that it is about."""
        match event:
            case RegistrationChanged():
                if line := self._lines.get(event.line):
                    line.listener.registration_changed(event)
            case PathsChanged():
                if line := self._lines.get(event.line):
                    line.listener.paths_changed(event)
            case CallEvent():
                self._tell_call(event)

    def engine_sound(self, frame: SoundFrame) -> None:
        """Tell sound to the line whose call it is."""
        if listener := self._channels.get(frame.channel):
            listener.sound(frame)

    def _tell_call(self, event: CallEvent) -> None:
        """Tell a call's event, and keep track of its sound channel."""
        line = self._lines.get(event.line)
        if isinstance(event, CallIncoming):
            self._remember(event.line, event.call, event.channel)
        if isinstance(event, CallEnded):
            self._channels.pop(self._call_channels.pop(event.call, -1), None)
        if line:
            line.listener.call_event(event)

    def _remember(self, line: str, call: str, channel: int) -> None:
        """Remember whose sound a channel carries."""
        if known := self._lines.get(line):
            self._channels[channel] = known.listener
            self._call_channels[call] = channel

    def _forget_calls(self) -> None:
        """Forget every call; the engine that had them is gone."""
        self._channels.clear()
        self._call_channels.clear()

    def _talking(self) -> Conversation:
        """Return the conversation that stands. Raises EngineLostError."""
        if self._conversation is None:
            raise EngineLostError
        return self._conversation

    def _next_id(self) -> int:
        """Return a number for a command. Raises EngineLostError."""
        return self._talking().next_id()

    async def _ask(self, command: Command, *, time_limit: float = _COMMAND_SECONDS) -> None:
        """Have a command carried out."""
        await self._talking().ask(Result, command, time_limit=time_limit)

    async def _open(self) -> Conversation:
        """Launch an engine and greet it."""
        engine: RunningEngine | None = None
        try:
            async with asyncio.timeout(_START_SECONDS):
                engine = await self._launcher.launch()
                return await Conversation.open(engine, self)
        except BaseException as error:
            if engine:
                engine.kill()
                await engine.close()
            if isinstance(error, TimeoutError):
                raise EngineStartError(detail="it did not start in time") from None
            raise

    async def _supervise(self, conversation: Conversation | None) -> None:
        """Restart the engine whenever it is lost; without a conversation it did not start."""
        loop = asyncio.get_running_loop()
        failures = 0 if conversation else _FAILED_START
        try:
            while True:
                if conversation:
                    began = loop.time()
                    await conversation.ended()
                    if self._closing:
                        return
                    self._lose()
                    await _end(conversation)
                    if loop.time() - began >= _HEALTHY_SECONDS:
                        failures = 0
                conversation, failures = await self._reopen(failures)
                self._restore(conversation)
        finally:
            self._conversation = None
            if conversation:
                await _end(conversation)

    async def _reopen(self, failures: int) -> tuple[Conversation, int]:
        """Try until an engine runs; also return how often engines have failed by now."""
        lasting = False
        while True:
            last = len(_PAUSES) - 1
            await self._pause(_PAUSES[last if lasting else min(failures, last)])
            failures += 1
            try:
                return await self._open(), failures
            except Exception as error:
                lasting = isinstance(error, _LASTING)
                _LOGGER.log(
                    logging.ERROR if failures == 1 else logging.DEBUG,
                    "The engine cannot be restarted: %s",
                    error,
                    exc_info=not isinstance(error, EngineError),
                )

    async def _pause(self, seconds: float) -> None:
        """Wait before the next try, unless there is a hurry."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()

    def _lose(self) -> None:
        """Tell everybody that the engine is gone."""
        _LOGGER.warning("The engine is lost; it is being restarted")
        self._conversation = None
        self._forget_calls()
        for line in list(self._lines.values()):
            _call(line.listener.engine_lost)
        if self._on_lost:
            _call(self._on_lost)

    def _restore(self, conversation: Conversation) -> None:
        """Give the new engine the lines, and tell that it is there."""
        _LOGGER.info("The engine runs again")
        self._conversation = conversation
        for name, line in self._lines.items():
            command = AddLine(id=conversation.next_id(), line=name, config=line.config)
            conversation.begin(command).add_done_callback(_log_failure)
        if self._on_restored:
            _call(self._on_restored, conversation.welcome)


async def _end(conversation: Conversation) -> None:
    """End a conversation and the engine behind it."""
    await conversation.close()
    await conversation.engine.close()


def _log_failure(future: asyncio.Future[Reply]) -> None:
    """Log that a line could not be given to a new engine."""
    if not future.cancelled() and (error := future.exception()):
        _LOGGER.warning("A line could not be added again: %s", error)


def _call(callback: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Call somebody whose failure is not ours."""
    try:
        callback(*args, **kwargs)
    except Exception:
        _LOGGER.exception("A listener failed")
