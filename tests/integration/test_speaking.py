"""Call and say, and ask: with a fake engine, which does what the test wants at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from custom_components.hikari_denwa import playback as player_module
from custom_components.hikari_denwa import speaking
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.speaking import alert_sound
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.client import LineListener
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE
from custom_components.hikari_denwa.telephony.errors import (
    LineBusyError,
    LineNotRegisteredError,
)
from tests.home_gateway.likeness import compare, spoken

from .conftest import Voice, linear, needs_ffmpeg, until
from .fake_engine import FakeEngine, connected, dtmf, ended, incoming

pytestmark = needs_ffmpeg


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass where nobody waits for anything."""
    monkeypatch.setattr(player_module, "SETTLE", timedelta())
    monkeypatch.setattr(speaking, "OWN_FAULT_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(speaking, "ROUND_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(speaking, "_BETWEEN_SECONDS", 0.01)


class FarEnd:
    """What those do who are called, by number; a hang-up of ours ends any call."""

    def __init__(self, engine: FakeEngine) -> None:
        """Answer nobody."""
        self.engine = engine
        self.answers: dict[str, Callable[[LineListener, str], None]] = {}
        self.dialled: list[str] = []
        client = engine.client
        dial, hang_up = client.dial, client.hang_up

        async def dials(line: str, number: str, **terms: Any) -> Any:
            dialled = await dial(line, number, **terms)
            self.dialled.append(number)
            if answer := self.answers.get(number):
                asyncio.get_running_loop().call_soon(answer, client.listener(), dialled.call)
            return dialled

        async def hangs_up(call: str) -> None:
            await hang_up(call)
            reason = EndReason.HUNG_UP_HERE
            if not engine.client.connected.get(call):
                reason = EndReason.CANCELLED_HERE
            client.listener().call_event(ended(call, reason))

        client.dial = dials  # type: ignore[method-assign]
        client.hang_up = hangs_up  # type: ignore[method-assign]

    def is_busy(self, listener: LineListener, call: str) -> None:
        """Be in another call."""
        listener.call_event(ended(call, EndReason.BUSY, status=486))

    def picks_up(self, *keys: str, hangs_up: bool = False) -> Callable[[LineListener, str], None]:
        """Answer, press keys once something has been heard, and perhaps hang up."""

        def answer(listener: LineListener, call: str) -> None:
            self.engine.client.connected[call] = True
            heard = len(self.engine.played)
            listener.call_event(connected(call))
            if keys or hangs_up:
                asyncio.get_running_loop().create_task(then(listener, call, heard))

        async def then(listener: LineListener, call: str, heard: int) -> None:
            await until(lambda: len(self.engine.played) > heard + 5)
            for key in keys:
                listener.call_event(dtmf(key, call))
            if hangs_up:
                listener.call_event(ended(call))

        return answer


@pytest.fixture
def far_end(engine: FakeEngine, voice: Voice, line: Line) -> FarEnd:
    """Return those who can be called."""
    return FarEnd(engine)


async def act(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Carry out an action and return its response."""
    response = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert isinstance(response, dict)
    return response


async def test_says_and_hangs_up(hass: HomeAssistant, far_end: FarEnd) -> None:
    """A message is said as often as wanted, then the call ends."""
    far_end.answers["0451110000"] = far_end.picks_up()
    response = await act(hass, "dial", number="045-111-0000", message="Water!", repeat=2)
    (attempt,) = response.pop("attempts")
    assert response == {
        "result": "said",
        "answered_by": "0451110000",
        "digits": None,
        "speech_error": None,
    }
    assert attempt["formatted_number"] == "045-111-0000"
    assert attempt["reason"] == "hung_up_here"
    pcm = linear(far_end.engine.played)
    once = spoken(8000, 0.6)
    assert compare(once, pcm[: len(pcm) // 2]).missing_ms == 0
    assert compare(once, pcm[len(pcm) // 2 :]).missing_ms == 0
    assert far_end.engine.sent("hang_up") == [("out-1",)]


async def test_stays_if_wanted(hass: HomeAssistant, far_end: FarEnd, line: Line) -> None:
    """The call goes on after the message."""
    far_end.answers["0451110000"] = far_end.picks_up("1")
    response = await act(
        hass, "dial", number="0451110000", message="Hello", confirm=1, hang_up=False
    )
    assert response["result"] == "confirmed"
    assert line.state.call is not None
    assert far_end.engine.sent("hang_up") == []


async def test_alarm_goes_on_until_somebody_confirms(hass: HomeAssistant, far_end: FarEnd) -> None:
    """Busy, nobody at home, a machine, one who hangs up, a wrong key, and then the right one."""
    far_end.answers |= {
        "0451110001": far_end.is_busy,
        "0451110003": far_end.picks_up(),
        "0451110004": far_end.picks_up(hangs_up=True),
        "0451110005": far_end.picks_up("2"),
        "0451110006": far_end.picks_up("2", "1"),
        "0451110007": far_end.picks_up("1"),
    }
    response = await act(
        hass,
        "dial",
        number=[f"045111000{index}" for index in range(1, 8)],
        message="Fire!",
        confirm="1",
        digit_seconds=1,
        ring_seconds=5,
    )
    assert response["result"] == "confirmed"
    assert response["answered_by"] == "0451110006"
    assert response["digits"] == "21"
    told = [
        (attempt["result"], attempt["reason"], attempt["digits"])
        for attempt in response["attempts"]
    ]
    # Who hangs up may do so before the words are over, or just after.
    assert told.pop(3) in {
        ("hung_up", "hung_up_there", None),
        ("unconfirmed", "hung_up_there", None),
    }
    assert told == [
        ("failed", "busy", None),
        ("failed", "no_answer", None),
        ("unconfirmed", "hung_up_here", None),
        ("unconfirmed", "hung_up_here", "2"),
        ("confirmed", "hung_up_here", "21"),
    ]
    assert "0451110007" not in far_end.dialled


async def test_nobody_confirms(hass: HomeAssistant, far_end: FarEnd) -> None:
    """The rounds are counted; without a response that is wanted it is an error."""
    far_end.answers |= {"0451110001": far_end.is_busy, "0451110002": far_end.is_busy}
    data = {"number": ["0451110001", "0451110002"], "message": "Fire!", "confirm": "1", "rounds": 2}
    response = await act(hass, "dial", **data)
    assert response["result"] == "failed"
    assert response["answered_by"] is None
    assert far_end.dialled == ["0451110001", "0451110002"] * 2
    with pytest.raises(HomeAssistantError) as error:
        await hass.services.async_call(DOMAIN, "dial", data, blocking=True)
    assert error.value.translation_key == "nobody_confirmed"


async def test_own_faults_are_tried_again(hass: HomeAssistant, far_end: FarEnd) -> None:
    """A line that is busy or not registered for a moment does not cost the alarm a number."""
    far_end.answers["0451110000"] = far_end.picks_up("1")
    far_end.engine.errors["dial"] = LineBusyError()

    async def recover() -> None:
        await until(lambda: len(far_end.engine.sent("dial")) == 2)
        del far_end.engine.errors["dial"]

    recovery = asyncio.create_task(recover())
    response = await act(hass, "dial", number="0451110000", message="Fire!", confirm="1")
    await recovery
    assert response["result"] == "confirmed"
    assert len(far_end.engine.sent("dial")) == 3

    far_end.engine.errors["dial"] = LineNotRegisteredError()
    response = await act(hass, "dial", number="0451110000", message="Fire!", confirm="1")
    assert response["result"] == "failed"
    assert response["attempts"][0]["reason"] == "line_not_registered"


async def test_speech_that_fails(hass: HomeAssistant, far_end: FarEnd) -> None:
    """Who has to confirm is called nevertheless, and hears tones; else nobody is called."""
    far_end.answers["0451110000"] = far_end.picks_up("1")
    response = await act(hass, "dial", number="0451110000", message="mute", confirm="1")
    assert response["result"] == "confirmed"
    assert response["speech_error"] == "speech_failed"
    tones = [payload async for payload in alert_sound().frames()]
    assert far_end.engine.played[: len(tones[:5])] == tones[:5]
    with pytest.raises(HomeAssistantError):
        await act(hass, "dial", number="0451110000", message="mute")
    assert len(far_end.dialled) == 1


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"number": ["0451110000", "119"], "message": "x"}, "number_emergency"),
        ({"number": ["0451110000", "(home)"], "message": "x"}, "number_invalid"),
        ({"number": ["0451110000", "0451110001"]}, "numbers_need_words"),
        ({"number": "0451110000", "confirm": "1"}, "numbers_need_words"),
        ({"number": [], "message": "x"}, "numbers_count"),
        ({"number": ["0451110000"] * 21, "message": "x"}, "numbers_count"),
    ],
)
async def test_wrong_errands(
    hass: HomeAssistant, far_end: FarEnd, data: dict[str, Any], key: str
) -> None:
    """Nobody is called before everything is right."""
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "dial", **data)
    assert error.value.translation_key == key
    assert far_end.dialled == []


async def test_a_stopped_automation_leaves_no_call(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """The call is hung up, and nobody else is called."""
    far_end.answers["0451110000"] = far_end.picks_up()
    errand = asyncio.create_task(
        act(hass, "dial", number=["0451110000", "0451110001"], message="Fire!", confirm="1")
    )
    await until(lambda: len(far_end.engine.played) > 5)
    errand.cancel()
    with pytest.raises(asyncio.CancelledError):
        await errand
    await until(lambda: line.state.call is None)
    assert far_end.dialled == ["0451110000"]


async def test_stopped_while_it_is_dialled(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """A call that comes about after that is hung up at once."""
    reached, go = asyncio.Event(), asyncio.Event()
    dial = far_end.engine.client.dial

    async def slowly(line: str, number: str, **terms: Any) -> Any:
        reached.set()
        await go.wait()
        return await dial(line, number, **terms)

    far_end.engine.client.dial = slowly  # type: ignore[method-assign]
    errand = asyncio.create_task(act(hass, "dial", number="0451110000", message="Fire!"))
    await asyncio.wait_for(reached.wait(), 10)
    errand.cancel()
    with pytest.raises(asyncio.CancelledError):
        await errand
    go.set()
    await until(lambda: far_end.engine.sent("hang_up") == [("out-1",)])
    await until(lambda: line.state.call is None)


async def test_a_list_never_leaves_an_unconfirmed_call(
    hass: HomeAssistant, far_end: FarEnd, line: Line
) -> None:
    """Only the call of who confirmed stays, if it is to stay."""
    far_end.answers |= {"0451110001": far_end.picks_up(), "0451110002": far_end.picks_up("1")}
    response = await act(
        hass,
        "dial",
        number=["0451110001", "0451110002"],
        message="Fire!",
        confirm="1",
        digit_seconds=1,
        hang_up=False,
    )
    assert response["answered_by"] == "0451110002"
    assert far_end.engine.sent("hang_up") == [("out-1",)]
    assert line.state.call is not None
    assert line.state.call.id == "out-2"


@pytest.fixture
async def talking(far_end: FarEnd, engine: FakeEngine, line: Line) -> LineListener:
    """Return who hears of the line, in a call."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(connected())
    return listener


@pytest.mark.parametrize(
    ("keys", "question", "result", "digits", "tries"),
    [
        ("5", {}, "answered", "5", 1),
        ("1234", {"max_digits": 4}, "answered", "1234", 1),
        ("12#", {"max_digits": 4}, "answered", "12", 1),
        ("12", {"max_digits": 4}, "answered", "12", 1),
        ("31", {"choices": [1, 2]}, "answered", "1", 2),
        ("1", {"choices": ["1", "12"]}, "answered", "1", 1),
        ("12", {"choices": ["1", "12"]}, "answered", "12", 1),
        ("*#", {"choices": ["*#"]}, "answered", "*#", 1),
        ("33", {"choices": ["1"], "retries": 1}, "wrong", "3", 2),
        ("", {"retries": 1}, "timeout", None, 2),
    ],
)
async def test_ask(
    hass: HomeAssistant,
    engine: FakeEngine,
    talking: LineListener,
    keys: str,
    question: dict[str, Any],
    result: str,
    digits: str | None,
    tries: int,
) -> None:
    """Keys are asked for, and what was pressed is returned."""
    asked = asyncio.create_task(
        act(
            hass,
            "ask",
            message="Press a key",
            wrong_message="No",
            digit_seconds=1,
            next_digit_seconds=1,
            **question,
        )
    )
    await until(lambda: len(engine.played) > 5)
    for key in keys:
        talking.call_event(dtmf(key))
    assert await asked == {"result": result, "digits": digits, "tries": tries}


async def test_ask_who_hangs_up(
    hass: HomeAssistant, engine: FakeEngine, talking: LineListener
) -> None:
    """That the call is over is an answer, too."""
    asked = asyncio.create_task(act(hass, "ask", message="Press a key"))
    await until(lambda: len(engine.played) > 5)
    talking.call_event(ended())
    assert (await asked)["result"] == "hung_up"


async def test_ask_nobody(hass: HomeAssistant, far_end: FarEnd) -> None:
    """Without a call there is nobody to ask."""
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "ask", message="Press a key")
    assert error.value.translation_key == "call_not_connected"
    assert SILENCE not in far_end.engine.played
