"""What a line is doing, who called, and what its calls come to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import MAX_LENGTH_STATE_STATE, EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.event import async_track_time_change

from .call_log import LoggedCall
from .entity import HikariEntity, StandingEntity
from .line import HikariConfigEntry, Line
from .telephony.calls import CallState
from .telephony.compatibility import Outlook, Verdict
from .verdicts import described

PARALLEL_UPDATES = 0


class CallSensorState(StrEnum):
    """What a line is doing."""

    IDLE = "idle"
    RINGING = "ringing"
    DIALING = "dialing"
    TALKING = "talking"


_STATES = {
    CallState.RINGING: CallSensorState.RINGING,
    CallState.DIALING: CallSensorState.DIALING,
    CallState.TALKING: CallSensorState.TALKING,
    CallState.ENDED: CallSensorState.IDLE,
}
_CALL_STATE = SensorEntityDescription(
    key="call_state",
    translation_key="call_state",
    device_class=SensorDeviceClass.ENUM,
    options=[state.value for state in CallSensorState],
)
_OUTLOOK = SensorEntityDescription(
    key="outlook",
    translation_key="outlook",
    device_class=SensorDeviceClass.ENUM,
    options=[outlook.value for outlook in Outlook],
)
_SHOWN_MISSED_CALLS = 10


@dataclass(frozen=True, kw_only=True)
class LogSensorDescription(SensorEntityDescription):
    """Describes a sensor by what it reads from the line's call log.

    ``attributes_fn`` tells more, none of which is recorded: the log itself keeps it. ``call_fn``
    tells whose picture is shown.
    """

    value_fn: Callable[[Line], str | float | datetime | None]
    attributes_fn: Callable[[Line], dict[str, Any]] = lambda _line: {}
    call_fn: Callable[[Line], LoggedCall | None] = lambda _line: None
    daily: bool = False


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a sensor of the log shows now; ``since`` when a daily figure began."""

    value: str | float | datetime | None
    attributes: dict[str, Any]
    picture: str | None
    since: datetime | None


