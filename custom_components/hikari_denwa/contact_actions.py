"""What the actions for contacts do, and the address from which an export is fetched."""

from collections.abc import Iterable
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.components.http.auth import async_sign_path
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from yarl import URL

from .address_book import address_book
from .const import DOMAIN
from .contact_files import ContactFormat, FileUnreadableError, read_contacts, write_contacts
from .contact_flow import with_dial_buttons
from .contacts import CONF_DIAL_BUTTON, CONF_GROUP, Contact

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
else:
    import voluptuous as vol

ATTR_CONTENT: Final = "content"
ATTR_FORMAT: Final = "format"

IMPORT_FIELDS: Final = {
    vol.Required(ATTR_CONTENT): cv.string,
    vol.Optional(CONF_DIAL_BUTTON, default=False): cv.boolean,
}
EXPORT_FIELDS: Final = {
    vol.Optional(ATTR_FORMAT, default=ContactFormat.VCARD.value): vol.Coerce(ContactFormat),
    vol.Optional(CONF_GROUP): cv.string,
}

_EXPORT_URL: Final = f"/api/{DOMAIN}/contacts/{{file}}"
_EXPORT_LIFE: Final = timedelta(minutes=10)
_FILES: Final = {
    ContactFormat.VCARD: ("contacts.vcf", "text/vcard"),
    ContactFormat.CSV: ("contacts.csv", "text/csv"),
}


async def import_contacts(
    hass: HomeAssistant, entry: ConfigEntry, content: str, *, dial_buttons: bool
) -> dict[str, Any]:
    """Take contacts into a line, and tell how many."""
    try:
        read = await hass.async_add_executor_job(read_contacts, content.encode())
    except FileUnreadableError as error:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="contacts_unreadable"
        ) from error
    imported = await address_book(hass).async_import(
        entry, with_dial_buttons(read, wanted=dial_buttons)
    )
    return {"added": imported.added, "updated": imported.updated, "skipped": read.skipped}


async def export_contacts(
    hass: HomeAssistant, form: ContactFormat, group: str | None
) -> dict[str, Any]:
    """Return the file of the contacts, and where it can be fetched for ten minutes."""
    chosen = _chosen(hass, group)
    content = await hass.async_add_executor_job(write_contacts, chosen, form)
    url = URL(_EXPORT_URL.format(file=_FILES[form][0]))
    if group is not None:
        url = url.with_query(group=group)
    return {
        "count": len(chosen),
        "content": content,
        "path": async_sign_path(hass, str(url), _EXPORT_LIFE, use_content_user=True),
    }


class ContactsView(HomeAssistantView):
    """Serves the contacts as a file, to who is logged in or was given a signed address."""

    url = _EXPORT_URL
    name = f"api:{DOMAIN}:contacts"

    async def get(self, request: web.Request, file: str) -> web.Response:
        """Return the file."""
        hass = request.app[KEY_HASS]
        for form, (name, content_type) in _FILES.items():
            if name == file:
                chosen = _chosen(hass, request.query.get(CONF_GROUP))
                return web.Response(
                    text=await hass.async_add_executor_job(write_contacts, chosen, form),
                    content_type=content_type,
                    charset="utf-8",
                    headers={"Content-Disposition": f'attachment; filename="{name}"'},
                )
        return web.Response(status=HTTPStatus.NOT_FOUND)


@callback
def _chosen(hass: HomeAssistant, group: str | None) -> list[Contact]:
    """Return the contacts of a group, or all."""
    contacts: Iterable[Contact] = address_book(hass).contacts
    return [contact for contact in contacts if group is None or contact.group == group]
