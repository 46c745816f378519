"""The app's files are what the Supervisor, Docker and AppArmor take."""

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
APP = ROOT / "app"
CONFIG: dict[str, Any] = yaml.safe_load((APP / "config.yaml").read_text())
MANIFEST: dict[str, Any] = json.loads(
    (ROOT / "custom_components/hikari_denwa/manifest.json").read_text()
)
DOCKERFILE = (APP / "Dockerfile").read_text()
SCRIPTS = sorted((APP / "rootfs/etc/services.d").rglob("[rf]*"))
START = APP / "rootfs/usr/lib/hikari-denwa/start.py"

# What a configuration may hold, by the Supervisor's documentation (apps/configuration).
KEYS: dict[str, type] = {
    "name": str,
    "version": str,
    "slug": str,
    "description": str,
    "url": str,
    "image": str,
    "arch": list,
    "homeassistant": str,
    "startup": str,
    "init": bool,
    "host_network": bool,
    "discovery": list,
    "watchdog": str,
    "timeout": int,
    "backup_exclude": list,
    "options": dict,
    "schema": dict,
}
OPTION = re.compile(
    r"^(?:|bool|email|url|port|device(?:\(subsystem=[a-z]+\))?|str(?:\(\d*,\d*\))?|"
    r"password(?:\(\d*,\d*\))?|int(?:\(-?\d*,-?\d*\))?|float(?:\([-\d.]*,[-\d.]*\))?|"
    r"match\(.*\)|list\(.+\))\??$"
)


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in joined.split("\n") if line)
    ]


def test_configuration_has_what_the_supervisor_takes() -> None:
    """Every key is known and of its type; nothing is asked for that is not needed."""
    for key, value in CONFIG.items():
        assert isinstance(value, KEYS[key]), key
    assert {"name", "version", "slug", "description", "arch"} <= set(CONFIG)
    assert re.fullmatch(r"[-_.A-Za-z0-9]+", CONFIG["slug"])
    assert set(CONFIG["arch"]) == {"aarch64", "amd64"}
    assert CONFIG["startup"] in {"initialize", "system", "services", "application", "once"}
    assert 10 <= CONFIG["timeout"] <= 300
    assert CONFIG["url"].startswith("https://")
    assert re.fullmatch(
        r"(?:https?|\[PROTO:\w+\]|tcp)://\[HOST\]:(\[PORT:\d+\]|\d+).*", CONFIG["watchdog"]
    )
    # The base image brings its own init.
    assert CONFIG["init"] is False


def test_options_fit_their_schema() -> None:
    """Each option has a schema, a default that fits it, and words in both languages."""
    assert CONFIG["options"].keys() == CONFIG["schema"].keys()
    for name, schema in CONFIG["schema"].items():
        assert OPTION.match(schema), name
        choices = re.fullmatch(r"list\((.+)\)", schema)
        assert choices
        assert CONFIG["options"][name] in choices[1].split("|")
    for language in ("en", "ja"):
        words = yaml.safe_load((APP / f"translations/{language}.yaml").read_text())
        assert set(words) == {"configuration"}
        assert words["configuration"].keys() == CONFIG["schema"].keys()
        for word in words["configuration"].values():
            assert word["name"]
            assert word["description"]


def test_app_agrees_with_the_integration() -> None:
    """One version, one domain to be discovered, and no Home Assistant that is too old."""
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert CONFIG["version"] == MANIFEST["version"]
    assert CONFIG["discovery"] == [MANIFEST["domain"]]
    assert CONFIG["homeassistant"] == hacs["homeassistant"]
    assert f"## [{CONFIG['version']}]" in (APP / "CHANGELOG.md").read_text()


def test_repository_is_one_with_one_app() -> None:
    """The Supervisor looks for configurations everywhere in a repository."""
    repository = yaml.safe_load((ROOT / "repository.yaml").read_text())
    assert set(repository) == {"name", "url", "maintainer"}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    found = [
        name
        for name in listed
        if re.search(r"(^|/)config\.(ya?ml|json)$", name)
        and not any(part.startswith(".") or part == "rootfs" for part in Path(name).parts)
    ]
    assert found == ["app/config.yaml"]


def test_files_of_the_store() -> None:
    """Pictures, documents and the profile are where the Supervisor looks for them."""
    for name in ("README.md", "DOCS.md", "CHANGELOG.md"):
        assert (APP / name).read_text().startswith("# ")
    for name, least in (("icon.png", 128), ("logo.png", 100)):
        data = (APP / name).read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack_from(">II", data, 16)
        assert height >= least
        assert (width == height) if name == "icon.png" else (width > height)
        brand = ROOT / "custom_components/hikari_denwa/brand"
        assert data == (brand / name).read_bytes()
    assert not (APP / "build.yaml").exists()


