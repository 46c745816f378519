"""What the system information tells of the lines and of the engine."""

from itertools import chain
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .engine import engine_keeper
from .line import HikariConfigEntry
from .support import finding_in_words


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is told."""
    del hass
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return how many lines are registered, what the engine is, and what each line's finding is."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    loaded: list[HikariConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    welcomes = [client.welcome for client in engine_keeper(hass).clients if client.welcome]
    registered = sum(entry.runtime_data.state.registered for entry in loaded)
    return {
        "lines": len(entries),
        "registered": registered,
        "engine": ", ".join(dict.fromkeys(each.backend for each in welcomes)) or "-",
        "families": ", ".join(dict.fromkeys(chain(*(each.families for each in welcomes)))) or "-",
        "calls": sum(len(entry.runtime_data.calls) for entry in loaded),
        "finding": " ".join(
            dict.fromkeys(finding_in_words(hass, entry.runtime_data) for entry in loaded)
        )
        or "-",
    }
