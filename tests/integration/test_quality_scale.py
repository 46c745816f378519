"""The quality scale claims nothing that the files do not show."""

import ast
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import homeassistant.components
import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.selector import validate_selector
from homeassistant.util.yaml import load_yaml_dict

from custom_components.hikari_denwa import const
from custom_components.hikari_denwa.condition import CONDITIONS
from custom_components.hikari_denwa.entity import HikariEntity
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.trigger import TRIGGERS
from tests.unit.repository.documents import ROOT, anchors

FOLDER = Path(const.__file__).parent
RULES: dict[str, Any] = load_yaml_dict(str(FOLDER / "quality_scale.yaml"))["rules"]


def test_every_rule_is_there() -> None:
    """The rules are those that Home Assistant's own integrations answer."""
    components = Path(homeassistant.components.__file__).parent
    bring = load_yaml_dict(str(components / "bring" / "quality_scale.yaml"))["rules"]
    assert set(bring) <= set(RULES)
    # Two rules are younger than the oldest Home Assistant that is supported.
    assert set(RULES) - set(bring) <= {"docs-conditions", "docs-triggers"}


@pytest.mark.parametrize("rule", RULES)
def test_every_claim_is_proved(rule: str) -> None:
    """What is done names its proof, which exists; the rest has a reason that is a sentence."""
    claim = RULES[rule]
    assert claim["comment"].endswith(".")
    if claim["status"] != "done":
        assert claim["status"] in {"todo", "exempt"}
        return
    word, _, proofs = claim["comment"].removesuffix(".").partition(" ")
    assert word == "Proof:"
    for proof in proofs.split(", "):
        name, _, test = proof.partition("::")
        name, _, anchor = name.partition("#")
        path = ROOT / name
        assert path.exists(), proof
        if test:
            assert re.search(rf"^(?:async )?def {test}\(", path.read_text(), re.MULTILINE), proof
        if anchor:
            assert anchor in anchors(path), proof


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Go through the files of the integration outside of the telephony package."""
    for path in sorted(FOLDER.glob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def entity_classes() -> list[type[HikariEntity]]:
    """Return every class of entities."""
    for platform in const.PLATFORMS:
        import_module(f"{const.__package__}.{platform}")
    found = list(HikariEntity.__subclasses__())
    for cls in found:
        found += [below for below in cls.__subclasses__() if below not in found]
    return found


def test_entities_have_names_of_their_device() -> None:
    """Each takes its name from its translation."""
    for cls in entity_classes():
        assert cls._attr_has_entity_name
        assert "name" not in vars(cls)


def test_entities_subscribe_when_they_are_added() -> None:
    """None of them listens before it is there, and each stops with its end."""
    for path, tree in trees():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
                continue
            assert ".subscribe" not in ast.unparse(function), path


def test_the_line_is_the_runtime_data() -> None:
    """Nothing of an entry is kept in hass.data under its id."""
    for path, tree in trees():
        assert "hass.data[DOMAIN]" not in ast.unparse(tree), path
    assert "entry.runtime_data = line" in (FOLDER / "__init__.py").read_text()


async def test_entities_for_support_are_diagnostic(hass: HomeAssistant, line: Line) -> None:
    """What people use stands in front, what helps to find faults behind."""
    entities = er.async_entries_for_config_entry(er.async_get(hass), line.entry.entry_id)
    behind = {each.entity_id for each in entities if each.entity_category is not None}
    assert {
        "binary_sensor.home_registered",
        "button.home_self_test",
        "button.home_sip_trace",
    } <= behind
    assert not behind & {"event.home_call", "button.home_answer", "sensor.home_call_state"}


def test_every_error_is_translated() -> None:
    """Whatever a person may be told is raised with the key of its sentence."""
    told = {"HomeAssistantError", "ServiceValidationError", "ConfigEntryNotReady"}
    told |= {"ConfigEntryAuthFailed", "ConfigEntryError", "InvalidDeviceAutomationConfig"}
    for path, tree in trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in told:
                given = {keyword.arg for keyword in call.keywords}
                assert {"translation_domain", "translation_key"} <= given, (path, call.lineno)


@pytest.mark.parametrize("kind", ["trigger", "condition"])
def test_triggers_and_conditions_agree(kind: str) -> None:
    """Code, descriptions, sentences and icons know the same ones and the same fields."""
    described = load_yaml_dict(str(FOLDER / f"{kind}s.yaml"))
    described = {key: value for key, value in described.items() if not key.startswith(".")}
    strings, icons = (
        json.loads((FOLDER / name).read_text())[f"{kind}s"]
        for name in ("strings.json", "icons.json")
    )
    code: dict[str, Any] = dict(TRIGGERS if kind == "trigger" else CONDITIONS)
    assert set(described) == set(strings) == set(icons) == set(code)
    for key, description in described.items():
        fields = description["fields"]
        assert (
            set(fields) == set(strings[key]["fields"]) == {str(each) for each in code[key].fields}
        )
        assert all(validate_selector(field["selector"]) for field in fields.values())
        assert strings[key]["name"]
        assert strings[key]["description"].endswith(".")
        assert set(icons[key]) == {kind}


@pytest.mark.parametrize("name", ["services.yaml", "triggers.yaml", "conditions.yaml"])
def test_choices_have_their_words(name: str) -> None:
    """Every option of a selector that is translated has a sentence, and no other has one."""
    strings = json.loads((FOLDER / "strings.json").read_text())["selector"]
    for description in load_yaml_dict(str(FOLDER / name)).values():
        for field in (description or {}).get("fields", {}).values():
            select = field.get("selector", {}).get("select") or {}
            if key := select.get("translation_key"):
                assert set(select["options"]) == set(strings[key]["options"]), key


def test_icons_of_states_differ() -> None:
    """A state that looks like the default needs no icon of its own."""
    icons = json.loads((FOLDER / "icons.json").read_text())["entity"]
    for entities in icons.values():
        for entity in entities.values():
            assert entity["default"] not in entity.get("state", {}).values()


@pytest.mark.parametrize("platform", const.PLATFORMS)
def test_parallel_updates(platform: str) -> None:
    """Every platform says how many updates may run at once."""
    tree = ast.parse((FOLDER / f"{platform}.py").read_text(encoding="utf-8"))
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    assert "PARALLEL_UPDATES" in names


def test_files_behind_the_claims() -> None:
    """What has a file of its own has it."""
    for name in ("brand/icon.png", "diagnostics.py", "icons.json", "py.typed", "services.yaml"):
        assert (FOLDER / name).exists(), name
