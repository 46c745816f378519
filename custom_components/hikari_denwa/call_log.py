"""The log of a line's calls: kept on disk, capped by count and age, whole after any crash."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.ulid import ulid_at_time

from .calls import ASIDE, Call, CallOutcome, CallUpdate
from .const import CONF_LOG_CALLS, CONF_LOG_DAYS, DOMAIN
from .contacts import NumberSet
from .recordings import Recording
from .screening import ScreeningReason
from .storage import HikariStore
from .telephony.calls import CallDirection, CallerIdKind, EndReason, Family
from .telephony.numbers import format_number

_LOGGER = logging.getLogger(__name__)

DEFAULT_LOG_CALLS: Final = 1000
DEFAULT_LOG_DAYS: Final = 365
SAVE_SECONDS: Final = 1.0
_VERSION: Final = 1
# Writing down what was said takes minutes at most; so many calls may end meanwhile.
_REMEMBERED_CALLS: Final = 100

type LogListener = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class LoggedCall:
    """One call as the log keeps it. Times are UTC; ``seen`` tells of missed calls alone.

    ``attempts`` are the INVITEs of an outgoing call, as CallAttempt shows them; ``recordings`` the
    media ids of what was recorded of it, ``transcription`` what the caller said to the answering
    machine.
    """

    id: str
    direction: CallDirection
    outcome: CallOutcome
    caller_id: CallerIdKind
    number: str | None
    name: str | None
    called: str | None
    internal: bool
    family: Family
    started: datetime
    answered: datetime | None = None
    connected: datetime | None = None
    ended: datetime | None = None
    reason: EndReason | None = None
    status: int | None = None
    blocked_by: ScreeningReason | None = None
    mos: float | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    recordings: tuple[str, ...] = ()
    transcription: str | None = None
    seen: bool = True

    @classmethod
    def of(cls, log_id: str, call: Call) -> LoggedCall:
        """Return what the log keeps of a call as it is now, but for its recordings."""
        ending, outcome = call.ending, call.outcome
        return cls(
            id=log_id,
            direction=call.direction,
            outcome=outcome,
            caller_id=call.caller_id,
            number=call.number,
            name=call.name,
            called=call.called,
            internal=call.internal,
            family=call.family,
            started=call.started,
            answered=call.answered,
            connected=call.connected,
            ended=call.ended,
            reason=ending.reason if ending else None,
            status=ending.status if ending else None,
            blocked_by=call.screening.reason,
            mos=call.quality.mos if call.quality else None,
            attempts=tuple(attempt.shown() for attempt in call.attempts) if ending else (),
            seen=outcome is not CallOutcome.MISSED,
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LoggedCall:
        """Return a call that was kept; raises KeyError, TypeError or ValueError for nonsense."""
        times = {
            key: datetime.fromisoformat(data[key]) if data.get(key) else None
            for key in ("answered", "connected", "ended")
        }
        return cls(
            id=str(data["id"]),
            direction=CallDirection(data["direction"]),
            outcome=CallOutcome(data["outcome"]),
            caller_id=CallerIdKind(data["caller_id"]),
            number=data.get("number"),
            name=data.get("name"),
            called=data.get("called"),
            internal=bool(data.get("internal")),
            family=Family(data["family"]),
            started=datetime.fromisoformat(data["started"]),
            **times,
            reason=EndReason(data["reason"]) if data.get("reason") else None,
            status=data.get("status"),
            blocked_by=ScreeningReason(data["blocked_by"]) if data.get("blocked_by") else None,
            mos=data.get("mos"),
            attempts=tuple(data.get("attempts", ())),
            recordings=tuple(map(str, data.get("recordings", ()))),
            transcription=data.get("transcription"),
            seen=bool(data.get("seen", True)),
        )

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """Return what is kept; what is not known is left out. Made once for all writing."""
        kept = {
            "id": self.id,
            "direction": self.direction.value,
            "outcome": self.outcome.value,
            "caller_id": self.caller_id.value,
            "number": self.number,
            "name": self.name,
            "called": self.called,
            "internal": self.internal,
            "family": self.family.value,
            "started": self.started.isoformat(),
            "answered": self.answered.isoformat() if self.answered else None,
            "connected": self.connected.isoformat() if self.connected else None,
            "ended": self.ended.isoformat() if self.ended else None,
            "reason": self.reason.value if self.reason else None,
            "status": self.status,
            "blocked_by": self.blocked_by.value if self.blocked_by else None,
            "mos": self.mos,
            "attempts": list(self.attempts) or None,
            "recordings": list(self.recordings) or None,
            "transcription": self.transcription,
            "seen": self.seen,
        }
        return {key: value for key, value in kept.items() if value is not None}

    @property
    def formatted_number(self) -> str | None:
        """Return the number as it is written in Japan."""
        return format_number(self.number) if self.number else None

    @property
    def blocked(self) -> bool:
        """Tell whether a rule kept the caller away."""
        return self.blocked_by is not None and self.blocked_by.blocks

    @property
    def duration(self) -> float:
        """Return how many seconds sound flowed."""
        return _seconds(self.connected, self.ended)

    @property
    def rang(self) -> float:
        """Return how many seconds it rang."""
        return _seconds(self.started, self.answered or self.connected or self.ended)

    def interrupted(self) -> LoggedCall:
        """Return a call that ran when Home Assistant was killed: its end is not known."""
        if self.blocked:
            outcome = CallOutcome.BLOCKED
        elif self.answered or self.connected:
            outcome = CallOutcome.ANSWERED
        elif self.direction is CallDirection.INCOMING:
            outcome = CallOutcome.MISSED
        else:
            outcome = CallOutcome.FAILED
        return replace(
            self,
            outcome=outcome,
            reason=EndReason.LINE_CLOSED,
            seen=outcome is not CallOutcome.MISSED,
        )


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """Which calls are meant; what is None is not looked at. ``numbers`` and ``name`` are one."""

    ids: frozenset[str] | None = None
    direction: CallDirection | None = None
    outcomes: frozenset[CallOutcome] | None = None
    numbers: NumberSet | None = None
    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    unseen: bool = False

    def __contains__(self, call: LoggedCall) -> bool:
        """Tell whether a call is meant."""
        return (
            (self.ids is None or call.id in self.ids)
            and (self.direction is None or call.direction is self.direction)
            and (self.outcomes is None or call.outcome in self.outcomes)
            and (self.since is None or call.started >= self.since)
            and (self.until is None or call.started < self.until)
            and not (self.unseen and call.seen)
            and self._fits_caller(call)
        )

    def _fits_caller(self, call: LoggedCall) -> bool:
        """Tell whether the other side is meant: by its number, or by its name then."""
        if self.numbers is None and self.name is None:
            return True
        if self.numbers is not None and call.number and call.number in self.numbers:
            return True
        return self.name is not None and (call.name or "").casefold() == self.name.casefold()


@dataclass(frozen=True, kw_only=True)
class Day:
    """What a day brought; deleting calls from the log takes nothing from it."""

    date: date
    calls: int = 0
    talk_seconds: float = 0.0

    @property
    def began(self) -> datetime:
        """Return when the day began here."""
        return dt_util.start_of_local_day(self.date)


@dataclass(frozen=True, kw_only=True)
class LogLimits:
    """How many calls are kept, and for how long."""

    calls: int = DEFAULT_LOG_CALLS
    days: int = DEFAULT_LOG_DAYS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> LogLimits:
        """Return the limits that the options of a line set."""
        return cls(
            calls=int(options.get(CONF_LOG_CALLS, DEFAULT_LOG_CALLS)),
            days=int(options.get(CONF_LOG_DAYS, DEFAULT_LOG_DAYS)),
        )


@dataclass
class _Kept:
    """What is in the file."""

    calls: dict[str, LoggedCall] = field(default_factory=dict)
    day: Day = field(default_factory=lambda: Day(date=dt_util.now().date()))


class CallLog:
    """Notes each call when it begins, when it is answered and when it ends.

    A change is on disk SAVE_SECONDS later at most, however many others follow it; the file is
    replaced as a whole, so that it is never a half one.
    """

    def __init__(self, hass: HomeAssistant, line: str, limits: LogLimits) -> None:
        """Make ready; nothing is read yet."""
        self._limits = limits
        self._store = HikariStore[dict[str, Any]](
            hass, _VERSION, "call_log", line=line, serialize_in_event_loop=False
        )
        self._kept = _Kept()
        self._running: dict[str, str] = {}
        self._over: dict[str, str] = {}
        self._listeners: list[LogListener] = []
        self._unsaved = False
        self._held_back = 0
        self._untold = False

    def __iter__(self) -> Iterator[LoggedCall]:
        """Go through the calls, the latest first."""
        return reversed(self._kept.calls.values())

    @property
    def last(self) -> LoggedCall | None:
        """Return the latest call that is over."""
        return next((call for call in self if call.outcome is not CallOutcome.RUNNING), None)

    @property
    def last_incoming(self) -> LoggedCall | None:
        """Return the latest call that came in and was not blocked, also while it rings."""
        return next(
            (
                call
                for call in self
                if call.direction is CallDirection.INCOMING and not call.blocked
            ),
            None,
        )

    @property
    def missed(self) -> list[LoggedCall]:
        """Return the missed calls that nobody has seen, the latest first."""
        return [call for call in self if not call.seen]

    @property
    def quality(self) -> float | None:
        """Return how the latest call sounded of which that is known."""
        return next((call.mos for call in self if call.mos is not None), None)

    @property
    def today(self) -> Day:
        """Return what this day has brought."""
        day = self._kept.day
        return day if day.date == dt_util.now().date() else Day(date=dt_util.now().date())

    async def async_load(self) -> None:
        """Read what is kept, and note what a crash left open."""
        data = await self._store.async_load() or {}
        for item in data.get("calls", ()):
            try:
                call = LoggedCall.from_data(item)
            except (KeyError, TypeError, ValueError) as error:
                _LOGGER.warning("An entry of the call log cannot be read: %s", error)
                continue
            if call.outcome is CallOutcome.RUNNING:
                call = call.interrupted()
                self._save()
            self._kept.calls[call.id] = call
        if day := data.get("day"):
            self._kept.day = Day(
                date=date.fromisoformat(day["date"]),
                calls=day["calls"],
                talk_seconds=day["talk_seconds"],
            )
        self._cap()

    async def async_close(self) -> None:
        """Write what is not written yet."""
        if self._unsaved:
            await self._store.async_save(self._data())

    @callback
    def subscribe(self, listener: LogListener) -> CALLBACK_TYPE:
        """Call the listener whenever the log has changed; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Tell the listeners of what changes meanwhile when it is over: others are in a hurry."""
        self._held_back += 1
        try:
            yield
        finally:
            self._held_back -= 1
            if self._untold and not self._held_back:
                self._tell()

    @callback
    def call_updated(self, update: CallUpdate) -> None:
        """Note what happened to a call."""
        if update.recording:
            self._note_recording(update.call, update.recording, update.transcription)
        elif update.type not in ASIDE:
            self.note(update.call)

    @callback
    def note(self, call: Call) -> None:
        """Note a call as it is now."""
        if (log_id := self._running.get(call.id)) is None:
            log_id = self._running[call.id] = ulid_at_time(call.started.timestamp())
            self._count(calls=1)
        if call.ending is not None:
            self._over[call.id] = self._running.pop(call.id)
            if len(self._over) > _REMEMBERED_CALLS:
                del self._over[next(iter(self._over))]
            self._count(talk_seconds=0.0 if call.screening.blocked else call.duration)
        noted = LoggedCall.of(log_id, call)
        if before := self._kept.calls.get(log_id):
            noted = replace(noted, recordings=before.recordings, transcription=before.transcription)
        self._kept.calls[log_id] = noted
        self._cap()
        self._changed()

    def _note_recording(self, call: Call, recording: str, transcription: str | None) -> None:
        """Note what was recorded of a call that runs or is over, unless it was deleted."""
        log_id = self._running.get(call.id) or self._over.get(call.id, "")
        if logged := self._kept.calls.get(log_id):
            self._replace(
                [
                    replace(
                        logged,
                        recordings=(*logged.recordings, recording),
                        transcription=transcription or logged.transcription,
                    )
                ]
            )

    @callback
    def forget_recordings(self, recordings: Collection[str]) -> None:
        """Note that recordings, given by their media ids, are there no more; words stay."""
        self._replace(
            replace(
                call,
                recordings=tuple(one for one in call.recordings if one not in recordings),
            )
            for call in tuple(self)
            if not set(call.recordings).isdisjoint(recordings)
        )

    @callback
    def find(self, wanted: LogFilter) -> list[LoggedCall]:
        """Return the calls that are meant, the latest first."""
        return [call for call in self if call in wanted]

    @callback
    def mark_seen(self, wanted: LogFilter) -> int:
        """Note that missed calls were seen; returns how many."""
        return self._replace(replace(call, seen=True) for call in self.missed if call in wanted)

    @callback
    def delete(self, wanted: LogFilter) -> int:
        """Forget calls that are over; returns how many."""
        gone = [call.id for call in self.find(wanted) if call.outcome is not CallOutcome.RUNNING]
        for log_id in gone:
            del self._kept.calls[log_id]
        if gone:
            self._changed()
        return len(gone)

    def _replace(self, calls: Iterable[LoggedCall]) -> int:
        """Keep calls as they are now; returns how many."""
        changed = {call.id: call for call in calls}
        self._kept.calls.update(changed)
        if changed:
            self._changed()
        return len(changed)

    def _count(self, *, calls: int = 0, talk_seconds: float = 0.0) -> None:
        """Add to what the day brought."""
        today = self.today
        self._kept.day = replace(
            today, calls=today.calls + calls, talk_seconds=today.talk_seconds + talk_seconds
        )

    def _cap(self) -> None:
        """Forget what is too much or too old."""
        calls = self._kept.calls
        oldest = dt_util.utcnow() - timedelta(days=self._limits.days)
        surplus = len(calls) - self._limits.calls
        for call in tuple(calls.values()):
            if surplus <= 0 and call.started >= oldest:
                break
            if call.outcome is not CallOutcome.RUNNING:
                del calls[call.id]
                surplus -= 1

    def _changed(self) -> None:
        """Have it written, and tell the listeners."""
        self._save()
        self._untold = True
        if not self._held_back:
            self._tell()

    def _tell(self) -> None:
        """Tell the listeners."""
        self._untold = False
        for listener in tuple(self._listeners):
            listener()

    def _save(self) -> None:
        """Have it written soon; what comes meanwhile does not put that off."""
        if not self._unsaved:
            self._unsaved = True
            self._store.async_delay_save(self._data, SAVE_SECONDS)

    def _data(self) -> dict[str, Any]:
        """Return what is to be in the file; called in a thread, so nothing here may change."""
        self._unsaved = False
        day = self._kept.day
        return {
            "calls": [call.data for call in tuple(self._kept.calls.values())],
            "day": {
                "date": day.date.isoformat(),
                "calls": day.calls,
                "talk_seconds": day.talk_seconds,
            },
        }


@callback
def forget_recordings(hass: HomeAssistant, recordings: Iterable[Recording]) -> None:
    """Take recordings that were deleted out of the logs of all lines."""
    if gone := {recording.media_id for recording in recordings}:
        for entry in hass.config_entries.async_loaded_entries(DOMAIN):
            log: CallLog = entry.runtime_data.log
            log.forget_recordings(gone)


def _seconds(since: datetime | None, until: datetime | None) -> float:
    """Return the seconds between two times, none if one is not known."""
    if since is None or until is None:
        return 0.0
    return max(0.0, (until - since).total_seconds())
