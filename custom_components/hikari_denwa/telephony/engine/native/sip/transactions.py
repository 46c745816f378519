"""The four transaction state machines over UDP (RFC 3261 §17, RFC 6026)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from ...sip.clock import Clock, Timer, TimerValues
from ...sip.messages import Request, Response
from ...sip.transport import Address, reply_destination
from ...sip.uri import Via

Send = Callable[[bytes, Address], None]
Key = tuple[str, ...]

MAGIC_COOKIE = "z9hG4bK"
# An answered request is kept for 32 s (timer J): room for some tens of them in each second.
MAX_SERVER_TRANSACTIONS = 2048
# §17.2.1: a 100 is due when the user does not answer within 200 ms.
TRYING_AFTER = 0.2


class State(StrEnum):
    """Where a transaction stands (figures 5 to 8, and RFC 6026 §7)."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Failure(StrEnum):
    """Why a transaction ended without a final response."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class ClientUser:
    """Who hears what becomes of a request: each response that matters, or one failure."""

    on_response: Callable[[Response], None]
    on_failure: Callable[[Failure], None]


def new_branch() -> str:
    """Make a branch that no other transaction has (§8.1.1.7)."""
    return MAGIC_COOKIE + secrets.token_hex(8)


class _Transaction:
    """What all four machines share: the state and the timers by their letters."""

    def __init__(self, layer: TransactionLayer, key: Key, state: State) -> None:
        """Start in a state."""
        self._layer = layer
        self._timers: dict[str, Timer] = {}
        self.key = key
        self.state = state

    @property
    def _values(self) -> TimerValues:
        """Give the base values."""
        return self._layer.values

    def _start(self, letter: str, delay: float, callback: Callable[[], object]) -> None:
        """Start a timer, anew if it runs."""
        self._stop(letter)
        self._timers[letter] = self._layer.clock.call_later(delay, callback)

    def _stop(self, *letters: str) -> None:
        """Stop timers, if they run."""
        for letter in letters:
            if timer := self._timers.pop(letter, None):
                timer.cancel()

    def terminate(self) -> None:
        """End at once and be forgotten; nothing is told."""
        self._stop(*self._timers)
        self.state = State.TERMINATED
        self._layer.forget(self)


class ClientTransaction(_Transaction):
    """A request of ours on its way."""

    def __init__(
        self,
        layer: TransactionLayer,
        request: Request,
        destination: Address,
        user: ClientUser,
        state: State,
    ) -> None:
        """Take a request whose topmost Via has a branch of its own; ``sent`` counts how often."""
        super().__init__(layer, (request.via.branch or "", request.method), state)
        self.request = request
        self.sent = 0
        self._destination = destination
        self._user = user
        self._data = request.encode()

    def start(self) -> None:
        """Send the request for the first time."""
        raise NotImplementedError

    def receive(self, response: Response) -> None:
        """Take a response that belongs to this transaction."""
        raise NotImplementedError

    def unreachable(self) -> None:
        """Hear that the destination does not exist."""
        if self.state in (State.CALLING, State.TRYING):
            self._fail(Failure.UNREACHABLE)

    def _send(self) -> None:
        """Send the request, again."""
        self.sent += 1
        self._layer.send(self._data, self._destination)

    def _fail(self, failure: Failure) -> None:
        """End and tell why."""
        self.terminate()
        self._user.on_failure(failure)


class InviteClient(ClientTransaction):
    """INVITE client transaction (§17.1.1, RFC 6026 §7.2). 2xx are acknowledged by the user."""

    def __init__(
        self, layer: TransactionLayer, request: Request, destination: Address, user: ClientUser
    ) -> None:
        """Begin in Calling."""
        super().__init__(layer, request, destination, user, State.CALLING)
        self._interval = layer.values.t1
        self._cancel: Request | None = None
        self._cancelled = False

    def start(self) -> None:
        """Send the INVITE for the first time."""
        self._start("B", self._values.timeout, lambda: self._fail(Failure.TIMEOUT))
        self._start("A", self._interval, self._timer_a)
        self._send()

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the INVITE as soon as a provisional response allows it (§9.1).

        What comes back is told as ever: mostly 487, a 2xx when it crossed the CANCEL.
        """
        if self._cancel or self.state not in (State.CALLING, State.PROCEEDING):
            return
        self._cancel = _cancel_of(self.request, reason)
        if self.state is State.PROCEEDING:
            self._send_cancel()

    def receive(self, response: Response) -> None:
        """Take a response."""
        calling = self.state in (State.CALLING, State.PROCEEDING)
        if response.status < 200:
            if calling:
                self._provisional(response)
        elif response.status < 300:
            if calling:
                self._stop("A", "B")
                self.state = State.ACCEPTED
                self._start("M", self._values.timeout, self.terminate)
            if self.state is State.ACCEPTED:
                self._user.on_response(response)
        elif calling:
            self._stop("A", "B")
            self.state = State.COMPLETED
            self._start("D", self._values.timeout, self.terminate)
            self._acknowledge(response)
            self._user.on_response(response)
        elif self.state is State.COMPLETED:
            self._acknowledge(response)

    def _provisional(self, response: Response) -> None:
        """Go on waiting, without retransmissions."""
        if self.state is State.CALLING:
            self.state = State.PROCEEDING
            self._stop("A", "B")
        if self._cancel and not self._cancelled:
            self._send_cancel()
        self._user.on_response(response)

    def _send_cancel(self) -> None:
        """Send the CANCEL; an INVITE that outlives it by 64*T1 is given up (§9.1)."""
        if not self._cancel:
            return
        self._cancelled = True
        self._start("B", self._values.timeout, lambda: self._fail(Failure.TIMEOUT))
        self._layer.request(self._cancel, self._destination, _NOBODY)

    def _timer_a(self) -> None:
        """Retransmit at growing intervals."""
        self._interval *= 2
        self._start("A", self._interval, self._timer_a)
        self._send()

    def _acknowledge(self, response: Response) -> None:
        """Acknowledge a final response other than 2xx, in this transaction (§17.1.1.3)."""
        ack = _same_branch(self.request, "ACK")
        ack.headers.set("To", response.headers.get("To") or "")
        self._layer.send(ack.encode(), self._destination)


