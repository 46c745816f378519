"""The kernel lets through what comes from known hosts, and nothing else."""

import socket
import sys
from ipaddress import ip_address

import pytest

from custom_components.hikari_denwa.telephony.engine.pjsua2.fence import fence_in

pytestmark = [
    pytest.mark.usefixtures("loopback"),
    pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's"),
]


def _pair(address: str) -> tuple[socket.socket, socket.socket]:
    """Bind a socket and the one after it."""
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(200):
        first, second = (socket.socket(kind, socket.SOCK_DGRAM) for _ in range(2))
        first.bind((address, 0))
        try:
            second.bind((address, first.getsockname()[1] + 1))
        except OSError:
            first.close()
            second.close()
            continue
        return first, second
    raise AssertionError("no two ports")


def _hears(target: socket.socket, source: str) -> bool:
    """Tell whether a socket hears a host."""
    with socket.socket(target.family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.sendto(b"x" * 40, target.getsockname()[:2])
    target.settimeout(0.2)
    try:
        target.recv(100)
    except TimeoutError:
        return False
    return True


def test_hears_the_known_alone() -> None:
    """Both sockets are fenced, and a second fence takes the place of the first."""
    rtp, rtcp = _pair("127.0.0.1")
    with rtp, rtcp:
        local = ("127.0.0.1", rtp.getsockname()[1])
        assert fence_in(local, [ip_address("127.0.0.2")])
        for each in (rtp, rtcp):
            assert _hears(each, "127.0.0.2")
            assert not _hears(each, "127.0.0.1")
        assert fence_in(local, [ip_address("127.0.0.1"), ip_address("127.0.0.3")])
        assert _hears(rtp, "127.0.0.1")
        assert _hears(rtp, "127.0.0.3")
        assert not _hears(rtp, "127.0.0.2")


def test_hears_ipv6() -> None:
    """All 128 bits count."""
    rtp, rtcp = _pair("::1")
    with rtp, rtcp:
        local = ("::1", rtp.getsockname()[1])
        assert fence_in(local, [ip_address("::1")])
        assert _hears(rtp, "::1")
        assert fence_in(local, [ip_address("::2"), ip_address("2001:db8::1")])
        assert not _hears(rtp, "::1")


def test_no_such_socket() -> None:
    """A port that nobody has is told."""
    assert not fence_in(("127.0.0.1", 1), [ip_address("127.0.0.1")])
