"""Which engine a line has: its choice, the app that is found, and what happens without it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import SOURCE_HASSIO, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.hikari_denwa import engine as engine_module
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.engine import (
    NATIVE,
    EngineApp,
    EngineChoice,
    EngineKind,
    engine_keeper,
    needed_family,
)
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.repairs import ForgetAppRepairFlow, async_create_fix_flow
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.child import Launcher
from custom_components.hikari_denwa.telephony.engine.pjsua2.launcher import Pjsua2Launcher
from custom_components.hikari_denwa.telephony.engine.pjsua2.probe import (
    Pjsua2Problem,
    Pjsua2Report,
)
from custom_components.hikari_denwa.telephony.engine.remote import RemoteLauncher
from custom_components.hikari_denwa.telephony.errors import (
    EngineStartError,
    EngineTokenError,
    EngineUnreachableError,
)

from .conftest import ENTRY_DATA
from .fake_engine import FakeEngine, ended, incoming
from .test_config_flow import UNTOUCHED, UNTOUCHED_OPTIONS

APP = {"url": "http://127.0.0.1:17060", "token": "the-token-of-the-app"}
REMOTE = RemoteLauncher(url="http://engine.local:17060", token="its-token")
REMOTE_OPTIONS = {"engine": "remote", "engine_url": REMOTE.url, "engine_token": REMOTE.token}
ISSUE = (DOMAIN, "engine_line-1")
PROBE = "custom_components.hikari_denwa.telephony.engine.pjsua2.launcher.probe_pjsua2"


def discovered(**changes: Any) -> HassioServiceInfo:
    """Return the Supervisor's message of the app."""
    return HassioServiceInfo(
        config={**APP, "addon": "Hikari Denwa", **changes},
        name="Hikari Denwa",
        slug="0a1b2c3d_hikari_denwa",
        uuid="4f0e",
    )


async def find_app(hass: HomeAssistant, **changes: Any) -> Any:
    """Let Home Assistant find the app."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_HASSIO}, data=discovered(**changes)
    )


def serving(engine: FakeEngine, line: str = "line-1") -> Launcher:
    """Return how the engine was brought up that has a line."""
    (client,) = [client for client in engine.clients if line in client.lines]
    return client.launcher


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    """Return the repair issue of the line."""
    return ir.async_get(hass).async_get_issue(*ISSUE)


@asynccontextmanager
async def set_up(
    hass: HomeAssistant, options: dict[str, Any], entry_id: str = "line-1", **data: Any
) -> AsyncIterator[MockConfigEntry]:
    """Have a line with options."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=f"The {entry_id}",
        entry_id=entry_id,
        data={**ENTRY_DATA, **data},
        options={"door_phones": ["1"], **options},
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry_id)
    await hass.async_block_till_done()
    yield entry
    await hass.config_entries.async_unload(entry_id)
    await hass.async_block_till_done()


