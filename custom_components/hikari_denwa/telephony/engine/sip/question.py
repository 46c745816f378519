"""One OPTIONS from a socket of its own: is a SIP server there (RFC 3261 §11)?"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from ...errors import RegistrationError
from ..backend import Account
from .binding import address_of_record, registrar_of
from .manners import USER_AGENT, new_tag
from .messages import MessageError, Request, Response, parse
from .own_requests import OwnRequests
from .transport import Address, UdpTransport, local_address_towards
from .uri import NameAddress


async def ask(account: Account, *, time_limit: float) -> float | None:
    """Return the seconds until a final response, whatever it says; None without one."""
    try:
        local = local_address_towards(account.gateway, account.port, account.family)
        transport = UdpTransport.open(local, account.gateway, account.family)
    except RegistrationError:
        return None
    try:
        return await _ask_over(transport, account, time_limit)
    finally:
        transport.close()


async def _ask_over(transport: UdpTransport, account: Account, time_limit: float) -> float | None:
    """Ask from a socket that is open."""
    gateway = account.gateway, account.port
    requests = OwnRequests(transport.local, lambda datagram: transport.send(datagram, gateway))

    def receive(datagram: bytes, _source: Address, _at: float) -> None:
        """Take a response; the gateway has nothing to ask us here."""
        with suppress(MessageError):
            if isinstance(message := parse(datagram), Response):
                requests.take(message)

    transport.on_datagram = receive
    transport.on_unreachable = requests.fail
    loop = asyncio.get_running_loop()
    began = loop.time()
    response = await requests.ask(_options(account), time_limit=time_limit)
    return loop.time() - began if response else None


def _options(account: Account) -> Request:
    """Make the request, in the name of the extension."""
    gateway = registrar_of(account)
    request = Request("OPTIONS", gateway)
    headers = request.headers
    headers.add("Max-Forwards", "70")
    headers.add("From", str(NameAddress(None, address_of_record(account)).with_tag(new_tag())))
    headers.add("To", str(NameAddress(None, gateway)))
    headers.add("Call-ID", secrets.token_hex(16))
    headers.add("CSeq", "1 OPTIONS")
    headers.add("User-Agent", USER_AGENT)
    headers.add("Accept", "application/sdp")
    return request
