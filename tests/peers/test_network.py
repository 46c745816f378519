"""The engine behind a network that loses, delays, reorders and doubles packets."""

from pathlib import Path

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import CallEnded

from .listening import NETWORKS, PATIENCE, call, ends, listen, register, table
from .network import Impairment, needs_namespaces
from .processes import needs

pytestmark = [
    needs("kamailio", "baresip"),
    needs_namespaces(),
    pytest.mark.usefixtures("loopback"),
    pytest.mark.timeout(120),
]


@pytest.mark.parametrize("family", [6, 4], ids=["ipv6", "ipv4"])
async def test_calls_are_set_up_at_twenty_percent_loss(tmp_path: Path, family: int) -> None:
    """Every fifth packet lost each way: registered, called, connected, ended (§17.1.1.2)."""
    async with ends(tmp_path, family) as both:
        both.network.impairment = Impairment(delay=0.02, loss=0.2)
        await register(both)
        await both.desk.client.hang_up(await call(both))
        assert (await both.desk.event(CallEnded)).ending.reason is EndReason.HUNG_UP_HERE
        await both.phone.event("CALL_CLOSED", PATIENCE)
        assert both.network.lost


async def test_what_a_listener_hears(tmp_path: Path) -> None:
    """Loss is concealed without a gap; delay, reordering and duplication are not heard at all."""
    networks = {name: NETWORKS[name] for name in ("clean", "delay 200 ms", "loss 5 %")}
    networks["disorder"] = Impairment(delay=0.02, reordered=0.1, duplicated=0.1)
    found = await listen(tmp_path, 6, networks, seconds=1.5)
    figures = table(found)
    assert found["clean"].tone_pct > 90, figures
    assert found["clean"].concealed_pct < 3, figures
    assert all(heard.gap_pct < 1 for heard in found.values()), figures
    assert 0 < found["loss 5 %"].concealed_pct < 15, figures
    for name in ("delay 200 ms", "disorder"):
        assert found[name].concealed_pct < 5, figures
        assert found[name].tone_pct > 85, figures
