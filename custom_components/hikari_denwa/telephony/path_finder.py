"""Finds which IP families reach the gateway from here, by asking the kernel.

A snapshot of what the kernel knows is read (rtnetlink(7)), and pure functions judge it. The
kernel itself says which way it would take to each of the gateway's addresses, so that policy
rules and tunnels count as they do for a call. Nothing is sent to the gateway: what it answered
comes in. One DNS question finds NAT64 (RFC 7050). See docs/paths.md.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
)
from pathlib import Path
from typing import Self, TypeVar

from .address import Endpoint
from .calls import Family
from .paths import Environment, FamilyPath, Paths, Reach, Source, SourceKind

_LOGGER = logging.getLogger(__name__)
_Row = TypeVar("_Row")

# RFC 6333 §5.7, RFC 7335: IPv4 that a translator or a tunnel on this machine makes.
_CONTINUITY = IPv4Network("192.0.0.0/29")
_SHARED = IPv4Network("100.64.0.0/10")
_PRIVATE = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
# RFC 6052 §2.1, RFC 8215: the prefixes of NAT64 that nobody has to discover.
_KNOWN_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_DOCKER_DEFAULT = IPv4Network("172.17.0.0/16")
_CLAT_LINK = "clat"
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))

NAT64_NAME = "ipv4only.arpa"
_WELL_KNOWN = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
# RFC 6052 §2.2: where the IPv4 address lies for each length; byte 8 is left out and zero.
_EMBEDDED = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
_NAT64_TIMEOUT = 3.0
_NAT64_FRESH = 3600.0
_NAT64_RETRY = 60.0
_NO_SUCH_NAME = (
    socket.EAI_NONAME,
    # Not in every system's socket module.
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME),
)

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h.
_MESSAGE = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_KIND_MASK = 0x3FFF
_ERROR, _DONE = 2, 3
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_NEW_ROUTE, _GET_ROUTE = 24, 26
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_IFF_LOOPBACK, _IFF_POINT_TO_POINT, _IFF_LOWER_UP = 0x8, 0x10, 0x10000
_IFLA_NAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 18, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TEMPORARY, _DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x01, 0x08, 0x20, 0x40
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_VIA = 1, 4, 5, 7, 18
_UNICAST, _LOCAL = 1, 2
_DEAD, _LINK_DOWN = 0x01, 0x10
_MOST_DATAGRAM = 65536
_MOST_READS = 4096
_MOST_DUMPS = 3
_KERNEL_SECONDS = 2.0
_SIP_PORT = 5060

Address = IPv4Address | IPv6Address
Nat64Lookup = Callable[[], Awaitable[tuple[IPv6Network, ...]]]


@dataclass(frozen=True, kw_only=True)
class Link:
    """An interface; ``kind`` is the kernel's word for a virtual one (veth, tun), else empty.

    ``carrier`` is False where a cable is unplugged: routes stay, and lead nowhere.
    """

    index: int
    name: str = ""
    kind: str = ""
    point_to_point: bool = False
    loopback: bool = False
    carrier: bool = True


@dataclass(frozen=True, kw_only=True)
class LocalAddress:
    """An address that this machine may send from; ``link`` is the index of its interface."""

    link: int
    interface: IPv4Interface | IPv6Interface
    peer: Address | None = None
    deprecated: bool = False
    temporary: bool = False


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where the kernel would send packets for ``destination``, a literal of the gateway.

    Without a source there is no way. A source without a link is all that can be known on a
    system that is not asked through rtnetlink. ``local`` means that the gateway is this machine.
    """

    destination: Address
    source: Address | None = None
    link: int | None = None
    next_hop: Address | None = None
    local: bool = False


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the kernel and the resolver said at one moment.

    ``container`` tells that a container engine left its mark; ``nat64`` are the prefixes
    that RFC 7050 found.
    """

    links: tuple[Link, ...] = ()
    addresses: tuple[LocalAddress, ...] = ()
    ways: tuple[Way, ...] = ()
    container: bool = False
    nat64: tuple[IPv6Network, ...] = ()

    def link(self, way: Way) -> Link | None:
        """Return the interface of a way."""
        return next((link for link in self.links if link.index == way.link), None)

    def local(self, address: Address) -> LocalAddress | None:
        """Return what is known of one of our addresses."""
        return next((each for each in self.addresses if each.interface.ip == address), None)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the gateway did when it was last asked over a family; milliseconds."""

    answers: bool
    round_trip_ms: float | None = None


