"""Addresses and routes that change under a running engine: it says so, and verdicts follow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.compatibility import (
    CureCode,
    DialOptions,
    LineFacts,
    Outlook,
    ReasonCode,
    Region,
    Verdict,
    carries_sip,
    verdict,
)
from custom_components.hikari_denwa.telephony.engine.protocol import (
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
)
from custom_components.hikari_denwa.telephony.experience import Book, Experience
from custom_components.hikari_denwa.telephony.numbers import classify
from custom_components.hikari_denwa.telephony.paths import Paths, Reach, SourceKind

from .desk import LINE, Desk
from .namespaces import Host, namespaces, wire

__all__ = ["namespaces"]

V6, V4 = Family.IPV6, Family.IPV4
GATEWAY = {V6: "2001:db8:0:100::1", V4: "192.168.1.1"}
HERE = {V6: "2001:db8:0:100::20/64", V4: "192.168.1.20/24"}
WITHIN = 30.0

pytestmark = [
    pytest.mark.usefixtures("namespaces", "loopback"),
    pytest.mark.timeout(180),
]


class House:
    """A machine with an engine, whose line is registered at the gateway on the same wire."""

    def __init__(self, machine: Host, desk: Desk) -> None:
        """Take where the engine runs, and what it tells."""
        self.machine = machine
        self.desk = desk

    @property
    def family(self) -> Family | None:
        """The family of the registration, as it was told last."""
        last = self.desk.told(RegistrationChanged)[-1]
        return last.family if last.state is RegistrationState.REGISTERED else None

    async def paths(self, hold: Callable[[Paths], bool]) -> Paths:
        """Wait until paths of a kind are told, those that were told last being among them."""
        if (told := self.desk.told(PathsChanged)) and hold(told[-1].paths):
            return told[-1].paths
        async with asyncio.timeout(WITHIN):
            while True:
                paths = (await self.desk.event(PathsChanged, WITHIN)).paths
                if hold(paths):
                    return paths

    def outside(self, paths: Paths) -> Verdict:
        """Judge a call to a number outside."""
        return verdict(
            classify("0312345678"),
            LineFacts(id=LINE, extension="3", family=self.family),
            paths=paths,
            book=Book(),
            experience=Experience(),
            region=Region.UNKNOWN,
            options=DialOptions(from_automation=False),
            now=0.0,
        )


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Give a house with both families, its line registered over IPv6."""
    with wire() as (there, here):
        for family in Family:
            there.add(f"{GATEWAY[family]}/{HERE[family].partition('/')[2]}")
            here.add(HERE[family])
        gateway = "tests.home_gateway", "--v4", GATEWAY[V4], "--v6", GATEWAY[V6]
        async with there.run(*gateway, "--port", "5060", "--json") as process:
            assert process.stdout
            await asyncio.wait_for(process.stdout.readline(), WITHIN)
            desk = Desk()
            with here.inside():
                await desk.client.start()
            try:
                config = LineConfig(
                    gateway=GATEWAY[V6],
                    second_gateway=GATEWAY[V4],
                    extension="3",
                    user_id="0003",
                    password="secret-3",
                )
                await desk.client.add_line(LINE, config, desk)
                yield House(here, desk)
            finally:
                await desk.client.close()


def codes(judged: Verdict) -> set[str]:
    """Give the names of a verdict's reasons and cures."""
    return {reason.code for reason in judged.reasons} | {cure.code for cure in judged.cures}


async def test_ipv4_comes_and_goes() -> None:
    """An address that is taken away takes the second attempt with it, and brings it back."""
    async with house() as at:
        both = await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
        assert both.ipv6
        assert (both.ipv6.reach, both.ipv6.source) == (Reach.SAME_LINK, "2001:db8:0:100::20")
        judged = at.outside(both)
        assert (judged.outlook, judged.family) == (Outlook.LIKELY_WORKS, V6)
        assert judged.fallback
        assert judged.fallback.family is V4

        at.machine.remove(HERE[V4])
        alone = await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.reach is Reach.NONE))
        judged = at.outside(alone)
        assert (judged.outlook, judged.family, judged.fallback) == (Outlook.UNCERTAIN, V6, None)
        assert {ReasonCode.FAMILY_NO_PATH, CureCode.GIVE_FAMILY} <= codes(judged)

        at.machine.add(HERE[V4])
        again = await at.paths(
            lambda paths: bool(paths.ipv4 and paths.ipv4.reach is not Reach.NONE)
        )
        judged = at.outside(again)
        assert judged.outlook is Outlook.LIKELY_WORKS
        assert judged.fallback == at.outside(both).fallback


async def test_routes_alone_change() -> None:
    """No address is another: the way is closed, opened again, and a router comes between."""
    async with house() as at:
        await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
        gateway = f"{GATEWAY[V4]}/32"
        at.machine.ip("route", "add", "unreachable", gateway)
        closed = await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.reach is Reach.NONE))
        assert at.outside(closed).fallback is None
        at.machine.ip("route", "delete", "unreachable", gateway)
        opened = await at.paths(
            lambda paths: bool(paths.ipv4 and paths.ipv4.reach is Reach.SAME_LINK)
        )
        assert at.outside(opened).fallback
        at.machine.ip("route", "add", gateway, "via", "192.168.1.2")
        routed = await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.reach is Reach.ROUTED))
        assert at.outside(routed).fallback


async def test_prefix_grows_old_and_goes() -> None:
    """A deprecated address makes IPv4 the better way; without any, the line itself goes there."""
    async with house() as at:
        await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
        # With an end to its time the address takes its network's route along: a router has told it.
        at.machine.ip("route", "add", "2001:db8:0:100::/64", "dev", "wire", "metric", "2000")
        at.machine.ip(
            *("address", "change", HERE[V6], "dev", "wire"),
            *("valid_lft", "600", "preferred_lft", "0"),
        )
        old = await at.paths(
            lambda paths: bool(paths.ipv6 and paths.ipv6.source_kind is SourceKind.DEPRECATED)
        )
        assert at.family is V6
        kinds = {source.address: source.kind for source in old.sources}
        assert kinds["2001:db8:0:100::20"] is SourceKind.DEPRECATED
        judged = at.outside(old)
        assert judged.first
        assert (judged.family, judged.first.moves_registration) == (V4, True)

        at.machine.remove(HERE[V6])
        gone = await at.paths(lambda paths: not carries_sip(paths.ipv6))
        async with asyncio.timeout(WITHIN):
            while at.family is not V4:
                await at.desk.event(RegistrationChanged, WITHIN)
        judged = at.outside(gone)
        assert (judged.outlook, judged.family) == (Outlook.WORKS, V4)
        assert judged.first
        assert not judged.first.moves_registration


async def test_gateway_and_all_get_another_prefix() -> None:
    """The line lives on over IPv4, and it is told which prefix there is now."""
    async with house() as at:
        await at.paths(lambda paths: bool(paths.ipv4 and paths.ipv4.gateway_answers))
        at.machine.add("2001:db8:0:900::20/64")
        at.machine.remove(HERE[V6])
        left = await at.paths(lambda paths: paths.environment.new_prefix is not None)
        assert left.environment.new_prefix == "2001:db8:0:900::/64"
        async with asyncio.timeout(WITHIN):
            while at.family is not V4:
                await at.desk.event(RegistrationChanged, WITHIN)
        at.machine.add(HERE[V6])
        back = await at.paths(lambda paths: paths.environment.new_prefix is None)
        assert carries_sip(back.ipv6)
