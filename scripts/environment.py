#!/usr/bin/env python3
"""Provide a Python that Home Assistant accepts, and virtual environments with it.

Runs on any Python from 3.11 with the standard library and pip alone. Everything
is kept below ``.cache`` in the checkout; nothing else on the host is changed.
Used by the other scripts, and by hand:

    scripts/environment.py [newest|minimum|tools|pjsua2]

prints the path of the environment's interpreter.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
MINIMUM_PYTHON = (3, 14, 2)
# Environments that a Python of Home Assistant's does not serve: the newest of these does.
OWN_PYTHONS = {"pjsua2": ((3, 12), (3, 11))}
DEBIAN_SUITE = "forky"
DEBIAN_PACKAGES = ("python3.14-venv", "python3.14-dev")
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def say(message: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(message, file=sys.stderr, flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return its output; a failure shows all that it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise SetupError(f"`{words}` failed ({done.returncode}):\n{done.stdout}")
    return done.stdout


def _pip_setting(name: str) -> str:
    """Read one value of this machine's pip configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
        check=False,
        text=True,
        capture_output=True,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def install_packages(*packages: str) -> None:
    """Install Debian packages; for root on a machine that has apt-get. Raises SetupError."""
    say(f"Installing {', '.join(packages)} …")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", env=env)
    run("apt-get", "install", "--yes", "--no-install-recommends", *packages, env=env)


def _has_compiler() -> bool:
    """Tell whether C++ can be compiled here; root gets a compiler if there is none."""
    if not shutil.which("c++") and os.geteuid() == 0 and shutil.which("apt-get"):
        with contextlib.suppress(SetupError):
            install_packages("g++")
    return shutil.which("c++") is not None


def uv_environment() -> dict[str, str]:
    """Return the variables that uv runs with: the index that pip uses, our cache."""
    env = dict(os.environ)
    env["UV_CACHE_DIR"] = str(CACHE / "uv-cache")
    env["UV_PYTHON_INSTALL_DIR"] = str(CACHE / "python")
    env["UV_NO_CONFIG"] = "1"
    # pip of the system trusts what the system trusts; let uv do so as well.
    env.setdefault("UV_SYSTEM_CERTS", "1")
    if "UV_DEFAULT_INDEX" not in env and (index := _pip_setting("index-url")):
        env["UV_DEFAULT_INDEX"] = index
    if "SSL_CERT_FILE" not in env and (certificates := _pip_setting("cert")):
        env["SSL_CERT_FILE"] = certificates
    include = CACHE / "debian" / "usr" / "include"
    if include.is_dir():
        multiarch = sysconfig.get_config_var("MULTIARCH") or ""
        paths = [str(include), str(include / multiarch), env.get("CPATH", "")]
        env["CPATH"] = os.pathsep.join(path for path in paths if path)
    return env


def _tool(name: str) -> Path:
    """Return a command-line tool from PyPI, installed into the cache."""
    folder = CACHE / "tools" / name
    tool = folder / "bin" / name
    if not tool.exists():
        say(f"Installing {name} …")
        run(
            sys.executable, "-m", "pip", "install", "--quiet",
            "--disable-pip-version-check", "--target", folder, name,
        )  # fmt: skip
    return tool


def uv() -> Path:
    """Return uv: the one on PATH, else one from PyPI in the cache."""
    found = shutil.which("uv")
    return Path(found) if found else _tool("uv")


def _version(python: Path) -> tuple[int, ...]:
    """Ask an interpreter for its version; nothing if it does not start."""
    try:
        text = run(python, "-c", "import sys; print(*sys.version_info[:3])")
    except (SetupError, OSError):
        return ()
    return tuple(int(part) for part in text.split())


def _is_new_enough(python: Path) -> bool:
    """Tell whether an interpreter starts and is of a version that serves."""
    return _version(python) >= MINIMUM_PYTHON


def _serves(python: Path, name: str) -> bool:
    """Tell whether an interpreter can have an environment."""
    if wanted := OWN_PYTHONS.get(name):
        return _version(python)[:2] in wanted
    return _is_new_enough(python)