def find_paths(
    snapshot: Snapshot,
    gateway: Iterable[Endpoint],
    answers: Mapping[Family, Answer] | None = None,
) -> Paths:
    """Judge a snapshot: how each family reaches the gateway, and what stands between."""
    destinations = {ip_address(endpoint.address) for endpoint in gateway}
    ways = [
        _if_plugged_in(snapshot, way) for way in snapshot.ways if way.destination in destinations
    ]
    given = answers or {}
    ipv6, ipv4 = (
        _with_answer(_family_path(snapshot, family, destinations, ways), given.get(family))
        for family in (Family.IPV6, Family.IPV4)
    )
    environment = Environment(
        docker_bridge=any(_is_docker_bridge(snapshot, way) for way in ways),
        vpn_only=not _leads_there(ipv4) and any(_is_ipv6_tunnel(snapshot, way) for way in ways),
        nat64=bool(snapshot.nat64),
        clat=any(each.interface.ip in _CONTINUITY for each in snapshot.addresses),
    )
    return Paths(
        ipv6=ipv6, ipv4=ipv4, environment=environment, sources=_sources_there(snapshot, ways)
    )


def _sources_there(snapshot: Snapshot, ways: Iterable[Way]) -> tuple[Source, ...]:
    """List what could be sent from where the gateway is; where no interface leads there, all.

    Link-local addresses are left out: no gateway has a way back to them beyond the wire.
    """
    leading = {link.name for way in ways if way.source and (link := snapshot.link(way))}
    there = [
        source
        for source in usable_sources(snapshot)
        if source.kind is not SourceKind.LINK_LOCAL and (not leading or source.link in leading)
    ]
    return tuple(sorted(there, key=lambda source: (source.link, source.address)))


def usable_sources(snapshot: Snapshot) -> tuple[Source, ...]:
    """List the addresses that packets to others may leave from, with their kinds."""
    names = {link.index: link.name for link in snapshot.links}
    return tuple(
        Source(
            address=str(each.interface.ip),
            kind=source_kind(each.interface.ip, each),
            link=names.get(each.link, ""),
        )
        for each in snapshot.addresses
        if not each.interface.ip.is_loopback
    )


def source_kind(address: Address, known: LocalAddress | None = None) -> SourceKind:
    """Name the kind of one of our addresses; what ends soonest is named first."""
    if address.is_loopback:
        return SourceKind.LOOPBACK
    if address in _CONTINUITY:
        return SourceKind.CLAT
    if address.is_link_local:
        return SourceKind.LINK_LOCAL
    if known and known.deprecated:
        return SourceKind.DEPRECATED
    if known and known.temporary:
        return SourceKind.TEMPORARY
    if address in _UNIQUE_LOCAL:
        return SourceKind.ULA
    if address in _SHARED:
        return SourceKind.SHARED
    if any(address in network for network in _PRIVATE):
        return SourceKind.PRIVATE
    return SourceKind.GLOBAL


def nat64_prefixes(addresses: Iterable[IPv6Address]) -> tuple[IPv6Network, ...]:
    """Find the prefixes in the AAAA records of ipv4only.arpa (RFC 7050 §3, RFC 6052 §2.2).

    Where an address can be read in several ways, the one counts that both of the well-known
    IPv4 addresses bear out.
    """
    witnesses: dict[IPv6Network, set[IPv4Address]] = {}
    for address in addresses:
        for length, places in _EMBEDDED.items():
            embedded = IPv4Address(bytes(address.packed[place] for place in places))
            if embedded in _WELL_KNOWN and (length == 96 or not address.packed[8]):
                prefix = IPv6Network((address, length), strict=False)
                witnesses.setdefault(prefix, set()).add(embedded)
    sure = [prefix for prefix, seen in witnesses.items() if len(seen) == len(_WELL_KNOWN)]
    return tuple(sorted(sure or witnesses))


