"""Problems of the way to the gateway: each opens when it is there and closes when it is gone."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.experience_store import experience_store, gateway_key
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.path_cures import moved_address
from custom_components.hikari_denwa.problems import Problem
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.protocol import FamilyChoice
from custom_components.hikari_denwa.telephony.errors import (
    GatewayRenumberedError,
    GatewaySilentError,
    OnlyIPv4AnswersError,
    OnlyIPv6AnswersError,
    TelephonyError,
)
from custom_components.hikari_denwa.telephony.experience import Outcome, Result
from custom_components.hikari_denwa.telephony.numbers import NumberKind
from custom_components.hikari_denwa.telephony.paths import (
    Environment,
    FamilyPath,
    Paths,
    Reach,
    SourceKind,
)

from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine, not_registered, paths_changed, registered
from .test_dialling import BOTH, ONLY_V6, OUTSIDE, act, path, refuse

V4, V6 = Family.IPV4, Family.IPV6
TRANSLATED = Paths(
    ipv6=path(V6),
    ipv4=FamilyPath(family=V4, reach=Reach.TRANSLATED, source_kind=SourceKind.CLAT),
    environment=Environment(nat64=True, clat=True),
)
DOCKER = Paths(
    ipv6=path(V6), ipv4=path(V4, Reach.ROUTED), environment=Environment(docker_bridge=True)
)
LEFT_BEHIND = Paths(
    ipv6=replace(path(V6, Reach.ROUTED), gateway_answers=False),
    ipv4=path(V4),
    environment=Environment(new_prefix="2001:db8:0:7::/64"),
)
RENUMBERED = GatewayRenumberedError(address="2001:db8::1", prefix="2001:db8:0:7::/64")
ONLY_V4 = OnlyIPv4AnswersError(address="2001:db8::1", other_address="192.168.1.1")


def shown(hass: HomeAssistant) -> set[str]:
    """Return the problems that are shown of the line."""
    return {
        issue.removesuffix("_line-1")
        for domain, issue in ir.async_get(hass).issues
        if domain == DOMAIN
    }


async def cure(hass: HomeAssistant, problem: Problem, *answers: dict[str, str]) -> list[Any]:
    """Go through a cure; returns what it said at each step."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    result = await manager.async_init(DOMAIN, data={"issue_id": f"{problem}_line-1"})
    said = [result, *[await manager.async_configure(result["flow_id"], one) for one in answers]]
    await hass.async_block_till_done()
    return said


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (TRANSLATED, Problem.IPV4_TRANSLATED),
        (DOCKER, Problem.DOCKER_NETWORK),
        (LEFT_BEHIND, Problem.PREFIX_CHANGED),
    ],
)
async def test_paths(
    hass: HomeAssistant, engine: FakeEngine, line: Line, paths: Paths, problem: Problem
) -> None:
    """What the engine sees of the network is shown as long as it is so."""
    assert shown(hass) == set()
    engine.client.listener().paths_changed(paths_changed("line-1", paths))
    assert shown(hass) == {problem}
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    assert shown(hass) == set()


