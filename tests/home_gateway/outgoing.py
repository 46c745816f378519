"""Calls from an extension: what refuses them, how they ring, who answers."""

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass

from .call import Call, CallEnd, CallState, Side
from .callees import (
    EMERGENCY,
    Callee,
    Dialled,
    Outcome,
    emergency_is_possible,
    families_meet,
    read_dialled,
)
from .config import Family, GatewayConfig, Progress, Reach, Refresher, Slot, SlotKind
from .dialog import Dialog, peer_of
from .exchange import Exchange
from .message import Message, NameAddr, ParseError, Uri
from .registrar import Binding, Refusal, Registrar
from .sdp import Description, SdpError, parse_sdp
from .sources import Ringback, Source
from .transactions import Received, ServerTransaction
from .transport import Stamp

WARNINGS = {
    300: "Incompatible network protocol",
    301: "Incompatible network address formats",
    304: "Media type not available",
    305: "Incompatible media format",
}
LOWEST_MIN_SE = 90


@dataclass(frozen=True, kw_only=True)
class Dialling:
    """An INVITE that may be put through."""

    slot: Slot
    dialled: Dialled
    callee: Callee
    offer: Description
    is_outside: bool
    binding: Binding | None = None
    """Set: the callee is a real client in another slot."""


def warning_headers(code: int) -> tuple[tuple[str, str], ...]:
    """Write a Warning; the agent is literally ``Anonymous`` on real units [R]."""
    if not code:
        return ()
    return (("Warning", f'{code} Anonymous "{WARNINGS.get(code, "Miscellaneous warning")}"'),)


