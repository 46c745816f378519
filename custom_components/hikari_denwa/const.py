"""Names that the integration's files share."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "hikari_denwa"

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
    Platform.TEXT,
)

CONF_GATEWAY: Final = "gateway"
CONF_EXTENSION: Final = "extension"
CONF_USER_ID: Final = "user_id"
CONF_FAMILY: Final = "family"
CONF_CALL_WAITING: Final = "call_waiting"
CONF_CODECS: Final = "codecs"
CONF_DOOR_PHONES: Final = "door_phones"
SECTION_ADVANCED: Final = "advanced"
SECTION_MORE: Final = "more"
SUBENTRY_CONTACT: Final = "contact"

DEFAULT_PORT: Final = 5060
