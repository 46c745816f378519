"""Machines and networks, as their kernels tell them, and what is true of each."""

from dataclasses import asdict, dataclass, field
from ipaddress import IPv6Network, ip_address, ip_interface
from pathlib import Path

from custom_components.hikari_denwa.telephony.path_finder import Link, LocalAddress, Snapshot, Way
from custom_components.hikari_denwa.telephony.paths import Environment, Reach, SourceKind

V4, V6 = "192.168.1.1", "2001:db8:0:100::1"
SYNTHESISED = "2001:db8:64::c0a8:101"
NAT64 = IPv6Network("2001:db8:64::/96")

LOOPBACK = Link(index=1, name="lo", loopback=True)
ETHERNET = Link(index=2, name="eth0")
VETH = Link(index=2, name="eth0", kind="veth")
MACVLAN = Link(index=2, name="eth0", kind="macvlan")
DOCKER0 = Link(index=3, name="docker0", kind="bridge")
WIREGUARD = Link(index=4, name="wg0", kind="wireguard", point_to_point=True)
CLAT = Link(index=5, name="clat", kind="tun", point_to_point=True)
TUN = Link(index=6, name="tun0", kind="tun", point_to_point=True)


def own(
    text: str, link: int = 2, *, deprecated: bool = False, temporary: bool = False, peer: str = ""
) -> LocalAddress:
    """Give an address of ours."""
    return LocalAddress(
        link=link,
        interface=ip_interface(text),
        peer=ip_address(peer) if peer else None,
        deprecated=deprecated,
        temporary=temporary,
    )


def way(
    to: str, source: str = "", link: int | None = 2, via: str = "", *, local: bool = False
) -> Way:
    """Give the kernel's choice; without a source there is none."""
    return Way(
        destination=ip_address(to),
        source=ip_address(source) if source else None,
        link=link if source else None,
        next_hop=ip_address(via) if via else None,
        local=local,
    )


type Expected = tuple[Reach, str | None, SourceKind | None]
NOWHERE: Expected = (Reach.NONE, None, None)
NOT_SEEN: Expected = (Reach.UNKNOWN, None, None)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A machine, the gateway's addresses as it knows them, and the truth."""

    name: str
    snapshot: Snapshot
    gateway: tuple[str, ...] = (V6, V4)
    ipv6: Expected
    ipv4: Expected
    environment: Environment = field(default_factory=Environment)


HOME6, HOME4 = "2001:db8:0:100::20", "192.168.1.20"
DIRECT6: Expected = (Reach.SAME_LINK, HOME6, SourceKind.GLOBAL)
DIRECT4: Expected = (Reach.SAME_LINK, HOME4, SourceKind.PRIVATE)

