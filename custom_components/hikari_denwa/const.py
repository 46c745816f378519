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
CONF_SECOND_GATEWAY: Final = "second_gateway"
CONF_REGION: Final = "region"
CONF_EXTENSIONS: Final = "extensions"
CONF_NUMBER: Final = "number"
CONF_KIND: Final = "kind"
CONF_AREA_CODE: Final = "area_code"
CONF_ALLOWED_COSTS: Final = "allowed_costs"
CONF_BLOCKED_NUMBERS: Final = "blocked_numbers"
CONF_EMERGENCY: Final = "emergency"
CONF_EMERGENCY_FROM_AUTOMATION: Final = "emergency_from_automation"
CONF_ENGINE: Final = "engine"
CONF_ENGINE_INTERPRETER: Final = "engine_interpreter"
CONF_ENGINE_URL: Final = "engine_url"
CONF_ENGINE_TOKEN: Final = "engine_token"  # noqa: S105 - the name of a field
CONF_ENGINE_FINGERPRINT: Final = "engine_fingerprint"
SECTION_ADVANCED: Final = "advanced"

DEFAULT_PORT: Final = 5060
