"""Every sentence exists, in both languages, and fits what the code tells."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from homeassistant.const import Platform
from homeassistant.helpers.selector import validate_selector
from homeassistant.util.yaml import load_yaml_dict

from custom_components.hikari_denwa import const
from custom_components.hikari_denwa.actions import Action
from custom_components.hikari_denwa.calls import CallEventType, CallOutcome
from custom_components.hikari_denwa.contact_files import ContactFormat
from custom_components.hikari_denwa.contacts import RingRule
from custom_components.hikari_denwa.screening import (
    BLOCK_STATUSES,
    BLOCK_TREATMENTS,
    BlockKind,
    ScreeningReason,
)
from custom_components.hikari_denwa.sensor import CallSensorState
from custom_components.hikari_denwa.telephony.calls import (
    CallDirection,
    CallerIdKind,
    EndReason,
    Family,
)
from custom_components.hikari_denwa.telephony.engine.protocol import FamilyChoice
from custom_components.hikari_denwa.telephony.errors import CallError, TelephonyError

FOLDER = Path(const.__file__).parent
LANGUAGES = ("en", "ja")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def load(name: str) -> dict[str, Any]:
    """Return a JSON file of the integration."""
    loaded: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return loaded


def flat(node: dict[str, Any], path: str = "") -> dict[str, str]:
    """Return every sentence by its path."""
    found: dict[str, str] = {}
    for key, value in node.items():
        where = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            found |= flat(value, where)
        else:
            found[where] = value
    return found


def error_classes(cls: type[TelephonyError] = TelephonyError) -> list[type[TelephonyError]]:
    """Return every class of the error tree that belongs to the package."""
    found = [cls]
    for child in cls.__subclasses__():
        if child.__module__.startswith("custom_components."):
            found += error_classes(child)
    return found


def placeholders_of(cls: type[TelephonyError]) -> set[str]:
    """Return the placeholders that an error's docstring promises."""
    promised = re.search(r"Placeholders?: ([\w, ]+)", cls.__doc__ or "")
    return set(re.findall(r"\w+", promised[1])) if promised else set()


@pytest.fixture(params=LANGUAGES)
def sentences(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the sentences of a language."""
    return flat(load(f"translations/{request.param}.json"))


def test_english_is_the_source() -> None:
    """The two English files are one."""
    assert load("strings.json") == load("translations/en.json")


def test_same_keys_and_placeholders() -> None:
    """Japanese has what English has, and nothing else."""
    english, japanese = (flat(load(f"translations/{language}.json")) for language in LANGUAGES)
    assert english.keys() == japanese.keys()
    for key, sentence in english.items():
        assert set(PLACEHOLDER.findall(sentence)) == set(PLACEHOLDER.findall(japanese[key])), key


def test_nothing_is_empty_or_raw(sentences: dict[str, str]) -> None:
    """No sentence is empty, has spaces around it, an address, markup or a reference in it."""
    for key, sentence in sentences.items():
        assert sentence == sentence.strip() != "", key
        assert not re.search(r"https?://|<[a-z/]|\[%key", sentence), key


def test_japanese_is_japanese() -> None:
    """What is a sentence in English is one in Japanese."""
    english, japanese = (flat(load(f"translations/{language}.json")) for language in LANGUAGES)
    for key, sentence in english.items():
        if " " in PLACEHOLDER.sub("", sentence).strip():
            assert JAPANESE.search(japanese[key]), key
    assert not JAPANESE.search(english["entity.event.call.name"])


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.reason)
def test_every_error(sentences: dict[str, str], cls: type[TelephonyError]) -> None:
    """Each reason has its sentence, in the dialogs too, with placeholders that are given."""
    sentence = sentences[f"exceptions.{cls.reason}.message"]
    assert set(PLACEHOLDER.findall(sentence)) <= placeholders_of(cls)
    if not issubclass(cls, CallError):
        assert sentences[f"config.error.{cls.reason}"] == sentence


def test_errors_are_told_apart(sentences: dict[str, str]) -> None:
    """No two errors have the same sentence."""
    told = [sentence for key, sentence in sentences.items() if key.startswith("exceptions.")]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("reason", EndReason)
def test_every_end_of_a_call(sentences: dict[str, str], reason: EndReason) -> None:
    """Each reason has its words on the event and its sentence for a call that failed."""
    assert sentences[f"entity.event.call.state_attributes.reason.state.{reason}"]
    assert "{number}" in sentences[f"exceptions.call_{reason}.message"]


def test_every_state(sentences: dict[str, str]) -> None:
    """Every value that an entity can show has its word."""
    call = "entity.event.call.state_attributes"
    keys = (
        [f"{call}.event_type.state.{event}" for event in CallEventType]
        + [f"{call}.caller_id.state.{kind}" for kind in CallerIdKind]
        + [f"{call}.direction.state.{direction}" for direction in CallDirection]
        + [f"{call}.family.state.{family}" for family in Family]
        + [f"entity.sensor.call_state.state.{state}" for state in CallSensorState]
        + [f"{call}.blocked_by.state.{reason}" for reason in ScreeningReason]
        + [f"{call}.ring_rule.state.{rule}" for rule in RingRule]
        + [f"entity.sensor.last_call.state_attributes.outcome.state.{one}" for one in CallOutcome]
        + [f"entity.select.family.state.{choice}" for choice in FamilyChoice]
        + [f"selector.family.options.{choice}" for choice in FamilyChoice]
        + [f"selector.ring_rule.options.{rule}" for rule in RingRule]
        + [f"selector.block_kinds.options.{kind}" for kind in BlockKind]
        + [f"selector.block_treatment.options.{treatment}" for treatment in BLOCK_TREATMENTS]
        + [f"selector.block_status.options.{status}" for status in BLOCK_STATUSES]
        + [f"selector.call_outcome.options.{outcome}" for outcome in CallOutcome]
        + [f"selector.contact_format.options.{form}" for form in ContactFormat]
    )
    assert not set(keys) - sentences.keys()


def test_icons_cover_what_is_named() -> None:
    """Every entity and every action has its icon, and no icon hangs loose."""
    strings, icons = load("strings.json"), load("icons.json")
    assert {platform: set(named) for platform, named in strings["entity"].items()} == {
        platform: set(drawn) for platform, drawn in icons["entity"].items()
    }
    assert set(icons["services"]) == set(strings["services"])
    platforms = {*const.PLATFORMS, const.ASSIST_PLATFORM}
    assert set(strings["entity"]) == platforms <= set(Platform)


def test_actions_agree() -> None:
    """Code, descriptions and sentences know the same actions and fields."""
    described = load_yaml_dict(str(FOLDER / "services.yaml"))
    strings = load("strings.json")["services"]
    assert set(described) == set(strings) == set(Action)
    for action, description in described.items():
        fields: dict[str, Any] = {}
        sections: dict[str, Any] = {}
        for key, field in description["fields"].items():
            if "fields" in field:
                sections[key] = field
                fields |= field["fields"]
            else:
                fields[key] = field
        assert set(fields) == set(strings[action]["fields"]), action
        assert set(sections) == set(strings[action].get("sections", {})), action
        for field in fields.values():
            assert validate_selector(field["selector"])


def test_every_field_is_described() -> None:
    """No field of a dialog is without its explanation."""
    strings = load("strings.json")
    config = strings["config"]["step"] | strings["options"]["step"]
    for subentry in strings["config_subentries"].values():
        config |= subentry["step"]
    for name, step in config.items():
        assert set(step.get("data", ())) == set(step.get("data_description", ())), name
        for section in step.get("sections", {}).values():
            assert set(section["data"]) == set(section["data_description"]), name
