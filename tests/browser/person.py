"""A person at a browser: looks for words on the page, clicks, types, and takes pictures."""

import asyncio
import io
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image
from playwright.async_api import (
    Locator,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from scripts.home_assistant import PASSWORD, USERNAME, HomeAssistant

from .words import Words

# Everything that would reach for the world outside is off.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# A machine that does other things as well takes its time.
PATIENCE_SECONDS = 45.0
_PATIENCE_MS = int(1000 * PATIENCE_SECONDS)
PAGE = "/config/integrations/integration/hikari_denwa"
SIZE: ViewportSize = {"width": 1100, "height": 900}
# A dialog that is as high as it wants to be.
TALL: ViewportSize = {"width": 1000, "height": 2200}
_COLOURS = 128
_STILL_MS = 400
_RAW_KEY = re.compile(r"^(component\.|ui\.panel\.|ui\.components\.)")


class Person:
    """Somebody who is logged in at Home Assistant."""

    def __init__(self, page: Page, url: str, words: Words, pictures: Path) -> None:
        """Sit down before a page."""
        self.page = page
        self.words = words
        self._url = url
        self._pictures = pictures

    async def log_in(self) -> None:
        """Log in."""
        await self.page.goto(self._url)
        await self.page.locator("input[name=username]").fill(USERNAME)
        await self.page.locator("input[name=password]").fill(PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("home-assistant-main")

    async def go(self, path: str) -> None:
        """Open a page of Home Assistant."""
        await self.page.goto(f"{self._url}{path}")

    def button(self, name: str, *, exact: bool = False) -> Locator:
        """Return a button by what stands on it."""
        return self.page.get_by_role("button", name=name, exact=exact)

    async def click(self, name: str, *, exact: bool = False) -> None:
        """Click a button."""
        await self.button(name, exact=exact).first.click()

    async def fill(self, label: str, text: str) -> None:
        """Type into a field."""
        await self.page.get_by_role("textbox", name=label).fill(text)

    async def begin_contact(self) -> None:
        """Open the dialog of a new contact."""
        ours = self.words.ours["config_subentries"]["contact"]
        await self.click(ours["initiate_flow"]["user"])
        await self.page.get_by_text(ours["step"]["user"]["menu_options"]["contact"]).click()
        await self.opened(ours["step"]["contact"]["title"])

    async def fill_contact(self, number: str) -> None:
        """Type who the friend is."""
        fields = self.words.ours["config_subentries"]["contact"]["step"]["contact"]["data"]
        await self.fill(fields["name"], self.words.friend)
        await self.fill(fields["reading"], self.words.friend_reading)
        await self.fill(fields["numbers"], number)

    async def unfold(self, heading: str) -> None:
        """Open a section of a form, or close it."""
        await self.page.get_by_role("heading", name=heading, exact=True).last.click()

    async def select(self, field: str, choice: str) -> None:
        """Choose from a list that drops down."""
        await self.page.locator("ha-select").filter(has_text=field).click()
        await (
            self.page.get_by_role("menuitem", name=choice)
            .or_(self.page.get_by_role("option", name=choice))
            .first.click()
        )

    async def choose_in_menu(self, menu: str, item: str) -> None:
        """Choose from the last menu on the page with that name that has the item."""
        await self.button(menu, exact=True).nth(1).click()
        await self.page.get_by_text(item, exact=True).first.click()

    async def sees(self, text: str, where: Locator | None = None) -> None:
        """Wait until a text can be read on the page, or in a part of it."""
        await expect((where or self.page).get_by_text(text).first).to_be_visible(
            timeout=_PATIENCE_MS
        )

    async def has_read(self, text: str) -> None:
        """Wait until a text is gone."""
        await expect(self.page.get_by_text(text)).to_have_count(0, timeout=_PATIENCE_MS)

    async def add_card(self, entity: str, card: str, of: str = "") -> None:
        """Put an entity on the dashboard that is being edited, as a card that is suggested.

        ``of`` is its device, where others have an entity of that name.
        """
        await self.click(self.words.add_card)
        await self.page.get_by_placeholder(self.words.search_entities).fill(
            f"{of} {entity}".strip()
        )
        found = re.compile(f"^{re.escape(entity)} .*{re.escape(of)}")
        await self.page.get_by_role("button", name=found).click()
        await self.click(card, exact=True)
        await self.has_read(self.words.suggestions)

    async def press(self, name: str) -> None:
        """Press a button of the line or of a contact on the dashboard."""
        press = self.page.get_by_role("button", name=self.words.press, exact=True)
        tile = self.page.locator("hui-tile-card").filter(has_text=name).filter(has=press)
        await tile.get_by_role("button", name=self.words.press, exact=True).click()

    @property
    def dialog(self) -> Locator:
        """Return the dialog that is open."""
        return self.page.locator("dialog[open]").last

    async def opened(self, title: str) -> None:
        """Wait for the dialog with a title, without anything that is still being translated."""
        shown = self.page.locator(".dialog-title, h2, [slot=headerTitle]")
        await expect(shown.get_by_text(title, exact=True).first).to_be_visible(timeout=_PATIENCE_MS)
        # Home Assistant shows the key of a text that it does not find.
        await expect(self.page.get_by_text(_RAW_KEY)).to_have_count(0)

    async def finish(self) -> None:
        """Leave a dialog that came to a good end; new devices, if they are there yet, stay put."""
        names = "|".join(map(re.escape, (self.words.skip_and_finish, self.words.finish)))
        await self.page.get_by_role("button", name=re.compile(f"^({names})$")).click()

    async def close_dialog(self) -> None:
        """Close the dialog that is open."""
        await self.button(self.words.close, exact=True).last.click()
        await expect(self.page.locator("dialog[open]")).to_have_count(0, timeout=_PATIENCE_MS)

    async def is_told(self) -> None:
        """Wait until a dialog has come to its end, and close it."""
        await expect(self.page.locator("step-flow-abort")).to_be_visible(timeout=_PATIENCE_MS)
        await self.close_dialog()

    async def photograph(self, name: str, what: Locator | None = None) -> None:
        """Keep a picture of what is seen, or of a part of it, once everything stands still."""
        await self.page.mouse.move(0, 0)
        await self.page.wait_for_timeout(_STILL_MS)
        if what is None:
            picture = await self.page.screenshot(animations="disabled")
        else:
            picture = await what.screenshot(animations="disabled")
        await asyncio.to_thread(self._keep, name, picture)

    def _keep(self, name: str, picture: bytes) -> None:
        """Write a picture, as small as it can be without looking worse."""
        folder = self._pictures / self.words.language
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(picture)) as shown:
            few = shown.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        few.save(folder / f"{name}.png", optimize=True)


@asynccontextmanager
async def person_at(
    home: HomeAssistant, words: Words, pictures: Path, size: ViewportSize = SIZE
) -> AsyncIterator[Person]:
    """Have somebody at a browser for the time of a block; keeps a picture of what went wrong.

    Pictures go to the folder that the environment names in ``HIKARI_PICTURES``, if it does.
    """
    folder = Path(os.environ.get("HIKARI_PICTURES", pictures))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_ARGUMENTS
        )
        context = await browser.new_context(
            locale=words.locale, timezone_id="Asia/Tokyo", viewport=size
        )
        context.set_default_timeout(_PATIENCE_MS)
        person = Person(await context.new_page(), home.url, words, folder)
        try:
            await person.log_in()
            yield person
        except BaseException:
            await person.page.screenshot(path=pictures / "failed.png")
            raise
        finally:
            await browser.close()
