"""Buttons of a line: answer, hang up, dial the number that was entered, call a contact."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .contact_entities import ContactEntities, ContactEntity
from .contacts import Contact
from .dialling import async_is_person
from .entity import HikariEntity, StandingEntity
from .exceptions import translated_errors
from .line import HikariConfigEntry, Line
from .self_test import async_self_test_and_notify
from .support import async_offer_trace

# A person who hangs up must not wait for a call that is being placed.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class LineButtonDescription(ButtonEntityDescription):
    """Describes a button by what it asks of the line, told whether a person presses it.

    ``always`` if that needs no gateway.
    """

    always: bool = False
    press_fn: Callable[[Line, bool], Coroutine[Any, Any, object]]


_BUTTONS = (
    LineButtonDescription(
        key="answer",
        translation_key="answer",
        press_fn=lambda line, _: line.async_answer(),
    ),
    LineButtonDescription(
        key="hang_up",
        translation_key="hang_up",
        press_fn=lambda line, _: line.async_hang_up(),
    ),
    LineButtonDescription(
        key="dial",
        translation_key="dial",
        press_fn=lambda line, person: line.async_dial(line.number_to_dial, person=person),
    ),
    LineButtonDescription(
        key="mark_calls_seen",
        translation_key="mark_calls_seen",
        always=True,
        press_fn=lambda line, _: line.async_mark_calls_seen(),
    ),
)

_CALL_CONTACT = ButtonEntityDescription(key="call_contact", translation_key="call_contact")
_TRACE = ButtonEntityDescription(
    key="trace",
    translation_key="trace",
    entity_category=EntityCategory.DIAGNOSTIC,
)
_SELF_TEST = ButtonEntityDescription(
    key="self_test",
    translation_key="self_test",
    entity_category=EntityCategory.DIAGNOSTIC,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the button platform."""
    async_add_entities(LineButton(entry, description) for description in _BUTTONS)
    ContactEntities(hass, entry, async_add_entities, DialButton).async_start()
    async_add_entities([TraceButton(entry, _TRACE), SelfTestButton(entry, _SELF_TEST)])


class LineButton(HikariEntity, ButtonEntity):
    """Asks something of the line; what makes no sense now is told by an error."""

    entity_description: LineButtonDescription

    @property
    @override
    def available(self) -> bool:
        """Tell whether the line can do it now."""
        return self.entity_description.always or super().available

    @override
    async def async_press(self) -> None:
        """Ask it."""
        person = await async_is_person(self.hass, self._context)
        with translated_errors():
            await self.entity_description.press_fn(self.line, person)


class DialButton(ContactEntity, ButtonEntity):
    """Calls a contact over the line that owns it."""

    def __init__(self, entry: HikariConfigEntry, contact: Contact) -> None:
        """Tie the button to the contact."""
        super().__init__(entry, contact, _CALL_CONTACT)

    @override
    async def async_press(self) -> None:
        """Call the contact's first number."""
        person = await async_is_person(self.hass, self._context)
        with translated_errors():
            await self.line.async_dial(self.contact.number_to_dial or "", person=person)


class SupportButton(StandingEntity, ButtonEntity):
    """A button that is of most use while the line is down."""


class TraceButton(SupportButton):
    """Offers the last SIP messages as a file."""

    @override
    async def async_press(self) -> None:
        """Offer it."""
        await async_offer_trace(self.line)


class SelfTestButton(SupportButton):
    """Tests the line with a call to the time signal."""

    @override
    async def async_press(self) -> None:
        """Test it; an automation that presses the button is refused."""
        with translated_errors():
            await async_self_test_and_notify(self.line, self._context)
