"""Where the gateway is: what people type, and what names resolve to."""

import asyncio
import socket
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony import address
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.errors import (
    AddressInvalidError,
    AddressLinkLocalError,
    NameNotResolvedError,
)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        (" 192.168.1.1 ", "192.168.1.1"),
        ("::ffff:192.168.1.1", "192.168.1.1"),
        ("ntt.setup", "ntt.setup"),
        ("NTT.Setup.", "ntt.setup"),
        ("::1", "::1"),
    ],
)
def test_normalize(typed: str, canonical: str) -> None:
    """Every way to write an address comes out the same."""
    assert address.normalize(typed) == canonical


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", AddressInvalidError),
        ("foo bar", AddressInvalidError),
        ("http://192.168.1.1", AddressInvalidError),
        ("192.168.1", AddressInvalidError),
        ("192.168.1.300", AddressInvalidError),
        ("ff02::1", AddressInvalidError),
        ("::", AddressInvalidError),
        ("0.0.0.0", AddressInvalidError),
        ("255.255.255.255", AddressInvalidError),
        ("-gateway.local", AddressInvalidError),
        ("a" * 64 + ".example", AddressInvalidError),
        ("fe80::1", AddressLinkLocalError),
        ("fe80::1%eth0", AddressLinkLocalError),
    ],
)
def test_normalize_refuses(typed: str, error: type[Exception]) -> None:
    """What is no unicast host is refused with its own error."""
    with pytest.raises(error):
        address.normalize(typed)


def test_family_and_brackets() -> None:
    """Only an IPv6 literal is bracketed."""
    assert address.literal_family("2001:db8::1") is Family.IPV6
    assert address.literal_family("192.168.1.1") is Family.IPV4
    assert address.literal_family("ntt.setup") is None
    assert address.bracketed("2001:db8::1") == "[2001:db8::1]"
    assert address.bracketed("192.168.1.1") == "192.168.1.1"
    assert address.bracketed("ntt.setup") == "ntt.setup"


async def test_resolve_puts_ipv6_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Duplicates and link-local answers go; IPv6 comes first whatever the resolver's order."""

    async def answer(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """Answer as a resolver does."""
        found = ["192.168.1.1", "fe80::1", "2001:db8::1", "192.168.1.1"]
        return [(socket.AF_UNSPEC, socket.SOCK_DGRAM, 17, "", (host, 0)) for host in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    assert await address.resolve("ntt.setup") == (
        address.Endpoint(address="2001:db8::1", family=Family.IPV6),
        address.Endpoint(address="192.168.1.1", family=Family.IPV4),
    )


async def test_resolve_literal_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A literal is its own answer."""

    async def fail(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """Fail the test: no resolver is needed."""
        pytest.fail("the resolver was asked")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    (endpoint,) = await address.resolve("2001:db8::1")
    assert endpoint == address.Endpoint(address="2001:db8::1", family=Family.IPV6)


@pytest.mark.parametrize("answers", [None, [], ["fe80::1"]])
async def test_resolve_without_answer(
    monkeypatch: pytest.MonkeyPatch, answers: list[str] | None
) -> None:
    """A name without a usable address says so."""

    async def answer(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """Fail, or answer what is of no use."""
        if answers is None:
            raise socket.gaierror
        return [(socket.AF_INET6, socket.SOCK_DGRAM, 17, "", (host, 0)) for host in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", answer)
    with pytest.raises(NameNotResolvedError):
        await address.resolve("nowhere.example")
