"""Calls from the gateway to a registered extension, in the shapes C1 to C6."""

import asyncio
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from .call import Call, CallEnd, CallState, Side
from .config import Withheld
from .dialog import ALLOW, Dialog
from .exchange import Exchange
from .message import Message
from .registrar import Binding
from .sdp import PCMU_OFFER, Offer
from .sources import Source, Tone
from .transactions import ClientTransaction, Received
from .transport import Stamp

ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


class Shape(StrEnum):
    """The forms of an incoming INVITE; C6, the check of the answer, holds for each."""

    OUTSIDE = "C1"
    WITHHELD = "C2"
    INTERNAL = "C3"
    COMPACT = "C4"
    IPV6 = "C5"


@dataclass(frozen=True, kw_only=True)
class Ring:
    """What an incoming call looks like."""

    caller: str | Withheld
    called: str
    shape: Shape
    offer: Offer = PCMU_OFFER
    ring_for: float | None = None
    """Seconds until the caller gives up; None: never."""
    media: Source = field(default_factory=Tone)


class IncomingCall(Call):
    """A call that rings at the client."""

    def __init__(self, exchange: Exchange, binding: Binding, ring: Ring) -> None:
        """Make the call; begin() sends the INVITE."""
        self.ring = ring
        super().__init__(exchange, binding.extension, _dialog(exchange, binding, ring))
        self._transaction: ClientTransaction | None = None
        self._provisional = asyncio.Event()
        self._cancelled = False
        self._offered = b""
        self._reliable: set[int] = set()
        self.statuses: list[int] = []

    @property
    def caller(self) -> str:
        """Who calls, as told to the client."""
        return str(self.ring.caller)

    def begin(self) -> None:
        """Send the INVITE."""
        body = b"" if self.ring.offer.absent else self._describe(self.ring.offer)
        self._offered = body
        calls = self._exchange.config.calls
        routes: tuple[tuple[str, str], ...] = ()
        if calls.record_route:
            literal = self._exchange.contact(self.family)
            routes = (("Record-Route", f"<{literal};lr>"),)
        headers = (
            *routes,
            ("Contact", self._contact()),
            ("Allow", ALLOW),
            *self._timer_headers(),
            *((("Require", "100rel"),) if calls.requires_100rel else ()),
        )
        request = self.dialog.request("INVITE", headers, body)
        self._exchange.tell("calls", call=self.number, extension=self.extension, caller=self.caller)
        self._transaction = self._exchange.layer.request(
            request, self.dialog.peer, self._on_response, self._on_timeout
        )
        self.moments.invite = self._transaction.sent_at
        if self.ring.ring_for is not None:
            self._exchange.spawn(self._give_up_later(self.ring.ring_for))

    async def cancel(self, reason: str | None = None) -> None:
        """The caller gives up: CANCEL, once a provisional response is there (§9.1)."""
        transaction = self._transaction
        if self._cancelled or transaction is None or self.is_over:
            return
        self._cancelled = True
        if self.is_talking:
            await self.hang_up()
            return
        limit = self._exchange.config.timers.give_up
        try:
            async with asyncio.timeout(limit):
                await self._provisional.wait()
        except TimeoutError:
            return
        if self.is_over or self.is_talking:
            return
        answer = await self._exchange.layer.ask(self._cancel_request(reason), self.dialog.peer)
        if answer is None or answer.status != 200:
            status = answer.status if answer else "nothing"
            self._broken("RFC 3261 9.2 CANCEL", f"{status} instead of 200")
        try:
            await self.ended(limit)
        except TimeoutError:
            self._broken("RFC 3261 9.2 CANCEL", "no 487 to the INVITE")
            transaction.close()
            self._finish(CallEnd(Side.GATEWAY, "CANCEL"))

    async def answered_elsewhere(self, *, with_reason: bool = False) -> None:
        """Another phone answers: CANCEL, without Reason as far as is known [I], or with it."""
        await self.cancel(ELSEWHERE if with_reason else None)

    async def hang_up(self, reason: str | None = None) -> None:
        """End the call: BYE when it stands, else CANCEL."""
        if self.is_talking or self.is_over:
            await super().hang_up(reason)
        else:
            await self.cancel(reason)

    def forget(self) -> None:
        """End without a word, as a reboot does."""
        if self._transaction:
            self._transaction.close()
        super().forget()

    def _cancel_request(self, reason: str | None) -> Message:
        """Make the CANCEL: the INVITE's URI, branch and tags (RFC 3261 §9.1)."""
        assert self._transaction is not None
        invite = self._transaction.request
        headers = [
            ("Via", invite.all("Via")[0]),
            *(("Route", value) for value in invite.all("Route")),
            ("Max-Forwards", "70"),
            ("From", invite.require("From")),
            ("To", invite.require("To")),
            ("Call-ID", invite.call_id),
            ("CSeq", f"{invite.cseq[0]} CANCEL"),
            *((("Reason", reason),) if reason else ()),
        ]
        return Message(f"CANCEL {invite.uri} SIP/2.0", tuple(headers))

    async def _give_up_later(self, delay: float) -> None:
        """Let the caller give up when nobody answers in time."""
        await asyncio.sleep(delay)
        if self.state in {CallState.CALLING, CallState.RINGING}:
            await self.cancel()

    def _on_timeout(self) -> None:
        """Give up: nothing came back (Timer B)."""
        self._finish(CallEnd(Side.GATEWAY, "timeout", 408))

    def _on_response(self, received: Received) -> None:
        """Take a response to the INVITE."""
        message = received.message
        self.statuses.append(message.status)
        self._provisional.set()
        if message.status == 100:
            self.moments.trying = self.moments.trying or received.stamp
        elif message.status < 200:
            self._on_progress(received)
        elif message.status < 300:
            self._on_answer(received)
        else:
            how = "CANCEL" if self._cancelled else "refused"
            by = Side.GATEWAY if self._cancelled else Side.CLIENT
            if self._cancelled and message.status != 487:
                self._exchange.tell("crossed", call=self.number, status=message.status)
            self._finish(CallEnd(by, how, message.status))

    def _on_progress(self, received: Received) -> None:
        """Take 180 or 183; a reliable one gets PRACK (RFC 3262 §4)."""
        message = received.message
        self._take_tag(message)
        if message.get("Allow"):
            self.client_allows = message.tokens("Allow")
        self.moments.ringing = self.moments.ringing or received.stamp
        if self.state is CallState.CALLING:
            self._enter(CallState.RINGING)
        number = message.get("RSeq")
        is_reliable = "100rel" in message.tokens("Require") and number and number.isdecimal()
        if number and is_reliable and int(number) not in self._reliable:
            self._reliable.add(int(number))
            self.dialog.retarget(message)
            self._exchange.spawn(self._prack(int(number), message.cseq[0]))

    async def _prack(self, number: int, cseq: int) -> None:
        """Acknowledge a reliable provisional response."""
        await self._ask("PRACK", (("RAck", f"{number} {cseq} INVITE"),))

    def _on_answer(self, received: Received) -> None:
        """Take the 2xx: ACK, check the answer, connect; a crossed CANCEL leads to BYE."""
        message = received.message
        if self.state in {CallState.TALKING, CallState.ENDED} or self.moments.answered:
            self._acknowledge(message)
            return
        self._take_tag(message)
        self.moments.answered = received.stamp
        self.client_allows = message.tokens("Allow") or self.client_allows
        self.dialog.routes = list(reversed(message.all("Record-Route")))
        wrong = self._connect(message)
        self.moments.confirmed = Stamp.now()
        self._enter(CallState.ANSWERED)
        self._enter(CallState.TALKING)
        if wrong:
            self._refuse_answer(wrong)
            return
        self._renew_timer(message)
        self._leg().play(self.ring.media)
        if self._cancelled:
            self._exchange.spawn(super().hang_up())

    def _connect(self, message: Message) -> list[str]:
        """Send the ACK and start the sound; returns what is wrong with the answer."""
        if self._offered:
            self._acknowledge(message)
            return self._take_answer(message, self._offered)
        if not message.body:
            self._acknowledge(message)
            return ["no offer in the 2xx to an INVITE without one"]
        refusal, body = self._answer_to(message)
        self._acknowledge(message, body)
        return ["the offer in the 2xx cannot be taken"] if refusal else []

    def _take_tag(self, message: Message) -> None:
        """Keep the client's tag; one user agent has one tag in a call."""
        tag = message.to.tag
        if not tag:
            return
        if self.dialog.remote_tag and self.dialog.remote_tag != tag:
            self._broken("RFC 3261 12.1.1 tag", "To tag changed between responses")
        self.dialog.remote = message.require("To")