class Reception:
    """Judges INVITEs from extensions."""

    def __init__(self, config: GatewayConfig, registrar: Registrar, exchange: Exchange) -> None:
        """Take the parts of the gateway that decide."""
        self._config = config
        self._registrar = registrar
        self._exchange = exchange

    def admit(self, received: Received) -> Slot | Refusal:
        """Judge who calls: before 100 is sent."""
        message, calls = received.message, self._config.calls
        if self._config.registrar.rport_refused and "rport" in message.via.params:
            return Refusal(400)
        slot = self._config.slot(message.from_.uri.user)
        if slot is None or slot.kind is not SlotKind.IP:
            return Refusal(403)
        if calls.invite_challenge:
            proxy = calls.invite_challenge == 407
            refusal = self._registrar.authenticate(
                received, slot, calls.invite_challenge, proxy=proxy
            )
            if refusal:
                return refusal
        bindings = self._registrar.bindings(slot.number)
        if calls.needs_registration and not bindings:
            return Refusal(403)
        knows_path = any(binding.supports_path for binding in bindings)
        if calls.header_refusal and not (knows_path and _has_tokens(message, slot)):
            return Refusal(488, warning_headers(304))
        return slot

    def judge(
        self, received: Received, slot: Slot, callees: dict[str, Callee], outside_calls: int
    ) -> Dialling | Refusal:
        """Judge what is asked for: after 100 was sent."""
        message, calls = received.message, self._config.calls
        if refusal := self._judge_timer(message):
            return refusal
        extensions = {other.number for other in self._config.slots}
        dialled = read_dialled(Uri.parse(message.uri).user, calls, extensions)
        if dialled.refusal:
            return Refusal(dialled.refusal)
        is_outside = dialled.number not in extensions
        if is_outside and not slot.may_call_outside:
            return Refusal(403)
        try:
            offer = parse_sdp(message.body)
        except SdpError as error:
            self._exchange.violations.add("RFC 4566 SDP", str(error), message.start)
            return Refusal(400)
        if refusal := self._judge_media(received, offer, dialled.number):
            return refusal
        party = self._find_party(dialled, slot, received.peer.family, callees)
        if isinstance(party, Refusal):
            return party
        if is_outside and outside_calls >= calls.max_outside_calls:
            return Refusal(calls.over_limit)
        callee, binding = party
        return Dialling(
            slot=slot,
            dialled=dialled,
            callee=callee,
            offer=offer,
            is_outside=is_outside,
            binding=binding,
        )

    def _find_party(
        self, dialled: Dialled, caller: Slot, family: Family, callees: dict[str, Callee]
    ) -> tuple[Callee, Binding | None] | Refusal:
        """Find who is called: a real client in another slot, or a simulated party."""
        mismatch = Refusal(488, warning_headers(self._config.calls.family_warning))
        bindings = self._bindings_of_other(dialled.number, caller)
        if bindings:
            fitting = [binding for binding in bindings if binding.family is family]
            return (Callee(), fitting[-1]) if fitting else mismatch
        callee = callees.get(dialled.number)
        if callee is None:
            return Refusal(404)
        if not families_meet(family, self._reach(dialled.number, callee)):
            return mismatch
        if callee.rejects_withheld and not dialled.shows_number:
            return Refusal(433)
        return callee, None

    def _bindings_of_other(self, number: str, caller: Slot) -> list[Binding]:
        """Return where real clients of a dialled extension are; nobody calls itself."""
        return [] if number == caller.number else self._registrar.bindings(number)

    def _reach(self, number: str, callee: Callee) -> Reach:
        """Return the families of a party: of the slot for a phone of the house."""
        slot = self._config.slot(number)
        return slot.reach if slot else callee.reach

    def _judge_timer(self, message: Message) -> Refusal | None:
        """Refuse a session interval below the gateway's minimum (RFC 4028 §6)."""
        timer = self._config.session_timer
        value = (message.get("Session-Expires") or "").partition(";")[0].strip()
        if timer.refuse_below_min_se and value.isdecimal() and int(value) < timer.min_se:
            return Refusal(422, (("Min-SE", str(timer.min_se)),))
        return None

    def _judge_media(self, received: Received, offer: Description, number: str) -> Refusal | None:
        """Refuse what cannot be connected for its description."""
        calls, family = self._config.calls, received.peer.family
        audio = offer.audio
        if audio is None or audio.port == 0:
            return Refusal(488, warning_headers(304))
        if audio.family is not family:
            return Refusal(488, warning_headers(calls.family_warning))
        if number in EMERGENCY and not emergency_is_possible(family, audio.formats, calls.region):
            return Refusal(calls.emergency_refusal, warning_headers(calls.family_warning))
        if not set(audio.formats) & set(self._config.media.codecs):
            return Refusal(488, warning_headers(calls.codec_warning))
        if audio.port % 2 and calls.odd_rtp_port_refused:
            return Refusal(500)
        if calls.sdp_address_mismatch and audio.host != received.peer.host:
            return Refusal(calls.sdp_address_mismatch)
        return None


