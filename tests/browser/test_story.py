"""A person adds a line, makes a dashboard, and takes and places calls, all in the browser."""

from pathlib import Path

import pytest

from scripts.home_assistant import HomeAssistant, HomeAssistantOptions
from tests.home_gateway.call import Side
from tests.home_gateway.gateway import HomeGateway

from .person import Person, person_at
from .words import ENGLISH, JAPANESE, Words

CALLER = "0312345678"
OUTSIDE = "045-111-0001"


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("words", [ENGLISH, JAPANESE], ids=lambda words: words.language)
async def test_story(words: Words, tmp_path: Path) -> None:
    """From an empty Home Assistant to a call that is over."""
    home = HomeAssistant(tmp_path / "config", HomeAssistantOptions(language=words.language))
    async with HomeGateway() as gateway, home, person_at(home, words, tmp_path) as person:
        await _add_line(person, gateway)
        await _make_dashboard(person)
        await _take_call(person, gateway)
        await _place_call(person, gateway)
    assert gateway.violations == []


async def _add_line(person: Person, gateway: HomeGateway) -> None:
    """Add the line; the first password is wrong, and the gateway's answer is a sentence."""
    words = person.words
    await person.go("/config/integrations/dashboard/add?domain=hikari_denwa")
    await person.click("OK")
    await person.fill(words.field("user", "gateway"), "::1")
    await person.photograph("add-line")
    await person.fill(words.field("user", "extension"), "3")
    await person.fill(words.field("user", "user_id"), "0003")
    await person.fill(words.field("user", "password"), "wrong")
    await person.click(words.ours["config"]["step"]["user"]["sections"]["advanced"]["name"])
    await person.page.get_by_role("spinbutton").fill(str(gateway.port_v6))
    await person.click(words.submit)
    sentence = words.ours["config"]["error"]["credentials_rejected"]
    await person.sees(sentence.partition("{")[2].partition("}")[2][:12])
    await person.photograph("password-rejected")
    await person.fill(words.field("user", "password"), "secret-3")
    await person.click(words.submit)
    await person.click(words.finish)
    await person.photograph("line-added")
    await gateway.registered()


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
    for key in ("dial", "answer", "hang_up"):
        await person.add_card(words.entity("button", key), words.with_button)
    await person.photograph("dashboard-edited")
    await person.click(words.done)
    await person.sees(words.call_state("idle"))


async def _take_call(person: Person, gateway: HomeGateway) -> None:
    """See who rings, answer, and hang up."""
    words = person.words
    call = await gateway.ring("3", caller=CALLER)
    await person.sees(words.call_state("ringing"))
    await person.photograph("ringing")
    await person.press(words.entity("button", "answer"))
    await call.answered()
    await person.sees(words.call_state("talking"))
    await person.photograph("talking")
    await person.press(words.entity("button", "hang_up"))
    assert (await call.ended()).by is Side.CLIENT
    await person.sees(words.call_state("idle"))


async def _place_call(person: Person, gateway: HomeGateway) -> None:
    """Type a number as one writes it, and dial."""
    words = person.words
    number = words.entity("text", "number")
    await person.page.locator("hui-tile-card").filter(has_text=number).click()
    field = person.page.get_by_role("textbox", name=number)
    await field.fill(OUTSIDE)
    await field.press("Enter")
    await person.photograph("number-to-dial")
    await person.page.keyboard.press("Escape")
    await person.press(words.entity("button", "dial"))
    call = await gateway.next_call(after=0)
    assert call.dialled == OUTSIDE.replace("-", "")
    await person.sees(words.call_state("talking"))
    await person.press(words.entity("button", "hang_up"))
    await call.ended()
    await person.sees(words.call_state("idle"))
