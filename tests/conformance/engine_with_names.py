"""An engine process for which one name has both families, whatever this machine's resolver says."""

import runpy
import socket
from pathlib import Path
from typing import Any

TWO_FAMILIES = "gateway.test"
ENGINE = (
    Path(__file__).resolve().parents[2]
    / "custom_components/hikari_denwa/telephony/engine/__main__.py"
)

_ask = socket.getaddrinfo


def _answer(host: Any, *rest: Any, **options: Any) -> list[Any]:
    """Answer for the name as a resolver with an AAAA and an A record would."""
    hosts = ("::1", "127.0.0.1") if host == TWO_FAMILIES else (host,)
    return [found for each in hosts for found in _ask(each, *rest, **options)]


if __name__ == "__main__":
    socket.getaddrinfo = _answer
    runpy.run_path(str(ENGINE), run_name="__main__")
