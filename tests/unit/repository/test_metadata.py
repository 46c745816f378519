"""The metadata are as hassfest, HACS and the Marketplace want them, and agree with each other."""

import importlib
import json
import re
import struct
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
from homeassistant.generated import config_flows
from homeassistant.loader import Manifest

from scripts import make_package

ROOT = Path(__file__).resolve().parents[3]
INTEGRATION = ROOT / "custom_components" / "hikari_denwa"
MANIFEST: dict[str, Any] = json.loads((INTEGRATION / "manifest.json").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HACS: dict[str, Any] = json.loads((ROOT / "hacs.json").read_text())
STRINGS: dict[str, Any] = json.loads((INTEGRATION / "strings.json").read_text())
ICONS: dict[str, Any] = json.loads((INTEGRATION / "icons.json").read_text())
SERVICES: dict[str, Any] = yaml.safe_load((INTEGRATION / "services.yaml").read_text())

HACS_KEYS = {
    "content_in_root": bool,
    "country": list,
    "filename": str,
    "hacs": str,
    "hide_default_branch": bool,
    "homeassistant": str,
    "name": str,
    "persistent_directory": str,
    "render_readme": bool,
    "zip_release": bool,
}
ALWAYS_THERE = {"device_automation", "persistent_notification", "system_health"}
INTEGRATION_TYPES = {"device", "entity", "hardware", "helper", "hub", "service", "system"}
PACKAGED = {".py", ".json", ".yaml", ".png"}
BRAND_HEIGHTS = {"icon": 256, "icon@2x": 512, "logo": 128, "logo@2x": 256}


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Walk through the sentences of a tree, each with the keys that lead to it."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path, tree


def translation(language: str) -> dict[str, Any]:
    """Return the sentences of a language."""
    text = (INTEGRATION / "translations" / f"{language}.json").read_text()
    sentences: dict[str, Any] = json.loads(text)
    return sentences


def test_manifest_keys_are_known_and_in_order() -> None:
    """Domain and name come first, the rest by the alphabet; Home Assistant knows them all."""
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert set(keys) <= set(Manifest.__annotations__)


def test_manifest_has_what_hassfest_and_hacs_require() -> None:
    """A custom integration needs more keys than a core one."""
    assert MANIFEST["domain"] == INTEGRATION.name
    assert MANIFEST["integration_type"] in INTEGRATION_TYPES
    assert MANIFEST["iot_class"] == "local_push"
    assert MANIFEST["codeowners"]
    assert all(owner.startswith("@") for owner in MANIFEST["codeowners"])
    for key in ("documentation", "issue_tracker"):
        assert MANIFEST[key].startswith("https://")
    AwesomeVersion(MANIFEST["version"], ensure_strategy=AwesomeVersionStrategy.SEMVER)


def test_domain_is_free() -> None:
    """No integration of Home Assistant itself has our domain."""
    assert MANIFEST["domain"] not in config_flows.FLOWS["integration"]
    assert MANIFEST["config_flow"]
    assert (INTEGRATION / "config_flow.py").exists()


def test_requirements_are_pinned_and_tested_as_pinned() -> None:
    """Users get the versions that the tests ran with."""
    for requirement in MANIFEST["requirements"]:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9a-z.]+", requirement)
        assert requirement in PROJECT["dependency-groups"]["tests"]


def test_dependencies_exist() -> None:
    """Integrations that we build on are part of Home Assistant."""
    from homeassistant import components  # noqa: PLC0415 - a namespace that only this test needs

    folder = Path(components.__path__[0])
    for name in (*MANIFEST["dependencies"], *MANIFEST.get("after_dependencies", [])):
        assert (folder / name / "manifest.json").exists()


def test_imported_integrations_are_dependencies() -> None:
    """Hassfest's rule: what is imported of other integrations is declared, base platforms apart."""
    platforms = {path.stem for path in INTEGRATION.glob("*.py")}
    declared = {*MANIFEST["dependencies"], *MANIFEST.get("after_dependencies", []), *platforms}
    declared |= ALWAYS_THERE
    for path in INTEGRATION.glob("*.py"):
        used = re.findall(r"from homeassistant\.components(?:\.| import )(\w+)", path.read_text())
        assert set(used) <= declared, path


def test_every_version_is_the_same() -> None:
    """The manifest, the project and the changelog name one version."""
    assert PROJECT["project"]["version"] == MANIFEST["version"]
    assert f"## [{MANIFEST['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_hacs_json_is_what_both_installers_read() -> None:
    """HACS refuses other keys, the Marketplace passes them over with a warning."""
    for key, value in HACS.items():
        assert isinstance(value, HACS_KEYS[key])
    assert HACS["name"]
    assert HACS["filename"] == f"{MANIFEST['domain']}.zip"
    minimum = f"homeassistant=={HACS['homeassistant']}"
    assert minimum in PROJECT["dependency-groups"]["minimum"]


def test_package_is_the_integration(tmp_path: Path) -> None:
    """The zip holds the integration's files at its root, all of them, and nothing else."""
    with zipfile.ZipFile(make_package.make(tmp_path / HACS["filename"])) as package:
        files = {name: package.read(name) for name in package.namelist()}
    assert files == {
        str(path.relative_to(INTEGRATION)): path.read_bytes()
        for path in INTEGRATION.rglob("*")
        if path.suffix in PACKAGED or path.name == "py.typed"
    }
    assert json.loads(files["manifest.json"]) == MANIFEST
    needed = ("__init__.py", "py.typed", "translations/ja.json", "brand/icon.png")
    assert files.keys() >= {*needed, "telephony/engine/process.py"}
    assert not [name for name in files if re.search(r"(^|/)(tests?/|test_|conftest)", name)]


