"""Plays sounds into a line's calls, in the engine's clock: one after the other, and pausable."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .calls import Call
from .const import DOMAIN
from .playable import Sound
from .telephony.audio.frames import amplified
from .telephony.calls import CallState
from .telephony.engine.client import EngineClient
from .telephony.engine.protocol import FRAME_SECONDS, SILENCE
from .telephony.errors import CallNotConnectedError, TelephonyError

_LOGGER = logging.getLogger(__name__)

# Many a far end opens its ear a little after the call is connected; what is said then is lost.
SETTLE: Final = timedelta(seconds=0.6)
# The engine holds 50 frames. These bridge 0.8 s in which Home Assistant's event loop stands still.
_LEAD_FRAMES: Final = 40
_MARK_EVERY: Final = 5
_MARK_PATIENCE_SECONDS: Final = 1.0


class PlaybackEnd(StrEnum):
    """How the playing of a sound came to its end."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    CALL_ENDED = "call_ended"


class PlayerState(StrEnum):
    """What a player is doing."""

    IDLE = "idle"
    PLAYING = "playing"
    PAUSED = "paused"


class Playback:
    """The playing of one sound in one call.

    ``ended`` tells how it came out, ``error`` why it failed.
    """

    def __init__(self, sound: Sound, *, announcement: bool) -> None:
        """Wait to be played; ``CallPlayer.play`` makes them."""
        self.sound = sound
        self.announcement = announcement
        self.skipped = False
        self.ended: asyncio.Future[PlaybackEnd] = asyncio.get_running_loop().create_future()
        self.error: TelephonyError | None = None
        self.unsent: deque[bytes] = deque()
        self._began = asyncio.Event()

    async def begun(self) -> None:
        """Wait until there is something to send, or never will be; raises why not."""
        await self._began.wait()
        if self.error is not None:
            raise self.error

    async def finished(self) -> PlaybackEnd:
        """Wait for the end; raises why it failed."""
        end = await asyncio.shield(self.ended)
        if self.error is not None:
            raise self.error
        return end

    @callback
    def begin(self) -> None:
        """Tell that there is something to send."""
        self._began.set()

    @callback
    def end(self, end: PlaybackEnd) -> None:
        """Tell how it came out."""
        self.ended.set_result(end)
        self._began.set()


class PlayerListener(Protocol):
    """What a player tells."""

    def playing_changed(self) -> None:
        """Hear that another thing is played, or nothing any more."""

    def playback_ended(self, call: Call, playback: Playback, end: PlaybackEnd) -> None:
        """Hear that a sound has been played, or will not be."""