def _older_python(wanted: tuple[tuple[int, int], ...]) -> Path:
    """Return an older interpreter: on PATH, beside it in pyenv, or from uv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for major, minor in wanted:
        name = f"python{major}.{minor}"
        found = [Path(path) for path in (shutil.which(name), shutil.which("python3")) if path]
        found += sorted(pyenv.glob(f"{major}.{minor}.*/bin/{name}"), reverse=True)
        for candidate in found:
            if _version(candidate)[:2] == (major, minor):
                return candidate
    listed = " or ".join(f"{major}.{minor}" for major, minor in wanted)
    try:
        newest = ".".join(map(str, wanted[0]))
        run(uv(), "python", "install", "--no-bin", newest, env=uv_environment())
        find = ("python", "find", "--no-project", "--python-preference", "only-managed", newest)
        return Path(run(uv(), *find, env=uv_environment()).strip().splitlines()[-1])
    except SetupError:
        raise SetupError(
            f"This machine has no Python {listed}, and uv cannot download one."
        ) from None


def _python_on_path() -> Path | None:
    """Look for a fitting interpreter on PATH, under its usual names."""
    for name in ("python3.14", "python3.15", "python3", "python"):
        if (found := shutil.which(name)) and _is_new_enough(Path(found)):
            return Path(found)
    return None


def _python_from_uv() -> Path | None:
    """Let uv download an interpreter; None where its downloads cannot be reached."""
    find = ("python", "find", "--no-project", "--python-preference", "only-managed", "3.14")
    try:
        run(uv(), "python", "install", "--no-bin", "3.14", env=uv_environment())
        python = Path(run(uv(), *find, env=uv_environment()).strip().splitlines()[-1])
    except SetupError:
        say("uv cannot download a Python here; using Debian's packages instead.")
        return None
    return python if _is_new_enough(python) else None


def _debian_mirror() -> str:
    """Read the Debian mirror from this machine's own apt configuration."""
    listing = run("apt-get", "indextargets", "--format", "$(REPO_URI)|$(COMPONENT)|$(SUITE)")
    for line in listing.splitlines():
        uri, component, suite = line.split("|")
        if component == "main" and "security" not in suite and re.search(r"debian/?$", uri):
            return uri
    raise SetupError(
        "No Python from 3.14.2 is on PATH, uv cannot download one, and this machine's "
        "apt has no Debian mirror configured. Install Python 3.14 and run this again."
    )


def _python_from_debian() -> Path:
    """Unpack Debian's own interpreter below the cache; no root, nothing installed.

    The files are meant for another release with a newer C library, so the
    program's ELF interpreter and library path are pointed into the folder.
    """
    root = CACHE / "debian"
    python = root / "usr" / "bin" / "python3.14"
    if python.exists() and _is_new_enough(python):
        return python
    if not shutil.which("apt-get"):
        raise SetupError(
            "No Python from 3.14.2 is on PATH, uv cannot download one, and this is not "
            "a Debian. Install Python 3.14 and run this again."
        )
    say("Unpacking Debian's python3.14 into the cache …")
    apt = CACHE / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial", "parts"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "state" / "status").touch()
    (apt / "sources.list").write_text(
        f"deb [signed-by={DEBIAN_KEYRING}] {_debian_mirror()} {DEBIAN_SUITE} main\n"
    )
    options = [
        f"-oDir::State={apt / 'state'}",
        f"-oDir::State::status={apt / 'state' / 'status'}",
        f"-oDir::Cache={apt / 'cache'}",
        f"-oDir::Etc::sourcelist={apt / 'sources.list'}",
        f"-oDir::Etc::sourceparts={apt / 'parts'}",
        f"-oDir::Etc::preferencesparts={apt / 'parts'}",
    ]
    run("apt-get", *options, "update")
    run("apt-get", *options, "-y", "--no-install-recommends", "--download-only",
        "install", *DEBIAN_PACKAGES)  # fmt: skip
    shutil.rmtree(root, ignore_errors=True)
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        run("dpkg", "-x", package, root)
    loader = next(path for path in root.glob("usr/lib*/**/ld-linux-*.so.*"))
    libraries = next(path for path in root.glob("usr/lib/*/libc.so.6")).parent
    patchelf = _tool("patchelf")
    run(patchelf, "--set-interpreter", loader, python)
    run(patchelf, "--force-rpath", "--set-rpath", libraries, python)
    shutil.rmtree(apt)
    if not _is_new_enough(python):
        raise SetupError(f"The unpacked {python} does not start on this machine.")
    return python


