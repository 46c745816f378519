"""Messages to contacts: each is called, and hears it."""

from typing import override

from homeassistant.components.notify import (
    NotifyEntity,
    NotifyEntityDescription,
    NotifyEntityFeature,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .contact_entities import ContactEntities, ContactEntity
from .contacts import Contact
from .exceptions import call_failed, translated, translated_errors, wrong_input
from .line import HikariConfigEntry
from .sentences import error_in_words, failure_in_words
from .speaking import Attempt, Errand, Words, run_errand
from .telephony.calls import EndReason
from .telephony.numbers import format_number

# A message to several contacts calls one after the other: a line has one call at a time.
PARALLEL_UPDATES = 1

_MESSAGE = NotifyEntityDescription(key="message", translation_key="message")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the notify platform."""
    ContactEntities(hass, entry, async_add_entities, ContactMessage).async_start()


class ContactMessage(ContactEntity, NotifyEntity):
    """Calls a contact and says a message, in the contact's language."""

    _attr_supported_features = NotifyEntityFeature.TITLE

    def __init__(self, entry: HikariConfigEntry, contact: Contact) -> None:
        """Tie the entity to the contact."""
        super().__init__(entry, contact, _MESSAGE)

    @property
    @override
    def available(self) -> bool:
        """Tell that a message can be sent at any time.

        Home Assistant passes over what is unavailable without a word; that a message did not
        arrive has to be an error.
        """
        return True

    @override
    async def async_send_message(self, message: str, title: str | None = None) -> None:
        """Call number after number until one has heard the message to its end.

        An automation's rules hold whoever asks. Raises why nobody heard it.
        """
        words = Words(
            message=message.strip(),
            title=(title or "").strip(),
            language=self.contact.language,
        )
        if not words.message and not words.title:
            raise wrong_input("message_missing", name=self.contact.name)
        errand = Errand(numbers=self.contact.numbers_to_dial, words=words)
        with translated_errors():
            report = await run_errand(self.line, errand)
        if not report.done:
            raise self._failure(report.attempts)

    def _failure(self, attempts: tuple[Attempt, ...]) -> HomeAssistantError:
        """Return why nobody heard the message: the reason of the one number, or those of all."""
        if len(attempts) == 1:
            (attempt,) = attempts
            if attempt.error is not None:
                return translated(attempt.error)
            return call_failed(_end_reason(attempt), format_number(attempt.number))
        return HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="contact_not_reached",
            translation_placeholders={
                "name": self.contact.name,
                "reasons": " ".join(dict.fromkeys(map(self._in_words, attempts))),
            },
        )

    def _in_words(self, attempt: Attempt) -> str:
        """Return what became of a call as a sentence."""
        if attempt.error is not None:
            return error_in_words(self.hass, attempt.error)
        number = format_number(attempt.number)
        return failure_in_words(self.hass, _end_reason(attempt), number)


def _end_reason(attempt: Attempt) -> EndReason:
    """Return why a call ended; one that is hung up here without an answer may not be over yet."""
    return EndReason(attempt.reason) if attempt.reason else EndReason.NO_ANSWER