async def ask_nat64() -> tuple[IPv6Network, ...]:
    """Ask the resolver whether the network translates IPv4; raises OSError if it is silent."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_NAT64_TIMEOUT):
            found = await loop.getaddrinfo(
                NAT64_NAME, None, family=socket.AF_INET6, type=socket.SOCK_DGRAM
            )
    except socket.gaierror as error:
        if error.errno in _NO_SUCH_NAME:
            return ()
        raise
    return nat64_prefixes(IPv6Address(sockaddr[0]) for *_, sockaddr in found)


async def read_snapshot(
    gateway: Iterable[Endpoint], *, marks: Sequence[Path] = CONTAINER_MARKS
) -> Snapshot:
    """Read what the kernel knows; ``nat64`` is left empty. Never raises, sends nothing."""
    destinations = tuple(dict.fromkeys(ip_address(endpoint.address) for endpoint in gateway))
    return await asyncio.to_thread(_read, destinations, tuple(marks))


class PathFinder:
    """Finds the paths whenever it is asked, and remembers for an hour what NAT64 there is.

    ``forget`` belongs to a change of the network: NAT64 is looked for again after it. That
    takes up to 3 s where the resolver is silent, so paths are found ahead of a call, not in it.
    """

    def __init__(
        self,
        *,
        nat64: Nat64Lookup = ask_nat64,
        marks: Sequence[Path] = CONTAINER_MARKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take who looks for NAT64, the marks of containers, and the clock, in seconds."""
        self._ask = nat64
        self._marks = marks
        self._clock = clock
        self._nat64: tuple[IPv6Network, ...] = ()
        self._ask_after = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def find(
        self,
        gateway: Sequence[Endpoint],
        answers: Mapping[Family, Answer] | None = None,
    ) -> Paths:
        """Return the paths to the gateway's literals now. Never raises."""
        return find_paths(await self.snapshot(gateway), gateway, answers)

    async def snapshot(self, gateway: Sequence[Endpoint]) -> Snapshot:
        """Return what `find` judges: the kernel's tables, with NAT64."""
        snapshot = await read_snapshot(gateway, marks=self._marks)
        async with self._one_at_a_time:
            return replace(snapshot, nat64=await self._known_nat64(snapshot))

    def forget(self) -> None:
        """Look for NAT64 again next time: the network is another."""
        self._nat64 = ()
        self._ask_after = float("-inf")

    async def _known_nat64(self, snapshot: Snapshot) -> tuple[IPv6Network, ...]:
        """Return the prefixes; without IPv6, or with the gateway on this machine, none matter."""
        here = snapshot.ways and all(way.local for way in snapshot.ways)
        if here or not _speaks_ipv6(snapshot):
            return ()
        if self._clock() < self._ask_after:
            return self._nat64
        # Set first: a change of the network while the question is out has the last word.
        self._ask_after = self._clock() + _NAT64_FRESH
        try:
            self._nat64 = await self._ask()
        except OSError as error:
            _LOGGER.debug("Whether there is NAT64 is not known: %s", error)
            self._ask_after = min(self._ask_after, self._clock() + _NAT64_RETRY)
        return self._nat64


def _speaks_ipv6(snapshot: Snapshot) -> bool:
    """Tell whether this machine has IPv6 beyond one link."""
    return any(
        each.interface.version == 6
        and not each.interface.ip.is_loopback
        and not each.interface.ip.is_link_local
        for each in snapshot.addresses
    )


def _family_path(
    snapshot: Snapshot, family: Family, destinations: set[Address], ways: Sequence[Way]
) -> FamilyPath:
    """Judge one family; the best of several addresses of the gateway stands for it."""
    version = 6 if family is Family.IPV6 else 4
    wanted = [each for each in destinations if each.version == version]
    if not wanted:
        return FamilyPath(family=family, reach=Reach.NONE)
    found = [_way_path(snapshot, family, way) for way in ways if way.destination.version == version]
    if not found:
        return FamilyPath(family=family, reach=Reach.UNKNOWN)
    return min(found, key=lambda path: _ORDER[path.reach])


