"""ひかり電話: Home Assistant as an extension of the NTT home gateway."""

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType

from . import problems
from .actions import async_setup_actions
from .address_book import address_book, async_hand_over
from .assist import forget_entities
from .call_updates import async_tell_calls
from .const import ASSIST_PLATFORM, DOMAIN
from .contact_actions import ContactsView
from .engine import EngineChoice, engine_keeper, needed_family
from .engine_issue import forget_problem, renewal, tell_problem
from .exceptions import shown_placeholders
from .experience_store import (
    DATA_EXPERIENCE,
    ExperienceStore,
    experience_store,
    gateway_key,
)
from .http import DATA_STREAMS, LiveStreams, LiveStreamView, live_streams
from .line import HikariConfigEntry, Line
from .storage import async_remove_stores
from .support import TraceView, async_keep_trace, forget_trace
from .telephony.errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    TelephonyError,
)
from .websocket import async_setup_websocket

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Set up what all lines share: actions, live streams, the engine's keeper."""
    engines = engine_keeper(hass)
    address_book(hass)

    async def stop(_event: Event) -> None:
        for entry in hass.config_entries.async_loaded_entries(DOMAIN):
            entry.runtime_data.end_calls()
            await entry.runtime_data.recorder.async_close()
        await streams.async_ended()
        await engines.async_stop()

    hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop)
    store = hass.data[DATA_EXPERIENCE] = ExperienceStore(hass)
    await store.async_load()
    ffmpeg = get_ffmpeg_manager(hass)
    version, _ = await ffmpeg.async_get_version()
    streams = hass.data[DATA_STREAMS] = LiveStreams(ffmpeg.binary if version else None)
    hass.http.register_view(LiveStreamView(streams))
    hass.http.register_view(ContactsView())
    hass.http.register_view(TraceView())
    async_setup_actions(hass)
    async_setup_websocket(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HikariConfigEntry) -> bool:
    """Register the line, and set up its entities once the gateway has taken it."""
    engines = engine_keeper(hass)
    try:
        lease = await engines.acquire(
            entry.entry_id,
            EngineChoice.of_options(entry.options),
            family=needed_family(entry.data),
            renew=renewal(hass, entry),
        )
    except TelephonyError as error:
        raise _setup_failed(error) from error
    await tell_problem(hass, entry, lease)
    experience_store(hass).follow(entry)
    line = Line(hass, entry, lease.client, live_streams(hass))
    entry.runtime_data = line
    async_tell_calls(hass, line)
    try:
        await line.async_start()
        await line.listening.async_start()
        line.ringing.start()
        await hass.config_entries.async_forward_entry_setups(entry, line.platforms)
    except BaseException as error:
        if isinstance(error, TelephonyError):
            await async_keep_trace(hass, line)
        await line.async_stop()
        await engines.release(entry.entry_id)
        if isinstance(error, TelephonyError):
            problems.async_note_failure(hass, entry, error)
            raise _setup_failed(error) from error
        raise
    if ASSIST_PLATFORM not in line.platforms:
        forget_entities(hass, entry)
    problems.async_watch(hass, entry)
    forget_trace(hass, entry)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HikariConfigEntry) -> bool:
    """Take the entities away, hang up, un-register, and stop the engine if nobody else is there."""
    if not await hass.config_entries.async_unload_platforms(entry, entry.runtime_data.platforms):
        return False
    await entry.runtime_data.async_stop()
    await engine_keeper(hass).release(entry.entry_id)
    problems.async_clear(hass, entry)
    return True


async def async_remove_entry(hass: HomeAssistant, entry: HikariConfigEntry) -> None:
    """Leave nothing of a line but its contacts, which another takes; with the last, nothing."""
    async_hand_over(hass, entry)
    forget_problem(hass, entry)
    forget_trace(hass, entry)
    problems.async_clear(hass, entry)
    key = gateway_key(entry)
    others = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    if (store := hass.data.get(DATA_EXPERIENCE)) and key not in map(gateway_key, others):
        store.forget(key)
    await async_remove_stores(hass, entry)


def _setup_failed(error: TelephonyError) -> ConfigEntryAuthFailed | ConfigEntryNotReady:
    """Return what Home Assistant is to do: ask the owner, or try again later."""
    owner_must_act = isinstance(error, CredentialsRejectedError | ExtensionUnavailableError)
    cls = ConfigEntryAuthFailed if owner_must_act else ConfigEntryNotReady
    return cls(
        translation_domain=DOMAIN,
        translation_key=error.reason,
        translation_placeholders=shown_placeholders(error),
    )
