"""REGISTER: the binding at the gateway, kept fresh (RFC 3261 §10.2, home-gateway facts §1.2)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ....errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    GatewaySilentError,
    GatewayUnreachableError,
    NotSipServerError,
    RegistrationError,
    RegistrationRefusedError,
)
from ...backend import Account, Registered
from ...sip.binding import (
    LONGEST_EXPIRES,
    address_of_record,
    domain_in,
    error_of,
    granted_by,
    listed_in,
    refresh_after,
    refresh_within,
    registrar_of,
)
from ...sip.clock import Clock, Timer
from ...sip.keepalive import Keepalive
from ...sip.manners import new_tag
from ...sip.messages import Request, Response
from ...sip.uri import NameAddress, SipUri
from .dialog import new_cseq
from .exchange import Exchange, Requester
from .transactions import ClientUser, Failure

Outcome = Registered | RegistrationError

_SPACING = 1.0


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One REGISTER with all that follows from it."""

    exchange: Exchange
    limit: Timer


class Registration:
    """The binding of one contact. `on_lost` is called once when a refresh fails."""

    def __init__(
        self,
        account: Account,
        requester: Requester,
        clock: Clock,
        *,
        contact: SipUri,
        finish: Callable[[Request], None],
        on_refreshed: Callable[[Registered], None],
        on_lost: Callable[[RegistrationError], None],
        address_is_ours: Callable[[], bool],
    ) -> None:
        """Take the account and our contact.

        `finish` adds the headers of all requests, `address_is_ours` tells whether our end of
        the way to the gateway is still where the contact says.
        """
        self.account = account
        self.contact = contact
        self.registered: Registered | None = None
        self.others: tuple[SipUri, ...] = ()
        self._requester = requester
        self._clock = clock
        self._finish = finish
        self._on_refreshed = on_refreshed
        self._on_lost = on_lost
        self._address_is_ours = address_is_ours
        self._call_id = secrets.token_hex(16)
        self._keepalive = Keepalive(
            clock, ask=self._ask, address_is_ours=address_is_ours, verify=self.verify
        )
        self._options_call_id = secrets.token_hex(16)
        self._options_tag = new_tag()
        self._options_cseq = new_cseq()
        self._tag = new_tag()
        self._cseq = new_cseq()
        self._attempt: _Attempt | None = None
        self._waiter: asyncio.Future[Outcome] | None = None
        self._refresh: Timer | None = None
        self._may_be_bound = False
        self.was_registered = False
        self._expires = account.expires
        self._began_at = float("-inf")
        self._heard_noise = False
        self._lengthened = False

    @property
    def registrar(self) -> SipUri:
        """Give the Request-URI."""
        return registrar_of(self.account)

    @property
    def address_of_record(self) -> SipUri:
        """Give our own address."""
        return address_of_record(self.account)

    async def register(self, *, time_limit: float) -> Registered:
        """Register; raises a RegistrationError, after `time_limit` seconds at the latest."""
        outcome = await self._run(self._expires, time_limit)
        if isinstance(outcome, RegistrationError):
            raise outcome
        return outcome

    async def unregister(self, *, time_limit: float) -> None:
        """Remove our binding, if there may be one; an answer is waited for, not insisted on."""
        self.stop()
        self.registered = None
        if self._may_be_bound:
            await self._run(0, time_limit)
            self._may_be_bound = False

    def stop(self) -> None:
        """Stop refreshing, and forget an attempt that is under way."""
        self._halt()
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(
                GatewaySilentError(address=self.account.gateway, family=self.account.family)
            )

    def forget(self) -> None:
        """Leave the binding to itself: it is another's now, or runs out."""
        self.stop()
        self.registered = None
        self._may_be_bound = False

    def trust(self) -> None:
        """Know that the gateway took these credentials before: a 403 says nothing of them."""
        self.was_registered = True

    async def remove(self, contact: SipUri, *, time_limit: float) -> None:
        """Remove a former contact of ours (§10.2.2), and find out whether ours is still there.

        A gateway that keeps one binding for each extension may take the removal for ours. Waits
        first, so that no two REGISTERs go out within a second.
        """
        await asyncio.sleep(self._began_at + _SPACING - self._clock.time())
        self._began_at = self._clock.time()
        waiter: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def over(response: Response | None) -> None:
            """Hand over what became of it."""
            if not waiter.done() and (response is None or response.status >= 200):
                waiter.set_result(response)

        exchange = Exchange(
            self._requester,
            self._request(0, contact),
            ClientUser(on_response=over, on_failure=lambda _: over(None)),
            next_cseq=self._next_cseq,
        )
        exchange.start()
        response = None
        try:
            async with asyncio.timeout(time_limit):
                response = await waiter
        except TimeoutError:
            pass
        finally:
            exchange.abandon()
        listed = listed_in(response) if response else []
        if not any(uri.matches(self.contact) for uri in listed):
            self.verify()

    def verify(self) -> None:
        """Refresh at once, because the gateway may have forgotten us; but not twice a second."""
        if self.registered is None or self._attempt:
            return
        granted = self.registered.expires
        wait = self._began_at + _SPACING - self._clock.time()
        if wait <= 0:
            self._refresh_now(granted)
            return
        if self._refresh:
            self._refresh.cancel()
        self._refresh = self._clock.call_later(wait, lambda: self._refresh_now(granted))

    def noise(self) -> None:
        """Hear that the gateway sends something that is no SIP."""
        self._heard_noise = True

    def lost(self, error: RegistrationError) -> None:
        """Take it that the gateway does not know us any more."""
        if self.registered is None:
            return
        self.stop()
        self.registered = None
        self._on_lost(error)

    async def _run(self, expires: int, time_limit: float) -> Outcome:
        """Make one attempt and wait for what becomes of it."""
        self.stop()
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiter = waiter

        def done(outcome: Outcome) -> None:
            """Hand the outcome over, unless nobody waits any more."""
            if not waiter.done():
                waiter.set_result(outcome)

        self._begin(expires, time_limit, done)
        try:
            return await waiter
        finally:
            if waiter.cancelled() and self._waiter is waiter:
                self._halt()

    def _begin(self, expires: int, time_limit: float, done: Callable[[Outcome], None]) -> None:
        """Send a REGISTER; the former attempt is forgotten, the refresh waits for this one."""
        self._halt()
        self._heard_noise = False
        self._lengthened = False
        self._began_at = self._clock.time()
        limit = self._clock.call_later(time_limit, lambda: self._silent(done))
        self._send(expires, limit, done)

    def _halt(self) -> None:
        """Stop the timers, and forget the attempt that is under way."""
        self._keepalive.stop()
        if self._refresh:
            self._refresh.cancel()
            self._refresh = None
        self._drop_attempt()

    def _send(self, expires: int, limit: Timer, done: Callable[[Outcome], None]) -> None:
        """Send a REGISTER within an attempt."""
        exchange = Exchange(
            self._requester,
            self._request(expires, self.contact),
            ClientUser(
                on_response=lambda response: self._respond(response, expires, done),
                on_failure=lambda failure: self._failed(failure, done),
            ),
            next_cseq=self._next_cseq,
        )
        self._attempt = _Attempt(exchange=exchange, limit=limit)
        self._may_be_bound = self._may_be_bound or expires > 0
        exchange.start()

    def _request(self, expires: int, contact: SipUri) -> Request:
        """Make a REGISTER."""
        own = NameAddress(None, self.address_of_record)
        request = Request("REGISTER", self.registrar)
        request.headers.add("Max-Forwards", "70")
        request.headers.add("From", str(own.with_tag(self._tag)))
        request.headers.add("To", str(own))
        request.headers.add("Call-ID", self._call_id)
        request.headers.add("CSeq", f"{self._next_cseq()} REGISTER")
        self._finish(request)
        request.headers.set("Contact", str(NameAddress(None, contact)))
        request.headers.add("Expires", str(expires))
        return request

    def _ask(self) -> Callable[[], None]:
        """Send OPTIONS to the gateway; gives what abandons it."""
        self._options_cseq += 1
        request = Request("OPTIONS", self.registrar)
        headers = request.headers
        own = NameAddress(None, self.address_of_record)
        headers.add("Max-Forwards", "70")
        headers.add("From", str(own.with_tag(self._options_tag)))
        headers.add("To", str(NameAddress(None, self.registrar)))
        headers.add("Call-ID", self._options_call_id)
        headers.add("CSeq", f"{self._options_cseq} OPTIONS")
        self._finish(request)
        headers.add("Accept", "application/sdp")
        user = ClientUser(
            on_response=lambda response: (
                self._keepalive.answered() if response.status >= 200 else None
            ),
            on_failure=lambda _: self._keepalive.failed(),
        )
        return self._requester.send(request, user).terminate

    def _next_cseq(self) -> int:
        """Count one more REGISTER: the numbers go on over all attempts (§10.2)."""
        self._cseq += 1
        return self._cseq

    def _respond(self, response: Response, expires: int, done: Callable[[Outcome], None]) -> None:
        """Take a response."""
        attempt = self._attempt
        if response.status < 200 or attempt is None:
            return
        if response.status == 423 and expires and not self._lengthened:
            wanted = response.min_expires
            if wanted and expires < wanted <= LONGEST_EXPIRES:
                self._lengthened = True
                self._expires = wanted
                self._send(wanted, attempt.limit, done)
                return
        asked, round_trip = attempt.exchange.credentials_sent, attempt.exchange.round_trip
        self._drop_attempt()
        if response.status < 300:
            done(self._bound(response, expires, round_trip))
        else:
            self.registered = None
            error = error_of(
                response,
                self.account,
                credentials_sent=asked,
                was_registered=self.was_registered,
            )
            if isinstance(error, CredentialsRejectedError | ExtensionUnavailableError):
                # Nothing of ours is there to be removed, and no more is to be asked.
                self._may_be_bound = False
            done(error)

    def _bound(self, response: Response, expires: int, round_trip: float | None) -> Outcome:
        """Take a 200: for how long, and when to come again."""
        granted = granted_by(response, self.contact, expires)
        if expires and not granted:
            self.registered = None
            return RegistrationRefusedError(code=str(response.status), phrase=response.reason)
        registered = Registered(
            local_address=self.contact.host,
            expires=granted,
            domain=domain_in(response),
            round_trip=round_trip,
        )
        if expires == 0:
            self.registered = None
            return registered
        self.registered = registered
        self.others = tuple(uri for uri in listed_in(response) if not uri.matches(self.contact))
        self.was_registered = True
        self._refresh = self._clock.call_later(
            refresh_after(granted), lambda: self._refresh_now(granted)
        )
        self._keepalive.start()
        return registered

    def _refresh_now(self, granted: int) -> None:
        """Register again, in time for a failure to be told before the binding ends."""
        if not self._address_is_ours():
            self.lost(self._unreachable())
            return
        self._begin(self._expires, refresh_within(granted), self._refreshed)

    def _refreshed(self, outcome: Outcome) -> None:
        """Tell what became of a refresh."""
        if isinstance(outcome, Registered):
            self._on_refreshed(outcome)
        else:
            self.registered = None
            self._on_lost(outcome)

    def _silent(self, done: Callable[[Outcome], None]) -> None:
        """Give up when the time is over."""
        self._drop_attempt()
        self.registered = None
        account = self.account
        if self._heard_noise:
            done(NotSipServerError(address=account.gateway))
        else:
            done(GatewaySilentError(address=account.gateway, family=account.family))

    def _failed(self, failure: Failure, done: Callable[[Outcome], None]) -> None:
        """Take it that nobody answers a REGISTER."""
        if failure is Failure.TIMEOUT:
            self._silent(done)
            return
        self._drop_attempt()
        self.registered = None
        done(GatewayUnreachableError(address=self.account.gateway, family=self.account.family))

    def _unreachable(self) -> GatewayUnreachableError:
        """Say that there is no way to the gateway."""
        return GatewayUnreachableError(address=self.account.gateway, family=self.account.family)

    def _drop_attempt(self) -> None:
        """Forget the attempt that is under way, if there is one."""
        if self._attempt:
            self._attempt.limit.cancel()
            self._attempt.exchange.abandon()
            self._attempt = None
