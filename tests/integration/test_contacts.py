"""Contacts in Home Assistant: dialogs, files, names of callers, buttons."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigSubentryData,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.address_book import address_book
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.contacts import Contact, RingRule
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.storage import async_remove_stores

from .conftest import ENTRY_DATA, home, state_of
from .fake_engine import FakeEngine, ended, incoming

CALL_EVENT = "event.home_call"
DOORBELL = "event.home_doorbell"
FILE = "a2cd5ba5d9e04c6a9bb1b0c5b8a0c9ce"
CARD = "BEGIN:VCARD\nFN:{name}\nTEL:{number}\nEND:VCARD\n"

FORM: dict[str, Any] = {
    "name": " 祖父母 ",
    "reading": "そふぼ",
    "numbers": ["０３-1234-5678", "0120*"],
    "group": "家族",
    "ring_rule": "vip",
    "more": {
        "picture": "/local/grandparents.jpg",
        "language": "ja",
        "show_number": True,
        "dial_button": True,
    },
}
KEPT: dict[str, Any] = {
    "numbers": ["0312345678", "0120*"],
    "reading": "そふぼ",
    "group": "家族",
    "ring_rule": "vip",
    "picture": "/local/grandparents.jpg",
    "language": "ja",
    "show_number": True,
    "dial_button": True,
}


def subentry(name: str, *numbers: str, **more: Any) -> ConfigSubentryData:
    """Return a contact as it is kept."""
    data = Contact(name=name, numbers=numbers, **more).as_data()
    return ConfigSubentryData(data=data, subentry_type="contact", title=name, unique_id=None)


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with contacts."""
    return home(
        subentry(
            "Grandmother",
            "0312345678",
            "09012345678",
            reading="Grandma",
            group="Family",
            picture="/local/grandma.jpg",
            language="en",
        ),
        subentry("Door", "1", ring_rule=RingRule.DOOR_PHONE, dial_button=False),
        subentry("Freephone", "0120*"),
        door_phones=["2"],
    )