_ORDER = {
    Reach.SAME_LINK: 0,
    Reach.ROUTED: 1,
    Reach.UNKNOWN: 2,
    Reach.TRANSLATED: 3,
    Reach.NONE: 4,
}


def _way_path(snapshot: Snapshot, family: Family, way: Way) -> FamilyPath:
    """Judge the way to one address."""
    reach = _reach(snapshot, way)
    if way.source is None:
        return FamilyPath(family=family, reach=reach)
    return FamilyPath(
        family=family,
        source=str(way.source),
        source_kind=source_kind(way.source, snapshot.local(way.source)),
        reach=reach,
    )


def _if_plugged_in(snapshot: Snapshot, way: Way) -> Way:
    """Give a way, or none where its interface has no carrier: the kernel keeps such routes."""
    link = snapshot.link(way)
    return Way(destination=way.destination) if link and not link.carrier else way


def _reach(snapshot: Snapshot, way: Way) -> Reach:
    """Tell how packets get there."""
    if _is_synthesised(snapshot, way.destination):
        return Reach.TRANSLATED
    if way.source is None:
        only_nat64 = way.destination.version == 4 and snapshot.nat64
        return Reach.TRANSLATED if only_nat64 else Reach.NONE
    link = snapshot.link(way)
    if way.source in _CONTINUITY or (
        link and way.source.version == 4 and link.name.startswith(_CLAT_LINK)
    ):
        return Reach.TRANSLATED
    if way.local:
        return Reach.SAME_LINK
    if link is None:
        return Reach.UNKNOWN
    if way.next_hop is not None and way.next_hop != way.destination:
        return Reach.ROUTED
    # Who is behind a tunnel is not on a wire with us, though the kernel names no next hop.
    if link.point_to_point and not _is_peer(snapshot, way):
        return Reach.ROUTED
    return Reach.SAME_LINK


def _is_peer(snapshot: Snapshot, way: Way) -> bool:
    """Tell whether the gateway itself is the other end of a point-to-point link."""
    return any(
        each.link == way.link and each.peer == way.destination for each in snapshot.addresses
    )


def _is_synthesised(snapshot: Snapshot, destination: Address) -> bool:
    """Tell an IPv6 address that DNS64 made of an IPv4 one: it is no address of the gateway."""
    return any(destination in prefix for prefix in (*_KNOWN_NAT64, *snapshot.nat64))


def _leads_there(path: FamilyPath) -> bool:
    """Tell whether a family gets there as it is.

    A default route takes whatever there is, the addresses of another house too: where the
    gateway was asked and is silent, the route says nothing.
    """
    return path.reach in {Reach.SAME_LINK, Reach.ROUTED} and path.gateway_answers is not False


def _is_ipv6_tunnel(snapshot: Snapshot, way: Way) -> bool:
    """Tell a way over IPv6 through a tunnel that has no IPv4 of its own."""
    link = snapshot.link(way)
    if link is None or not link.point_to_point or way.destination.version == 4:
        return False
    return way.source is not None and not any(
        each.link == link.index
        and each.interface.version == 4
        and each.interface.ip not in _CONTINUITY
        for each in snapshot.addresses
    )


def _is_docker_bridge(snapshot: Snapshot, way: Way) -> bool:
    """Tell a container's own network, which the container engine hides behind its NAT.

    A container on the host's network sees the host's bridges. One that was given a leg in the
    house (macvlan, ipvlan) has no veth, and one that is bridged to the house has no router.
    """
    link = snapshot.link(way)
    if link is None or link.kind != "veth" or way.next_hop is None or way.source is None:
        return False
    if any(each.kind == "bridge" for each in snapshot.links):
        return False
    if snapshot.container:
        return True
    ours = snapshot.local(way.source)
    return (
        ours is not None
        and ours.interface.network == _DOCKER_DEFAULT
        and way.next_hop == _DOCKER_DEFAULT[1]
    )


def _with_answer(path: FamilyPath, answer: Answer | None) -> FamilyPath:
    """Add what the gateway answered."""
    if answer is None:
        return path
    return replace(path, gateway_answers=answer.answers, round_trip_ms=answer.round_trip_ms)


