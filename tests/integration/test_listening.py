"""Players on calls: what each is given, when it starts, and what it is afterwards."""

import asyncio
from collections.abc import Callable
from typing import Any, override

import pytest
from homeassistant.components.media_player import (
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
    MediaType,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
    setup_test_component_platform,
)

from custom_components.hikari_denwa import listening
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.players import playable_for

from .fake_engine import FakeEngine, connected, ended, incoming

KITCHEN = "media_player.kitchen"
STUDY = "media_player.study"
HALL = "media_player.hall"
STUDY = "media_player.study"
RADIO = "http://radio.example/stream"


class FakePlayer(MediaPlayerEntity):
    """A player that does what it is told, and notes it."""

    _attr_should_poll = False
    _attr_supported_features = (
        MediaPlayerEntityFeature.PLAY_MEDIA
        | MediaPlayerEntityFeature.STOP
        | MediaPlayerEntityFeature.VOLUME_SET
        | MediaPlayerEntityFeature.SELECT_SOURCE
        | MediaPlayerEntityFeature.TURN_OFF
    )

    def __init__(self, name: str) -> None:
        """Begin idle."""
        self._attr_name = name
        self._attr_unique_id = name
        self._attr_state = MediaPlayerState.IDLE
        self._attr_volume_level = 0.3
        self._attr_source_list = ["Line in", "Network"]
        self.did: list[str] = []
        self.extra: dict[str, Any] = {}
        self.error: Exception | None = None
        self.never_answers = False

    @override
    async def async_play_media(
        self, media_type: MediaType | str, media_id: str, **kwargs: Any
    ) -> None:
        self.did.append(f"play {media_id}")
        self.extra = kwargs
        if self.error:
            raise self.error
        self.shows(MediaPlayerState.PLAYING, media_id)
        self._attr_media_content_type = media_type
        if self.never_answers:
            await asyncio.Event().wait()

    @override
    async def async_media_stop(self) -> None:
        self.did.append("stop")
        self.shows(MediaPlayerState.IDLE, None)

    @override
    async def async_set_volume_level(self, volume: float) -> None:
        self.did.append(f"volume {volume}")
        self._attr_volume_level = volume
        self.async_write_ha_state()

    @override
    async def async_select_source(self, source: str) -> None:
        self.did.append(f"source {source}")

    @override
    async def async_turn_off(self) -> None:
        self.did.append("off")

    def shows(self, state: MediaPlayerState, media: str | None, source: str | None = None) -> None:
        """Be in a state."""
        self._attr_state = state
        self._attr_media_content_id = media
        self._attr_source = source
        self.async_write_ha_state()


@pytest.fixture
async def players(hass: HomeAssistant) -> tuple[FakePlayer, FakePlayer]:
    """Have two players."""
    found = FakePlayer("Kitchen"), FakePlayer("Hall")
    setup_test_component_platform(hass, "media_player", found)
    assert await async_setup_component(hass, "media_player", {"media_player": {"platform": "test"}})
    await hass.async_block_till_done()
    hass.config.internal_url = "http://192.168.1.10:8123"
    return found


@pytest.fixture
async def line(players: tuple[FakePlayer, FakePlayer], line: Line) -> Line:
    """Return the line, which brings a media player itself, once the home has its own."""
    return line


async def act(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Carry out an action and return its response."""
    response = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert response is not None
    return dict(response)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_call_over_player_back(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
) -> None:
    """The player plays out, is stopped by nobody else, and is as loud and as busy as before."""
    kitchen, _ = players
    kitchen.shows(MediaPlayerState.PLAYING, RADIO)
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=KITCHEN, volume_level=0.8)
    ours = kitchen.did[-1]
    assert kitchen.did == ["volume 0.8", ours]
    assert ours.startswith("play http://192.168.1.10:8123/api/hikari_denwa/live/")
    assert ours.endswith(".mp3?.mp3")
    engine.client.listener().call_event(ended())
    await asyncio.sleep(0.05)
    assert kitchen.did[2:] == []
    kitchen.shows(MediaPlayerState.IDLE, None)
    await until(lambda: len(kitchen.did) == 4)
    assert kitchen.did[2:] == ["volume 0.3", f"play {RADIO}"]


async def test_player_that_does_not_stop_by_itself(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is stopped after a while; one that was off is off again, others on their source."""
    monkeypatch.setattr(listening, "_PLAY_OUT_SECONDS", 0.05)
    kitchen, hall = players
    kitchen.shows(MediaPlayerState.OFF, None)
    hall.shows(MediaPlayerState.IDLE, None, "Line in")
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=[KITCHEN, HALL])
    engine.client.listener().call_event(ended())
    await until(lambda: len(kitchen.did) == len(hall.did) == 3)
    assert kitchen.did[1:] == ["stop", "off"]
    assert hall.did[1:] == ["stop", "source Line in"]


