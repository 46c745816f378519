"""How a snapshot of the kernel's tables is judged, read, and completed with NAT64."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony import path_finder
from custom_components.hikari_denwa.telephony.address import Endpoint, literal_family
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.path_finder import (
    NAT64_NAME,
    Answer,
    Link,
    PathFinder,
    Snapshot,
    ask_nat64,
    find_paths,
    nat64_prefixes,
    read_snapshot,
    source_kind,
    usable_sources,
)
from custom_components.hikari_denwa.telephony.paths import (
    FamilyPath,
    Reach,
    Source,
    SourceKind,
)
from tests.loopback import loopback

from .cases import CASES, ETHERNET, HOME6, PAGE, V4, V6, WIREGUARD, Case, Expected, own, page, way

__all__ = ["loopback"]

PREFIX = IPv6Network("2001:db8:64::/96")
WELL_KNOWN = [IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171")]
WITH_IPV6 = Snapshot(addresses=(own(f"{HOME6}/64"),))


def endpoints(literals: Iterable[str]) -> list[Endpoint]:
    """Give the gateway's addresses."""
    return [
        Endpoint(address=literal, family=literal_family(literal) or Family.IPV4)
        for literal in literals
    ]


def shape(path: FamilyPath | None) -> Expected:
    """Give what the cases tell of a path."""
    assert path
    return path.reach, path.source, path.source_kind


def synthesise(prefix: IPv6Network, address: IPv4Address) -> IPv6Address:
    """Embed an IPv4 address in a prefix, by RFC 6052 §2.2 told another way: bit by bit."""
    bits = f"{int(prefix.network_address):0128b}"[: prefix.prefixlen]
    for bit in f"{int(address):032b}":
        if len(bits) == 64:
            bits += "0" * 8
        bits += bit
    return IPv6Address(int(bits.ljust(128, "0"), 2))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_judged(case: Case) -> None:
    """Each machine is seen as it is."""
    paths = find_paths(case.snapshot, endpoints(case.gateway))
    assert shape(paths.ipv6) == case.ipv6
    assert shape(paths.ipv4) == case.ipv4
    assert paths.environment == case.environment
    assert [path.family for path in (paths.ipv6, paths.ipv4) if path] == list(Family)


def test_page_has_all_cases() -> None:
    """The table of the documents is this one."""
    assert PAGE.read_text() == page()


def test_order_of_addresses_does_not_matter() -> None:
    """The best of several addresses stands for its family, whichever comes first."""
    for case in CASES:
        there, back = (
            find_paths(case.snapshot, endpoints(order))
            for order in (case.gateway, case.gateway[::-1])
        )
        assert there == back, case.name


def test_answers_are_taken_over() -> None:
    """What the gateway answered comes in, and is on its path alone."""
    answers = {Family.IPV6: Answer(answers=True, round_trip_ms=2.5)}
    paths = find_paths(CASES[0].snapshot, endpoints([V6, V4]), answers)
    assert paths.ipv6
    assert paths.ipv4
    assert (paths.ipv6.gateway_answers, paths.ipv6.round_trip_ms) == (True, 2.5)
    assert (paths.ipv4.gateway_answers, paths.ipv4.round_trip_ms) == (None, None)


@pytest.mark.parametrize(("answers", "vpn_only"), [(None, False), (True, False), (False, True)])
def test_default_route_is_no_proof(answers: bool | None, vpn_only: bool) -> None:
    """A private address over the Internet's router: silence there leaves the tunnel alone."""
    snapshot = Snapshot(
        links=(ETHERNET, WIREGUARD),
        addresses=(own("203.0.113.20/24"), own("fd00:1::2/128", 4)),
        ways=(way(V6, "fd00:1::2", 4), way(V4, "203.0.113.20", via="203.0.113.1")),
    )
    told = {} if answers is None else {Family.IPV4: Answer(answers=answers)}
    paths = find_paths(snapshot, endpoints([V6, V4]), told)
    assert paths.environment.vpn_only is vpn_only


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        ("2001:db8::1", SourceKind.GLOBAL),
        ("fd12::1", SourceKind.ULA),
        ("fe80::1", SourceKind.LINK_LOCAL),
        ("::1", SourceKind.LOOPBACK),
        ("127.8.8.8", SourceKind.LOOPBACK),
        ("169.254.1.1", SourceKind.LINK_LOCAL),
        ("192.0.0.0", SourceKind.CLAT),
        ("192.0.0.7", SourceKind.CLAT),
        ("192.0.0.8", SourceKind.GLOBAL),
        ("100.64.0.1", SourceKind.SHARED),
        ("100.127.255.255", SourceKind.SHARED),
        ("100.128.0.1", SourceKind.GLOBAL),
        ("10.1.1.1", SourceKind.PRIVATE),
        ("172.31.255.255", SourceKind.PRIVATE),
        ("172.32.0.1", SourceKind.GLOBAL),
        ("192.168.0.1", SourceKind.PRIVATE),
        ("192.0.2.1", SourceKind.GLOBAL),
    ],
)
def test_kinds(literal: str, kind: SourceKind) -> None:
    """The ranges end where their RFCs end them."""
    assert source_kind(ip_address(literal)) is kind


