"""Every blueprint is run in Home Assistant, with calls that come and go."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint import models
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service

from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason

from .conftest import Voice, needs_ffmpeg, state_of
from .fake_engine import FakeEngine, connected, dtmf, ended, incoming

FOLDER = Path(__file__).parents[2] / "blueprints" / "automation" / "hikari_denwa"
BLUEPRINTS = sorted(path.name for path in FOLDER.glob("*.yaml"))


@contextmanager
def importable() -> Iterator[None]:
    """Let Home Assistant find our blueprints as if they had been imported."""

    def load(self: models.DomainBlueprints, path: str) -> models.Blueprint:
        return models.Blueprint(
            load_yaml_dict(str(FOLDER / path)),
            expected_domain=self.domain,
            path=path,
            schema=AUTOMATION_BLUEPRINT_SCHEMA,
        )

    with patch.object(models.DomainBlueprints, "_load_blueprint", load):
        yield


async def use(hass: HomeAssistant, blueprint: str, **inputs: Any) -> None:
    """Make an automation of a blueprint."""
    config = {"alias": "Under test", "use_blueprint": {"path": blueprint, "input": inputs}}
    with importable():
        assert await async_setup_component(hass, "automation", {"automation": [config]})
    await hass.async_block_till_done()
    state = hass.states.get("automation.under_test")
    assert state is not None
    assert state.state == "on"


async def until(fact: Callable[[], object]) -> None:
    """Wait for something that an automation does; those that wait themselves are never done."""
    async with asyncio.timeout(20):
        while not fact():
            await asyncio.sleep(0.01)


async def turn_off(hass: HomeAssistant) -> None:
    """Let an automation wait for nothing any more."""
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "automation.under_test"}, blocking=True
    )


def of(calls: list[ServiceCall]) -> list[dict[str, Any]]:
    """Return the data of actions."""
    return [dict(call.data) for call in calls]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_form(name: str) -> None:
    """Each can be imported from where it says, and is described in both languages."""
    data = load_yaml_dict(str(FOLDER / name))["blueprint"]
    assert isinstance(data, dict)
    assert data["source_url"].endswith(f"/blueprints/automation/hikari_denwa/{name}")
    assert data["homeassistant"]["min_version"] == "2026.5.0"
    japanese = re.compile(r"[ぁ-んァ-ヶ一-龠]")
    for text in (
        data["name"],
        data["description"],
        *(each["name"] for each in data["input"].values()),
    ):
        assert japanese.search(text)
        assert re.search("[A-Za-z]{3}", text)
    assert f"test_{name.removesuffix('.yaml')}" in globals()


async def test_announce_caller(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """What plays is paused, the caller is told, and the music goes on after the call."""
    paused = async_mock_service(hass, "media_player", "media_pause")
    played = async_mock_service(hass, "media_player", "media_play")
    spoken = async_mock_service(hass, "tts", "speak")
    hass.states.async_set("media_player.kitchen", "playing")
    hass.states.async_set("media_player.hall", "idle")
    await use(
        hass,
        "announce_caller.yaml",
        players=["media_player.kitchen", "media_player.hall"],
        voice="tts.home",
        callers=["03*"],
    )
    listener = engine.client.listener()
    listener.call_event(incoming(number="0451234567"))
    listener.call_event(ended())
    await hass.async_block_till_done()
    assert not spoken
    listener.call_event(incoming(display_name="Grandmother"))
    await until(lambda: spoken)
    assert of(paused) == [{"entity_id": ["media_player.kitchen"]}]
    assert of(spoken) == [
        {
            "entity_id": ["tts.home"],
            "media_player_entity_id": ["media_player.kitchen", "media_player.hall"],
            "message": "Telephone: Grandmother",
        }
    ]
    assert not played
    listener.call_event(ended())
    await until(lambda: played)
    assert of(played) == [{"entity_id": ["media_player.kitchen"]}]


@pytest.fixture
def phone(hass: HomeAssistant) -> str:
    """Return the device of a phone with the app."""
    entry = MockConfigEntry(
        domain="mobile_app",
        data={
            "app_data": {"push_token": "token", "push_url": "https://push.test"},
            "app_id": "app",
            "app_name": "app",
            "app_version": "1",
            "device_id": "phone",
            "device_name": "Phone",
            "manufacturer": "m",
            "model": "m",
            "os_name": "os",
            "os_version": "1",
            "supports_encryption": False,
            "user_id": "somebody",
            "webhook_id": "webhook",
        },
    )
    entry.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("mobile_app", "phone")}
    )
    return device.id


async def test_missed_call(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line, phone: str
) -> None:
    """The phone is told; its buttons call back and block."""
    # The environment with the oldest Home Assistant has not all that the app's integration wants.
    device_action = pytest.importorskip("homeassistant.components.mobile_app.device_action")
    notified: list[dict[str, Any]] = []
    friend = ConfigSubentry(
        data=MappingProxyType({"numbers": ["0311110000"]}),
        subentry_type="contact",
        title="Friend",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(entry, friend)

    async def notify(
        hass: HomeAssistant, config: dict[str, Any], variables: Any, context: Any
    ) -> None:
        rendered = {}
        for key in ("title", "message", "data"):
            value = config[key]
            rendered[key] = (
                value.async_render(variables)
                if hasattr(value, "async_render")
                else {name: each.async_render(variables) for name, each in value.items()}
                if isinstance(value, dict)
                else value
            )
        notified.append(rendered)

    def press(button: str) -> bool:
        hass.bus.async_fire("mobile_app_notification_action", {"action": button})
        return False

    with patch.object(device_action, "async_call_action_from_config", notify):
        await use(
            hass,
            "missed_call.yaml",
            phone=phone,
            call_back="line",
        )
        listener = engine.client.listener()
        for call in ("in-1", "in-2"):
            listener.call_event(incoming(call))
            listener.call_event(ended(call, EndReason.CALLER_GAVE_UP))
        listener.call_event(incoming("in-3", number=None, kind=CallerIdKind.WITHHELD))
        listener.call_event(ended("in-3", EndReason.CALLER_GAVE_UP))
        listener.call_event(incoming("in-4", number="0311110000"))
        listener.call_event(ended("in-4", EndReason.CALLER_GAVE_UP))
        await until(lambda: len(notified) == 4)
    assert [each["title"] for each in notified] == ["Missed call"] * 4
    assert notified[0]["message"].startswith("03-1234-5678, ")
    assert [button["action"] for button in notified[0]["data"]["actions"]] == [
        "CALL_BACK_in-1",
        "BLOCK_in-1",
    ]
    assert notified[2]["data"]["actions"] == []
    # Whom the block list does not block has no button for that.
    assert [button["action"] for button in notified[3]["data"]["actions"]] == ["CALL_BACK_in-4"]
    await until(lambda: press("BLOCK_in-2") or line.entry.options.get("blocked_callers"))
    assert line.entry.options["blocked_callers"] == ["0312345678"]
    listener.call_event(incoming("in-5"))
    assert state_of(hass, "event.home_call").attributes["event_type"] == "blocked"
    assert not engine.sent("dial")
    await until(lambda: press("CALL_BACK_in-1") or engine.sent("dial"))
    await turn_off(hass)
    assert engine.sent("dial") == [("line-1", "0312345678")]


@pytest.mark.parametrize(
    ("now", "caller", "rejected", "lit"),
    [
        ("2026-11-25 23:00:00", "0312345678", False, True),
        ("2026-11-25 23:00:00", "0451234567", True, False),
        ("2026-11-25 12:00:00", "0451234567", False, False),
    ],
)
async def test_quiet_hours(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    freezer: FrozenDateTimeFactory,
    now: str,
    caller: str,
    rejected: bool,
    lit: bool,
) -> None:
    """At night others are turned away, and VIPs do what was chosen; by day nothing is done."""
    await hass.config.async_set_time_zone("UTC")
    freezer.move_to(now)
    lights = async_mock_service(hass, "light", "turn_on")
    await use(
        hass,
        "quiet_hours.yaml",
        vips=["03-1234-*"],
        status="603",
        vip_actions=[{"action": "light.turn_on", "target": {"entity_id": "light.hall"}}],
    )
    engine.client.listener().call_event(incoming(number=caller))
    await hass.async_block_till_done()
    assert engine.sent("reject") == ([("in-1", 603)] if rejected else [])
    assert bool(lights) is lit


async def test_log_calls(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """One line is sent for each call of the outcomes that were chosen."""
    sent = async_mock_service(hass, "notify", "send_message")
    await use(
        hass,
        "log_calls.yaml",
        notifiers=["notify.family"],
        outcomes=["answered", "missed"],
        words="{{ direction }},{{ who }},{{ number }},{{ outcome }},{{ seconds }}",
    )
    listener = engine.client.listener()
    listener.call_event(incoming(display_name="Smith, John"))
    listener.call_event(connected())
    listener.call_event(ended(after=65))
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.REJECTED_HERE))
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.CALLER_GAVE_UP))
    await hass.async_block_till_done()
    assert of(sent) == [
        {
            "entity_id": ["notify.family"],
            "message": "incoming,Smith  John,03-1234-5678,answered,60",
        },
        {
            "entity_id": ["notify.family"],
            "message": "incoming,03-1234-5678,03-1234-5678,missed,0",
        },
    ]


SPEAKER = "media_player.hall"


@pytest.fixture
async def door(hass: HomeAssistant, line: Line) -> list[ServiceCall]:
    """Answer the door phone; returns what the speaker is given."""
    hass.config.internal_url = "http://192.168.1.10:8123"
    hass.states.async_set(SPEAKER, "idle", {"supported_features": 512})
    played: list[ServiceCall] = async_mock_service(hass, "media_player", "play_media")
    await use(
        hass,
        "door_phone_on_speakers.yaml",
        doorbell="event.home_doorbell",
        speakers=[SPEAKER],
        answer_after=0.1,
        longest=1,
    )
    return played


async def test_door_phone_on_speakers(engine: FakeEngine, door: list[ServiceCall]) -> None:
    """The speaker starts while it rings, the call is answered, and hung up if nobody does."""
    engine.client.listener().call_event(incoming(number="1", internal=True))
    await until(lambda: engine.has_sent("answer", "in-1"))
    (played,) = door
    assert played.data["entity_id"] == SPEAKER
    engine.client.listener().call_event(connected())
    await until(lambda: engine.has_sent("hang_up", "in-1"))
    engine.client.listener().call_event(ended())


async def test_door_phone_whose_visitor_leaves(
    hass: HomeAssistant, engine: FakeEngine, door: list[ServiceCall]
) -> None:
    """A call that is over is not hung up, and the next visitor is heard as well."""
    for number in range(2):
        call = f"in-{number}"
        engine.client.listener().call_event(incoming(call, number="1", internal=True))
        await until(partial(engine.has_sent, "answer", call))
        engine.client.listener().call_event(connected(call))
        engine.client.listener().call_event(ended(call))
        await until(lambda: state_of(hass, "automation.under_test").attributes["current"] == 0)
    assert engine.sent("hang_up") == []
    assert len(door) == 2


async def test_door_phone_is_not_everybody(
    hass: HomeAssistant, engine: FakeEngine, door: list[ServiceCall]
) -> None:
    """The doorbell rings for door phones alone."""
    engine.client.listener().call_event(incoming())
    await hass.async_block_till_done()
    assert state_of(hass, "automation.under_test").attributes["current"] == 0
    assert door == []
    assert engine.sent("answer") == []


SMOKE = "binary_sensor.smoke"


async def alarm(hass: HomeAssistant, numbers: list[str]) -> dict[str, list[ServiceCall]]:
    """Use the blueprint; returns what was done after the calls."""
    done = {name: async_mock_service(hass, "test", name) for name in ("confirmed", "nobody")}
    hass.states.async_set(SMOKE, "off", {"friendly_name": "Smoke in the kitchen"})
    await use(
        hass,
        "alarm_call.yaml",
        sensors=[SMOKE],
        numbers=numbers,
        line="line-1",
        confirmed=[{"action": "test.confirmed", "data": {"number": "{{ outcome.answered_by }}"}}],
        nobody=[{"action": "test.nobody"}],
        rounds=1,
        repeat=1,
    )
    hass.states.async_set(SMOKE, "on", {"friendly_name": "Smoke in the kitchen"})
    return done


@needs_ffmpeg
async def test_alarm_call(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    voice: Voice,
) -> None:
    """The first is busy, the second, a contact, presses the key; the third is left alone."""
    aunt = ConfigSubentry(
        data=MappingProxyType({"numbers": ["0311119*", "0311110000"]}),
        subentry_type="contact",
        title="Aunt May",
        unique_id=None,
    )
    hass.config_entries.async_add_subentry(entry, aunt)
    await hass.async_block_till_done()
    done = await alarm(hass, ["045-123-4567", "aunt may", "0398765432"])
    listener = engine.client.listener()
    await until(lambda: engine.sent("dial") == [("line-1", "0451234567")])
    listener.call_event(ended("out-1", EndReason.BUSY, status=486))
    await until(lambda: engine.has_sent("dial", "line-1", "0311110000"))
    listener.call_event(connected("out-2"))
    await until(lambda: engine.played)
    engine.after_hang_up = [ended("out-2", EndReason.HUNG_UP_HERE)]
    listener.call_event(dtmf("1", "out-2"))
    await until(lambda: done["confirmed"])
    assert of(done["confirmed"]) == [{"number": "0311110000"}]
    assert [message for message, _, _ in voice.asked] == [
        "Alarm: Smoke in the kitchen. Press 1 if you have heard this."
    ]
    assert len(engine.sent("dial")) == 2
    assert not done["nobody"]


async def test_alarm_call_that_reaches_nobody(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """The other actions are done when nobody answers; and a number that is none calls nobody."""
    done = await alarm(hass, ["0451234567"])
    await until(lambda: engine.sent("dial"))
    engine.client.listener().call_event(ended("out-1", EndReason.BUSY, status=486))
    await until(lambda: done["nobody"])
    assert not done["confirmed"]


async def test_alarm_call_to_a_wrong_number(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Nobody is called, and the other actions are done."""
    done = await alarm(hass, ["0451234567", "Nobody's name"])
    await until(lambda: done["nobody"])
    assert not engine.sent("dial")
    hass.states.async_set(SMOKE, "unavailable")
    hass.states.async_set(SMOKE, "on")
    await hass.async_block_till_done()
    assert len(done["nobody"]) == 1