class NonInviteClient(ClientTransaction):
    """Non-INVITE client transaction (§17.1.2)."""

    def __init__(
        self, layer: TransactionLayer, request: Request, destination: Address, user: ClientUser
    ) -> None:
        """Begin in Trying."""
        super().__init__(layer, request, destination, user, State.TRYING)
        self._interval = layer.values.t1

    def start(self) -> None:
        """Send the request for the first time."""
        self._start("F", self._values.timeout, lambda: self._fail(Failure.TIMEOUT))
        self._start("E", self._interval, self._timer_e)
        self._send()

    def receive(self, response: Response) -> None:
        """Take a response."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return
        if response.status < 200:
            self.state = State.PROCEEDING
        else:
            self._stop("E", "F")
            self.state = State.COMPLETED
            self._start("K", self._values.t4, self.terminate)
        self._user.on_response(response)

    def _timer_e(self) -> None:
        """Retransmit at growing intervals up to T2."""
        doubled = min(self._interval * 2, self._values.t2)
        self._interval = self._values.t2 if self.state is State.PROCEEDING else doubled
        self._start("E", self._interval, self._timer_e)
        self._send()


class ServerTransaction(_Transaction):
    """A request of the gateway's that is being answered."""

    def __init__(
        self,
        layer: TransactionLayer,
        key: Key,
        request: Request,
        destination: Address,
        state: State,
    ) -> None:
        """Take the request and where its responses go."""
        super().__init__(layer, key, state)
        self.request = request
        self.merged_key = _merged_key(request)
        self._destination = destination
        self._last: bytes | None = None

    def respond(self, response: Response) -> None:
        """Send a response; one that the state has no room for is dropped."""
        raise NotImplementedError

    def retransmission(self) -> None:
        """Take the request once more."""
        raise NotImplementedError

    def _send_last(self) -> None:
        """Send the latest response again, if there is one."""
        if self._last is not None:
            self._layer.send(self._last, self._destination)

    def _send(self, response: Response) -> None:
        """Send a response and keep it for retransmissions."""
        self._last = response.encode()
        self._send_last()


