"""What the demo shows, scene by scene, with a check of each step."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scripts.demonstration import gateway, sound
from scripts.demonstration.gateway import Gateway
from scripts.demonstration.report import Report, SceneEndedError
from scripts.demonstration.watch import Change, Watch
from scripts.home_assistant import DOMAIN, Client, HomeAssistant, HomeAssistantError

LINE_NAME = "Hikari Denwa"
CALLER = "0312345678"
CALLER_SHOWN = "03-1234-5678"
OTHER_EXTENSION = "6"
OUTSIDE_NUMBER = "045-111-0001"
OUTSIDE_DIGITS = "0451110001"
CALLER_TONE = 440.0
OUTSIDE_TONE = 1000.0
DIGITS = "147#"
TONE_SHARE = 0.9
PACKETS_PER_SECOND = 50.0


@dataclass
class Stage:
    """Everything that the scenes use."""

    client: Client
    gateway: Gateway
    watch: Watch
    report: Report
    entities: dict[str, str]
    placed: int = 0

    async def event(self, since: int, event_type: str) -> Change:
        """Wait for an event of the line's calls."""
        return await self.watch.wait(since, self.entities["event.call"], event_type=event_type)

    async def press(self, button: str) -> float:
        """Press a button; returns when, in monotonic seconds."""
        at = time.monotonic()
        await self.client.entity_action("button.press", self.entities[f"button.{button}"])
        return at

    async def is_idle(self) -> None:
        """Wait until no call is left; raises StepFailedError."""
        since, entity_id = self.watch.mark(), self.entities["sensor.call_state"]
        if (await self.client.states())[entity_id]["state"] != "idle":
            await self.watch.wait(since, entity_id, state="idle")

    async def clear(self) -> None:
        """Leave no call behind after a scene that failed."""
        try:
            await self.client.action("hang_up")
        except HomeAssistantError:
            return


async def set_up(client: Client, side: Gateway, report: Report) -> dict[str, str]:
    """Set the line up through the config flow; returns its entities."""
    async with report.step("The line is set up in the config flow") as step:
        began = time.monotonic()
        entry = await client.add_line(
            {
                "gateway": "::1",
                "extension": gateway.EXTENSION,
                "user_id": gateway.USER_ID,
                "password": gateway.PASSWORD,
                "port": side.port,
                "name": LINE_NAME,
            }
        )
        step.measured(1000 * (time.monotonic() - began), "ms", digits=0)
        step.saw(f"extension {gateway.EXTENSION} of the gateway at [::1]:{side.port}")
        entities = await client.entities(entry["entry_id"])
        step.saw(f"{len(entities)} entities")
    async with report.step("The extension is registered over IPv6") as step:
        binding = await side.ask("registered", time_limit=10)
        step.check(binding["family"] == "ipv6", f"it is registered over {binding['family']}")
        step.saw(f"the gateway knows it as {binding['contact']}")
        state = (await client.states())[entities["binary_sensor.registered"]]
        step.check(state["state"] == "on", f"Home Assistant says {state['state']}")
        step.check(
            state["attributes"].get("family") == "ipv6",
            f"Home Assistant says {state['attributes']}",
        )
        step.saw("so does Home Assistant")
        step.measured(binding["registers"], "REGISTERs", digits=0)
    return entities


