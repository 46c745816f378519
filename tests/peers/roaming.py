"""A line on a host whose addresses change: `python -m tests.peers.roaming FILE`.

The gateway's name is looked up in the file, an address a line. What is told of the
registration is printed, one JSON object a line.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from unittest import mock

from custom_components.hikari_denwa.telephony import address
from custom_components.hikari_denwa.telephony.address import Endpoint
from custom_components.hikari_denwa.telephony.engine import lines
from custom_components.hikari_denwa.telephony.engine.commands import Engine
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.protocol import (
    AddLine,
    Event,
    LineConfig,
    RegistrationChanged,
)


def _listed(names: Path) -> list[str]:
    """Read what the gateway's name stands for."""
    return names.read_text().split()


async def main(names: Path) -> None:
    """Keep the line registered until the process is told to end."""

    async def resolve(host: str) -> tuple[Endpoint, ...]:
        """Look the gateway up in the file."""
        literals = _listed(names) if host == "gateway" else [host]
        found = [(literal, address.literal_family(literal)) for literal in literals]
        return tuple(
            Endpoint(address=literal, family=family) for literal, family in found if family
        )

    def tell(event: Event) -> None:
        """Print what is told."""
        if isinstance(event, RegistrationChanged):
            told = {
                "state": event.state,
                "gateway": event.gateway_address,
                "local": event.local_address,
                "reason": event.reason,
                "placeholders": event.placeholders,
            }
            print(json.dumps(told), flush=True)  # noqa: T201 - this is a command

    mock.patch.object(lines, "resolve", resolve).start()
    engine = Engine(NativeBackend, emit=tell, emit_sound=lambda _: None)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await engine.start()
    engine.watch()
    config = LineConfig(
        gateway=sys.argv[2] if len(sys.argv) > 2 else "gateway",
        extension="3",
        user_id="0003",
        password="secret-3",
    )
    await engine.carry_out(AddLine(id=1, line="line", config=config))
    await end.wait()
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