class OutgoingCall(Call):
    """A call that the client placed."""

    def __init__(
        self,
        exchange: Exchange,
        received: Received,
        transaction: ServerTransaction,
        dialling: Dialling,
    ) -> None:
        """Make the call; begin() lets it go on."""
        super().__init__(exchange, dialling.slot.number, _dialog(exchange, received, transaction))
        self.dialling = dialling
        self.transaction = transaction
        self.moments.invite = received.stamp
        self.remote_sdp = dialling.offer
        message = received.message
        self.client_allows = message.tokens("Allow")
        self._client_timer_value = message.get("Session-Expires")
        self._client_tags = message.tokens("Supported")
        self._pracked = asyncio.Event()
        self._reliable_number = 0
        self._answer_now = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    @property
    def dialled(self) -> str:
        """The number after the gateway's normalisation."""
        return self.dialling.dialled.number

    @property
    def shows_number(self) -> bool:
        """Whether the callee sees the caller's number."""
        return self.dialling.dialled.shows_number

    @property
    def callee(self) -> Callee:
        """How the other side behaves."""
        return self.dialling.callee

    def begin(self) -> None:
        """Let the callee act."""
        self._work = self._exchange.spawn(self._run())

    def follow(self, work: Coroutine[object, object, None]) -> None:
        """Let other work decide what becomes of the call."""
        self._work = self._exchange.spawn(work)

    def answer(self) -> None:
        """Make the callee answer now."""
        self._answer_now.set()

    def on_cancel(self) -> None:
        """The client gives up: 487 to its INVITE."""
        if self.transaction.is_open:
            self.transaction.respond(487)
            self._stop_work()
            self._finish(CallEnd(Side.CLIENT, "CANCEL", 487))

    def refuse(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """End the call with a final status."""
        if self.transaction.is_open:
            self.transaction.respond(status, headers)
            self._finish(CallEnd(Side.GATEWAY, "refused", status))

    async def hang_up(self, reason: str | None = None) -> None:
        """End the call: BYE when it stands, else 480."""
        if self.transaction.is_open:
            self._stop_work()
            self.refuse(480)
        else:
            await super().hang_up(reason)

    def forget(self) -> None:
        """End without a word, as a reboot does."""
        self._stop_work()
        self.transaction.close()
        super().forget()

    def _stop_work(self) -> None:
        """Let the callee do nothing more."""
        if self._work:
            self._work.cancel()

    async def _run(self) -> None:
        """Ring, then do what the callee does."""
        callee = self.callee
        if callee.outcome in {Outcome.SILENT, Outcome.STALLS}:
            return
        waited = 0.0
        if callee.rings_after is not None:
            await asyncio.sleep(callee.rings_after)
            waited = callee.rings_after
            await self.tell_ringing()
        if callee.outcome is Outcome.RINGS_FOREVER:
            await self._answer_now.wait()
        else:
            await self._wait_for_answer(callee.answers_after - waited)
        if callee.outcome in {Outcome.ANSWERS, Outcome.RINGS_FOREVER} or self._answer_now.is_set():
            await self.accept(callee.media)
            if callee.talks_for is not None:
                await asyncio.sleep(callee.talks_for)
                await super().hang_up()
        else:
            retry = callee.retry_after
            headers = warning_headers(callee.warning)
            headers += (("Retry-After", str(retry)),) if retry is not None else ()
            self.refuse(callee.status, headers)

    async def _wait_for_answer(self, delay: float) -> None:
        """Wait for the callee, or until somebody makes it answer."""
        try:
            async with asyncio.timeout(max(0.0, delay)):
                await self._answer_now.wait()
        except TimeoutError:
            return

    async def tell_ringing(self) -> None:
        """Send 183 with the ringing tone in it, or 180."""
        config = self._exchange.config
        progress = self.callee.progress or config.calls.progress
        self.moments.ringing = Stamp.now()
        if progress is Progress.RINGING:
            self.transaction.respond(180, self._headers())
        else:
            body = self._media_answer()
            self._leg().play(Ringback(config.media.ringback_level_dbm0))
            await self._send_progress(body)
        self._enter(CallState.RINGING)

    async def _send_progress(self, body: bytes) -> None:
        """Send 183; a reliable one again until its PRACK comes (RFC 3262 §3)."""
        config = self._exchange.config
        if not (config.calls.reliable_progress and "100rel" in self._client_tags):
            self.transaction.respond(183, self._headers(), body)
            return
        self._reliable_number = secrets.randbelow(1000) + 1
        headers = (
            *self._headers(),
            ("Require", "100rel"),
            ("RSeq", str(self._reliable_number)),
        )
        interval = config.timers.t1
        while interval <= config.timers.give_up and not self._pracked.is_set():
            self.transaction.respond(183, headers, body)
            try:
                async with asyncio.timeout(interval):
                    await self._pracked.wait()
            except TimeoutError:
                interval *= 2
        if not self._pracked.is_set():
            self._broken("RFC 3262 4 PRACK", "no PRACK ever came")
            self.refuse(500)

    def _on_prack(self, message: Message, transaction: ServerTransaction) -> None:
        """Take the PRACK to the reliable 183."""
        parts = (message.get("RAck") or "").split()
        wanted = [str(self._reliable_number), str(self.transaction.request.cseq[0]), "INVITE"]
        if not self._reliable_number or parts != wanted:
            self._broken("RFC 3262 7.2 RAck", f"{parts} is not {wanted}")
            transaction.respond(481)
            return
        self._pracked.set()
        transaction.respond(200)

    async def accept(self, media: Source) -> None:
        """Send 200 and say something from then on."""
        if not self.transaction.is_open:
            return
        body = self._media_answer()
        self._leg().play(media)
        self._waiting_for_ack = self.transaction
        self.transaction.on_no_ack = self._on_no_ack
        self.transaction.respond(200, self._headers(accepts=True), body)
        self.moments.answered = Stamp.now()
        self._enter(CallState.ANSWERED)

    def _media_answer(self) -> bytes:
        """Answer the client's offer: one codec, and 101 only when configured and offered."""
        offered = self.dialling.offer
        audio = offered.audio
        assert audio is not None
        if not self.local_sdp:
            events = self._exchange.config.media.telephone_event_in_answer
            extra = ("101",) if events and "101" in audio.formats else ()
            self._formats = (*self._chosen(audio), *extra)
            mirrored = {"sendonly": "recvonly", "recvonly": "sendonly"}
            self._direction = mirrored.get(audio.direction, audio.direction)
            self._describe()
            self._aim(offered)
        return self.local_sdp

    def _headers(self, *, accepts: bool = False) -> tuple[tuple[str, str], ...]:
        """Write the headers of a response that makes a dialog."""
        headers = [("Contact", self._contact()), ("Allow", "INVITE,ACK,BYE,CANCEL,UPDATE")]
        headers += [("Record-Route", route) for route in self.dialog.routes]
        if self._exchange.config.calls.offers_100rel:
            headers.append(("Supported", "100rel"))
        if accepts:
            headers += self._timer_of_answer()
        return tuple(headers)

    def _timer_of_answer(self) -> list[tuple[str, str]]:
        """Write and start the session timer of the 200, if the client takes part in one."""
        timer = self._exchange.config.session_timer
        if not timer.enabled or "timer" not in self._client_tags:
            return []
        asked = (self._client_timer_value or "").partition(";")
        seconds = timer.session_expires
        if asked[0].strip().isdecimal():
            seconds = max(LOWEST_MIN_SE, min(seconds, int(asked[0])))
        refresher = "uas" if timer.refresher is Refresher.GATEWAY else "uac"
        if "refresher=" in asked[2]:
            refresher = "uac" if "refresher=uac" in asked[2].lower() else "uas"
        self._arm(seconds, client=refresher == "uac")
        return [("Require", "timer"), ("Session-Expires", f"{seconds};refresher={refresher}")]


def _has_tokens(message: Message, slot: Slot) -> bool:
    """Tell whether an INVITE has the headers that profile B wants of data calls [R]."""
    try:
        contact = NameAddr.parse(message.get("Contact") or "")
    except ParseError:
        return False
    return contact.uri.user != slot.number and message.get("Allow") is not None


def _dialog(exchange: Exchange, received: Received, transaction: ServerTransaction) -> Dialog:
    """Begin the dialog of an INVITE from the client."""
    message, family = received.message, received.peer.family
    contact = NameAddr.parse(message.require("Contact")).uri
    calls, own = exchange.config.calls, exchange.contact(family)
    if calls.strict_route:
        routes = [f"<{own};strict>"]
    else:
        routes = [f"<{own};lr>"] if calls.record_route else []
    try:
        peer = peer_of(contact)
    except ValueError as error:
        raise ParseError(f"Contact is not a literal: {contact.text}") from error
    return Dialog(
        exchange=exchange,
        family=family,
        call_id=message.call_id,
        local=f"{message.require('To')};tag={transaction.tag}",
        remote=message.require("From"),
        target=contact.text,
        peer=peer if peer.family is family else received.peer,
        remote_cseq=message.cseq[0],
        routes=routes,
    )
