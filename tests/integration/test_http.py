"""The live stream of a call."""

import asyncio
import struct
from dataclasses import replace
from http import HTTPStatus
from unittest.mock import patch

import audioop
import pytest
from aiohttp import ClientResponse
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.http import StreamKind
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.audio.broadcast import Filler
from custom_components.hikari_denwa.telephony.audio.g711 import linear_to_ulaw, ulaw_to_linear
from custom_components.hikari_denwa.telephony.engine.protocol import SoundDirection, SoundFrame
from custom_components.hikari_denwa.telephony.errors import CallNotConnectedError

from .fake_engine import FakeEngine, connected, ended, far_sound, incoming

HEADER_BYTES = 44
TONE = bytes(range(160))
TONE_LINEAR = ulaw_to_linear(TONE)


async def path_of(hass: HomeAssistant) -> str:
    """Return the path of the current call's stream."""
    hass.config.internal_url = "http://192.168.1.10:8123"
    response = await hass.services.async_call(
        DOMAIN, "listen", {"while_ringing": "silence"}, blocking=True, return_response=True
    )
    assert response is not None
    return str(response["path"])


async def read_header(response: ClientResponse) -> None:
    """Read the WAV header and check it."""
    header = await response.content.readexactly(HEADER_BYTES)
    assert header[:4] == b"RIFF"
    assert header[8:16] == b"WAVEfmt "
    fmt = struct.unpack("<HHIIHH", header[20:36])
    assert fmt == (1, 1, 8000, 16000, 2, 16)


async def read_until(response: ClientResponse, wanted: bytes) -> bytes:
    """Read until the bytes wanted have come; returns what came before them."""
    got = b""
    async with asyncio.timeout(5):
        while wanted not in got:
            got += await response.content.readexactly(320)
    return got.removesuffix(wanted)


async def test_stream_of_a_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """From ringing to the end: silence, then the far side, then a clean end."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    response = await client.get(path)
    assert response.status == HTTPStatus.OK
    assert response.headers["Content-Type"] == "audio/wav"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Encoding" not in response.headers
    await read_header(response)
    silence = await response.content.readexactly(640)
    assert silence == bytes(640)
    assert engine.sent("stream_sound") == [("in-1", True)]

    listener.call_event(connected())
    await hass.async_block_till_done(wait_background_tasks=True)
    assert engine.sent("stream_sound") == [("in-1", True), ("in-1", True)]
    near = SoundFrame(direction=SoundDirection.NEAR, channel=1, number=0, payload=b"\x00" * 160)
    listener.sound(near)
    listener.sound(far_sound(b"\x00" * 160, channel=2))
    for _ in range(3):
        listener.sound(far_sound(TONE))
    before = await read_until(response, TONE_LINEAR * 3)
    assert set(before) <= {0}

    listener.call_event(ended())
    rest = await response.content.read()
    assert set(rest) <= {0}
    assert (await client.get(path)).status == HTTPStatus.NOT_FOUND


async def test_last_listener_switches_the_sound_off(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The engine sends sound only while somebody listens."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    first, second = await client.get(path), await client.get(path)
    await read_header(first)
    await read_header(second)
    live = line.live_stream(StreamKind(while_ringing=Filler.SILENCE))
    for response, left in ((first, 1), (second, 0)):
        response.close()
        async with asyncio.timeout(5):
            while live.listeners > left:
                listener.sound(far_sound(TONE))
                await asyncio.sleep(0.01)
        assert (("in-1", False) in engine.sent("stream_sound")) == (left == 0)
    assert engine.sent("stream_sound") == [("in-1", True), ("in-1", False)]


async def test_sound_that_cannot_be_switched(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A refusal of the engine leaves a stream of silence."""
    engine.errors["stream_sound"] = CallNotConnectedError()
    engine.client.listener().call_event(incoming())
    client = await hass_client_no_auth()
    response = await client.get(await path_of(hass))
    await read_header(response)
    assert await response.content.readexactly(320) == bytes(320)
    engine.client.listener().call_event(ended())
    await response.content.read()