_LOG_SENSORS = (
    LogSensorDescription(
        key="missed_calls",
        translation_key="missed_calls",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda line: len(line.log.missed),
        attributes_fn=lambda line: {
            "calls": [
                {
                    "who": line.who(call),
                    "number": call.number,
                    "started": call.started.isoformat(),
                }
                for call in line.log.missed[:_SHOWN_MISSED_CALLS]
            ]
        },
    ),
    LogSensorDescription(
        key="last_caller",
        translation_key="last_caller",
        value_fn=lambda line: _who(line, line.log.last_incoming),
        attributes_fn=lambda line: _caller(line.log.last_incoming),
        call_fn=lambda line: line.log.last_incoming,
    ),
    LogSensorDescription(
        key="last_call",
        translation_key="last_call",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda line: line.log.last.started if line.log.last else None,
        attributes_fn=lambda line: _outcome(line, line.log.last),
        call_fn=lambda line: line.log.last,
    ),
    LogSensorDescription(
        key="calls_today",
        translation_key="calls_today",
        state_class=SensorStateClass.TOTAL,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda line: line.log.today.calls,
        daily=True,
    ),
    LogSensorDescription(
        key="talk_time_today",
        translation_key="talk_time_today",
        device_class=SensorDeviceClass.DURATION,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda line: round(line.log.today.talk_seconds / 60, 2),
        daily=True,
    ),
    LogSensorDescription(
        key="call_quality",
        translation_key="call_quality",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda line: line.log.quality,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensor platform."""
    async_add_entities(
        [
            CallStateSensor(entry, _CALL_STATE),
            OutlookSensor(entry, _OUTLOOK),
            *(LogSensor(entry, description) for description in _LOG_SENSORS),
        ]
    )


class CallStateSensor(HikariEntity, SensorEntity):
    """Idle, ringing, dialing or talking; with whom, which way, since when."""

    # The event entity has them in its history.
    _unrecorded_attributes = frozenset(
        {
            "call_id",
            "caller_id",
            "formatted_number",
            "group",
            "held",
            "holding",
            "name",
            "number",
            "picture",
            "since",
        }
    )

    @property
    @override
    def native_value(self) -> str:
        """Return what the line is doing."""
        call = self.line.state.call
        return _STATES[call.state] if call else CallSensorState.IDLE

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return who is on the other side of the current call."""
        if (call := self.line.state.call) is None:
            return {}
        shown = {
            "who": self.line.who(call),
            "direction": call.direction.value,
            "since": call.since.isoformat(),
            "caller_id": call.caller_id.value,
            "number": call.number,
            "formatted_number": call.formatted_number,
            "name": call.name,
            "group": call.contact.group if call.contact else None,
            "picture": call.contact.picture if call.contact else None,
            "held": call.held,
            "holding": call.holding,
            "call_id": call.id,
        }
        return {key: value for key, value in shown.items() if value is not None}


class OutlookSensor(HikariEntity, SensorEntity):
    """How a call to the number that was entered would fare; unknown while there is none."""

    _unrecorded_attributes = frozenset({"reasons", "cures"})

    @property
    @override
    def native_value(self) -> str | None:
        """Return the outlook."""
        verdict = self._verdict()
        return verdict.outlook.value if verdict else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return the whole verdict, its sentences in Home Assistant's language."""
        verdict = self._verdict()
        if verdict is None:
            return {}
        told = described(self.hass, verdict)
        told["reasons"] = [reason["text"] for reason in told["reasons"]]
        told["cures"] = [cure["text"] for cure in told["cures"]]
        del told["outlook"]
        return {key: value for key, value in told.items() if value is not None}

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what calls teach, too."""
        await super().async_added_to_hass()
        self.async_on_remove(self.line.dialler.subscribe(self.async_write_ha_state))

    def _verdict(self) -> Verdict | None:
        """Return the verdict on the number that was entered; a person is taken to ask."""
        number = self.line.number_to_dial
        return self.line.dialler.verdict(number, person=True) if number else None


class LogSensor(StandingEntity, SensorEntity):
    """Shows something of the call log, which is there whether the line is up or down."""

    entity_description: LogSensorDescription
    _unrecorded_attributes = frozenset(
        {
            "caller_id",
            "calls",
            "direction",
            "duration",
            "formatted_number",
            "name",
            "number",
            "outcome",
            "reason",
            "started",
            "who",
        }
    )

    def __init__(self, entry: HikariConfigEntry, description: LogSensorDescription) -> None:
        """Read the log as it is now."""
        super().__init__(entry, description)
        self._shown = self._read()

    @property
    @override
    def native_value(self) -> str | float | datetime | None:
        """Return what the log tells."""
        return self._shown.value

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what else the log tells of it."""
        return self._shown.attributes

    @property
    @override
    def entity_picture(self) -> str | None:
        """Return the picture of who it is about."""
        return self._shown.picture

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when a daily figure began at nothing."""
        return self._shown.since

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to follow the log."""
        self.async_on_remove(self.line.log.subscribe(self._log_changed))
        if self.entity_description.daily:
            self.async_on_remove(
                async_track_time_change(self.hass, self._log_changed, hour=0, minute=0, second=0)
            )

    @callback
    def _log_changed(self, _now: datetime | None = None) -> None:
        """Show what the log tells now, if it is something else."""
        if (shown := self._read()) != self._shown:
            self._shown = shown
            self.async_write_ha_state()

    def _read(self) -> _Shown:
        """Read the log."""
        description, line = self.entity_description, self.line
        call = description.call_fn(line)
        return _Shown(
            value=description.value_fn(line),
            attributes=description.attributes_fn(line),
            picture=line.picture(call) if call else None,
            since=line.log.today.began if description.daily else None,
        )


def _who(line: Line, call: LoggedCall | None) -> str | None:
    """Return who was on the other side, in words that fit a state."""
    return line.who(call)[:MAX_LENGTH_STATE_STATE] if call else None


def _caller(call: LoggedCall | None) -> dict[str, Any]:
    """Return who called, and when."""
    if call is None:
        return {}
    shown = {
        "number": call.number,
        "formatted_number": call.formatted_number,
        "name": call.name,
        "caller_id": call.caller_id.value,
        "started": call.started.isoformat(),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _outcome(line: Line, call: LoggedCall | None) -> dict[str, Any]:
    """Return with whom a call was, which way, and what became of it."""
    if call is None:
        return {}
    shown = {
        "who": line.who(call),
        "number": call.number,
        "direction": call.direction.value,
        "outcome": call.outcome.value,
        "reason": call.reason.value if call.reason else None,
        "duration": round(call.duration, 1),
    }
    return {key: value for key, value in shown.items() if value is not None}
