"""A line's registration by an account of pjsua2, and what a registrar's answers mean."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from collections.abc import Callable
from typing import Any

from ...calls import Family
from ...errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    GatewaySilentError,
    GatewayUnreachableError,
    NotSipServerError,
    RegistrationError,
    RegistrationRefusedError,
    TooManyLinesError,
)
from ..backend import Account, Registered
from ..sip.binding import (
    address_of_record,
    domain_in,
    error_of,
    granted_by,
    listed_in,
    refresh_after,
    refresh_within,
    registrar_of,
)
from ..sip.digest import DigestClient
from ..sip.keepalive import Keepalive
from ..sip.manners import new_tag
from ..sip.messages import Request, Response
from ..sip.uri import NameAddress, SipUri
from .border import Border
from .library import Library, guarded, pj

Outcome = Registered | RegistrationError

_SPACING = 1.0
# What a session lasts, and the least of it, as we ask for it (RFC 4028 §4).
_SESSION_SECONDS = 1800
_SHORTEST_SESSION_SECONDS = 90
# Below those that the system gives to whoever wants any.
_PORTS = range(10_000, 28_000, 2)
_PORT_RANGE = 4_000


class _Account(pj.Account):
    """Passes on what pjsua2 tells of an account."""

    def __init__(
        self, on_outcome: Callable[[int, int], None], on_call: Callable[[int], None]
    ) -> None:
        """Take who is told."""
        super().__init__()
        self._on_outcome = on_outcome
        self._on_call = on_call

    @guarded
    def onRegState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear what became of a REGISTER."""
        self._on_outcome(int(prm.code), int(prm.expiration))

    @guarded
    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear that a call rings."""
        self._on_call(int(prm.callId))


class Registration:
    """The binding of one contact. ``on_lost`` is called once when a refresh fails."""

    def __init__(
        self,
        account: Account,
        library: Library,
        border: Border,
        *,
        local_address: str,
        on_refreshed: Callable[[Registered], None],
        on_lost: Callable[[RegistrationError], None],
        on_call: Callable[[int], None],
        address_is_ours: Callable[[], bool],
    ) -> None:
        """Make the account. Raises TooManyLinesError."""
        self.account = account
        self.contact: SipUri = border.contact
        self.registered: Registered | None = None
        self.others: tuple[SipUri, ...] = ()
        self.was_registered = False
        self._library = library
        self._border = border
        self._on_refreshed = on_refreshed
        self._on_lost = on_lost
        self._address_is_ours = address_is_ours
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Outcome] | None = None
        self._done: Callable[[Outcome], None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._refresh: asyncio.TimerHandle | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._may_be_bound = False
        self._began_at = float("-inf")
        self._heard_noise = False
        self._credentials_sent = False
        self._sent_at: dict[int, float | None] = {}
        self._trips: list[float] = []
        self._last: Response | None = None
        self._expires = account.expires
        self._asked = account.expires
        self._keepalive = Keepalive(
            self._loop, ask=self._ask, address_is_ours=address_is_ours, verify=self.verify
        )
        self.handle: Any = _Account(self._outcome, on_call)
        try:
            self.handle.create(_configuration(account, library, border, local_address))
        except pj.Error as error:
            raise TooManyLinesError from error
        library.endpoint.accounts[border.source] = self.handle.getId()

    def sees(self, message: Request | Response) -> None:
        """See a REGISTER, an OPTIONS of ours or a response to them pass."""
        if message.cseq.method == "OPTIONS":
            if isinstance(message, Response) and message.status >= 200:
                self._keepalive.answered()
        elif isinstance(message, Request):
            self._credentials_sent = self._credentials_sent or any(
                name in message.headers for name in ("Authorization", "Proxy-Authorization")
            )
            number = message.cseq.number
            # Of a request that is sent twice nobody knows which of the two is answered.
            self._sent_at[number] = None if number in self._sent_at else self._loop.time()
        elif message.status >= 200:
            self._last = message
            if (sent_at := self._sent_at.get(message.cseq.number)) is not None:
                self._trips.append(self._loop.time() - sent_at)

    def unreachable(self) -> None:
        """Hear that nobody listens at the gateway's port."""
        self._keepalive.failed()

    def noise(self) -> None:
        """Hear that the gateway sends something that is no SIP."""
        self._heard_noise = True

    def trust(self) -> None:
        """Know that the gateway took these credentials before: a 403 says nothing of them."""
        self.was_registered = True

    async def register(self, *, time_limit: float) -> Registered:
        """Register; raises a RegistrationError, after ``time_limit`` seconds at the latest."""
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

    async def remove(self, contact: SipUri, *, time_limit: float) -> None:
        """Remove a former contact of ours (§10.2.2), and find out whether ours is still there.

        A gateway that keeps one binding for each extension may take the removal for ours. Waits
        first, so that no two REGISTERs go out within a second. pjsua2 takes back no contact but
        an account's own, so this one goes past it.
        """
        await asyncio.sleep(self._began_at + _SPACING - self._loop.time())
        self._began_at = self._loop.time()
        own = NameAddress(None, address_of_record(self.account))
        request = Request("REGISTER", registrar_of(self.account))
        headers = request.headers
        headers.add("Max-Forwards", "70")
        headers.add("From", str(own.with_tag(new_tag())))
        headers.add("To", str(own))
        headers.add("Call-ID", secrets.token_hex(16))
        headers.add("CSeq", "1 REGISTER")
        self._border.manners.finish(request, str(NameAddress(None, contact)))
        headers.set("Contact", str(NameAddress(None, contact)))
        headers.add("Expires", "0")
        response = await self._border.own_requests.ask_as(
            DigestClient(self.account.user_id, self.account.password),
            request,
            time_limit=time_limit,
        )
        listed = listed_in(response) if response else []
        if not any(uri.matches(self.contact) for uri in listed):
            self.verify()

    def verify(self) -> None:
        """Refresh at once, because the gateway may have forgotten us; but not twice a second."""
        if self.registered is None or self._done:
            return
        wait = max(0.0, self._began_at + _SPACING - self._loop.time())
        self._refresh_in(wait, self.registered.expires)

    def stop(self) -> None:
        """Stop refreshing, and forget an attempt that is under way."""
        self._halt()
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(self._silence())

    def forget(self) -> None:
        """Leave the binding to itself: it is another's now, or runs out."""
        self.stop()
        self.registered = None
        self._may_be_bound = False

    def lost(self, error: RegistrationError) -> None:
        """Take it that the gateway does not know us any more."""
        if self.registered is None:
            return
        self.stop()
        self.registered = None
        self._on_lost(error)

    def close(self) -> None:
        """Take the account down; nothing is sent."""
        self.stop()
        self._border.give_up("REGISTER")
        self._library.endpoint.accounts.pop(self._border.source, None)
        if self.handle is not None:
            with contextlib.suppress(pj.Error):
                self.handle.shutdown()
            self.handle = None

    async def _run(self, expires: int, time_limit: float) -> Outcome:
        """Make one attempt and wait for what becomes of it."""
        self.stop()
        waiter: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiter = waiter

        def done(outcome: Outcome) -> None:
            """Hand the outcome over, unless nobody waits any more."""
            if not waiter.done():
                waiter.set_result(outcome)

        # pjsua2 has one REGISTER under way at a time; the one that was given up ends soon.
        await self._free.wait()
        self._begin(expires, time_limit, done)
        try:
            return await waiter
        finally:
            if waiter.cancelled() and self._waiter is waiter:
                self._halt()

    def _begin(self, expires: int, time_limit: float, done: Callable[[Outcome], None]) -> None:
        """Let pjsua2 send a REGISTER; the refresh waits for this one."""
        self._halt()
        self._heard_noise = False
        self._credentials_sent = False
        self._sent_at.clear()
        self._trips.clear()
        self._last = None
        self._began_at = self._loop.time()
        self._asked = expires
        self._may_be_bound = self._may_be_bound or expires > 0
        self._limit = self._loop.call_later(time_limit, self._overdue)
        self._done = done
        self._free.clear()
        try:
            self.handle.setRegistration(expires > 0)
        except pj.Error:
            self._free.set()
            self._finish(self._silence())

    def _halt(self) -> None:
        """Stop the timers, and forget the attempt that is under way."""
        self._done = None
        self._keepalive.stop()
        for timer in (self._refresh, self._limit):
            if timer:
                timer.cancel()
        self._refresh = self._limit = None
        if not self._free.is_set():
            self._border.give_up("REGISTER")

    def _overdue(self) -> None:
        """Give up when the time is over."""
        self._finish(self._silence())

    def _finish(self, outcome: Outcome) -> None:
        """End the attempt and tell what became of it."""
        done = self._done
        self._halt()
        if not isinstance(outcome, Registered):
            self.registered = None
        if done:
            done(outcome)
        if self.registered and self._asked:
            self._refresh_in(refresh_after(self.registered.expires), self.registered.expires)
            self._keepalive.start()

    def _ask(self) -> Callable[[], None]:
        """Send OPTIONS to the gateway; gives what abandons it."""
        parameters = pj.SendRequestParam()
        parameters.method = "OPTIONS"
        parameters.txOption.targetUri = str(registrar_of(self.account))
        with contextlib.suppress(pj.Error):
            self.handle.sendRequest(parameters)
        return lambda: self._border.give_up("OPTIONS")

    def _refresh_in(self, delay: float, granted: int) -> None:
        """Register again after a delay."""
        if self._refresh:
            self._refresh.cancel()
        self._refresh = self._loop.call_later(delay, self._refresh_now, granted)

    def _refresh_now(self, granted: int) -> None:
        """Register again, in time for a failure to be told before the binding ends."""
        if not self._address_is_ours():
            self.lost(self._no_way())
            return
        if not self._free.is_set():
            self._refresh_in(_SPACING, granted)
            return
        self._begin(self._expires, refresh_within(granted), self._refreshed)

    def _refreshed(self, outcome: Outcome) -> None:
        """Tell what became of a refresh."""
        if isinstance(outcome, Registered):
            self._on_refreshed(outcome)
        else:
            self._on_lost(outcome)

    def _outcome(self, code: int, expiration: int) -> None:
        """Hear from pjsua2 that a REGISTER has its final answer, or has none."""
        del expiration
        self._free.set()
        if self._done is None:
            return
        response = self._last
        if response is None:
            self._finish(self._no_way() if self._border.unreachable else self._silence())
        elif code // 100 == 2:
            self._finish(self._bound(response))
        else:
            error = error_of(
                response,
                self.account,
                credentials_sent=self._credentials_sent,
                was_registered=self.was_registered,
            )
            if isinstance(error, (CredentialsRejectedError, ExtensionUnavailableError)):
                # Nothing of ours is there to be removed, and no more is to be asked.
                self._may_be_bound = False
            self._finish(error)

    def _bound(self, response: Response) -> Outcome:
        """Take a 200: for how long, and who else is bound."""
        granted = granted_by(response, self.contact, self._asked)
        if self._asked and not granted:
            return RegistrationRefusedError(code=str(response.status), phrase=response.reason)
        registered = Registered(
            local_address=self.contact.host,
            expires=granted,
            domain=domain_in(response),
            round_trip=min(self._trips, default=None),
        )
        if not self._asked:
            self.registered = None
            return registered
        self.registered = registered
        self.others = tuple(uri for uri in listed_in(response) if not uri.matches(self.contact))
        self.was_registered = True
        return registered

    def _silence(self) -> RegistrationError:
        """Say that nobody answers, or something that is no SIP."""
        if self._heard_noise:
            return NotSipServerError(address=self.account.gateway)
        return GatewaySilentError(address=self.account.gateway, family=self.account.family)

    def _no_way(self) -> GatewayUnreachableError:
        """Say that there is no way to the gateway."""
        return GatewayUnreachableError(address=self.account.gateway, family=self.account.family)


