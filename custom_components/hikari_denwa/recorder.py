"""Records a line's calls: by action or by rule, with a notice, and never at the call's cost."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util import dt as dt_util

from .call_log import forget_recordings
from .calls import Call, CallEventType, CallUpdate
from .const import (
    CONF_ANSWERING_STT,
    CONF_RECORD,
    CONF_RECORD_FORMAT,
    CONF_RECORD_KEEP_DAYS,
    CONF_RECORD_KEEP_MIB,
    CONF_RECORD_NOTICE,
    CONF_RECORD_NOTICE_MESSAGE,
    CONF_RECORD_NUMBERS,
    DOMAIN,
)
from .playable import Sound, frames_sound, prepared, speech_sound
from .recordings import Recording, RecordingFolder, RecordingKind
from .telephony.audio.recording import StereoMixer, StereoWav
from .telephony.audio.tones import frames, sines
from .telephony.calls import CallState
from .telephony.engine.protocol import SoundDirection, SoundFrame
from .telephony.errors import (
    CallNotConnectedError,
    RecordingDiskFullError,
    RecordingError,
    RecordingNotRunningError,
    RecordingRunsError,
    TelephonyError,
)
from .transcription import transcribed

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

_WRITE_SECONDS: Final = 1.0
_LOOK_AT_ROOM_EVERY: Final = 10
# A disk that is so far behind is no disk to record to.
_MOST_WAITING_BYTES: Final = 4 * 1024 * 1024
_ENCODE_SECONDS: Final = 600.0
_CLOSE_SECONDS: Final = 10.0
_OPUS: Final = ("-c:a", "libopus", "-b:a", "32k", "-f", "ogg")
_NOTICE_WORDS: Final = f"component.{DOMAIN}.common.recording_notice"


class RecordChoice(StrEnum):
    """Which calls are recorded without being asked for."""

    NONE = "none"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    ALL = "all"


class RecordFormat(StrEnum):
    """As what a recording is kept."""

    WAV = "wav"
    OPUS = "opus"


# Who hangs up at the tone has left no message.
LEAST_MESSAGE_SECONDS: Final = 1.0
DEFAULT_KEEP_DAYS: Final = 90
DEFAULT_KEEP_MIB: Final = 2048


@dataclass(frozen=True, kw_only=True)
class RecordRules:
    """What the owner wants recorded, and how long kept."""

    choice: RecordChoice = RecordChoice.NONE
    numbers: frozenset[str] = frozenset()
    notice: bool = True
    notice_message: str = ""
    format: RecordFormat = RecordFormat.WAV
    keep_days: int = DEFAULT_KEEP_DAYS
    keep_mib: int = DEFAULT_KEEP_MIB

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> RecordRules:
        """Return the rules of a config entry's options."""
        return cls(
            choice=RecordChoice(options.get(CONF_RECORD, RecordChoice.NONE)),
            numbers=frozenset(options.get(CONF_RECORD_NUMBERS, ())),
            notice=options.get(CONF_RECORD_NOTICE, True),
            notice_message=options.get(CONF_RECORD_NOTICE_MESSAGE, ""),
            format=RecordFormat(options.get(CONF_RECORD_FORMAT, RecordFormat.WAV)),
            keep_days=options.get(CONF_RECORD_KEEP_DAYS, DEFAULT_KEEP_DAYS),
            keep_mib=options.get(CONF_RECORD_KEEP_MIB, DEFAULT_KEEP_MIB),
        )

    def wants(self, call: Call) -> bool:
        """Tell whether a call is recorded without being asked for."""
        if self.choice is RecordChoice.NONE:
            return False
        if self.choice is not RecordChoice.ALL and self.choice.value != call.direction.value:
            return False
        return not self.numbers or call.number in self.numbers


@dataclass(kw_only=True)
class _Running:
    """A recording under way."""

    call: Call
    recording: Recording
    file: StereoWav
    mixer: StereoMixer = field(default_factory=StereoMixer)
    waiting: bytearray = field(default_factory=bytearray)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    untake: CALLBACK_TYPE | None = None
    task: asyncio.Task[Recording | None] | None = None

    def take(self, frame: SoundFrame) -> None:
        """Take 20 ms of either side."""
        side = self.mixer.far if frame.direction is SoundDirection.FAR else self.mixer.near
        self.waiting += side(frame.number, frame.payload)
        if len(self.waiting) > _MOST_WAITING_BYTES:
            self.stop.set()


