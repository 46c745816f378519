"""Looks for the home gateway: the name that NTT gives it, and the default routers.

Candidates come from the name ``ntt.setup`` and from the kernel's routes; the engine asks each
whether it speaks SIP. Only private and on-link addresses are asked: a gateway is in the home.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address

from .address import Endpoint, resolve
from .calls import Family
from .errors import TelephonyError
from .path_finder import Address, Snapshot, Way, read_snapshot

GATEWAY_NAME = "ntt.setup"
# Documentation addresses (RFC 5737, RFC 3849): the way to them begins at the default router.
_FAR_AWAY = (
    Endpoint(address="203.0.113.1", family=Family.IPV4),
    Endpoint(address="2001:db8:ffff::1", family=Family.IPV6),
)
_RESOLVE_SECONDS = 3.0
_INTERFACE_BITS = (1 << 64) - 1

Ask = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, kw_only=True)
class FoundGateway:
    """A gateway that answers: the name or the literal to enter, and over which families."""

    host: str
    families: tuple[Family, ...]


async def find_gateways(ask: Ask) -> tuple[FoundGateway, ...]:
    """Return the gateways that answer, the best to enter first.

    ``ask`` tells whether a literal speaks SIP. The name comes first, because it outlives a
    change of addresses; then IPv4, which homes keep for years; then IPv6.
    """
    named, snapshot = await asyncio.gather(_named(), read_snapshot(_FAR_AWAY))
    routers = [each for each in default_routers(snapshot) if each not in named]
    asked = [*named, *routers]
    answers = dict(zip(asked, await asyncio.gather(*map(ask, asked)), strict=True))
    found = []
    if families := tuple(_family(each) for each in named if answers[each]):
        found.append(FoundGateway(host=GATEWAY_NAME, families=families))
    known = {_interface(each) for each in named if answers[each]}
    for router in routers:
        if answers[router] and _interface(router) not in known:
            known.add(_interface(router))
            found.append(FoundGateway(host=router, families=(_family(router),)))
    return tuple(found)


def have_to_be_told_apart(gateways: Sequence[FoundGateway]) -> bool:
    """Tell whether only a person knows which one is meant.

    Two that answer over the same family are two machines; one of each family may be one.
    """
    families = [family for gateway in gateways for family in gateway.families]
    return len(families) > len(set(families))


def default_routers(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the literals at which the default routers may be asked, IPv4 first."""
    found: dict[str, None] = {}
    for way in sorted(snapshot.ways, key=lambda way: way.destination.version):
        for router in _routers(snapshot, way):
            found[str(router)] = None
    return tuple(found)


def _routers(snapshot: Snapshot, way: Way) -> Iterator[Address]:
    """Give the addresses of the router that a way begins at.

    Routers tell a link-local address over IPv6, which no SIP URI can carry. Home gateways use
    the same interface identifier for their global one, in a network of ours (facts: RA).
    """
    router = way.next_hop
    if isinstance(router, IPv4Address) and router.is_private:
        yield router
    if not isinstance(router, IPv6Address):
        return
    networks = {
        each.interface.network
        for each in snapshot.addresses
        if each.link == way.link
        and isinstance(each.interface, IPv6Interface)
        and each.interface.network.prefixlen == 64
        and not each.interface.ip.is_link_local
        and not each.deprecated
    }
    if not router.is_link_local:
        if any(router in network for network in networks):
            yield router
        return
    for network in sorted(networks, key=str):
        yield IPv6Address(int(network.network_address) | int(router) & _INTERFACE_BITS)


async def _named() -> list[str]:
    """Return the literals of the name that NTT's gateways answer to, if it has any here."""
    with contextlib.suppress(TelephonyError, TimeoutError):
        async with asyncio.timeout(_RESOLVE_SECONDS):
            return [each.address for each in await resolve(GATEWAY_NAME) if _is_at_home(each)]
    return []


def _is_at_home(endpoint: Endpoint) -> bool:
    """Tell whether an address can be a gateway's: a resolver may lead names anywhere."""
    return endpoint.family is Family.IPV6 or ip_address(endpoint.address).is_private


def _interface(literal: str) -> Address | int:
    """Return what stays of an address when one machine has it in several IPv6 networks."""
    address = ip_address(literal)
    return address if isinstance(address, IPv4Address) else int(address) & _INTERFACE_BITS


def _family(literal: str) -> Family:
    """Return the family of a literal."""
    return Family.IPV6 if ip_address(literal).version == 6 else Family.IPV4
