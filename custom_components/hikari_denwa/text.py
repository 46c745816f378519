"""The number to dial, entered by a person."""

from typing import override

from homeassistant.components.text import RestoreText, TextEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import HikariEntity
from .line import HikariConfigEntry

PARALLEL_UPDATES = 0

_NUMBER = TextEntityDescription(
    key="number",
    translation_key="number",
    native_max=64,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the text platform."""
    async_add_entities([NumberText(entry, _NUMBER)])


class NumberText(HikariEntity, RestoreText):
    """Holds the number as it was written; the dial button judges it."""

    @property
    @override
    def native_value(self) -> str:
        """Return the number as it was written."""
        return self.line.number_to_dial

    @override
    async def async_added_to_hass(self) -> None:
        """Take back the number from before the restart."""
        await super().async_added_to_hass()
        if (last := await self.async_get_last_text_data()) and last.native_value:
            self.line.show_number_to_dial(last.native_value)

    @override
    async def async_set_value(self, value: str) -> None:
        """Keep the number for the dial button."""
        self.line.show_number_to_dial(value)
