"""A question to a host that may be a gateway: does it speak SIP? Nothing there changes by it."""

from __future__ import annotations

import asyncio
import secrets

from ....calls import Family
from ....errors import RegistrationError
from .clock import TimerValues
from .dialog import new_cseq, new_tag
from .digest import DigestClient
from .exchange import Requester
from .messages import MessageError, Request, Response, parse
from .transactions import ClientUser, Failure, ServerTransaction, TransactionLayer
from .transport import Address, UdpTransport, local_address_towards
from .uri import NameAddress, SipUri

# Units that never answer OPTIONS do answer a REGISTER (home-gateway facts §1.2).
_METHODS = ("OPTIONS", "REGISTER")


async def speaks_sip(gateway: str, port: int, family: Family, *, time_limit: float) -> bool:
    """Tell whether a literal address answers in SIP, whatever it answers.

    Asks by OPTIONS, and then by a REGISTER without a Contact, which only asks for what is bound
    (RFC 3261 §10.2.1, §10.3): without credentials it comes to nothing more than a challenge.
    """
    try:
        local = local_address_towards(gateway, port, family)
        transport = UdpTransport.open(local, gateway, family)
    except RegistrationError:
        return False
    question = _Question(transport, (gateway, port))
    try:
        for method in _METHODS:
            if await question.ask(method, time_limit=time_limit / len(_METHODS)):
                return True
    finally:
        question.close()
    return False


class _Question:
    """One socket that asks one host."""

    def __init__(self, transport: UdpTransport, gateway: Address) -> None:
        """Take the socket and whom to ask."""
        self._transport = transport
        self._layer = TransactionLayer(
            asyncio.get_running_loop(),
            transport.send,
            local=transport.local,
            values=TimerValues(),
            on_request=_pass_over,
            on_ack=_pass_over,
        )
        self._requester = Requester(
            self._layer, local=transport.local, gateway=gateway, digest=DigestClient("", "")
        )
        self._gateway = SipUri(host=gateway[0], port=None if gateway[1] == 5060 else gateway[1])
        self._answer: asyncio.Future[bool] | None = None
        transport.on_datagram = self._receive
        transport.on_unreachable = self._layer.unreachable

    async def ask(self, method: str, *, time_limit: float) -> bool:
        """Send one request, and tell whether a final response came."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answer = answer
        user = ClientUser(on_response=self._respond, on_failure=self._fail)
        transaction = self._requester.send(self._request(method), user)
        try:
            async with asyncio.timeout(time_limit):
                return await answer
        except TimeoutError:
            return False
        finally:
            transaction.terminate()

    def close(self) -> None:
        """Leave nothing open."""
        self._layer.close()
        self._transport.close()

    def _request(self, method: str) -> Request:
        """Make the question, in nobody's name."""
        request = Request(method, self._gateway)
        headers = request.headers
        nobody = SipUri(user="anonymous", host=self._gateway.host, port=self._gateway.port)
        whom = nobody if method == "REGISTER" else self._gateway
        headers.add("Max-Forwards", "70")
        headers.add("From", str(NameAddress(None, nobody).with_tag(new_tag())))
        headers.add("To", str(NameAddress(None, whom)))
        headers.add("Call-ID", secrets.token_hex(16))
        headers.add("CSeq", f"{new_cseq()} {method}")
        if method == "OPTIONS":
            headers.add("Accept", "application/sdp")
        return request

    def _receive(self, datagram: bytes, _source: Address, _at: float) -> None:
        """Take a datagram; what is no response is passed over."""
        try:
            message = parse(datagram)
            if isinstance(message, Response):
                self._layer.receive_response(message)
        except MessageError:
            return

    def _respond(self, response: Response) -> None:
        """Take a response."""
        if response.status >= 200 and self._answer and not self._answer.done():
            self._answer.set_result(True)

    def _fail(self, _: Failure) -> None:
        """Take it that nobody is there."""
        if self._answer and not self._answer.done():
            self._answer.set_result(False)


def _pass_over(_: ServerTransaction | Request) -> None:
    """Take a request of somebody's and do nothing."""