@pytest.fixture
async def other(hass: HomeAssistant, line: Line) -> MockConfigEntry:
    """Return a second line with a contact of its own, set up."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Office",
        entry_id="line-2",
        data={**ENTRY_DATA, "extension": "4"},
        subentries_data=[subentry("Customer", "0451234567"), subentry("Boss", "0312345678")],
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-2")
    await hass.async_block_till_done()
    return entry


async def begin(hass: HomeAssistant, option: str) -> SubentryFlowResult:
    """Open the dialog and choose from its menu."""
    result = await hass.config_entries.subentries.async_init(
        ("line-1", "contact"), context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.MENU
    return await configure(hass, result, {"next_step_id": option})


async def configure(
    hass: HomeAssistant, flow: SubentryFlowResult, entered: dict[str, Any]
) -> SubentryFlowResult:
    """Fill the form of a dialog."""
    result = await hass.config_entries.subentries.async_configure(flow["flow_id"], entered)
    await hass.async_block_till_done()
    return result


def buttons(hass: HomeAssistant) -> set[str]:
    """Return the names of those who can be called by a button."""
    return {
        str(state.attributes["friendly_name"])
        for state in hass.states.async_all("button")
        if state.entity_id.endswith("_call") and state.state != "unavailable"
    }


async def test_add(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A contact that is entered names its callers at once, and its button calls it."""
    result = await begin(hass, "contact")
    assert result["type"] is FlowResultType.FORM
    schema = result["data_schema"]
    assert schema is not None
    (numbers,) = [key for key in schema.schema if key == "numbers"]
    assert numbers.description == {"suggested_value": [""]}
    result = await configure(hass, result, FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (added,) = [one for one in line.entry.subentries.values() if one.title == "祖父母"]
    assert dict(added.data) == KEPT
    assert engine.sent("remove_line") == []
    (button,) = [
        found
        for found in er.async_entries_for_config_entry(er.async_get(hass), "line-1")
        if found.config_subentry_id == added.subentry_id and found.domain == "button"
    ]
    state = state_of(hass, button.entity_id)
    assert state.attributes["entity_picture"] == "/local/grandparents.jpg"
    await hass.services.async_call(
        "button", "press", {"entity_id": button.entity_id}, blocking=True
    )
    assert engine.sent("dial") == [("line-1", "0312345678")]


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        ({"name": "  "}, {"name": "contact_name_missing"}),
        ({"numbers": ["03-1234-5678", "Grandma"]}, {"numbers": "number_invalid"}),
        ({"numbers": [" "]}, {"numbers": "contact_numbers_missing"}),
        (
            {"name": "", "numbers": ["x"]},
            {"name": "contact_name_missing", "numbers": "number_invalid"},
        ),
    ],
)
async def test_wrong_input_then_right(
    hass: HomeAssistant, line: Line, wrong: dict[str, Any], errors: dict[str, str]
) -> None:
    """What cannot be right is told at its field; the dialog goes on from it."""
    before = len(line.entry.subentries)
    result = await configure(hass, await begin(hass, "contact"), {**FORM, **wrong})
    assert result["errors"] == errors
    assert len(line.entry.subentries) == before
    result = await configure(hass, result, FORM)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_change(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A contact that is changed keeps its button, under the new name, and the line its call."""
    listener = engine.client.listener()
    listener.call_event(incoming())
    contact = next(iter(line.entry.subentries.values()))
    registry = er.async_get(hass)
    before = {found.unique_id: found.entity_id for found in registry.entities.values()}
    result = await hass.config_entries.subentries.async_init(
        ("line-1", "contact"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": contact.subentry_id},
    )
    schema = result["data_schema"]
    assert schema is not None
    shown = {str(key): (key.description or {}).get("suggested_value") for key in schema.schema}
    assert shown["name"] == "Grandmother"
    assert shown["numbers"] == ["0312345678", "09012345678"]
    more = {"show_number": False, "dial_button": True}
    changed = {
        "name": "Oma",
        "numbers": ["0312345678", "1861234"],
        "ring_rule": "normal",
        "more": more,
    }
    result = await configure(hass, result, changed)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert buttons(hass) == {"Oma Call"}
    assert {found.unique_id: found.entity_id for found in registry.entities.values()} == before
    assert line.state.call is not None
    assert contact.title == "Oma"
    assert "reading" not in contact.data


async def test_button_goes_and_comes(hass: HomeAssistant, line: Line) -> None:
    """Without the wish for a button there is none, and no device; with it there is again."""
    contact = next(iter(line.entry.subentries.values()))
    devices = dr.async_get(hass)
    for wanted in (False, True):
        hass.config_entries.async_update_subentry(
            line.entry, contact, data={**contact.data, "dial_button": wanted}
        )
        await hass.async_block_till_done()
        assert buttons(hass) == ({"Grandmother Call"} if wanted else set())
        found = dr.async_entries_for_config_entry(devices, "line-1")
        assert len(found) == (2 if wanted else 1)


async def test_remove(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """A contact that is removed leaves no button, no device and no name."""
    for contact_id in tuple(line.entry.subentries):
        hass.config_entries.async_remove_subentry(line.entry, contact_id)
    await hass.async_block_till_done()
    assert buttons(hass) == set()
    assert len(dr.async_entries_for_config_entry(dr.async_get(hass), "line-1")) == 1
    assert len(address_book(hass).contacts) == 0
    engine.client.listener().call_event(incoming())
    assert state_of(hass, CALL_EVENT).attributes["who"] == "03-1234-5678"


async def test_names_callers(hass: HomeAssistant, engine: FakeEngine, line: Line) -> None:
    """The contact's name goes before the network's; the event tells what else is known."""
    listener = engine.client.listener()
    listener.call_event(incoming(number="09012345678", display_name="Somebody"))
    event = state_of(hass, CALL_EVENT)
    assert event.attributes == event.attributes | {
        "who": "Grandmother",
        "name": "Grandmother",
        "reading": "Grandma",
        "group": "Family",
        "ring_rule": "normal",
        "picture": "/local/grandma.jpg",
        "language": "en",
    }
    sensor = state_of(hass, "sensor.home_call_state")
    assert sensor.attributes["who"] == "Grandmother"
    assert sensor.attributes["group"] == "Family"
    listener.call_event(ended())
    await line.async_dial("0120-111-222")
    assert state_of(hass, "sensor.home_call_state").attributes["who"] == "Freephone"
    assert "reading" not in state_of(hass, CALL_EVENT).attributes


@pytest.mark.parametrize(("number", "rings"), [("1", True), ("2", True), ("3", False)])
async def test_door_phones(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    changes: Callable[[str], list[State]],
    number: str,
    rings: bool,
) -> None:
    """The doorbell rings for door phones of the option and of the address book."""
    events = changes(DOORBELL)
    engine.client.listener().call_event(incoming(number=number, internal=True))
    await hass.async_block_till_done()
    assert len(events) == rings


async def test_one_book_for_all_lines(
    hass: HomeAssistant, engine: FakeEngine, line: Line, other: MockConfigEntry
) -> None:
    """Contacts of any line name callers on all lines; its own go first."""
    for name, line_id in (("Grandmother", "line-1"), ("Boss", "line-2")):
        listener = engine.client.listener(line_id)
        listener.call_event(incoming(name))
        entity = "event.home_call" if line_id == "line-1" else "event.office_call"
        assert state_of(hass, entity).attributes["who"] == name
        listener.call_event(ended(name))
    engine.client.listener("line-1").call_event(incoming("c", number="0451234567"))
    assert state_of(hass, CALL_EVENT).attributes["who"] == "Customer"
    assert await hass.config_entries.async_unload("line-2")
    engine.client.listener("line-1").call_event(incoming("d", number="0451234567"))
    assert state_of(hass, CALL_EVENT).attributes["who"] == "Customer"


async def test_contacts_outlive_their_line(
    hass: HomeAssistant, engine: FakeEngine, line: Line, other: MockConfigEntry
) -> None:
    """The contacts of a line that is removed go to another one; with the last line they go.

    However long it takes to delete the line's files, the buttons keep their entity ids.
    """
    assert len(address_book(hass).contacts) == 5

    async def slowly(hass: HomeAssistant, entry: MockConfigEntry) -> None:
        await asyncio.sleep(0.05)
        await async_remove_stores(hass, entry)

    with patch("custom_components.hikari_denwa.async_remove_stores", slowly):
        await hass.config_entries.async_remove("line-2")
    await hass.async_block_till_done()
    assert len(address_book(hass).contacts) == 5
    assert {found.title for found in line.entry.subentries.values()} >= {"Customer", "Boss"}
    assert buttons(hass) == {"Grandmother Call", "Customer Call", "Boss Call"}
    await hass.config_entries.async_remove("line-1")
    await hass.async_block_till_done()
    assert len(address_book(hass).contacts) == 0


@contextmanager
def uploaded(path: Path) -> Iterator[None]:
    """Put a file where an upload would be."""

    @contextmanager
    def process(_hass: HomeAssistant, file_id: str) -> Iterator[Path]:
        assert file_id == FILE
        yield path

    with patch("custom_components.hikari_denwa.contact_flow.process_uploaded_file", process):
        yield


async def test_import_a_file(hass: HomeAssistant, line: Line, tmp_path: Path) -> None:
    """New contacts come, those that are there get what they lack, the rest is told."""
    path = tmp_path / "contacts.vcf"
    path.write_text(
        CARD.format(name="Aunt", number="0311112222")
        + "BEGIN:VCARD\nFN:Oma\nTEL:0312345678\nTEL:0399998888\nCATEGORIES:Old\nEND:VCARD\n"
        + CARD.format(name="Nobody", number="none")
        + CARD.format(name="Door", number="1")
    )
    with uploaded(path):
        result = await configure(
            hass, await begin(hass, "import"), {"file": FILE, "dial_button": False}
        )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "contacts_imported"
    assert result["description_placeholders"] == {
        "added": "1",
        "updated": "1",
        "skipped": "1",
        "names": "Nobody",
    }
    book = address_book(hass)
    completed = book.find("0399998888")
    assert completed is not None
    assert completed.name == "Grandmother"
    assert completed.group == "Family"
    aunt = book.find("0311112222")
    assert aunt is not None
    assert aunt.line == "line-1"
    assert buttons(hass) == {"Grandmother Call"}
    path.write_text("nothing")
    with uploaded(path):
        result = await configure(
            hass, await begin(hass, "import"), {"file": FILE, "dial_button": False}
        )
    assert result["errors"] == {"file": "contacts_unreadable"}


async def test_import_many(hass: HomeAssistant, line: Line, tmp_path: Path) -> None:
    """Many are taken, and only the first of those without a number are named."""
    path = tmp_path / "contacts.csv"
    rows = [f"Contact {at},03{at:08}" for at in range(300)]
    rows += [f"Nobody {at}," for at in range(12)]
    path.write_text("\n".join(["name,phone", *rows]))
    with uploaded(path):
        result = await configure(
            hass, await begin(hass, "import"), {"file": FILE, "dial_button": True}
        )
    placeholders = result["description_placeholders"]
    assert placeholders is not None
    assert placeholders["added"] == "300"
    assert placeholders["skipped"] == "12"
    assert placeholders["names"].endswith("Nobody 9, …")
    assert len(buttons(hass)) == 301


async def call(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    """Perform an action and return its response."""
    response = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )
    assert response is not None
    return dict(response)


async def test_import_and_export_by_action(
    hass: HomeAssistant, line: Line, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """What one Home Assistant exports, another imports; the file can be fetched."""
    told = await call(
        hass,
        "import_contacts",
        content=CARD.format(name="Aunt", number="0311112222"),
        dial_button=True,
    )
    assert told == {"added": 1, "updated": 0, "skipped": []}
    assert buttons(hass) == {"Grandmother Call", "Aunt Call"}
    client = await hass_client_no_auth()
    for form, kind in (("vcard", "text/vcard"), ("csv", "text/csv")):
        told = await call(hass, "export_contacts", format=form)
        assert told["count"] == 4
        response = await client.get(told["path"])
        assert response.status == HTTPStatus.OK
        assert response.content_type == kind
        assert await response.read() == told["content"].encode()
        again = await call(hass, "import_contacts", content=told["content"])
        assert again == {"added": 0, "updated": 0, "skipped": []}
    told = await call(hass, "export_contacts", format="csv", group="Family")
    assert told["count"] == 1
    response = await client.get(told["path"])
    assert await response.read() == told["content"].encode()
    for path in (told["path"].replace("Family", "Work"), "/api/hikari_denwa/contacts/contacts.csv"):
        assert (await client.get(path)).status == HTTPStatus.UNAUTHORIZED


async def test_no_such_file(
    hass: HomeAssistant, line: Line, hass_client: ClientSessionGenerator
) -> None:
    """There are two files and no others."""
    client = await hass_client()
    response = await client.get("/api/hikari_denwa/contacts/passwords.txt")
    assert response.status == HTTPStatus.NOT_FOUND


async def test_import_nonsense(hass: HomeAssistant, line: Line) -> None:
    """What holds no contact is told by a sentence."""
    with pytest.raises(ServiceValidationError) as error:
        await call(hass, "import_contacts", content="nothing")
    assert error.value.translation_key == "contacts_unreadable"


async def test_button_while_the_line_is_busy(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """What the line refuses is told by its sentence."""
    hass.config_entries.async_update_subentry(
        line.entry,
        contact := next(iter(line.entry.subentries.values())),
        data={**contact.data, "numbers": ["110"]},
    )
    await hass.async_block_till_done()
    with pytest.raises(HomeAssistantError) as error:
        await hass.services.async_call(
            "button", "press", {"entity_id": "button.grandmother_call"}, blocking=True
        )
    assert error.value.translation_key == "number_emergency"
    assert engine.sent("dial") == []


async def test_upload_that_is_gone(hass: HomeAssistant, line: Line) -> None:
    """A file that Home Assistant has thrown away meanwhile has to be chosen again."""
    result = await configure(
        hass, await begin(hass, "import"), {"file": FILE, "dial_button": False}
    )
    assert result["errors"] == {"file": "contacts_unreadable"}
