"""Players that ring: when they begin, when they end, and what they are afterwards."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from homeassistant.components.media_player import MediaPlayerState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa import listening
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import SoundFrame
from tests.home_gateway.tones import tone_level

from .conftest import home, linear, state_of, until
from .fake_engine import FakeEngine, connected, ended, far_sound, incoming
from .test_listening import HALL, KITCHEN, RADIO, FakePlayer, players

__all__ = ["players"]

TARGET = "select.home_ringing_players"


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line whose calls ring in two rooms."""
    return home(ring_players=[KITCHEN, HALL])


@pytest.fixture
async def line(players: tuple[FakePlayer, FakePlayer], line: Line) -> Line:
    """Return the line, which brings a media player itself, once the home has its own."""
    return line


def ring(engine: FakeEngine, **caller: Any) -> Callable[[Any], None]:
    """Let a call ring; returns how to tell what happens then."""
    listener = engine.client.listener()
    listener.call_event(incoming(**caller))
    return listener.call_event


def played(player: FakePlayer) -> list[str]:
    """Return what a player was told to play."""
    return [did for did in player.did if did.startswith("play ")]


@pytest.mark.parametrize(
    "end",
    [
        connected(),
        ended(reason=EndReason.CALLER_GAVE_UP),
        ended(reason=EndReason.ANSWERED_ELSEWHERE),
        ended(reason=EndReason.ENGINE_LOST),
    ],
    ids=["answered", "given up", "answered elsewhere", "lost"],
)
async def test_rings_until_it_is_answered_or_over(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    end: Any,
) -> None:
    """Both ring with the caller's name, and go back to the radio or to silence."""
    kitchen, hall = players
    kitchen.shows(MediaPlayerState.PLAYING, RADIO)
    tell = ring(engine)
    await until(lambda: bool(played(kitchen)) and bool(played(hall)))
    assert hall.extra["extra"]["title"] == "03-1234-5678"
    assert "stop" not in [*kitchen.did, *hall.did]
    tell(end)
    await until(lambda: len(played(kitchen)) == 2 and "stop" in hall.did)
    assert kitchen.did[1:] == ["stop", f"play {RADIO}"]
    assert hall.did[1:] == ["stop"]
    assert line.ringing._rings == {}
    tell(ended())