def test_sources_towards_the_gateway() -> None:
    """Those of the interfaces that lead there; all, where none does; never a link-local one."""
    other = Link(index=9, name="eth1")
    addresses = (
        own(f"{HOME6}/64", temporary=True),
        own("fe80::20/64"),
        own("192.168.1.20/24"),
        own("fd00:5::20/64", 9),
        own("2001:db8:9::20/64", 9, deprecated=True),
    )
    here = [
        Source(address="192.168.1.20", kind=SourceKind.PRIVATE, link="eth0"),
        Source(address=HOME6, kind=SourceKind.TEMPORARY, link="eth0"),
    ]
    elsewhere = [
        Source(address="2001:db8:9::20", kind=SourceKind.DEPRECATED, link="eth1"),
        Source(address="fd00:5::20", kind=SourceKind.ULA, link="eth1"),
    ]
    links = (ETHERNET, other)
    leading = Snapshot(links=links, addresses=addresses, ways=(way(V6, HOME6), way(V4)))
    lost = replace(leading, ways=(way(V6), way(V4)))
    assert list(find_paths(leading, endpoints([V6, V4])).sources) == here
    assert list(find_paths(lost, endpoints([V6, V4])).sources) == [*here, *elsewhere]


def test_usable_sources() -> None:
    """All addresses that others could be reached from are listed with their kind."""
    snapshot = Snapshot(
        links=(ETHERNET,),
        addresses=(own("::1/128", 1), own("fd12::1/64", deprecated=True), own("10.0.0.1/8", 9)),
    )
    assert usable_sources(snapshot) == (
        Source(address="fd12::1", kind=SourceKind.DEPRECATED, link="eth0"),
        Source(address="10.0.0.1", kind=SourceKind.PRIVATE, link=""),
    )


@given(
    number=st.integers(0, 2**32 - 1),
    length=st.sampled_from([32, 40, 48, 56, 64, 96]),
)
def test_prefix_is_found_whatever_its_length(number: int, length: int) -> None:
    """Both well-known addresses lead back to the prefix that they were put into."""
    start = (0x2001_0DB8 << 96 | number << 64) & ~((1 << 128 - length) - 1)
    prefix = IPv6Network((start, length))
    found = nat64_prefixes(synthesise(prefix, address) for address in WELL_KNOWN)
    assert prefix in found


def test_prefix_by_one_address() -> None:
    """One record is enough."""
    assert nat64_prefixes([IPv6Address("64:ff9b::c000:aa")]) == (IPv6Network("64:ff9b::/96"),)


def test_prefix_that_looks_like_the_address() -> None:
    """RFC 7050 §3: where an address reads in two ways, the second address decides."""
    prefix = IPv6Network("2001:db8:c000:aa::/96")
    assert nat64_prefixes([synthesise(prefix, WELL_KNOWN[0])]) == (
        IPv6Network("2001:db8::/32"),
        prefix,
    )
    assert nat64_prefixes(synthesise(prefix, each) for each in WELL_KNOWN) == (prefix,)


def test_two_prefixes() -> None:
    """A network may announce several."""
    prefixes = (IPv6Network("64:ff9b::/96"), PREFIX)
    found = nat64_prefixes(synthesise(prefix, each) for prefix in prefixes for each in WELL_KNOWN)
    assert found == tuple(sorted(prefixes))


def test_other_addresses_are_no_nat64() -> None:
    """A resolver that lies to every question does not make a NAT64."""
    assert nat64_prefixes([IPv6Address("2001:db8::1"), IPv6Address("::1")]) == ()
    reserved_byte_set = IPv6Address("2001:db8:0:0:1c0:0:aa00:0")
    assert nat64_prefixes([reserved_byte_set]) == ()


