"""The user agent of one line at one gateway: who gets which message (RFC 3261 §8.2, §12.2)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from ....calls import EndReason
from ....errors import LineBusyError, LineNotRegisteredError, RegistrationError
from ...agents import Names
from ...backend import Account, PlacedCall, Registered
from ...protocol import CallEvent, SoundFrame
from ...sip import sdp
from ...sip.clock import Clock, TimerValues
from ...sip.digest import DigestClient
from ...sip.manners import CALLS_WAITING, Manners, new_tag
from ...sip.messages import MessageError, Request, Response, is_keep_alive, parse
from ...sip.trace import Trace, readable
from ...sip.transport import Address, reply_destination
from ...sip.uri import NameAddress, SipUri
from .dialog import DialogId
from .exchange import Requester
from .incoming import IncomingCall
from .media import OpenSound
from .outgoing import OutgoingCall
from .registration import Registration
from .session import Session
from .transactions import InviteServer, ServerTransaction, TransactionLayer

_SIP_VERSION = b"SIP/"

_LOGGER = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears what happens to a user agent."""

    def registration_lost(self, error: RegistrationError) -> None:
        """Hear that a refresh failed."""

    def registration_refreshed(self, registered: Registered) -> None:
        """Hear that a refresh was taken."""

    def call_event(self, event: CallEvent) -> None:
        """Hear what happens to a call."""

    def sound(self, frame: SoundFrame) -> None:
        """Hear the sound of a call."""