def python(name: str = "newest") -> Path:
    """Return an interpreter from 3.14.2: on PATH, from uv, or from Debian.

    An environment that wants an older one gets that.
    """
    if wanted := OWN_PYTHONS.get(name):
        return _older_python(wanted)
    unpacked = CACHE / "debian" / "usr" / "bin" / "python3.14"
    if unpacked.exists() and _is_new_enough(unpacked):
        return unpacked
    return _python_on_path() or _python_from_uv() or _python_from_debian()


def requirements(name: str) -> list[str]:
    """Return the requirement lists of an environment, as pyproject.toml has them."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted: list[str] = []
    for entry in groups[name]:
        if isinstance(entry, dict):
            wanted += requirements(entry["include-group"])
        else:
            wanted.append(entry)
    return wanted


def overrides(name: str) -> list[str]:
    """Return the versions that stand above every package's own wishes."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    listed: list[str] = tool["hikari-denwa"]["overrides"].get(name, [])
    return listed


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one run at a time work on an environment; the others wait."""
    (CACHE / "environments").mkdir(parents=True, exist_ok=True)
    with (CACHE / "environments" / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def interpreter_of(name: str) -> Path:
    """Return where the Python of an environment is, made or not."""
    return CACHE / "environments" / name / "bin" / "python"


def pjsua2_interpreter() -> Path | None:
    """Find a Python with a pjsua2: that of ``HIKARI_PJSUA2_PYTHON``, else the tests' own."""
    if named := os.environ.get("HIKARI_PJSUA2_PYTHON"):
        return Path(named)
    own = interpreter_of("pjsua2")
    return own if own.exists() else None


def environment(name: str) -> Path:
    """Make the environment of a dependency group, or find it made; return its Python.

    Raises SetupError with a sentence if it cannot be made.
    """
    if name not in tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]:
        raise SetupError(f"pyproject.toml has no dependency group “{name}”.")
    with _alone(name):
        return _environment(name)


def _environment(name: str) -> Path:
    """Make or update the environment; what it holds already stays."""
    wanted, forced = requirements(name), overrides(name)
    compiled = set(requirements("compiled"))
    if compiled & set(wanted) and not _has_compiler():
        wanted = [requirement for requirement in wanted if requirement not in compiled]
        say("There is no C++ compiler here (apt-get install g++), so that Home Assistant goes "
            "without Assist, and its pages do not open in a browser.")  # fmt: skip
    folder = CACHE / "environments" / name
    interpreter = interpreter_of(name)
    stamp = folder / "requirements.sha256"
    digest = hashlib.sha256("\n".join([*wanted, "--", *forced]).encode()).hexdigest()
    usable = interpreter.exists() and _serves(interpreter, name)
    if usable and stamp.exists() and stamp.read_text() == digest:
        return interpreter
    base = python(name)
    env = uv_environment()
    if not usable:
        say(f"Making the environment “{name}” with {base} (the first time takes minutes) …")
        shutil.rmtree(folder, ignore_errors=True)
        run(uv(), "venv", "--quiet", "--seed", "--python", base, folder, env=env)
    else:
        say(f"Bringing the environment “{name}” up to date …")
    override = CACHE / f"overrides-{name}.txt"
    override.write_text("\n".join(forced))
    run(uv(), "pip", "install", "--quiet", "--python", interpreter,
        "--override", override, *wanted, env=env)  # fmt: skip
    stamp.write_text(digest)
    return interpreter


def main() -> int:
    """Print the interpreter of the environments named on the command line."""
    try:
        for name in sys.argv[1:] or ["newest"]:
            print(environment(name))
    except SetupError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
