"""What may be shown of a line to somebody who helps: no secrets, no whole numbers."""

import dataclasses
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_PASSWORD
from homeassistant.core import HomeAssistant

from .calls import Call
from .const import (
    CONF_AUTO_ANSWER,
    CONF_AUTO_ANSWER_AFTER,
    CONF_BLOCK_KINDS,
    CONF_BLOCK_STATUS,
    CONF_BLOCK_TREATMENT,
    CONF_BLOCK_UNKNOWN,
    CONF_BLOCKED_CALLERS,
    CONF_CALL_WAITING,
    CONF_CHALLENGE_KEY,
    CONF_CHALLENGE_MESSAGE,
    CONF_CHALLENGE_SECONDS,
    CONF_CODECS,
    CONF_DO_NOT_DISTURB,
    CONF_DOOR_PHONES,
    CONF_GATEWAY,
    CONF_LOG_CALLS,
    CONF_LOG_DAYS,
    CONF_RING_PLAYERS,
    CONF_RING_TARGET,
    CONF_RING_VOLUME,
    CONF_SAY_MESSAGE,
    CONF_UNKNOWN_TREATMENT,
    CONF_USER_ID,
    SUBENTRY_CONTACT,
)
from .engine import EngineChoice, engine_keeper
from .line import HikariConfigEntry, Line
from .support import async_trace, described_finding, shown_address
from .telephony.calls import Family
from .telephony.paths import FamilyPath

_SECRETS = {CONF_PASSWORD, CONF_USER_ID}
_SHOWN_OPTIONS = (
    CONF_AUTO_ANSWER,
    CONF_AUTO_ANSWER_AFTER,
    CONF_BLOCK_KINDS,
    CONF_BLOCK_STATUS,
    CONF_BLOCK_TREATMENT,
    CONF_BLOCK_UNKNOWN,
    CONF_CALL_WAITING,
    CONF_CHALLENGE_KEY,
    CONF_CHALLENGE_MESSAGE,
    CONF_CHALLENGE_SECONDS,
    CONF_CODECS,
    CONF_DO_NOT_DISTURB,
    CONF_LOG_CALLS,
    CONF_LOG_DAYS,
    CONF_RING_PLAYERS,
    CONF_RING_TARGET,
    CONF_RING_VOLUME,
    CONF_SAY_MESSAGE,
    CONF_UNKNOWN_TREATMENT,
)
_SHOWN_DIGITS = 3
_SHOWN_NUMBERS = 20


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: HikariConfigEntry
) -> dict[str, Any]:
    """Return what failed, the line's state, its last calls and messages, and the engine behind it.

    Of a line that is not set up, what there is: the messages say why.
    """
    keeper = engine_keeper(hass)
    lease = keeper.lease(entry.entry_id)
    welcome = lease.client.welcome if lease else None
    loaded = entry.state is ConfigEntryState.LOADED
    return {
        "entry": {
            "data": async_redact_data(
                {**entry.data, CONF_GATEWAY: shown_address(entry.data[CONF_GATEWAY])}, _SECRETS
            ),
            "door_phones": [_number(number) for number in entry.options.get(CONF_DOOR_PHONES, ())],
            "options": {key: entry.options[key] for key in _SHOWN_OPTIONS if key in entry.options},
            "blocked_callers": len(entry.options.get(CONF_BLOCKED_CALLERS, ())),
            "contacts": len(entry.get_subentries_of_type(SUBENTRY_CONTACT)),
        },
        **(
            _line(hass, entry.runtime_data)
            if loaded
            else {"reason": entry.error_reason_translation_key}
        ),
        "engine": {
            "chosen": EngineChoice.of_options(entry.options).kind,
            "app": await keeper.async_app() is not None,
            "problem": lease.problem.reason if lease and lease.problem else None,
            "running": welcome is not None,
            "backend": welcome.backend if welcome else None,
            "version": welcome.version if welcome else None,
            "families": list(welcome.families) if welcome else None,
        },
        "trace": [
            {
                "at": datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds"),
                "sent": message.sent,
                "message": message.text.split("\n"),
            }
            for message in await async_trace(hass, entry)
        ],
    }