def test_package_is_the_same_every_time(tmp_path: Path) -> None:
    """Neither the clock, nor the order of a folder, nor rights in the checkout come in."""
    first, second = (make_package.make(tmp_path / name) for name in ("first.zip", "second.zip"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as package:
        assert package.namelist() == sorted(package.namelist())
        for entry in package.infolist():
            assert entry.date_time == make_package.FIXED_TIME
            assert entry.external_attr >> 16 == 0o644


def test_package_is_taken_by_the_marketplace(tmp_path: Path) -> None:
    """What it checks of an archive before it unpacks it, and of a manifest afterwards."""
    integration = pytest.importorskip(
        "homeassistant.components.marketplace.repositories.integration",
        reason="the Marketplace came with Home Assistant 2026.11",
    )
    base = importlib.import_module("homeassistant.components.marketplace.repositories.base")
    validate = importlib.import_module("homeassistant.components.marketplace.utils.validate")
    with zipfile.ZipFile(make_package.make(tmp_path / HACS["filename"])) as package:
        base._check_archive_size(package)
        package.extractall(tmp_path / "unpacked")
    integration._check_loadable_manifest(tmp_path / "unpacked", MANIFEST["domain"])
    for key, check in validate.INTEGRATION_MANIFEST_VALUES.items():
        check(MANIFEST[key])
    for key, value in HACS.items():
        validate.REPOSITORY_MANIFEST_VALUES[key](value)
    assert validate.VALID_DOMAIN.match(MANIFEST["domain"])


def test_every_file_in_the_storage_goes_with_its_line() -> None:
    """A ``Store`` that is not a ``HikariStore`` would be left behind when a line is removed."""
    makers = {
        path.name
        for path in INTEGRATION.rglob("*.py")
        if re.search(r"homeassistant\.helpers(\.| import .*\b)storage\b", path.read_text())
    }
    assert makers == {"storage.py"}


@pytest.mark.parametrize("prefix", ["", "dark_"])
@pytest.mark.parametrize("kind", BRAND_HEIGHTS)
def test_brand_images_have_their_sizes(prefix: str, kind: str) -> None:
    """Icons are squares, logos lie; PNG tells its size in its first chunk."""
    data = (INTEGRATION / "brand" / f"{prefix}{kind}.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack_from(">II", data, 16)
    assert height == BRAND_HEIGHTS[kind]
    assert (width == height) if kind.startswith("icon") else (width > height)


def test_services_strings_and_icons_name_the_same_actions() -> None:
    """An action without a sentence or an icon is half an action."""
    assert set(SERVICES) == set(STRINGS["services"]) == set(ICONS["services"])
    for name, service in SERVICES.items():
        fields: set[str] = set()
        for key, field in service.get("fields", {}).items():
            fields |= set(field["fields"]) if "fields" in field else {key}
        assert fields == set(STRINGS["services"][name].get("fields", {}))


def test_icons_are_material_design_icons() -> None:
    """Hassfest takes no others."""
    for path, icon in leaves(ICONS):
        assert re.fullmatch(r"mdi:[a-z0-9-]+", icon), path


def test_strings_are_the_english_translation() -> None:
    """Custom integrations are shown with ``translations``; both files stay one text."""
    assert translation("en") == STRINGS


def test_japanese_says_all_that_english_says() -> None:
    """The same sentences with the same placeholders, and none empty."""
    english, japanese = dict(leaves(translation("en"))), dict(leaves(translation("ja")))
    assert english.keys() == japanese.keys()
    for path, sentence in japanese.items():
        assert sentence.strip(), path
        found = re.findall(r"{\w+}", sentence)
        assert sorted(set(found)) == sorted(set(re.findall(r"{\w+}", english[path]))), path


@pytest.mark.parametrize("language", ["en", "ja"])
def test_sentences_pass_hassfest(language: str) -> None:
    """No address, no markup, no reference that nobody resolves; keys in small letters."""
    for path, sentence in leaves(translation(language)):
        assert not re.search(r"https?://|<[a-z/]|\[%key:", sentence), path
        assert sentence == sentence.strip(), path
        assert all(re.fullmatch(r"[a-z0-9_-]+", key) for key in path), path


def test_config_schema_is_declared() -> None:
    """Hassfest wants to know that YAML cannot configure an integration with async_setup."""
    source = (INTEGRATION / "__init__.py").read_text()
    assert "CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)" in source


def test_quality_scale_names_every_rule_once() -> None:
    """54 rules, each with a known status; what is exempt or to do says why."""
    scale = yaml.safe_load((INTEGRATION / "quality_scale.yaml").read_text())["rules"]
    assert len(scale) == 54
    for rule, entry in scale.items():
        status = entry if isinstance(entry, str) else entry["status"]
        assert status in {"done", "todo", "exempt"}, rule
        if status != "done":
            assert entry["comment"], rule


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").iterdir()))
def test_workflows_parse_and_call_what_exists(path: Path) -> None:
    """Each job has a limit, and the scripts that it runs are there."""
    workflow = yaml.safe_load(path.read_text())
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
    for script in re.findall(r"scripts/[a-z_.]+", path.read_text()):
        assert (ROOT / script).exists()


def test_types_are_strict() -> None:
    """Mypy is strict everywhere, and tells users of the package that it has types."""
    assert PROJECT["tool"]["mypy"]["strict"]
    assert "custom_components" in PROJECT["tool"]["mypy"]["files"]
    assert (INTEGRATION / "py.typed").exists()


def test_licence_is_apache() -> None:
    """The whole text, and the project says the same."""
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