class InviteServer(ServerTransaction):
    """INVITE server transaction (§17.2.1, RFC 6026 §7.1). The user retransmits 2xx."""

    def __init__(
        self, layer: TransactionLayer, key: Key, request: Request, destination: Address
    ) -> None:
        """Begin in Proceeding; 100 goes out unless the user is quick."""
        super().__init__(layer, key, request, destination, State.PROCEEDING)
        self._interval = layer.values.t1
        self._start("100", TRYING_AFTER, self._trying)

    def respond(self, response: Response) -> None:
        """Send a response."""
        if self.state is State.PROCEEDING:
            self._stop("100")
            if 200 <= response.status < 300:
                self.state = State.ACCEPTED
                self._start("L", self._values.timeout, self.terminate)
            elif response.status >= 300:
                self.state = State.COMPLETED
                self._start("G", self._interval, self._timer_g)
                self._start("H", self._values.timeout, self.terminate)
            self._send(response)
        elif self.state is State.ACCEPTED and 200 <= response.status < 300:
            self._send(response)

    def retransmission(self) -> None:
        """Repeat the latest response, except a 2xx, which the user repeats."""
        if self.state in (State.PROCEEDING, State.COMPLETED):
            self._send_last()

    def acknowledged(self) -> bool:
        """Take an ACK; tells whether it was for this transaction, not for a 2xx."""
        if self.state is State.COMPLETED:
            self._stop("G", "H")
            self.state = State.CONFIRMED
            self._start("I", self._values.t4, self.terminate)
        return self.state is State.CONFIRMED

    def _trying(self) -> None:
        """Tell the gateway that the INVITE has arrived."""
        if self.state is State.PROCEEDING:
            self._send(self.request.reply(100))

    def _timer_g(self) -> None:
        """Retransmit the final response at growing intervals up to T2."""
        self._interval = min(self._interval * 2, self._values.t2)
        self._start("G", self._interval, self._timer_g)
        self._send_last()


