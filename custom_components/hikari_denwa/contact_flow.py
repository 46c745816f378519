"""Adding, changing and importing contacts in the user interface."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    FileSelector,
    FileSelectorConfig,
    LanguageSelector,
    LanguageSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .address_book import address_book
from .const import SECTION_MORE
from .contact_files import FileUnreadableError, ReadContacts, read_contacts
from .contacts import (
    CONF_DIAL_BUTTON,
    CONF_GROUP,
    CONF_LANGUAGE,
    CONF_NUMBERS,
    CONF_PICTURE,
    CONF_READING,
    CONF_RING_RULE,
    CONF_SHOW_NUMBER,
    Contact,
    RingRule,
    number_or_pattern,
)
from .telephony.errors import NumberInvalidError

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

CONF_FILE: Final = "file"
_NAMED_SKIPPED: Final = 10
_TEXT = TextSelector()
_RING_RULE = SelectSelector(
    SelectSelectorConfig(
        options=[rule.value for rule in RingRule],
        translation_key=CONF_RING_RULE,
        mode=SelectSelectorMode.DROPDOWN,
    )
)


class ContactSubentryFlow(ConfigSubentryFlow):
    """Asks for one contact, or for a file of many."""

    async def async_step_user(
        self, _user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask whether to enter one or to import."""
        return self.async_show_menu(step_id="user", menu_options=["contact", "import"])

    async def async_step_contact(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Add a contact."""
        return self._contact_step("contact", user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change a contact."""
        return self._contact_step("reconfigure", user_input)

    async def async_step_import(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take the contacts of a vCard or CSV file."""
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                read = await self.hass.async_add_executor_job(self._uploaded, user_input[CONF_FILE])
            except FileUnreadableError:
                errors = {CONF_FILE: "contacts_unreadable"}
            else:
                return await self._import(read, dial_buttons=user_input[CONF_DIAL_BUTTON])
        schema = vol.Schema(
            {
                vol.Required(CONF_FILE): FileSelector(
                    FileSelectorConfig(accept=".vcf,.csv,.txt,text/vcard,text/csv")
                ),
                vol.Required(CONF_DIAL_BUTTON, default=False): BooleanSelector(),
            }
        )
        return self.async_show_form(step_id="import", data_schema=schema, errors=errors)

    def _contact_step(self, step: str, user_input: Mapping[str, Any] | None) -> SubentryFlowResult:
        """Show the form of a contact, and keep what was entered if it can be."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            name = " ".join(user_input[CONF_NAME].split())
            if not name:
                errors[CONF_NAME] = "contact_name_missing"
            try:
                contact = _entered(name, user_input)
            except NumberInvalidError as error:
                errors[CONF_NUMBERS], placeholders = error.reason, error.placeholders
            else:
                if not contact.numbers:
                    errors[CONF_NUMBERS] = "contact_numbers_missing"
                elif not errors:
                    return self._keep(contact)
        shown = user_input
        if shown is None and self.source == SOURCE_RECONFIGURE:
            subentry = self._get_reconfigure_subentry()
            kept = {CONF_NAME: subentry.title, **subentry.data}
            shown = {**kept, SECTION_MORE: kept}
        elif shown is None:
            # A list that is empty shows no field to type into.
            shown = {CONF_NUMBERS: [""]}
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(self._schema(), shown),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _keep(self, contact: Contact) -> SubentryFlowResult:
        """Add the contact, or change the one that is being changed."""
        if self.source != SOURCE_RECONFIGURE:
            return self.async_create_entry(title=contact.name, data=contact.as_data())
        return self.async_update_and_abort(
            self._get_entry(),
            self._get_reconfigure_subentry(),
            title=contact.name,
            data=contact.as_data(),
        )

    async def _import(self, read: ReadContacts, *, dial_buttons: bool) -> SubentryFlowResult:
        """Take what was read, and tell what came of it."""
        imported = await address_book(self.hass).async_import(
            self._get_entry(), with_dial_buttons(read, wanted=dial_buttons)
        )
        skipped = read.skipped[:_NAMED_SKIPPED]
        if len(read.skipped) > len(skipped):
            skipped.append("…")
        return self.async_abort(
            reason="contacts_imported",
            description_placeholders={
                "added": str(imported.added),
                "updated": str(imported.updated),
                "skipped": str(len(read.skipped)),
                "names": ", ".join(skipped) or "–",
            },
        )

    def _uploaded(self, file_id: str) -> ReadContacts:
        """Read what was uploaded, if it is still there; runs in the executor."""
        try:
            with process_uploaded_file(self.hass, file_id) as path:
                return read_contacts(path.read_bytes())
        except ValueError as error:
            raise FileUnreadableError from error

    def _schema(self) -> vol.Schema:
        """Return the fields of a contact; the groups that exist are offered."""
        group = SelectSelector(
            SelectSelectorConfig(
                options=address_book(self.hass).groups(),
                custom_value=True,
                mode=SelectSelectorMode.DROPDOWN,
            )
        )
        more = {
            vol.Optional(CONF_PICTURE): _TEXT,
            vol.Optional(CONF_LANGUAGE): LanguageSelector(LanguageSelectorConfig()),
            vol.Required(CONF_SHOW_NUMBER, default=False): BooleanSelector(),
            vol.Required(CONF_DIAL_BUTTON, default=True): BooleanSelector(),
        }
        return vol.Schema(
            {
                vol.Required(CONF_NAME): _TEXT,
                vol.Optional(CONF_READING): _TEXT,
                vol.Required(CONF_NUMBERS): TextSelector(
                    TextSelectorConfig(type=TextSelectorType.TEL, multiple=True)
                ),
                vol.Optional(CONF_GROUP): group,
                vol.Required(CONF_RING_RULE, default=RingRule.NORMAL.value): _RING_RULE,
                vol.Required(SECTION_MORE): section(vol.Schema(more), {"collapsed": True}),
            }
        )


def with_dial_buttons(read: ReadContacts, *, wanted: bool) -> list[Contact]:
    """Return what was read, with a button for each contact or without."""
    return [replace(contact, dial_button=wanted) for contact in read.contacts]


def _entered(name: str, entered: Mapping[str, Any]) -> Contact:
    """Return the contact of a form; raises NumberInvalidError."""
    more = entered[SECTION_MORE]
    numbers = (number_or_pattern(number) for number in entered[CONF_NUMBERS] if number.strip())
    return Contact(
        name=name,
        numbers=tuple(dict.fromkeys(numbers)),
        reading=_text(entered, CONF_READING),
        group=_text(entered, CONF_GROUP),
        ring_rule=RingRule(entered[CONF_RING_RULE]),
        picture=_text(more, CONF_PICTURE),
        language=more.get(CONF_LANGUAGE),
        show_number=more[CONF_SHOW_NUMBER],
        dial_button=more[CONF_DIAL_BUTTON],
    )


def _text(entered: Mapping[str, Any], field: str) -> str | None:
    """Return what was written in a field, None if nothing."""
    return " ".join(entered.get(field, "").split()) or None