def _dialog(exchange: Exchange, binding: Binding, ring: Ring) -> Dialog:
    """Begin the dialog: From and To as the shape wants them."""
    calls, family = exchange.config.calls, binding.family
    literal = exchange.literal(family)
    local = f"{_from(ring, calls.withheld_host or literal, literal)};tag={secrets.token_hex(4)}"
    if ring.shape is Shape.INTERNAL:
        remote = f'"{binding.extension}" <sip:{binding.extension}@{literal}>'
    elif calls.called_in_uri:
        remote = f"<sip:{ring.called}@{literal}>"
    else:
        remote = f'"{ring.called}" <sip:{binding.extension}@{literal}>'
    return Dialog(
        exchange=exchange,
        family=family,
        call_id=f"{secrets.token_hex(8)}@{literal}",
        local=local,
        remote=remote,
        target=binding.uri.text,
        peer=binding.target,
        local_cseq=secrets.randbelow(1000),
    )


def _from(ring: Ring, withheld_host: str, literal: str) -> str:
    """Write who calls: number twice, or a display name that says why there is none."""
    if isinstance(ring.caller, Withheld):
        return f'"{ring.caller}" <sip:anonymous@{withheld_host}>'
    return f'"{ring.caller}" <sip:{ring.caller}@{literal}>'
