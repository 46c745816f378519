"""By which assistant a line talks, and how soon it takes a command as finished.

Imported for lines with Assist alone: not every home has what Assist wants.
"""

from typing import override

from homeassistant.components.assist_pipeline import AssistPipelineSelect, VadSensitivitySelect
from homeassistant.components.select import SelectEntity
from homeassistant.core import HomeAssistant

from .const import DOMAIN
from .entity import HikariEntity
from .line import HikariConfigEntry


class CallPipelineSelect(AssistPipelineSelect, HikariEntity):
    """Chooses the assistant that callers talk to, and that calls."""

    def __init__(self, hass: HomeAssistant, entry: HikariConfigEntry) -> None:
        """Tie the select to the line; Home Assistant finds it by its unique id."""
        HikariEntity.__init__(self, entry, AssistPipelineSelect.entity_description)
        AssistPipelineSelect.__init__(self, hass, DOMAIN, entry.entry_id)

    @property
    @override
    def available(self) -> bool:
        """Tell that one can choose just when the line is down."""
        return True


class CallVadSensitivitySelect(VadSensitivitySelect, HikariEntity):
    """Chooses how long a pause ends a command."""

    def __init__(self, hass: HomeAssistant, entry: HikariConfigEntry) -> None:
        """Tie the select to the line; Home Assistant finds it by its unique id."""
        HikariEntity.__init__(self, entry, VadSensitivitySelect.entity_description)
        VadSensitivitySelect.__init__(self, hass, entry.entry_id)

    @property
    @override
    def available(self) -> bool:
        """Tell that one can choose just when the line is down."""
        return True


def selects(hass: HomeAssistant, entry: HikariConfigEntry) -> list[SelectEntity]:
    """Return the selects of a line with Assist."""
    return [CallPipelineSelect(hass, entry), CallVadSensitivitySelect(hass, entry)]
