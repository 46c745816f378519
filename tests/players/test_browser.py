"""Chromium without a window: an audio element and the browser's own ear at it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.processes import Peer, needs

from .listening_room import PITCH, ListeningRoom, until

# What is heard is looked at in the page: the loudest pitch, 23 Hz apart.
PLAY = """
(url => {
    window.audio = new Audio(url);
    const context = new AudioContext();
    const source = context.createMediaElementSource(window.audio);
    const ear = context.createAnalyser();
    ear.fftSize = 2048;
    source.connect(ear);
    ear.connect(context.destination);
    window.failure = "";
    window.audio.onerror = () => { window.failure = window.audio.error.message || "error"; };
    window.heard = () => {
        const levels = new Float32Array(ear.frequencyBinCount);
        ear.getFloatFrequencyData(levels);
        let loudest = 0;
        levels.forEach((level, index) => { if (level > levels[loudest]) loudest = index; });
        return {
            pitch: loudest * context.sampleRate / ear.fftSize,
            level: levels[loudest] === -Infinity ? -999 : levels[loudest],
            ended: window.audio.ended,
            failure: window.failure,
        };
    };
    return window.audio.play().then(() => "playing");
})
"""
FORMS = ("mp3", "48000.wav", "flac", "opus", "aac")


class Chromium(Peer):
    """A browser that is told what to do over its debugging protocol."""

    def __init__(self, folder: Path) -> None:
        """Keep a profile in the folder."""
        self._profile = folder / "profile"
        super().__init__(
            "chromium",
            [
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
                *("--no-first-run", "--disable-background-networking", "--disable-sync"),
                *("--disable-component-update", "--disable-default-apps", "--mute-audio"),
                *("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",),
                *("--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0"),
                *(f"--user-data-dir={self._profile}", "about:blank"),
            ],
            folder,
        )

    async def ready(self) -> None:
        """Wait until the debugging port is known."""
        await until((self._profile / "DevToolsActivePort").exists)

    @asynccontextmanager
    async def page(self, session: aiohttp.ClientSession, url: str) -> AsyncIterator[Page]:
        """Open a page for the time of a block."""
        port = (self._profile / "DevToolsActivePort").read_text().split()[0]
        async with session.put(f"http://127.0.0.1:{port}/json/new?{url}") as response:
            target = await response.json(content_type=None)
        async with session.ws_connect(target["webSocketDebuggerUrl"]) as socket:
            yield Page(socket)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Talk to it over its WebSocket."""
        self._socket = socket
        self._numbers = itertools.count(1)

    async def evaluate(self, expression: str) -> Any:
        """Return what JavaScript comes to, awaited if it is a promise."""
        number = next(self._numbers)
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        await self._socket.send_json({"id": number, "method": "Runtime.evaluate", "params": params})
        while True:
            message = await self._socket.receive_json()
            if message.get("id") == number:
                assert "exceptionDetails" not in message["result"], message
                return message["result"]["result"].get("value")

    async def heard(self) -> dict[str, Any]:
        """Return the loudest pitch, and how it goes with the element."""
        found: dict[str, Any] = await self.evaluate("window.heard()")
        return found


@needs("chromium")
@pytest.mark.timeout(120)
async def test_browser_plays_and_stops(room: ListeningRoom, tmp_path: Path) -> None:
    """An audio element plays every form of a call, and its `ended` comes with the call's end."""
    base = room.hass.config.internal_url
    async with (
        Chromium(tmp_path) as chromium,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as tabs,
    ):
        await room.ring()
        pages: dict[str, Page] = {}
        for form in FORMS:
            page = pages[form] = await tabs.enter_async_context(
                chromium.page(session, f"{base}/api/nothing")
            )
            await until(partial(same_origin, page, str(base)))
            url = json.dumps(await room.url(form))
            assert await asyncio.wait_for(page.evaluate(f"({PLAY})({url})"), 20) == "playing", form
        await room.answer()
        for form, page in pages.items():
            await until(partial(hears_the_tone, page))
            assert (await page.heard())["failure"] == "", form
        await room.hang_up()
        for form, page in pages.items():
            await until(partial(has_ended, page))
            assert (await page.heard())["failure"] == "", form


async def same_origin(page: Page, base: str) -> bool:
    """Tell whether a page of Home Assistant's is loaded, so that sound may be listened to."""
    return bool(await page.evaluate("location.origin") == base)


async def hears_the_tone(page: Page) -> bool:
    """Tell whether the loudest pitch is that of the call."""
    heard = await page.heard()
    return bool(abs(heard["pitch"] - PITCH) < 30 and heard["level"] > -50)


async def has_ended(page: Page) -> bool:
    """Tell whether the element has played to the end."""
    return bool((await page.heard())["ended"])
