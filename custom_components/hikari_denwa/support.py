"""What ends a support thread: which part failed, in a sentence, and the trace that shows it."""

import dataclasses
import ipaddress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from homeassistant.components import persistent_notification
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.components.http.auth import async_sign_path
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .calls import Call
from .const import DOMAIN
from .line import HikariConfigEntry, Line
from .sentences import error_in_words, sentence
from .telephony.diagnosis import CallFacts, Finding, diagnose
from .telephony.engine.protocol import TracedMessage
from .telephony.errors import TelephonyError

TRACE_URL: Final = f"/api/{DOMAIN}/trace/{{entry_id}}"
_PRIVATE: Final = frozenset({"user_id", "extension"})
_CUT: Final = "***"
_LINK_VALID: Final = timedelta(minutes=30)
_TRACES: HassKey[dict[str, tuple[TracedMessage, ...]]] = HassKey(f"{DOMAIN}_traces")


def facts_of(call: Call) -> CallFacts | None:
    """Return what is known of a call that is over."""
    if call.ending is None:
        return None
    return CallFacts(
        direction=call.direction,
        family=call.family,
        reason=call.ending.reason,
        connected=call.connected is not None,
        seconds=call.duration,
        status=call.ending.status,
        warning=call.ending.warning,
        packets_received=call.quality.packets_received if call.quality else None,
        packets_sent=call.quality.packets_sent if call.quality else None,
    )


def finding_of(line: Line) -> Finding:
    """Return what a person should look at first, after the last calls of a line."""
    calls = [facts for update in line.finished if (facts := facts_of(update.call))]
    return diagnose(registered=line.state.registered, calls=calls)


def finding_in_words(hass: HomeAssistant, line: Line) -> str:
    """Return the finding as a sentence that says what to do, and may be shown to anybody."""
    finding = finding_of(line)
    return sentence(
        hass,
        f"finding_{finding.fault}",
        calls=str(finding.calls),
        of=str(finding.of),
        reason=_why_not_registered(hass, line),
    ).strip()


def _why_not_registered(hass: HomeAssistant, line: Line) -> str:
    """Return why a line is not registered, without its user ID and its interfaces."""
    error = line.state.error
    if error is None:
        return ""
    shown = {
        name: _CUT if name in _PRIVATE else shown_address(value) or ""
        for name, value in error.placeholders.items()
    }
    return error_in_words(hass, TelephonyError.of_reason(error.reason, shown))


def shown_address(host: str | None) -> str | None:
    """Return an address without the part that names the interface; other hosts as they are."""
    if host is None:
        return None
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if found.version == 4:
        return host
    network = ipaddress.ip_network(f"{host}/64", strict=False)
    return f"{network.network_address}/64"


def described_finding(hass: HomeAssistant, line: Line) -> dict[str, Any]:
    """Return the finding as diagnostics and responses have it."""
    finding = dataclasses.asdict(finding_of(line))
    return {**finding, "sentence": finding_in_words(hass, line)}


async def async_trace(hass: HomeAssistant, entry: ConfigEntry) -> tuple[TracedMessage, ...]:
    """Return the last SIP messages of a line, redacted; of one that failed, its last ones."""
    if entry.state is not ConfigEntryState.LOADED:
        return hass.data.get(_TRACES, {}).get(entry.entry_id, ())
    line: Line = entry.runtime_data
    try:
        return await line.client.trace(line.id)
    except TelephonyError:
        return ()


async def async_keep_trace(hass: HomeAssistant, line: Line) -> None:
    """Keep the trace of a line that is given up: it shows why, and goes with the line."""
    try:
        messages = await line.client.trace(line.id)
    except TelephonyError:
        return
    hass.data.setdefault(_TRACES, {})[line.id] = messages


def forget_trace(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Forget what was kept of a line: it works again, or is removed."""
    hass.data.get(_TRACES, {}).pop(entry.entry_id, None)


def trace_in_words(messages: tuple[TracedMessage, ...], heading: str) -> str:
    """Return a trace as the text of a file."""
    shown = [
        f"--- {datetime.fromtimestamp(message.at, UTC).isoformat(timespec='milliseconds')} "
        f"{'sent' if message.sent else 'received'}\n{message.text.strip()}\n"
        for message in messages
    ]
    return "\n".join([heading, "", *shown])


async def async_trace_text(hass: HomeAssistant, entry: ConfigEntry) -> str:
    """Return the file: the finding, then the messages."""
    loaded = entry.state is ConfigEntryState.LOADED
    heading = (
        finding_in_words(hass, entry.runtime_data)
        if loaded
        else entry.error_reason_translation_key or ""
    )
    return trace_in_words(await async_trace(hass, entry), heading)


def signed_trace_path(hass: HomeAssistant, entry: HikariConfigEntry) -> str:
    """Return where the file can be downloaded without logging in, for half an hour."""
    return async_sign_path(hass, TRACE_URL.format(entry_id=entry.entry_id), _LINK_VALID)


async def async_offer_trace(line: Line) -> None:
    """Offer the file in a notification, beside the finding."""
    hass = line.hass
    persistent_notification.async_create(
        hass,
        sentence(
            hass,
            "trace_offer",
            finding=finding_in_words(hass, line),
            path=signed_trace_path(hass, line.entry),
        ),
        title=sentence(hass, "trace_title", line=line.entry.title),
        notification_id=f"{DOMAIN}_trace_{line.id}",
    )


class TraceView(HomeAssistantView):
    """Serves a line's trace as a file, to who is logged in or has a signed link."""

    url = TRACE_URL
    name = f"api:{DOMAIN}:trace"

    async def get(self, request: web.Request, entry_id: str) -> web.Response:
        """Send the file."""
        hass = request.app[KEY_HASS]
        entry = hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.Response(
            text=await async_trace_text(hass, entry),
            content_type="text/plain",
            charset="utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{DOMAIN}_trace.txt"',
                "Cache-Control": "no-store",
            },
        )