async def incoming(stage: Stage) -> None:
    """Take a call from outside, hear it, send digits, and have it end there."""
    report, side = stage.report, stage.gateway
    since = stage.watch.mark()
    async with report.step("A call comes in") as step:
        ring = await side.ask("ring", caller=CALLER, tone=CALLER_TONE)
        event = await stage.event(since, "incoming")
        state = await stage.watch.wait(since, stage.entities["sensor.call_state"], state="ringing")
        step.saw("event “incoming”, call state “ringing”")
        step.measured(1000 * (min(event.at, state.at) - ring["invite"]), "ms", "INVITE to event")
        moments = await side.ask("state", call=ring["call"], state="ringing", time_limit=5)
        step.measured(1000 * (moments["ringing"] - ring["invite"]), "ms", "INVITE to 180")
        step.check(moments["family"] == "ipv6", f"the call came over {moments['family']}")
    async with report.step("It is known who calls") as step:
        shown = event.attributes.get("formatted_number")
        step.check(shown == CALLER_SHOWN, f"the event says {event.attributes}")
        step.saw(f"{shown} for {event.attributes.get('called_number')}")
    async with report.step("The call is answered by the button") as step:
        pressed = await stage.press("answer")
        moments = await side.ask("state", call=ring["call"], state="answered", time_limit=5)
        step.measured(1000 * (moments["answered"] - pressed), "ms", "button to 200 OK")
        connected = await stage.event(since, "connected")
        step.measured(1000 * (connected.at - pressed), "ms", "to event")
        step.saw("events “answered” and “connected”")
    url = await _hear(stage, "The caller is heard on the live stream", CALLER_TONE)
    await _talk(stage, ring["call"])
    async with report.step("The caller hangs up") as step:
        began = time.monotonic()
        await side.ask("hang_up", call=ring["call"])
        ended = await stage.event(since, "ended")
        step.saw(f"event “ended”, {ended.attributes['reason']}")
        step.measured(ended.attributes["duration"], "s", "talked")
        step.measured(1000 * (ended.at - began), "ms", "BYE to event")
        await stage.is_idle()
        status = await sound.status_of(stage.client, url)
        step.check(status == 404, f"the stream's address still answers {status}")
        step.saw("the stream's address is dead")


async def _talk(stage: Stage, call: int) -> None:
    """Let the caller hear this side: a stream without holes, and keypad tones."""
    report, side = stage.report, stage.gateway
    async with report.step("Sound leaves for the caller") as step:
        began = time.monotonic()
        await asyncio.sleep(1)
        heard = await side.ask("heard", call=call, since=began)
        rate = heard["packets_per_second"]
        step.measured(rate, "packets/s")
        step.measured(heard["widest_gap_ms"], "ms", "widest gap")
        step.check(abs(rate - PACKETS_PER_SECOND) < 1, f"{rate:.1f} packets a second")
        step.check(heard["families"] == ["ipv6"], f"it came over {heard['families']}")
        step.saw("an even stream at the gateway, over IPv6")
    async with report.step("Keypad tones reach the caller") as step:
        began = time.monotonic()
        await stage.client.action("send_dtmf", digits=DIGITS)
        await asyncio.sleep(0.2)
        heard = await side.ask("heard", call=call, since=began)
        step.check(heard["digits"] == DIGITS, f"the caller heard “{heard['digits']}”")
        step.saw(f"the caller heard {heard['digits']}")


async def missed(stage: Stage) -> None:
    """See a call without a number that nobody takes."""
    since = stage.watch.mark()
    async with stage.report.step("A call without a number is missed") as step:
        ring = await stage.gateway.ask("ring", caller="", tone=CALLER_TONE, withheld=True)
        event = await stage.event(since, "incoming")
        kind = event.attributes.get("caller_id")
        step.check(kind == "withheld", f"the event says {event.attributes}")
        step.measured(1000 * (event.at - ring["invite"]), "ms", "INVITE to event")
        await asyncio.sleep(0.3)
        await stage.gateway.ask("hang_up", call=ring["call"])
        ended = await stage.event(since, "missed")
        step.saw(f"caller ID {kind}; event “missed”, {ended.attributes['reason']}")
        await stage.is_idle()


async def extension(stage: Stage) -> None:
    """Call another extension by the action, and hang up."""
    since = stage.watch.mark()
    async with stage.report.step("Another extension is called by the action “dial”") as step:
        began = time.monotonic()
        response = await stage.client.action("dial", number=OTHER_EXTENSION, wait_for_answer=True)
        call = await stage.gateway.ask("next_call", after=stage.placed, time_limit=5)
        stage.placed += 1
        step.check(response["result"] == "connected", f"the response is {response}")
        step.check(call["family"] == "ipv6", f"the call went over {call['family']}")
        step.saw(f"extension {call['number']} answered, over {response['family']}")
        step.measured(1000 * (time.monotonic() - began), "ms", "action to answer", digits=0)
        await stage.event(since, "connected")
    async with stage.report.step("It is hung up by the button") as step:
        pressed = await stage.press("hang_up")
        end = await stage.gateway.ask("state", call=call["call"], state="ended", time_limit=5)
        ended = await stage.event(since, "ended")
        step.check((end["by"], end["how"]) == ("client", "BYE"), f"the gateway saw {end}")
        step.saw(f"BYE at the gateway; event “ended”, {ended.attributes['reason']}")
        step.measured(1000 * (ended.at - pressed), "ms", "button to event")
        await stage.is_idle()


