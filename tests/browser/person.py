"""A person at a browser: looks for words on the page, clicks, types, and takes pictures."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, ViewportSize, async_playwright, expect

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
)
_PATIENCE_MS = 20_000
_SIZE: ViewportSize = {"width": 1100, "height": 900}


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

    async def sees(self, text: str) -> None:
        """Wait until a text can be read on the page."""
        await expect(self.page.get_by_text(text).first).to_be_visible(timeout=_PATIENCE_MS)

    async def has_read(self, text: str) -> None:
        """Wait until a text is gone."""
        await expect(self.page.get_by_text(text)).to_have_count(0, timeout=_PATIENCE_MS)

    async def add_card(self, entity: str, card: str) -> None:
        """Put an entity on the dashboard that is being edited, as a card that is suggested."""
        await self.click(self.words.add_card)
        await self.page.get_by_placeholder(self.words.search_entities).fill(entity)
        await self.page.get_by_role("button", name=re.compile(f"^{re.escape(entity)} ")).click()
        await self.click(card, exact=True)
        await self.has_read(self.words.suggestions)

    async def press(self, entity: str) -> None:
        """Press a button of the line on the dashboard."""
        tile = self.page.locator("hui-tile-card").filter(has_text=entity)
        await tile.get_by_role("button", name=self.words.press, exact=True).click()

    async def photograph(self, name: str) -> None:
        """Keep a picture of what is seen, once everything stands still."""
        await self.page.mouse.move(0, 0)
        await self.page.wait_for_timeout(700)
        folder = self._pictures / self.words.language
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=folder / f"{name}.png", animations="disabled")


@asynccontextmanager
async def person_at(home: HomeAssistant, words: Words, pictures: Path) -> AsyncIterator[Person]:
    """Have somebody at a browser for the time of a block; keeps a picture of what went wrong.

    Pictures go to the folder that the environment names in ``HIKARI_PICTURES``, if it does.
    """
    folder = Path(os.environ.get("HIKARI_PICTURES", pictures))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_ARGUMENTS
        )
        context = await browser.new_context(
            locale=words.locale, timezone_id="Asia/Tokyo", viewport=_SIZE
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
