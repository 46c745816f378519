"""Requests of ours on their way: Via, next hop, challenges (RFC 3261 §8.1, §22)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from ...sip.binding import CHALLENGES
from ...sip.digest import DigestClient, parse_challenges, strongest
from ...sip.messages import Request, Response
from ...sip.transport import Address
from ...sip.uri import SipUri, Uri, Via
from .transactions import (
    ClientTransaction,
    ClientUser,
    InviteClient,
    TransactionLayer,
    new_branch,
)

# Some gateways are said to answer 400 to a Via with rport (home-gateway facts §1.2).
_RETRIED_WITHOUT_RPORT = ("REGISTER", "INVITE")


class Requester:
    """Sends the requests of one line to its gateway, whatever host their URI names."""

    def __init__(
        self, layer: TransactionLayer, *, local: Address, gateway: Address, digest: DigestClient
    ) -> None:
        """Take the transactions, our address, the gateway's, and what answers challenges."""
        self.layer = layer
        self.digest = digest
        self.rport = True
        self._local = local
        self._gateway = gateway

    def send(self, request: Request, user: ClientUser) -> ClientTransaction:
        """Send a request in a new transaction."""
        self._set_via(request)
        return self.layer.request(request, self.next_hop(request), user)

    def send_ack(self, ack: Request) -> Callable[[], None]:
        """Send the ACK of a 2xx, outside of transactions; gives what sends it again (§13.2.2.4)."""
        self._set_via(ack)
        data, destination = ack.encode(), self.next_hop(ack)

        def again() -> None:
            """Send the same datagram."""
            self.layer.send(data, destination)

        again()
        return again

    def next_hop(self, request: Request) -> Address:
        """Tell where a request goes (§8.1.2), the gateway's host being the only one there is."""
        route = next(iter(request.routes), None)
        uri = route.uri if route else request.uri
        if isinstance(uri, SipUri) and self._is_gateway(uri):
            return self._gateway[0], uri.port or 5060
        return self._gateway

    def _is_gateway(self, uri: Uri) -> bool:
        """Tell whether a URI's host is the gateway's literal."""
        try:
            return isinstance(uri, SipUri) and ip_address(uri.host) == ip_address(self._gateway[0])
        except ValueError:
            return False

    def _set_via(self, request: Request) -> None:
        """Give a request our Via with a new branch (§8.1.1.7, RFC 3581 §3)."""
        parameters: tuple[tuple[str, str | None], ...] = (("branch", new_branch()),)
        if self.rport:
            parameters = (*parameters, ("rport", None))
        request.headers.remove("Via")
        request.headers.prepend("Via", str(Via("SIP/2.0/UDP", *self._local, parameters)))


class Exchange:
    """One request until its final response, sent anew where the gateway wants it so.

    A challenge is answered once, and once more if the gateway calls the nonce stale. A 400 to
    a Via with rport is answered by the same without, from then on. The user hears every
    response but those, and `request` is the request that was sent last. `round_trip` is the
    shortest time in seconds that the gateway took for a final response; where a request was sent
    twice, nobody knows which of the two was answered.
    """

    def __init__(
        self,
        requester: Requester,
        request: Request,
        user: ClientUser,
        *,
        next_cseq: Callable[[], int],
    ) -> None:
        """Take the request without Via, and what gives the CSeq number of a repetition."""
        self.request = request
        self.credentials_sent = False
        self.round_trip: float | None = None
        self._requester = requester
        self._user = user
        self._next_cseq = next_cseq
        self._answered = dict.fromkeys(CHALLENGES, 0)
        self._dropped_rport = False
        self._cancelled = False
        self._transaction: ClientTransaction | None = None
        self._began_at = 0.0

    def start(self) -> None:
        """Send the request for the first time."""
        user = ClientUser(on_response=self._respond, on_failure=self._user.on_failure)
        self._began_at = self._requester.layer.clock.time()
        self._transaction = self._requester.send(self.request, user)

    def cancel(self, reason: str | None = None) -> None:
        """Cancel an INVITE (§9.1); no challenge is answered from now on."""
        self._cancelled = True
        if isinstance(self._transaction, InviteClient):
            self._transaction.cancel(reason)

    def abandon(self) -> None:
        """Forget about it; the user hears nothing more."""
        if self._transaction:
            self._transaction.terminate()

    def _respond(self, response: Response) -> None:
        """Send the request anew, or tell the user."""
        self._time(response)
        if not self._cancelled and (self._answer(response) or self._drop_rport(response)):
            self.start()
        else:
            self._user.on_response(response)

    def _time(self, response: Response) -> None:
        """Take the time of a final response."""
        if response.status >= 200 and self._transaction and self._transaction.sent == 1:
            took = self._requester.layer.clock.time() - self._began_at
            self.round_trip = took if self.round_trip is None else min(self.round_trip, took)

    def _answer(self, response: Response) -> bool:
        """Put credentials into the request, if an answer is left to give."""
        if response.status not in CHALLENGES:
            return False
        challenged, answered = CHALLENGES[response.status]
        challenge = strongest(parse_challenges(response.headers.get_all(challenged)))
        count = self._answered[response.status]
        if challenge is None or count > 1 or (count and not challenge.stale):
            return False
        value = self._requester.digest.authorization(
            challenge, self.request.method, str(self.request.uri), self.request.body
        )
        if value is None:
            return False
        self._answered[response.status] += 1
        self.credentials_sent = True
        self._renew()
        self.request.headers.set(answered, value)
        return True

    def _drop_rport(self, response: Response) -> bool:
        """Leave rport out after a 400, unless that was done already and did not help."""
        if response.status != 400:
            return False
        if self._dropped_rport:
            self._requester.rport = True
            return False
        if not self._requester.rport or self.request.method not in _RETRIED_WITHOUT_RPORT:
            return False
        self._dropped_rport = True
        self._requester.rport = False
        self._renew()
        return True

    def _renew(self) -> None:
        """Make the request a new one: its own CSeq number, and a copy of its own (§22.2)."""
        self.request = self.request.copy()
        self.request.headers.set("CSeq", f"{self._next_cseq()} {self.request.method}")
