"""The dialogs: setting up, errors and recovery, reauth, reconfigure, options."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.experience_store import experience_store, gateway_key
from custom_components.hikari_denwa.line import Line, line_config
from custom_components.hikari_denwa.telephony import errors as tree
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.protocol import (
    FamilyChoice,
    LineConfig,
    SoundCodec,
)
from custom_components.hikari_denwa.telephony.experience import Outcome, Result
from custom_components.hikari_denwa.telephony.gateway_finder import Ask, FoundGateway
from custom_components.hikari_denwa.telephony.numbers import NumberKind

from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine

ENTERED: dict[str, Any] = {
    "name": "実家の電話",
    "gateway": "[2001:DB8::1]",
    "extension": "３",
    "user_id": " 0003 ",
    "password": "secret-word",
    "family": "automatic",
    "advanced": {"port": 5060},
}

CAREFUL: dict[str, Any] = {
    "second_gateway": "",
    "region": "automatic",
    "area_code": "",
    "shows_number": False,
    "extensions": [],
    "allowed_costs": [
        "free",
        "internal",
        "local",
        "mobile",
        "ip_phone",
        "navi_dial",
        "special",
    ],
    "blocked_numbers": [],
    "emergency": False,
}
UNTOUCHED_OPTIONS: dict[str, Any] = {
    "door_phones": [],
    "call_waiting": False,
    "codecs": [],
    "auto_answer_after": 3,
    "blocked_callers": [],
    "block_kinds": [],
    "block_treatment": "reject",
    "block_status": "486",
    "unknown_treatment": "as_blocked",
    "say_message": "",
    "challenge_key": "3",
    "challenge_message": "",
    "challenge_seconds": 10,
    "log_calls": 1000,
    "log_days": 365,
    "ring_players": [],
    "ring_volume": None,
    "answering_after": 20,
    "answering_greeting": "",
    "answering_seconds": 120,
    "answering_stt": None,
    "assist": False,
    "assist_callers": [],
    "assist_number": "",
    "assist_pin": "",
    "record": "none",
    "record_format": "wav",
    "record_keep_days": 90,
    "record_keep_mib": 2048,
    "record_notice": True,
    "record_notice_message": "",
    "record_numbers": [],
    **CAREFUL,
}


# The frontend sends every section of a form, and in it what is shown there.
UNTOUCHED: dict[str, Any] = {
    section: {}
    for section in (
        "blocking",
        "calls",
        "answering",
        "recording",
        "assist_by_phone",
        "ringing",
        "call_log",
        "gateway",
    )
}


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    """Open the dialog."""
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def enter(hass: HomeAssistant, flow: ConfigFlowResult, **entered: Any) -> ConfigFlowResult:
    """Fill the form of a dialog."""
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], entered)
    await hass.async_block_till_done()
    return result


def suggested(result: ConfigFlowResult) -> dict[str, Any]:
    """Return what the fields of a form show before anything is typed."""
    schema = result["data_schema"]
    assert schema is not None
    return {
        str(key): key.description["suggested_value"]
        for key in schema.schema
        if key.description and "suggested_value" in key.description
    }


async def test_set_up(hass: HomeAssistant, engine: FakeEngine) -> None:
    """The gateway is asked, then the entry stands and its line is registered."""
    result = await begin(hass)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    result = await enter(hass, result, **ENTERED)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "実家の電話"
    assert result["data"] == ENTRY_DATA
    assert engine.probed == [
        LineConfig(
            gateway="2001:db8::1",
            extension="3",
            user_id="0003",
            password="secret-word",
            port=5060,
            family=FamilyChoice.AUTOMATIC,
        )
    ]
    assert result["result"].state is ConfigEntryState.LOADED


async def test_no_password_is_suggested(hass: HomeAssistant, engine: FakeEngine) -> None:
    """The password has no default, and is not shown again after an error."""
    result = await begin(hass)
    schema = result["data_schema"]
    assert schema is not None
    with pytest.raises(InvalidData):
        await enter(hass, result, **{**ENTERED, "password": None})
    engine.probe_error = tree.CredentialsRejectedError(user_id="0003")
    result = await enter(hass, result, **ENTERED)
    assert "password" not in suggested(result)
    assert suggested(result)["user_id"] == " 0003 "


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (tree.NameNotResolvedError(address="ntt.setup"), "gateway"),
        (tree.FamilyMissingError(address="ntt.setup", family="ipv6"), "gateway"),
        (tree.GatewayUnreachableError(address="2001:db8::1", family="ipv6"), "base"),
        (tree.GatewaySilentError(address="2001:db8::1", family="ipv6"), "base"),
        (tree.OnlyIPv4AnswersError(address="2001:db8::1", other_address="192.168.1.1"), "base"),
        (tree.OnlyIPv6AnswersError(address="192.168.1.1", other_address="2001:db8::1"), "base"),
        (tree.CredentialsRejectedError(user_id="0003"), "password"),
        (tree.ExtensionUnavailableError(extension="3", code="403"), "extension"),
        (tree.NotSipServerError(address="2001:db8::1"), "base"),
        (tree.RegistrationRefusedError(code="503", phrase="Service Unavailable"), "base"),
        (tree.EngineLostError(), "base"),
        (tree.EngineSilentError(), "base"),
        (tree.EngineVersionError(ours="1", theirs="2"), "base"),
        (tree.TelephonyError(), "base"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.reason,
)
async def test_gateway_refuses_then_takes(
    hass: HomeAssistant, engine: FakeEngine, error: tree.TelephonyError, field: str
) -> None:
    """Every cause has its own sentence, and the dialog goes on from it."""
    engine.probe_error = error
    result = await enter(hass, await begin(hass), **ENTERED)
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {field: error.reason}
    assert set(error.placeholders) <= set(result["description_placeholders"] or {})
    assert not hass.config_entries.async_entries(DOMAIN)
    assert all(client.closed for client in engine.clients)
    engine.probe_error = None
    result = await enter(hass, result, **ENTERED)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("entered", "errors"),
    [
        ({"gateway": "fe80::1"}, {"gateway": "address_link_local"}),
        ({"gateway": "fe80::1%eth0"}, {"gateway": "address_link_local"}),
        ({"gateway": "http://192.168.1.1/"}, {"gateway": "address_invalid"}),
        ({"gateway": "192.168.1.256"}, {"gateway": "address_invalid"}),
        ({"extension": "three"}, {"extension": "extension_invalid"}),
        ({"extension": ""}, {"extension": "extension_invalid"}),
        ({"user_id": "0003 4"}, {"user_id": "user_id_invalid"}),
        ({"user_id": 'x"y'}, {"user_id": "user_id_invalid"}),
    ],
)
async def test_wrong_input_then_right(
    hass: HomeAssistant, engine: FakeEngine, entered: dict[str, str], errors: dict[str, str]
) -> None:
    """What cannot be right is told at its field, and the gateway is not asked."""
    result = await enter(hass, await begin(hass), **{**ENTERED, **entered})
    assert result["errors"] == errors
    assert engine.probed == []
    result = await enter(hass, result, **ENTERED)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_engine_does_not_start_then_does(hass: HomeAssistant, engine: FakeEngine) -> None:
    """An engine that does not start is told, and tried again."""
    engine.start_error = tree.EngineStartError(detail="no memory")
    result = await enter(hass, await begin(hass), **ENTERED)
    assert result["errors"] == {"base": "engine_start"}
    engine.start_error = None
    result = await enter(hass, result, **ENTERED)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("gateway", ["2001:db8::1", "[2001:0db8:0:0::1]", "２００１：db8::1"])
async def test_same_extension_twice(
    hass: HomeAssistant, engine: FakeEngine, line: Line, gateway: str
) -> None:
    """An extension is set up once, however its gateway is written."""
    result = await enter(hass, await begin(hass), **{**ENTERED, "gateway": gateway})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert engine.probed == []


async def test_same_line_by_another_address(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """The same extension of the gateway is the same line, by whatever name it is entered."""
    result = await enter(hass, await begin(hass), **{**ENTERED, "gateway": "ntt.setup"})
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert hass.config_entries.async_entries(DOMAIN) == [line.entry]


@pytest.fixture
def found() -> Iterator[list[FoundGateway]]:
    """Let the search for gateways find what a test puts in."""
    gateways: list[FoundGateway] = []

    async def find(ask: Ask) -> tuple[FoundGateway, ...]:
        return tuple(gateways)

    with patch("custom_components.hikari_denwa.config_flow.find_gateways", find):
        yield gateways


@pytest.mark.parametrize(
    ("family", "gateway"),
    [("automatic", "ntt.setup"), ("ipv6", "2001:db8::1"), ("ipv4", "ntt.setup")],
)
async def test_gateway_that_is_looked_for(
    hass: HomeAssistant,
    engine: FakeEngine,
    found: list[FoundGateway],
    family: str,
    gateway: str,
) -> None:
    """Who leaves the address empty gets the first gateway that answers over the family."""
    found.append(FoundGateway(host="ntt.setup", families=(Family.IPV4,)))
    found.append(FoundGateway(host="2001:db8::1", families=(Family.IPV6,)))
    entered = {key: value for key, value in ENTERED.items() if key != "gateway"}
    result = await enter(hass, await begin(hass), **{**entered, "family": family})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["gateway"] == gateway


async def test_gateway_that_is_not_found_then_is(
    hass: HomeAssistant, engine: FakeEngine, found: list[FoundGateway]
) -> None:
    """That none was found is told at the field; one that was found is shown there."""
    result = await enter(hass, await begin(hass), **{**ENTERED, "gateway": " "})
    assert result["errors"] == {"gateway": "gateway_not_found"}
    found.append(FoundGateway(host="192.168.1.1", families=(Family.IPV4,)))
    engine.probe_error = tree.CredentialsRejectedError(user_id="0003")
    result = await enter(hass, result, **{**ENTERED, "gateway": ""})
    assert result["errors"] == {"password": "credentials_rejected"}
    assert suggested(result)["gateway"] == "192.168.1.1"
    engine.probe_error = None
    result = await enter(hass, result, **{**ENTERED, "gateway": "192.168.1.1"})
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_gateway_that_moved_is_looked_for(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    found: list[FoundGateway],
) -> None:
    """Reconfiguring takes the new address into the entry that is there."""
    found.append(FoundGateway(host="192.168.1.1", families=(Family.IPV4,)))
    result = await entry.start_reconfigure_flow(hass)
    result = await enter(
        hass,
        result,
        extension="3",
        user_id="0003",
        family="automatic",
        advanced={"port": 5060},
    )
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["gateway"] == "192.168.1.1"
    assert hass.config_entries.async_entries(DOMAIN) == [entry]


async def test_one_of_several_gateways_is_chosen(
    hass: HomeAssistant, engine: FakeEngine, found: list[FoundGateway]
) -> None:
    """Where two machines answer over one family, a person chooses; what was entered stays."""
    found.append(FoundGateway(host="ntt.setup", families=(Family.IPV6, Family.IPV4)))
    found.append(FoundGateway(host="192.168.3.1", families=(Family.IPV4,)))
    result = await enter(hass, await begin(hass), **{**ENTERED, "gateway": ""})
    assert result["step_id"] == "choose_gateway"
    assert not engine.probed
    again = await hass.config_entries.flow.async_configure(result["flow_id"])
    schema = again["data_schema"]
    assert schema is not None
    assert schema({}) == {"gateway": "ntt.setup"}
    assert [option["label"] for option in schema.schema["gateway"].config["options"]] == [
        "ntt.setup (IPv6, IPv4)",
        "192.168.3.1 (IPv4)",
    ]
    engine.probe_error = tree.CredentialsRejectedError(user_id="0003")
    result = await enter(hass, again, gateway="192.168.3.1")
    assert result["step_id"] == "user"
    assert result["errors"] == {"password": "credentials_rejected"}
    assert suggested(result)["gateway"] == "192.168.3.1"
    engine.probe_error = None
    result = await enter(hass, result, **{**ENTERED, "gateway": "192.168.3.1"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "実家の電話"
    assert result["data"] == {**ENTRY_DATA, "gateway": "192.168.3.1"}


async def test_gateways_of_the_other_family_are_no_choice(
    hass: HomeAssistant, engine: FakeEngine, found: list[FoundGateway]
) -> None:
    """Only those that answer over the family that was entered are told apart."""
    found.append(FoundGateway(host="192.168.1.1", families=(Family.IPV4,)))
    found.append(FoundGateway(host="192.168.3.1", families=(Family.IPV4,)))
    found.append(FoundGateway(host="2001:db8::1", families=(Family.IPV6,)))
    entered = {**ENTERED, "gateway": "", "family": "ipv6"}
    result = await enter(hass, await begin(hass), **entered)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["gateway"] == "2001:db8::1"


async def test_one_of_several_gateways_for_a_line_that_moves(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    found: list[FoundGateway],
) -> None:
    """Reconfiguring goes on with the gateway that was chosen, and keeps the password."""
    found.append(FoundGateway(host="192.168.1.1", families=(Family.IPV4,)))
    found.append(FoundGateway(host="192.168.3.1", families=(Family.IPV4,)))
    result = await entry.start_reconfigure_flow(hass)
    result = await enter(
        hass,
        result,
        extension="3",
        user_id="0003",
        family="automatic",
        advanced={"port": 5060},
    )
    assert result["step_id"] == "choose_gateway"
    result = await enter(hass, result, gateway="192.168.3.1")
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == {**ENTRY_DATA, "gateway": "192.168.3.1"}


async def test_second_extension_uses_the_running_engine(
    hass: HomeAssistant, engine: FakeEngine, line: Line
) -> None:
    """Another extension of the same gateway is another line, asked by the same engine."""
    result = await enter(hass, await begin(hass), **{**ENTERED, "extension": "4", "name": " "})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Hikari Denwa"
    assert len(engine.clients) == 1


async def test_reauth(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """The owner is asked for user ID and password, which are proved and kept."""
    result = await entry.start_reauth_flow(hass)
    assert result["step_id"] == "reauth_confirm"
    assert suggested(result) == {"user_id": "0003"}
    assert result["description_placeholders"] == {"name": "Home"}
    engine.probe_error = tree.CredentialsRejectedError(user_id="0007")
    result = await enter(hass, result, user_id="0007", password="wrong")
    assert result["errors"] == {"password": "credentials_rejected"}
    assert entry.data == ENTRY_DATA
    engine.probe_error = None
    result = await enter(hass, result, user_id="0007", password="better")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.data == {**ENTRY_DATA, "user_id": "0007", "password": "better"}
    assert entry.state is ConfigEntryState.LOADED
    assert engine.client.lines[entry.entry_id][0].user_id == "0007"


async def test_reauth_with_an_error_of_another_field(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """What belongs to a field that the form does not have is still seen."""
    result = await entry.start_reauth_flow(hass)
    engine.probe_error = tree.ExtensionUnavailableError(extension="3", code="403")
    result = await enter(hass, result, user_id="0003", password="secret-word")
    assert result["errors"] == {"base": "extension_unavailable"}
    engine.probe_error = None
    result = await enter(hass, result, user_id="0003", password="secret-word")
    assert result["reason"] == "reauth_successful"


RECONFIGURED: dict[str, Any] = {
    "gateway": "192.168.1.1",
    "extension": "5",
    "user_id": "0005",
    "family": "ipv4",
    "advanced": {"port": 5062},
}


@pytest.mark.parametrize(("entered", "kept"), [({}, "secret-word"), ({"password": "new"}, "new")])
async def test_reconfigure(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    entered: dict[str, str],
    kept: str,
) -> None:
    """Everything can be changed; the entities stay, and so does a password left out."""
    before = {state.entity_id for state in hass.states.async_all()}
    known = Outcome(
        number="0312345678",
        kind=NumberKind.LANDLINE,
        family=Family.IPV6,
        result=Result.REACHED,
        at=dt_util.utcnow().timestamp(),
    )
    experience_store(hass).note(gateway_key(entry), known)
    result = await entry.start_reconfigure_flow(hass)
    assert result["step_id"] == "reconfigure"
    assert suggested(result)["gateway"] == "2001:db8::1"
    assert "password" not in suggested(result)
    result = await enter(hass, result, **RECONFIGURED, **entered)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert entry.data == {
        "gateway": "192.168.1.1",
        "extension": "5",
        "user_id": "0005",
        "password": kept,
        "family": "ipv4",
        "port": 5062,
    }
    assert {state.entity_id for state in hass.states.async_all()} == before
    assert engine.client.lines[entry.entry_id][0].gateway == "192.168.1.1"
    assert entry.runtime_data.dialler.experience.outcomes == {"0312345678": (known,)}


async def test_reconfigure_refused_then_taken(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A change that the gateway refuses is not made."""
    result = await entry.start_reconfigure_flow(hass)
    engine.probe_error = tree.GatewaySilentError(address="192.168.1.1", family="ipv4")
    result = await enter(hass, result, **RECONFIGURED)
    assert result["errors"] == {"base": "gateway_silent"}
    assert result["description_placeholders"] == {"address": "192.168.1.1", "family": "IPv4"}
    assert entry.data == ENTRY_DATA
    engine.probe_error = None
    assert (await enter(hass, result, **RECONFIGURED))["reason"] == "reconfigure_successful"