def _line(hass: HomeAssistant, line: Line) -> dict[str, Any]:
    """Return how a line that is set up stands."""
    state = line.state
    return {
        "finding": described_finding(hass, line),
        "call_log": Counter(call.outcome.value for call in line.log),
        "registration": {
            "state": state.registration,
            "family": state.family,
            "gateway_address": shown_address(state.gateway_address),
            "local_address": shown_address(state.local_address),
            "reason": state.error.reason if state.error else None,
        },
        "compatibility": _compatibility(line),
        "call": _call(state.call) if state.call else None,
        "last_calls": [{"event": update.type, **_call(update.call)} for update in line.finished],
    }


def _compatibility(line: Line) -> dict[str, Any]:
    """Return all that verdicts are made of, and the last attempts; fit to be shown in public."""
    dialler, paths = line.dialler, line.state.paths
    facts, options = dialler.facts, dialler.options
    return {
        "paths": {
            **{family.value: _path(paths.of(family)) for family in Family},
            "environment": dataclasses.asdict(paths.environment),
            "sources": [
                {"address": shown_address(source.address), "kind": source.kind}
                for source in paths.sources
            ],
        },
        "line": {
            "family": facts.family,
            "families": sorted(facts.families),
            "second_gateway": shown_address(options.second_gateway),
            "other_lines": [other.family for other in facts.others],
        },
        "region": dialler.region,
        "region_entered": options.region,
        "book": {
            number: {"kind": entry.kind, "entered": entry.entered}
            for number, entry in dialler.book.entries.items()
        },
        "options": {
            "allowed_costs": sorted(options.allowed_costs),
            "blocked_callers": len(options.blocked_numbers),
            "area_code": options.area_code is not None,
            "shows_number": options.shows_number,
            "emergency": options.emergency,
            "emergency_from_automation": options.emergency_from_automation,
        },
        "experience": [
            {
                "number": _number(number),
                "kind": outcomes[-1].kind,
                "outcomes": [[one.family, one.result] for one in outcomes],
            }
            for number, outcomes in list(dialler.experience.outcomes.items())[-_SHOWN_NUMBERS:]
        ],
        "attempts": [
            {
                "at": note.at.isoformat(),
                "number": _number(note.number.national),
                "kind": note.number.kind,
                "outlook": note.outlook,
                "moved": note.moved,
                **{key: value for key, value in note.attempt.shown().items() if key != "line"},
            }
            for note in dialler.notes
        ],
    }


def _path(path: FamilyPath | None) -> dict[str, Any] | None:
    """Return how a family reaches the gateway."""
    if path is None:
        return None
    return {**dataclasses.asdict(path), "source": shown_address(path.source)}


def _call(call: Call) -> dict[str, Any]:
    """Return what may be shown of a call: not its name, nor its identity at the gateway."""
    ending = call.ending
    return {
        "direction": call.direction,
        "state": call.state,
        "caller_id": call.caller_id,
        "number": _number(call.number),
        "internal": call.internal,
        "family": call.family,
        "started": call.started.isoformat(),
        "answered": call.answered is not None,
        "duration": call.duration,
        "blocked_by": call.screening.reason,
        "contact": call.contact is not None,
        "reason": ending.reason if ending else None,
        "status": ending.status if ending else None,
        "phrase": ending.phrase if ending else None,
        "warning": ending.warning if ending else None,
        "quality": dataclasses.asdict(call.quality) if call.quality else None,
    }


def _number(number: str | None) -> str | None:
    """Return the beginning of a number, which tells its kind; an extension stays whole."""
    if number is None or len(number) <= _SHOWN_DIGITS:
        return number
    return number[:_SHOWN_DIGITS] + "*" * (len(number) - _SHOWN_DIGITS)