class Recorder:
    """Keeps what is recorded of one line."""

    def __init__(
        self, hass: HomeAssistant, line: Line, on_done: Callable[[Call, Recording], None]
    ) -> None:
        """Record nothing yet; ``on_done`` is told of each recording that can be played."""
        self._hass = hass
        self._line = line
        self._on_done = on_done
        self._running: dict[str, _Running] = {}
        self._starting: set[str] = set()
        self._rules = RecordRules.of(line.entry.options)
        self._finishing: set[asyncio.Task[Any]] = set()

    @callback
    def call_updated(self, update: CallUpdate) -> None:
        """Begin with a call that is to be recorded; end with any."""
        call = update.call
        if update.type is CallEventType.CONNECTED and self._rules.wants(call):
            if not self._line.answering.has_taken(call):
                self._spawn(self._start_by_rule(call))
        elif call.state is CallState.ENDED and (running := self._running.get(call.id)):
            running.call = call
            running.stop.set()

    def is_recording(self, call: Call) -> bool:
        """Tell whether a call is being recorded."""
        return call.id in self._running

    async def async_start(
        self,
        call: Call | None,
        *,
        notice: bool | None = None,
        kind: RecordingKind = RecordingKind.CALL,
    ) -> Recording:
        """Record a call from when the notice has been given, until it ends or is stopped.

        Raises CallNotConnectedError and RecordingErrors.
        """
        if call is None or call.state is not CallState.TALKING:
            raise CallNotConnectedError
        if call.id in self._running or call.id in self._starting:
            raise RecordingRunsError
        self._starting.add(call.id)
        try:
            folder = RecordingFolder(self._hass)
            try:
                await self._hass.async_add_executor_job(folder.check_room)
            except RecordingDiskFullError:
                self._tell_no_room(folder)
                raise
            self._forget_no_room()
            if self._rules.notice if notice is None else notice:
                await self._give_notice(call)
            call = self._line.latest(call)
            if call.state is not CallState.TALKING:
                raise CallNotConnectedError
            running = await self._open(folder, call, kind)
        finally:
            self._starting.discard(call.id)
        self._running[call.id] = running
        running.untake = self._line.call_sound(call).take(running.take, near=True)
        running.task = self._spawn(self._record(folder, running))
        return running.recording

    async def async_stop(self, call: Call | None) -> Recording:
        """End the recording of a call; returns it when it can be played."""
        running = self._running.get(call.id) if call else None
        if running is None or running.task is None:
            raise RecordingNotRunningError
        running.stop.set()
        recording = await asyncio.shield(running.task)
        if recording is None:
            raise RecordingError
        return recording

    async def async_close(self) -> None:
        """End every recording, and wait until they are files that can be played."""
        for running in self._running.values():
            running.stop.set()
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=_CLOSE_SECONDS)

    async def _start_by_rule(self, call: Call) -> None:
        """Record a call that is to be recorded."""
        try:
            await self.async_start(call)
        except TelephonyError as error:
            _LOGGER.warning("Call %s is not recorded: %s", call.id, error)

    async def _open(self, folder: RecordingFolder, call: Call, kind: RecordingKind) -> _Running:
        """Make the file."""

        def make() -> tuple[Path, StereoWav]:
            path = folder.new_path(call)
            return path, StereoWav(path)

        try:
            path, file = await self._hass.async_add_executor_job(make)
        except OSError as error:
            raise folder.failed(error) from error
        recording = Recording(
            name=path.name,
            kind=kind,
            line=self._line.entry.title,
            who=self._line.who(call),
            number=call.number,
            direction=call.direction.value,
            started=dt_util.now().isoformat(timespec="seconds"),
            duration=0.0,
        )
        return _Running(call=call, recording=recording, file=file)

    async def _record(self, folder: RecordingFolder, running: _Running) -> Recording | None:
        """Write until it is to end; returns the recording, None if there is nothing in it."""
        rounds = 0
        try:
            while not running.stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_WRITE_SECONDS):
                        await running.stop.wait()
                rounds += 1
                await self._write(running)
                if rounds % _LOOK_AT_ROOM_EVERY == 0:
                    await self._hass.async_add_executor_job(folder.check_room)
        except (OSError, RecordingError) as error:
            _LOGGER.warning("The recording %s ends: %s", running.recording.name, error)
            self._tell_no_room(folder)
        finally:
            self._running.pop(running.call.id, None)
            if running.untake:
                running.untake()
        running.waiting += running.mixer.end()
        with suppress(OSError):
            await self._write(running)
        with suppress(OSError):
            await self._hass.async_add_executor_job(running.file.close)
        return await self._finish(folder, running)

    async def _write(self, running: _Running) -> None:
        """Write what waits."""
        sound, running.waiting = bytes(running.waiting), bytearray()
        if sound:
            await self._hass.async_add_executor_job(running.file.write, sound)

    async def _finish(self, folder: RecordingFolder, running: _Running) -> Recording | None:
        """Make what is kept of the file, note what it is, and tell of it."""
        recording = replace(running.recording, duration=round(running.file.seconds, 1))
        path = folder.path / recording.name
        least = LEAST_MESSAGE_SECONDS if recording.kind is RecordingKind.MESSAGE else 0.0
        if not running.file.sound_bytes or running.file.seconds < least:
            with suppress(OSError):
                await self._hass.async_add_executor_job(path.unlink)
            return None
        engine = self._line.entry.options.get(CONF_ANSWERING_STT)
        if engine and recording.kind is RecordingKind.MESSAGE:
            words = await transcribed(self._hass, engine, path)
            recording = replace(recording, transcription=words)
        if self._rules.format is RecordFormat.OPUS and await self._encoded(path):
            recording = replace(recording, name=path.with_suffix(".opus").name)
        try:
            await self._hass.async_add_executor_job(folder.note, recording)
        except RecordingError as error:
            _LOGGER.warning("The recording %s has no notes: %s", recording.name, error)
        self._on_done(running.call, recording)
        await self._prune(folder)
        return recording

    async def _prune(self, folder: RecordingFolder) -> None:
        """Delete what is too old or too much."""

        def prune() -> list[Recording]:
            return folder.prune(keep_days=self._rules.keep_days, keep_mib=self._rules.keep_mib)

        try:
            gone = await self._hass.async_add_executor_job(prune)
        except RecordingError as error:
            _LOGGER.warning("Old recordings cannot be deleted: %s", error)
        else:
            forget_recordings(self._hass, gone)

    async def _encoded(self, path: Path) -> bool:
        """Make Opus of a WAV file, which is deleted then; it stays if that fails."""
        opus = path.with_suffix(".opus")
        try:
            process = await asyncio.create_subprocess_exec(
                get_ffmpeg_manager(self._hass).binary,
                *("-nostdin", "-loglevel", "error", "-y", "-i", f"file:{path}"),
                *_OPUS,
                f"file:{opus}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            _LOGGER.warning("The recording stays WAV, because there is no ffmpeg: %s", error)
            return False
        try:
            async with asyncio.timeout(_ENCODE_SECONDS):
                done = await process.wait() == 0
        except TimeoutError:
            done = False
        finally:
            with suppress(ProcessLookupError):
                process.kill()
        with suppress(OSError):
            await self._hass.async_add_executor_job((path if done else opus).unlink)
        if not done:
            _LOGGER.warning("The recording %s stays WAV, because ffmpeg failed", path.name)
        return done

    async def _give_notice(self, call: Call) -> None:
        """Tell the other side that the call is recorded, by words or by a tone."""
        words = self._rules.notice_message or async_get_cached_translations(
            self._hass, self._hass.config.language, "common", DOMAIN
        ).get(_NOTICE_WORDS)
        sound = notice_tone()
        if words:
            try:
                sound = replace(await prepared(speech_sound(self._hass, words)), title=None)
            except TelephonyError as error:
                _LOGGER.debug("The notice is a tone: %s", error)
        with suppress(TelephonyError):
            await self._line.player.of(call).play(sound, announcement=True).finished()

    def _spawn[T](self, work: Any) -> asyncio.Task[T]:
        """Run something that is waited for at the end."""
        task: asyncio.Task[T] = self._line.entry.async_create_background_task(
            self._hass, work, f"{DOMAIN} recording"
        )
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task

    def _tell_no_room(self, folder: RecordingFolder) -> None:
        """Tell the owner that nothing is recorded any more."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"recording_{self._line.id}",
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="recording_stopped",
            translation_placeholders={
                "line": self._line.entry.title,
                "folder": str(folder.path),
            },
        )

    def _forget_no_room(self) -> None:
        """Take that back."""
        ir.async_delete_issue(self._hass, DOMAIN, f"recording_{self._line.id}")


def notice_tone() -> Sound:
    """Return the tone that says: what you say now is kept."""
    return frames_sound(frames(sines(((1400.0, -13.0),), 0.5)))
