"""What calls in both directions share: states, session timer, hold, and the end."""

import asyncio
import itertools
import secrets
from dataclasses import dataclass
from enum import StrEnum

from .config import Family, NoTimerClient, Refresher, RefreshMethod
from .dialog import ALLOW, Dialog
from .exchange import Exchange
from .media import LINGER_SECONDS, MediaLeg
from .message import Message, NameAddr
from .recording import Recording
from .sdp import (
    CODECS,
    MIRRORED,
    Description,
    Media,
    Offer,
    SdpError,
    build_sdp,
    parse_sdp,
    wrong_in_answer,
)
from .sources import Digits, Source
from .transactions import Received, ServerTransaction
from .transport import Peer, Stamp

SESSION_METHODS = frozenset({"INVITE", "UPDATE"})
GLARE_TRIES = 3
WILDCARDS = frozenset({"0.0.0.0", "::"})
_numbers = itertools.count(1)


class CallState(StrEnum):
    """States of a call, in the order in which they are passed."""

    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"
    TALKING = "talking"
    ENDED = "ended"


class Side(StrEnum):
    """Who did something."""

    GATEWAY = "gateway"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """Why a call ended: by whom, how, with which status (0: none)."""

    by: Side
    how: str
    status: int = 0


@dataclass(slots=True)
class Moments:
    """When things were on the wire: the kernel's time for what came."""

    invite: Stamp | None = None
    trying: Stamp | None = None
    ringing: Stamp | None = None
    answered: Stamp | None = None
    confirmed: Stamp | None = None
    ended: Stamp | None = None


class CallEndedError(Exception):
    """The call ended before it reached the state that was waited for."""


