"""The home's one address book: the contacts of all lines, kept as subentries of theirs."""

import asyncio
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigSubentry,
)
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, SUBENTRY_CONTACT
from .contacts import Contact, ContactIndex

_IMPORTED_AT_ONCE = 20

type BookListener = Callable[[ConfigEntry], None]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """How many contacts came new, and how many that were there were completed."""

    added: int = 0
    updated: int = 0


class AddressBook:
    """Follows the subentries of every line; a line that is down still names its contacts."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Read what is there, and follow what changes until Home Assistant ends."""
        self._hass = hass
        self._index = ContactIndex()
        self._known: dict[str, dict[str, tuple[str, MappingProxyType[str, object]]]] = {}
        self._listeners: list[BookListener] = []
        self._importing = False
        for entry in hass.config_entries.async_entries(DOMAIN):
            self._read(entry)
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed)

    @property
    def contacts(self) -> ContactIndex:
        """Return all contacts."""
        return self._index

    @callback
    def find(self, number: str | None, line: str | None = None) -> Contact | None:
        """Return who has a number; a contact of the line goes before those of others."""
        return self._index.find(number, line)

    @callback
    def named(self, name: str) -> list[Contact]:
        """Return the contacts of a name, however it is written in capitals or full-width."""
        wanted = _plain(name)
        return [contact for contact in self._index if _plain(contact.name) == wanted]

    @callback
    def groups(self) -> list[str]:
        """Return the names of all groups."""
        return sorted({contact.group for contact in self._index if contact.group})

    @callback
    def subscribe(self, listener: BookListener) -> CALLBACK_TYPE:
        """Call the listener with the entry whose contacts changed; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def async_import(self, entry: ConfigEntry, contacts: Iterable[Contact]) -> Imported:
        """Take contacts into a line; one with a number that the line knows completes that contact.

        What a person set here stays: a file adds numbers, and what was not known. Many are
        taken in small portions, so that a call meanwhile need not wait.
        """
        added = updated = 0
        self._importing = True
        try:
            for count, contact in enumerate(contacts, start=1):
                if known := self._same(entry, contact):
                    updated += self._complete(entry, known, contact)
                else:
                    self._add(entry, contact)
                    added += 1
                if count % _IMPORTED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            self._importing = False
            self._read(entry)
            self._tell(entry)
        return Imported(added=added, updated=updated)

    def _same(self, entry: ConfigEntry, contact: Contact) -> Contact | None:
        """Return the contact of the line that has one of the numbers just so."""
        for number in contact.numbers:
            known = self._index.find(number, entry.entry_id)
            if known and known.line == entry.entry_id and number in known.numbers:
                return known
        return None

    def _add(self, entry: ConfigEntry, contact: Contact) -> None:
        """Keep a new contact."""
        subentry = ConfigSubentry(
            data=MappingProxyType(contact.as_data()),
            subentry_type=SUBENTRY_CONTACT,
            title=contact.name,
            unique_id=None,
        )
        self._hass.config_entries.async_add_subentry(entry, subentry)
        self._keep(entry, subentry, replace(contact, id=subentry.subentry_id, line=entry.entry_id))

    def _complete(self, entry: ConfigEntry, known: Contact, contact: Contact) -> bool:
        """Add to a contact what it lacks; tell whether that was anything."""
        completed = replace(
            known,
            numbers=tuple(dict.fromkeys((*known.numbers, *contact.numbers))),
            reading=known.reading or contact.reading,
            group=known.group or contact.group,
            picture=known.picture or contact.picture,
            language=known.language or contact.language,
        )
        if completed == known:
            return False
        subentry = entry.subentries[known.id]
        self._hass.config_entries.async_update_subentry(entry, subentry, data=completed.as_data())
        self._keep(entry, subentry, completed)
        return True

    def _keep(self, entry: ConfigEntry, subentry: ConfigSubentry, contact: Contact) -> None:
        """Take over a contact that was just written, so that it need not be read again."""
        known = self._known.setdefault(entry.entry_id, {})
        known[subentry.subentry_id] = (subentry.title, subentry.data)
        self._index.put(contact)

    @callback
    def _entry_changed(self, change: ConfigEntryChange, entry: ConfigEntry) -> None:
        """Take over the contacts of an entry that is new, changed or gone."""
        if entry.domain != DOMAIN or self._importing:
            return
        if self._read(entry, gone=change is ConfigEntryChange.REMOVED):
            self._tell(entry)

    def _tell(self, entry: ConfigEntry) -> None:
        """Tell the listeners that contacts of an entry changed."""
        for listener in tuple(self._listeners):
            listener(entry)

    def _read(self, entry: ConfigEntry, *, gone: bool = False) -> bool:
        """Bring the index up to date; tell whether it was not."""
        before = self._known.get(entry.entry_id, {})
        now = {
            subentry.subentry_id: (subentry.title, subentry.data)
            for subentry in (() if gone else entry.subentries.values())
            if subentry.subentry_type == SUBENTRY_CONTACT
        }
        if now == before:
            return False
        self._known[entry.entry_id] = now
        for contact_id in before.keys() - now.keys():
            self._index.remove(contact_id)
        for contact_id, (title, data) in now.items():
            if before.get(contact_id) != (title, data):
                self._index.put(Contact.from_data(title, data, id=contact_id, line=entry.entry_id))
        return True


def _plain(name: str) -> str:
    """Return a name as it is compared."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


DATA_ADDRESS_BOOK: HassKey[AddressBook] = HassKey(f"{DOMAIN}_address_book")


@callback
def address_book(hass: HomeAssistant) -> AddressBook:
    """Return the address book of this Home Assistant."""
    if (book := hass.data.get(DATA_ADDRESS_BOOK)) is None:
        book = hass.data[DATA_ADDRESS_BOOK] = AddressBook(hass)
    return book


@callback
def async_hand_over(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Move the contacts of a line that is being removed to another line, if there is one."""
    heir = next(
        (
            other
            for other in hass.config_entries.async_entries(DOMAIN, include_ignore=False)
            if other.entry_id != entry.entry_id
        ),
        None,
    )
    if heir is None:
        return

    @callback
    def move(change: ConfigEntryChange, removed: ConfigEntry) -> None:
        """Move them once nothing of the old line has the entity ids that they get again."""
        if change is not ConfigEntryChange.REMOVED or removed is not entry:
            return
        stop()
        for subentry in entry.subentries.values():
            if subentry.subentry_type == SUBENTRY_CONTACT:
                moved = ConfigSubentry(
                    data=subentry.data,
                    subentry_type=SUBENTRY_CONTACT,
                    title=subentry.title,
                    unique_id=None,
                )
                hass.config_entries.async_add_subentry(heir, moved)

    stop = async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, move)
