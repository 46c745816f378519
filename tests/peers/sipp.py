"""SIPp as the gateway: flows that no well-behaved peer would produce, from scenario files."""

import asyncio
from pathlib import Path

from .processes import Peer, PeerError, bracketed, free_port

SCENARIOS = Path(__file__).parent / "scenarios"


class Sipp(Peer):
    """One run of a scenario; it takes the engine's REGISTER first, without a challenge.

    SIPp's own retransmission is off (``-nr``), so that every datagram of the flow,
    each repetition too, is named in the scenario and counted.
    """

    def __init__(self, folder: Path, address: str, scenario: str, *, calls: int = 1) -> None:
        """Keep the scenario and choose free ports; ``calls`` counts Call-IDs that come in."""
        self.address = address
        self.port = free_port(address)
        self.scenario = scenario
        self._calls = calls
        folder.mkdir()
        media_port = free_port(address) & ~1
        super().__init__(
            "sipp",
            ["-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", bracketed(address),
             "-mi", address, "-p", str(self.port), "-mp", str(media_port), "-m", str(calls),
             "-nr", "-nostdin", "-timeout", "30s", "-timeout_error", "-rtp_echo",
             "-trace_err", "-error_file", "errors.log",
             "-trace_msg", "-message_file", "messages.log"],
            folder,
        )  # fmt: skip

    async def ready(self) -> None:
        """Wait until SIPp listens; its screen tells that a second later."""
        for _ in range(250):
            if self._listens():
                return
            await asyncio.sleep(0.02)
        raise PeerError(f"SIPp does not serve:\n{self.tail()}")

    async def saw(self, text: str, times: int, time_limit: float = 15.0) -> None:
        """Wait until its messages of both directions have a text so often; raises PeerError."""
        loop = asyncio.get_running_loop()
        end = loop.time() + time_limit
        while self._file("messages.log").count(text) < times:
            if loop.time() > end:
                raise PeerError(f"no {text} in:\n{self._file('messages.log')}")
            await asyncio.sleep(0.05)

    async def passed(self, time_limit: float = 30.0) -> None:
        """Wait for the end of the scenario; raises PeerError with the flow if it went wrong."""
        status = await self.exit_status(time_limit)
        if status != 0:
            raise PeerError(
                f"SIPp ended {self.scenario} with {status}:\n{self._file('errors.log')}\n"
                f"{self._file('messages.log')}"
            )

    def _listens(self) -> bool:
        """Tell whether the port is in the kernel's table of UDP sockets."""
        table = Path("/proc/net/udp6" if ":" in self.address else "/proc/net/udp")
        return f":{self.port:04X} " in table.read_text()

    def _file(self, name: str) -> str:
        """Return one of SIPp's own files."""
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""