class CallPlayer:
    """Plays into one call.

    An announcement interrupts what is played and is followed by the rest of it; announcements
    wait for each other, and cannot be paused. On hold everything waits.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        client: EngineClient,
        call: Call,
        listener: PlayerListener,
        factor: Callable[[], float],
    ) -> None:
        """Begin with nothing to play; ``factor`` tells how loud."""
        self._hass = hass
        self._client = client
        self._call = call
        self._listener = listener
        self._factor = factor
        self._performing: list[Playback] = []
        self._queue: deque[Playback] = deque()
        self._announcements: deque[Playback] = deque()
        self._paused = False
        self._in_flight: deque[tuple[int, bytes]] = deque()
        self._sent = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> PlayerState:
        """Return what it is doing."""
        if not (self._performing or self._queue or self._announcements):
            return PlayerState.IDLE
        announces = self._performing and self._performing[-1].announcement
        return PlayerState.PAUSED if self._paused and not announces else PlayerState.PLAYING

    @property
    def title(self) -> str | None:
        """Return what is being played."""
        return self._performing[-1].sound.title if self._performing else None

    @callback
    def play(self, sound: Sound, *, announcement: bool = False, first: bool = False) -> Playback:
        """Play a sound after what waits already, or ``first``, and return at once."""
        if self._call.state is not CallState.TALKING:
            raise CallNotConnectedError
        playback = Playback(sound, announcement=announcement)
        waiting = self._announcements if announcement else self._queue
        if first:
            waiting.appendleft(playback)
        else:
            waiting.append(playback)
        self._changed.set()
        if self._task is None:
            self._task = self._hass.async_create_background_task(
                self._run(), f"{DOMAIN} player of {self._call.id}", eager_start=False
            )
        return playback

    async def async_stop(self) -> None:
        """Play nothing more, and forget what waits."""
        self._finish_all(PlaybackEnd.STOPPED)
        await self._clear()

    @callback
    def skip(self, playback: Playback | None = None) -> None:
        """End a playing, that of now if none is named, and go on with what waits."""
        if playback is None and self._performing:
            playback = self._performing[-1]
        if playback is not None:
            playback.skipped = True
            self._changed.set()

    @callback
    def pause(self, *, paused: bool) -> None:
        """Keep silent from now on, but for announcements, or go on where that was."""
        if self._performing and self._paused is not paused:
            self._paused = paused
            self._changed.set()
            self._listener.playing_changed()

    @callback
    def played(self, number: int) -> None:
        """Hear from the engine that a marked frame, and all before it, has gone."""
        if any(sent == number for sent, _ in self._in_flight):
            while self._in_flight.popleft()[0] != number:
                pass
            self._changed.set()

    @callback
    def call_changed(self, call: Call) -> None:
        """Hear that the call was put on hold, taken back, or is over."""
        self._call = call
        if call.state is CallState.ENDED:
            self._finish_all(PlaybackEnd.CALL_ENDED)
        self._changed.set()

    def _finish_all(self, end: PlaybackEnd) -> None:
        """End everything that is played or waits."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        ended = [*self._performing, *self._announcements, *self._queue]
        for waiting in (self._performing, self._announcements, self._queue, self._in_flight):
            waiting.clear()
        self._paused = False
        for playback in ended:
            self._end(playback, end)
        self._listener.playing_changed()

    def _end(self, playback: Playback, end: PlaybackEnd) -> None:
        """Tell how a playing came out."""
        playback.end(end)
        self._listener.playback_ended(self._call, playback, end)

    async def _run(self) -> None:
        """Play what waits until nothing does."""
        if (connected := self._call.connected) is not None:
            await asyncio.sleep(min(SETTLE, connected + SETTLE - dt_util.utcnow()).total_seconds())
        while self._announcements or self._queue:
            await self._perform((self._announcements or self._queue).popleft())
        self._task = None
        self._paused = False
        self._listener.playing_changed()

    async def _perform(self, playback: Playback) -> None:
        """Play one thing to its end."""
        self._performing.append(playback)
        self._listener.playing_changed()
        end = PlaybackEnd.FAILED
        try:
            async with aclosing(playback.sound.frames()) as frames:
                await self._feed(playback, frames)
            end = PlaybackEnd.STOPPED if playback.skipped else PlaybackEnd.FINISHED
        except TelephonyError as error:
            playback.error = error
            _LOGGER.warning("“%s” cannot be played: %s", playback.sound.title, error)
        except Exception:
            playback.error = TelephonyError()
            _LOGGER.exception("“%s” cannot be played", playback.sound.title)
        self._performing.remove(playback)
        self._end(playback, end)

    async def _feed(self, playback: Playback, frames: AsyncGenerator[bytes]) -> None:
        """Send a sound frame by frame, no further ahead of the engine than it can keep."""
        first = await anext(frames, None)
        ended = first is None
        playback.begin()
        playback.unsent.append(first or SILENCE)
        while True:
            if playback.skipped:
                self._in_flight.clear()
                await self._clear()
                return
            if self._must_wait(playback):
                await self._step_aside(playback)
            elif len(self._in_flight) >= _LEAD_FRAMES:
                await self._next_change()
            elif playback.unsent:
                frame = playback.unsent.popleft()
                self._send(frame, last=ended and not playback.unsent)
            elif not ended:
                following = await anext(frames, None)
                ended = following is None
                playback.unsent.append(following or SILENCE)
            elif self._in_flight:
                await self._next_change()
            else:
                return

    def _must_wait(self, playback: Playback) -> bool:
        """Tell whether something else comes first now."""
        if self._call.held or self._call.holding:
            return True
        return not playback.announcement and (self._paused or bool(self._announcements))

    async def _step_aside(self, playback: Playback) -> None:
        """Take back what was not heard yet, and let an announcement be heard, or wait."""
        if self._in_flight:
            playback.unsent.extendleft(frame for _, frame in reversed(self._in_flight))
            self._in_flight.clear()
            await self._clear()
        on_hold = self._call.held or self._call.holding
        if self._announcements and not playback.announcement and not on_hold:
            await self._perform(self._announcements.popleft())
            self._listener.playing_changed()
            return
        self._changed.clear()
        if self._must_wait(playback) and not playback.skipped:
            await self._changed.wait()

    def _send(self, frame: bytes, *, last: bool) -> None:
        """Give the engine a frame; every fifth, and the last one, is told of when it has gone."""
        self._sent += 1
        number = self._client.play(
            self._call.channel,
            amplified(frame, self._factor()),
            marked=last or self._sent % _MARK_EVERY == 0,
        )
        self._in_flight.append((number, frame))

    async def _next_change(self) -> None:
        """Wait until something has gone; an engine that does not tell is believed to play."""
        self._changed.clear()
        try:
            async with asyncio.timeout(
                len(self._in_flight) * FRAME_SECONDS + _MARK_PATIENCE_SECONDS
            ):
                await self._changed.wait()
        except TimeoutError:
            self._in_flight.clear()

    async def _clear(self) -> None:
        """Have the engine forget what it was given; a call that is over has nothing."""
        with suppress(TelephonyError):
            await self._client.clear_sound(self._call.id)