async def test_reconfigure_to_another_line(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """A line cannot become one that exists already."""
    other = MockConfigEntry(
        domain=DOMAIN, data={**ENTRY_DATA, "gateway": "192.168.1.1", "extension": "5"}
    )
    other.add_to_hass(hass)
    result = await enter(hass, await entry.start_reconfigure_flow(hass), **RECONFIGURED)
    assert result["reason"] == "already_configured"


def sections(result: Any) -> dict[str, Any]:
    """Return the fields of a form by their names."""
    return {str(field): value for field, value in result["data_schema"].schema.items()}


async def set_options(hass: HomeAssistant, entry: MockConfigEntry, **entered: Any) -> Any:
    """Enter the options of the sections; returns what the dialog says."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    return await hass.config_entries.options.async_configure(
        result["flow_id"], {**UNTOUCHED, **entered}
    )


async def test_options_of_the_gateway(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """What the owner knows of the gateway and forbids is kept as it is used."""
    result = await set_options(
        hass,
        entry,
        gateway={
            "second_gateway": " １９２.168.1.1 ",
            "region": "west",
            "area_code": "03",
            "shows_number": True,
            "extensions": [{"number": "１", "kind": "analog"}, {"number": "21", "kind": "dual"}],
        },
        calls={
            "allowed_costs": ["internal", "premium"],
            "blocked_numbers": ["+81 3 3456 7890", "03-3456-7890"],
            "emergency": False,
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options["second_gateway"] == "192.168.1.1"
    assert entry.options["blocked_numbers"] == ["0334567890"]
    assert line_config(entry.data, entry.options).second_gateway == "192.168.1.1"
    dialler = entry.runtime_data.dialler
    assert dialler.region == "west"
    assert dialler.own_facts.shows_number
    assert dialler.book.kind("1") == "analog"
    assert dialler.classify("34567890").digits == "0334567890"
    assert dialler.verdict("3456-7890").reasons[0].code == "number_blocked"
    assert dialler.verdict("0990512345").outlook != "cannot"
    assert dialler.verdict("09012345678").reasons[0].code == "cost_not_allowed"

    result = await hass.config_entries.options.async_init(entry.entry_id)
    fields = sections(result)
    shown = {
        str(field): field.description["suggested_value"]
        for section in ("gateway", "calls")
        for field in fields[section].schema.schema
    }
    assert shown["extensions"] == [
        {"number": "1", "kind": "analog"},
        {"number": "21", "kind": "dual"},
    ]
    assert shown["allowed_costs"] == ["internal", "premium"]
    assert shown["shows_number"] is True


@pytest.mark.parametrize(
    ("gateway", "reason"),
    [
        ({"second_gateway": "fe80::1"}, "address_link_local"),
        ({"second_gateway": "no address"}, "address_invalid"),
        ({"second_gateway": "2001:db8::2"}, "second_gateway_same_family"),
        ({"area_code": "3"}, "area_code_invalid"),
        ({"extensions": [{"number": "one", "kind": "dual"}]}, "extension_invalid"),
        (
            {"extensions": [{"number": "1", "kind": "dual"}, {"number": "1", "kind": "analog"}]},
            "extension_twice",
        ),
    ],
)
async def test_options_that_cannot_be(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    gateway: dict[str, Any],
    reason: str,
) -> None:
    """A sentence tells what is wrong, and nothing is changed."""
    before = dict(entry.options)
    result = await set_options(hass, entry, gateway=gateway)
    assert result["errors"] == {"base": reason}
    assert entry.options == before
    result = await set_options(hass, entry, calls={"blocked_numbers": ["me"]})
    assert result["errors"] == {"base": "number_invalid"}


async def test_emergency_has_to_be_confirmed(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """The risks are named on a page of their own, and automations have a second switch."""
    result = await set_options(hass, entry, calls={"emergency": True})
    assert result["step_id"] == "emergency"
    assert not entry.options.get("emergency")
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"understood": False, "emergency_from_automation": True}
    )
    assert result["errors"] == {"understood": "emergency_not_confirmed"}
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"understood": True, "emergency_from_automation": False}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    options = entry.runtime_data.dialler.options
    assert (options.emergency, options.emergency_from_automation) == (True, False)
    await set_options(hass, entry, calls={"emergency": False})
    await hass.async_block_till_done()
    assert not entry.runtime_data.dialler.options.emergency


async def test_book_in_the_options_is_what_calls_showed(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """An entry that calls have corrected is shown corrected."""
    result = await set_options(
        hass, entry, gateway={"extensions": [{"number": "2", "kind": "ipv6_only"}]}
    )
    await hass.async_block_till_done()
    for family, outcome in (("ipv6", "family_refused"), ("ipv4", "reached")):
        experience_store(hass).note(
            gateway_key(entry),
            Outcome(
                number="2",
                kind=NumberKind.EXTENSION,
                family=Family(family),
                result=Result(outcome),
                at=dt_util.utcnow().timestamp(),
            ),
        )
    result = await hass.config_entries.options.async_init(entry.entry_id)
    fields = sections(result)
    (book,) = [
        field.description["suggested_value"]
        for field in fields["gateway"].schema.schema
        if str(field) == "extensions"
    ]
    assert book == [{"number": "2", "kind": "ipv4_only"}]


async def test_options(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Door phones are numbers as people write them; the line takes them over at once."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["step_id"] == "init"
    assert suggested(result)["door_phones"] == ["1", "0451234567"]
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {**UNTOUCHED, "door_phones": ["２", "door"]}
    )
    assert result["errors"] == {"door_phones": "number_invalid"}
    assert result["description_placeholders"] == {"number": "door"}
    result = await hass.config_entries.options.async_configure(
        result["flow_id"],
        {
            **UNTOUCHED,
            "door_phones": ["２", "03-1234-5678", "2"],
            "call_waiting": True,
            "codecs": ["pcma"],
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == {
        **UNTOUCHED_OPTIONS,
        "door_phones": ["2", "0312345678"],
        "call_waiting": True,
        "codecs": ["pcma"],
    }
    config = line_config(entry.data, entry.options)
    assert config.call_waiting
    assert config.codecs == (SoundCodec.PCMU, SoundCodec.PCMA)
    high = line_config(entry.data, {"codecs": ["pcma", "g722"]})
    assert high.codecs == (SoundCodec.G722, SoundCodec.PCMU, SoundCodec.PCMA)
    assert entry.runtime_data.door_phones == {"2", "0312345678"}
    assert entry.runtime_data is not line


async def test_options_can_be_emptied(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """All door phones can be taken away."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(result["flow_id"], UNTOUCHED)
    await hass.async_block_till_done()
    assert entry.options == UNTOUCHED_OPTIONS
    assert line_config(entry.data, entry.options).codecs == (SoundCodec.PCMU,)


def as_shown(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the frontend sends for a form in which nothing is touched."""
    sent: dict[str, Any] = {}
    for field in fields:
        told = (field.get("description") or {}).get("suggested_value")
        if told is not None:
            sent[field["name"]] = told
        elif "default" in field:
            sent[field["name"]] = field["default"]
        elif field.get("type") == "expandable":
            sent[field["name"]] = as_shown(field["schema"])
    return sent


async def test_options_that_are_only_looked_at_stay(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    hass_client: ClientSessionGenerator,
) -> None:
    """The dialog shows what is kept, in every section, so that sending it changes nothing."""
    path = "/api/config/config_entries/options/flow"
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    kept = {
        **UNTOUCHED_OPTIONS,
        "area_code": "03",
        "region": "west",
        "allowed_costs": ["internal", "premium"],
        "blocked_callers": ["0120*"],
        "block_treatment": "silence",
        "log_calls": 50,
        "log_days": 7,
        "record": "all",
        "record_keep_days": 0,
        "record_notice": False,
        "answering_after": 15,
        "answering_greeting": "{{ who }}",
        "assist": True,
        "assist_pin": "4711",
        "engine": "automatic",
    }
    hass.config_entries.async_update_entry(entry, options=kept)
    form = await (await client.post(path, json={"handler": entry.entry_id})).json()
    shown = as_shown(form["data_schema"])
    assert shown["call_log"] == {"log_calls": 50, "log_days": 7}
    result = await (await client.post(f"{path}/{form['flow_id']}", json=shown)).json()
    assert result["type"] == FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == kept


async def test_options_of_recording_and_answering(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Numbers are read as people write them; what a switch has set stays."""
    line.set_option("answering_machine", value=True)
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"],
        {**UNTOUCHED, "recording": {"record": "all", "record_numbers": ["door"]}},
    )
    assert result["errors"] == {"base": "number_invalid"}
    await hass.config_entries.options.async_configure(
        result["flow_id"],
        {
            **UNTOUCHED,
            "recording": {"record": "all", "record_numbers": ["03-1234-5678"]},
            "answering": {"answering_after": 15, "answering_greeting": "{{ who }}"},
        },
    )
    await hass.async_block_till_done()
    kept = {
        "record": "all",
        "record_numbers": ["0312345678"],
        "record_notice": True,
        "record_keep_days": 90,
        "answering_after": 15,
        "answering_greeting": "{{ who }}",
        "answering_machine": True,
    }
    assert entry.options.items() >= kept.items()


@pytest.mark.parametrize(
    ("assist", "reason"),
    [
        ({"assist_pin": "12"}, "pin_invalid"),
        ({"assist_pin": "12ab"}, "pin_invalid"),
        ({"assist_callers": [{"number": "me"}]}, "number_invalid"),
        ({"assist_number": "119"}, "assist_number_emergency"),
    ],
)
async def test_options_of_assist(
    hass: HomeAssistant,
    engine: FakeEngine,
    entry: MockConfigEntry,
    line: Line,
    assist: dict[str, Any],
    reason: str,
) -> None:
    """What cannot be right is said; numbers are kept as calls have them."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {**UNTOUCHED, "assist_by_phone": assist}
    )
    assert result["errors"] == {"base": reason}
    callers = [{"number": "090-1234-5678", "person": "person.me"}]
    await hass.config_entries.options.async_configure(
        result["flow_id"],
        {**UNTOUCHED, "assist_by_phone": {"assist_callers": callers, "assist_pin": "４７１１"}},
    )
    await hass.async_block_till_done()
    assert entry.options["assist_callers"] == [{"number": "09012345678", "person": "person.me"}]
    assert entry.options["assist_pin"] == "4711"


async def test_options_of_blocking(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Numbers to block are numbers or beginnings; what the switches set stays."""
    line.set_option("do_not_disturb", value=True)
    result = await hass.config_entries.options.async_init(entry.entry_id)
    blocking = {
        "blocked_callers": ["0120-*", "abroad"],
        "block_kinds": ["withheld"],
        "block_treatment": "silence",
        "block_status": "603",
        "unknown_treatment": "challenge",
        "say_message": "Goodbye",
        "challenge_key": "#",
        "challenge_message": "Press {{ key }}",
        "challenge_seconds": 5,
    }
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {**UNTOUCHED, "blocking": blocking}
    )
    assert result["errors"] == {"base": "number_invalid"}
    assert result["description_placeholders"] == {"number": "abroad"}
    blocking["blocked_callers"] = ["0120-*", "0120*", "03-1234-5678"]
    result = await hass.config_entries.options.async_configure(
        result["flow_id"],
        {**UNTOUCHED, "blocking": blocking, "call_log": {"log_calls": 50, "log_days": 7}},
    )
    await hass.async_block_till_done()
    assert entry.options == {
        **UNTOUCHED_OPTIONS,
        **blocking,
        "blocked_callers": ["0120*", "0312345678"],
        "log_calls": 50,
        "log_days": 7,
        "do_not_disturb": True,
    }
    result = await hass.config_entries.options.async_init(entry.entry_id)
    schema = result["data_schema"]
    assert schema is not None
    (fields,) = [value.schema.schema for key, value in schema.schema.items() if key == "blocking"]
    (numbers,) = [key for key in fields if key == "blocked_callers"]
    assert numbers.description["suggested_value"] == ["0120*", "0312345678"]


async def test_options_of_ringing(
    hass: HomeAssistant, engine: FakeEngine, entry: MockConfigEntry, line: Line
) -> None:
    """Players and their volume are kept, and can be taken away; a line's own player is none."""
    for ringing, error in (
        ({"ring_players": ["media_player.home_call_sound"]}, "ring_player_own"),
        ({"ring_players": ["media_player.hall"], "ring_volume": 40}, None),
        ({}, None),
    ):
        result = await hass.config_entries.options.async_init(entry.entry_id)
        result = await hass.config_entries.options.async_configure(
            result["flow_id"], {**UNTOUCHED, "ringing": ringing}
        )
        await hass.async_block_till_done()
        if error:
            assert result["errors"] == {"base": error}
            hass.config_entries.options.async_abort(result["flow_id"])
            continue
        assert entry.options == {
            **UNTOUCHED_OPTIONS,
            "ring_players": ringing.get("ring_players", []),
            "ring_volume": ringing.get("ring_volume"),
        }
