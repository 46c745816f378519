"""Names that the integration's files share."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "hikari_denwa"

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.MEDIA_PLAYER,
    Platform.NOTIFY,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TEXT,
)

# Assist wants much that not every home has; so it is there for those who ask for it.
ASSIST_PLATFORM: Final = Platform.ASSIST_SATELLITE

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
CONF_CHALLENGE_KEY: Final = "challenge_key"
CONF_CHALLENGE_MESSAGE: Final = "challenge_message"
CONF_CHALLENGE_SECONDS: Final = "challenge_seconds"
CONF_DO_NOT_DISTURB: Final = "do_not_disturb"
CONF_RING_PLAYERS: Final = "ring_players"
CONF_RING_TARGET: Final = "ring_target"
CONF_RING_VOLUME: Final = "ring_volume"
CONF_SAY_MESSAGE: Final = "say_message"
CONF_UNKNOWN_TREATMENT: Final = "unknown_treatment"
CONF_LOG_CALLS: Final = "log_calls"
CONF_LOG_DAYS: Final = "log_days"
CONF_SECOND_GATEWAY: Final = "second_gateway"
CONF_REGION: Final = "region"
CONF_EXTENSIONS: Final = "extensions"
CONF_NUMBER: Final = "number"
CONF_KIND: Final = "kind"
CONF_AREA_CODE: Final = "area_code"
CONF_SHOWS_NUMBER: Final = "shows_number"
CONF_ALLOWED_COSTS: Final = "allowed_costs"
CONF_BLOCKED_NUMBERS: Final = "blocked_numbers"
CONF_EMERGENCY: Final = "emergency"
CONF_EMERGENCY_FROM_AUTOMATION: Final = "emergency_from_automation"
CONF_ENGINE: Final = "engine"
CONF_ENGINE_INTERPRETER: Final = "engine_interpreter"
CONF_ENGINE_URL: Final = "engine_url"
CONF_ENGINE_TOKEN: Final = "engine_token"  # noqa: S105 - the name of a field
CONF_ENGINE_FINGERPRINT: Final = "engine_fingerprint"
CONF_ANSWERING_AFTER: Final = "answering_after"
CONF_ANSWERING_GREETING: Final = "answering_greeting"
CONF_ANSWERING_MACHINE: Final = "answering_machine"
CONF_ANSWERING_SECONDS: Final = "answering_seconds"
CONF_ANSWERING_STT: Final = "answering_stt"
CONF_ASSIST: Final = "assist"
CONF_ASSIST_CALLERS: Final = "assist_callers"
CONF_ASSIST_NUMBER: Final = "assist_number"
CONF_ASSIST_PIN: Final = "assist_pin"
CONF_RECORD: Final = "record"
CONF_RECORD_FORMAT: Final = "record_format"
CONF_RECORD_KEEP_DAYS: Final = "record_keep_days"
CONF_RECORD_KEEP_MIB: Final = "record_keep_mib"
CONF_RECORD_NOTICE: Final = "record_notice"
CONF_RECORD_NOTICE_MESSAGE: Final = "record_notice_message"
CONF_RECORD_NUMBERS: Final = "record_numbers"
SECTION_ADVANCED: Final = "advanced"
SECTION_ANSWERING: Final = "answering"
SECTION_ASSIST: Final = "assist_by_phone"
SECTION_RECORDING: Final = "recording"
SECTION_BLOCKING: Final = "blocking"
SECTION_RINGING: Final = "ringing"
SECTION_LOG: Final = "call_log"
SECTION_MORE: Final = "more"
SUBENTRY_CONTACT: Final = "contact"

DEFAULT_PORT: Final = 5060
