"""From the dialog to the call with an engine that runs by itself, started as a container does."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir

from custom_components.hikari_denwa import engine as engine_module
from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.engine import engine_keeper
from custom_components.hikari_denwa.telephony.engine import client as client_module
from custom_components.hikari_denwa.telephony.engine import process
from tests.home_gateway.config import Family
from tests.home_gateway.gateway import HomeGateway

from .conftest import state_of
from .house import House
from .test_config_flow import UNTOUCHED

ROOT = Path(__file__).resolve().parents[2]
START = ROOT / "app/rootfs/usr/lib/hikari-denwa/start.py"
PACKAGE = Path(process.__file__).parents[1]
REGISTERED = "binary_sensor.line_registered"

pytestmark = pytest.mark.usefixtures("loopback")


@asynccontextmanager
async def container(data: Path, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the engine by the script of its image; yields when it listens."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(START), "--data", str(data), "--package", str(PACKAGE),
        env={
            **os.environ,
            "HIKARI_BACKEND": "native",
            "HIKARI_LISTEN": address,
            "SUPERVISOR_TOKEN": "",
        },
        stdin=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not await _listens(address):
                await asyncio.sleep(0.1)
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()


async def _listens(address: str) -> bool:
    """Tell whether somebody listens at an address."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _free_address() -> str:
    """Return an address at which nobody listens."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "::1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"[::1]:{port}"


async def test_call_with_a_remote_engine(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is chosen in the options, takes a call, is replaced when it goes, and comes back."""
    monkeypatch.setattr(engine_module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(client_module, "_PAUSES", (0.3,))
    address = await _free_address()
    async with HomeGateway() as gateway:
        house = House(hass, gateway, Family.V6)
        assert (await house.add_line())["type"] is FlowResultType.CREATE_ENTRY
        (entry,) = hass.config_entries.async_entries(DOMAIN)
        async with container(tmp_path, address):
            options = hass.config_entries.options
            result = await options.async_init(entry.entry_id)
            result = await options.async_configure(
                result["flow_id"], {**UNTOUCHED, "engine": "remote"}
            )
            result = await options.async_configure(
                result["flow_id"],
                {
                    "engine_url": f"http://{address}",
                    "engine_token": (tmp_path / "token").read_text(),
                },
            )
            assert result["step_id"] == "remote_found"
            assert (result["description_placeholders"] or {})["backend"] == "native"
            await options.async_configure(result["flow_id"], {})
            await hass.async_block_till_done()
            (client,) = engine_keeper(hass).clients
            assert client.pid is None

            call = await gateway.ring("3", caller="0451234567")
            await house.event("incoming")
            await house.act("answer")
            await call.answered()
            await house.event("connected")
        assert (await house.event("ended"))["reason"] == "engine_lost"
        call.forget()
        registry = ir.async_get(hass)
        issue = (DOMAIN, f"engine_{entry.entry_id}")
        async with asyncio.timeout(30):
            while registry.async_get_issue(*issue) is None:
                await asyncio.sleep(0.05)
        await house.until(lambda: state_of(hass, REGISTERED).state == "on")
        async with container(tmp_path, address):
            async with asyncio.timeout(30):
                while registry.async_get_issue(*issue):
                    await asyncio.sleep(0.05)
            await house.until(lambda: state_of(hass, REGISTERED).state == "on")
            await gateway.ring("3", caller="0451234567")
            await house.until(lambda: state_of(hass, "sensor.line_call_state").state == "ringing")
            await hass.config_entries.async_unload(entry.entry_id)
            await gateway.unregistered()
    assert engine_keeper(hass).clients == ()
