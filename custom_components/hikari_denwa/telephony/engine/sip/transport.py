"""One UDP socket to one gateway, and nobody else (RFC 3261 §18, RFC 3581)."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from ...calls import Family
from ...errors import GatewayUnreachableError
from .messages import Request

Address = tuple[str, int]
"""A literal without brackets, and a port."""
DATAGRAM_BUFFER = memoryview(bytearray(65535))
"""What datagrams are read into, to be copied out at once.

Where each is read into bytes of its own, the largest that may come and then shrunk to what did,
whatever is kept of it has a hole behind it: 5,000 calls made the heap grow by 10 MiB.
"""

_LOGGER = logging.getLogger(__name__)
_MAX_READ_AT_ONCE = 64
_EXPEDITED_FORWARDING = 0xB8
# linux/in6.h, RFC 5014: a privacy address is given up within a day, a registration is not.
_IPV6_ADDR_PREFERENCES = 72
_IPV6_PREFER_SRC_PUBLIC = 0x0002
# linux/in.h and in6.h; the socket module names them from Python 3.14 on.
_IP_RECVERR = 11
_IPV6_RECVERR = 25


def local_address_towards(gateway: str, port: int, family: Family) -> str:
    """Give the source address that routes to the gateway; sends nothing.

    Raises GatewayUnreachableError when there is no route or the address has another family.
    """
    with socket.socket(_socket_family(family), socket.SOCK_DGRAM) as probe:
        _prefer_lasting_address(probe, family)
        try:
            probe.connect((gateway, port))
        except OSError as error:
            raise _no_way(gateway, family) from error
        return str(probe.getsockname()[0])


def reply_destination(request: Request, source: Address) -> Address:
    """Tell where the response to a request goes (§18.2.2, RFC 3581 §4).

    `maddr` and names in sent-by are passed over: nothing is sent to a third host.
    """
    via = request.via
    if via.rport is not None:
        return source
    return source[0], via.port or 5060


class UdpTransport:
    """A socket bound to one local address that hears one gateway alone.

    Datagrams of anybody else are dropped unread. `on_datagram` gets the bytes, the source
    and the Unix time of the reading; `on_unreachable` is called when the gateway's host says
    that nothing listens there, or that there is no way to it.
    """

    def __init__(self, sock: socket.socket, gateway: str) -> None:
        """Take a bound, non-blocking socket."""
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._gateway = ip_address(gateway).packed
        self._family = sock.family
        self._known: dict[str, bool] = {}
        self.on_datagram: Callable[[bytes, Address, float], None] = _ignore
        self.on_unreachable: Callable[[], None] = _ignore
        name = sock.getsockname()
        self.local: Address = (str(name[0]), int(name[1]))
        self._loop.add_reader(sock, self._readable)

    @classmethod
    def open(cls, local_address: str, gateway: str, family: Family) -> UdpTransport:
        """Bind a free port of the local address; raises GatewayUnreachableError if it is gone."""
        sock = socket.socket(_socket_family(family), socket.SOCK_DGRAM)
        try:
            sock.settimeout(0)
            _ask_for_errors(sock, family)
            _mark_expedited(sock, family)
            sock.bind((local_address, 0))
            return cls(sock, gateway)
        except OSError as error:
            sock.close()
            raise _no_way(gateway, family) from error

    def send(self, data: bytes, destination: Address) -> None:
        """Send a datagram; a failure is told by `on_unreachable`, later."""
        if self._socket.fileno() < 0:
            return
        try:
            self._socket.sendto(data, destination)
        except (BlockingIOError, InterruptedError):
            # The retransmission timers see to a datagram that the kernel had no room for.
            return
        except OSError as error:
            _LOGGER.debug("Cannot send to %s: %s", destination, error)
            self._loop.call_soon(self._tell_unreachable)

    def close(self) -> None:
        """Close the socket; nothing is called back afterwards."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        self.on_datagram = _ignore
        self.on_unreachable = _ignore

    def _tell_unreachable(self) -> None:
        """Tell it unless the socket was closed meanwhile."""
        self.on_unreachable()

    def _readable(self) -> None:
        """Read what is there, a bounded number of datagrams at once."""
        for _ in range(_MAX_READ_AT_ONCE):
            try:
                length, source = self._socket.recvfrom_into(DATAGRAM_BUFFER)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                _LOGGER.debug("The socket reports: %s", error)
                continue
            at = time.time()
            if self._from_gateway(source[0]):
                self.on_datagram(bytes(DATAGRAM_BUFFER[:length]), (source[0], source[1]), at)
            if self._socket.fileno() < 0:
                return
        self._read_errors()

    def _read_errors(self) -> None:
        """Empty the queue of ICMP errors: while it holds one, the socket stays readable."""
        if sys.platform != "linux":
            return
        for _ in range(_MAX_READ_AT_ONCE):
            try:
                _, _, _, destination = self._socket.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            if destination and self._from_gateway(destination[0]):
                self.on_unreachable()
            if self._socket.fileno() < 0:
                return

    def _from_gateway(self, host: str) -> bool:
        """Tell whether an address of the kernel's is the gateway's."""
        if host not in self._known:
            if len(self._known) > _MAX_READ_AT_ONCE:
                self._known.clear()
            try:
                self._known[host] = ip_address(host).packed == self._gateway
            except ValueError:
                self._known[host] = False
        return self._known[host]


def _ignore(*_: object) -> None:
    """Take whatever is told and do nothing."""


def _no_way(gateway: str, family: Family) -> GatewayUnreachableError:
    """Say that there is no way to the gateway, so that nothing was sent."""
    error = GatewayUnreachableError(address=gateway, family=family)
    error.sent = False
    return error


def _socket_family(family: Family) -> socket.AddressFamily:
    """Give the socket's family."""
    return socket.AF_INET6 if family is Family.IPV6 else socket.AF_INET


def _prefer_lasting_address(sock: socket.socket, family: Family) -> None:
    """Ask for a public source address rather than a temporary one, where the system can."""
    if family is Family.IPV6 and sys.platform == "linux":
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_ADDR_PREFERENCES, _IPV6_PREFER_SRC_PUBLIC)


def _ask_for_errors(sock: socket.socket, family: Family) -> None:
    """Ask for ICMP errors, which Linux keeps from unconnected sockets otherwise."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        if family is Family.IPV6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def _mark_expedited(sock: socket.socket, family: Family) -> None:
    """Mark the datagrams for expedited forwarding, where the system lets us."""
    with suppress(OSError):
        if family is Family.IPV6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