async def test_burst_does_not_delay(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """What comes after its place was filled with silence is dropped: a player never lags behind."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    client = await hass_client_no_auth()
    response = await client.get(await path_of(hass))
    await read_header(response)
    listener.sound(far_sound(TONE, number=0))
    await read_until(response, TONE_LINEAR)
    filled = await response.content.readexactly(20 * len(TONE_LINEAR))
    assert set(filled) == {0}
    for number in range(1, 60):
        listener.sound(far_sound(TONE, number=number))
    listener.call_event(ended())
    sound = await response.content.read()
    played = sound.count(TONE_LINEAR)
    assert 0 < played <= 59 - 20
    assert sound.rindex(TONE_LINEAR) // len(TONE_LINEAR) == 59 - 20 - 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_unknown_token(
    hass: HomeAssistant, line: Line, hass_client_no_auth: ClientSessionGenerator, method: str
) -> None:
    """An address that was guessed is not found."""
    client = await hass_client_no_auth()
    response = await client.request(method, "/api/hikari_denwa/live/guessed.wav")
    assert response.status == HTTPStatus.NOT_FOUND


async def test_head(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A player that asks first is told what it would get, and no sound is switched on."""
    engine.client.listener().call_event(incoming())
    client = await hass_client_no_auth()
    response = await client.head(await path_of(hass))
    assert response.status == HTTPStatus.OK
    assert response.headers["Content-Type"] == "audio/wav"
    assert engine.sent("stream_sound") == []


async def test_every_call_has_its_own_address(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Addresses are not used again, and are long enough not to be guessed."""
    paths = set()
    for number in range(3):
        engine.client.listener().call_event(incoming(f"in-{number}"))
        paths.add(await path_of(hass))
        engine.client.listener().call_event(ended(f"in-{number}"))
    assert len(paths) == 3
    assert min(len(path) for path in paths) >= len("/api/hikari_denwa/live/.wav") + 32


async def test_form_that_nobody_has(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A good token does not make up for a format that there is not."""
    engine.client.listener().call_event(incoming())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    for method in ("GET", "HEAD"):
        response = await client.request(method, path.replace(".wav", ".96000.wav"))
        assert response.status == HTTPStatus.NOT_FOUND


async def test_untouched(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Who takes G.711 gets the very bytes of the call, with and without a header."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    bare = await client.get(path.replace(".wav", ".ulaw"))
    dressed = await client.get(path.replace(".wav", ".g711wav"))
    assert bare.headers["Content-Type"] == "audio/basic"
    assert dressed.headers["Content-Type"] == "audio/wav"
    assert (await dressed.content.readexactly(58))[20:22] == b"\x07\x00"
    for _ in range(3):
        listener.sound(far_sound(TONE))
    for response in (bare, dressed):
        got = b""
        while TONE * 3 not in got:
            got += await response.content.readexactly(160)
        assert set(got.removesuffix(TONE * 3)) <= {0xFF}
    listener.call_event(ended())
    assert len(await dressed.content.read()) % 160 != 0
    await bare.content.read()


async def test_both_sides(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Our side is asked for only then, and is heard with the other one."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    live = line.live_stream(StreamKind(both_sides=True))
    client = await hass_client_no_auth()
    response = await client.get(live.path)
    await read_header(response)
    assert engine.sent("stream_sound") == [("in-1", True, "near")]
    far, near = (linear_to_ulaw(struct.pack("<h", level) * 160) for level in (4000, 2000))
    summed = audioop.add(ulaw_to_linear(far), ulaw_to_linear(near), 2)
    both = ulaw_to_linear(linear_to_ulaw(summed))
    for number in range(3):
        listener.sound(far_sound(far, number=number))
        listener.sound(replace(far_sound(near, number=number), direction=SoundDirection.NEAR))
    await read_until(response, both * 3)
    # One side whose other one is missing is heard by itself.
    listener.sound(far_sound(far, number=3))
    listener.sound(far_sound(far, number=4))
    await read_until(response, ulaw_to_linear(far))
    listener.call_event(ended())
    await response.content.read()


async def test_encoder_that_is_missing(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """Without ffmpeg a player is told so, and the call goes on."""
    line.streams._program = "/nowhere/ffmpeg"
    engine.client.listener().call_event(incoming())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    response = await client.get(path.replace(".wav", ".mp3"))
    assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "ffmpeg_missing" in await response.text()
    assert line.live_stream(StreamKind(while_ringing=Filler.SILENCE)).listeners == 0


async def test_encoder_that_breaks(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A program that gives nothing is told of as well, and tried anew for the next player."""
    line.streams._program = "/bin/false"
    engine.client.listener().call_event(incoming())
    path = await path_of(hass)
    client = await hass_client_no_auth()
    for _ in range(2):
        response = await client.get(path.replace(".wav", ".mp3"))
        assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert "encoder_failed" in await response.text()


async def test_renderer_asks_first(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A DLNA renderer that asks for its headers gets them, and no encoder is started for that."""
    line.streams._program = "/nowhere/ffmpeg"
    engine.client.listener().call_event(incoming())
    client = await hass_client_no_auth()
    path = (await path_of(hass)).replace(".wav", ".mp3")
    response = await client.head(path, headers={"getcontentFeatures.dlna.org": "1"})
    assert response.headers["Content-Type"] == "audio/mpeg"
    assert response.headers["contentFeatures.dlna.org"].startswith("DLNA.ORG_PN=MP3;")
    assert response.headers["transferMode.dlna.org"] == "Streaming"


async def test_listener_that_stops_reading(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """It changes nothing for another one, what waits for it is bounded, and the end is the end."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    client = await hass_client_no_auth()
    path = (await path_of(hass)).replace(".wav", ".48000x2.wav")
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    good = await client.get(path)
    await good.content.readexactly(HEADER_BYTES)
    live = line.live_stream(StreamKind(while_ringing=Filler.SILENCE))
    async with asyncio.timeout(10):
        while live.listeners < 2:
            await asyncio.sleep(0.01)
    # A minute of frames: 11 MB, of which the one who reads gets every byte.
    for _ in range(3000):
        listener.sound(far_sound(TONE))
        await good.content.readexactly(48000 * 4 // 50)
    ((_, rendition),) = live._broadcast._renditions.items()
    waiting = {each.dropped: len(each._frames) for each in rendition.hub._listeners}
    assert waiting[0] <= 2
    assert max(waiting) > 0
    assert max(waiting.values()) <= 50
    with patch("custom_components.hikari_denwa.http._DRAIN_SECONDS", 0.05):
        listener.call_event(ended())
    await good.content.read()
    async with asyncio.timeout(10):
        while live.listeners:
            await asyncio.sleep(0.01)
    writer.close()
    del reader
