"""Entities of contacts: on a device that bears the contact's name, kept as the contacts are."""

import asyncio
from collections.abc import Callable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .address_book import AddressBook, address_book
from .const import DOMAIN
from .contacts import Contact
from .entity import HikariEntity
from .line import HikariConfigEntry


class ContactEntity(HikariEntity):
    """Does something with a contact over the line that owns it."""

    def __init__(
        self, entry: HikariConfigEntry, contact: Contact, description: EntityDescription
    ) -> None:
        """Tie the entity to the contact, whatever its name and numbers become."""
        super().__init__(entry, description)
        self.contact = contact
        self._attr_unique_id = f"{entry.entry_id}_{contact.id}_{description.key}"
        self._attr_entity_picture = contact.picture
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, contact.id)},
            name=contact.name,
            entry_type=DeviceEntryType.SERVICE,
        )


class ContactEntities:
    """Keeps a platform's entities of a line's contacts as the contacts are, without a reload."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: HikariConfigEntry,
        async_add_entities: AddConfigEntryEntitiesCallback,
        make: Callable[[HikariConfigEntry, Contact], ContactEntity],
    ) -> None:
        """Keep how the entities are made and where they go; none is there yet."""
        self._hass = hass
        self._entry = entry
        self._add_entities = async_add_entities
        self._make = make
        self._book: AddressBook = address_book(hass)
        self._entities: dict[str, ContactEntity] = {}
        self._lock = asyncio.Lock()

    @callback
    def async_start(self) -> None:
        """Add the entities that there are, and follow the address book."""
        for contact in self._wanted().values():
            self._add(contact)
        self._entry.async_on_unload(self._book.subscribe(self._book_changed))

    def _wanted(self) -> dict[str, Contact]:
        """Return the line's contacts that have a device."""
        return {
            contact.id: contact
            for contact in self._book.contacts
            if contact.line == self._entry.entry_id
            and contact.dial_button
            and contact.number_to_dial
        }

    def _add(self, contact: Contact) -> None:
        """Add a contact's entity."""
        entity = self._entities[contact.id] = self._make(self._entry, contact)
        self._add_entities([entity], config_subentry_id=contact.id)

    @callback
    def _book_changed(self, entry: ConfigEntry) -> None:
        """Follow a change of the line's own contacts."""
        if entry.entry_id == self._entry.entry_id:
            self._entry.async_create_task(self._hass, self._update(), f"{DOMAIN} contacts")

    async def _update(self) -> None:
        """Take away, add and replace what is not as it should be."""
        async with self._lock:
            wanted = self._wanted()
            for contact_id, entity in tuple(self._entities.items()):
                if entity.contact == wanted.get(contact_id):
                    continue
                del self._entities[contact_id]
                if contact_id in wanted:
                    await entity.async_remove()
                else:
                    self._remove_device(contact_id)
            for contact_id, contact in wanted.items():
                if contact_id not in self._entities:
                    self._add(contact)

    def _remove_device(self, contact_id: str) -> None:
        """Remove a contact's device, and its entities of every platform with it."""
        registry = dr.async_get(self._hass)
        for device in dr.async_entries_for_config_entry(registry, self._entry.entry_id):
            if (DOMAIN, contact_id) in device.identifiers:
                registry.async_remove_device(device.id)
