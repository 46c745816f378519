"""The documents are true: links lead somewhere, commands and names exist, nothing is left out."""

import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from custom_components.hikari_denwa.calls import OUTCOMES, CallEventType
from custom_components.hikari_denwa.condition import CONDITIONS
from custom_components.hikari_denwa.sensor import CallSensorState
from custom_components.hikari_denwa.telephony.calls import CallerIdKind, EndReason
from custom_components.hikari_denwa.telephony.errors import TelephonyError
from custom_components.hikari_denwa.trigger import TRIGGERS

from .documents import ROOT, anchors, documents, examples, prose

INTEGRATION = ROOT / "custom_components" / "hikari_denwa"
ACTIONS = set(yaml.safe_load((INTEGRATION / "services.yaml").read_text()))
READMES = [ROOT / "README.md", ROOT / "README.ja.md"]
LANGUAGES = [ROOT / "docs", ROOT / "docs" / "ja"]
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 60_000


def reasons(cls: type[TelephonyError] = TelephonyError) -> set[str]:
    """Return the reason of every error there is."""
    return {cls.reason}.union(*(reasons(below) for below in cls.__subclasses__()))


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Files that are linked exist, and so do the headings."""
    text = prose(path)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for target in targets:
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pictures_are_told_and_small(path: Path) -> None:
    """A picture is in the page's own language, and says in words what it shows."""
    language = "ja" if path.parent.name == "ja" or ".ja" in path.suffixes else "en"
    for told, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(path)):
        picture = (path.parent / target).resolve()
        assert picture.parent == PICTURES / language, target
        assert len(told) >= 8, target
        assert picture.stat().st_size <= MOST_BYTES, target


def test_every_picture_is_used() -> None:
    """The browser suite takes no picture that no page shows."""
    text = "".join(path.read_text() for path in documents())
    for picture in sorted(PICTURES.rglob("*.png")):
        assert f"pictures/{picture.relative_to(PICTURES)}" in text


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(path: Path) -> None:
    """Scripts that are named are there and can be run."""
    for name in re.findall(r"(?<![\w/])(?:scripts|\.ci)/[a-z_]+(?:\.py)?", path.read_text()):
        assert os.access(ROOT / name, os.X_OK), name


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_actions_exist(path: Path) -> None:
    """Actions, triggers and conditions that are named are there."""
    named = set(re.findall(r"(?<![\w./@-])hikari_denwa\.(\w+)", path.read_text())) - {"zip"}
    assert named <= ACTIONS | TRIGGERS.keys() | CONDITIONS.keys()


@pytest.mark.parametrize("folder", LANGUAGES, ids=["en", "ja"])
def test_every_trigger_and_condition_is_told(folder: Path) -> None:
    """Each has its row, and each of their options and choices its word."""
    text = (folder / "automations.md").read_text()
    fields = [each.fields for each in TRIGGERS.values()]
    fields += [each.fields for each in CONDITIONS.values()]
    assert all(f"`{option}`" in text for each in fields for option in each)
    for key in (*TRIGGERS, *CONDITIONS):
        assert re.search(rf"^\| `hikari_denwa\.{key}` \|", text, re.MULTILINE), key
    for word in (*OUTCOMES, *CallerIdKind):
        assert f"`{word}`" in text


@pytest.mark.parametrize("folder", LANGUAGES, ids=["en", "ja"])
def test_every_blueprint_can_be_imported(folder: Path) -> None:
    """Each has its link, which leads to where the file is."""
    text = (folder / "automations.md").read_text()
    for path in sorted((ROOT / "blueprints").rglob("*.yaml")):
        source = yaml.load(path.read_text(), Loader=_PassOver)["blueprint"]["source_url"]
        assert source.endswith(str(path.relative_to(ROOT)))
        assert f"blueprint_url={quote(source, safe='')}" in text


class _PassOver(yaml.SafeLoader):
    """Reads blueprints without what their inputs are."""


_PassOver.add_constructor("!input", lambda *_: None)


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_readme_is_complete(path: Path) -> None:
    """Every action, event and state, and what is said about emergencies."""
    text = path.read_text()
    for action in ACTIONS:
        assert f"`hikari_denwa.{action}`" in text
    for word in (*CallEventType, *CallSensorState, "ring"):
        assert f"`{word}`" in text
    for number in ("110", "118", "119"):
        assert number in text


@pytest.mark.parametrize("folder", LANGUAGES, ids=["en", "ja"])
def test_every_reason_has_its_row(folder: Path) -> None:
    """Whatever a person can be told is found in the troubleshooting."""
    text = (folder / "troubleshooting.md").read_text()
    told = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert told == reasons() | set(EndReason)


@pytest.mark.parametrize("folder", LANGUAGES, ids=["en", "ja"])
def test_every_event_and_attribute_is_told(folder: Path) -> None:
    """The tables of the automations name all types and attributes of the event."""
    text = (folder / "automations.md").read_text()
    strings = json.loads((INTEGRATION / "strings.json").read_text())
    attributes = set(strings["entity"]["event"]["call"]["state_attributes"]) - {"event_type"}
    for word in (*CallEventType, *attributes):
        assert f"`{word}`" in text


@pytest.mark.parametrize("name", sorted(path.name for path in LANGUAGES[1].glob("*.md")))
def test_both_languages_have_the_same_examples(name: str) -> None:
    """A page says as much in Japanese as in English."""
    found = [
        [example.name for example in examples() if example.path == folder / name]
        for folder in LANGUAGES
    ]
    assert found[0] == found[1]


def test_names_of_examples_are_unique_in_a_page() -> None:
    """A test that fails names one example."""
    named = [(example.path, example.name) for example in examples()]
    assert len(named) == len(set(named))