def _configuration(account: Account, library: Library, border: Border, local_address: str) -> Any:
    """Return an account that does what we tell it and nothing else."""
    config = pj.AccountConfig()
    config.idUri = str(NameAddress(None, address_of_record(account)))
    registration = config.regConfig
    registration.registrarUri = str(registrar_of(account))
    registration.registerOnAdd = False
    registration.timeoutSec = account.expires
    registration.retryIntervalSec = registration.firstRetryIntervalSec = 0
    registration.dropCallsOnFail = False
    sip = config.sipConfig
    credentials = pj.AuthCredInfo("digest", "*", account.user_id, 0, account.password)
    sip.authCreds.append(credentials)
    sip.proxies.append(border.route)
    sip.transportId = library.transport
    calls = config.callConfig
    calls.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    calls.timerMinSESec = _SHORTEST_SESSION_SECONDS
    calls.timerSessExpiresSec = _SESSION_SECONDS
    calls.prackUse = pj.PJSUA_100REL_NOT_USED
    nat = config.natConfig
    nat.sipOutboundUse = nat.contactRewriteUse = nat.viaRewriteUse = nat.sdpNatRewriteUse = 0
    nat.sipStunUse = nat.mediaStunUse = pj.PJSUA_STUN_USE_DISABLED
    nat.iceEnabled = nat.turnEnabled = False
    nat.udpKaIntervalSec = 0
    media = config.mediaConfig
    media.srtpUse = pj.PJMEDIA_SRTP_DISABLED
    media.lockCodecEnabled = media.streamKaEnabled = media.rtcpMuxEnabled = False
    media.transportConfig.boundAddress = local_address
    media.transportConfig.port = random.choice(_PORTS)  # noqa: S311 - any will do
    media.transportConfig.portRange = _PORT_RANGE
    # With a choice of families it would look this machine's name up at each call, and wait for it.
    sip.ipv6Use = pj.PJSUA_IPV6_DISABLED
    ipv6 = account.family is Family.IPV6
    media.ipv6Use = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY if ipv6 else pj.PJSUA_IPV6_DISABLED
    config.presConfig.publishEnabled = False
    config.mwiConfig.enabled = False
    config.videoConfig.autoShowIncoming = config.videoConfig.autoTransmitOutgoing = False
    return config
