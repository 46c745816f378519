"""Setting a line up, and changing it later; every way is proved by a real registration."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_NAME, CONF_PASSWORD, CONF_PORT
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow, section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.service_info.hassio import HassioServiceInfo

from . import options_form, sound_options
from .auto_answer import DEFAULT_AUTO_ANSWER_AFTER
from .call_log import DEFAULT_LOG_CALLS, DEFAULT_LOG_DAYS
from .const import (
    CONF_AUTO_ANSWER_AFTER,
    CONF_BLOCK_KINDS,
    CONF_BLOCK_STATUS,
    CONF_BLOCK_TREATMENT,
    CONF_BLOCKED_CALLERS,
    CONF_CALL_WAITING,
    CONF_CHALLENGE_KEY,
    CONF_CHALLENGE_MESSAGE,
    CONF_CHALLENGE_SECONDS,
    CONF_CODECS,
    CONF_DOOR_PHONES,
    CONF_EMERGENCY,
    CONF_EMERGENCY_FROM_AUTOMATION,
    CONF_ENGINE,
    CONF_EXTENSION,
    CONF_FAMILY,
    CONF_GATEWAY,
    CONF_LOG_CALLS,
    CONF_LOG_DAYS,
    CONF_RING_PLAYERS,
    CONF_RING_VOLUME,
    CONF_SAY_MESSAGE,
    CONF_UNKNOWN_TREATMENT,
    CONF_USER_ID,
    DEFAULT_PORT,
    DOMAIN,
    SECTION_ADVANCED,
    SECTION_BLOCKING,
    SECTION_LOG,
    SECTION_RINGING,
    SUBENTRY_CONTACT,
)
from .contact_flow import ContactSubentryFlow
from .contacts import number_or_pattern
from .doorkeeper import CHALLENGE_KEYS, DEFAULT_CHALLENGE_KEY, DEFAULT_CHALLENGE_SECONDS
from .engine import EngineApp, EngineChoice, EngineKind, engine_keeper, needed_family
from .engine_flow import EngineOptions
from .exceptions import FAMILY_NAMES, shown_placeholders
from .line import Line, line_config
from .options import DiallingOptions
from .ringing import own_players
from .screening import (
    AS_BLOCKED,
    BLOCK_STATUSES,
    BLOCK_TREATMENTS,
    DEFAULT_BLOCK_STATUS,
    BlockKind,
    Treatment,
)
from .telephony import address
from .telephony.engine.protocol import FamilyChoice, SoundCodec
from .telephony.engine.remote import engine_url
from .telephony.errors import (
    AddressError,
    CredentialsRejectedError,
    EngineUrlError,
    ExtensionUnavailableError,
    NumberInvalidError,
    TelephonyError,
)
from .telephony.experience import Book
from .telephony.gateway_finder import FoundGateway, find_gateways, have_to_be_told_apart
from .telephony.numbers import normalize

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

_DEFAULT_NAME: Final = "Hikari Denwa"
_EXTENSION = re.compile(r"[0-9]{1,8}")
_USER_ID = re.compile(r"[!#-\[\]-~]{1,64}")

_TEXT = TextSelector()
_PASSWORD = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="current-password")
)
_FAMILY = SelectSelector(
    SelectSelectorConfig(
        options=[choice.value for choice in FamilyChoice],
        translation_key=CONF_FAMILY,
        mode=SelectSelectorMode.DROPDOWN,
    )
)
_PORT = vol.All(
    NumberSelector(NumberSelectorConfig(min=1, max=65535, mode=NumberSelectorMode.BOX)),
    vol.Coerce(int),
)


def _whole_number(low: int, high: int, *, unit: str | None = None) -> Any:
    """Return a field for a whole number."""
    config = NumberSelectorConfig(min=low, max=high, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def _choice(values: Iterable[str], key: str, *, several: bool = False) -> SelectSelector:
    """Return a field for one of several values, or for some of them."""
    return SelectSelector(
        SelectSelectorConfig(
            options=[str(value) for value in values],
            translation_key=key,
            multiple=several,
            mode=SelectSelectorMode.LIST,
        )
    )


_LINE_FIELDS: Final = {
    vol.Optional(CONF_GATEWAY): _TEXT,
    vol.Required(CONF_EXTENSION): _TEXT,
    vol.Required(CONF_USER_ID): _TEXT,
}
_MORE_FIELDS: Final = {
    vol.Required(CONF_FAMILY, default=FamilyChoice.AUTOMATIC.value): _FAMILY,
    vol.Required(SECTION_ADVANCED): section(
        vol.Schema({vol.Required(CONF_PORT, default=DEFAULT_PORT): _PORT}),
        {"collapsed": True},
    ),
}
_USER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_NAME, default=_DEFAULT_NAME): _TEXT,
        **_LINE_FIELDS,
        vol.Required(CONF_PASSWORD): _PASSWORD,
        **_MORE_FIELDS,
    }
)
_RECONFIGURE_SCHEMA: Final = vol.Schema(
    {**_LINE_FIELDS, vol.Optional(CONF_PASSWORD): _PASSWORD, **_MORE_FIELDS}
)
_REAUTH_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_USER_ID): _TEXT, vol.Required(CONF_PASSWORD): _PASSWORD}
)
_BLOCKING_FIELDS: Final = {
    vol.Optional(CONF_BLOCKED_CALLERS, default=list): TextSelector(
        TextSelectorConfig(multiple=True)
    ),
    vol.Optional(CONF_BLOCK_KINDS, default=list): _choice(
        BlockKind, CONF_BLOCK_KINDS, several=True
    ),
    vol.Required(CONF_BLOCK_TREATMENT, default=Treatment.REJECT.value): _choice(
        BLOCK_TREATMENTS, CONF_BLOCK_TREATMENT
    ),
    vol.Required(CONF_BLOCK_STATUS, default=str(DEFAULT_BLOCK_STATUS)): _choice(
        map(str, BLOCK_STATUSES), CONF_BLOCK_STATUS
    ),
    vol.Required(CONF_UNKNOWN_TREATMENT, default=AS_BLOCKED): _choice(
        (AS_BLOCKED, *BLOCK_TREATMENTS), CONF_UNKNOWN_TREATMENT
    ),
    vol.Optional(CONF_SAY_MESSAGE, default=""): TemplateSelector(),
    vol.Required(CONF_CHALLENGE_KEY, default=DEFAULT_CHALLENGE_KEY): SelectSelector(
        SelectSelectorConfig(options=list(CHALLENGE_KEYS), mode=SelectSelectorMode.DROPDOWN)
    ),
    vol.Optional(CONF_CHALLENGE_MESSAGE, default=""): TemplateSelector(),
    vol.Required(CONF_CHALLENGE_SECONDS, default=DEFAULT_CHALLENGE_SECONDS): _whole_number(
        3, 30, unit="s"
    ),
}
_RINGING_FIELDS: Final = {
    vol.Optional(CONF_RING_PLAYERS, default=list): EntitySelector(
        EntitySelectorConfig(domain="media_player", multiple=True)
    ),
    vol.Optional(CONF_RING_VOLUME): _whole_number(1, 100, unit="%"),
}
_LOG_FIELDS: Final = {
    vol.Required(CONF_LOG_CALLS, default=DEFAULT_LOG_CALLS): _whole_number(10, 10_000),
    vol.Required(CONF_LOG_DAYS, default=DEFAULT_LOG_DAYS): _whole_number(1, 3650, unit="d"),
}
# No section has a default of its own: the frontend would take it for all that is in it.
_SECTIONS: Final = {
    vol.Required(SECTION_BLOCKING): section(vol.Schema(_BLOCKING_FIELDS), {"collapsed": True}),
    **options_form.CALLS,
    **sound_options.FIELDS,
    vol.Required(SECTION_RINGING): section(vol.Schema(_RINGING_FIELDS), {"collapsed": True}),
    vol.Required(SECTION_LOG): section(vol.Schema(_LOG_FIELDS), {"collapsed": True}),
    **options_form.GATEWAY,
}
_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_DOOR_PHONES, default=list): TextSelector(
            TextSelectorConfig(multiple=True)
        ),
        vol.Required(CONF_CALL_WAITING, default=False): BooleanSelector(),
        vol.Required(CONF_AUTO_ANSWER_AFTER, default=DEFAULT_AUTO_ANSWER_AFTER): _whole_number(
            0, 60, unit="s"
        ),
        vol.Optional(CONF_CODECS, default=list): SelectSelector(
            SelectSelectorConfig(
                options=[codec.lower() for codec in SoundCodec if codec is not SoundCodec.PCMU],
                translation_key=CONF_CODECS,
                multiple=True,
                mode=SelectSelectorMode.LIST,
            )
        ),
        vol.Optional(CONF_ENGINE): SelectSelector(
            SelectSelectorConfig(
                options=[kind.value for kind in EngineKind],
                translation_key=CONF_ENGINE,
                mode=SelectSelectorMode.DROPDOWN,
            )
        ),
        **_SECTIONS,
    }
)


_PLAIN_OPTIONS: Final = (CONF_AUTO_ANSWER_AFTER, CONF_CALL_WAITING, CONF_CODECS)


class InputError(Exception):
    """What was entered in a field cannot be right."""

    def __init__(self, field: str, reason: str, **placeholders: str) -> None:
        """Keep the field, and the key and the placeholders of the sentence."""
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.placeholders = placeholders


class HikariDenwaConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks what a line needs and registers once with it before anything is kept."""

    VERSION = 1

    _app: EngineApp

    def __init__(self) -> None:
        """Begin without an error to show."""
        self._errors: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}
        self._found: str | None = None
        self._gateways: list[FoundGateway] = []
        self._entered: dict[str, Any] = {}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HikariDenwaOptionsFlow:
        """Return the flow of the options."""
        return HikariDenwaOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flow of contacts."""
        return {SUBENTRY_CONTACT: ContactSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Set up a line."""
        if user_input is not None and (data := await self._proved(user_input)):
            return self.async_create_entry(
                title=user_input[CONF_NAME].strip() or _DEFAULT_NAME, data=data
            )
        if self._gateways:
            return self._ask_which(user_input)
        return self._form("user", _USER_SCHEMA, user_input)

    @override
    async def async_step_hassio(self, discovery_info: HassioServiceInfo) -> ConfigFlowResult:
        """Take note of the app that runs the engine; it starts and tells of itself anew each time.

        An app that is known already but moved, or has another token, is followed at once.
        """
        try:
            app = EngineApp(
                uuid=discovery_info.uuid,
                name=discovery_info.name,
                url=engine_url(str(discovery_info.config["url"])),
                token=str(discovery_info.config["token"]),
            )
        except KeyError, EngineUrlError:
            return self.async_abort(reason="app_not_understood")
        await self.async_set_unique_id(app.uuid)
        self._abort_if_unique_id_configured()
        keeper = engine_keeper(self.hass)
        if (known := await keeper.async_app()) and known.uuid == app.uuid:
            await keeper.async_take_app(app)
            return self.async_abort(reason="app_known")
        self._app = app
        self.context["title_placeholders"] = {"name": app.name}
        return await self.async_step_hassio_confirm()

    async def async_step_hassio_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Have the lines use the app, or set the first line up with it."""
        app, keeper = self._app, engine_keeper(self.hass)
        if user_input is not None:
            choice = EngineChoice(kind=EngineKind.REMOTE, url=app.url, token=app.token)
            try:
                await keeper.async_try(choice, None)
            except TelephonyError as error:
                self._errors = {"base": error.reason}
                self._placeholders = shown_placeholders(error)
            else:
                self._errors, self._placeholders = {}, {}
                await keeper.async_take_app(app)
                # The Supervisor would remove an entry of the app's id together with the app.
                await self.async_set_unique_id(None)
                if self._async_current_entries(include_ignore=False):
                    return self.async_abort(reason="app_taken")
                return await self.async_step_user()
        return self._form("hassio_confirm", vol.Schema({}), None, app=app.name)

    async def async_step_reauth(self, _entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Ask anew for what the gateway rejected."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take another user ID and password."""
        entry = self._get_reauth_entry()
        if user_input is not None and (
            data := await self._proved({**entry.data, **user_input}, entry.options)
        ):
            return self.async_update_reload_and_abort(entry, data=data)
        return self._form(
            "reauth_confirm", _REAUTH_SCHEMA, user_input or entry.data, name=entry.title
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change a line; a password that is left out stays as it is."""
        entry = self._get_reconfigure_entry()
        if user_input is not None:
            password = user_input.get(CONF_PASSWORD) or entry.data[CONF_PASSWORD]
            changed = {**user_input, CONF_PASSWORD: password}
            if data := await self._proved(changed, entry.options):
                return self.async_update_reload_and_abort(entry, data=data)
            if self._gateways:
                return self._ask_which(user_input)
        suggested = {**entry.data, SECTION_ADVANCED: {CONF_PORT: entry.data[CONF_PORT]}}
        return self._form("reconfigure", _RECONFIGURE_SCHEMA, user_input or suggested)

    async def async_step_choose_gateway(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with the gateway that was chosen of those that were found."""
        if user_input is None:
            return self._ask_which(None)
        self._gateways = []
        entered = {**self._entered, **user_input}
        if self.source == SOURCE_RECONFIGURE:
            return await self.async_step_reconfigure(entered)
        return await self.async_step_user(entered)

    def _ask_which(self, entered: dict[str, Any] | None) -> ConfigFlowResult:
        """Ask which of the gateways is meant, and remember what else was entered."""
        self._entered = entered or self._entered
        options = [
            SelectOptionDict(value=gateway.host, label=f"{gateway.host} ({families})")
            for gateway in self._gateways
            if (families := ", ".join(FAMILY_NAMES[family] for family in gateway.families))
        ]
        field = SelectSelector(SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST))
        return self.async_show_form(
            step_id="choose_gateway",
            data_schema=vol.Schema(
                {vol.Required(CONF_GATEWAY, default=options[0]["value"]): field}
            ),
        )

    def _form(
        self,
        step: str,
        schema: vol.Schema,
        values: Mapping[str, Any] | None,
        **placeholders: str,
    ) -> ConfigFlowResult:
        """Show a form with what was entered, but never a password.

        The error of a field that this form does not have stands above the form.
        """
        shown = {key: value for key, value in (values or {}).items() if key != CONF_PASSWORD}
        if self._found and not shown.get(CONF_GATEWAY):
            shown[CONF_GATEWAY] = self._found
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, shown),
            errors={
                field if field in schema.schema else "base": reason
                for field, reason in self._errors.items()
            },
            description_placeholders={**placeholders, **self._placeholders},
        )

    async def _proved(
        self, entered: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """Return the data of an entry if the gateway takes it.

        Else what has to be shown is kept: the errors, or the gateways to choose from.
        """
        try:
            if not _plain(entered.get(CONF_GATEWAY, "")):
                if (host := await self._find(entered, options)) is None:
                    return None
                entered = {**entered, CONF_GATEWAY: host}
            data = _entry_data(entered)
            self._async_abort_entries_match(
                {key: data[key] for key in (CONF_GATEWAY, CONF_EXTENSION)}
            )
            choice = EngineChoice.of_options(options or {})
            async with engine_keeper(self.hass).use(choice, needed_family(data)) as client:
                probed = await client.probe(line_config(data, {}))
            self._abort_if_line_exists(data, probed.gateway_address)
        except InputError as error:
            self._errors, self._placeholders = {error.field: error.reason}, error.placeholders
        except TelephonyError as error:
            self._errors = {_field_of(error): error.reason}
            self._placeholders = shown_placeholders(error)
        else:
            return data
        return None

    async def _find(
        self, entered: Mapping[str, Any], options: Mapping[str, Any] | None
    ) -> str | None:
        """Look for the home gateway; None if a person has to choose among several.

        Raises InputError if none answers over the family.
        """
        family = entered[CONF_FAMILY]
        async with engine_keeper(self.hass).use(EngineChoice.of_options(options or {})) as client:
            gateways = [
                gateway
                for gateway in await find_gateways(client.speaks_sip)
                if family == FamilyChoice.AUTOMATIC or family in gateway.families
            ]
        if not gateways:
            raise InputError(CONF_GATEWAY, "gateway_not_found")
        if have_to_be_told_apart(gateways):
            self._gateways = gateways
            return None
        self._found = gateways[0].host
        return self._found

    def _abort_if_line_exists(self, data: Mapping[str, Any], address: str) -> None:
        """Abort if this is a line that is there, its gateway having been entered otherwise.

        SIP tells nothing of a gateway that outlives its addresses, so entries have no unique ID:
        the same extension at the same address is the same line.
        """
        for entry in self.hass.config_entries.async_loaded_entries(DOMAIN):
            same = all(entry.data[key] == data[key] for key in (CONF_EXTENSION, CONF_PORT))
            own = entry.entry_id == self.context.get("entry_id")
            if same and not own and entry.runtime_data.state.gateway_address == address:
                raise AbortFlow("already_configured")


class HikariDenwaOptionsFlow(EngineOptions, OptionsFlowWithReload):
    """Asks which callers are door phones or blocked, how to answer and speak, what is kept."""

    def __init__(self) -> None:
        """Begin with nothing entered."""
        self._entered: dict[str, Any] = {}
        self._engine_kind: str | None = None

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Take numbers and extensions, as people write them."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            try:
                self._entered = self._kept(user_input)
            except (InputError, options_form.OptionError) as error:
                # A field of a section cannot show an error of its own.
                field = getattr(error, "field", None)
                errors = {field if field in user_input else "base": error.reason}
                placeholders = error.placeholders
            else:
                self._engine_kind = user_input.get(CONF_ENGINE)
                if self._entered[CONF_EMERGENCY]:
                    return await self.async_step_emergency()
                return await self.async_choose_engine(self._engine_kind, self._entered)
        options = self.config_entry.options
        shown = user_input or {
            CONF_ENGINE: EngineKind.AUTOMATIC.value,
            **options,
            SECTION_BLOCKING: options,
            SECTION_LOG: options,
            SECTION_RINGING: {
                field: options[field]
                for field in map(str, _RINGING_FIELDS)
                if options.get(field) is not None
            },
            **options_form.suggested(options, self._book()),
            **sound_options.suggested(options),
        }
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_OPTIONS_SCHEMA, shown),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_emergency(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Name the risks of emergency calls, and have them confirmed."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[options_form.CONF_UNDERSTOOD]:
                switch = {
                    CONF_EMERGENCY_FROM_AUTOMATION: user_input[CONF_EMERGENCY_FROM_AUTOMATION]
                }
                return await self.async_choose_engine(
                    self._engine_kind, {**self._entered, **switch}
                )
            errors = {options_form.CONF_UNDERSTOOD: "emergency_not_confirmed"}
        options = self.config_entry.options
        shown = user_input or {
            options_form.CONF_UNDERSTOOD: options.get(CONF_EMERGENCY, False),
            CONF_EMERGENCY_FROM_AUTOMATION: options.get(CONF_EMERGENCY_FROM_AUTOMATION, False),
        }
        return self.async_show_form(
            step_id="emergency",
            data_schema=self.add_suggested_values_to_schema(options_form.EMERGENCY_SCHEMA, shown),
            errors=errors,
        )

    def _kept(self, entered: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is kept of what was entered; raises InputError, OptionError."""
        blocking, ringing = entered[SECTION_BLOCKING], entered[SECTION_RINGING]
        if own_players(self.hass, ringing[CONF_RING_PLAYERS]):
            raise InputError(CONF_RING_PLAYERS, "ring_player_own")
        return {
            # What the switches set stays.
            **self.config_entry.options,
            **{key: entered[key] for key in _PLAIN_OPTIONS},
            CONF_DOOR_PHONES: _numbers(entered, CONF_DOOR_PHONES, normalize),
            **blocking,
            CONF_BLOCKED_CALLERS: _numbers(blocking, CONF_BLOCKED_CALLERS, number_or_pattern),
            **entered[SECTION_LOG],
            CONF_RING_PLAYERS: ringing[CONF_RING_PLAYERS],
            # A volume that is taken out of the field is not in what was entered.
            CONF_RING_VOLUME: ringing.get(CONF_RING_VOLUME),
            **options_form.read(entered, self.config_entry.data[CONF_GATEWAY]),
            **sound_options.read(entered),
        }

    def _book(self) -> Book:
        """Return the extensions as calls have corrected them, or as they were entered."""
        if self.config_entry.state is ConfigEntryState.LOADED:
            line: Line = self.config_entry.runtime_data
            return line.dialler.book
        return DiallingOptions.read(self.config_entry.options).book


def _numbers(entered: Mapping[str, Any], field: str, read: Callable[[str], str]) -> list[str]:
    """Return the numbers of a field, each once; raises InputError."""
    try:
        return list(dict.fromkeys(map(read, entered[field])))
    except NumberInvalidError as error:
        raise InputError(field, error.reason, **error.placeholders) from error


def _entry_data(entered: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of what was entered; raises InputError and AddressError."""
    port = entered.get(SECTION_ADVANCED, entered).get(CONF_PORT, DEFAULT_PORT)
    return {
        CONF_GATEWAY: address.normalize(_plain(entered[CONF_GATEWAY])),
        CONF_EXTENSION: _checked(entered, CONF_EXTENSION, _EXTENSION, "extension_invalid"),
        CONF_USER_ID: _checked(entered, CONF_USER_ID, _USER_ID, "user_id_invalid"),
        CONF_PASSWORD: entered[CONF_PASSWORD],
        CONF_FAMILY: entered[CONF_FAMILY],
        CONF_PORT: port,
    }


def _plain(text: str) -> str:
    """Return what was typed, without full-width characters and spaces around it."""
    return unicodedata.normalize("NFKC", text).strip()


def _checked(entered: Mapping[str, Any], field: str, pattern: re.Pattern[str], reason: str) -> str:
    """Return a field that looks as it must; raises InputError."""
    text = _plain(entered[field])
    if not pattern.fullmatch(text):
        raise InputError(field, reason)
    return text


def _field_of(error: TelephonyError) -> str:
    """Return the field at which a person has to look."""
    if isinstance(error, AddressError):
        return CONF_GATEWAY
    if isinstance(error, CredentialsRejectedError):
        return CONF_PASSWORD
    if isinstance(error, ExtensionUnavailableError):
        return CONF_EXTENSION
    return "base"
