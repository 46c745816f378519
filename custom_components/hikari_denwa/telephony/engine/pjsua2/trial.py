"""Find out what the pjsua2 of this interpreter can do; run as a process of its own.

Each fact is told by one line of JSON as soon as it is known, because what follows may abort the
process: a pjsua2 without IPv6 that was built with asserts does, when it is asked for IPv6.
Needs nothing but the standard library, so that it can say what is missing.
"""

from __future__ import annotations

import importlib
import json
import socket
import sys
from contextlib import suppress
from typing import Any

MOST_CALLS = 64
_USUAL_SETTINGS = True
_NEEDED = ("aiohttp", "audioop")
# What is taken down waits for answers, or aborts.
_KEPT: list[Any] = []


def tell(**facts: object) -> None:
    """Tell facts at once."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Try one thing after the other, what may end the process last."""
    tell(python=list(sys.version_info[:3]))
    try:
        pj = importlib.import_module("pjsua2")
    except ImportError as error:
        tell(import_error=str(error))
        return
    tell(found=True)
    for name in _NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            tell(missing=name)
            return
    endpoint = _endpoint(pj)
    tell(version=str(endpoint.libVersion().full))
    transport = _transport(pj, endpoint, pj.PJSIP_TRANSPORT_UDP)
    tell(ipv4=True)
    tell(max_calls=_calls(pj, transport))
    _ipv6(pj, endpoint)
    tell(ipv6=True)


def _endpoint(pj: Any) -> Any:
    """Start the library, with everything on this thread and without a sound card."""
    endpoint = pj.Endpoint()
    _KEPT.append(endpoint)
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = MOST_CALLS
    config.logConfig.level = config.logConfig.consoleLevel = 0
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    endpoint.libStart()
    return endpoint


def _transport(pj: Any, endpoint: Any, kind: int) -> int:
    """Open a socket on loopback."""
    config = pj.TransportConfig()
    config.boundAddress = "::1" if kind == pj.PJSIP_TRANSPORT_UDP6 else "127.0.0.1"
    return int(endpoint.transportCreate(kind, config))


def _calls(pj: Any, transport: int) -> int:
    """Count how many calls there is room for, by placing them where nobody listens."""
    account = pj.Account()
    _KEPT.append(account)
    config = pj.AccountConfig()
    config.idUri = "sip:trial@127.0.0.1"
    config.sipConfig.transportId = transport
    # With a choice of families the library looks this machine's name up, which may take seconds.
    config.sipConfig.ipv6Use = config.mediaConfig.ipv6Use = pj.PJSUA_IPV6_DISABLED
    account.create(config)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"sip:nobody@127.0.0.1:{nobody.getsockname()[1]}"
        placed = 0
        with suppress(pj.Error):
            while placed < MOST_CALLS:
                _KEPT.append(pj.Call(account))
                _KEPT[-1].makeCall(target, pj.CallOpParam(_USUAL_SETTINGS))
                placed += 1
    return placed


def _ipv6(pj: Any, endpoint: Any) -> None:
    """Make an account of IPv6 alone; raises or aborts if that cannot be."""
    account = pj.Account()
    _KEPT.append(account)
    config = pj.AccountConfig()
    config.idUri = "sip:trial@[::1]"
    config.sipConfig.transportId = _transport(pj, endpoint, pj.PJSIP_TRANSPORT_UDP6)
    config.sipConfig.ipv6Use = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY
    config.mediaConfig.ipv6Use = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY
    config.mediaConfig.transportConfig.boundAddress = "::1"
    account.create(config)


if __name__ == "__main__":
    import os

    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever pjsua2 raises is told
        tell(failed=getattr(error, "reason", None) or str(error))
    os._exit(0)
