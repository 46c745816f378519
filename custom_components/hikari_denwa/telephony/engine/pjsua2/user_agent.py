"""One extension by pjsua2: its registration, its calls, and what passes its border."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ...calls import EndReason
from ...errors import LineBusyError, LineNotRegisteredError
from ..agents import LineListener, Names
from ..backend import Account, PlacedCall
from ..protocol import CallEvent, SoundFrame
from ..sip import sdp
from ..sip.binding import registrar_of
from ..sip.manners import CALLS_WAITING
from ..sip.messages import Request, Response
from ..sip.trace import Trace
from ..sip.transport import UdpTransport
from ..sip.uri import NameAddress, SipUri
from .border import Border
from .call import Call, IncomingCall, OutgoingCall
from .library import Library
from .registration import Registration
from .sound import Ports

_OUTSIDE_CALLS = ("REGISTER", "OPTIONS")


class UserAgent:
    """The user agent of one line."""

    def __init__(
        self,
        account: Account,
        *,
        line: str,
        transport: UdpTransport,
        library: Library,
        ports: Ports,
        listener: LineListener,
        names: Names,
        trace: Trace,
        address_is_ours: Callable[[], bool],
    ) -> None:
        """Put the line on its socket. Raises TooManyLinesError."""
        self.account = account
        self.line = line
        self.family = account.family
        self.local_address = transport.local[0]
        self.gateway_address = account.gateway
        self.codecs = sdp.codecs_named(account.codecs)
        self.ports = ports
        self._listener = listener
        self._names = names
        self._library = library
        self._calls: list[Call] = []
        self._invites: dict[str, tuple[Request, float]] = {}
        self._when_idle: list[asyncio.Future[None]] = []
        self._border = Border(
            account,
            transport,
            self,
            inside=library.address,
            go_on=library.go_on_soon,
            name=line,
            trace=trace,
        )
        try:
            self.registration = Registration(
                account,
                library,
                self._border,
                local_address=self.local_address,
                on_refreshed=listener.registration_refreshed,
                on_lost=listener.registration_lost,
                on_call=self._rings,
                address_is_ours=address_is_ours,
            )
        except BaseException:
            self._border.close()
            raise

    @property
    def sessions(self) -> tuple[Call, ...]:
        """Give the calls whose signalling is not over."""
        return tuple(self._calls)

    @property
    def busy(self) -> bool:
        """Tell whether there is a call that the user knows of."""
        return any(not call.ended for call in self._calls)

    async def dial(self, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Send an INVITE, with all codecs of the line or with one.

        Raises LineNotRegisteredError, LineBusyError, TooManyCallsError.
        """
        if self.registration.registered is None:
            raise LineNotRegisteredError
        if self.busy:
            raise LineBusyError
        registrar = registrar_of(self.account)
        target = SipUri(user=number, host=registrar.host, port=registrar.port)
        name, channel = self._names.next()
        call = OutgoingCall(
            self,
            self.registration.handle,
            call=name,
            channel=channel,
            codecs=(sdp.PCMU,) if mu_law_only else self.codecs,
        )
        call.start(str(NameAddress(None, target)))
        self._calls.append(call)
        return PlacedCall(call=name, channel=channel)

    def hang_up_all(self, reason: EndReason) -> None:
        """End every call that the user knows of."""
        for call in self.sessions:
            call.hang_up(reason)

    async def idle(self) -> None:
        """Wait until the signalling of every call is over."""
        if self._calls:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._when_idle.append(waiter)
            await waiter

    def close(self) -> None:
        """Stop everything at once; nothing is sent."""
        for call in self.sessions:
            call.abort()
        self.registration.close()
        self._border.close()

    # What the border asks and shows.

    def is_full(self) -> bool:
        """Tell whether no further call may ring."""
        running = sum(not call.ended for call in self._calls)
        return running >= (CALLS_WAITING if self.account.call_waiting else 1)

    def is_busy(self) -> bool:
        """Tell whether there is a call."""
        return self.busy

    def is_known(self, call_id: str) -> bool:
        """Tell whether a call has this Call-ID."""
        return self._call_of(call_id) is not None

    def goes_out(self, message: Request | Response) -> None:
        """See a message of ours leave."""
        if message.cseq.method in _OUTSIDE_CALLS:
            self.registration.sees(message)
        elif call := self._call_of(message.call_id):
            call.goes_out(message)

    def comes_in(self, message: Request | Response, at: float) -> None:
        """See a message of the gateway's, before pjsua2 does."""
        if message.cseq.method in _OUTSIDE_CALLS:
            self.registration.sees(message)
        elif call := self._call_of(message.call_id):
            call.comes_in(message, at)
        elif isinstance(message, Request) and message.method == "INVITE":
            self._invites[message.call_id] = message, at

    def key_pressed(self, call_id: str, key: str) -> None:
        """Hear of a key that an INFO told."""
        if call := self._call_of(call_id):
            call.key_pressed(key)

    def unreachable(self) -> None:
        """Hear that nobody listens at the gateway's port."""
        self.registration.unreachable()

    def noise(self) -> None:
        """Hear that the gateway sends something that is no SIP."""
        self.registration.noise()

    # What a call needs.

    def tell(self, event: CallEvent) -> None:
        """Pass an event on."""
        self._listener.call_event(event)

    def hear(self, frame: SoundFrame) -> None:
        """Pass sound on."""
        self._listener.sound(frame)

    def now(self) -> float:
        """Give the Unix time."""
        return time.time()

    def doubt(self) -> None:
        """Find out whether the gateway still knows us."""
        self.registration.verify()

    def forget(self, call: Call) -> None:
        """Let go of a call whose signalling is over."""
        if call in self._calls:
            self._calls.remove(call)
        self._border.forget(call.call_id)
        if not self._calls:
            for waiter in self._when_idle:
                if not waiter.done():
                    waiter.set_result(None)
            self._when_idle.clear()

    def _rings(self, index: int) -> None:
        """Hear from pjsua2 that a call came in."""
        name, channel = self._names.next()
        call = IncomingCall(
            self,
            self.registration.handle,
            call=name,
            channel=channel,
            index=index,
            invites=self._invites,
        )
        self._calls.append(call)
        call.ring()

    def _call_of(self, call_id: str) -> Call | None:
        """Find a call."""
        return next((call for call in self._calls if call.call_id == call_id), None)