class Call:
    """One call between the gateway and an extension."""

    def __init__(self, exchange: Exchange, extension: str, dialog: Dialog) -> None:
        """Begin in the state ``calling``."""
        self.number = next(_numbers)
        self.extension = extension
        self.dialog = dialog
        self.state = CallState.CALLING
        self.end: CallEnd | None = None
        self.moments = Moments()
        self.media: MediaLeg | None = None
        self.refreshes: list[tuple[str, int]] = []
        self.client_allows: set[str] = set()
        self.remote_sdp: Description | None = None
        self.local_sdp: bytes = b""
        self._exchange = exchange
        self._reached = {state: asyncio.Event() for state in CallState}
        self._passed: set[CallState] = set()
        self._sdp_session = secrets.randbits(30)
        self._sdp_version = 1
        self._direction = "sendrecv"
        self._formats: tuple[str, ...] = ()
        self._session_timer: asyncio.TimerHandle | None = None
        self._pending_invite = False
        self._acks: dict[int, Message] = {}
        self._waiting_for_ack: ServerTransaction | None = None
        self._offer_in_response = False
        self._others: tuple[str, ...] = ()
        self._place = exchange.contact(dialog.family)

    @property
    def family(self) -> Family:
        """The family of the leg to the extension."""
        return self.dialog.family

    @property
    def received(self) -> Recording:
        """What the client said; raises RuntimeError before there is media."""
        if self.media is None:
            raise RuntimeError("this call has no media yet")
        return self.media.recording

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self.state is CallState.ENDED

    @property
    def is_talking(self) -> bool:
        """Whether both sides are connected."""
        return self.state is CallState.TALKING

    async def ringing(self, within: float = 5.0) -> Moments:
        """Wait until it rings; raises CallEndedError and TimeoutError."""
        return await self._reach(CallState.RINGING, within)

    async def answered(self, within: float | None = 5.0) -> Moments:
        """Wait until both sides are connected; raises CallEndedError and TimeoutError."""
        return await self._reach(CallState.TALKING, within)

    async def ended(self, within: float | None = 5.0) -> CallEnd:
        """Wait for the end; raises TimeoutError."""
        async with asyncio.timeout(within):
            await self._reached[CallState.ENDED].wait()
        assert self.end is not None
        return self.end

    def play(self, source: Source) -> None:
        """Say something into the call from now on."""
        self._leg().play(source)

    def insert(self, source: Source) -> None:
        """Say something once, then go on with what was said before."""
        self._leg().insert(source)

    def send_digits(self, digits: str) -> None:
        """Press keys: in-band tones, once; insert(Digits(…)) has levels and lengths."""
        self.insert(Digits(digits))

    async def hang_up(self, reason: str | None = None) -> None:
        """End a call that stands, with BYE; the header Reason is sent if given."""
        if self.is_over:
            return
        headers = (("Reason", reason),) if reason else ()
        self._finish(CallEnd(Side.GATEWAY, "BYE"))
        answer = await self._ask("BYE", headers)
        if answer is None:
            self._broken("RFC 3261 15.1.2 BYE", "no answer to BYE")

    async def hold(self, direction: str = "sendonly") -> int:
        """Put the client on hold by re-INVITE; returns the status, 0 for silence [A]."""
        return await self._renegotiate(direction)

    async def resume(self) -> int:
        """Take the client back by re-INVITE; returns the status, 0 for silence [A]."""
        return await self._renegotiate("sendrecv")

    async def move_target(self, *, method: RefreshMethod = RefreshMethod.UPDATE) -> int:
        """Be reached at another Contact from now on (§12.2.1.2); returns the status."""
        self._place = self._place.replace("sip:", f"sip:{secrets.token_hex(3)}@", 1)
        return await self.refresh(method)

    async def move_media(self, source: Source) -> int:
        """Take the sound to another port by re-INVITE, and say something; returns the status."""
        before, self.media = self._leg(), None
        self._leg().play(source)
        status = await self._reinvite(self._describe())
        await self._close_media(before)
        return status

    async def ask_for_offer(self) -> int:
        """Send a re-INVITE without a body and answer the client's offer; returns the status."""
        return await self._reinvite(b"")

    async def refresh(self, method: RefreshMethod | None = None) -> int:
        """Refresh the session; returns the status, 0 for silence."""
        method = method or self._exchange.config.session_timer.method
        if method is RefreshMethod.UPDATE and "UPDATE" not in self.client_allows:
            method = RefreshMethod.REINVITE
        headers = (*self._timer_headers(), ("Contact", self._contact()))
        if method is RefreshMethod.UPDATE:
            answer = await self._ask("UPDATE", headers)
            status = answer.status if answer else 0
        else:
            status = await self._reinvite(self.local_sdp)
        self.refreshes.append((method, status))
        return status

    def forget(self) -> None:
        """End without a word, as a reboot does."""
        if not self.is_over:
            self._finish(CallEnd(Side.GATEWAY, "reboot"))

    def on_request(self, received: Received, transaction: ServerTransaction) -> None:
        """Take a request of the client in this dialog."""
        message = received.message
        number = message.cseq[0]
        if number <= self.dialog.remote_cseq and self.dialog.remote_cseq:
            transaction.respond(500)
            return
        if not self._uris_match(message):
            transaction.respond(481)
            return
        self.dialog.remote_cseq = number
        self._check_target(message)
        if message.method == "BYE":
            self._on_bye(transaction)
        elif message.method in SESSION_METHODS:
            self._on_change(received, transaction)
        elif message.method == "PRACK":
            self._on_prack(message, transaction)
        elif message.method == "OPTIONS":
            transaction.respond(200, (("Allow", ALLOW),))
        else:
            transaction.respond(405, (("Allow", ALLOW),))

    def on_ack(self, received: Received) -> None:
        """Take the ACK to a 2xx of the gateway."""
        transaction = self._waiting_for_ack
        message = received.message
        if transaction is None:
            return
        if message.cseq[0] != transaction.request.cseq[0]:
            self._broken("RFC 3261 13.2.2.4 ACK", f"CSeq {message.cseq[0]}")
            return
        self._waiting_for_ack = None
        self._check_target(message)
        for name in ("Authorization", "Proxy-Authorization"):
            if transaction.request.get(name) != message.get(name):
                self._broken("RFC 3261 13.2.2.4 ACK", f"{name} is not the INVITE's")
        transaction.acknowledge()
        if self._offer_in_response:
            self._offer_in_response = False
            self._take_answer(message, self.local_sdp)
        if self.state is CallState.ANSWERED:
            self.moments.confirmed = received.stamp
            self._enter(CallState.TALKING)

    def _on_prack(self, message: Message, transaction: ServerTransaction) -> None:
        """Take a PRACK; only outgoing calls wait for one."""
        del message
        transaction.respond(481)

    def _on_bye(self, transaction: ServerTransaction) -> None:
        """End the call because the client hangs up."""
        transaction.respond(200)
        self._finish(CallEnd(Side.CLIENT, "BYE"))

    def _on_change(self, received: Received, transaction: ServerTransaction) -> None:
        """Answer a re-INVITE or UPDATE: new media, hold, or a refresh."""
        message = received.message
        is_invite = message.method == "INVITE"
        if self._pending_invite or (is_invite and self._waiting_for_ack):
            transaction.respond(491)
            return
        body = b""
        if message.body:
            refusal, body = self._answer_to(message)
            if refusal:
                transaction.respond(refusal)
                return
        elif is_invite:
            self._offer_in_response = True
            body = self.local_sdp
        self.dialog.retarget(message)
        self.refreshes.append((f"client {message.method}", 200))
        timer = self._client_timer(message)
        headers = (("Contact", self._contact()), ("Allow", ALLOW), *timer)
        if is_invite:
            self._waiting_for_ack = transaction
            transaction.on_no_ack = self._on_no_ack
        transaction.respond(200, headers, body)

    def _answer_to(self, message: Message) -> tuple[int, bytes]:
        """Answer an offer in a dialog: a status to refuse with, or the body."""
        try:
            offer = parse_sdp(message.body)
        except SdpError as error:
            self._broken("RFC 4566 SDP", str(error))
            return 400, b""
        self._check_origin(offer)
        audio = offer.audio
        chosen = self._chosen(audio) if audio else ()
        if audio is None or not chosen or audio.family is not self.family:
            return 488, b""
        changes = self.remote_sdp and offer.without_origin != self.remote_sdp.without_origin
        if changes and not self._exchange.config.calls.media_change:
            return 488, b""
        self.remote_sdp = offer
        self._direction = MIRRORED.get(audio.direction, audio.direction)
        self._formats = chosen
        body = self._describe()
        self._aim(offer)
        return 0, body

    def _client_timer(self, message: Message) -> tuple[tuple[str, str], ...]:
        """Renew the session timer by the client's request; returns the headers of the 200."""
        value = message.get("Session-Expires")
        if value is None or not self._exchange.config.session_timer.enabled:
            return ()
        seconds, _, params = value.partition(";")
        refresher = "uas" if "refresher=uas" in params.lower() else "uac"
        self._arm(int(seconds), client=refresher == "uac")
        return (
            ("Require", "timer"),
            ("Session-Expires", f"{seconds.strip()};refresher={refresher}"),
        )

    async def _renegotiate(self, direction: str) -> int:
        """Send a re-INVITE with another direction."""
        self._direction = direction
        if direction in {"sendrecv", "recvonly"}:
            self._leg().expect()
        return await self._reinvite(self._describe())

    async def _reinvite(self, body: bytes) -> int:
        """Send a re-INVITE until it is not in the way of another; returns the status."""
        status = 0
        for _ in range(GLARE_TRIES):
            answer = await self._invite(body)
            status = answer.status if answer else 0
            if answer and status == 200:
                if not body:
                    return status
                if wrong := self._take_answer(answer, body):
                    self._refuse_answer(wrong)
                return status
            if status != 491:
                break
            await asyncio.sleep(self._exchange.dice.uniform(2.1, 4.0))
        return status

    async def _invite(self, body: bytes) -> Message | None:
        """Send a re-INVITE and ACK its 2xx, copies as well; returns the final response."""
        headers = (
            ("Contact", self._contact()),
            ("Allow", ALLOW),
            *self._timer_headers(),
        )
        request = self.dialog.request("INVITE", headers, body)
        final: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()

        def on_response(received: Received) -> None:
            message = received.message
            if message.status < 200:
                return
            if message.status < 300:
                self._acknowledge(message, b"" if body else self._answer_in_ack(message))
                self._renew_timer(message)
            if not final.done():
                final.set_result(message)

        def on_timeout() -> None:
            if not final.done():
                final.set_result(None)

        self._pending_invite = True
        try:
            self._exchange.layer.request(request, self.dialog.peer, on_response, on_timeout)
            return await final
        finally:
            self._pending_invite = False

    async def _ask(self, method: str, headers: tuple[tuple[str, str], ...] = ()) -> Message | None:
        """Send a request in the dialog and wait for its final response."""
        request = self.dialog.request(method, headers)
        answer = await self._exchange.layer.ask(request, self.dialog.peer)
        if answer and method in SESSION_METHODS and answer.status < 300:
            self._renew_timer(answer)
        return answer

    def _answer_in_ack(self, response: Message) -> bytes:
        """Answer the offer in a 2xx to a re-INVITE without one, once (RFC 3264 §5)."""
        if response.cseq[0] in self._acks:
            return b""
        refusal, body = self._answer_to(response) if response.body else (488, b"")
        if refusal:
            self._refuse_answer(["the offer in the 2xx cannot be taken"])
        return body

    def _acknowledge(self, response: Message, body: bytes = b"") -> None:
        """Send the ACK to a 2xx, the same one to each copy of it (RFC 3261 §13.2.2.4)."""
        number = response.cseq[0]
        if number not in self._acks:
            self.dialog.retarget(response)
            self._acks[number] = self.dialog.request("ACK", (), body, cseq=number)
        self._exchange.layer.send(self._acks[number], self.dialog.peer)

    def _take_answer(self, message: Message, offered: bytes) -> list[str]:
        """Take the client's answer and start the sound; returns what is wrong with it."""
        if not message.body:
            return ["no answer to the offer"]
        try:
            answer = parse_sdp(message.body)
            offer = parse_sdp(offered)
        except SdpError as error:
            return [str(error)]
        if wrong := wrong_in_answer(offer, answer):
            return wrong
        self._check_origin(answer)
        self.remote_sdp = answer
        self._aim(answer)
        return []

    def _refuse_answer(self, wrong: list[str]) -> None:
        """Record a wrong answer and cut the call soon after, as real gateways do [R]."""
        for detail in wrong:
            self._broken("RFC 3264 6 answer", detail)
        self._exchange.spawn(self._cut())

    async def _cut(self) -> None:
        """Send BYE after the time that was seen on real units."""
        await asyncio.sleep(self._exchange.config.calls.bye_after_wrong_answer)
        if not self.is_over:
            self._finish(CallEnd(Side.GATEWAY, "wrong answer"))
            await self._ask("BYE")

    def _aim(self, remote: Description) -> None:
        """Point the sound at what the client described."""
        audio = remote.audio
        if audio is None:
            return
        if audio.port % 2:
            self._broken("RFC 3550 11 port", f"odd RTP port {audio.port}")
        if audio.host in WILDCARDS:
            self._broken("RFC 4566 5.7 c=", f"{audio.host} is nobody's address")
        family = audio.family or self.family
        types = tuple(int(name) for name in audio.formats if name in self._formats)
        ours = self._direction
        self._leg().aim(
            Peer(family, audio.host, audio.port),
            types,
            sends=ours in {"sendrecv", "sendonly"} and audio.direction in {"sendrecv", "recvonly"},
            hears=ours in {"sendrecv", "recvonly"} and audio.direction in {"sendrecv", "sendonly"},
        )

    def _chosen(self, audio: Media) -> tuple[str, ...]:
        """Choose of an offer the first codec that is taken here, or was offered from here."""
        taken = {*self._exchange.config.media.codecs, *self._formats} & CODECS
        return next(((name,) for name in audio.formats if name in taken), ())

    def _describe(self, offer: Offer | None = None) -> bytes:
        """Write the gateway's session description; its version goes up when it changes."""
        leg = self._leg()
        if offer:
            self._formats, self._direction = offer.formats, offer.direction
            self._others = offer.others

        def write() -> bytes:
            return build_sdp(
                family=self.family,
                host=leg.host,
                port=leg.port,
                formats=self._formats,
                direction=self._direction,
                session=self._sdp_session,
                version=self._sdp_version,
                ptime_ms=offer.ptime_ms if offer else 20,
                others=self._others,
            )

        body = write()
        if self.local_sdp and body != self.local_sdp:
            self._sdp_version += 1
            body = write()
        self.local_sdp = body
        return body

    def _check_origin(self, description: Description) -> None:
        """A description's origin stays, and its version goes up by one when it changes."""
        before = self.remote_sdp
        if before is None:
            return
        if description.session != before.session:
            self._broken("RFC 3264 8 origin", "o= is of another session")
        changed = description.without_origin != before.without_origin
        if description.version != before.version + (1 if changed else 0):
            wanted = "one more" if changed else "the same"
            self._broken(
                "RFC 3264 8 version",
                f"{description.version} after {before.version}, should be {wanted}",
            )

    def _check_target(self, message: Message) -> None:
        """A request in a dialog goes to the gateway's Contact, by its routes (§12.2.1.1)."""
        uri, routes = self._place, self.dialog.routes
        if routes and "lr" not in NameAddr.parse(routes[0]).uri.params:
            uri, routes = NameAddr.parse(routes[0]).uri.text, [*routes[1:], self._contact()]
        if message.uri != uri:
            self._broken("RFC 3261 12.2.1.1 target", f"{message.method} to {message.uri}")
        if message.all("Route") != routes:
            self._broken("RFC 3261 12.2.1.1 Route", f"{message.method} without the route set")

    def _uris_match(self, message: Message) -> bool:
        """Compare the URIs of From and To with the dialog's [R* at the network's edge]."""
        if not self._exchange.config.calls.checks_dialog_uris:
            return True
        theirs = (message.from_.uri.text, message.to.uri.text)
        ours = (_uri_text(self.dialog.remote), _uri_text(self.dialog.local))
        if theirs == ours:
            return True
        self._broken("RFC 3261 12.2.1.1 URIs", f"{theirs} are not {ours}")
        return False

    def _timer_headers(self) -> tuple[tuple[str, str], ...]:
        """Write the session timer of a request of the gateway."""
        timer = self._exchange.config.session_timer
        tags = ["timer"] if timer.enabled else []
        tags += ["100rel"] if self._exchange.config.calls.offers_100rel else []
        supported = (("Supported", ",".join(tags)),) if tags else ()
        if not timer.enabled:
            return supported
        refresher = "uac" if timer.refresher is Refresher.GATEWAY else "uas"
        return (
            *supported,
            ("Session-Expires", f"{timer.session_expires};refresher={refresher}"),
            ("Min-SE", str(timer.min_se)),
        )

    def _renew_timer(self, response: Message) -> None:
        """Start the session timer by a 2xx of the client (RFC 4028 §7.2)."""
        config = self._exchange.config.session_timer
        if not config.enabled:
            return
        value = response.get("Session-Expires")
        if value is None:
            if config.client_without_timer is NoTimerClient.BYE_AT_EXPIRY:
                self._arm(config.session_expires, client=True)
            return
        seconds, _, params = value.partition(";")
        interval = int(seconds) if seconds.strip().isdecimal() else config.session_expires
        self._arm(interval, client="refresher=uas" in params.lower())

    def _arm(self, interval: int, *, client: bool) -> None:
        """Refresh at half the interval, or end when the client's refresh does not come."""
        config = self._exchange.config.session_timer
        if self._session_timer:
            self._session_timer.cancel()
        loop = asyncio.get_running_loop()
        if client:
            delay = config.expire_after
            delay = interval - min(32, interval / 3) if delay is None else delay
            self._session_timer = loop.call_later(delay, self._on_expiry)
        else:
            delay = interval / 2 if config.refresh_after is None else config.refresh_after
            self._session_timer = loop.call_later(delay, self._on_refresh_due)

    def _on_refresh_due(self) -> None:
        """Refresh now."""
        if self.state is CallState.TALKING:
            self._exchange.spawn(self._refresh_or_end())

    async def _refresh_or_end(self) -> None:
        """Refresh, and hang up when the client does not agree [R]."""
        if not 200 <= await self.refresh() < 300 and not self.is_over:
            self._finish(CallEnd(Side.GATEWAY, "session refresh failed"))
            await self._ask("BYE")

    def _on_expiry(self) -> None:
        """End a session that the client did not refresh."""
        if not self.is_over:
            self._finish(CallEnd(Side.GATEWAY, "session expired"))
            self._exchange.spawn(self._say_bye())

    def _on_no_ack(self) -> None:
        """End a call whose 2xx was never acknowledged (RFC 3261 §13.3.1.4)."""
        if not self.is_over:
            self._finish(CallEnd(Side.GATEWAY, "no ACK"))
            self._exchange.spawn(self._say_bye())

    async def _say_bye(self) -> None:
        """Send BYE and do not mind the answer."""
        await self._ask("BYE")

    def _enter(self, state: CallState) -> None:
        """Go to a later state and wake those who wait for it."""
        if self.is_over:
            return
        self.state = state
        for passed in CallState:
            self._passed.add(passed)
            self._reached[passed].set()
            if passed is state:
                break
        self._exchange.tell(state, call=self.number, extension=self.extension)

    def _finish(self, end: CallEnd) -> None:
        """End once: timers, sound, and those who wait."""
        if self.is_over:
            return
        self.end = end
        self.moments.ended = Stamp.now()
        self.state = CallState.ENDED
        if self._session_timer:
            self._session_timer.cancel()
        for event in self._reached.values():
            event.set()
        self._exchange.tell(
            CallState.ENDED,
            call=self.number,
            extension=self.extension,
            by=end.by,
            how=end.how,
            status=end.status,
        )
        if self.media:
            self._exchange.spawn(self._close_media(self.media))

    async def _close_media(self, leg: MediaLeg) -> None:
        """Stop the sound; watch a moment whether the client stops too."""
        await leg.stop()
        await asyncio.sleep(LINGER_SECONDS)
        leg.close()
        self._exchange.legs.remove(leg)

    async def _reach(self, state: CallState, within: float | None) -> Moments:
        """Wait for a state."""
        async with asyncio.timeout(within):
            await self._reached[state].wait()
        if state not in self._passed:
            raise CallEndedError(str(self.end))
        return self.moments

    def _contact(self) -> str:
        """Write the gateway's Contact."""
        return f"<{self._place}>"

    def _leg(self) -> MediaLeg:
        """Return the media of the call, opened when first needed."""
        if self.media is None:
            self.media = self._exchange.open_media(self.family)
        return self.media

    def _broken(self, rule: str, detail: str) -> None:
        """Record a breach of the client."""
        self._exchange.violations.add(rule, detail, f"call {self.number} of {self.extension}")


def _uri_text(value: str) -> str:
    """Return the URI of a From or To value as it is written."""
    start, end = value.find("<"), value.rfind(">")
    return value[start + 1 : end] if start >= 0 else value.partition(";")[0]
