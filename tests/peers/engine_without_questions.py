"""An engine that sends no OPTIONS of its own accord: SIPp counts every dialog that comes in.

It asks the gateway when a line is registered, at a time of its own; a flow in which each datagram
is named would now and then have one more.
"""

import runpy
from pathlib import Path
from typing import Any

ENGINE = (
    Path(__file__).resolve().parents[2]
    / "custom_components/hikari_denwa/telephony/engine/__main__.py"
)


async def _ask(*_: Any) -> bool:
    """Ask nothing, and learn nothing."""
    return False


if __name__ == "__main__":
    started = runpy.run_path(str(ENGINE))
    started["load_package"]()
    engine = f"{started['PACKAGE']}.engine"
    surveyor = started["importlib"].import_module(f"{engine}.surveyor")
    surveyor.Surveyor._ask = _ask
    started["importlib"].import_module(f"{engine}.process").main()
