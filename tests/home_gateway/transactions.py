"""Transactions with the timers of RFC 3261 §17 and RFC 6026."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .config import TransactionTimers
from .message import Message, response_to
from .transport import Peer, Stamp
from .violations import Violations

MAGIC_COOKIE = "z9hG4bK"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came: from whom and when."""

    message: Message
    peer: Peer
    stamp: Stamp


class User(Protocol):
    """What stands above the transactions."""

    def on_request(self, received: Received, transaction: ServerTransaction) -> None:
        """Take a new request."""

    def on_ack(self, received: Received) -> None:
        """Take the ACK to a 2xx."""

    def on_stray_response(self, received: Received) -> None:
        """Take a response that belongs to no transaction."""


type Sender = Callable[[Message, Peer], None]
type ResponseHandler = Callable[[Received], None]
type Handler = Callable[[], None]


def new_branch() -> str:
    """Make a branch (RFC 3261 §8.1.1.7)."""
    return MAGIC_COOKIE + secrets.token_hex(8)


class ClientState(StrEnum):
    """States of a client transaction (RFC 3261 §17.1, RFC 6026 §7.2)."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class ClientTransaction:
    """A request of the gateway: sent again until answered, ended at Timer B or F."""

    def __init__(
        self,
        layer: TransactionLayer,
        request: Message,
        peer: Peer,
        on_response: ResponseHandler,
        on_timeout: Handler,
    ) -> None:
        """Send the request at once."""
        self.request = request
        self.peer = peer
        self.state = ClientState.CALLING
        self.sent_at = Stamp.now()
        self._layer = layer
        self._on_response = on_response
        self._on_timeout = on_timeout
        self._is_invite = request.method == "INVITE"
        self._ack: Message | None = None
        self._interval = layer.timers.t1
        self._timers: dict[str, asyncio.TimerHandle] = {}
        layer.send(request, peer)
        self._start("again", self._interval, self._send_again)
        self._start("end", layer.timers.give_up, self._give_up)

    def receive(self, received: Received) -> None:
        """Take a response to the request."""
        status = received.message.status
        if self.state is ClientState.COMPLETED:
            if self._ack and status >= 300:
                self._layer.send(self._ack, self.peer)
            return
        if self.state is ClientState.ACCEPTED:
            if status >= 200:
                self._on_response(received)
            return
        if status < 200:
            self._proceed()
        elif status < 300 and self._is_invite:
            self._finish(ClientState.ACCEPTED)
        else:
            self._finish(ClientState.COMPLETED)
            if self._is_invite:
                self._ack = self._ack_for(received.message)
                self._layer.send(self._ack, self.peer)
        self._on_response(received)

    def close(self) -> None:
        """Stop every timer and be forgotten."""
        self.state = ClientState.TERMINATED
        for timer in self._timers.values():
            timer.cancel()
        self._layer.forget_client(self)

    def _proceed(self) -> None:
        """Stop sending an INVITE again; another request slows down to T2."""
        self.state = ClientState.PROCEEDING
        if self._is_invite:
            self._timers["again"].cancel()
            self._timers["end"].cancel()
        else:
            self._interval = self._layer.timers.t2

    def _finish(self, state: ClientState) -> None:
        """Wait for late copies of the final response, then end."""
        self.state = state
        self._timers["again"].cancel()
        wait = self._layer.timers.give_up if self._is_invite else self._layer.timers.t4
        self._start("end", wait, self.close)

    def _send_again(self) -> None:
        """Send the request again: Timer A doubles, Timer E doubles up to T2."""
        self._layer.send(self.request, self.peer)
        self._interval *= 2
        if not self._is_invite:
            self._interval = min(self._interval, self._layer.timers.t2)
        self._start("again", self._interval, self._send_again)

    def _give_up(self) -> None:
        """End without an answer."""
        self.close()
        self._on_timeout()

    def _ack_for(self, response: Message) -> Message:
        """Make the ACK to a refusal (RFC 3261 §17.1.1.3)."""
        request = self.request
        number, _ = request.cseq
        routes = [("Route", value) for value in request.all("Route")]
        headers = [
            ("Via", request.all("Via")[0]),
            *routes,
            ("Max-Forwards", "70"),
            ("From", request.require("From")),
            ("To", response.require("To")),
            ("Call-ID", request.call_id),
            ("CSeq", f"{number} ACK"),
        ]
        return Message(f"ACK {request.uri} SIP/2.0", tuple(headers))

    def _start(self, name: str, delay: float, action: Handler) -> None:
        """Run an action later, in place of the earlier one of this name."""
        if name in self._timers:
            self._timers[name].cancel()
        self._timers[name] = asyncio.get_running_loop().call_later(delay, action)


class ServerState(StrEnum):
    """States of a server transaction (RFC 3261 §17.2, RFC 6026 §7.1)."""

    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class ServerTransaction:
    """A request of the client and what the gateway answered to it."""

    def __init__(self, layer: TransactionLayer, received: Received) -> None:
        """Begin without an answer."""
        self.request = received.message
        self.received = received
        self.state = ServerState.PROCEEDING
        self.last: Message | None = None
        self.tag = secrets.token_hex(4)
        self.on_no_ack: Handler | None = None
        self._layer = layer
        self._is_invite = self.request.method == "INVITE"
        self._interval = layer.timers.t1
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_open(self) -> bool:
        """Whether no final response was sent."""
        return self.state is ServerState.PROCEEDING

    def respond(
        self,
        status: int,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> Message | None:
        """Send a response; after a final one nothing more is sent."""
        if not self.is_open:
            return None
        via = self._layer.via_of_response(self.received)
        response = response_to(
            self.request, status, tag=self.tag, headers=headers, body=body, via=via
        )
        self.last = response
        self._layer.send(response, self.reply_to)
        if status >= 200:
            self._finish(status)
        return response

    @property
    def reply_to(self) -> Peer:
        """Where responses go: the source port with rport, else the Via's (RFC 3581 §4)."""
        via = self.request.via
        peer = self.received.peer
        if "rport" in via.params:
            return peer
        return Peer(peer.family, peer.host, via.port or 5060)

    def receive_again(self, message: Message) -> None:
        """Take another copy of the request."""
        if message != self.request:
            self._layer.violations.add(
                "RFC 3261 17.2.3 retransmission",
                "two different requests with one branch",
                message.start,
            )
        if self.last and self.state in {ServerState.PROCEEDING, ServerState.COMPLETED}:
            self._layer.send(self.last, self.reply_to)

    def acknowledge(self) -> None:
        """Take the ACK: nothing is sent again."""
        if self.state is ServerState.COMPLETED:
            self.state = ServerState.CONFIRMED
            self._cancel("again")
            self._start("end", self._layer.timers.t4, self.close)
        elif self.state is ServerState.ACCEPTED:
            self._cancel("again")
            self._cancel("no ack")

    def close(self) -> None:
        """Stop every timer and be forgotten."""
        self.state = ServerState.TERMINATED
        for timer in self._timers.values():
            timer.cancel()
        self._layer.forget_server(self)

    def _finish(self, status: int) -> None:
        """Send a final response to INVITE again until its ACK; absorb copies of others."""
        timers = self._layer.timers
        if not self._is_invite:
            self.state = ServerState.COMPLETED
            self._start("end", timers.give_up, self.close)
            return
        self.state = ServerState.ACCEPTED if status < 300 else ServerState.COMPLETED
        self._start("again", self._interval, self._send_again)
        self._start("no ack", timers.give_up, self._no_ack)
        if self.state is ServerState.ACCEPTED:
            self._start("end", timers.give_up + timers.t4, self.close)

    def _send_again(self) -> None:
        """Send the final response again: Timer G, and RFC 3261 §13.3.1.4 for a 2xx."""
        if self.last:
            self._layer.send(self.last, self.reply_to)
        self._interval = min(2 * self._interval, self._layer.timers.t2)
        self._start("again", self._interval, self._send_again)

    def _no_ack(self) -> None:
        """Give up waiting for the ACK (Timer H)."""
        self._layer.violations.add(
            "RFC 3261 17.1.1.3 and 13.2.2.4 ACK", "no ACK ever came", self.request.start
        )
        self.close()
        if self.on_no_ack:
            self.on_no_ack()

    def _cancel(self, name: str) -> None:
        """Stop one timer."""
        if name in self._timers:
            self._timers[name].cancel()

    def _start(self, name: str, delay: float, action: Handler) -> None:
        """Run an action later, in place of the earlier one of this name."""
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(delay, action)


