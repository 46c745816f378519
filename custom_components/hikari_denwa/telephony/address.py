"""Where the gateway is: literals, brackets, host names, families."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass

from .calls import Family
from .errors import AddressInvalidError, AddressLinkLocalError, NameNotResolvedError

_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?"
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A literal address (no brackets) and its family."""

    address: str
    family: Family


def normalize(text: str) -> str:
    """Return what a person typed as a canonical literal without brackets, or a host name.

    Takes ``[2001:db8::1]``, ``2001:db8::1``, ``192.168.1.1`` and names. Raises
    AddressLinkLocalError for fe80::/10, which no SIP URI can carry (RFC 3261 §25.1
    has no zone), and AddressInvalidError for anything else that is no unicast host.
    """
    host = text.strip().removeprefix("[").removesuffix("]").strip()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.lower()
        if not _HOST_NAME.fullmatch(name) or name.replace(".", "").isdigit():
            raise AddressInvalidError(address=text) from None
        return name.removesuffix(".")
    if address.is_link_local:
        raise AddressLinkLocalError(address=text)
    if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
        raise AddressInvalidError(address=text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def literal_family(host: str) -> Family | None:
    """Return the family of a literal, or None for a host name."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return Family.IPV6 if version == 6 else Family.IPV4


def bracketed(host: str) -> str:
    """Return a host as a URI has it: an IPv6 literal in brackets (RFC 3261 §25.1)."""
    return f"[{host}]" if literal_family(host) is Family.IPV6 else host


async def resolve(host: str) -> tuple[Endpoint, ...]:
    """Return the literals of a host, IPv6 first; a literal is its own answer.

    Gateways take no names in a URI, so every registration starts from a literal.
    Link-local answers are passed over. Raises NameNotResolvedError if none is left.
    """
    if family := literal_family(host):
        return (Endpoint(address=host, family=family),)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise NameNotResolvedError(address=host) from error
    literals = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    usable = [
        Endpoint(address=literal, family=family)
        for literal in literals
        if (family := literal_family(literal)) and not ipaddress.ip_address(literal).is_link_local
    ]
    if not usable:
        raise NameNotResolvedError(address=host)
    return tuple(sorted(usable, key=lambda endpoint: endpoint.family is not Family.IPV6))
