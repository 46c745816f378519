"""The simulated home gateway: sockets, dispatch, and what tests and people do with it."""

import asyncio
import contextlib
import ipaddress
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from .bridge import bridge
from .call import Call, CallEndedError
from .callees import Callee, Outcome, default_callees
from .config import Family, GatewayConfig, OptionsAnswer, V6Register, Withheld
from .dialog import ALLOW
from .digest import Authenticator
from .exchange import Event, Exchange
from .incoming import IncomingCall, Ring, Shape
from .inspection import Inspector, check_grammar
from .message import Message, ParseError, Uri, parse_message, response_to
from .outgoing import OutgoingCall, Reception
from .registrar import Binding, Refusal, RegisterSeen, Registrar
from .sdp import PCMU_OFFER, Offer
from .sources import Source, Tone
from .transactions import Received, ServerTransaction, TransactionLayer
from .transport import Peer, Stamp, UdpSocket, bind_pair
from .violations import Violations

DEFAULT_CALLER = "09012345678"
KNOWN_OPTIONS = frozenset({"timer", "100rel", "path"})
KNOWN_METHODS = frozenset({"INFO", "MESSAGE", "NOTIFY", "SUBSCRIBE", "REFER", "PUBLISH", "UPDATE"})
LOOK_SECONDS = 0.2
TRACE_LENGTH = 50_000


class NotRegisteredError(Exception):
    """There is no binding to ring at, or the slot is not among the called numbers."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One datagram: monotonic seconds, ``in``, ``out`` or ``lost``, the peer and the text."""

    time: float
    direction: str
    peer: Peer
    text: str


@dataclass(slots=True)
class _Loss:
    """A rule to lose the next messages that fit."""

    matches: Callable[[str, Message], bool]
    left: int


