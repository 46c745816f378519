"""A question from a socket of its own: is a SIP server there? Nothing there changes by it."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from ....errors import RegistrationError
from ...backend import Account
from .dialog import new_cseq, new_tag
from .digest import DigestClient
from .exchange import Requester
from .messages import MessageError, Request, Response, parse
from .transactions import ClientUser, TransactionLayer
from .transport import Address, UdpTransport, local_address_towards
from .uri import NameAddress, SipUri

_USUAL_PORT = 5060
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
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bool] = loop.create_future()

    def settle(*, there: bool) -> None:
        """Take the first word."""
        if not answered.done():
            answered.set_result(there)

    layer = TransactionLayer(
        loop,
        transport.send,
        local=transport.local,
        on_request=lambda _: None,
        on_ack=lambda _: None,
    )

    def receive(datagram: bytes, _source: Address, _at: float) -> None:
        """Take a response; the gateway has nothing to ask us here."""
        with suppress(MessageError):
            if isinstance(message := parse(datagram), Response):
                layer.receive_response(message)

    transport.on_datagram = receive
    transport.on_unreachable = layer.unreachable
    requester = Requester(
        layer,
        local=transport.local,
        gateway=(account.gateway, account.port),
        digest=DigestClient("", ""),
    )
    began = loop.time()
    requester.send(
        request,
        ClientUser(
            on_response=lambda response: settle(there=True) if response.status >= 200 else None,
            on_failure=lambda _: settle(there=False),
        ),
    )
    try:
        async with asyncio.timeout(time_limit):
            return loop.time() - began if await answered else None
    except TimeoutError:
        return None
    finally:
        layer.close()


def _request(account: Account, method: str) -> Request:
    """Make the request, in the name of the extension."""
    port = None if account.port == _USUAL_PORT else account.port
    gateway = SipUri(host=account.gateway, port=port)
    own = SipUri(user=account.extension, host=account.gateway, port=port)
    request = Request(method, gateway)
    headers = request.headers
    headers.add("Max-Forwards", "70")
    headers.add("From", str(NameAddress(None, own).with_tag(new_tag())))
    headers.add("To", str(NameAddress(None, own if method == _REGISTER else gateway)))
    headers.add("Call-ID", secrets.token_hex(16))
    headers.add("CSeq", f"{new_cseq()} {method}")
    if method == _OPTIONS:
        headers.add("Accept", "application/sdp")
    return request
