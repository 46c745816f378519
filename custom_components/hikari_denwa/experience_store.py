"""What calls taught, kept across restarts; one file for all lines, by gateway."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PORT
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, UnsupportedStorageVersionError
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .const import CONF_GATEWAY, DEFAULT_PORT, DOMAIN
from .storage import HikariStore
from .telephony.experience import Experience, Outcome, read_experience

_LOGGER = logging.getLogger(__name__)

STORAGE_VERSION: Final = 1
STORAGE_MINOR_VERSION: Final = 2
SAVE_SECONDS: Final = 1.0
_GATEWAYS: Final = "gateways"


class _Store(HikariStore[dict[str, Any]]):
    """The file. Minor version 1 knew no gateways: what it holds is true of every line's."""

    @override
    async def _async_migrate_func(
        self, old_major_version: int, old_minor_version: int, old_data: dict[str, Any]
    ) -> dict[str, Any]:
        """Bring older data up to date; those of a newer version are read and never written."""
        if (old_major_version, old_minor_version) > (STORAGE_VERSION, STORAGE_MINOR_VERSION):
            self.make_read_only()
            return old_data
        await self.hass.async_add_executor_job(set_aside, self.path, "before-migration")
        entries = self.hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        return {_GATEWAYS: {gateway_key(entry): old_data for entry in entries}}


class ExperienceStore:
    """Holds the experience of every gateway, and writes it a moment after each change.

    The file is replaced as a whole, so that it is never half of one (os.replace), and what
    cannot be read is set aside before anything is written.
    """

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with nothing; ``async_load`` reads the file."""
        self._hass = hass
        self._store = _Store(
            hass,
            STORAGE_VERSION,
            "experience",
            minor_version=STORAGE_MINOR_VERSION,
            on_removed=self._forget_all,
        )
        self._by_gateway: dict[str, Experience] = {}
        self._gateway_of: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    async def async_load(self) -> None:
        """Read the file. Never raises: without one that can be read, nothing is known."""
        try:
            data = await self._store.async_load()
        except UnsupportedStorageVersionError as error:
            self._store.make_read_only()
            _LOGGER.warning(
                "What calls taught was written by a newer version and stays as it is; "
                "until that version is back, nothing is learnt: %s",
                error,
            )
            return
        except (HomeAssistantError, KeyError, TypeError, AttributeError) as error:
            _LOGGER.warning("What calls taught cannot be read: %s", error)
            await self._async_set_aside()
            return
        lost = self._take(data)
        if lost:
            _LOGGER.warning("%d rows of what calls taught cannot be read", lost)
            await self._async_set_aside()

    def of(self, gateway: str) -> Experience:
        """Return the experience with a gateway."""
        return self._by_gateway.get(gateway, Experience())

    @callback
    def note(self, gateway: str, outcome: Outcome) -> None:
        """Learn from an outcome."""
        aged = self.of(gateway).aged(dt_util.utcnow().timestamp())
        self._set(gateway, aged.add(outcome))

    @callback
    def forget(self, gateway: str, number: str | None = None) -> int:
        """Forget a number (national digits) or all; returns how many numbers were known."""
        known = self.of(gateway)
        left = known.forget(number)
        self._set(gateway, left)
        return len(known.outcomes) - len(left.outcomes)

    @callback
    def follow(self, entry: ConfigEntry) -> None:
        """Let a line that is set up take along what it learnt at its gateway's former address.

        A gateway that is known at the new address already has taught what holds there, and
        another line may be at the former one still.
        """
        now = gateway_key(entry)
        before = self._gateway_of.get(entry.entry_id, now)
        self._gateway_of[entry.entry_id] = now
        learnt = self.of(before)
        if before == now or not learnt.outcomes:
            return
        if not self.of(now).outcomes:
            self._set(now, learnt)
        lines = self._hass.config_entries.async_entries(DOMAIN, include_ignore=False)
        if before not in map(gateway_key, lines):
            self.forget(before)

    @callback
    def _forget_all(self) -> None:
        """Know nothing any more."""
        self._by_gateway.clear()
        self._tell()

    @callback
    def subscribe(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call the listener after every change; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _set(self, gateway: str, experience: Experience) -> None:
        """Keep an experience and write it soon."""
        self._by_gateway[gateway] = experience
        if not experience.outcomes:
            del self._by_gateway[gateway]
        self._store.async_delay_save(self._data, SAVE_SECONDS)
        self._tell()

    def _tell(self) -> None:
        """Tell those who subscribed of a change."""
        for listener in tuple(self._listeners):
            listener()

    def _data(self) -> dict[str, Any]:
        """Return what the file is to hold."""
        return {
            _GATEWAYS: {
                gateway: experience.to_dict() for gateway, experience in self._by_gateway.items()
            }
        }

    def _take(self, data: object) -> int:
        """Take over what the file held; returns how many rows could not be read."""
        if data is None:
            return 0
        gateways = data.get(_GATEWAYS) if isinstance(data, Mapping) else None
        if not isinstance(gateways, Mapping):
            return 1
        lost = 0
        for gateway, held in gateways.items():
            experience, unread = read_experience(held)
            lost += unread
            if experience.outcomes:
                self._by_gateway[str(gateway)] = experience
        return lost

    async def _async_set_aside(self) -> None:
        """Keep a copy of a file that will be overwritten though not all of it was read."""
        await self._hass.async_add_executor_job(set_aside, self._store.path, "unread")


def set_aside(path: str, word: str) -> None:
    """Copy a file beside itself under a name of its own; what is not there needs no copy."""
    source = Path(path)
    stamp = dt_util.utcnow().strftime("%Y%m%dT%H%M%S")
    try:
        shutil.copy2(source, source.with_name(f"{source.name}.{word}-{stamp}"))
    except FileNotFoundError:
        return
    except OSError as error:
        _LOGGER.warning("%s cannot be copied: %s", path, error)


def gateway_key(entry: ConfigEntry) -> str:
    """Return the name under which the experience with a line's gateway is kept."""
    return f"{entry.data[CONF_GATEWAY]} {entry.data.get(CONF_PORT, DEFAULT_PORT)}"


DATA_EXPERIENCE: HassKey[ExperienceStore] = HassKey(f"{DOMAIN}_experience")


def experience_store(hass: HomeAssistant) -> ExperienceStore:
    """Return the experience of this Home Assistant."""
    return hass.data[DATA_EXPERIENCE]
