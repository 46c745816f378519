"""Every dialog of the integration as a person sees it, with a picture of each."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.engine import process
from scripts.environment import pjsua2_interpreter
from scripts.home_assistant import Client
from tests.home_gateway.config import GatewayConfig, Slot
from tests.home_gateway.gateway import HomeGateway

from .person import PAGE, PATIENCE_SECONDS, TALL, Person
from .stage import staged
from .words import ENGLISH, JAPANESE, Words

_SECTIONS = (
    "blocking",
    "calls",
    "answering",
    "recording",
    "assist_by_phone",
    "ringing",
    "call_log",
    "gateway",
)
_CHANGED = Slot(number="3", user_id="0003", password="another")
_PJSUA2 = pjsua2_interpreter()
# The step that a repair begins with, and the words of the issue.
_PROBLEMS: dict[str, tuple[str, dict[str, str]]] = {
    "calls_need_ipv4": ("second_address", {}),
    "other_family_answers": ("confirm", {"family": "IPv6", "other_family": "IPv4"}),
    "prefix_changed": (
        "address",
        {"address": "2001:db8:0:100::1", "prefix": "2001:db8:0:200::/56"},
    ),
    "engine_app_replaced": ("confirm", {"app": "Hikari Denwa Engine"}),
}

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.usefixtures("loopback"),
    pytest.mark.parametrize("words", [ENGLISH, JAPANESE], ids=lambda words: words.language),
]


async def test_dialogs(words: Words, tmp_path: Path) -> None:
    """Each can be reached and read; what is entered in them is taken."""
    async with staged(words, tmp_path, TALL) as stage:
        person, gateway, client = stage.person, stage.gateway, stage.client
        await _line(person, gateway)
        port = gateway.port_v6
        await gateway.stop()
        async with HomeGateway(GatewayConfig(port=port, slots=(_CHANGED,))) as changed:
            await _reauth(person, changed, client)
            await _reconfigure(person)
            await _contacts(person)
            await _options(person)
            await _engine(person)
            await _pjsua2(person)
            await _repairs(person, client)
            await _app(person, client)
            async with _engine_elsewhere(tmp_path) as (url, token):
                await _elsewhere(person, changed, url, token)
            await _need_ipv4(person, client, changed)
    assert changed.violations == []


async def _app(person: Person, client: Client) -> None:
    """See the app that was found."""
    words = person.words
    await client.command("call_service", domain="rehearsal", service="start_app", service_data={})
    await person.go("/config/integrations/dashboard")
    await person.click(words.add)
    await person.opened(words.ours["config"]["step"]["hassio_confirm"]["title"])
    await person.photograph("app-found", person.dialog)
    await person.close_dialog()


async def _line(person: Person, gateway: HomeGateway) -> None:
    """Add a line: look for the gateway, choose among two, mistype the password."""
    words = person.words
    config = words.ours["config"]
    await person.go("/config/integrations/dashboard/add?domain=hikari_denwa")
    await person.click("OK")
    await person.opened(config["step"]["user"]["title"])
    await person.photograph("add-line", person.dialog)
    await person.fill(words.field("user", "extension"), "3")
    await person.fill(words.field("user", "user_id"), "0003")
    await person.fill(words.field("user", "password"), "wrong")
    await person.unfold(config["step"]["user"]["sections"]["advanced"]["name"])
    await person.page.get_by_role("spinbutton").fill(str(gateway.port_v6))
    await person.click(words.submit)
    await person.opened(config["step"]["choose_gateway"]["title"])
    await person.photograph("choose-gateway", person.dialog)
    await person.click(words.submit)
    sentence = config["error"]["credentials_rejected"]
    await person.sees(sentence.partition("{")[2].partition("}")[2][:12])
    await person.photograph("password-rejected", person.dialog)
    await person.fill(words.field("user", "password"), "secret-3")
    await person.click(words.submit)
    await person.finish()
    await gateway.registered(within=PATIENCE_SECONDS)


async def _reauth(person: Person, gateway: HomeGateway, client: Client) -> None:
    """See that the gateway does not take the password any more, and enter the new one."""
    words = person.words
    step = words.ours["config"]["step"]["reauth_confirm"]
    (entry,) = await client.command("config_entries/get", domain="hikari_denwa")
    await client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload", {})
    await person.go(PAGE)
    await person.click(words.reauthenticate)
    await person.opened(step["title"])
    await person.photograph("reauth", person.dialog)
    await person.fill(step["data"]["password"], _CHANGED.password)
    await person.click(words.submit)
    await gateway.registered(within=PATIENCE_SECONDS)
    await person.is_told()


async def _open_reconfigure(person: Person) -> None:
    """Open the data of the line."""
    words = person.words
    await person.go(PAGE)
    await person.choose_in_menu(words.menu, words.reconfigure)
    await person.opened(words.ours["config"]["step"]["reconfigure"]["title"])


async def _reconfigure(person: Person) -> None:
    """Change the line."""
    await _open_reconfigure(person)
    await person.photograph("reconfigure", person.dialog)
    await person.click(person.words.submit)
    await person.is_told()


async def _contacts(person: Person) -> None:
    """Add a contact, look at the import, and change the contact."""
    words = person.words
    ours = words.ours["config_subentries"]["contact"]
    menu = ours["step"]["user"]
    await person.go(PAGE)
    await person.click(ours["initiate_flow"]["user"])
    await person.opened(menu["title"])
    await person.photograph("contact-menu", person.dialog)
    await person.page.get_by_text(menu["menu_options"]["import"]).click()
    await person.opened(ours["step"]["import"]["title"])
    await person.photograph("contacts-import", person.dialog)
    await person.close_dialog()
    await person.begin_contact()
    await person.unfold(ours["step"]["contact"]["sections"]["more"]["name"])
    await person.fill_contact("03-1234-5678")
    await person.photograph("contact-add", person.dialog)
    await person.click(words.submit)
    await person.finish()
    await person.click(ours["initiate_flow"]["reconfigure"])
    await person.opened(ours["step"]["reconfigure"]["title"])
    await person.photograph("contact-change", person.dialog)
    await person.click(words.submit)
    await person.is_told()


async def _open_options(person: Person) -> None:
    """Open the options of the line."""
    await person.go(PAGE)
    await person.click(person.words.configure, exact=True)
    await person.opened(person.words.ours["options"]["step"]["init"]["title"])


async def _options(person: Person) -> None:
    """Look into each section, and switch emergency calls on as far as the warning."""
    words = person.words
    ours = words.ours["options"]["step"]
    await _open_options(person)
    await person.photograph("options", person.dialog)
    for number, name in enumerate(_SECTIONS):
        section = person.page.locator("ha-form-expandable").nth(number)
        await person.unfold(ours["init"]["sections"][name]["name"])
        await person.photograph(f"options-{name.replace('_', '-')}", section)
        if name != "calls":
            await person.unfold(ours["init"]["sections"][name]["name"])
    emergency = ours["init"]["sections"]["calls"]["data"]["emergency"]
    await person.page.get_by_role("switch", name=emergency).press("Space")
    await person.click(words.submit)
    await person.opened(ours["emergency"]["title"])
    await person.photograph("options-emergency", person.dialog)
    await person.close_dialog()


async def _engine(person: Person) -> None:
    """Choose an engine of each kind that wants to know more, and be told what is wrong."""
    words = person.words
    ours = words.ours["options"]
    for kind, entry, example, text, error in (
        (
            "pjsua2",
            "engine_interpreter",
            "/usr/bin/python3",
            sys.executable,
            "pjsua2_not_installed",
        ),
        ("remote", "engine_url", "engine.local:17060", "127.0.0.1:9", "engine_unreachable"),
    ):
        step = ours["step"][f"engine_{kind}"]
        await _choose_engine(person, kind)
        await person.fill(step["data"][entry], example)
        await person.photograph(f"engine-{kind}", person.dialog)
        await person.fill(step["data"][entry], text)
        await person.click(words.submit)
        await person.sees(_end(ours["error"][error]))
        await person.close_dialog()


async def _select_engine(person: Person, kind: str) -> None:
    """Select an engine in the options."""
    ours = person.words.ours
    await person.select(
        ours["options"]["step"]["init"]["data"]["engine"],
        ours["selector"]["engine"]["options"][kind],
    )


async def _choose_engine(person: Person, kind: str) -> None:
    """Choose an engine, and come to the question about it."""
    await _open_options(person)
    await _select_engine(person, kind)
    await person.click(person.words.submit)
    await person.opened(person.words.ours["options"]["step"][f"engine_{kind}"]["title"])


async def _pjsua2(person: Person) -> None:
    """Be told what a pjsua2 can do, where the tests have one."""
    if _PJSUA2 is None:
        return
    steps = person.words.ours["options"]["step"]
    await _choose_engine(person, "pjsua2")
    await person.fill(steps["engine_pjsua2"]["data"]["engine_interpreter"], str(_PJSUA2))
    await person.click(person.words.submit)
    await person.opened(steps["pjsua2_found"]["title"])
    await person.photograph("engine-pjsua2-found", person.dialog)
    await person.close_dialog()


@asynccontextmanager
async def _engine_elsewhere(folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Have an engine of its own for the time of a block; gives its address and its token."""
    token = folder / "token"
    token.write_text("a-token-that-is-long\n")
    engine = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        Path(process.__file__).with_name("__main__.py"),
        "--listen",
        "127.0.0.1:0",
        "--token-file",
        token,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert engine.stdout is not None
    try:
        _, address = (await engine.stdout.readline()).decode().split()
        yield address, token.read_text().strip()
    finally:
        engine.terminate()
        await engine.wait()