async def test_rings_with_a_tone_and_nothing_of_the_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The stream is the ring tone; at the answer it ends, whatever a player goes on with."""
    tell = ring(engine)
    await until(lambda: bool(played(players[1])))
    path = played(players[1])[0].partition("8123")[2].partition("?")[0]
    client = await hass_client_no_auth()
    stream = await client.get(path.rpartition(".")[0] + ".wav")
    await stream.content.readexactly(44)
    heard = await stream.content.readexactly(16000)
    assert tone_level(heard, 400.0) > -20
    tell(connected())
    frame: SoundFrame = far_sound(b"\x80" * 160)
    engine.client.listener().sound(frame)
    async with asyncio.timeout(10):
        rest = await stream.content.read()
    assert linear([b"\x80" * 160]) not in rest
    assert engine.sent("stream_sound") == []
    tell(ended())


async def test_volume(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """They ring as loud as wanted, and are as loud as before afterwards."""
    hass.config_entries.async_update_entry(
        line.entry, options={**line.entry.options, "ring_volume": 80}
    )
    tell = ring(engine)
    await until(lambda: bool(played(players[0])))
    tell(ended(reason=EndReason.CALLER_GAVE_UP))
    await until(lambda: players[0].did[-1] == "volume 0.3")
    assert players[0].did[0] == "volume 0.8"


@pytest.mark.parametrize(
    "options",
    [
        {"do_not_disturb": True},
        {"block_unknown": True},
        {"block_unknown": True, "block_treatment": "silence"},
        {"blocked_callers": ["03*"], "block_treatment": "challenge"},
        {"ring_players": []},
        {"ring_target": "off"},
        {"ring_players": ["media_player.gone", "media_player.home_call_sound"]},
    ],
)
async def test_who_does_not_ring(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    options: dict[str, Any],
) -> None:
    """Blocked and silenced callers ring nothing, nor does anybody while it is off."""
    hass.config_entries.async_update_entry(line.entry, options={**line.entry.options, **options})
    tell = ring(engine)
    await hass.async_block_till_done()
    assert line.ringing._rings == {}
    assert played(players[0]) == played(players[1]) == []
    tell(ended())


async def test_target(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """The select chooses one of them; a player that the option loses is chosen no more."""
    state = state_of(hass, TARGET)
    assert state.state == "all"
    assert state.attributes["options"] == ["off", "all", KITCHEN, HALL]
    await hass.services.async_call(
        "select", "select_option", {"entity_id": TARGET, "option": HALL}, blocking=True
    )
    assert state_of(hass, TARGET).state == HALL
    assert line.entry.runtime_data is line
    tell = ring(engine)
    await until(lambda: bool(played(players[1])))
    assert played(players[0]) == []
    tell(ended())
    for left, shown in (([KITCHEN], "all"), ([], "off")):
        hass.config_entries.async_update_entry(
            line.entry, options={**line.entry.options, "ring_players": left}
        )
        line.refresh()
        assert state_of(hass, TARGET).state == shown


async def test_not_in_a_conversation(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """A second call makes no noise where somebody is talking."""
    tell = ring(engine)
    tell(connected())
    await until(lambda: "stop" in players[0].did)
    before = len(played(players[0]))
    tell(incoming("in-2", number="0451234567", channel=2))
    await hass.async_block_till_done()
    assert len(played(players[0])) == before
    tell(ended("in-2"))
    tell(ended())


async def test_two_calls_ring(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """When the first is over the players go on for the second, and then go back."""
    players[0].shows(MediaPlayerState.PLAYING, RADIO)
    tell = ring(engine)
    await until(lambda: len(played(players[0])) == 1)
    tell(incoming("in-2", number="0451234567", channel=2))
    await until(lambda: len(played(players[0])) == 2)
    tell(ended(reason=EndReason.CALLER_GAVE_UP))
    await hass.async_block_till_done()
    assert "stop" not in players[0].did
    tell(ended("in-2", EndReason.CALLER_GAVE_UP))
    await until(lambda: players[0].did[-1] == f"play {RADIO}")


async def test_who_listens_does_not_ring(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """A player that waits for the call plays that; one that is asked for it while it rings, too."""
    await hass.services.async_call(
        DOMAIN, "listen", {"media_player": KITCHEN, "every_call": True}, blocking=True
    )
    tell = ring(engine)
    await until(lambda: bool(played(players[0])) and bool(played(players[1])))
    assert len(played(players[0])) == 1
    await hass.services.async_call(DOMAIN, "listen", {"media_player": HALL}, blocking=True)
    tell(connected())
    await hass.async_block_till_done()
    assert "stop" not in [*players[0].did, *players[1].did]
    tell(ended())
    await until(lambda: line.listening._sessions == {})


async def test_stop_listening_silences(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """Who has heard it can have the players be quiet, and the call goes on ringing."""
    tell = ring(engine)
    await until(lambda: bool(played(players[0])) and bool(played(players[1])))
    await hass.services.async_call(DOMAIN, "stop_listening", {}, blocking=True)
    assert "stop" in players[0].did
    assert state_of(hass, "sensor.home_call_state").state == "ringing"
    tell(ended())


async def test_player_that_fails(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged, and the other one rings."""
    players[0].error = HomeAssistantError("no power")
    tell = ring(engine)
    await until(lambda: "no power" in caplog.text)
    assert len(played(players[1])) == 1
    tell(ended())


async def test_answered_before_a_slow_player_has_begun(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    players: tuple[FakePlayer, FakePlayer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is stopped after it has begun, and does not ring on."""
    monkeypatch.setattr(listening, "_PLAYER_SECONDS", 0.3)
    players[0].never_answers = True
    tell = ring(engine)
    tell(ended(reason=EndReason.CALLER_GAVE_UP))
    await until(lambda: "stop" in players[0].did)
    assert players[0].did.index("stop") > 0


async def test_unloading_while_it_rings(
    hass: HomeAssistant, engine: FakeEngine, line: Line, players: tuple[FakePlayer, FakePlayer]
) -> None:
    """The players are brought back before the line is gone."""
    ring(engine)
    await until(lambda: bool(played(players[0])) and bool(played(players[1])))
    assert await hass.config_entries.async_unload("line-1")
    assert players[0].did[-1] == players[1].did[-1] == "stop"