async def test_player_that_somebody_took(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a person started meanwhile goes on."""
    monkeypatch.setattr(listening, "_PLAY_OUT_SECONDS", 0.05)
    kitchen, _ = players
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=KITCHEN, volume_level=0.8)
    kitchen.shows(MediaPlayerState.PLAYING, RADIO)
    engine.client.listener().call_event(ended())
    await until(lambda: not line.listening._ending)
    assert len(kitchen.did) == 2


async def test_next_call_before_the_player_is_back(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """A second call takes the player over, and after it the player is what it was at first."""
    kitchen, _ = players
    kitchen.shows(MediaPlayerState.PLAYING, RADIO)
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=KITCHEN)
    engine.client.listener().call_event(ended())
    engine.client.listener().call_event(incoming("in-2"))
    await act(hass, "listen", media_player=KITCHEN)
    engine.client.listener().call_event(ended("in-2"))
    kitchen.shows(MediaPlayerState.IDLE, None)
    await until(lambda: len(kitchen.did) == 3)
    assert kitchen.did[2] == f"play {RADIO}"


async def test_stop_listening(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """Players stop at once, those that are named or all, and the call goes on."""
    kitchen, hall = players
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=[KITCHEN, HALL], every_call=True)
    stopped = await act(hass, "stop_listening", media_player=KITCHEN)
    assert stopped == {"media_players": [KITCHEN], "every_call": [KITCHEN]}
    assert kitchen.did[1:] == ["stop"]
    assert hall.did[1:] == []
    assert [item.wish.players for item in line.listening.standing] == [(HALL,)]
    stopped = await act(hass, "stop_listening", this_call_only=True)
    assert stopped == {"media_players": [HALL], "every_call": []}
    assert (await act(hass, "stop_listening"))["every_call"] == [HALL]
    assert line.state.call is not None


@pytest.mark.parametrize(
    ("fields", "starts"),
    [
        ({}, True),
        ({"direction": "incoming"}, True),
        ({"direction": "outgoing"}, False),
        ({"numbers": ["03-1234-5678"]}, True),
        ({"numbers": ["03-1234-5679"]}, False),
        ({"door_phones_only": True}, False),
    ],
)
async def test_every_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    fields: dict[str, Any],
    starts: bool,
) -> None:
    """A standing wish starts the players when such a call rings, also after a restart."""
    kitchen, _ = players
    response = await act(hass, "listen", media_player=KITCHEN, every_call=True, **fields)
    assert response["url"] is None
    assert await hass.config_entries.async_reload(line.id)
    assert line.entry.state is ConfigEntryState.LOADED
    engine.client.listener().call_event(incoming())
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(kitchen.did) == starts
    assert await hass.config_entries.async_remove(line.id)


async def test_door_phone(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """A door phone's call alone starts them, if that is what was asked for."""
    kitchen, _ = players
    await act(hass, "listen", media_player=KITCHEN, every_call=True, door_phones_only=True)
    engine.client.listener().call_event(incoming(number="1", internal=True))
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(kitchen.did) == 1


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"every_call": True}, "every_call_needs_players"),
        ({"direction": "incoming"}, "filter_without_every_call"),
        (
            {"every_call": True, "media_player": KITCHEN, "numbers": ["door"]},
            "number_invalid",
        ),
    ],
)
async def test_wishes_that_cannot_be(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    fields: dict[str, Any],
    key: str,
) -> None:
    """They are refused with a sentence, and nothing is kept."""
    engine.client.listener().call_event(incoming())
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "listen", **fields)
    assert error.value.translation_key == key
    assert line.listening.standing == ()


