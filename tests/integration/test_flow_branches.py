"""Ways through the dialogs and repairs that are seldom gone, and what each leaves behind."""

from unittest.mock import patch

import pytest
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.problems import Problem
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.protocol import LineConfig, Probed
from custom_components.hikari_denwa.telephony.errors import (
    EngineTokenError,
    GatewaySilentError,
)

from .conftest import ENTRY_DATA
from .fake_engine import (
    FakeClient,
    FakeEngine,
    connected,
    ended,
    incoming,
    not_registered,
    paths_changed,
    registered,
)
from .test_config_flow import sections, set_options
from .test_dialling import BOTH, ONLY_V6, OUTSIDE, act, refuse
from .test_engine import REMOTE, REMOTE_OPTIONS, issue, serving, set_up
from .test_repairs import ONLY_V4, RENUMBERED, cure, shown


async def test_book_of_a_line_that_is_down(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The options show the extensions as entered, and take others, without a gateway."""
    book = [{"number": "2", "kind": "analog"}]
    engine.first = not_registered("line-1", GatewaySilentError(address="x", family="ipv6"))
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, options={"extensions": book})
    assert not await hass.config_entries.async_setup("line-1")
    assert entry.state is ConfigEntryState.SETUP_RETRY
    result = await hass.config_entries.options.async_init("line-1")
    (suggested,) = [
        field.description["suggested_value"]
        for field in sections(result)["gateway"].schema.schema
        if str(field) == "extensions"
    ]
    assert suggested == book
    other = [{"number": "5", "kind": "dual"}]
    result = await set_options(hass, entry, gateway={"extensions": other})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["extensions"] == other


@pytest.mark.parametrize("written", ["2001:db8::1", "[2001:DB8:0::1]", " "])
async def test_second_address_that_is_none(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line, written: str
) -> None:
    """The line's own address is no second one, however it is written."""
    result = await set_options(hass, entry, gateway={"second_gateway": written})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options["second_gateway"] == ""
    assert engine.client.lines["line-1"][0].second_gateway is None


async def test_call_goes_on_while_the_chosen_engine_waits(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """Nothing that happens in the call but its end changes the engine."""
    engine.start_errors[REMOTE] = EngineTokenError()
    async with set_up(hass, REMOTE_OPTIONS):
        (native,) = [client for client in engine.clients if client.running]
        listener = native.listener()
        listener.call_event(incoming())
        engine.start_errors.clear()
        (waiting,) = [client for client in engine.clients if client.trying]
        waiting.restore()
        listener.call_event(connected())
        await hass.async_block_till_done()
        assert native.running
        assert issue(hass)
        listener.call_event(ended())
        await hass.async_block_till_done()
        assert serving(engine) == REMOTE
        assert issue(hass) is None


async def test_second_line_over_ipv4_is_no_problem(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Who has another line over IPv4 of the same gateway needs no second address."""
    engine.client.listener("line-1").paths_changed(paths_changed("line-1", ONLY_V6))
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done()
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}
    engine.first = registered("line-2", Family.IPV4)
    other = MockConfigEntry(
        domain=DOMAIN,
        title="Other",
        entry_id="line-2",
        data={**ENTRY_DATA, "extension": "4", "family": "ipv4"},
    )
    other.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-2")
    await hass.async_block_till_done()
    for paths in (BOTH, ONLY_V6):
        engine.client.listener("line-1").paths_changed(paths_changed("line-1", paths))
    assert shown(hass) == set()
    assert await hass.config_entries.async_unload("line-2")
    for paths in (BOTH, ONLY_V6):
        engine.client.listener("line-1").paths_changed(paths_changed("line-1", paths))
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}


CURES = {
    Problem.OTHER_FAMILY_ANSWERS: (ONLY_V4, {}),
    Problem.PREFIX_CHANGED: (RENUMBERED, {"gateway": "2001:db8:0:7::1"}),
}


@pytest.mark.parametrize("problem", CURES)
async def test_line_goes_while_its_cure_is_open(
    hass: HomeAssistant, engine: FakeEngine, line: Line, problem: Problem
) -> None:
    """A cure that is confirmed after the line was removed says so, and asks no gateway."""
    error, answer = CURES[problem]
    engine.client.listener().registration_changed(not_registered("line-1", error))
    (form,) = await cure(hass, problem)
    assert form["type"] is FlowResultType.FORM
    await hass.config_entries.async_remove("line-1")
    manager = repairs_flow_manager(hass)
    assert manager is not None
    said = await manager.async_configure(form["flow_id"], answer)
    assert (said["type"], said["reason"]) == (FlowResultType.ABORT, "line_gone")
    assert engine.probed == []
    assert not hass.config_entries.async_entries(DOMAIN)


async def test_line_goes_while_its_new_address_is_proved(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """The gateway takes its time; what it proves is kept of no line that is gone meanwhile."""
    engine.client.listener().registration_changed(not_registered("line-1", RENUMBERED))
    probe = FakeClient.probe

    async def remove_and_probe(client: FakeClient, config: LineConfig) -> Probed:
        await hass.config_entries.async_remove("line-1")
        return await probe(client, config)

    with patch.object(FakeClient, "probe", remove_and_probe):
        *_, said = await cure(hass, Problem.PREFIX_CHANGED, {"gateway": "2001:db8:0:7::1"})
    assert (said["type"], said["reason"]) == (FlowResultType.ABORT, "line_gone")
    assert not hass.config_entries.async_entries(DOMAIN)
    assert shown(hass) == set()
