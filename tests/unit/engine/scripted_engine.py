"""An engine process over the scripted back end.

Started by path it imports the telephony package under the name that the tests use, past the
integration's ``__init__`` and so without Home Assistant.
"""

import importlib
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INTEGRATION = "custom_components.hikari_denwa"


def load_package() -> None:
    """Put an empty package in the integration's place."""
    package = types.ModuleType(INTEGRATION)
    package.__path__ = [str(ROOT / "custom_components/hikari_denwa")]
    sys.modules[INTEGRATION] = package
    sys.path.append(str(ROOT))


if __name__ == "__main__":
    load_package()
    scripted = importlib.import_module("tests.unit.engine.scripted_backend")
    process = importlib.import_module(f"{INTEGRATION}.telephony.engine.process")
    process.main(
        backends={
            "scripted": lambda: scripted.ScriptedBackend,
            "mutinous": lambda: scripted.MutinousBackend,
        }
    )
