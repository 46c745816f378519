"""Switches of a line: do not disturb, answer by itself, answering machine, block strangers."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import (
    CONF_ANSWERING_MACHINE,
    CONF_AUTO_ANSWER,
    CONF_BLOCK_UNKNOWN,
    CONF_DO_NOT_DISTURB,
)
from .entity import StandingEntity
from .line import HikariConfigEntry

PARALLEL_UPDATES = 0

_SWITCHES = (
    SwitchEntityDescription(key=CONF_ANSWERING_MACHINE, translation_key=CONF_ANSWERING_MACHINE),
    SwitchEntityDescription(key=CONF_DO_NOT_DISTURB, translation_key=CONF_DO_NOT_DISTURB),
    SwitchEntityDescription(key=CONF_AUTO_ANSWER, translation_key=CONF_AUTO_ANSWER),
    SwitchEntityDescription(
        key=CONF_BLOCK_UNKNOWN,
        translation_key=CONF_BLOCK_UNKNOWN,
        entity_category=EntityCategory.CONFIG,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switch platform."""
    async_add_entities(OptionSwitch(entry, description) for description in _SWITCHES)


class OptionSwitch(StandingEntity, SwitchEntity):
    """Sets an option of the line, which is kept with the line and takes effect at once."""

    @property
    @override
    def is_on(self) -> bool:
        """Tell how the option is set."""
        return bool(self.line.entry.options.get(self.entity_description.key, False))

    @override
    async def async_turn_on(self, **_kwargs: Any) -> None:
        """Switch the option on."""
        self._set(value=True)

    @override
    async def async_turn_off(self, **_kwargs: Any) -> None:
        """Switch the option off."""
        self._set(value=False)

    def _set(self, *, value: bool) -> None:
        """Keep the option."""
        self.line.set_option(self.entity_description.key, value=value)
        self.async_write_ha_state()
