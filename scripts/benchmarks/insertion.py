"""How whole a sentence arrives that is played into a call, in peace and with the loop blocked."""

import asyncio
import wave

from scripts.benchmarks.figures import Figure, rounded
from scripts.benchmarks.rig import MEDIA, Rig
from scripts.home_assistant import HomeAssistantError
from tests.home_gateway.likeness import spoken

ROUNDS = 5
RATE = 44100
SECONDS = 2.5
NAME = "sentence.wav"
_PLAYED_SECONDS = 6.0
_TRIES = 20
_BETWEEN_TRIES_SECONDS = 0.1


async def measure(rig: Rig) -> list[Figure]:
    """Play a sentence into calls, as soon as each is answered; the worst one counts."""
    _write_sentence()
    heard = [await _one(rig) for _ in range(ROUNDS)]
    async with rig.blocked_loop():
        heard += [await _one(rig) for _ in range(ROUNDS)]
    levels = [one["level_db"] for one in heard]
    clipped = [max(one["start_clipped_ms"], one["end_clipped_ms"]) for one in heard]
    missing = [one["missing_ms"] for one in heard]
    context = (
        f"the worst of {len(heard)} sentences of {SECONDS} s, half of them with a blocked loop"
    )
    return [
        Figure(
            name="insert_level_db",
            value=rounded(max(levels, key=abs)),
            unit="dB",
            context=context,
        ),
        Figure(
            name="insert_clipped_ms",
            value=rounded(max(clipped)),
            unit="ms",
            context=f"{context}; missing at the ends or between: {max(missing):.0f} ms",
        ),
    ]


async def _one(rig: Rig) -> dict[str, float]:
    """Play the sentence into one call, and return what became of it."""
    await rig.call()
    await rig.far_end.ask("answered")
    await _play(rig)
    await asyncio.sleep(_PLAYED_SECONDS)
    heard = await rig.far_end.ask("heard_sentence", seconds=SECONDS)
    await rig.far_end.ask("end_call")
    return heard


async def _play(rig: Rig) -> None:
    """Play as soon as Home Assistant knows of the answer, which a blocked loop learns late."""
    for tries_left in reversed(range(_TRIES)):
        try:
            await rig.client.command(
                "call_service",
                domain="media_player",
                service="play_media",
                service_data={
                    "entity_id": rig.entities["media_player.call_sound"],
                    "media_content_id": f"media-source://media_source/local/{NAME}",
                    "media_content_type": "music",
                },
            )
        except HomeAssistantError:
            if not tries_left:
                raise
            await asyncio.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return


def _write_sentence() -> None:
    """Put the sentence where Home Assistant looks for media."""
    MEDIA.mkdir(parents=True, exist_ok=True)
    with wave.open(str(MEDIA / NAME), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(spoken(RATE, SECONDS))