async def test_line_that_lives_on_over_ipv4(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Its IPv6 address is cured all the same; one that may use IPv4 alone has none to cure."""
    engine.client.listener().registration_changed(registered("line-1", V4))
    engine.client.listener().paths_changed(paths_changed("line-1", LEFT_BEHIND))
    assert shown(hass) == {Problem.PREFIX_CHANGED}
    form, done = await cure(hass, Problem.PREFIX_CHANGED, {"gateway": "2001:db8:0:7::1"})
    (field,) = form["data_schema"].schema
    assert field.default() == "2001:db8:0:7::1"
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert shown(hass) == set()
    hass.config_entries.async_update_entry(entry, data={**entry.data, "family": "ipv4"})
    assert await hass.config_entries.async_reload("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", LEFT_BEHIND))
    assert shown(hass) == set()


async def test_unload_clears(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A line that is not there has no problems."""
    engine.client.listener().paths_changed(paths_changed("line-1", DOCKER))
    assert await hass.config_entries.async_unload("line-1")
    assert shown(hass) == set()


async def test_call_was_refused_over_ipv6(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """IPv6 alone is no problem before somebody could not be called; IPv4 ends it."""
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    assert shown(hass) == set()
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done()
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    assert shown(hass) == set()
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}
    await act(hass, "forget_experience")
    assert shown(hass) == set()


async def test_emergency_call_was_not_even_tried(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """A verdict that ends a call for want of IPv4 counts like a refusal."""
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    hass.config_entries.async_update_entry(
        line.entry, options={"extensions": [{"number": "1", "kind": "analog"}]}
    )
    assert await hass.config_entries.async_reload("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    with pytest.raises(Exception, match="IPv4 alone"):
        await act(hass, "dial", number="1")
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}


async def test_cure_by_second_address(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """The gateway's IPv4 address is proved, then kept; what is wrong with it is told."""
    engine.client.listener().paths_changed(paths_changed("line-1", ONLY_V6))
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done()
    engine.probe_error = GatewaySilentError(address="192.168.1.1", family="ipv4")
    form, silent, wrong = await cure(
        hass,
        Problem.CALLS_NEED_IPV4,
        {"gateway": "192.168.1.1"},
        {"gateway": "2001:db8::9"},
    )
    assert form["step_id"] == "second_address"
    assert silent["errors"] == {"gateway": "gateway_silent"}
    assert silent["description_placeholders"]["family"] == "IPv4"
    assert wrong["errors"] == {"gateway": "second_gateway_same_family"}
    engine.probe_error = None
    *_, done = await cure(hass, Problem.CALLS_NEED_IPV4, {"gateway": "192.168.1.1"})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert engine.probed[-1].family is FamilyChoice.IPV4
    assert entry.options["second_gateway"] == "192.168.1.1"
    assert engine.client.lines["line-1"][0].second_gateway == "192.168.1.1"


async def test_cure_by_allowing_ipv4(hass: HomeAssistant, engine: FakeEngine) -> None:
    """A line that was set to IPv6 alone is set to both."""
    entry = MockConfigEntry(
        domain=DOMAIN, title="Home", entry_id="line-1", data={**ENTRY_DATA, "family": "ipv6"}
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup("line-1")
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    await act(hass, "dial", number=OUTSIDE)
    refuse(engine)
    await hass.async_block_till_done()
    assert shown(hass) == {Problem.CALLS_NEED_IPV4}
    form, done = await cure(hass, Problem.CALLS_NEED_IPV4, {})
    assert form["step_id"] == "confirm"
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.data["family"] == "automatic"
    engine.client.listener().paths_changed(paths_changed("line-1", BOTH))
    assert shown(hass) == set()


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (RENUMBERED, Problem.PREFIX_CHANGED),
        (ONLY_V4, Problem.OTHER_FAMILY_ANSWERS),
        (OnlyIPv6AnswersError(address="a", other_address="b"), Problem.OTHER_FAMILY_ANSWERS),
    ],
)
async def test_registration_lost(
    hass: HomeAssistant, engine: FakeEngine, line: Line, error: TelephonyError, problem: Problem
) -> None:
    """Why a line that served is not registered any more is shown until it is again."""
    engine.client.listener().registration_changed(not_registered("line-1", error))
    assert shown(hass) == {problem}
    engine.client.listener().registration_changed(registered("line-1"))
    assert shown(hass) == set()


@pytest.mark.parametrize(
    ("error", "problem"),
    [(RENUMBERED, Problem.PREFIX_CHANGED), (ONLY_V4, Problem.OTHER_FAMILY_ANSWERS)],
)
async def test_line_that_is_not_set_up(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    error: TelephonyError,
    problem: Problem,
) -> None:
    """After a restart the line does not come up at all; the problem is shown nevertheless."""
    engine.first = not_registered("line-1", error)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup("line-1")
    assert shown(hass) == {problem}
    engine.first = not_registered(
        "line-1", GatewaySilentError(address="2001:db8::1", family="ipv6")
    )
    assert not await hass.config_entries.async_reload("line-1")
    assert shown(hass) == set()
    engine.first = not_registered("line-1", error)
    await hass.config_entries.async_reload("line-1")
    assert shown(hass) == {problem}
    await hass.config_entries.async_remove("line-1")
    assert shown(hass) == set()


async def test_cure_of_a_changed_prefix(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """The likely new address is offered, proved and kept."""
    engine.first = not_registered("line-1", RENUMBERED)
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup("line-1")
    engine.probe_error = GatewaySilentError(address="2001:db8:0:7::1", family="ipv6")
    form, silent, wrong = await cure(
        hass, Problem.PREFIX_CHANGED, {"gateway": "2001:db8:0:7::1"}, {"gateway": "fe80::1"}
    )
    (field,) = form["data_schema"].schema
    assert field.default() == "2001:db8:0:7::1"
    assert silent["errors"] == {"gateway": "gateway_silent"}
    assert wrong["errors"] == {"gateway": "address_link_local"}
    engine.probe_error = engine.first = None
    now = dt_util.utcnow().timestamp()
    known = Outcome(
        number=OUTSIDE, kind=NumberKind.LANDLINE, family=V6, result=Result.REACHED, at=now
    )
    experience_store(hass).note(gateway_key(entry), known)
    *_, done = await cure(hass, Problem.PREFIX_CHANGED, {"gateway": "2001:db8:0:7::1"})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.data["gateway"] == "2001:db8:0:7::1"
    # It is the same gateway: what calls taught goes with it.
    assert entry.runtime_data.dialler.experience.outcomes == {OUTSIDE: (known,)}
    assert shown(hass) == set()


async def test_cure_of_a_silent_family(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry
) -> None:
    """One click, and the line uses both families."""
    engine.first = not_registered("line-1", ONLY_V4)
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={**ENTRY_DATA, "family": "ipv6"})
    assert not await hass.config_entries.async_setup("line-1")
    engine.first = None
    *_, done = await cure(hass, Problem.OTHER_FAMILY_ANSWERS, {})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.data["family"] == "automatic"
    assert shown(hass) == set()


@pytest.mark.parametrize("problem", [Problem.PREFIX_CHANGED, Problem.OTHER_FAMILY_ANSWERS])
async def test_line_is_gone(
    hass: HomeAssistant, engine: FakeEngine, line: Line, problem: Problem
) -> None:
    """A cure that is opened as the line is removed says so."""
    errors = {Problem.PREFIX_CHANGED: RENUMBERED, Problem.OTHER_FAMILY_ANSWERS: ONLY_V4}
    engine.client.listener().registration_changed(not_registered("line-1", errors[problem]))
    with patch.object(hass.config_entries, "async_get_entry", return_value=None):
        (said,) = await cure(hass, problem)
    assert said["reason"] == "line_gone"


def test_moved_address() -> None:
    """The end stays; what cannot be worked out is left to the owner."""
    assert moved_address("2001:db8::a:b", "2001:db8:1:2::/64") == "2001:db8:1:2::a:b"
    assert moved_address("ntt.setup", "2001:db8:1:2::/64") == ""