CASES = (
    Case(
        name="Both families on the gateway's own network",
        snapshot=Snapshot(
            links=(LOOPBACK, ETHERNET),
            addresses=(own("127.0.0.1/8", 1), own(f"{HOME6}/64"), own(f"{HOME4}/24")),
            ways=(way(V6, HOME6), way(V4, HOME4)),
        ),
        ipv6=DIRECT6,
        ipv4=DIRECT4,
    ),
    Case(
        name="Behind a second router, both families",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own("2001:db8:0:110::20/64"), own("10.0.0.20/24")),
            ways=(
                way(V6, "2001:db8:0:110::20", via="fe80::1"),
                way(V4, "10.0.0.20", via="10.0.0.1"),
            ),
        ),
        ipv6=(Reach.ROUTED, "2001:db8:0:110::20", SourceKind.GLOBAL),
        ipv4=(Reach.ROUTED, "10.0.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="The gateway is the default router and on the wire",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME4}/32"),),
            ways=(way(V6), way(V4, HOME4, via=V4)),
        ),
        ipv6=NOWHERE,
        ipv4=DIRECT4,
    ),
    Case(
        name="IPv4 alone",
        snapshot=Snapshot(
            links=(ETHERNET,), addresses=(own(f"{HOME4}/24"),), ways=(way(V6), way(V4, HOME4))
        ),
        ipv6=NOWHERE,
        ipv4=DIRECT4,
    ),
    Case(
        name="The gateway is known by its IPv4 address alone",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"), own(f"{HOME4}/24")),
            ways=(way(V4, HOME4),),
        ),
        gateway=(V4,),
        ipv6=NOWHERE,
        ipv4=DIRECT4,
    ),
    Case(
        name="IPv4 through CLAT on this machine",
        snapshot=Snapshot(
            links=(ETHERNET, CLAT),
            addresses=(own(f"{HOME6}/64"), own("192.0.0.1/32", 5)),
            ways=(way(V6, HOME6), way(V4, "192.0.0.1", 5)),
            nat64=(NAT64,),
        ),
        ipv6=DIRECT6,
        ipv4=(Reach.TRANSLATED, "192.0.0.1", SourceKind.CLAT),
        environment=Environment(nat64=True, clat=True),
    ),
    Case(
        name="CLAT without a tunnel, as NetworkManager makes it",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"), own("192.0.0.5/32")),
            ways=(way(V6, HOME6), way(V4, "192.0.0.5", via="192.0.0.6")),
        ),
        ipv6=DIRECT6,
        ipv4=(Reach.TRANSLATED, "192.0.0.5", SourceKind.CLAT),
        environment=Environment(clat=True),
    ),
    Case(
        name="CLAT with an address of its owner's choice",
        snapshot=Snapshot(
            links=(ETHERNET, CLAT),
            addresses=(own(f"{HOME6}/64"), own("192.168.255.1/32", 5)),
            ways=(way(V6, HOME6), way(V4, "192.168.255.1", 5)),
        ),
        ipv6=DIRECT6,
        ipv4=(Reach.TRANSLATED, "192.168.255.1", SourceKind.PRIVATE),
    ),
    Case(
        name="CLAT is there, and the gateway is reached without it",
        snapshot=Snapshot(
            links=(ETHERNET, CLAT),
            addresses=(own(f"{HOME6}/64"), own(f"{HOME4}/24"), own("192.0.0.1/32", 5)),
            ways=(way(V6, HOME6), way(V4, HOME4)),
            nat64=(NAT64,),
        ),
        ipv6=DIRECT6,
        ipv4=DIRECT4,
        environment=Environment(nat64=True, clat=True),
    ),
    Case(
        name="No IPv4 but what NAT64 gives",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"),),
            ways=(way(V6, HOME6), way(V4)),
            nat64=(NAT64,),
        ),
        ipv6=DIRECT6,
        ipv4=(Reach.TRANSLATED, None, None),
        environment=Environment(nat64=True),
    ),
    Case(
        name="No IPv4 at all",
        snapshot=Snapshot(
            links=(ETHERNET,), addresses=(own(f"{HOME6}/64"),), ways=(way(V6, HOME6), way(V4))
        ),
        ipv6=DIRECT6,
        ipv4=NOWHERE,
    ),
    Case(
        name="DNS64 made an IPv6 address of the gateway's IPv4 one",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"),),
            ways=(way(SYNTHESISED, HOME6, via="fe80::1"), way(V4)),
            nat64=(NAT64,),
        ),
        gateway=(SYNTHESISED, V4),
        ipv6=(Reach.TRANSLATED, HOME6, SourceKind.GLOBAL),
        ipv4=(Reach.TRANSLATED, None, None),
        environment=Environment(nat64=True),
    ),
    Case(
        name="The well-known prefix needs no discovery",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"),),
            ways=(way("64:ff9b::c0a8:101", HOME6, via="fe80::1"),),
        ),
        gateway=("64:ff9b::c0a8:101",),
        ipv6=(Reach.TRANSLATED, HOME6, SourceKind.GLOBAL),
        ipv4=NOWHERE,
    ),
    Case(
        name="Beside the synthesised address there is a true one",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64"),),
            ways=(way(SYNTHESISED, HOME6, via="fe80::1"), way(V6, HOME6)),
            nat64=(NAT64,),
        ),
        gateway=(SYNTHESISED, V6),
        ipv6=DIRECT6,
        ipv4=NOWHERE,
        environment=Environment(nat64=True),
    ),
    Case(
        name="A VPN with IPv6 alone",
        snapshot=Snapshot(
            links=(ETHERNET, WIREGUARD),
            addresses=(own("203.0.113.20/24"), own("fd00:1::2/128", 4)),
            ways=(way(V6, "fd00:1::2", 4), way(V4)),
        ),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=NOWHERE,
        environment=Environment(vpn_only=True),
    ),
    Case(
        name="A VPN with IPv6 alone, and the gateway's IPv4 address is not known",
        snapshot=Snapshot(
            links=(ETHERNET, WIREGUARD),
            addresses=(own("203.0.113.20/24"), own("fd00:1::2/128", 4)),
            ways=(way(V6, "fd00:1::2", 4),),
        ),
        gateway=(V6,),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=NOWHERE,
        environment=Environment(vpn_only=True),
    ),
    Case(
        name="A VPN with both families",
        snapshot=Snapshot(
            links=(ETHERNET, WIREGUARD),
            addresses=(own("10.9.0.2/32", 4), own("fd00:1::2/128", 4)),
            ways=(way(V6, "fd00:1::2", 4), way(V4, "10.9.0.2", 4)),
        ),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=(Reach.ROUTED, "10.9.0.2", SourceKind.PRIVATE),
    ),
    Case(
        name="A VPN with both families, and no way for IPv4",
        snapshot=Snapshot(
            links=(ETHERNET, WIREGUARD),
            addresses=(own("10.9.0.2/32", 4), own("fd00:1::2/128", 4)),
            ways=(way(V6, "fd00:1::2", 4), way(V4)),
        ),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=NOWHERE,
    ),
    Case(
        name="IPv6 through a tunnel, IPv4 on the wire",
        snapshot=Snapshot(
            links=(ETHERNET, WIREGUARD),
            addresses=(own(f"{HOME4}/24"), own("fd00:1::2/128", 4)),
            ways=(way(V6, "fd00:1::2", 4), way(V4, HOME4)),
        ),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=DIRECT4,
    ),
    Case(
        name="The gateway is the other end of a point-to-point link",
        snapshot=Snapshot(
            links=(TUN,),
            addresses=(own("192.168.1.2/32", 6, peer=V4),),
            ways=(way(V6), way(V4, "192.168.1.2", 6)),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.SAME_LINK, "192.168.1.2", SourceKind.PRIVATE),
    ),
    Case(
        name="A shared address of the provider's, as overlay networks use them too",
        snapshot=Snapshot(
            links=(TUN,),
            addresses=(own("100.64.0.9/32", 6),),
            ways=(way(V6), way(V4, "100.64.0.9", 6)),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "100.64.0.9", SourceKind.SHARED),
    ),
    Case(
        name="Docker's default bridge, without a mark",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own("172.17.0.2/16"),),
            ways=(way(V6), way(V4, "172.17.0.2", via="172.17.0.1")),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "172.17.0.2", SourceKind.PRIVATE),
        environment=Environment(docker_bridge=True),
    ),
    Case(
        name="A network of Docker's own with both families, with the mark",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own("172.20.0.2/16"), own("fd00:d::2/64")),
            ways=(
                way(V6, "fd00:d::2", via="fd00:d::1"),
                way(V4, "172.20.0.2", via="172.20.0.1"),
            ),
            container=True,
        ),
        ipv6=(Reach.ROUTED, "fd00:d::2", SourceKind.ULA),
        ipv4=(Reach.ROUTED, "172.20.0.2", SourceKind.PRIVATE),
        environment=Environment(docker_bridge=True),
    ),
    Case(
        name="A container on the host's network",
        snapshot=Snapshot(
            links=(LOOPBACK, ETHERNET, DOCKER0),
            addresses=(own(f"{HOME6}/64"), own(f"{HOME4}/24"), own("172.17.0.1/16", 3)),
            ways=(way(V6, HOME6), way(V4, HOME4)),
            container=True,
        ),
        ipv6=DIRECT6,
        ipv4=DIRECT4,
    ),
    Case(
        name="A container on the network of a host that is a container of Proxmox",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH, DOCKER0),
            addresses=(own("10.0.0.20/24"), own("172.17.0.1/16", 3)),
            ways=(way(V6), way(V4, "10.0.0.20", via="10.0.0.1")),
            container=True,
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "10.0.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="A container of Proxmox on the house's network",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own(f"{HOME6}/64"), own(f"{HOME4}/24")),
            ways=(way(V6, HOME6), way(V4, HOME4)),
        ),
        ipv6=DIRECT6,
        ipv4=DIRECT4,
    ),
    Case(
        name="A container of Proxmox behind a second router",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own("10.0.0.20/24"),),
            ways=(way(V6), way(V4, "10.0.0.20", via="10.0.0.1")),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "10.0.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="A container of Proxmox in a network that only looks like Docker's: its size",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own("172.17.0.20/24"),),
            ways=(way(V6), way(V4, "172.17.0.20", via="172.17.0.1")),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "172.17.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="A container of Proxmox in a network that only looks like Docker's: its router",
        snapshot=Snapshot(
            links=(LOOPBACK, VETH),
            addresses=(own("172.17.0.20/16"),),
            ways=(way(V6), way(V4, "172.17.0.20", via="172.17.0.254")),
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "172.17.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="A VPN with IPv6 alone, and CLAT on top of it",
        snapshot=Snapshot(
            links=(WIREGUARD,),
            addresses=(own("fd00:1::2/128", 4), own("192.0.0.1/32", 4)),
            ways=(way(V6, "fd00:1::2", 4), way(V4, "192.0.0.1", 4)),
        ),
        ipv6=(Reach.ROUTED, "fd00:1::2", SourceKind.ULA),
        ipv4=(Reach.TRANSLATED, "192.0.0.1", SourceKind.CLAT),
        environment=Environment(vpn_only=True, clat=True),
    ),
    Case(
        name="A container with a leg in the house (macvlan)",
        snapshot=Snapshot(
            links=(LOOPBACK, MACVLAN),
            addresses=(own(f"{HOME4}/24"),),
            ways=(way(V6), way(V4, HOME4)),
            container=True,
        ),
        ipv6=NOWHERE,
        ipv4=DIRECT4,
    ),
    Case(
        name="A container with that leg behind a second router",
        snapshot=Snapshot(
            links=(LOOPBACK, MACVLAN),
            addresses=(own("10.0.0.20/24"),),
            ways=(way(V6), way(V4, "10.0.0.20", via="10.0.0.1")),
            container=True,
        ),
        ipv6=NOWHERE,
        ipv4=(Reach.ROUTED, "10.0.0.20", SourceKind.PRIVATE),
    ),
    Case(
        name="The cable is unplugged",
        snapshot=Snapshot(
            links=(Link(index=2, name="eth0", carrier=False),),
            addresses=(own(f"{HOME6}/64"), own(f"{HOME4}/24")),
            ways=(way(V6, HOME6), way(V4, HOME4)),
        ),
        ipv6=NOWHERE,
        ipv4=NOWHERE,
    ),
    Case(
        name="An address of an old prefix",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64", deprecated=True, temporary=True),),
            ways=(way(V6, HOME6), way(V4)),
        ),
        ipv6=(Reach.SAME_LINK, HOME6, SourceKind.DEPRECATED),
        ipv4=NOWHERE,
    ),
    Case(
        name="A temporary address",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own(f"{HOME6}/64", temporary=True),),
            ways=(way(V6, HOME6), way(V4)),
        ),
        ipv6=(Reach.SAME_LINK, HOME6, SourceKind.TEMPORARY),
        ipv4=NOWHERE,
    ),
    Case(
        name="Nothing but link-local addresses",
        snapshot=Snapshot(
            links=(ETHERNET,),
            addresses=(own("fe80::20/64"), own("169.254.7.7/16")),
            ways=(way(V6, "fe80::20"), way(V4, "169.254.7.7")),
        ),
        ipv6=(Reach.SAME_LINK, "fe80::20", SourceKind.LINK_LOCAL),
        ipv4=(Reach.SAME_LINK, "169.254.7.7", SourceKind.LINK_LOCAL),
    ),
    Case(
        name="The gateway is this machine",
        snapshot=Snapshot(
            links=(LOOPBACK,),
            addresses=(own("::1/128", 1), own("127.0.0.1/8", 1)),
            ways=(
                way("::1", "::1", 1, local=True),
                way("127.0.0.1", "127.0.0.1", 1, local=True),
            ),
        ),
        gateway=("::1", "127.0.0.1"),
        ipv6=(Reach.SAME_LINK, "::1", SourceKind.LOOPBACK),
        ipv4=(Reach.SAME_LINK, "127.0.0.1", SourceKind.LOOPBACK),
    ),
    Case(
        name="A system that tells the source and no more",
        snapshot=Snapshot(ways=(way(V6), way(V4, HOME4, None))),
        ipv6=NOWHERE,
        ipv4=(Reach.UNKNOWN, HOME4, SourceKind.PRIVATE),
    ),
    Case(name="Nobody was asked", snapshot=Snapshot(), ipv6=NOT_SEEN, ipv4=NOT_SEEN),
)


PAGE = Path(__file__).resolve().parents[3] / "docs" / "paths.md"
_BEGIN, _END = "<!-- cases -->\n", "<!-- end of cases -->"


def page() -> str:
    """Return the page of the documents, with the cases as they are here."""
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    rows = ["| Network | IPv6 | IPv4 | Between |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {case.name} | {_cell(case.ipv6)} | {_cell(case.ipv4)} | {_between(case.environment)} |"
        for case in CASES
    ]
    return f"{before}{_BEGIN}{'\n'.join(rows)}\n{_END}{after}"


def _cell(expected: Expected) -> str:
    """Write a path."""
    reach, source, kind = expected
    return f"`{reach}`, from `{source}` (`{kind}`)" if source else f"`{reach}`"


def _between(environment: Environment) -> str:
    """Write what is true of the environment."""
    return " ".join(f"`{name}`" for name, true in asdict(environment).items() if true) or "–"


if __name__ == "__main__":
    PAGE.write_text(page())
