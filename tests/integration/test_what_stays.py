"""What stays of a line when its gateway moves or is replaced, as docs/changes.md promises."""

from dataclasses import dataclass
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.experience_store import experience_store, gateway_key
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.problems import Problem
from custom_components.hikari_denwa.telephony.calls import EndReason, Family
from custom_components.hikari_denwa.telephony.experience import Outcome, Result
from custom_components.hikari_denwa.telephony.numbers import NumberKind

from .conftest import ENTRY_DATA, home, state_of
from .fake_engine import FakeEngine, ended, incoming, not_registered
from .test_config_flow import enter
from .test_contacts import subentry
from .test_repairs import RENUMBERED, cure

OPTIONS: dict[str, Any] = {
    "door_phones": ["1"],
    "extensions": [{"number": "1", "kind": "analog"}],
    "blocked_callers": ["0120*"],
    "do_not_disturb": True,
}
NEW_GATEWAY: dict[str, Any] = {
    "gateway": "192.168.11.1",
    "extension": "6",
    "user_id": "0106",
    "password": "another-word",
    "family": "ipv4",
    "advanced": {"port": 5061},
}


@pytest.fixture
def entry() -> MockConfigEntry:
    """Return a line with a contact and options."""
    return home(subentry("Grandmother", "0312345678"), **OPTIONS)


def learn(hass: HomeAssistant, entry: MockConfigEntry, number: str) -> None:
    """Let a call teach something about a number."""
    experience_store(hass).note(
        gateway_key(entry),
        Outcome(
            number=number,
            kind=NumberKind.LANDLINE,
            family=Family.IPV4,
            result=Result.REACHED,
            at=dt_util.utcnow().timestamp(),
        ),
    )


@dataclass(frozen=True)
class Home:
    """What people and their automations know a line by, and what they put into it."""

    entities: dict[str, str]
    devices: dict[str, frozenset[tuple[str, str]]]
    contacts: dict[str, str]
    options: dict[str, Any]
    calls: list[str]
    missed: str
    learnt: set[str]

    @classmethod
    def of(cls, hass: HomeAssistant, entry: MockConfigEntry) -> Home:
        """Return all of it as it is now."""
        line: Line = entry.runtime_data
        entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        return cls(
            entities={found.unique_id: found.entity_id for found in entities},
            devices={found.id: frozenset(found.identifiers) for found in devices},
            contacts={id_: contact.title for id_, contact in entry.subentries.items()},
            options=dict(entry.options),
            calls=[call.id for call in line.log],
            missed=state_of(hass, "sensor.home_missed_calls").state,
            learnt=set(line.dialler.experience.outcomes),
        )


async def new_address(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """Reconfigure the line for a gateway that moved."""
    form = await entry.start_reconfigure_flow(hass)
    entered = {**NEW_GATEWAY, "extension": "3", "user_id": "0003"}
    del entered["password"]
    assert (await enter(hass, form, **entered))["reason"] == "reconfigure_successful"
    assert entry.data["gateway"] == "192.168.11.1"
    assert entry.data["password"] == "secret-word"


async def new_gateway(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """Reconfigure the line for another gateway, of which nothing is as it was."""
    form = await entry.start_reconfigure_flow(hass)
    assert (await enter(hass, form, **NEW_GATEWAY))["reason"] == "reconfigure_successful"
    assert entry.data["password"] == "another-word"


async def new_password(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """Answer what Home Assistant asks when the gateway rejects the credentials."""
    form = await entry.start_reauth_flow(hass)
    done = await enter(hass, form, user_id="0033", password="another-word")
    assert done["reason"] == "reauth_successful"


async def new_prefix(hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry) -> None:
    """Take the address that the repair of a changed prefix offers."""
    engine.client.listener().registration_changed(not_registered("line-1", RENUMBERED))
    await cure(hass, Problem.PREFIX_CHANGED, {"gateway": "2001:db8:0:7::1"})
    assert entry.data["gateway"] == "2001:db8:0:7::1"


@pytest.mark.parametrize("change", [new_address, new_gateway, new_password, new_prefix])
async def test_everything_stays(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line, change: Any
) -> None:
    """Entities, devices, contacts, options, the log and what calls taught are the line's."""
    hass.config_entries.async_update_entry(entry, options=OPTIONS)
    listener = engine.client.listener()
    listener.call_event(incoming())
    listener.call_event(ended(reason=EndReason.CALLER_GAVE_UP))
    learn(hass, entry, "0451234567")
    registry = er.async_get(hass)
    registry.async_update_entity("event.home_call", new_entity_id="event.telephone")
    await hass.async_block_till_done()
    before = Home.of(hass, entry)
    assert before.missed == "1"
    assert before.learnt == {"0451234567"}
    assert before.entities["line-1_call"] == "event.telephone"

    await change(hass, engine, entry)
    await hass.async_block_till_done()
    assert Home.of(hass, entry) == before
    assert hass.config_entries.async_entries(DOMAIN) == [entry]
    engine.client.listener().call_event(incoming("in-2"))
    assert state_of(hass, "event.telephone").attributes["who"] == "Grandmother"


async def test_experience_stays_with_lines_that_stay(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A line that goes to another gateway takes a copy; it does not overwrite what is there."""
    other = MockConfigEntry(
        domain=DOMAIN, title="Other", entry_id="line-2", data={**ENTRY_DATA, "extension": "4"}
    )
    third = MockConfigEntry(
        domain=DOMAIN,
        title="Third",
        entry_id="line-3",
        data={**ENTRY_DATA, "gateway": "192.168.11.1", "port": 5061},
    )
    for added in (other, third):
        added.add_to_hass(hass)
        await hass.config_entries.async_setup(added.entry_id)
    learn(hass, entry, "0451234567")
    store, former = experience_store(hass), gateway_key(entry)
    learn(hass, third, "0312345678")
    await new_gateway(hass, engine, entry)
    assert gateway_key(entry) == gateway_key(third)
    assert set(store.of(gateway_key(third)).outcomes) == {"0312345678"}
    assert set(store.of(former).outcomes) == {"0451234567"}

    hass.config_entries.async_update_entry(other, data={**other.data, "gateway": "192.168.1.1"})
    await hass.config_entries.async_reload("line-2")
    assert set(store.of(gateway_key(other)).outcomes) == {"0451234567"}
    assert not store.of(former).outcomes


async def test_line_that_is_added_anew_is_another_one(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Its identities are new, so that nothing of the former one is taken for its own."""
    before = Home.of(hass, entry)
    await hass.config_entries.async_remove("line-1")
    again = MockConfigEntry(domain=DOMAIN, title="Home", entry_id="line-9", data=ENTRY_DATA)
    again.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-9")
    await hass.async_block_till_done()
    after = Home.of(hass, again)
    assert not set(before.entities) & set(after.entities)
    assert set(after.entities.values()) < set(before.entities.values())
    assert (after.contacts, after.calls, after.learnt) == ({}, [], set())
    assert {identifier for found in after.devices.values() for identifier in found} == {
        (DOMAIN, "line-9")
    }
