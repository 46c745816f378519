"""The actions for the block list."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason

from .conftest import home, state_of
from .fake_engine import FakeEngine, ended, incoming
from .test_contacts import subentry


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with a contact and a block list."""
    return home(subentry("Friend", "0311110000"), blocked_callers=["0120*", "0451234567"])


async def act(hass: HomeAssistant, action: str, **data: Any) -> Any:
    """Carry out an action and return its response."""
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


@pytest.mark.parametrize(
    ("written", "number", "formatted", "changed"),
    [
        ("03-1234-5678", "0312345678", "03-1234-5678", True),
        ("０３－１２３４－５６７８", "0312345678", "03-1234-5678", True),
        ("0570*", "0570*", "0570*", True),
        ("045-123-4567", "0451234567", "045-123-4567", False),
        ("0120-111-222", "0120111222", "0120-111-222", False),
        ("0120-*", "0120*", "0120*", False),
    ],
)
async def test_block(
    hass: HomeAssistant, line: Line, written: str, number: str, formatted: str, changed: bool
) -> None:
    """The number is on the list once; the line is not set up anew."""
    blocked = ["0120*", "0451234567", *([number] if changed else [])]
    assert await act(hass, "block_number", number=written) == {
        "number": number,
        "formatted_number": formatted,
        "changed": changed,
        "blocked_numbers": blocked,
    }
    assert line.entry.options["blocked_callers"] == blocked
    assert line.entry.runtime_data is line


async def test_block_the_last_caller(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """Who called last calls in vain from now on."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.CALLER_GAVE_UP))
    assert (await act(hass, "block_number"))["number"] == "0312345678"
    listener.call_event(incoming("in-2"))
    assert state_of(hass, "event.home_call").attributes["event_type"] == "blocked"


@pytest.mark.parametrize(
    ("action", "data", "reason"),
    [
        ("block_number", {"number": "nobody"}, "number_invalid"),
        ("block_number", {"number": 312345678}, "number_unquoted"),
        ("block_number", {"number": "03-1111-0000"}, "block_contact"),
        ("block_number", {}, "nobody_called"),
        ("unblock_number", {"number": "nobody"}, "number_invalid"),
        ("unblock_number", {"number": "0120-111-222"}, "unblock_pattern"),
    ],
)
async def test_nothing_changes(
    hass: HomeAssistant, line: Line, action: str, data: dict[str, Any], reason: str
) -> None:
    """What would block nobody, or unblock nobody, says so."""
    options = line.entry.options
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, action, **data)
    assert error.value.translation_key == reason
    assert line.entry.options is options


async def test_last_caller_without_a_number(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """The list cannot hold who withholds the number."""
    engine.client.listener().call_event(incoming(number=None, kind=CallerIdKind.WITHHELD))
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "block_number")
    assert error.value.translation_key == "last_caller_withheld"


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("045-123-4567", ["0120*"]),
        ("186-045-123-4567", ["0120*"]),
        ("0120*", ["0451234567"]),
        ("03-9999-9999", ["0120*", "0451234567"]),
    ],
)
async def test_unblock(hass: HomeAssistant, line: Line, written: str, left: list[str]) -> None:
    """The number is off the list, and others stay."""
    response = await act(hass, "unblock_number", number=written)
    assert response["blocked_numbers"] == left
    assert response["changed"] is (len(left) == 1)
    assert line.entry.options["blocked_callers"] == left
