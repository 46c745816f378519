"""What the dashboard asks while a person types."""

from typing import TYPE_CHECKING, Any, Final

from homeassistant.components import websocket_api
from homeassistant.components.websocket_api import ActiveConnection
from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError

from .actions import ATTR_NUMBER, find_line
from .const import DOMAIN
from .verdicts import async_described, described

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

CHECK_NUMBER: Final = f"{DOMAIN}/check_number"
SUBSCRIBE_NUMBER: Final = f"{DOMAIN}/check_number/subscribe"
_LONGEST: Final = 255
_LANGUAGE: Final = "language"
_FIELDS: Final[dict[Any, Any]] = {
    vol.Required(ATTR_NUMBER): vol.All(str, vol.Length(max=_LONGEST)),
    vol.Optional(ATTR_CONFIG_ENTRY_ID): str,
    vol.Optional(_LANGUAGE): str,
}


@callback
def async_setup_websocket(hass: HomeAssistant) -> None:
    """Register the commands; they serve every line."""
    websocket_api.async_register_command(hass, _check_number)
    websocket_api.async_register_command(hass, _subscribe_number)


@websocket_api.websocket_command({vol.Required("type"): CHECK_NUMBER, **_FIELDS})
@websocket_api.async_response
async def _check_number(
    hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]
) -> None:
    """Tell once how a call to a number would fare."""
    try:
        line = find_line(hass, message.get(ATTR_CONFIG_ENTRY_ID))
    except ServiceValidationError as error:
        connection.send_error(message["id"], websocket_api.ERR_NOT_FOUND, str(error))
        return
    judged = line.dialler.verdict(message[ATTR_NUMBER], person=True)
    result = await async_described(hass, judged, language=message.get(_LANGUAGE))
    connection.send_result(message["id"], result)


@websocket_api.websocket_command({vol.Required("type"): SUBSCRIBE_NUMBER, **_FIELDS})
@websocket_api.async_response
async def _subscribe_number(
    hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]
) -> None:
    """Tell how a call to a number would fare, and again whenever that changes."""
    try:
        line = find_line(hass, message.get(ATTR_CONFIG_ENTRY_ID))
    except ServiceValidationError as error:
        connection.send_error(message["id"], websocket_api.ERR_NOT_FOUND, str(error))
        return
    language = message.get(_LANGUAGE)
    number = message[ATTR_NUMBER]
    last = await async_described(hass, line.dialler.verdict(number, person=True), language=language)

    @callback
    def tell() -> None:
        """Tell a verdict that is another than the last."""
        nonlocal last
        now = described(hass, line.dialler.verdict(number, person=True), language=language)
        if now != last:
            last = now
            connection.send_message(websocket_api.event_message(message["id"], now))

    of_state, of_experience = line.subscribe(tell), line.dialler.subscribe(tell)

    @callback
    def stop() -> None:
        """Tell nothing more."""
        of_state()
        of_experience()

    connection.subscriptions[message["id"]] = stop
    connection.send_result(message["id"])
    connection.send_message(websocket_api.event_message(message["id"], last))