async def test_player_that_fails_and_one_that_never_answers(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one's words are told, the other's answer is not waited for, and both do no harm."""
    monkeypatch.setattr(listening, "_PLAYER_SECONDS", 0.05)
    kitchen, hall = players
    kitchen.error = HomeAssistantError("out of order")
    hall.never_answers = True
    engine.client.listener().call_event(incoming())
    with pytest.raises(HomeAssistantError, match="out of order"):
        await act(hass, "listen", media_player=[KITCHEN, HALL])
    call = line.state.call
    assert call is not None
    assert line.listening.playing(call) == (HALL,)


async def test_chosen_format(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """A format that is asked for stands above the player's own."""
    engine.client.listener().call_event(incoming())
    response = await act(hass, "listen", media_player=KITCHEN, format="16000.flac")
    assert response["formats"] == {KITCHEN: "16000.flac"}
    assert response["path"].endswith(".16000.flac")
    assert players[0].did[0].endswith(".16000.flac?.flac")


async def test_sonos_keeps_what_it_plays(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Sonos' own snapshot brings back what nobody else can."""
    hass.config.internal_url = "http://192.168.1.10:8123"
    er.async_get(hass).async_get_or_create(
        "media_player", "sonos", "study", suggested_object_id="study"
    )
    can = MediaPlayerEntityFeature.PLAY_MEDIA
    hass.states.async_set(STUDY, "idle", {"supported_features": can})
    done = [
        async_mock_service(hass, domain, service)
        for domain, service in (
            ("sonos", "snapshot"),
            ("media_player", "play_media"),
            ("sonos", "restore"),
        )
    ]
    engine.client.listener().call_event(incoming())
    await act(hass, "listen", media_player=STUDY)
    assert [len(calls) for calls in done] == [1, 1, 0]
    engine.client.listener().call_event(ended())
    await until(lambda: len(done[2]) == 1)


@pytest.mark.parametrize(
    ("platform", "encodes", "form", "extra"),
    [
        ("cast", True, "48000x2.wav", {"stream_type": "LIVE"}),
        ("cast", False, "48000x2.wav", {"stream_type": "LIVE"}),
        ("sonos", True, "mp3", {}),
        ("sonos", False, "wav", {}),
        ("dlna_dmr", True, "mp3", {}),
        ("music_assistant", True, "mp3", {}),
        ("vlc_telnet", True, "48000.wav", {}),
        ("kodi", True, "48000.wav", {}),
        ("mpd", True, "mp3", {}),
        ("esphome", True, "mp3", {}),
        ("esphome", False, "48000.wav", {}),
        ("something", True, "mp3", {}),
        (None, True, "mp3", {}),
    ],
)
def test_format_of_a_platform(
    hass: HomeAssistant, platform: str | None, encodes: bool, form: str, extra: dict[str, str]
) -> None:
    """Each kind of player gets what it plays."""
    entity_id = None
    if platform:
        registry = er.async_get(hass)
        entity_id = registry.async_get_or_create("media_player", platform, "1").entity_id
    playable = playable_for(hass, entity_id, encodes=encodes)
    assert playable.live_format.name == form
    assert playable.extra == extra


class Told:
    """What an ESPHome device says of a format."""

    def __init__(self, form: str, rate: int, channels: int, purpose: int = 0) -> None:
        """Take the members of aioesphomeapi's class."""
        self.format, self.sample_rate, self.num_channels = form, rate, channels
        self.purpose, self.sample_bytes = purpose, 2


@pytest.mark.parametrize(
    ("told", "encodes", "form", "bypasses"),
    [
        ([Told("flac", 48000, 2), Told("flac", 48000, 1, 1)], True, "48000x2.flac", True),
        ([Told("flac", 48000, 2), Told("wav", 16000, 1)], False, "16000.wav", True),
        ([Told("wav", 16000, 1, 1), Told("wav", 48000, 1)], True, "48000.wav", True),
        ([Told("mp3", 0, 0)], True, "mp3", True),
        ([Told("wav", 96000, 1), Told("ogg", 48000, 1)], True, "mp3", False),
        ([], True, "mp3", False),
    ],
)
def test_format_of_an_esphome_device(
    hass: HomeAssistant, told: list[Told], encodes: bool, form: str, bypasses: bool
) -> None:
    """A device gets the first of the formats that it says it plays, past the proxy."""
    entry = MockConfigEntry(domain="esphome")
    entry.add_to_hass(hass)
    entity = er.async_get(hass).async_get_or_create(
        "media_player", "esphome", "1", config_entry=entry
    )
    player = FakePlayer("Voice")
    player.entity_id = entity.entity_id
    entry.runtime_data = type("Data", (), {"media_player_formats": {player: told}})()
    playable = playable_for(hass, entity.entity_id, encodes=encodes)
    assert playable.live_format.name == form
    assert playable.extra == ({"bypass_proxy": True} if bypasses else {})


async def test_connected_call_is_silent_on_hold(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Streams that were opened while it rang know that it does not any more."""
    engine.client.listener().call_event(incoming())
    live = line.live_stream()
    engine.client.listener().call_event(connected())
    assert live._broadcast._filler_kind == "silence"
    assert line.live_stream() is live