def resolves(monkeypatch: pytest.MonkeyPatch, outcome: Exception | list[str]) -> None:
    """Let the resolver know NAT64's name, or fail."""

    async def getaddrinfo(host: str, port: object, **wanted: int) -> list[object]:
        """Answer like the resolver."""
        assert (host, port, wanted["family"]) == (NAT64_NAME, None, socket.AF_INET6)
        if isinstance(outcome, Exception):
            raise outcome
        return [(socket.AF_INET6, 0, 0, "", (literal, 0, 0, 0)) for literal in outcome]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_resolver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DNS64 makes of the name is the prefix."""
    resolves(monkeypatch, [str(synthesise(PREFIX, each)) for each in WELL_KNOWN])
    assert await ask_nat64() == (PREFIX,)


async def test_no_such_record_is_no_nat64(monkeypatch: pytest.MonkeyPatch) -> None:
    """That there is no AAAA is an answer."""
    resolves(monkeypatch, socket.gaierror(socket.EAI_NONAME, "no"))
    assert await ask_nat64() == ()


async def test_silent_resolver_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nobody answers is none."""
    resolves(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "later"))
    with pytest.raises(OSError, match="later"):
        await ask_nat64()


class Network:
    """A network in which NAT64 is looked for, with a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot = WITH_IPV6) -> None:
        """Begin with NAT64."""
        self.now = 0.0
        self.asked = 0
        self.outcome: tuple[IPv6Network, ...] | OSError = (PREFIX,)
        self.finder = PathFinder(nat64=self.ask, clock=lambda: self.now)

        async def read(*_: object, **__: object) -> Snapshot:
            """Give the snapshot."""
            return snapshot

        monkeypatch.setattr(path_finder, "read_snapshot", read)

    async def ask(self) -> tuple[IPv6Network, ...]:
        """Answer like the resolver."""
        self.asked += 1
        if isinstance(self.outcome, OSError):
            raise self.outcome
        return self.outcome

    async def nat64(self) -> bool:
        """Tell whether the finder sees NAT64."""
        return (await self.finder.find(endpoints([V6, V4]))).environment.nat64


async def test_nat64_is_remembered_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver is left alone meanwhile."""
    network = Network(monkeypatch)
    assert [await network.nat64() for _ in range(3)] == [True] * 3
    assert network.asked == 1
    network.now, network.outcome = 3600.0, ()
    assert not await network.nat64()
    assert network.asked == 2


async def test_change_of_network_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was true of the old network is forgotten."""
    network = Network(monkeypatch)
    assert await network.nat64()
    network.outcome = TimeoutError()
    network.finder.forget()
    assert not await network.nat64()


async def test_silence_changes_nothing_and_is_asked_again_in_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resolver that is down for a moment does not take NAT64 away."""
    network = Network(monkeypatch)
    assert await network.nat64()
    network.now, network.outcome = 3600.0, OSError("silent")
    assert await network.nat64()
    network.now += 59.0
    assert await network.nat64()
    assert network.asked == 2
    network.now, network.outcome = network.now + 1.0, ()
    assert not await network.nat64()


async def test_changed_while_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer from the old network does not stand for the new one."""
    network = Network(monkeypatch)

    async def ask() -> tuple[IPv6Network, ...]:
        """Answer when the network has just changed."""
        network.finder.forget()
        return await Network.ask(network)

    network.finder._ask = ask
    assert await network.nat64()
    network.finder._ask = network.ask
    network.outcome = ()
    assert not await network.nat64()


@pytest.mark.parametrize("literal", ["192.0.2.2/24", "fe80::1/64", "::1/128"])
async def test_without_ipv6_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, literal: str) -> None:
    """NAT64 is of no use to a machine without IPv6."""
    network = Network(monkeypatch, Snapshot(addresses=(own(literal),)))
    assert not await network.nat64()
    assert network.asked == 0


@pytest.mark.usefixtures("loopback")
async def test_this_machine(tmp_path: Path) -> None:
    """The real kernel tells of loopback, which every machine has."""
    mark = tmp_path / "mark"
    snapshot = await read_snapshot(endpoints(["127.0.0.1"]), marks=[mark])
    assert not snapshot.container
    ipv4 = find_paths(snapshot, endpoints(["127.0.0.1"])).ipv4
    assert shape(ipv4)[1:] == ("127.0.0.1", SourceKind.LOOPBACK)
    mark.touch()
    assert (await read_snapshot([], marks=[mark])).container


@pytest.mark.usefixtures("loopback")
async def test_without_netlink_the_source_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that forbids netlink, and other systems."""

    def refuse(_: object) -> None:
        """Forbid it."""
        raise PermissionError

    monkeypatch.setattr(path_finder._Kernel, "__init__", refuse)
    paths = find_paths(await read_snapshot(endpoints(["127.0.0.1"])), endpoints(["127.0.0.1"]))
    assert shape(paths.ipv4) == (Reach.SAME_LINK, "127.0.0.1", SourceKind.LOOPBACK)
