"""What device triggers and device actions have in common."""

from homeassistant.components.device_automation import InvalidDeviceAutomationConfig
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN


def line_of_device(hass: HomeAssistant, device_id: str) -> str:
    """Return the config entry of the line that a device is.

    Raises InvalidDeviceAutomationConfig for a device that is no line.
    """
    if device := dr.async_get(hass).async_get(device_id):
        for identifier in device.identifiers:
            if identifier[0] == DOMAIN and hass.config_entries.async_get_entry(identifier[1]):
                return identifier[1]
    raise InvalidDeviceAutomationConfig(
        translation_domain=DOMAIN,
        translation_key="device_not_line",
        translation_placeholders={"device": device_id},
    )
