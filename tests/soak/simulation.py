"""Hours in seconds: an event loop whose time leaps, and a network that is a table.

The engine and the simulated gateway run as they are; only their clock and their sockets are
exchanged. Nothing here waits, so a run gives the same every time.
"""

import asyncio
import ipaddress
import itertools
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.errors import GatewayUnreachableError
from tests.home_gateway.config import Family as GatewayFamily
from tests.home_gateway.transport import Peer, Stamp

type Address = tuple[str, int]
type GatewayReceiver = Callable[[bytes, Peer, Stamp], None]

WALL_AT_START = 1_800_000_000.0


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, moves the time to the end of the wait."""

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give what is ready; if nothing is, let the time pass at once."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return super().select(None)
        self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop in which no time is waited for."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.clock = _Selector()
        super().__init__(self.clock)

    def time(self) -> float:
        """Give the simulated time; never before the timer that it was moved for."""
        return self.clock.now

    @property
    def timers(self) -> int:
        """Count what is to happen later."""
        return sum(not timer.cancelled() for timer in self._scheduled)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A datagram that the engine put on the wire."""

    at: float
    source: Address
    destination: Address
    data: bytes

    @property
    def method(self) -> str:
        """Give the method, or SIP/2.0 for a response."""
        return self.data.partition(b" ")[0].decode()

    def header(self, name: str) -> str:
        """Give the first value of a header."""
        for line in self.data.decode().split("\r\n"):
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return ""


class House:
    """A house: our addresses, those of the gateway, and the wire between them.

    ``asleep`` is how much longer the world went on than we were awake.
    """

    def __init__(self, loop: SimulatedLoop) -> None:
        """Begin with nothing but a wire."""
        self.loop = loop
        self.asleep = 0.0
        self.own: list[str] = []
        self.dead_hosts: set[str] = set()
        self.sent: list[Sent] = []
        self.keeps_log = True
        self.transports: dict[Address, SimulatedTransport] = {}
        self.gateways: dict[Address, SimulatedGatewaySocket] = {}
        self.ports = itertools.count(40000)

    def world_time(self) -> float:
        """Give the time for those who do not sleep."""
        return self.loop.time() + self.asleep

    def source(self, gateway: str, port: int, family: Family) -> str:
        """Give our address towards the gateway: the newest of the family."""
        del port
        version = ipaddress.ip_address(gateway).version
        for own in reversed(self.own):
            if ipaddress.ip_address(own).version == version:
                return own
        error = GatewayUnreachableError(address=gateway, family=family)
        error.sent = False
        raise error

    def transmit(self, transport: SimulatedTransport, data: bytes, destination: Address) -> None:
        """Bring a datagram of the engine to where it goes, if that is there."""
        if self.keeps_log:
            self.sent.append(
                Sent(
                    at=self.loop.time(),
                    source=transport.local,
                    destination=destination,
                    data=data,
                )
            )
        receiver = self.gateways.get(destination)
        if transport.local[0] not in self.own:
            self.loop.call_soon(transport.tell_unreachable)
        elif receiver:
            self.loop.call_soon(receiver.receive, data, transport.local)
        elif (
            any(host == destination[0] for host, _ in self.gateways)
            or destination[0] in self.dead_hosts
        ):
            self.loop.call_soon(transport.tell_unreachable)

    def answer(self, data: bytes, source: Address, destination: Address) -> None:
        """Bring a datagram of the gateway to us, if we are there."""
        transport = self.transports.get(destination)
        if transport and destination[0] in self.own:
            self.loop.call_soon(transport.receive, data, source)


class SimulatedTransport:
    """What the user agent takes for its socket."""

    def __init__(self, house: House, local_address: str) -> None:
        """Take a port."""
        self._house = house
        self.local: Address = (local_address, next(house.ports))
        self.on_datagram: Callable[[bytes, Address, float], None] = _ignore
        self.on_unreachable: Callable[[], None] = _ignore
        house.transports[self.local] = self

    def send(self, data: bytes, destination: Address) -> None:
        """Send a datagram."""
        if self.local in self._house.transports:
            self._house.transmit(self, data, destination)

    def close(self) -> None:
        """Free the port."""
        self._house.transports.pop(self.local, None)
        self.on_datagram = _ignore
        self.on_unreachable = _ignore

    def receive(self, data: bytes, source: Address) -> None:
        """Take a datagram."""
        self.on_datagram(data, source, self._house.world_time())

    def tell_unreachable(self) -> None:
        """Hear of an ICMP error."""
        self.on_unreachable()


class SimulatedGatewaySocket:
    """What the simulated gateway takes for its socket."""

    def __init__(self, house: House, host: str, port: int, receiver: GatewayReceiver) -> None:
        """Bind."""
        self._house = house
        self._receiver = receiver
        self.host = host
        self.port = port
        self.family = _peer(host, port).family
        self.closed = False
        house.gateways[host, port] = self

    def send(self, data: bytes, peer: Peer) -> None:
        """Send a datagram."""
        if not self.closed:
            self._house.answer(data, (self.host, self.port), (peer.host, peer.port))

    def close(self) -> None:
        """Free the port."""
        self.closed = True
        if self._house.gateways.get((self.host, self.port)) is self:
            del self._house.gateways[self.host, self.port]

    def receive(self, data: bytes, source: Address) -> None:
        """Take a datagram."""
        if not self.closed:
            now = self._house.world_time()
            self._receiver(data, _peer(*source), Stamp(now, WALL_AT_START + now))


def run(loop: SimulatedLoop, main: Coroutine[object, object, None]) -> None:
    """Run to the end, and leave no task."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)


def _peer(host: str, port: int) -> Peer:
    """Name the other side as the gateway does."""
    return Peer(GatewayFamily.V6 if ":" in host else GatewayFamily.V4, host, port)


def _ignore(*_: object) -> None:
    """Take whatever is told and do nothing."""
