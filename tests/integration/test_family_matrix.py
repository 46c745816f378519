"""The whole family matrix at the simulated gateway: the verdict before, and the call after it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from tests.home_gateway.config import GatewayConfig
from tests.home_gateway.gateway import HomeGateway
from tests.loopback import loopback

from .conftest import state_of
from .family_matrix import (
    BOOK,
    CALLEES,
    FAMILIES,
    LINE_FAMILIES,
    LINES,
    MATRIX,
    PAGE,
    Cell,
    page,
)

__all__ = ["loopback"]

pytestmark = pytest.mark.usefixtures("loopback")
PATIENCE = 20.0


_PLAIN = GatewayConfig()
WITHHOLDING = replace(_PLAIN, calls=replace(_PLAIN.calls, shows_number=False))


@pytest.fixture
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[HomeGateway]:
    """Run the gateway; nothing that it was sent was wrong."""
    async with HomeGateway(getattr(request, "param", _PLAIN)) as gateway:
        yield gateway
        assert gateway.violations == []


async def until(line: Line, holds: Any) -> None:
    """Wait until something holds that a change of the line's state brings about."""
    changed = asyncio.Event()
    stop = line.subscribe(changed.set)
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                changed.clear()
                await changed.wait()
    finally:
        stop()


async def add_line(
    hass: HomeAssistant, gateway: HomeGateway, name: str, *, book: bool
) -> tuple[MockConfigEntry, Line]:
    """Set a line up, and wait until its paths are known."""
    first, second = LINES[name]
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Line",
        data={
            "gateway": first,
            "extension": "3",
            "user_id": "0003",
            "password": "secret-3",
            "family": "automatic",
            "port": gateway.port_v6,
        },
        options={"second_gateway": second, "extensions": BOOK if book else []},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    line: Line = entry.runtime_data

    def known() -> bool:
        paths = line.state.paths
        answering = {
            path.family.value for path in (paths.ipv4, paths.ipv6) if path and path.gateway_answers
        }
        return answering == LINE_FAMILIES[name]

    await until(line, known)
    return entry, line


async def call(hass: HomeAssistant, line: Line, number: str) -> Cell:
    """Ask for the verdict, call, and hang up; returns what came of it."""
    told = await act(hass, "check_number", number=number)
    try:
        response = await act(hass, "dial", number=number, wait_for_answer=True)
    except HomeAssistantError:
        return Cell(outlook=told["outlook"])
    assert response["verdict"] == told
    if response["result"] == "connected":
        await act(hass, "hang_up")
    await until(line, lambda: line.state.call is None)
    await hass.async_block_till_done(wait_background_tasks=True)
    return Cell(
        outlook=told["outlook"],
        tried=tuple(attempt["family"] for attempt in response["attempts"]),
        connected=response["result"] == "connected",
    )


async def act(hass: HomeAssistant, action: str, **data: Any) -> Any:
    """Carry out an action and return its response."""
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


@pytest.mark.parametrize(("name", "book"), MATRIX)
async def test_every_cell(hass: HomeAssistant, gateway: HomeGateway, name: str, book: bool) -> None:
    """Every verdict is what the page says, and every call that can work does."""
    entry, line = await add_line(hass, gateway, name, book=book)
    home = line.state.family
    found: dict[str, Cell] = {}
    for callee, number in CALLEES.items():
        found[callee] = await call(hass, line, number)
        # Each cell for itself: what one call teaches is another test's matter.
        await act(hass, "forget_experience")
        await until(line, lambda: line.state.family is home)
    assert found == MATRIX[name, book]
    for callee, cell in found.items():
        assert cell.connected is bool(FAMILIES[callee] & LINE_FAMILIES[name]), callee
    assert state_of(hass, "binary_sensor.line_registered").state == "on"
    await hass.config_entries.async_unload(entry.entry_id)
    await gateway.unregistered()


async def test_second_call_knows(hass: HomeAssistant, gateway: HomeGateway) -> None:
    """What refused IPv6 once is called over IPv4 at once the next time, and withheld is shown."""
    entry, line = await add_line(hass, gateway, "both families", book=False)
    number = CALLEES["outside, IPv4"]
    assert (await call(hass, line, number)).tried == ("ipv6", "ipv4")
    assert (await call(hass, line, number)).tried == ("ipv4",)
    await hass.config_entries.async_unload(entry.entry_id)
    await gateway.unregistered()


@pytest.mark.parametrize("gateway", [WITHHOLDING], indirect=True)
async def test_withheld_number_is_shown(hass: HomeAssistant, gateway: HomeGateway) -> None:
    """Who takes no withheld numbers is reached with 186, if the caller allows that."""
    entry, line = await add_line(hass, gateway, "both families", book=False)
    response = await act(hass, "dial", number="0451110433", wait_for_answer=True)
    assert [attempt["status"] for attempt in response["attempts"]] == [433]
    assert response["reason"] == "number_withheld_refused"
    response = await act(hass, "dial", number="0451110433", wait_for_answer=True, show_number=True)
    assert [attempt["status"] for attempt in response["attempts"]] == [433, None]
    assert [attempt["shows_number"] for attempt in response["attempts"]] == [False, True]
    assert response["result"] == "connected"
    await act(hass, "hang_up")
    await until(line, lambda: line.state.call is None)
    await hass.config_entries.async_unload(entry.entry_id)
    await gateway.unregistered()


def test_impossible_cells_are_told_before() -> None:
    """With the extensions entered, what cannot work is known, and what can is not held back."""
    for (name, book), row in MATRIX.items():
        for callee, cell in row.items():
            possible = bool(FAMILIES[callee] & LINE_FAMILIES[name])
            if cell.outlook == "cannot":
                assert not possible
            if cell.outlook == "works":
                assert possible
            if book and not possible and not callee.startswith("outside"):
                assert cell.outlook == "cannot"


def test_page_is_what_was_proven() -> None:
    """The table of the page is this one."""
    text = PAGE.read_text()
    assert page(text) == text