class LinePlayer:
    """The players of a line's calls, and how loud they are."""

    def __init__(self, hass: HomeAssistant, client: EngineClient, listener: PlayerListener) -> None:
        """Begin without a call."""
        self._hass = hass
        self._client = client
        self._listener = listener
        self._players: dict[str, CallPlayer] = {}
        self.volume = 1.0
        self.muted = False

    def of(self, call: Call | None) -> CallPlayer:
        """Return the player of a call; raises CallNotConnectedError unless it carries sound."""
        if call is None or call.state is not CallState.TALKING:
            raise CallNotConnectedError
        if call.id not in self._players:
            self._players[call.id] = CallPlayer(
                self._hass, self._client, call, self._listener, self._factor
            )
        return self._players[call.id]

    def running(self, call: Call | None) -> CallPlayer | None:
        """Return the player of a call into which something was played.

        While a call rings, what its caller hears is nothing that anybody here plays.
        """
        if call is None or call.state is CallState.RINGING:
            return None
        return self._players.get(call.id)

    async def async_silence(self, call: Call) -> None:
        """Stop what is played into a call, whatever its state."""
        if player := self._players.get(call.id):
            await player.async_stop()

    @callback
    def set_volume(self, volume: float | None = None, *, muted: bool | None = None) -> None:
        """Play louder or softer from now on: 1 is the sound as it is, half of it 12 dB less."""
        if volume is not None:
            self.volume = min(1.0, max(0.0, volume))
        if muted is not None:
            self.muted = muted
        self._listener.playing_changed()

    @callback
    def played(self, call: str, number: int) -> None:
        """Hear that a marked frame has gone."""
        if player := self._players.get(call):
            player.played(number)

    @callback
    def call_changed(self, call: Call) -> None:
        """Hear that a call was put on hold, taken back, or is over."""
        if player := self._players.get(call.id):
            player.call_changed(call)
            if call.state is CallState.ENDED:
                del self._players[call.id]

    def _factor(self) -> float:
        """Return by what samples are multiplied."""
        return 0.0 if self.muted else self.volume**2
