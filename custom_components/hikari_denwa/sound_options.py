"""The part of a line's options about sound: answering machine, Assist by telephone, recording."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    ObjectSelector,
    ObjectSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .answering import DEFAULT_AFTER, DEFAULT_SECONDS
from .assist import CALLER_NUMBER, CALLER_PERSON
from .const import (
    CONF_ANSWERING_AFTER,
    CONF_ANSWERING_GREETING,
    CONF_ANSWERING_SECONDS,
    CONF_ANSWERING_STT,
    CONF_ASSIST,
    CONF_ASSIST_CALLERS,
    CONF_ASSIST_NUMBER,
    CONF_ASSIST_PIN,
    CONF_RECORD,
    CONF_RECORD_FORMAT,
    CONF_RECORD_KEEP_DAYS,
    CONF_RECORD_KEEP_MIB,
    CONF_RECORD_NOTICE,
    CONF_RECORD_NOTICE_MESSAGE,
    CONF_RECORD_NUMBERS,
    SECTION_ANSWERING,
    SECTION_ASSIST,
    SECTION_RECORDING,
)
from .options_form import OptionError
from .recorder import DEFAULT_KEEP_DAYS, DEFAULT_KEEP_MIB, RecordChoice, RecordFormat
from .telephony.errors import NumberInvalidError
from .telephony.numbers import is_emergency, normalize

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

_PIN = re.compile(r"[0-9]{4,16}")
_TEXT = TextSelector()


def _whole_number(low: int, high: int, *, unit: str) -> Any:
    """Return a field for a whole number."""
    selector = NumberSelector(
        NumberSelectorConfig(
            min=low, max=high, unit_of_measurement=unit, mode=NumberSelectorMode.BOX
        )
    )
    return vol.All(selector, vol.Coerce(int))


def _choice(values: Iterable[str], key: str) -> SelectSelector:
    """Return a field for one of several values."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[str(value) for value in values],
            translation_key=key,
            mode=SelectSelectorMode.LIST,
        )
    )


_ANSWERING: Final = {
    vol.Required(CONF_ANSWERING_AFTER, default=DEFAULT_AFTER): _whole_number(1, 60, unit="s"),
    vol.Optional(CONF_ANSWERING_GREETING, default=""): TemplateSelector(),
    vol.Required(CONF_ANSWERING_SECONDS, default=DEFAULT_SECONDS): _whole_number(10, 600, unit="s"),
    vol.Optional(CONF_ANSWERING_STT): EntitySelector(EntitySelectorConfig(domain="stt")),
}
_ASSIST: Final = {
    vol.Required(CONF_ASSIST, default=False): BooleanSelector(),
    vol.Optional(CONF_ASSIST_CALLERS, default=list): ObjectSelector(
        ObjectSelectorConfig(
            fields={
                CALLER_NUMBER: {"required": True, "selector": {"text": {"type": "tel"}}},
                CALLER_PERSON: {"selector": {"entity": {"domain": "person"}}},
            },
            multiple=True,
            label_field=CALLER_NUMBER,
            description_field=CALLER_PERSON,
            translation_key=CONF_ASSIST_CALLERS,
        )
    ),
    vol.Optional(CONF_ASSIST_PIN, default=""): TextSelector(
        TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
    ),
    vol.Optional(CONF_ASSIST_NUMBER, default=""): _TEXT,
}
_RECORDING: Final = {
    vol.Required(CONF_RECORD, default=RecordChoice.NONE.value): _choice(RecordChoice, CONF_RECORD),
    vol.Optional(CONF_RECORD_NUMBERS, default=list): TextSelector(
        TextSelectorConfig(multiple=True)
    ),
    vol.Required(CONF_RECORD_NOTICE, default=True): BooleanSelector(),
    vol.Optional(CONF_RECORD_NOTICE_MESSAGE, default=""): _TEXT,
    vol.Required(CONF_RECORD_FORMAT, default=RecordFormat.WAV.value): _choice(
        RecordFormat, CONF_RECORD_FORMAT
    ),
    vol.Required(CONF_RECORD_KEEP_DAYS, default=DEFAULT_KEEP_DAYS): _whole_number(
        0, 3650, unit="d"
    ),
    vol.Required(CONF_RECORD_KEEP_MIB, default=DEFAULT_KEEP_MIB): _whole_number(
        0, 1_000_000, unit="MiB"
    ),
}
_SECTIONS: Final = {
    SECTION_ANSWERING: _ANSWERING,
    SECTION_RECORDING: _RECORDING,
    SECTION_ASSIST: _ASSIST,
}
FIELDS: Final[dict[Any, Any]] = {
    vol.Required(name): section(vol.Schema(fields), {"collapsed": True})
    for name, fields in _SECTIONS.items()
}


def suggested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form shows at first."""
    return {
        name: {field: options[field] for field in map(str, fields) if field in options}
        for name, fields in _SECTIONS.items()
    }


def read(entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the sections hold, as they are kept; raises OptionError."""
    answering, recording, assist = (entered[name] for name in _SECTIONS)
    pin = unicodedata.normalize("NFKC", assist[CONF_ASSIST_PIN]).strip()
    if pin and not _PIN.fullmatch(pin):
        raise OptionError("pin_invalid")
    number = _number(assist[CONF_ASSIST_NUMBER]) if assist[CONF_ASSIST_NUMBER] else ""
    if is_emergency(number):
        raise OptionError("assist_number_emergency")
    return {
        **answering,
        # An engine that is taken out of the field is not in what was entered.
        CONF_ANSWERING_STT: answering.get(CONF_ANSWERING_STT),
        **assist,
        CONF_ASSIST_CALLERS: [
            {**caller, CALLER_NUMBER: _number(str(caller.get(CALLER_NUMBER, "")))}
            for caller in assist[CONF_ASSIST_CALLERS]
        ],
        CONF_ASSIST_PIN: pin,
        CONF_ASSIST_NUMBER: number,
        **recording,
        CONF_RECORD_NUMBERS: list(dict.fromkeys(map(_number, recording[CONF_RECORD_NUMBERS]))),
    }


def _number(text: str) -> str:
    """Return a number as a call has it; raises OptionError."""
    try:
        return normalize(text)
    except NumberInvalidError as error:
        raise OptionError(error.reason, **error.placeholders) from error
