"""The integration's files in Home Assistant's storage; they go with the line that they are of.

Every one is a ``HikariStore``, so that none is left behind: what belongs to a line goes with
it, and what the lines share goes with the last of them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, override
from weakref import WeakSet

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import STORAGE_DIR, Store
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN


class HikariStore[DataT: Mapping[str, Any] | Sequence[Any]](Store[DataT]):
    """A file named after the integration, that no other user can read, written as a whole or not.

    ``line`` is the entry id of the line that it belongs to, if it is not of all of them.
    ``on_removed`` is called when the file goes with its line: what is kept in memory must go,
    too, or it would be written again. Other options are those of ``Store``.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        version: int,
        name: str,
        *,
        line: str | None = None,
        on_removed: Callable[[], None] | None = None,
        **options: Any,
    ) -> None:
        """Make the store known to those that are removed."""
        key = f"{DOMAIN}.{name}.{line}" if line else f"{DOMAIN}.{name}"
        super().__init__(hass, version, key, private=True, atomic_writes=True, **options)
        self.line = line
        self._on_removed = on_removed
        _stores(hass).add(self)

    @override
    async def async_remove(self) -> None:
        """Remove the file, and what would be written to it."""
        if self._on_removed:
            self._on_removed()
        await super().async_remove()


DATA_STORES: HassKey[WeakSet[HikariStore[Any]]] = HassKey(f"{DOMAIN}_stores")


def _stores(hass: HomeAssistant) -> WeakSet[HikariStore[Any]]:
    """Return the stores that are in use."""
    return hass.data.setdefault(DATA_STORES, WeakSet())


@callback
def has_lines(hass: HomeAssistant) -> bool:
    """Tell whether there is a line, be it disabled; a discovery that is ignored is none."""
    return bool(hass.config_entries.async_entries(DOMAIN, include_ignore=False))


async def async_remove_stores(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Remove what was kept of a line that is removed, and everything with the last line.

    That includes what earlier versions left, and copies of files that could not be read.
    """
    last = not has_lines(hass)
    for store in tuple(_stores(hass)):
        if last or store.line == entry.entry_id:
            await store.async_remove()
    pattern = f"{DOMAIN}.*" if last else f"{DOMAIN}.*.{entry.entry_id}*"
    await hass.async_add_executor_job(_remove_files, Path(hass.config.path(STORAGE_DIR)), pattern)


def _remove_files(folder: Path, pattern: str) -> None:
    """Remove the files of a folder whose names match."""
    for path in folder.glob(pattern):
        path.unlink(missing_ok=True)
