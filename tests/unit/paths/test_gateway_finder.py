"""Where the home gateway is looked for, and what is made of the answers."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_interface

import pytest

from custom_components.hikari_denwa.telephony import gateway_finder
from custom_components.hikari_denwa.telephony.address import Endpoint, literal_family
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.errors import NameNotResolvedError
from custom_components.hikari_denwa.telephony.gateway_finder import (
    FoundGateway,
    default_routers,
    find_gateways,
    have_to_be_told_apart,
)
from custom_components.hikari_denwa.telephony.path_finder import (
    LocalAddress,
    Snapshot,
    Way,
)

ROUTER = "fe80::200:5eff:fe10:1"
OWN = ("192.168.1.20/24", "2001:db8:0:100:1::20/64", "fe80::20/64")


def snapshot(*next_hops: str, own: Iterable[str] = OWN, deprecated: bool = False) -> Snapshot:
    """Return a machine with one interface, whose default routers are given."""
    return Snapshot(
        addresses=tuple(
            LocalAddress(link=2, interface=ip_interface(each), deprecated=deprecated)
            for each in own
        ),
        ways=tuple(
            Way(
                destination=ip_address("203.0.113.1" if "." in hop else "2001:db8:ffff::1"),
                source=ip_address(OWN[0].partition("/")[0]),
                link=2,
                next_hop=ip_address(hop),
            )
            for hop in next_hops
        ),
    )


@pytest.mark.parametrize(
    ("seen", "routers"),
    [
        (snapshot("192.168.1.1"), ("192.168.1.1",)),
        (snapshot(ROUTER, "192.168.1.1"), ("192.168.1.1", "2001:db8:0:100:200:5eff:fe10:1")),
        (snapshot("2001:db8:0:100::1"), ("2001:db8:0:100::1",)),
        (snapshot("2001:db8:0:999::1"), ()),
        (snapshot("8.8.8.8"), ()),
        (snapshot(ROUTER, own=["fe80::20/64"]), ()),
        (snapshot(ROUTER, own=["2001:db8::20/128"]), ()),
        (snapshot(ROUTER, deprecated=True), ()),
        (Snapshot(ways=(Way(destination=ip_address("203.0.113.1")),)), ()),
        (Snapshot(), ()),
    ],
)
def test_default_routers(seen: Snapshot, routers: tuple[str, ...]) -> None:
    """Only what is at home is asked; a link-local router has an address in our network."""
    assert default_routers(seen) == routers


class Home:
    """A home network: what a name resolves to, and who answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the resolver and of the kernel."""
        self.named: tuple[str, ...] = ()
        self.seen = Snapshot()
        self.speaking: set[str] = set()
        self.asked: list[str] = []
        monkeypatch.setattr(gateway_finder, "resolve", self.resolve)
        monkeypatch.setattr(gateway_finder, "read_snapshot", self.read_snapshot)

    async def resolve(self, name: str) -> tuple[Endpoint, ...]:
        """Resolve the name."""
        if not self.named:
            raise NameNotResolvedError(address=name)
        assert name == "ntt.setup"
        return tuple(
            Endpoint(address=each, family=literal_family(each) or Family.IPV4)
            for each in self.named
        )

    async def read_snapshot(self, gateway: Iterable[Endpoint]) -> Snapshot:
        """Tell the routes."""
        assert {endpoint.family for endpoint in gateway} == set(Family)
        return self.seen

    async def ask(self, address: str) -> bool:
        """Ask an address."""
        self.asked.append(address)
        return address in self.speaking


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home network."""
    return Home(monkeypatch)


async def test_nobody_is_there(home: Home) -> None:
    """Without a name and a router nobody is asked."""
    assert await find_gateways(home.ask) == ()
    assert not home.asked


async def test_name_comes_first(home: Home) -> None:
    """The name is what to enter, and its addresses are not told twice."""
    home.named = ("2001:db8:0:100::1", "192.168.1.1")
    home.seen = snapshot("192.168.1.1", ROUTER)
    home.speaking = {"2001:db8:0:100::1", "192.168.1.1"}
    assert await find_gateways(home.ask) == (
        FoundGateway(host="ntt.setup", families=(Family.IPV6, Family.IPV4)),
    )
    assert home.asked == ["2001:db8:0:100::1", "192.168.1.1", "2001:db8:0:100:200:5eff:fe10:1"]


async def test_routers_that_answer(home: Home) -> None:
    """A router that speaks no SIP is none of ours; IPv4 comes before IPv6."""
    home.named = ("8.8.4.4",)
    home.seen = snapshot(ROUTER, "192.168.1.1")
    home.speaking = {"192.168.1.1", "2001:db8:0:100:200:5eff:fe10:1", "8.8.4.4"}
    assert await find_gateways(home.ask) == (
        FoundGateway(host="192.168.1.1", families=(Family.IPV4,)),
        FoundGateway(host="2001:db8:0:100:200:5eff:fe10:1", families=(Family.IPV6,)),
    )
    assert "8.8.4.4" not in home.asked
    home.speaking = set()
    assert await find_gateways(home.ask) == ()


async def test_router_in_two_networks_is_one(home: Home) -> None:
    """A router that answers in each of our networks, or is the named one, is found once."""
    inner = "fd00:0:0:1:200:5eff:fe10:1"
    home.seen = snapshot(ROUTER, own=["2001:db8:0:100::20/64", "fd00:0:0:1::20/64"])
    home.speaking = {inner, "2001:db8:0:100:200:5eff:fe10:1"}
    (found,) = await find_gateways(home.ask)
    assert found.host in home.speaking
    home.named = (inner,)
    assert await find_gateways(home.ask) == (
        FoundGateway(host="ntt.setup", families=(Family.IPV6,)),
    )


@pytest.mark.parametrize(
    ("families", "several"),
    [
        ([], False),
        ([(Family.IPV6, Family.IPV4)], False),
        ([(Family.IPV4,), (Family.IPV6,)], False),
        ([(Family.IPV4,), (Family.IPV4,)], True),
        ([(Family.IPV6, Family.IPV4), (Family.IPV6,)], True),
    ],
)
def test_who_has_to_choose(families: list[tuple[Family, ...]], several: bool) -> None:
    """One machine may answer over each family, but not twice over one."""
    gateways = [FoundGateway(host=f"{n}", families=each) for n, each in enumerate(families)]
    assert have_to_be_told_apart(gateways) is several