def _read(destinations: tuple[Address, ...], marks: tuple[Path, ...]) -> Snapshot:
    """Read the snapshot; where rtnetlink does not serve, the sources alone."""
    container = any(mark.exists() for mark in marks)
    if sys.platform == "linux":
        try:
            with _Kernel() as kernel:
                return Snapshot(
                    links=tuple(kernel.links()),
                    addresses=tuple(kernel.addresses()),
                    ways=tuple(kernel.way(destination) for destination in destinations),
                    container=container,
                )
        except OSError as error:
            _LOGGER.info("The system does not tell its addresses and routes: %s", error)
    ways = tuple(_connected(destination) for destination in destinations)
    return Snapshot(ways=ways, container=container)


def _connected(destination: Address) -> Way:
    """Learn the source from a datagram socket that is connected; that sends nothing."""
    family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((str(destination), _SIP_PORT))
            source = ip_address(str(sock.getsockname()[0]).partition("%")[0])
    except OSError:
        return Way(destination=destination)
    return Way(destination=destination, source=source, local=source == destination)


class _Kernel:
    """Questions to the kernel over one rtnetlink socket; each may raise OSError."""

    def __init__(self) -> None:
        """Open the socket."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._number = 0
        try:
            self._socket.settimeout(_KERNEL_SECONDS)
            self._socket.bind((0, 0))
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """Serve until the block ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        self._socket.close()

    def links(self) -> Iterator[Link]:
        """List the interfaces."""
        request = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        return _found(map(read_link, self._dump(_GET_LINK, _NEW_LINK, request)))

    def addresses(self) -> Iterator[LocalAddress]:
        """List the addresses that can be used."""
        request = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        return _found(map(read_address, self._dump(_GET_ADDRESS, _NEW_ADDRESS, request)))

    def way(self, destination: Address) -> Way:
        """Ask which way packets would take; an answer that is an error means none."""
        version4 = destination.version == 4
        family = socket.AF_INET if version4 else socket.AF_INET6
        head = _ROUTE.pack(family, destination.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
        raw = destination.packed
        wanted = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(raw), _RTA_DST) + raw
        try:
            for kind, _, payload in self._ask(_GET_ROUTE, _REQUEST, head + wanted):
                if kind == _NEW_ROUTE:
                    return read_way(payload, destination)
        except OSError as error:
            if error.errno not in _NO_WAY:
                raise
        return Way(destination=destination)

    def _dump(self, question: int, answer: int, request: bytes) -> list[bytes]:
        """List a table; it is read again if it changed meanwhile, a few times."""
        rows: list[bytes] = []
        for _ in range(_MOST_DUMPS):
            told = list(self._ask(question, _REQUEST | _DUMP, request))
            rows = [payload for kind, _, payload in told if kind == answer]
            if not any(flags & _INTERRUPTED for _, flags, _ in told):
                break
        return rows

    def _ask(self, question: int, flags: int, request: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Put a question and give its answers: kind, flags, payload."""
        self._number += 1
        length = _MESSAGE.size + len(request)
        self._socket.send(_MESSAGE.pack(length, question, flags, self._number, 0) + request)
        for _ in range(_MOST_READS):
            data, sender = self._socket.recvfrom(_MOST_DATAGRAM)
            if sender[0]:
                continue
            for kind, told_flags, number, payload in read_messages(data):
                if number != self._number:
                    continue
                if kind == _ERROR:
                    code = -int.from_bytes(payload[:4], sys.byteorder, signed=True)
                    raise OSError(code, os.strerror(code))
                yield kind, told_flags, payload
                if kind == _DONE or not flags & _DUMP:
                    return
        raise OSError(errno.EMSGSIZE, "The kernel does not come to an end")


_NO_WAY = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EINVAL,
        errno.EAFNOSUPPORT,
        errno.EOPNOTSUPP,
        errno.ESRCH,
        errno.EADDRNOTAVAIL,
    }
)


def read_messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Read the messages of a datagram: kind, flags, number, payload; stops at nonsense."""
    while len(data) >= _MESSAGE.size:
        length, kind, flags, number, _ = _MESSAGE.unpack_from(data)
        if not _MESSAGE.size <= length <= len(data):
            return
        yield kind, flags, number, data[_MESSAGE.size : length]
        data = data[_aligned(length) :]


def read_link(payload: bytes) -> Link | None:
    """Read an interface; None if the message is none."""
    if len(payload) < _LINK.size:
        return None
    _, _, index, flags, _ = _LINK.unpack_from(payload)
    parts = _attributes(payload[_LINK.size :])
    info = _attributes(parts.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=_text(parts.get(_IFLA_NAME, b"")),
        kind=_text(info.get(_IFLA_INFO_KIND, b"")),
        point_to_point=bool(flags & _IFF_POINT_TO_POINT),
        loopback=bool(flags & _IFF_LOOPBACK),
        carrier=bool(flags & _IFF_LOWER_UP),
    )


def read_address(payload: bytes) -> LocalAddress | None:
    """Read an address; None for what is not IP, and for one that is not proven unique."""
    if len(payload) < _ADDRESS.size:
        return None
    family, prefix, flags, _, index = _ADDRESS.unpack_from(payload)
    parts = _attributes(payload[_ADDRESS.size :])
    far = _address(family, parts.get(_IFA_ADDRESS, b""))
    near = _address(family, parts.get(_IFA_LOCAL, b"")) or far
    if near is None or prefix > near.max_prefixlen:
        return None
    if len(more := parts.get(_IFA_FLAGS, b"")) == 4:
        flags = int.from_bytes(more, sys.byteorder)
    if flags & (_TENTATIVE | _DAD_FAILED):
        return None
    return LocalAddress(
        link=index,
        interface=ip_interface((near.packed, prefix)),
        peer=far if far != near else None,
        deprecated=bool(flags & _DEPRECATED),
        # The same bit means "secondary" in IPv4.
        temporary=bool(near.version == 6 and flags & _TEMPORARY),
    )


def read_way(payload: bytes, destination: Address) -> Way:
    """Read the route that the kernel would take to a destination."""
    nowhere = Way(destination=destination)
    if len(payload) < _ROUTE.size:
        return nowhere
    family, _, _, _, _, _, _, kind, flags = _ROUTE.unpack_from(payload)
    if kind not in {_UNICAST, _LOCAL} or flags & (_DEAD | _LINK_DOWN):
        return nowhere
    parts = _attributes(payload[_ROUTE.size :])
    if len(index := parts.get(_RTA_OIF, b"")) != 4:
        return nowhere
    return Way(
        destination=destination,
        source=_address(family, parts.get(_RTA_PREFSRC, b"")),
        link=int.from_bytes(index, sys.byteorder),
        next_hop=_address(family, parts.get(_RTA_GATEWAY, b"")) or _via(parts.get(_RTA_VIA, b"")),
        local=kind == _LOCAL,
    )


def _via(value: bytes) -> Address | None:
    """Read a next hop of the other family (RFC 5549)."""
    return _address(int.from_bytes(value[:2], sys.byteorder), value[2:])


def _address(family: int, raw: bytes) -> Address | None:
    """Read an address of a family; None if it is none."""
    if family == socket.AF_INET and len(raw) == 4:
        return IPv4Address(raw)
    if family == socket.AF_INET6 and len(raw) == 16:
        return IPv6Address(raw)
    return None


def _attributes(payload: bytes) -> dict[int, bytes]:
    """Read attributes by their kind; stops at nonsense."""
    found: dict[int, bytes] = {}
    while len(payload) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(payload)
        if not _ATTRIBUTE.size <= length <= len(payload):
            break
        found[kind & _KIND_MASK] = payload[_ATTRIBUTE.size : length]
        payload = payload[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    """Round up to the four bytes on which netlink begins each part."""
    return length + 3 & ~3


def _text(raw: bytes) -> str:
    """Read a name."""
    return raw.partition(b"\0")[0].decode(errors="replace")


def _found(rows: Iterable[_Row | None]) -> Iterator[_Row]:
    """Leave out what could not be read."""
    return (row for row in rows if row is not None)
