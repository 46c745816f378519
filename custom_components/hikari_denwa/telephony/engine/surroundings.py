"""The environment of a Python that is started for the engine."""

from __future__ import annotations

import os
import sys


def environment_of(interpreter: str) -> dict[str, str]:
    """Return what an interpreter is to find in its environment.

    The one that we run in finds the packages that we find. Another has packages of its own,
    and ours may have been made for another version.
    """
    if interpreter != sys.executable:
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folders = [os.path.abspath(item) for item in sys.path if os.pathsep not in item]  # noqa: PTH100 - keeps links
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}
