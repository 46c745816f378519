"""A person sets a telephone up and uses it, all in the browser, to the log of the calls."""

from pathlib import Path

import pytest

from tests.home_gateway.call import Side
from tests.home_gateway.callees import Callee
from tests.home_gateway.gateway import HomeGateway

from .person import PAGE, PATIENCE_SECONDS, SIZE, TALL, Person
from .stage import staged
from .words import ENGLISH, JAPANESE, Words

CALLER = "0312345678"
OUTSIDE = "045-111-0001"


@pytest.mark.timeout(420)
@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("words", [ENGLISH, JAPANESE], ids=lambda words: words.language)
async def test_story(words: Words, tmp_path: Path) -> None:
    """From an empty Home Assistant to a call that is over."""
    async with staged(words, tmp_path, SIZE) as stage:
        person, gateway = stage.person, stage.gateway
        gateway.callees[CALLER] = Callee()
        await _add_line(person, gateway)
        await _add_contact(person)
        await _make_dashboard(person)
        await _take_call(person, gateway)
        await _place_call(person, gateway)
        await _call_contact(person, gateway)
        await _miss_call(person, gateway)
        await _see_log(person)


async def _add_line(person: Person, gateway: HomeGateway) -> None:
    """Add the line."""
    words = person.words
    await person.go("/config/integrations/dashboard/add?domain=hikari_denwa")
    await person.click("OK")
    await person.fill(words.field("user", "gateway"), "::1")
    await person.fill(words.field("user", "extension"), "3")
    await person.fill(words.field("user", "user_id"), "0003")
    await person.fill(words.field("user", "password"), "secret-3")
    await person.click(words.ours["config"]["step"]["user"]["sections"]["advanced"]["name"])
    await person.page.get_by_role("spinbutton").fill(str(gateway.port_v6))
    await person.click(words.submit)
    await person.finish()
    await gateway.registered(within=PATIENCE_SECONDS)


async def _add_contact(person: Person) -> None:
    """Add a contact, who gets a button."""
    words = person.words
    await person.go(PAGE)
    await person.begin_contact()
    await person.fill_contact("03-1234-5678")
    await person.click(words.submit)
    await person.finish()
    await person.sees(words.friend)
    await person.photograph("line-and-contact")


async def _make_dashboard(person: Person) -> None:
    """Make a dashboard from scratch and put the phone on it."""
    words = person.words
    await person.go("/config/lovelace/dashboards")
    await person.click(words.add_dashboard)
    await person.click(words.from_scratch)
    await person.page.get_by_role("textbox", name=words.title).fill("Phone")
    await person.page.get_by_role("textbox", name=words.url).fill("phone-home")
    await person.click(words.create, exact=True)
    await person.has_read(words.from_scratch)
    await person.go("/phone-home?edit=1")
    await person.add_card(words.entity("sensor", "call_state"), words.tile)
    await person.add_card(words.entity("text", "number"), words.tile)
    for key in ("answer", "hang_up", "dial"):
        await person.add_card(words.entity("button", key), words.with_button)
    await person.add_card(
        words.entity("button", "call_contact"), words.with_button, of=words.friend
    )
    for key in ("missed_calls", "last_caller"):
        await person.add_card(words.entity("sensor", key), words.tile)
    await person.click(words.done)
    await person.sees(words.call_state("idle"))


async def _take_call(person: Person, gateway: HomeGateway) -> None:
    """See who rings, answer, and hang up."""
    words = person.words
    call = await gateway.ring("3", caller=CALLER)
    await person.sees(words.call_state("ringing"))
    await person.photograph("ringing")
    await person.press(words.entity("button", "answer"))
    await call.answered(within=PATIENCE_SECONDS)
    await person.sees(words.call_state("talking"))
    await person.press(words.entity("button", "hang_up"))
    assert (await call.ended(within=PATIENCE_SECONDS)).by is Side.CLIENT
    await person.sees(words.call_state("idle"))


async def _place_call(person: Person, gateway: HomeGateway) -> None:
    """Type a number as one writes it, and dial."""
    words = person.words
    number = words.entity("text", "number")
    await person.page.locator("hui-tile-card").filter(has_text=number).click()
    field = person.page.get_by_role("textbox", name=number)
    await field.fill(OUTSIDE)
    await field.press("Enter")
    await person.page.keyboard.press("Escape")
    await person.press(words.entity("button", "dial"))
    call = await gateway.next_call(after=0, within=PATIENCE_SECONDS)
    assert call.dialled == OUTSIDE.replace("-", "")
    await person.sees(words.call_state("talking"))
    await person.press(words.entity("button", "hang_up"))
    await call.ended(within=PATIENCE_SECONDS)
    await person.sees(words.call_state("idle"))


async def _call_contact(person: Person, gateway: HomeGateway) -> None:
    """Call the contact by its button."""
    words = person.words
    placed = len(gateway.placed)
    await person.press(words.friend)
    call = await gateway.next_call(after=placed, within=PATIENCE_SECONDS)
    assert call.dialled == CALLER
    await person.sees(words.call_state("talking"))
    await person.press(words.entity("button", "hang_up"))
    await call.ended(within=PATIENCE_SECONDS)
    await person.sees(words.call_state("idle"))


async def _miss_call(person: Person, gateway: HomeGateway) -> None:
    """Do not take a call, and see that it was missed."""
    words = person.words
    call = await gateway.ring("3", caller=CALLER)
    await person.sees(words.call_state("ringing"))
    await call.cancel()
    missed = person.page.locator("hui-tile-card").filter(
        has_text=words.entity("sensor", "missed_calls")
    )
    await person.sees("1", missed)
    await person.photograph("missed-call")


async def _see_log(person: Person) -> None:
    """Read in Home Assistant's log what became of each call."""
    words = person.words
    await person.page.set_viewport_size(TALL)
    await person.go("/logbook")
    who = words.common("who_with_number", who=words.friend, number="03-1234-5678")
    for key in ("call_incoming_missed", "call_outgoing_answered", "call_incoming_answered"):
        told = words.common(key, who=who, duration="|").partition("|")[0]
        await person.sees(told.rstrip())
    await person.page.set_viewport_size(SIZE)
    await person.photograph("call-log")
