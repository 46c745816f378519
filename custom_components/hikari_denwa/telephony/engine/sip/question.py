"""A question from a socket of its own: is a SIP server there? Nothing there changes by it."""

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

_OPTIONS = "OPTIONS"
_REGISTER = "REGISTER"


async def speaks_sip(account: Account, *, time_limit: float) -> bool:
    """Tell whether an address answers in SIP, whatever it answers.

    Asks by OPTIONS, and then, because units that never answer those do answer a REGISTER
    (home-gateway facts §1.2), by one without a Contact: that only asks what is bound
    (RFC 3261 §10.2.1, §10.3), and without credentials it comes to no more than a challenge.
    """
    for method in (_OPTIONS, _REGISTER):
        if await ask(account, time_limit=time_limit / 2, method=method) is not None:
            return True
    return False


async def ask(account: Account, *, time_limit: float, method: str = _OPTIONS) -> float | None:
    """Return the seconds until a final response, whatever it says; None without one.

    OPTIONS is RFC 3261 §11.
    """
    try:
        local = local_address_towards(account.gateway, account.port, account.family)
        transport = UdpTransport.open(local, account.gateway, account.family)
    except RegistrationError:
        return None
    try:
        return await _ask_over(transport, account, _request(account, method), time_limit)
    finally:
        transport.close()


async def _ask_over(
    transport: UdpTransport, account: Account, request: Request, time_limit: float
) -> float | None:
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
    response = await requests.ask(request, time_limit=time_limit)
    return loop.time() - began if response else None


def _request(account: Account, method: str) -> Request:
    """Make the request, in the name of the extension."""
    gateway = registrar_of(account)
    own = address_of_record(account)
    request = Request(method, gateway)
    headers = request.headers
    headers.add("Max-Forwards", "70")
    headers.add("From", str(NameAddress(None, own).with_tag(new_tag())))
    headers.add("To", str(NameAddress(None, own if method == _REGISTER else gateway)))
    headers.add("Call-ID", secrets.token_hex(16))
    headers.add("CSeq", f"1 {method}")
    headers.add("User-Agent", USER_AGENT)
    if method == _OPTIONS:
        headers.add("Accept", "application/sdp")
    return request
