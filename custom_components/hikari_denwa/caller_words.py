"""What a caller hears of the home: words that the owner wrote, or the usual ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from homeassistant.helpers.template import Template

from .calls import Call
from .playable import Sound, media_sound, prepared, speech_sound
from .sentences import sentence

if TYPE_CHECKING:
    from .line import Line

_MEDIA: Final = ("media-source://", "http://", "https://")


@dataclass(frozen=True, kw_only=True)
class CallerWords:
    """A template of words or of a media address, the key of the usual words, what both may name."""

    written: str
    usual: str
    values: Mapping[str, str] = field(default_factory=dict)


async def caller_words(line: Line, call: Call, words: CallerWords) -> Sound:
    """Return words for a caller as a sound that begins at once.

    Raises TemplateError and SoundErrors.
    """
    hass, contact = line.hass, call.contact
    said = words.written
    if said:
        said = str(
            Template(said, hass).async_render(
                {
                    "who": line.who(call),
                    "number": call.number,
                    "name": call.name,
                    "reading": contact.reading if contact else None,
                    "group": contact.group if contact else None,
                    "language": contact.language if contact else None,
                    "caller_id": call.caller_id.value,
                    "called_number": call.called,
                    "internal": call.internal,
                    **words.values,
                },
                parse_result=False,
            )
        ).strip()
    if not said:
        said = sentence(hass, words.usual, **words.values)
    sound = media_sound(hass, said) if said.startswith(_MEDIA) else speech_sound(hass, said)
    return await prepared(sound)
