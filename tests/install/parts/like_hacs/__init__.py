"""Does what HACS does inside Home Assistant after it has unpacked an integration."""

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers.typing import ConfigType
from homeassistant.loader import async_get_custom_components


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Set up the action that has Home Assistant look for custom integrations again."""

    async def scan(_call: ServiceCall) -> None:
        del hass.data["custom_components"]
        await async_get_custom_components(hass)

    hass.services.async_register("like_hacs", "scan", scan)
    return True