async def test_lines_with_one_choice_share_an_engine(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """Each choice has one engine, which goes with its last line."""
    keeper = engine_keeper(hass)
    async with set_up(hass, {}, "a"):
        async with (
            set_up(hass, {"engine": "native"}, "b", extension="4"),
            set_up(hass, REMOTE_OPTIONS, "c", extension="5"),
            set_up(hass, REMOTE_OPTIONS, "d", extension="6"),
        ):
            assert serving(engine, "a") == serving(engine, "b") == NATIVE
            assert serving(engine, "c") == serving(engine, "d") == REMOTE
            assert len(keeper.clients) == 2
        assert len(keeper.clients) == 1
    assert keeper.clients == ()
    assert all(client.closed for client in engine.clients)


async def test_remote_engine_that_does_not_start(hass: HomeAssistant, engine: FakeEngine) -> None:
    """The built-in one takes the line, an issue says so, and goes when the chosen one is back."""
    engine.start_errors[REMOTE] = EngineUnreachableError(url=REMOTE.url)
    async with set_up(hass, REMOTE_OPTIONS) as entry:
        assert entry.state is ConfigEntryState.LOADED
        assert serving(engine) == NATIVE
        found = issue(hass)
        assert found
        assert found.translation_key == "engine_replaced"
        assert not found.is_fixable
        assert found.translation_placeholders
        assert found.translation_placeholders["line"] == "The line-1"
        assert REMOTE.url in found.translation_placeholders["problem"]
        (waiting,) = [client for client in engine.clients if client.trying]
        assert waiting.launcher == REMOTE

        engine.start_errors.clear()
        waiting.restore()
        await hass.async_block_till_done()
        assert serving(engine) == REMOTE
        assert issue(hass) is None
        assert [client.launcher for client in engine.clients if client.running] == [REMOTE]


async def test_a_call_is_not_cut_off_for_the_chosen_engine(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """The line changes over when its call is over."""
    engine.start_errors[REMOTE] = EngineTokenError()
    async with set_up(hass, REMOTE_OPTIONS):
        (native,) = [client for client in engine.clients if client.running]
        native.listener().call_event(incoming())
        engine.start_errors.clear()
        (waiting,) = [client for client in engine.clients if client.trying]
        waiting.restore()
        waiting.restore()
        await hass.async_block_till_done()
        assert serving(engine) == NATIVE
        assert issue(hass)
        native.listener().call_event(ended())
        await hass.async_block_till_done()
        assert serving(engine) == REMOTE
        assert issue(hass) is None


async def test_remote_engine_that_stays_away(hass: HomeAssistant, engine: FakeEngine) -> None:
    """A short absence is waited for; after a minute the built-in engine takes over."""
    async with set_up(hass, REMOTE_OPTIONS):
        (remote,) = engine.clients
        remote.lose()
        remote.restore()
        async_fire_time_changed(hass, dt_util.utcnow())
        await hass.async_block_till_done()
        assert serving(engine) == REMOTE

        with patch.object(engine_module, "PATIENCE_SECONDS", 0):
            remote.lose()
        engine.start_errors[REMOTE] = EngineUnreachableError(url=REMOTE.url)
        async with asyncio.timeout(15):
            while issue(hass) is None:
                await hass.async_block_till_done()
        assert serving(engine) == NATIVE


async def test_built_in_engine_that_does_not_start(hass: HomeAssistant, engine: FakeEngine) -> None:
    """There is no other: the entry is tried again later, and nothing is left running."""
    engine.start_error = EngineStartError(detail="x")
    async with set_up(hass, REMOTE_OPTIONS) as entry:
        assert entry.state is ConfigEntryState.SETUP_RETRY
        assert engine_keeper(hass).clients == ()
        assert not any(client.trying for client in engine.clients)


async def test_engine_without_the_family_of_the_line(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """An engine that speaks IPv4 alone is not given an IPv6 line, but an IPv4 one."""
    engine.families = (Family.IPV4,)
    async with (
        set_up(hass, REMOTE_OPTIONS),
        set_up(hass, REMOTE_OPTIONS, "v4", gateway="192.168.1.1"),
        set_up(hass, REMOTE_OPTIONS, "name", gateway="ntt.setup"),
    ):
        assert serving(engine) == NATIVE
        assert serving(engine, "v4") == serving(engine, "name") == REMOTE
        found = issue(hass)
        assert found
        assert found.translation_placeholders
        assert "IPv6" in found.translation_placeholders["problem"]


async def test_pjsua2_without_ipv6_is_never_started_for_an_ipv6_line(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """Its probe says so before."""
    report = Pjsua2Report(found=True, version="2.15.1", families=(Family.IPV4,), max_calls=4)
    options = {"engine": "pjsua2", "engine_interpreter": "/opt/python"}
    with patch(PROBE, return_value=report):
        async with set_up(hass, options):
            assert serving(engine) == NATIVE
            assert [client.launcher for client in engine.clients] == [NATIVE]
            assert issue(hass)
        async with set_up(hass, options, "v4", gateway="192.168.1.1"):
            assert serving(engine, "v4") == Pjsua2Launcher(interpreter="/opt/python")


async def test_issue_goes_with_the_line(hass: HomeAssistant, engine: FakeEngine) -> None:
    """A line that is deleted needs no repair."""
    engine.start_errors[REMOTE] = EngineTokenError()
    async with set_up(hass, REMOTE_OPTIONS) as entry:
        assert issue(hass)
        await hass.config_entries.async_remove(entry.entry_id)
        await hass.async_block_till_done()
        assert issue(hass) is None
        assert engine_keeper(hass).clients == ()
        entry.add_to_hass(hass)


async def test_app_is_found_before_the_first_line(hass: HomeAssistant, engine: FakeEngine) -> None:
    """It is confirmed, and the dialog goes on with the line, which is proved by the app."""
    result = await find_app(hass)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "hassio_confirm"
    assert (result["description_placeholders"] or {})["app"] == "Hikari Denwa"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["step_id"] == "user"
    result = await hass.config_entries.flow.async_configure(
        result["flow_id"],
        {
            "name": "Home", "gateway": "2001:db8::1", "extension": "3", "user_id": "0003",
            "password": "x", "family": "automatic", "advanced": {"port": 5060},
        },
    )  # fmt: skip
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert serving(engine, entry.entry_id) == RemoteLauncher(**APP)
    # The Supervisor removes entries of its message's id with the app; a line stays.
    assert entry.unique_id is None
    assert "token" not in str(entry.data)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_app_is_found_by_lines(
    hass: HomeAssistant, engine: FakeEngine, hass_storage: dict[str, Any]
) -> None:
    """Automatic lines change over, others stay; it is remembered, and told of again in vain."""
    async with (
        set_up(hass, {}, "auto"),
        set_up(hass, {"engine": "automatic"}, "auto2", extension="4"),
        set_up(hass, {"engine": "native"}, "native", extension="5"),
    ):
        result = await find_app(hass)
        result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
        assert result["reason"] == "app_taken"
        await hass.async_block_till_done()
        app = RemoteLauncher(**APP)
        assert serving(engine, "auto") == serving(engine, "auto2") == app
        assert serving(engine, "native") == NATIVE
        assert hass_storage[f"{DOMAIN}.engine_app"]["data"]["token"] == APP["token"]
        assert (await find_app(hass))["reason"] == "app_known"

        assert (await find_app(hass, token="a-new-token"))["reason"] == "app_known"
        await hass.async_block_till_done()
        new = RemoteLauncher(url=APP["url"], token="a-new-token")
        assert serving(engine, "auto") == new


async def test_app_is_remembered(
    hass: HomeAssistant, engine: FakeEngine, hass_storage: dict[str, Any]
) -> None:
    """After a restart the lines use it from the beginning."""
    app = {"uuid": "4f0e", "name": "Hikari Denwa", **APP}
    hass_storage[f"{DOMAIN}.engine_app"] = {"version": 1, "data": app}
    async with set_up(hass, {}):
        assert [client.launcher for client in engine.clients] == [RemoteLauncher(**APP)]
    assert APP["token"] not in repr(await engine_keeper(hass).async_app())


async def test_app_that_does_not_answer_is_not_taken(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """The dialog says why, and takes it when it answers."""
    app = RemoteLauncher(**APP)
    engine.start_errors[app] = EngineUnreachableError(url=app.url)
    result = await find_app(hass)
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["errors"] == {"base": "engine_unreachable"}
    assert (result["description_placeholders"] or {})["url"] == app.url
    assert await engine_keeper(hass).async_app() is None
    engine.start_errors.clear()
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["step_id"] == "user"
    assert not result["errors"]


@pytest.mark.parametrize("changes", [{"url": "nonsense://x"}, {"url": ""}])
async def test_message_that_is_not_understood(
    hass: HomeAssistant, engine: FakeEngine, changes: dict[str, Any]
) -> None:
    """It changes nothing."""
    assert (await find_app(hass, **changes))["reason"] == "app_not_understood"
    info = discovered()
    del info.config["token"]
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_HASSIO}, data=info
    )
    assert result["reason"] == "app_not_understood"
    assert await engine_keeper(hass).async_app() is None


async def test_app_that_is_gone_can_be_forgotten(
    hass: HomeAssistant, engine: FakeEngine, hass_storage: dict[str, Any]
) -> None:
    """Its issue can be repaired: automatic lines go on with the built-in engine."""
    await engine_keeper(hass).async_take_app(EngineApp(uuid="4f0e", name="Hikari Denwa", **APP))
    app = RemoteLauncher(**APP)
    engine.start_errors[app] = EngineUnreachableError(url=app.url)
    async with set_up(hass, {}):
        found = issue(hass)
        assert found
        assert found.is_fixable
        assert found.translation_key == "engine_app_replaced"
        flow = await async_create_fix_flow(hass, ISSUE[1], None)
        assert isinstance(flow, ForgetAppRepairFlow)
        flow.hass, flow.issue_id, flow.handler = hass, ISSUE[1], DOMAIN
        flow.flow_id = "x"
        shown = await flow.async_step_init()
        assert shown["description_placeholders"] == found.translation_placeholders
        assert await engine_keeper(hass).async_app()
        await flow.async_step_confirm({})
        await hass.async_block_till_done()
        assert serving(engine) == NATIVE
        assert issue(hass) is None
        assert f"{DOMAIN}.engine_app" not in hass_storage


async def options_step(
    hass: HomeAssistant, entry: MockConfigEntry, engine_kind: str, **entered: Any
) -> Any:
    """Choose an engine in the options, and enter what is asked for next."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        result["flow_id"],
        {**UNTOUCHED, "door_phones": ["1"], "call_waiting": True, "engine": engine_kind},
    )
    if entered:
        result = await hass.config_entries.options.async_configure(result["flow_id"], entered)
    return result


async def test_options_remote(
    hass: HomeAssistant,
    engine: FakeEngine,
    hass_client: ClientSessionGenerator,
) -> None:
    """The engine is asked what it is, the choice is kept, and everything else as well."""
    async with set_up(hass, {"something_else": 1}) as entry:
        result = await options_step(
            hass, entry, "remote", engine_url="engine.local", engine_token=" its-token ",
            engine_fingerprint="AB:" * 31 + "AB",
        )  # fmt: skip
        assert result["step_id"] == "remote_found"
        assert result["description_placeholders"] == {
            "url": REMOTE.url,
            "backend": "fake",
            "families": "IPv6, IPv4",
        }
        assert "engine" not in entry.options
        result = await hass.config_entries.options.async_configure(result["flow_id"], {})
        await hass.async_block_till_done()
        assert entry.options == {
            **UNTOUCHED_OPTIONS,
            "something_else": 1,
            "door_phones": ["1"],
            "call_waiting": True,
            **REMOTE_OPTIONS,
            "engine_fingerprint": "ab" * 32,
        }
        assert serving(engine) == RemoteLauncher(
            url=REMOTE.url, token="its-token", fingerprint="ab" * 32
        )
        shown = await get_diagnostics_for_config_entry(hass, hass_client, entry)
        assert shown["engine"]["chosen"] == "remote"
        assert "its-token" not in str(shown)

        result = await options_step(hass, entry, "remote")
        shown = {str(key): key.description for key in result["data_schema"].schema}
        assert shown["engine_url"] == {"suggested_value": REMOTE.url}
        assert not shown["engine_token"]
        result = await hass.config_entries.options.async_configure(
            result["flow_id"], {"engine_url": REMOTE.url}
        )
        await hass.config_entries.options.async_configure(result["flow_id"], {})
        await hass.async_block_till_done()
        assert entry.options["engine_token"] == "its-token"
        assert "engine_fingerprint" not in entry.options

        result = await options_step(hass, entry, "automatic")
        await hass.async_block_till_done()
        assert entry.options["engine"] == "automatic"
        assert not {key for key in entry.options if key.startswith("engine_")}
        assert serving(engine) == NATIVE


async def test_options_remote_that_fails(hass: HomeAssistant, engine: FakeEngine) -> None:
    """Each cause has its sentence, no token is shown again, and nothing changes."""
    engine.start_errors[REMOTE] = EngineTokenError()
    async with set_up(hass, {}) as entry:
        before = dict(entry.options)
        entered = {"engine_url": REMOTE.url, "engine_token": REMOTE.token}
        result = await options_step(hass, entry, "remote", **entered)
        assert result["errors"] == {"base": "engine_token"}
        assert "its-token" not in str([key.description for key in result["data_schema"].schema])
        flow = result["flow_id"]
        configure = hass.config_entries.options.async_configure
        result = await configure(flow, {**entered, "engine_fingerprint": "12"})
        assert result["errors"] == {"engine_fingerprint": "fingerprint_invalid"}
        result = await configure(flow, {"engine_url": "x y"})
        assert result["errors"] == {"base": "engine_url"}
        engine.start_errors.clear()
        engine.families = (Family.IPV4,)
        result = await configure(flow, entered)
        assert result["errors"] == {"base": "engine_family"}
        assert entry.options == before
        assert serving(engine) == NATIVE


@pytest.mark.parametrize(
    ("gateway", "families", "step"),
    [
        ("2001:db8::1", (Family.IPV6, Family.IPV4), "pjsua2_found"),
        ("192.168.1.1", (Family.IPV4,), "pjsua2_without_ipv6"),
        ("ntt.setup", (Family.IPV4,), "pjsua2_without_ipv6"),
    ],
)
async def test_options_pjsua2(
    hass: HomeAssistant,
    engine: FakeEngine,
    gateway: str,
    families: tuple[Family, ...],
    step: str,
) -> None:
    """The probe's answer is shown before the choice is kept."""
    report = Pjsua2Report(found=True, version="2.15.1", families=families, max_calls=4)
    with patch(PROBE, return_value=report):
        async with set_up(hass, {}, gateway=gateway) as entry:
            result = await options_step(hass, entry, "pjsua2", engine_interpreter=" /opt/python ")
            assert result["step_id"] == step
            assert result["description_placeholders"] == {"version": "2.15.1", "calls": "4"}
            await hass.config_entries.options.async_configure(result["flow_id"], {})
            await hass.async_block_till_done()
            assert entry.options["engine"] == "pjsua2"
            assert serving(engine) == Pjsua2Launcher(interpreter="/opt/python")


async def test_options_pjsua2_without_ipv6_for_an_ipv6_line(
    hass: HomeAssistant, engine: FakeEngine
) -> None:
    """It cannot be chosen."""
    report = Pjsua2Report(found=True, version="2.15.1", families=(Family.IPV4,), max_calls=4)
    with patch(PROBE, return_value=report):
        async with set_up(hass, {}) as entry:
            result = await options_step(hass, entry, "pjsua2", engine_interpreter="/opt/python")
            assert result["errors"] == {"base": "pjsua2_family"}
            assert result["description_placeholders"]["version"] == "2.15.1"


@pytest.mark.parametrize("problem", Pjsua2Problem)
async def test_options_pjsua2_that_cannot_serve(
    hass: HomeAssistant, engine: FakeEngine, problem: Pjsua2Problem
) -> None:
    """Every problem that the probe knows has its sentence."""
    with patch(PROBE, return_value=Pjsua2Report(problem=problem)):
        async with set_up(hass, {}) as entry:
            result = await options_step(hass, entry, "pjsua2", engine_interpreter="/opt/python")
            assert result["errors"] == {"engine_interpreter": f"pjsua2_{problem}"}
            assert result["description_placeholders"]["interpreter"] == "/opt/python"


async def test_options_pjsua2_by_a_real_probe(
    hass: HomeAssistant, engine: FakeEngine, loopback: None, tmp_path: Path
) -> None:
    """A Python without pjsua2, and what is no Python at all, are told apart."""
    async with set_up(hass, {}) as entry:
        for path, reason in (
            (sys.executable, "pjsua2_not_installed"),
            (str(tmp_path), "pjsua2_interpreter"),
        ):
            result = await options_step(hass, entry, "pjsua2", engine_interpreter=path)
            assert result["errors"] == {"engine_interpreter": reason}


@pytest.mark.parametrize(
    ("family", "gateway", "needed"),
    [
        ("automatic", "2001:db8::1", Family.IPV6),
        ("automatic", "192.168.1.1", Family.IPV4),
        ("automatic", "ntt.setup", None),
        ("ipv6", "ntt.setup", Family.IPV6),
        ("ipv4", "ntt.setup", Family.IPV4),
    ],
)
def test_needed_family(family: str, gateway: str, needed: Family | None) -> None:
    """Only what cannot be otherwise is needed."""
    assert needed_family({"family": family, "gateway": gateway}) == needed


def test_choices_do_not_show_tokens() -> None:
    """Neither in a log nor in a traceback."""
    choice = EngineChoice(kind=EngineKind.REMOTE, url="http://x", token="its-token")
    assert "its-token" not in repr(choice)
    assert "its-token" not in repr(choice.launcher(None))


async def test_line_fixture_uses_the_built_in_engine(line: Line, engine: FakeEngine) -> None:
    """What was set up before there was a choice goes on as it was."""
    assert serving(engine) == NATIVE
