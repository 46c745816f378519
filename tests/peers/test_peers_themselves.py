"""The peers among themselves: what these tests stand on is shown to work without the engine."""

import asyncio
from pathlib import Path

import pytest

from . import sound
from .baresip import Baresip
from .kamailio import ENGINE, Kamailio
from .processes import needs

pytestmark = needs("kamailio", "baresip")


@pytest.mark.asyncio(loop_scope="module")
async def test_two_phones_hear_each_other(
    kamailio: Kamailio, phone: Baresip, tmp_path: Path
) -> None:
    """A call between two phones carries each one's tone to the other, through the proxy."""
    async with Baresip(tmp_path / "other", kamailio, ENGINE, frequency=600) as other:
        await other.dial("7")
        await phone.event("CALL_INCOMING")
        await phone.accept()
        await other.event("CALL_ESTABLISHED")
        await asyncio.sleep(1.5)
        await other.hang_up()
        await phone.event("CALL_CLOSED")
        assert sound.tone_share(await phone.heard(), 600) > 0.8
        assert sound.tone_share(await other.heard(), 1000) > 0.8
    await kamailio.line("ACK in dialog")
    await kamailio.line("BYE in dialog")
    assert not kamailio.said("unrouted")


def test_a_tone_is_told_from_silence_and_other_tones() -> None:
    """The measure itself: whole, with a gap, silent, and at another frequency."""
    whole = sound.tone(600, 2)
    assert sound.tone_share(whole, 600) == 1.0
    assert sound.tone_share(whole, 700) == 0.0
    assert sound.tone_share([0] * 16000, 600) == 0.0
    assert sound.tone_share(whole[:8000] + [0] * 8000, 600) == 0.5
    coded = b"".join(sound.ulaw_frames(whole))
    assert sound.tone_share(sound.from_ulaw(coded), 600) == 1.0


def test_keys_are_told_from_other_sound() -> None:
    """The measure itself: both tones at once, one alone, none, and speechless mixtures."""
    pause = [0] * 800
    samples: list[int] = []
    for low, high in ((770, 1209), (941, 1477), (941, 1477)):
        samples += [a + b for a, b in zip(sound.tone(low, 0.1), sound.tone(high, 0.1), strict=True)]
        samples += pause
    assert sound.keys(samples) == "4##"
    assert not sound.keys(sound.tone(1209, 1) + pause + sound.tone(1000, 1))
