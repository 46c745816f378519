"""Recordings as files in Home Assistant's media folder, each with what is known of its call."""

import json
import logging
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .calls import Call
from .const import DOMAIN
from .telephony.errors import (
    RecordingDiskFullError,
    RecordingFolderError,
    RecordingUnknownError,
)

_LOGGER = logging.getLogger(__name__)

FOLDER: Final = DOMAIN
MIME_TYPES: Final = {".wav": "audio/wav", ".opus": "audio/ogg"}
# Home Assistant's own database must never be the one that finds no room.
LEAST_FREE_BYTES: Final = 100 * 1024 * 1024
_NAME: Final = re.compile(r"[0-9]{8}-[0-9]{6}_[\w.*#-]{1,80}\.(?:wav|opus)")
_NOTES: Final = ".json"


class RecordingKind(StrEnum):
    """What was recorded: a conversation, or a message that somebody left."""

    CALL = "call"
    MESSAGE = "message"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A recording, and the call that it is of. ``started`` is local time, ``duration`` seconds."""

    name: str
    kind: RecordingKind
    line: str
    who: str
    number: str | None
    direction: str
    started: str
    duration: float
    transcription: str | None = None

    @property
    def media_id(self) -> str:
        """Return by what Home Assistant plays it."""
        return f"media-source://{DOMAIN}/recordings/{self.name}"

    @property
    def mime_type(self) -> str:
        """Return what kind of file it is."""
        return MIME_TYPES[Path(self.name).suffix]

    @property
    def title(self) -> str:
        """Return when and with whom, for people."""
        at = datetime.fromisoformat(self.started)
        return f"{at:%Y-%m-%d %H:%M} {self.who}"

    def described(self) -> dict[str, Any]:
        """Return what events and responses tell."""
        return {"recording": self.media_id, **asdict(self)}


class RecordingFolder:
    """The folder. Its methods wait for the disk: they belong into the executor.

    They raise RecordingErrors.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Find it: below the folder ``local`` of the media, else below the first."""
        directories = hass.config.media_dirs
        self.source = "local" if "local" in directories else next(iter(directories), "local")
        self.path = Path(directories.get(self.source, hass.config.path("media"))) / FOLDER

    def url_of(self, recording: Recording) -> str:
        """Return the path at which Home Assistant serves a recording."""
        return f"/media/{self.source}/{FOLDER}/{recording.name}"

    def check_room(self) -> None:
        """Make the folder, and see that there is room in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise self.failed(error) from error
        if free < LEAST_FREE_BYTES:
            raise RecordingDiskFullError(folder=str(self.path))

    def failed(self, error: OSError) -> RecordingFolderError:
        """Return the error that tells a person of a failure of the disk."""
        return RecordingFolderError(
            folder=str(self.path), detail=error.strerror or type(error).__name__
        )

    def new_path(self, call: Call) -> Path:
        """Return a name that is not taken: the time, which way, and the number."""
        at = dt_util.as_local(dt_util.utcnow())
        other = re.sub(r"[^0-9*#]", "", call.number or "") or call.caller_id.value
        stem = f"{at:%Y%m%d-%H%M%S}_{call.direction.value}_{other}"
        path, number = self.path / f"{stem}.wav", 1
        while path.exists() or path.with_suffix(".opus").exists():
            number += 1
            path = self.path / f"{stem}_{number}.wav"
        return path

    def note(self, recording: Recording) -> None:
        """Write down what is known of a recording."""
        try:
            path = self.path / (recording.name + _NOTES)
            path.write_text(json.dumps(asdict(recording), ensure_ascii=False), encoding="utf-8")
        except OSError as error:
            raise self.failed(error) from error

    def all(self) -> list[Recording]:
        """Return every recording that has its notes, the newest first."""
        try:
            notes = sorted(self.path.glob(f"*{_NOTES}"), reverse=True)
        except OSError as error:
            raise self.failed(error) from error
        return [recording for path in notes if (recording := _read(path))]

    def get(self, name: str) -> Recording:
        """Return a recording by its name."""
        if _NAME.fullmatch(name):
            recording = _read(self.path / (name + _NOTES))
            if recording is not None and (self.path / name).is_file():
                return recording
        raise RecordingUnknownError

    def delete(self, recording: Recording) -> None:
        """Delete a recording and its notes."""
        try:
            (self.path / recording.name).unlink(missing_ok=True)
            (self.path / (recording.name + _NOTES)).unlink(missing_ok=True)
        except OSError as error:
            raise self.failed(error) from error

    def prune(self, *, keep_days: int, keep_mib: int) -> list[Recording]:
        """Delete what is older or more than the owner wants to keep; zero keeps all.

        Returns what was deleted.
        """
        recordings = self.all()
        gone = _too_old(recordings, keep_days)
        for recording in gone:
            recordings.remove(recording)
            self.delete(recording)
        kept = 0
        for recording in recordings:
            with suppress(OSError):
                kept += (self.path / recording.name).stat().st_size
            if keep_mib and kept > keep_mib * 1024 * 1024:
                self.delete(recording)
                gone.append(recording)
        return gone


def _too_old(recordings: Iterable[Recording], keep_days: int) -> list[Recording]:
    """Return the recordings that are older than so many days."""
    if not keep_days:
        return []
    oldest = dt_util.now() - timedelta(days=keep_days)
    return [each for each in recordings if datetime.fromisoformat(each.started) < oldest]


def _read(path: Path) -> Recording | None:
    """Read the notes of a recording; those that cannot be understood are passed over."""
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
        recording = Recording(**{**notes, "kind": RecordingKind(notes["kind"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        _LOGGER.debug("The notes %s cannot be understood: %s", path, error)
        return None
    return recording if _NAME.fullmatch(recording.name) else None
