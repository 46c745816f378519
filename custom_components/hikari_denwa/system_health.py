"""What the system information tells of the lines and of the engine."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .engine import shared_engine
from .line import HikariConfigEntry
from .support import finding_in_words


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is told."""
    del hass
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return how many lines are registered, what the engine is, and what each line's finding is."""
    entries: list[HikariConfigEntry] = hass.config_entries.async_entries(DOMAIN)
    loaded: list[HikariConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    client = shared_engine(hass).client
    welcome = client.welcome if client else None
    registered = sum(entry.runtime_data.state.registered for entry in loaded)
    return {
        "lines": len(entries),
        "registered": registered,
        "engine": welcome.backend if welcome else "-",
        "families": ", ".join(welcome.families) if welcome else "-",
        "calls": sum(len(entry.runtime_data.calls) for entry in loaded),
        "finding": " ".join(
            dict.fromkeys(finding_in_words(hass, entry.runtime_data) for entry in loaded)
        )
        or "-",
    }
