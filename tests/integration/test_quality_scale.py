"""The quality scale claims nothing that the files do not show."""

import ast
from pathlib import Path
from typing import Any

import homeassistant.components
import pytest
from homeassistant.util.yaml import load_yaml_dict

from custom_components.hikari_denwa import const

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
def test_every_claim_has_its_form(rule: str) -> None:
    """Done, or to do or exempt for a reason that is a sentence."""
    claim = RULES[rule]
    if claim != "done":
        assert claim["status"] in {"todo", "exempt"}
        assert claim["comment"].endswith(".")


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