async def outside(stage: Stage) -> None:
    """Call an outside number from the text field and the dial button, and hear it."""
    since = stage.watch.mark()
    async with stage.report.step("An outside number is called by the dial button") as step:
        await stage.client.entity_action(
            "text.set_value", stage.entities["text.number"], value=OUTSIDE_NUMBER
        )
        pressed = await stage.press("dial")
        call = await stage.gateway.ask("next_call", after=stage.placed, time_limit=5)
        stage.placed += 1
        step.check(call["number"] == OUTSIDE_DIGITS, f"the gateway was asked for {call['number']}")
        step.check(call["family"] == "ipv6", f"the call went over {call['family']}")
        connected = await stage.event(since, "connected")
        step.measured(1000 * (connected.at - pressed), "ms", "button to answer", digits=0)
        step.saw(f"{connected.attributes['formatted_number']} answered; events “outgoing” and "
                 f"“connected”")  # fmt: skip
    await _hear(stage, "The callee is heard on the live stream", OUTSIDE_TONE)
    async with stage.report.step("The call is hung up by the action") as step:
        await stage.client.action("hang_up")
        end = await stage.gateway.ask("state", call=call["call"], state="ended", time_limit=5)
        ended = await stage.event(since, "ended")
        step.check(end["by"] == "client", f"the gateway saw {end}")
        step.saw(f"BYE at the gateway; event “ended”, {ended.attributes['reason']}")
        await stage.is_idle()


async def refused(stage: Stage) -> None:
    """See that an emergency number is not dialled."""
    async with stage.report.step("An emergency number is refused") as step:
        try:
            await stage.client.action("dial", number="110")
        except HomeAssistantError as error:
            step.check("number_emergency" in str(error), str(error))
            step.saw("110 is not dialled, with a sentence why")
        else:
            step.check(condition=False, otherwise="110 was dialled")


async def _hear(stage: Stage, name: str, tone: float) -> str:
    """Hear a tone on the call's live stream; returns the stream's address."""
    async with stage.report.step(name) as step:
        url: str = (await stage.client.action("listen"))["url"]
        heard = await sound.listen(stage.client, url)
        share = heard.share_of(tone)
        step.check(share > TONE_SHARE, f"only {share:.0%} of the sound is the {tone:.0f} Hz tone")
        step.saw(f"{heard.content_type}, {heard.rate} Hz; the {tone:.0f} Hz tone is in it")
        step.measured(100 * share, "% of the power", digits=0)
        step.measured(1000 * heard.first_byte_s, "ms", "to the first byte")
    return url


SCENES: tuple[tuple[str, Callable[[Stage], Awaitable[None]]], ...] = (
    ("An incoming call", incoming),
    ("A missed call", missed),
    ("A call to another extension", extension),
    ("A call to an outside number", outside),
    ("Emergency numbers", refused),
)


async def play(stage: Stage) -> None:
    """Show every scene; one that fails does not keep the next from being shown."""
    for _, scene in SCENES:
        try:
            await scene(stage)
        except SceneEndedError:
            await stage.clear()


async def judge(stage: Stage) -> None:
    """Ask the gateway whether everything that it received was right."""
    async with stage.report.step("The gateway found no breach of the RFCs") as step:
        violations = await stage.gateway.ask("violations")
        step.check(not violations, " | ".join(violations))
        step.saw("nothing to complain about")


async def read_log(running: HomeAssistant, report: Report) -> None:
    """See that Home Assistant had nothing to complain about."""
    async with report.step("Home Assistant's log is clean") as step:
        complaints = [
            line
            for line in running.log_lines()
            if f"custom_components.{DOMAIN}" in line
            and any(f" {level} " in line for level in ("WARNING", "ERROR", "CRITICAL"))
        ]
        step.check(not complaints, " | ".join(complaints))
        step.saw("no warning and no error of the integration")


async def part(side: Gateway, running: HomeAssistant, report: Report) -> None:
    """Stop Home Assistant: the line is un-registered, and no process is left."""
    async with report.step("Home Assistant stops") as step:
        began = time.monotonic()
        gone = asyncio.create_task(side.ask("unregistered", time_limit=30))
        await running.stop()
        step.measured(time.monotonic() - began, "s")
        await gone
        step.saw("the extension is un-registered")
        step.check(not running.left_behind, f"processes are left: {running.left_behind}")
        step.saw("no process is left")
