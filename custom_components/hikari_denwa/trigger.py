"""Triggers of automations: what happens to calls, with filters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, override

from homeassistant.const import CONF_OPTIONS
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.trigger import Trigger, TriggerActionRunner, TriggerConfig
from homeassistant.helpers.typing import ConfigType

from .call_filter import (
    CALLER_FIELDS,
    DIRECTION_FIELDS,
    LINE_FIELDS,
    CallFilter,
    check_lines,
)
from .call_updates import SIGNAL_CALL, described, outcome_of
from .calls import OUTCOMES, CallEventType, CallOutcome, CallUpdate
from .line import Line
from .telephony.calls import CallDirection

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
    from homeassistant.helpers.trigger import TriggerNotTriggeredReporter
else:
    import voluptuous as vol

CONF_KEYS: Final = "keys"
CONF_OUTCOME: Final = "outcome"


def keypad_keys(value: object) -> str:
    """Take keys of a telephone: 0-9, *, #, A-D."""
    keys = str(value).strip().upper()
    if not keys or set(keys) - set("0123456789*#ABCD"):
        raise vol.Invalid("Keys are 0-9, *, # and A-D")
    return keys


class CallTrigger(Trigger):
    """Triggers when something happens to a call that its filters let pass."""

    fields: ClassVar[Mapping[Any, Any]] = {**LINE_FIELDS, **CALLER_FIELDS}

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check the options; a line that does not exist is an error."""
        schema = vol.Schema({vol.Optional(CONF_OPTIONS, default=dict): dict(cls.fields)})
        checked = cast("ConfigType", schema(config))
        check_lines(hass, checked[CONF_OPTIONS])
        return checked

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the options."""
        super().__init__(hass, config)
        self.options: Mapping[str, Any] = config.options or {}
        self._filter = CallFilter.from_options(self.options)

    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Return what there is to tell beside the call, or None if this is something else."""
        raise NotImplementedError

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Begin to follow the calls of every line, those that are set up later too."""

        @callback
        def called(line: Line, update: CallUpdate) -> None:
            more = self.happened(update)
            if more is None:
                return
            told = {**described(line, update), **more}
            if self._filter.matches(line.entry.entry_id, told):
                run_action(told, f"{told['event']}: {told['who']}")

        return async_dispatcher_connect(self._hass, SIGNAL_CALL, called)


class CallReceivedTrigger(CallTrigger):
    """A call rings."""

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Look for a call that begins to ring."""
        return {} if update.type is CallEventType.INCOMING else None


class CallMissedTrigger(CallTrigger):
    """Nobody took a call."""

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Look for a call that nobody took."""
        return {} if update.type is CallEventType.MISSED else None


class CallAnsweredTrigger(CallTrigger):
    """Somebody took a call: here, or on the other side."""

    fields: ClassVar = {**CallTrigger.fields, **DIRECTION_FIELDS}

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Look for the answer, which is one event for a call and not two."""
        answer = (
            CallEventType.CONNECTED
            if update.call.direction is CallDirection.OUTGOING
            else CallEventType.ANSWERED
        )
        return {} if update.type is answer else None


class CallEndedTrigger(CallTrigger):
    """A call is over, whatever became of it."""

    fields: ClassVar = {
        **CallTrigger.fields,
        **DIRECTION_FIELDS,
        vol.Optional(CONF_OUTCOME): vol.All(
            cv.ensure_list, [vol.All(vol.Coerce(CallOutcome), vol.In(OUTCOMES))]
        ),
    }

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Look for the end, and for the outcomes that are meant."""
        outcome = outcome_of(update)
        if outcome is None or outcome not in self.options.get(CONF_OUTCOME, OUTCOMES):
            return None
        return {}


class DtmfReceivedTrigger(CallTrigger):
    """The other side pressed a key, or the keys that are meant, one after the other."""

    fields: ClassVar = {**CallTrigger.fields, vol.Optional(CONF_KEYS): keypad_keys}

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Begin with no key pressed."""
        super().__init__(hass, config)
        self._pressed: dict[str, str] = {}

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Keep the keys of every call, and look whether the last ones are those that are meant."""
        call = update.call
        if call.ending:
            self._pressed.pop(call.id, None)
        if update.type is not CallEventType.DTMF or update.digit is None:
            return None
        pressed = self._pressed[call.id] = self._pressed.get(call.id, "") + update.digit
        if not pressed.endswith(self.options.get(CONF_KEYS, "")):
            return None
        return {CONF_KEYS: pressed}


class NumberBlockedTrigger(CallTrigger):
    """A call did not ring because its caller is blocked."""

    @override
    def happened(self, update: CallUpdate) -> Mapping[str, Any] | None:
        """Look for a call that was blocked."""
        return {} if update.type is CallEventType.BLOCKED else None


TRIGGERS: Final[dict[str, type[CallTrigger]]] = {
    "call_received": CallReceivedTrigger,
    "call_missed": CallMissedTrigger,
    "call_answered": CallAnsweredTrigger,
    "call_ended": CallEndedTrigger,
    "dtmf_received": DtmfReceivedTrigger,
    "number_blocked": NumberBlockedTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return the triggers."""
    del hass
    return dict(TRIGGERS)