def test_dockerfile() -> None:
    """Structure: a pinned base, the whole package, and everything copied is there."""
    found = instructions()
    words = [word for word, _ in found]
    assert words[0] == "FROM"
    assert re.fullmatch(r"ghcr\.io/home-assistant/base:3\.\d+", found[0][1])
    assert words.count("HEALTHCHECK") == 1
    assert not {"ADD", "USER", "ENTRYPOINT", "MAINTAINER"} & set(words)
    for word, rest in found:
        if word == "COPY":
            source, target = rest.split()
            assert (ROOT / source).is_dir()
            assert target.startswith("/")
    (packages,) = [rest for word, rest in found if word == "RUN" and "py3-pjsua" in rest]
    assert "--no-cache" in packages
    assert {"py3-aiohttp", "py3-pjsua", "python3"} <= set(packages.split())
    assert 'io.hass.type="app"' in DOCKERFILE


def test_image_gets_the_package_and_little_else() -> None:
    """What the Dockerfile copies is what Docker is given, and no more."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {rest.split()[0] for word, rest in instructions() if word == "COPY"}
    assert allowed == copied


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts(path: Path) -> None:
    """They are executable, begin as they must, stop at the first fault, and are plain POSIX."""
    lines = path.read_text().splitlines()
    assert path.stat().st_mode & 0o111
    assert lines[0] in {"#!/bin/sh", "#!/command/with-contenv sh"}
    assert "set -eu" in lines
    subprocess.run(["sh", "-n", path], check=True)
    assert not re.search(r"\[\[|\bfunction\b|\bdeclare\b|<<<", path.read_text())


def test_start_script_is_executable() -> None:
    """It is run by its path, by which AppArmor knows it, with Alpine's own Python."""
    assert START.stat().st_mode & 0o111
    assert START.read_text().startswith("#!/usr/bin/python3 -P\n")
    assert f"exec /{START.relative_to(APP / 'rootfs')}\n" in SCRIPTS[-1].read_text()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("hadolint", [APP / "Dockerfile"]),
        ("shellcheck", ["--shell=sh", *SCRIPTS]),
    ],
)
def test_linters(tool: str, arguments: list[str | Path]) -> None:
    """The linters of both trades agree, where they are there."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on this machine; .ci/run brings it")
    done = subprocess.run([found, *arguments], check=False, capture_output=True, text=True)
    assert not done.returncode, done.stdout


def test_profile() -> None:
    """One profile, named as the app; the engine's own one names what it may write."""
    text = (APP / "apparmor.txt").read_text()
    (name,) = re.findall(r"^profile ([^ ]+)", text, re.MULTILINE)
    assert name == CONFIG["slug"]
    assert text.count("{\n") == len(re.findall(r"^\s*}$", text, re.MULTILINE))
    engine = text[text.index("  profile engine") :]
    written = set(re.findall(r"^\s+(/data\S*) \S*w\S*,$", engine, re.MULTILINE))
    assert written == {"/data/token", "/data/token.new"}
    assert "capability" not in text
    for rule in ("network inet6 dgram,", "network inet dgram,", "network netlink raw,"):
        assert rule in engine


def test_profile_compiles(tmp_path: Path) -> None:
    """AppArmor's own compiler takes it, where there is one."""
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if parser is None:
        pytest.skip("there is no apparmor_parser on this machine")
    done = subprocess.run(
        [parser, "--skip-kernel-load", "--skip-cache", "--stdout", APP / "apparmor.txt"],
        check=False,
        capture_output=True,
        cwd=tmp_path,
    )
    assert not done.returncode, done.stderr


def test_start_script_runs_on_the_oldest_python() -> None:
    """Nothing in it is younger than Python 3.11."""
    program = f"import ast; ast.parse(open({str(START)!r}).read(), feature_version=(3, 11))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_compose_file_runs_the_same_image() -> None:
    """Beside Home Assistant Container it is the app's image, on the host's network, as safe."""
    compose = yaml.safe_load((ROOT / "docs/compose.yaml").read_text())
    (service,) = compose["services"].values()
    assert service["image"] == f"{CONFIG['image']}:{CONFIG['version']}"
    assert service["network_mode"] == "host"
    assert "privileged" not in service
    assert "cap_add" not in service
    (volume,) = service["volumes"]
    assert volume.split(":") == [next(iter(compose["volumes"])), "/data"]
    start = START.read_text()
    for name in service["environment"]:
        assert f'"{name}"' in start
    for page in ("docs/engine.md", "docs/ja/engine.md"):
        told = set(re.findall(r"`(HIKARI_\w+)`", (ROOT / page).read_text()))
        assert told == set(re.findall(r'"(HIKARI_\w+)"', start))


def test_release_builds_the_image_that_the_app_names() -> None:
    """From the root of the repository, for both architectures."""
    release = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())["jobs"]
    (build,) = [
        step for step in release["image"]["steps"] if "build-image@" in step.get("uses", "")
    ]
    assert build["with"]["context"] == "."
    assert (ROOT / build["with"]["file"]) == APP / "Dockerfile"
    (matrix,) = release["matrix"]["steps"]
    (manifest,) = [step for step in release["manifest"]["steps"] if "uses" in step]
    for step in (matrix, manifest):
        assert CONFIG["image"].endswith("/" + step["with"]["image-name"])
        assert set(json.loads(step["with"]["architectures"])) == set(CONFIG["arch"])
