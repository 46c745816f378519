"""Conditions of automations: whether a line rings or is in a call, and with whom."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Unpack, cast, override

from homeassistant.const import CONF_OPTIONS
from homeassistant.core import HomeAssistant
from homeassistant.helpers.condition import Condition, ConditionCheckParams, ConditionConfig
from homeassistant.helpers.typing import ConfigType

from .call_filter import CALLER_FIELDS, LINE_FIELDS, CallFilter, check_lines
from .calls import Call
from .const import DOMAIN
from .line import HikariConfigEntry
from .telephony.calls import CallState

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol


class CallCondition(Condition):
    """True while a line has a call that its filters let pass."""

    fields: ClassVar[Mapping[Any, Any]] = LINE_FIELDS

    @staticmethod
    def holds(call: Call) -> bool:
        """Tell whether a call is in the state that is meant."""
        raise NotImplementedError

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check the options; a line that does not exist is an error."""
        schema = vol.Schema({vol.Optional(CONF_OPTIONS, default=dict): dict(cls.fields)})
        checked = cast("ConfigType", schema(config))
        check_lines(hass, checked[CONF_OPTIONS])
        return checked

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Take the options."""
        super().__init__(hass, config)
        self._filter = CallFilter.from_options(config.options or {})

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        """Look at the calls that there are now."""
        return any(
            self.holds(call) and self._filter.matches(line, shown)
            for line, call, shown in self._calls()
        )

    def _calls(self) -> Iterator[tuple[str, Call, Mapping[str, Any]]]:
        """Go through the calls of every line, with what is known of each."""
        entries: list[HikariConfigEntry] = self._hass.config_entries.async_loaded_entries(DOMAIN)
        for entry in entries:
            for call in entry.runtime_data.calls:
                yield entry.entry_id, call, entry.runtime_data.describe(call)


class IsRingingCondition(CallCondition):
    """An incoming call rings."""

    @staticmethod
    @override
    def holds(call: Call) -> bool:
        """Tell whether it can still be answered."""
        return call.state is CallState.RINGING and call.answered is None


class IsInCallCondition(CallCondition):
    """Somebody talks on the line."""

    @staticmethod
    @override
    def holds(call: Call) -> bool:
        """Tell whether it was answered; sound may take a moment more."""
        return call.answered is not None or call.state is CallState.TALKING


class CallerIsCondition(CallCondition):
    """The other side of the call is one of those that are meant, whoever placed the call."""

    fields: ClassVar = {**LINE_FIELDS, **CALLER_FIELDS}

    @staticmethod
    @override
    def holds(call: Call) -> bool:
        """Take every call that is not over."""
        return True

    def __init__(self, hass: HomeAssistant, config: ConditionConfig) -> None:
        """Take the options; a list of nobody means nobody, as a blueprint may have it."""
        super().__init__(hass, config)
        self._means_somebody = any((config.options or {}).get(str(each)) for each in CALLER_FIELDS)

    @classmethod
    @override
    async def async_validate_config(cls, hass: HomeAssistant, config: ConfigType) -> ConfigType:
        """Check that somebody is meant."""
        checked = await super().async_validate_config(hass, config)
        if not any(field in checked[CONF_OPTIONS] for field in CALLER_FIELDS):
            raise vol.Invalid("Say who is meant: caller, contact_group or caller_id")
        return checked

    @override
    def _async_check(self, **kwargs: Unpack[ConditionCheckParams]) -> bool:
        """Look at the other side of the calls that there are now."""
        return self._means_somebody and super()._async_check(**kwargs)


CONDITIONS: Final[dict[str, type[CallCondition]]] = {
    "is_ringing": IsRingingCondition,
    "is_in_call": IsInCallCondition,
    "caller_is": CallerIsCondition,
}


async def async_get_conditions(hass: HomeAssistant) -> dict[str, type[Condition]]:
    """Return the conditions."""
    del hass
    return dict(CONDITIONS)