class NonInviteServer(ServerTransaction):
    """Non-INVITE server transaction (§17.2.2)."""

    def __init__(
        self, layer: TransactionLayer, key: Key, request: Request, destination: Address
    ) -> None:
        """Begin in Trying."""
        super().__init__(layer, key, request, destination, State.TRYING)

    def respond(self, response: Response) -> None:
        """Send a response."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return
        if response.status < 200:
            self.state = State.PROCEEDING
        else:
            self.state = State.COMPLETED
            self._start("J", self._values.timeout, self.terminate)
        self._send(response)

    def retransmission(self) -> None:
        """Repeat the latest response; in Trying there is none."""
        self._send_last()


class TransactionLayer:
    """All transactions of one socket. It owns their timers; `close` leaves none.

    `on_request` gets new requests, `on_ack` each ACK that no transaction took (those of 2xx).
    """

    def __init__(
        self,
        clock: Clock,
        send: Send,
        *,
        local: Address,
        values: TimerValues | None = None,
        on_request: Callable[[ServerTransaction], None],
        on_ack: Callable[[Request], None],
    ) -> None:
        """Take the clock, the way out, and our own address as it stands in our Via."""
        self.clock = clock
        self.send = send
        self.values = values or TimerValues()
        self._local = local
        self._on_request = on_request
        self._on_ack = on_ack
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merged: dict[Key, ServerTransaction] = {}

    def __len__(self) -> int:
        """Count the transactions."""
        return len(self._clients) + len(self._servers)

    def request(
        self, request: Request, destination: Address, user: ClientUser
    ) -> ClientTransaction:
        """Send a request, whose topmost Via has a new branch, in a transaction of its own."""
        kind = InviteClient if request.method == "INVITE" else NonInviteClient
        transaction = kind(self, request, destination, user)
        self._clients[transaction.key] = transaction
        transaction.start()
        return transaction

    def receive_response(self, response: Response) -> None:
        """Hand a response to its transaction; one that has none is dropped (§18.1.2)."""
        vias = response.vias
        via = vias[0]
        if len(vias) > 1 or not _is_sent_by(via, self._local):
            return
        if transaction := self._clients.get((via.branch or "", response.cseq.method)):
            transaction.receive(response)

    def receive_request(self, request: Request, source: Address) -> None:
        """Hand a request to its transaction, or to the user in a new one (§17.2.3)."""
        request.mark_source(*source)
        key = _server_key(request, request.method)
        if request.method == "ACK":
            invite = self._servers.get(_server_key(request, "INVITE"))
            if not (isinstance(invite, InviteServer) and invite.acknowledged()):
                self._on_ack(request)
            return
        if known := self._servers.get(key):
            known.retransmission()
            return
        if len(self._servers) >= MAX_SERVER_TRANSACTIONS:
            return
        kind = InviteServer if request.method == "INVITE" else NonInviteServer
        transaction = kind(self, key, request, reply_destination(request, source))
        self._servers[key] = transaction
        if transaction.merged_key in self._merged:
            transaction.respond(request.reply(482, to_tag=secrets.token_hex(6)))
            return
        if transaction.merged_key:
            self._merged[transaction.merged_key] = transaction
        self._on_request(transaction)

    def invite_cancelled_by(self, cancel: Request) -> InviteServer | None:
        """Find the INVITE that a CANCEL is for (§9.2)."""
        found = self._servers.get(_server_key(cancel, "INVITE"))
        return found if isinstance(found, InviteServer) else None

    def unreachable(self) -> None:
        """Tell the requests that nobody has answered yet that nobody will."""
        for transaction in list(self._clients.values()):
            transaction.unreachable()

    def forget(self, transaction: _Transaction) -> None:
        """Drop a transaction that has ended."""
        if self._clients.get(transaction.key) is transaction:
            del self._clients[transaction.key]
        if self._servers.get(transaction.key) is transaction:
            del self._servers[transaction.key]
        if isinstance(transaction, ServerTransaction):
            merged = transaction.merged_key
            if self._merged.get(merged) is transaction:
                del self._merged[merged]

    def close(self) -> None:
        """End every transaction; nothing is told."""
        for transaction in (*self._clients.values(), *self._servers.values()):
            transaction.terminate()


def _is_sent_by(via: Via, local: Address) -> bool:
    """Tell whether a Via is ours, also when a gateway wrote our address in another form."""
    host, port = local
    if (via.port or 5060) != port:
        return False
    try:
        return via.host == host or ip_address(via.host) == ip_address(host)
    except ValueError:
        return False


def _ignore(_: object) -> None:
    """Take whatever is told and do nothing."""


_NOBODY = ClientUser(on_response=_ignore, on_failure=_ignore)


def _server_key(request: Request, method: str) -> Key:
    """Give what a request shares with its retransmissions (§17.2.3).

    A branch without the magic cookie is no key: then the rules of RFC 2543 hold.
    """
    via = request.via
    branch = via.branch or ""
    sent_by = f"{via.host.lower()}:{via.port or 5060}"
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return branch, sent_by, method
    return (
        str(request.uri),
        request.from_.tag or "",
        request.call_id,
        str(request.cseq.number),
        branch,
        sent_by,
        method,
    )


def _merged_key(request: Request) -> Key:
    """Give what the same request shares over several paths (§8.2.2.2); empty when it has a tag."""
    if request.to.tag is not None or request.method == "CANCEL":
        return ()
    return request.from_.tag or "", request.call_id, str(request.cseq)


def _same_branch(request: Request, method: str) -> Request:
    """Make the ACK or CANCEL that belongs to an INVITE's transaction (§9.1, §17.1.1.3)."""
    made = Request(method, request.uri)
    made.headers.add("Via", str(request.via))
    for name in ("Max-Forwards", "From", "To", "Call-ID"):
        made.headers.add(name, request.headers.get(name) or "")
    made.headers.add("CSeq", f"{request.cseq.number} {method}")
    for name in ("Route", "Authorization", "Proxy-Authorization"):
        if method == "ACK" or name == "Route":
            for value in request.headers.get_all(name):
                made.headers.add(name, value)
    return made


def _cancel_of(request: Request, reason: str | None) -> Request:
    """Make the CANCEL of an INVITE, with a Reason where one is given (RFC 3326)."""
    cancel = _same_branch(request, "CANCEL")
    if reason:
        cancel.headers.add("Reason", reason)
    return cancel
