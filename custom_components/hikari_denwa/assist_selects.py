"""By which assistant a line talks, and how soon it takes a command as finished.

Imported for lines with Assist alone: not every home has what Assist wants.
"""

from homeassistant.components.assist_pipeline import AssistPipelineSelect, VadSensitivitySelect
from homeassistant.components.select import SelectEntity
from homeassistant.core import HomeAssistant

from .const import DOMAIN
from .entity import StandingEntity
from .line import HikariConfigEntry


class CallPipelineSelect(AssistPipelineSelect, StandingEntity):
    """Chooses the assistant that callers talk to, and that calls."""

    def __init__(self, hass: HomeAssistant, entry: HikariConfigEntry) -> None:
        """Tie the select to the line; Home Assistant finds it by its unique id."""
        StandingEntity.__init__(self, entry, AssistPipelineSelect.entity_description)
        AssistPipelineSelect.__init__(self, hass, DOMAIN, entry.entry_id)


class CallVadSensitivitySelect(VadSensitivitySelect, StandingEntity):
    """Chooses how long a pause ends a command."""

    def __init__(self, hass: HomeAssistant, entry: HikariConfigEntry) -> None:
        """Tie the select to the line; Home Assistant finds it by its unique id."""
        StandingEntity.__init__(self, entry, VadSensitivitySelect.entity_description)
        VadSensitivitySelect.__init__(self, hass, entry.entry_id)


def selects(hass: HomeAssistant, entry: HikariConfigEntry) -> list[SelectEntity]:
    """Return the selects of a line with Assist."""
    return [CallPipelineSelect(hass, entry), CallVadSensitivitySelect(hass, entry)]
