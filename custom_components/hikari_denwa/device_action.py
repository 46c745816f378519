"""Device actions, for the older editor: the actions, carried out on the line's device."""

from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, CONF_DEVICE_ID, CONF_DOMAIN, CONF_TYPE
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import ConfigType, TemplateVarsType

from .actions import ATTR_DIGITS, ATTR_NUMBER, Action
from .const import DOMAIN
from .device_automation import line_of_device

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

_FIELDS: Final[dict[str, str | None]] = {
    Action.ANSWER: None,
    Action.REJECT: None,
    Action.HANG_UP: None,
    Action.HOLD: None,
    Action.RESUME: None,
    Action.DIAL: ATTR_NUMBER,
    Action.SEND_DTMF: ATTR_DIGITS,
}


def _schema(kind: str, field: str | None) -> vol.Schema:
    """Return the schema of an action with its field."""
    fields: dict[Any, Any] = {vol.Required(CONF_TYPE): str(kind)}
    if field:
        fields[vol.Required(field)] = cv.string
    return cv.DEVICE_ACTION_BASE_SCHEMA.extend(fields)


ACTION_SCHEMA: Final = vol.Any(*(_schema(kind, field) for kind, field in _FIELDS.items()))


async def async_get_actions(hass: HomeAssistant, device_id: str) -> list[dict[str, str]]:
    """Return the actions of a line's device."""
    line_of_device(hass, device_id)
    return [
        {CONF_DEVICE_ID: device_id, CONF_DOMAIN: DOMAIN, CONF_TYPE: str(kind)} for kind in _FIELDS
    ]


async def async_get_action_capabilities(
    hass: HomeAssistant, config: ConfigType
) -> dict[str, vol.Schema]:
    """Return the field that an action has beside its type."""
    del hass
    field = _FIELDS[config[CONF_TYPE]]
    return {"extra_fields": vol.Schema({vol.Required(field): cv.string})} if field else {}


async def async_call_action_from_config(
    hass: HomeAssistant,
    config: ConfigType,
    variables: TemplateVarsType,
    context: Context | None,
) -> None:
    """Carry an action out on the line that the device is."""
    del variables
    kind = config[CONF_TYPE]
    data = {ATTR_CONFIG_ENTRY_ID: line_of_device(hass, config[CONF_DEVICE_ID])}
    if field := _FIELDS[kind]:
        data[field] = config[field]
    await hass.services.async_call(DOMAIN, kind, data, blocking=True, context=context)
