"""Whether a line is registered at the gateway."""

from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import StandingEntity
from .line import HikariConfigEntry

PARALLEL_UPDATES = 0

_REGISTERED = BinarySensorEntityDescription(
    key="registered",
    translation_key="registered",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensor platform."""
    async_add_entities([RegisteredSensor(entry, _REGISTERED)])


class RegisteredSensor(StandingEntity, BinarySensorEntity):
    """On while the gateway sends the extension's calls here; over which family and address."""

    @property
    @override
    def is_on(self) -> bool:
        """Tell whether the line is registered."""
        return self.line.state.registered

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return over which family, the gateway's address and ours, whose it is, or why not."""
        state = self.line.state
        if not state.registered:
            return {"reason": state.error.reason} if state.error else {}
        return {
            "family": state.family,
            "address": state.gateway_address,
            "local_address": state.local_address,
            "region": self.line.dialler.region,
        }
