"""What the entities of a line have in common."""

from typing import override

from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription

from .const import CONF_GATEWAY, DOMAIN
from .line import HikariConfigEntry
from .telephony.address import bracketed


class HikariEntity(Entity):
    """An entity of a line's device; it is told of every change and never polls."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: HikariConfigEntry, description: EntityDescription) -> None:
        """Tie the entity to the line; its identity outlives a change of address."""
        self.entity_description = description
        self.line = entry.runtime_data
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)},
            name=entry.title,
            manufacturer="NTT",
            model="ひかり電話",
            configuration_url=f"http://{bracketed(entry.data[CONF_GATEWAY])}/",
        )

    @property
    @override
    def available(self) -> bool:
        """Tell whether the line can be used: a running call needs no registration."""
        return self.line.state.registered or self.line.state.call is not None

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to follow the line."""
        self.async_on_remove(self.line.subscribe(self.async_write_ha_state))


class StandingEntity(HikariEntity):
    """An entity that is of use while the line is down, too."""

    @property
    @override
    def available(self) -> bool:
        """Tell that it can be seen and used at any time."""
        return True