class UserAgent:
    """One extension: its registration, its calls, and every message of its socket."""

    def __init__(
        self,
        account: Account,
        *,
        line: str,
        local: Address,
        clock: Clock,
        send: Callable[[bytes, Address], None],
        listener: Listener,
        names: Names,
        open_sound: OpenSound,
        address_is_ours: Callable[[], bool] = lambda: True,
        values: TimerValues | None = None,
        trace: Trace | None = None,
    ) -> None:
        """Take the account, our address on the wire, the way out, and where to keep messages."""
        self.account = account
        self._trace = trace or Trace()
        self.line = line
        self._wire = send
        self.family = account.family
        self.clock = clock
        self.values = values or TimerValues()
        self.local_address = local[0]
        self.codecs = sdp.codecs_named(account.codecs)
        self.manners = Manners(account.extension, local, self.codecs)
        self.gateway_address = account.gateway
        self.open_sound = open_sound
        self.layer = TransactionLayer(
            clock,
            self._send,
            local=local,
            values=self.values,
            on_request=self._request,
            on_ack=self._ack,
        )
        self.requester = Requester(
            self.layer,
            local=local,
            gateway=(account.gateway, account.port),
            digest=DigestClient(account.user_id, account.password),
        )
        own = SipUri(user=account.extension, host=local[0], port=local[1])
        self.contact = str(NameAddress(None, own))
        self.registration = Registration(
            account,
            self.requester,
            clock,
            contact=own,
            finish=self.finish,
            on_refreshed=listener.registration_refreshed,
            on_lost=listener.registration_lost,
            address_is_ours=address_is_ours,
        )
        self._listener = listener
        self._names = names
        self._sessions: list[Session] = []
        self._by_dialog: dict[DialogId, Session] = {}
        self._received_at = 0.0
        self._when_idle: list[asyncio.Future[None]] = []

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Give the calls whose signalling is not over."""
        return tuple(self._sessions)

    @property
    def busy(self) -> bool:
        """Tell whether there is a call that the user knows of."""
        return any(not session.ended for session in self._sessions)

    def receive(self, datagram: bytes, source: Address, at: float) -> None:
        """Take a datagram of the gateway's; `at` is the Unix time of its arrival."""
        if is_keep_alive(datagram):
            return
        self._received_at = at
        self._trace.note(datagram, at=at, sent=False)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("Received by line %s:\n%s", self.line, readable(datagram))
        try:
            message = parse(datagram)
            if isinstance(message, Response):
                self.layer.receive_response(message)
            else:
                self.layer.receive_request(message, source)
        except MessageError as error:
            self._malformed(error, datagram, source)

    def unreachable(self) -> None:
        """Hear that nothing listens at the gateway's port."""
        self.layer.unreachable()

    async def dial(self, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Send an INVITE for a number, with all codecs of the line or with one.

        Raises LineNotRegisteredError, LineBusyError, SoundPortsExhaustedError.
        """
        if self.registration.registered is None:
            raise LineNotRegisteredError
        if self.busy:
            raise LineBusyError
        own = self.registration.address_of_record
        name, channel = self._names.next()
        call = OutgoingCall(
            self,
            call=name,
            channel=channel,
            address_of_record=own,
            target=SipUri(user=number, host=own.host, port=own.port),
            codecs=(sdp.PCMU,) if mu_law_only else self.codecs,
        )
        self._sessions.append(call)
        try:
            await call.prepare()
        except BaseException:
            self.forget(call)
            raise
        call.start()
        return PlacedCall(call=name, channel=channel)

    def hang_up_all(self, reason: EndReason) -> None:
        """End every call that the user knows of."""
        for session in self.sessions:
            session.hang_up(reason)

    async def idle(self) -> None:
        """Wait until the signalling of every call is over."""
        if self._sessions:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._when_idle.append(waiter)
            await waiter

    def close(self) -> None:
        """Stop everything at once; nothing is sent."""
        self.registration.stop()
        for session in self.sessions:
            session.abort()
        self.layer.close()

    def finish(self, request: Request) -> None:
        """Give a request of ours the headers that all of its kind have."""
        self.manners.finish(request, self.contact)

    def tell(self, event: CallEvent) -> None:
        """Pass an event on."""
        self._listener.call_event(event)

    def hear(self, frame: SoundFrame) -> None:
        """Pass sound on."""
        self._listener.sound(frame)

    def now(self) -> float:
        """Give the Unix time."""
        return time.time()

    def adopt(self, dialog: DialogId, session: Session) -> None:
        """Let the requests of a dialog find a call."""
        if not session.over:
            self._by_dialog[dialog] = session

    def doubt(self) -> None:
        """Find out whether the gateway still knows us."""
        self.registration.verify()

    def forget(self, session: Session) -> None:
        """Let go of a call whose signalling is over."""
        if session in self._sessions:
            self._sessions.remove(session)
        for dialog in session.dialog_ids:
            self._by_dialog.pop(dialog, None)
        if not self._sessions:
            for waiter in self._when_idle:
                if not waiter.done():
                    waiter.set_result(None)
            self._when_idle.clear()

    def _send(self, datagram: bytes, destination: Address) -> None:
        """Put a datagram on the wire."""
        self._trace.note(datagram, at=time.time(), sent=True)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("Sent by line %s:\n%s", self.line, readable(datagram))
        self._wire(datagram, destination)

    def _malformed(self, error: MessageError, datagram: bytes, source: Address) -> None:
        """Answer a malformed request where the RFC wants an answer (§8.2, §16.3)."""
        _LOGGER.debug("Malformed message: %s", error)
        if _SIP_VERSION not in datagram.partition(b"\n")[0].upper():
            self.registration.noise()
        elif error.request is not None and error.status is not None:
            error.request.mark_source(*source)
            response = error.request.reply(error.status, to_tag=new_tag())
            self.layer.send(response.encode(), reply_destination(error.request, source))

    def _request(self, transaction: ServerTransaction) -> None:
        """Take a new request."""
        request = transaction.request
        if request.method == "CANCEL":
            self._cancel(transaction)
            return
        if refusal := self.manners.refusal(request):
            transaction.respond(refusal)
        elif request.to.tag is not None:
            self._within_dialog(transaction)
        elif isinstance(transaction, InviteServer):
            self._invite(transaction)
        elif request.method == "OPTIONS":
            transaction.respond(self.manners.reply(request, 486 if self.busy else 200))
        else:
            transaction.respond(self.manners.reply(request, 481))

    def _within_dialog(self, transaction: ServerTransaction) -> None:
        """Find the call of a request by Call-ID and both tags (§12.2.2)."""
        if session := self._session_of(transaction.request):
            session.receive(transaction)
        else:
            transaction.respond(self.manners.reply(transaction.request, 481))

    def _session_of(self, request: Request) -> Session | None:
        """Find the call of a request."""
        return self._by_dialog.get((request.call_id, request.to.tag or "", request.from_.tag or ""))

    def _ack(self, ack: Request) -> None:
        """Take the ACK of a 2xx; one without a call is dropped."""
        if session := self._session_of(ack):
            session.acknowledge(ack)

    def _cancel(self, transaction: ServerTransaction) -> None:
        """Answer a CANCEL, and end the call that it is for (§9.2)."""
        request = transaction.request
        invite = self.layer.invite_cancelled_by(request)
        if invite is None:
            transaction.respond(self.manners.reply(request, 481))
            return
        call = next(
            (
                each
                for each in self._sessions
                if isinstance(each, IncomingCall) and each.transaction is invite
            ),
            None,
        )
        transaction.respond(self.manners.reply(request, 200, tag=call.tag if call else None))
        if call:
            call.cancelled(request)

    def _invite(self, transaction: InviteServer) -> None:
        """Let a call ring, unless it cannot be answered anyway."""
        request = transaction.request
        running = sum(not session.ended for session in self._sessions)
        if running >= (CALLS_WAITING if self.account.call_waiting else 1):
            transaction.respond(self.manners.reply(request, 486))
            return
        if refusal := self.manners.offer_refusal(request):
            transaction.respond(refusal)
            return
        name, channel = self._names.next()
        call = IncomingCall(self, transaction, call=name, channel=channel)
        self._sessions.append(call)
        for dialog in call.dialog_ids:
            self.adopt(dialog, call)
        call.ring(self._received_at)
