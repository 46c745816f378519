"""Make ``dist/hikari_denwa.zip``: the integration's folder as HACS and the Marketplace unpack it.

Only what git knows goes in, with fixed times, so that the same commit gives the same bytes.
Runs on any Python from 3.11 with the standard library alone.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path("custom_components/hikari_denwa")
TARGET = ROOT / "dist" / "hikari_denwa.zip"
FIXED_TIME = (2026, 1, 1, 0, 0, 0)


def members() -> list[Path]:
    """Return the integration's files, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", str(SOURCE)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(Path(name) for name in listed.stdout.split("\0") if name)


def make(target: Path = TARGET) -> Path:
    """Write the zip file and return its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for path in members():
            entry = zipfile.ZipInfo(str(path.relative_to(SOURCE)), FIXED_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, (ROOT / path).read_bytes())
    return target


if __name__ == "__main__":
    path = make()
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes\n")
