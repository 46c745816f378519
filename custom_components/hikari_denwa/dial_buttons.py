"""A button for each contact that places a call, on a device that bears the contact's name."""

import asyncio
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .address_book import AddressBook, address_book
from .const import DOMAIN
from .contacts import Contact
from .dialling import async_is_person
from .entity import HikariEntity
from .exceptions import translated_errors
from .line import HikariConfigEntry

_CALL_CONTACT = ButtonEntityDescription(key="call_contact", translation_key="call_contact")


class DialButton(HikariEntity, ButtonEntity):
    """Calls a contact over the line that owns it."""

    def __init__(self, entry: HikariConfigEntry, contact: Contact) -> None:
        """Tie the button to the contact, whatever its name and numbers become."""
        super().__init__(entry, _CALL_CONTACT)
        self.contact = contact
        self._attr_unique_id = f"{entry.entry_id}_{contact.id}_{_CALL_CONTACT.key}"
        self._attr_entity_picture = contact.picture
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, contact.id)},
            name=contact.name,
            entry_type=DeviceEntryType.SERVICE,
        )

    @override
    async def async_press(self) -> None:
        """Call the contact's first number."""
        person = await async_is_person(self.hass, self._context)
        with translated_errors():
            await self.line.async_dial(self.contact.number_to_dial or "", person=person)


class DialButtons:
    """Keeps the buttons of a line's contacts as the contacts are, without a reload."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: HikariConfigEntry,
        async_add_entities: AddConfigEntryEntitiesCallback,
    ) -> None:
        """Keep where the buttons go; none is there yet."""
        self._hass = hass
        self._entry = entry
        self._add_entities = async_add_entities
        self._book: AddressBook = address_book(hass)
        self._buttons: dict[str, DialButton] = {}
        self._lock = asyncio.Lock()

    @callback
    def async_start(self) -> None:
        """Add the buttons that there are, and follow the address book."""
        for contact in self._wanted().values():
            self._add(contact)
        self._entry.async_on_unload(self._book.subscribe(self._book_changed))

    def _wanted(self) -> dict[str, Contact]:
        """Return the line's contacts that have a button."""
        return {
            contact.id: contact
            for contact in self._book.contacts
            if contact.line == self._entry.entry_id
            and contact.dial_button
            and contact.number_to_dial
        }

    def _add(self, contact: Contact) -> None:
        """Add a contact's button."""
        button = self._buttons[contact.id] = DialButton(self._entry, contact)
        self._add_entities([button], config_subentry_id=contact.id)

    @callback
    def _book_changed(self, entry: ConfigEntry) -> None:
        """Follow a change of the line's own contacts."""
        if entry.entry_id == self._entry.entry_id:
            self._entry.async_create_task(self._hass, self._update(), f"{DOMAIN} dial buttons")

    async def _update(self) -> None:
        """Take away, add and replace what is not as it should be."""
        async with self._lock:
            wanted = self._wanted()
            for contact_id, button in tuple(self._buttons.items()):
                if button.contact == wanted.get(contact_id):
                    continue
                del self._buttons[contact_id]
                if contact_id in wanted:
                    await button.async_remove()
                else:
                    self._remove_device(contact_id)
            for contact_id, contact in wanted.items():
                if contact_id not in self._buttons:
                    self._add(contact)

    def _remove_device(self, contact_id: str) -> None:
        """Remove a contact's device, and its button with it."""
        registry = dr.async_get(self._hass)
        for device in dr.async_entries_for_config_entry(registry, self._entry.entry_id):
            if (DOMAIN, contact_id) in device.identifiers:
                registry.async_remove_device(device.id)
