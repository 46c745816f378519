"""The part of the options in which a line's engine is chosen; each choice is tried first."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import (
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .const import (
    CONF_ENGINE,
    CONF_ENGINE_FINGERPRINT,
    CONF_ENGINE_INTERPRETER,
    CONF_ENGINE_TOKEN,
    CONF_ENGINE_URL,
)
from .engine import EngineChoice, EngineKind, engine_keeper, needed_family
from .exceptions import shown_placeholders
from .telephony.calls import Family
from .telephony.engine.pjsua2.launcher import Pjsua2Launcher
from .telephony.engine.remote import engine_url, fingerprint
from .telephony.errors import TelephonyError

if TYPE_CHECKING:
    import probatio as vol
else:
    import voluptuous as vol

_TEXT = TextSelector()
_PJSUA2_SCHEMA: Final = vol.Schema({vol.Required(CONF_ENGINE_INTERPRETER): _TEXT})
_REMOTE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ENGINE_URL): TextSelector(TextSelectorConfig(type=TextSelectorType.URL)),
        vol.Optional(CONF_ENGINE_TOKEN): TextSelector(
            TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")
        ),
        vol.Optional(CONF_ENGINE_FINGERPRINT): _TEXT,
    }
)
_DETAILS: Final = (
    CONF_ENGINE_INTERPRETER,
    CONF_ENGINE_URL,
    CONF_ENGINE_TOKEN,
    CONF_ENGINE_FINGERPRINT,
)
_NAMES: Final = {Family.IPV6: "IPv6", Family.IPV4: "IPv4"}


class EngineOptions(OptionsFlow):
    """The steps of the choice; the other options of the line are kept as they are."""

    _options: dict[str, Any]
    _found: dict[str, str]

    async def async_choose_engine(
        self, kind: str | None, options: dict[str, Any]
    ) -> ConfigFlowResult:
        """Go on with the choice; without one, or without details to ask for, this is the end."""
        self._options = options
        if kind is None:
            return self.async_create_entry(data=options)
        match EngineKind(kind):
            case EngineKind.PJSUA2:
                return await self.async_step_engine_pjsua2()
            case EngineKind.REMOTE:
                return await self.async_step_engine_remote()
            case _:
                return self._chosen({CONF_ENGINE: kind})

    async def async_step_engine_pjsua2(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which Python has pjsua2, and that Python what it can do."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            interpreter = user_input[CONF_ENGINE_INTERPRETER].strip()
            try:
                report = await Pjsua2Launcher(interpreter=interpreter).probe()
            except TelephonyError as error:
                errors = {CONF_ENGINE_INTERPRETER: error.reason}
                placeholders = shown_placeholders(error)
            else:
                self._options |= {
                    CONF_ENGINE: EngineKind.PJSUA2.value,
                    CONF_ENGINE_INTERPRETER: interpreter,
                }
                self._found = {"version": report.version or "?", "calls": str(report.max_calls)}
                if Family.IPV6 in report.families:
                    return await self.async_step_pjsua2_found()
                if self._family is not Family.IPV6:
                    return await self.async_step_pjsua2_without_ipv6()
                errors = {"base": "pjsua2_family"}
                placeholders = self._found
        return self._ask("engine_pjsua2", _PJSUA2_SCHEMA, user_input, errors, placeholders)

    async def async_step_pjsua2_found(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell that there is a pjsua2 for every line."""
        return self._tell("pjsua2_found", user_input, (CONF_ENGINE_INTERPRETER,))

    async def async_step_pjsua2_without_ipv6(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell that there is a pjsua2 for lines over IPv4."""
        return self._tell("pjsua2_without_ipv6", user_input, (CONF_ENGINE_INTERPRETER,))

    async def async_step_engine_remote(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the engine is, and the engine what it is."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            try:
                choice = self._remote_choice(user_input)
                welcome = await engine_keeper(self.hass).async_try(choice, self._family)
            except ValueError:
                errors = {CONF_ENGINE_FINGERPRINT: "fingerprint_invalid"}
            except TelephonyError as error:
                errors = {"base": error.reason}
                placeholders = shown_placeholders(error)
            else:
                self._options |= {
                    CONF_ENGINE: EngineKind.REMOTE.value,
                    CONF_ENGINE_URL: choice.url,
                    CONF_ENGINE_TOKEN: choice.token,
                    CONF_ENGINE_FINGERPRINT: choice.fingerprint,
                }
                self._found = {
                    "url": choice.url,
                    "backend": welcome.backend,
                    "families": ", ".join(_NAMES[family] for family in welcome.families),
                }
                return await self.async_step_remote_found()
        return self._ask("engine_remote", _REMOTE_SCHEMA, user_input, errors, placeholders)

    async def async_step_remote_found(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell what the engine is."""
        details = (CONF_ENGINE_URL, CONF_ENGINE_TOKEN, CONF_ENGINE_FINGERPRINT)
        return self._tell("remote_found", user_input, details)

    @property
    def _family(self) -> Family | None:
        """Return the family that the line cannot be without."""
        return needed_family(self.config_entry.data)

    def _remote_choice(self, entered: Mapping[str, Any]) -> EngineChoice:
        """Return what was entered; a token that is left out stays as it is for the same engine.

        Raises EngineUrlError, and ValueError for a fingerprint that is none.
        """
        url = engine_url(entered[CONF_ENGINE_URL])
        token = entered.get(CONF_ENGINE_TOKEN, "").strip()
        kept = self.config_entry.options
        if not token and kept.get(CONF_ENGINE_URL) == url:
            token = kept.get(CONF_ENGINE_TOKEN)
        print_ = entered.get(CONF_ENGINE_FINGERPRINT, "").strip()
        return EngineChoice(
            kind=EngineKind.REMOTE,
            url=url,
            token=token or None,
            fingerprint=fingerprint(print_) if print_ else None,
        )

    def _ask(
        self,
        step: str,
        schema: vol.Schema,
        entered: Mapping[str, Any] | None,
        errors: dict[str, str],
        placeholders: dict[str, str],
    ) -> ConfigFlowResult:
        """Show a form with what was entered or kept, but never a token."""
        values = {**self.config_entry.options, **(entered or {})}
        values.pop(CONF_ENGINE_TOKEN, None)
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _tell(
        self, step: str, user_input: dict[str, Any] | None, details: tuple[str, ...]
    ) -> ConfigFlowResult:
        """Show what was found, and keep the choice when that was read."""
        if user_input is not None:
            kept = {key: self._options[key] for key in (CONF_ENGINE, *details)}
            return self._chosen({key: value for key, value in kept.items() if value is not None})
        return self.async_show_form(
            step_id=step, data_schema=vol.Schema({}), description_placeholders=self._found
        )

    def _chosen(self, choice: dict[str, Any]) -> ConfigFlowResult:
        """Keep the choice, with the details of no other."""
        rest = {
            key: value
            for key, value in self._options.items()
            if key not in (CONF_ENGINE, *_DETAILS)
        }
        return self.async_create_entry(data={**rest, **choice})
