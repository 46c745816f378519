"""Start the engine process: ``python -P <path of this file> --socket <path>``.

The telephony package is loaded from its folder under a name of its own, so that
neither Home Assistant nor the integration is imported, and the integration's folder,
whose ``select.py`` or ``http.py`` would hide the standard library's, never gets on the path.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

PACKAGE = "hikari_denwa_telephony"


def load_package() -> None:
    """Import the telephony package around this file as ``hikari_denwa_telephony``."""
    folder = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no telephony package in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    load_package()
    importlib.import_module(f"{PACKAGE}.engine.process").main()
