"""A Home Assistant for one person, with a home gateway beside it, and nobody else to talk to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import ViewportSize

from scripts.home_assistant import Client, HomeAssistant, HomeAssistantOptions
from tests.home_gateway.gateway import HomeGateway

from .person import Person, person_at
from .words import Words

_PARTS = Path(__file__).parent / "parts"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Who is there; the ``client`` brings about what a person does not do."""

    person: Person
    gateway: HomeGateway
    client: Client


@asynccontextmanager
async def staged(words: Words, folder: Path, size: ViewportSize) -> AsyncIterator[Stage]:
    """Have them for the time of a block; the gateway must have found nothing wrong."""
    options = HomeAssistantOptions(
        language=words.language,
        components={"rehearsal": _PARTS / "rehearsal"},
        configuration="rehearsal:\nlogbook:\n",
    )
    home = HomeAssistant(folder / "config", options)
    async with (
        HomeGateway() as gateway,
        home,
        Client(home.url) as client,
        person_at(home, words, folder, size) as person,
    ):
        yield Stage(person=person, gateway=gateway, client=client)
    assert gateway.violations == []
