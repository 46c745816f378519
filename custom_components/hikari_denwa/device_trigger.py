"""Device triggers, for the older editor: the same triggers, chosen by the line's device."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from homeassistant.components.device_automation import DEVICE_TRIGGER_BASE_SCHEMA
from homeassistant.const import (
    ATTR_CONFIG_ENTRY_ID,
    CONF_DEVICE_ID,
    CONF_DOMAIN,
    CONF_OPTIONS,
    CONF_PLATFORM,
    CONF_TYPE,
)
from homeassistant.core import CALLBACK_TYPE, Context, HassJob, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.trigger import TriggerActionType, TriggerConfig, TriggerInfo
from homeassistant.helpers.typing import ConfigType

from .call_filter import CONF_CALLER, caller_pattern
from .const import DOMAIN
from .device_automation import line_of_device
from .trigger import CONF_KEYS, TRIGGERS, keypad_keys

if TYPE_CHECKING:
    import asyncio

    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

_KEY_PRESSED: Final = "dtmf_received"
_BASE: Final = DEVICE_TRIGGER_BASE_SCHEMA.extend(
    {vol.Required(CONF_TYPE): vol.In(TRIGGERS), vol.Optional(CONF_CALLER): caller_pattern}
)
TRIGGER_SCHEMA: Final = vol.Any(
    _BASE,
    _BASE.extend(
        {vol.Required(CONF_TYPE): _KEY_PRESSED, vol.Optional(CONF_KEYS): keypad_keys},
    ),
)


async def async_get_triggers(hass: HomeAssistant, device_id: str) -> list[dict[str, Any]]:
    """Return the triggers of a line's device."""
    line_of_device(hass, device_id)
    return [
        {
            CONF_PLATFORM: "device",
            CONF_DEVICE_ID: device_id,
            CONF_DOMAIN: DOMAIN,
            CONF_TYPE: trigger,
        }
        for trigger in TRIGGERS
    ]


async def async_get_trigger_capabilities(
    hass: HomeAssistant, config: ConfigType
) -> dict[str, vol.Schema]:
    """Return the fields that a trigger has beside its type."""
    del hass
    fields: dict[Any, Any] = {vol.Optional(CONF_CALLER): cv.string}
    if config[CONF_TYPE] == _KEY_PRESSED:
        fields[vol.Optional(CONF_KEYS)] = cv.string
    return {"extra_fields": vol.Schema(fields)}


async def async_attach_trigger(
    hass: HomeAssistant,
    config: ConfigType,
    action: TriggerActionType,
    trigger_info: TriggerInfo,
) -> CALLBACK_TYPE:
    """Attach the native trigger of the type, for this line."""
    kind = config[CONF_TYPE]
    options: dict[str, Any] = {
        ATTR_CONFIG_ENTRY_ID: line_of_device(hass, config[CONF_DEVICE_ID]),
        **{key: config[key] for key in (CONF_CALLER, CONF_KEYS) if key in config},
    }
    checked = await TRIGGERS[kind].async_validate_config(hass, {CONF_OPTIONS: options})
    trigger = TRIGGERS[kind](
        hass, TriggerConfig(key=f"{DOMAIN}.{kind}", options=checked[CONF_OPTIONS])
    )
    job = HassJob(action)

    @callback
    def run_action(
        extra_trigger_payload: Mapping[str, Any], description: str, context: Context | None = None
    ) -> asyncio.Task[Any]:
        told: dict[str, Any] = {
            **trigger_info["trigger_data"],
            **config,
            "description": description,
            **extra_trigger_payload,
        }
        return cast("asyncio.Task[Any]", hass.async_run_hass_job(job, {"trigger": told}, context))

    return await trigger.async_attach_runner(run_action)