async def _elsewhere(person: Person, gateway: HomeGateway, url: str, token: str) -> None:
    """Let the line use an engine elsewhere, which registers it, and then our own again."""
    words = person.words
    steps = words.ours["options"]["step"]
    asked, found = steps["engine_remote"], steps["remote_found"]
    await _choose_engine(person, "remote")
    await person.fill(asked["data"]["engine_url"], url)
    await person.fill(asked["data"]["engine_token"], token)
    await person.click(words.submit)
    await person.opened(found["title"])
    await person.photograph("engine-remote-found", person.dialog)
    await _submit_and_register(person, gateway)
    await gateway.registered(within=PATIENCE_SECONDS)
    await _open_options(person)
    await _select_engine(person, "automatic")
    await person.click(words.submit)
    await person.finish()


async def _submit_and_register(person: Person, gateway: HomeGateway) -> None:
    """Come to the end of a dialog, whereupon the line registers anew."""
    asked_before = len(gateway.registers)
    await person.click(person.words.submit)
    await person.finish()
    await gateway.until(lambda: len(gateway.registers) > asked_before, PATIENCE_SECONDS)


def _end(sentence: str) -> str:
    """Return the words of a sentence that follow its last placeholder."""
    return sentence.rpartition("}")[2][:20]


async def _open_repair(
    person: Person, client: Client, problem: str, step: str, placeholders: dict[str, str]
) -> None:
    """Have a problem, and open its repair."""
    issue = person.words.ours["issues"][problem]
    await client.command(
        "call_service",
        domain="rehearsal",
        service="show_problem",
        service_data={"problem": problem, "words": placeholders},
    )
    await person.go("/config/repairs")
    title = issue["title"].format(line="Hikari Denwa", **placeholders)
    await person.page.get_by_text(title).first.click()
    await person.opened(issue["fix_flow"]["step"][step]["title"])


async def _repairs(person: Person, client: Client) -> None:
    """Open the repair of each problem that has one."""
    for problem, (step, placeholders) in _PROBLEMS.items():
        shown = placeholders
        if problem == "engine_app_replaced":
            sentence = person.words.ours["exceptions"]["engine_unreachable"]["message"]
            shown = {**placeholders, "problem": sentence.format(url="http://127.0.0.1:17060")}
        await _open_repair(person, client, problem, step, shown)
        await person.photograph(f"repair-{problem.replace('_', '-')}", person.dialog)
        await person.close_dialog()


async def _need_ipv4(person: Person, client: Client, gateway: HomeGateway) -> None:
    """Set the line to IPv6 alone, and let the repair of what comes of that undo it."""
    words = person.words
    await _open_reconfigure(person)
    await person.fill(words.field("reconfigure", "gateway"), "::1")
    await person.select(
        words.field("reconfigure", "family"), words.ours["selector"]["family"]["options"]["ipv6"]
    )
    await person.click(words.submit)
    await person.is_told()
    await _open_repair(person, client, "calls_need_ipv4", "confirm", {})
    await person.photograph("repair-both-families", person.dialog)
    await _submit_and_register(person, gateway)
