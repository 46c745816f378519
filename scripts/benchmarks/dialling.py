"""How long a verdict takes, and how soon INVITEs follow a decision and a refusal."""

import asyncio
import contextlib
import random
import time

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.compatibility import (
    DialOptions,
    LineFacts,
    Region,
    verdict,
)
from custom_components.hikari_denwa.telephony.experience import (
    MAX_NUMBERS,
    Experience,
    Outcome,
    Result,
    entered_book,
)
from custom_components.hikari_denwa.telephony.numbers import NumberKind, classify
from custom_components.hikari_denwa.telephony.paths import FamilyPath, Paths, Reach
from scripts.benchmarks.figures import Figure, middle_and_tail, spread
from scripts.benchmarks.rig import Rig
from scripts.home_assistant import HomeAssistantError

VERDICTS = 20_000
DIALS = 150
FALLBACKS = 60
WARM_UPS = 5
_RINGS_FOR_EVER = "0451110487"
_IPV4_ALONE = "0451110004"
_PATIENCE_SECONDS = 15.0
_REST_SECONDS = 0.05


async def measure_verdicts() -> list[Figure]:
    """Judge numbers of every kind, none of them twice, with as much experience as is kept."""
    samples = await asyncio.to_thread(_judge)
    return [
        Figure(
            name="verdict_us",
            value=middle_and_tail(samples),
            unit="µs",
            context=f"{spread(samples)}; number classified and judged",
        )
    ]


async def measure(rig: Rig) -> list[Figure]:
    """Dial, and be refused over IPv6, some hundred times."""
    client, gateway = rig.client, rig.far_end
    began = time.monotonic()
    await client.set_options(rig.entry_id, {"second_gateway": "127.0.0.1"})
    await gateway.ask("registered", since=began, time_limit=_PATIENCE_SECONDS)
    # The engine asks the gateway over both families before it calls a second one a way.
    await _both_ways(rig)
    dials = [await _dial(rig) for _ in range(WARM_UPS + DIALS)][WARM_UPS:]
    falls = [await _fall_back(rig) for _ in range(WARM_UPS + FALLBACKS)][WARM_UPS:]
    return [
        Figure(
            name="dial_to_invite_ms",
            value=middle_and_tail(dials),
            unit="ms",
            context=f"{spread(dials)}; from a client's action to the INVITE at the gateway",
        ),
        Figure(
            name="fallback_ms",
            value=middle_and_tail(falls),
            unit="ms",
            context=f"{spread(falls)}; from the 488 over IPv6 to the INVITE over IPv4, "
            "the registration moved in between",
        ),
    ]


def _judge() -> list[float]:
    """Return the microseconds of each verdict."""
    source = random.Random(20261125)
    numbers = [_number(source) for _ in range(VERDICTS)]
    experience = Experience()
    for index in range(MAX_NUMBERS):
        experience = experience.add(
            Outcome(
                number=f"03{index:08d}",
                kind=NumberKind.LANDLINE,
                family=Family.IPV6 if index % 2 else Family.IPV4,
                result=Result.REACHED,
                at=1_800_000_000.0,
            )
        )
    book = entered_book({str(number): "dual" for number in range(1, 30)})
    line = LineFacts(id="line", extension="3", family=Family.IPV6)
    paths = Paths(
        ipv6=FamilyPath(family=Family.IPV6, reach=Reach.SAME_LINK, gateway_answers=True),
        ipv4=FamilyPath(family=Family.IPV4, reach=Reach.SAME_LINK, gateway_answers=True),
    )
    options = DialOptions(from_automation=False, show_number_on_refusal=True)
    samples = []
    for number in numbers:
        began = time.perf_counter_ns()
        verdict(
            classify(number, extensions=book.extensions),
            line,
            paths=paths,
            book=book,
            experience=experience,
            region=Region.EAST,
            options=options,
            now=1_800_000_000.0,
        )
        samples.append((time.perf_counter_ns() - began) / 1000)
    return samples


def _number(source: random.Random) -> str:
    """Return a number as somebody might type it."""
    start = source.choice(
        ["03", "0166", "090", "050", "0120", "0570", "0990", "010 1 212", "+81 3"]
    )
    return f"{start}-{source.randrange(10**4):04d}-{source.randrange(10**4):04d}"


async def _both_ways(rig: Rig) -> None:
    """Wait until a number outside would be tried over IPv4 after a refusal."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            # The line is loaded anew with its options, and is not there meanwhile.
            with contextlib.suppress(HomeAssistantError):
                told = await rig.client.action("check_number", number=_IPV4_ALONE)
                if told["fallback_family"] == "ipv4":
                    return
            await asyncio.sleep(_REST_SECONDS)


async def _dial(rig: Rig) -> float:
    """Dial and give up; returns the milliseconds to the INVITE."""
    began = time.monotonic()
    await rig.client.action("dial", number=_RINGS_FOR_EVER)
    seen = await rig.far_end.ask("first_invite", since=began)
    await rig.client.action("hang_up")
    await asyncio.sleep(_REST_SECONDS)
    return 1000 * (float(seen["at"]) - began)


async def _fall_back(rig: Rig) -> float:
    """Dial what takes IPv4 alone; returns the milliseconds from the 488 to the second INVITE."""
    await rig.client.action("forget_experience")
    began = time.monotonic()
    await rig.client.action("dial", number=_IPV4_ALONE)
    seen = await rig.far_end.ask("second_invite", since=began)
    over = time.monotonic()
    await rig.client.action("hang_up")
    await rig.far_end.ask("registered", since=over, time_limit=_PATIENCE_SECONDS)
    await asyncio.sleep(_REST_SECONDS)
    return 1000 * (float(seen["at"]) - float(seen["refused"]))