class HomeGateway:
    """A home gateway on loopback; use it as an asynchronous context manager."""

    def __init__(self, config: GatewayConfig | None = None) -> None:
        """Take the configuration; nothing is bound before start()."""
        self.config = config or GatewayConfig()
        self.violations = Violations()
        self.trace: deque[Trace] = deque(maxlen=TRACE_LENGTH)
        self.callees: dict[str, Callee] = default_callees()
        self.calls: list[Call] = []
        # What clients placed and what was put through to a callee.
        self.placed: list[OutgoingCall] = []
        self._dice = random.Random(self.config.faults.seed)
        self._v4: UdpSocket | None = None
        self._v6: UdpSocket | None = None
        self._silent_until = 0.0
        self._losses: list[_Loss] = []
        self._by_call_id: dict[str, Call] = {}
        self._compact_calls: set[str] = set()
        timers = self.config.timers
        layer = TransactionLayer(self._send, self, timers, self.violations)
        self.exchange = Exchange(
            config=self.config, violations=self.violations, layer=layer, dice=self._dice
        )
        self._inspector = Inspector(self.violations, timers)
        realm = self.config.v4_address or self.config.v6_address or "home-gateway"
        self._authenticator = Authenticator(
            self.config.registrar, realm, self.config.slots, self.violations
        )
        self._registrar = Registrar(self.config, self._authenticator, self.violations)
        self._reception = Reception(self.config, self._registrar, self.exchange)

    @property
    def port_v4(self) -> int:
        """The SIP port over IPv4; raises RuntimeError when it does not listen there."""
        return self.port(Family.V4)

    @property
    def port_v6(self) -> int:
        """The SIP port over IPv6; raises RuntimeError when it does not listen there."""
        return self.port(Family.V6)

    @property
    def registers(self) -> list[RegisterSeen]:
        """Every REGISTER that came, copies of one and the same apart."""
        return self._registrar.seen

    @property
    def events(self) -> list[Callable[[Event], None]]:
        """Those who are told what happens."""
        return self.exchange.listeners

    def port(self, family: Family) -> int:
        """Return the SIP port of a family; raises RuntimeError when it does not listen there."""
        bound = self._v4 if family is Family.V4 else self._v6
        if bound is None:
            raise RuntimeError(f"the gateway does not listen on {family}")
        return bound.port

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Bind the SIP ports; raises OSError when a fixed one is taken."""
        config = self.config
        self._v4, self._v6 = bind_pair(
            config.v4_address, config.v6_address, config.port, self._on_datagram
        )
        for bound in (self._v4, self._v6):
            if bound:
                self.exchange.hosts[bound.family] = bound.host
                self.exchange.ports[bound.family] = bound.port

    async def stop(self) -> None:
        """End everything and free every port; calls are not told."""
        for call in self.calls:
            call.forget()
        await self.exchange.close()
        for bound in (self._v4, self._v6):
            if bound:
                bound.close()

    async def ring(
        self,
        extension: str = "3",
        *,
        caller: str | Withheld = DEFAULT_CALLER,
        called: str | None = None,
        shape: Shape | None = None,
        family: Family | None = None,
        offer: Offer = PCMU_OFFER,
        ring_for: float | None = None,
        media: Source | None = None,
    ) -> IncomingCall:
        """Call a registered extension and return at once, when the INVITE is sent.

        Raises NotRegisteredError when no binding (of the family) is there.
        """
        shape = shape or self._shape_of(caller)
        if shape is Shape.IPV6:
            family = Family.V6
        if shape is Shape.WITHHELD and not isinstance(caller, Withheld):
            caller = Withheld.ANONYMOUS
        if shape is not Shape.INTERNAL and not self.config.calls.number_display:
            caller = Withheld.ANONYMOUS
        ring = Ring(
            caller=caller,
            called=called or self.config.calls.own_number,
            shape=shape,
            offer=offer,
            ring_for=ring_for,
            media=media or Tone(),
        )
        call = IncomingCall(self.exchange, self._binding_to_ring(extension, family), ring)
        self._keep(call)
        if shape is Shape.COMPACT:
            self._compact_calls.add(call.dialog.call_id)
        call.begin()
        return call

    async def ring_all(
        self, *extensions: str, caller: str | Withheld = DEFAULT_CALLER
    ) -> list[IncomingCall]:
        """Call several extensions at once; the first to answer ends the ringing of the others."""
        calls = [await self.ring(extension, caller=caller) for extension in extensions]
        for call in calls:
            self.exchange.spawn(self._first_wins(call, calls))
        return calls

    async def _first_wins(self, call: IncomingCall, calls: list[IncomingCall]) -> None:
        """Cancel the other calls when this one is answered."""
        with contextlib.suppress(CallEndedError):
            await call.answered(None)
            others = (other.answered_elsewhere() for other in calls if other is not call)
            await asyncio.gather(*others)

    async def registered(
        self, extension: str = "3", *, family: Family | None = None, within: float = 5.0
    ) -> Binding:
        """Wait until an extension is registered; raises TimeoutError."""
        await self.until(lambda: bool(self.bindings(extension, family)), within)
        return self.bindings(extension, family)[-1]

    async def unregistered(self, extension: str = "3", *, within: float = 5.0) -> None:
        """Wait until an extension has no binding left; raises TimeoutError."""
        await self.until(lambda: not self.bindings(extension), within)

    def binding(self, extension: str = "3") -> Binding | None:
        """Return the newest binding of an extension."""
        found = self.bindings(extension)
        return found[-1] if found else None

    def bindings(self, extension: str = "3", family: Family | None = None) -> list[Binding]:
        """Return the bindings of an extension, the newest last, of one family if given."""
        return [
            binding
            for binding in self._registrar.bindings(extension)
            if family is None or binding.family is family
        ]

    async def next_call(self, *, after: int | None = None, within: float = 5.0) -> OutgoingCall:
        """Wait for a call that a client places; raises TimeoutError.

        ``after`` is how many calls of clients were there before; None: as many as now.
        """
        count = len(self.placed) if after is None else after
        await self.until(lambda: len(self.placed) > count, within)
        return self.placed[count]

    async def until(self, fact: Callable[[], bool], within: float) -> None:
        """Wait until something is so; raises TimeoutError. Looks after each event and at times."""
        happened = asyncio.Event()

        def wake(event: Event) -> None:
            del event
            happened.set()

        self.exchange.listeners.append(wake)
        try:
            async with asyncio.timeout(within):
                while not fact():
                    happened.clear()
                    with contextlib.suppress(TimeoutError):
                        # A binding may run out without an event.
                        await asyncio.wait_for(happened.wait(), LOOK_SECONDS)
        finally:
            self.exchange.listeners.remove(wake)

    def forget_ended_calls(self) -> None:
        """Let go of calls that have ended and of their recordings, for runs of thousands."""
        ended = [call for call in self.calls if call.is_over]
        for call in ended:
            self._by_call_id.pop(call.dialog.call_id, None)
            self._compact_calls.discard(call.dialog.call_id)
        self.calls = [call for call in self.calls if not call.is_over]
        self.placed = [call for call in self.placed if not call.is_over]

    def reboot(self, *, silent_for: float = 0.0) -> None:
        """Forget bindings, calls and nonces, and be silent for a while [A; 60 to 120 s real]."""
        for call in self.calls:
            call.forget()
        self.exchange.layer.close()
        self._registrar.forget()
        self._authenticator.forget()
        self._inspector.forget()
        self.go_silent(silent_for)
        self.exchange.tell("reboot", silent_for=silent_for)

    def go_silent(self, seconds: float) -> None:
        """Drop everything that comes and send nothing for a while; 0 ends it."""
        self._silent_until = time.monotonic() + seconds

    def expire_nonces(self) -> None:
        """Make every nonce stale."""
        self._authenticator.expire()

    def throw(self, data: bytes, extension: str = "3") -> None:
        """Send bytes as they are to where an extension is registered, by the gateway's socket."""
        target = self._binding_to_ring(extension, None).target
        bound = self._v4 if target.family is Family.V4 else self._v6
        self._note(time.monotonic(), "out", target, data.decode(errors="replace"))
        if bound:
            bound.send(data, target)

    def lose(self, matches: Callable[[str, Message], bool], count: int = 1) -> None:
        """Lose the next ``count`` messages for which ``matches(direction, message)`` is true."""
        self._losses.append(_Loss(matches, count))

    def on_request(self, received: Received, transaction: ServerTransaction) -> None:
        """Take a new request from the client."""
        message = received.message
        handler = {
            "REGISTER": self._on_register,
            "INVITE": self._on_invite,
            "OPTIONS": self._on_options,
            "CANCEL": self._on_cancel,
        }.get(message.method)
        unknown = message.tokens("Require") - KNOWN_OPTIONS
        if unknown and message.method != "CANCEL":
            transaction.respond(420, (("Unsupported", ",".join(sorted(unknown))),))
        elif message.method == "CANCEL" and handler:
            handler(received, transaction)
        elif message.to.tag:
            self._on_dialog_request(received, transaction)
        elif handler:
            handler(received, transaction)
        else:
            status = 405 if message.method in KNOWN_METHODS else 501
            transaction.respond(status, (("Allow", ALLOW),))

    def on_ack(self, received: Received) -> None:
        """Take the ACK to a 2xx."""
        if call := self._find(received.message):
            call.on_ack(received)
            return
        known = self._by_call_id.get(received.message.call_id)
        if known is None or known.moments.answered is None:
            self._broken("RFC 3261 13.2.2.4 ACK", "belongs to no call", received.message)

    def on_stray_response(self, received: Received) -> None:
        """Drop a response that came too late to mean anything."""
        self.exchange.tell("stray", message=received.message.start)

    def _on_register(self, received: Received, transaction: ServerTransaction) -> None:
        """Answer a REGISTER, or never, as the configuration wants."""
        config = self.config.registrar
        if received.peer.family is Family.V6 and config.v6_register is V6Register.IGNORE:
            self._registrar.drop(received)
            return
        if not self._is_own_host(received.message):
            transaction.respond(404)
            return
        self._registrar.receive(received, transaction)
        seen = self._registrar.seen[-1]
        self.exchange.tell(
            "register",
            extension=seen.extension,
            peer=str(seen.peer),
            expires=seen.expires,
            status=seen.status,
        )

    def _on_options(self, received: Received, transaction: ServerTransaction) -> None:
        """Answer OPTIONS outside a dialog as the unit does."""
        del received
        answer = self.config.registrar.options
        if answer is not OptionsAnswer.SILENCE:
            transaction.respond(int(answer), (("Allow", ALLOW),))

    def _on_invite(self, received: Received, transaction: ServerTransaction) -> None:
        """Put a call through, or refuse it."""
        message = received.message
        admitted = self._reception.admit(received)
        if isinstance(admitted, Refusal):
            transaction.respond(admitted.status, admitted.headers)
            return
        if not self._is_own_host(message):
            transaction.respond(404)
            return
        outside = sum(not call.is_over and call.dialling.is_outside for call in self.placed)
        dialling = self._reception.judge(received, admitted, self.callees, outside)
        is_silent = not isinstance(dialling, Refusal) and (
            dialling.callee.outcome is Outcome.SILENT
        )
        if not is_silent:
            transaction.respond(100)
        if isinstance(dialling, Refusal):
            transaction.respond(dialling.status, dialling.headers)
            self.exchange.tell(
                "refused", extension=admitted.number, uri=message.uri, status=dialling.status
            )
            return
        call = OutgoingCall(self.exchange, received, transaction, dialling)
        self._keep(call)
        self.exchange.tell(
            "dials", call=call.number, extension=call.extension, dialled=call.dialled
        )
        if dialling.binding is None:
            call.begin()
        else:
            self._connect(call, dialling.binding)

    def _connect(self, call: OutgoingCall, binding: Binding) -> None:
        """Ring at the real client of another slot and join the two calls."""
        ring = Ring(caller=call.extension, called=binding.extension, shape=Shape.INTERNAL)
        other = IncomingCall(self.exchange, binding, ring)
        self._keep(other)
        other.begin()
        call.follow(bridge(call, other))

    def _on_cancel(self, received: Received, transaction: ServerTransaction) -> None:
        """Answer a CANCEL, and end the INVITE that it is meant for (RFC 3261 §9.2)."""
        message = received.message
        invite = self.exchange.layer.find_invite(message)
        if invite is None:
            transaction.respond(481)
            return
        self._check_cancel(message, invite)
        transaction.respond(200)
        for call in self.placed:
            if call.transaction is invite:
                call.on_cancel()

    def _on_dialog_request(self, received: Received, transaction: ServerTransaction) -> None:
        """Give a request to its call; 481 when there is none."""
        message = received.message
        if call := self._find(message):
            if refusal := self._challenge_in_dialog(call, received):
                transaction.respond(refusal.status, refusal.headers)
            else:
                call.on_request(received, transaction)
            return
        if message.call_id not in self._by_call_id:
            self._broken("RFC 3261 12.2.2 dialog", "belongs to no call", message)
        transaction.respond(481)

    def _challenge_in_dialog(self, call: Call, received: Received) -> Refusal | None:
        """Want credentials in a dialog, too, if that is configured."""
        slot = self.config.slot(call.extension)
        if slot is None or not self.config.calls.challenges_in_dialog:
            return None
        return self._registrar.authenticate(received, slot, 401)

    def _find(self, message: Message) -> Call | None:
        """Find the living call of a request."""
        call = self._by_call_id.get(message.call_id)
        return call if call and not call.is_over and call.dialog.owns(message) else None

    def _keep(self, call: Call) -> None:
        """Keep a call, and find it by its Call-ID."""
        self.calls.append(call)
        if isinstance(call, OutgoingCall):
            self.placed.append(call)
        self._by_call_id[call.dialog.call_id] = call

    def _check_cancel(self, message: Message, invite: ServerTransaction) -> None:
        """A CANCEL repeats its INVITE's identity and waits for a provisional response (§9.1)."""
        request = invite.request
        for name in ("Call-ID", "From", "To"):
            if message.get(name) != request.get(name):
                self._broken("RFC 3261 9.1 CANCEL", f"{name} is not the INVITE's", message)
        if message.uri != request.uri or message.cseq[0] != request.cseq[0]:
            self._broken("RFC 3261 9.1 CANCEL", "URI or CSeq is not the INVITE's", message)
        if invite.last is None:
            self._broken("RFC 3261 9.1 CANCEL", "sent before a provisional response", message)
        if message.get("Require"):
            self._broken("RFC 3261 9.1 CANCEL", "holds Require", message)

    def _is_own_host(self, message: Message) -> bool:
        """Tell whether a Request-URI names the gateway by one of its literals."""
        host = Uri.parse(message.uri).host.lower()
        own = {*self.exchange.hosts.values(), *self.config.registrar.extra_hosts}
        return any(_same_host(host, other) for other in own)

    def _shape_of(self, caller: str | Withheld) -> Shape:
        """Guess the shape of a call from its caller."""
        if isinstance(caller, Withheld):
            return Shape.WITHHELD
        if self.config.slot(caller):
            return Shape.INTERNAL
        return Shape.COMPACT if self.config.calls.compact_headers else Shape.OUTSIDE

    def _binding_to_ring(self, extension: str, family: Family | None) -> Binding:
        """Return where to send an INVITE; raises NotRegisteredError."""
        slot = self.config.slot(extension)
        found = self.bindings(extension, family)
        if slot is None or not found:
            raise NotRegisteredError(f"extension {extension} is not registered")
        if not slot.rings:
            raise NotRegisteredError(f"extension {extension} is not among the called numbers")
        return found[-1]

    def _on_datagram(self, data: bytes, peer: Peer, stamp: Stamp) -> None:
        """Read a datagram and give it to its transaction; nothing of it can end the gateway."""
        if not data.strip(b"\r\n\0"):
            return
        text = data.decode(errors="replace")
        try:
            message = parse_message(data)
            check_grammar(message)
        except ParseError as error:
            self._note(stamp.monotonic, "in", peer, text)
            self.violations.add("RFC 3261 25 grammar", str(error), text[:80])
            return
        if self._is_lost("in", message):
            self._note(stamp.monotonic, "lost", peer, text)
            return
        self._note(stamp.monotonic, "in", peer, text)
        if not self._is_allowed(message, peer):
            return
        received = Received(message, peer, stamp)
        try:
            self._inspect(received)
            self.exchange.layer.receive(received)
        except ParseError as error:
            self.violations.add("RFC 3261 25 grammar", str(error), message.start)

    def _inspect(self, received: Received) -> None:
        """Look for breaches before the message is acted on; raises ParseError."""
        message = received.message
        if not self._inspector.check_length(message):
            if message.is_request and message.method != "ACK":
                self._send(response_to(message, 400, tag="cut"), received.peer)
            raise ParseError("the body is cut off")
        if message.is_request:
            self._inspector.check_request(message, received.peer, received.stamp.monotonic)
            return
        key = (message.via.branch, message.cseq[1])
        if transaction := self.exchange.layer.clients.get(key):
            self._inspector.check_response(message, transaction.request, received.peer)

    def _is_allowed(self, message: Message, peer: Peer) -> bool:
        """Tell whether the source filter lets a message in; REGISTER always is [R]."""
        allowed = self.config.registrar.allowed_sources
        return allowed is None or message.method == "REGISTER" or peer.host in allowed

    def _is_lost(self, direction: str, message: Message) -> bool:
        """Tell whether a message is lost by silence, by a rule, or by chance."""
        if time.monotonic() < self._silent_until:
            return True
        for loss in self._losses:
            if loss.left and loss.matches(direction, message):
                loss.left -= 1
                return True
        faults = self.config.faults
        share = faults.signalling_loss_in if direction == "in" else faults.signalling_loss_out
        return bool(share) and self._dice.random() < share

    def _send(self, message: Message, peer: Peer) -> None:
        """Put a message on the wire, unless it is lost."""
        compact = self.config.calls.compact_headers or message.call_id in self._compact_calls
        data = message.encode(compact=compact)
        now = time.monotonic()
        if self._is_lost("out", message):
            self._note(now, "lost", peer, data.decode())
            return
        self._note(now, "out", peer, data.decode())
        bound = self._v4 if peer.family is Family.V4 else self._v6
        if bound is None:
            return
        bound.send(data, peer)
        twice = self.config.faults.signalling_duplication
        if twice and self._dice.random() < twice:
            bound.send(data, peer)

    def _note(self, moment: float, direction: str, peer: Peer, text: str) -> None:
        """Keep a datagram for the trace."""
        self.trace.append(Trace(moment, direction, peer, text))

    def _broken(self, rule: str, detail: str, message: Message) -> None:
        """Record a breach of the client."""
        self.violations.add(rule, detail, message.start)


def _same_host(first: str, second: str) -> bool:
    """Compare two hosts, IPv6 literals by their value."""
    try:
        return ipaddress.ip_address(first) == ipaddress.ip_address(second)
    except ValueError:
        return first.lower() == second.lower()