@dataclass
class TransactionLayer:
    """Every transaction of the gateway, and the way from a message to its own."""

    send: Sender
    user: User
    timers: TransactionTimers
    violations: Violations
    clients: dict[tuple[str, str], ClientTransaction] = field(default_factory=dict)
    servers: dict[tuple[str, str, str], ServerTransaction] = field(default_factory=dict)

    def request(
        self,
        request: Message,
        peer: Peer,
        on_response: ResponseHandler,
        on_timeout: Handler = lambda: None,
    ) -> ClientTransaction:
        """Send a request and see to its responses."""
        transaction = ClientTransaction(self, request, peer, on_response, on_timeout)
        self.clients[request.via.branch, request.method] = transaction
        return transaction

    async def ask(self, request: Message, peer: Peer) -> Message | None:
        """Send a request and wait for its final response, None when there is none."""
        answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        def on_response(received: Received) -> None:
            if received.message.status >= 200 and not answer.done():
                answer.set_result(received.message)

        def on_timeout() -> None:
            if not answer.done():
                answer.set_result(None)

        self.request(request, peer, on_response, on_timeout)
        return await answer

    def receive(self, received: Received) -> None:
        """Give a message to its transaction, or to the user when it is new."""
        message = received.message
        if not message.is_request:
            self._receive_response(received)
        elif message.method == "ACK":
            self._receive_ack(received)
        else:
            self._receive_request(received)

    def find_invite(self, cancel: Message) -> ServerTransaction | None:
        """Find the INVITE that a CANCEL is meant for (RFC 3261 §9.2)."""
        return self.servers.get(_server_key(cancel, "INVITE"))

    def via_of_response(self, received: Received) -> str:
        """Add received and rport to the topmost Via (RFC 3261 §18.2.1, RFC 3581 §4)."""
        via = received.message.via
        text = via.text
        wants_rport = "rport" in via.params
        if wants_rport and via.params["rport"] is None:
            parts = text.split(";")
            parts = [
                f"rport={received.peer.port}" if part.strip().lower() == "rport" else part
                for part in parts
            ]
            text = ";".join(parts)
        if (wants_rport or via.host != received.peer.host) and "received" not in via.params:
            text = f"{text};received={received.peer.host}"
        return text

    def forget_client(self, transaction: ClientTransaction) -> None:
        """Drop a client transaction."""
        request = transaction.request
        self.clients.pop((request.via.branch, request.method), None)

    def forget_server(self, transaction: ServerTransaction) -> None:
        """Drop a server transaction."""
        self.servers.pop(_server_key(transaction.request, transaction.request.method), None)

    def close(self) -> None:
        """End every transaction at once."""
        for client in tuple(self.clients.values()):
            client.close()
        for server in tuple(self.servers.values()):
            server.close()

    def _receive_response(self, received: Received) -> None:
        """Match a response by branch and method (RFC 3261 §17.1.3)."""
        message = received.message
        transaction = self.clients.get((message.via.branch, message.cseq[1]))
        if transaction:
            transaction.receive(received)
        else:
            self.user.on_stray_response(received)

    def _receive_ack(self, received: Received) -> None:
        """Match the ACK to a refusal by branch; the one to a 2xx goes up."""
        transaction = self.servers.get(_server_key(received.message, "INVITE"))
        if transaction is None:
            self.user.on_ack(received)
        elif transaction.state is ServerState.ACCEPTED:
            self.violations.add("RFC 3261 13.2.2.4 ACK", "ACK to a 2xx with INVITE's branch", "ACK")
            self.user.on_ack(received)
        else:
            transaction.acknowledge()

    def _receive_request(self, received: Received) -> None:
        """Match a request by branch, sent-by and method (RFC 3261 §17.2.3)."""
        message = received.message
        key = _server_key(message, message.method)
        known = self.servers.get(key)
        if known:
            known.receive_again(message)
            return
        transaction = ServerTransaction(self, received)
        self.servers[key] = transaction
        self.user.on_request(received, transaction)


def _server_key(message: Message, method: str) -> tuple[str, str, str]:
    """Return what a server transaction is found by."""
    via = message.via
    return via.branch, f"{via.host.lower()}:{via.port or 5060}", method
