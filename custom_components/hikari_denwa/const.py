"""Names that the integration's files share."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "hikari_denwa"

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TEXT,
)

CONF_GATEWAY: Final = "gateway"
CONF_EXTENSION: Final = "extension"
CONF_USER_ID: Final = "user_id"
CONF_FAMILY: Final = "family"
CONF_CALL_WAITING: Final = "call_waiting"
CONF_CODECS: Final = "codecs"
CONF_DOOR_PHONES: Final = "door_phones"
CONF_AUTO_ANSWER: Final = "auto_answer"
CONF_AUTO_ANSWER_AFTER: Final = "auto_answer_after"
CONF_BLOCK_KINDS: Final = "block_kinds"
CONF_BLOCKED_CALLERS: Final = "blocked_callers"
CONF_BLOCK_STATUS: Final = "block_status"
CONF_BLOCK_TREATMENT: Final = "block_treatment"
CONF_BLOCK_UNKNOWN: Final = "block_unknown"
CONF_DO_NOT_DISTURB: Final = "do_not_disturb"
CONF_LOG_CALLS: Final = "log_calls"
CONF_LOG_DAYS: Final = "log_days"
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
SECTION_BLOCKING: Final = "blocking"
SECTION_LOG: Final = "call_log"
SECTION_MORE: Final = "more"
SUBENTRY_CONTACT: Final = "contact"

DEFAULT_PORT: Final = 5060
