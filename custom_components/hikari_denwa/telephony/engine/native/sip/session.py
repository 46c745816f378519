"""A call from either side: what both kinds share once there is a dialog (RFC 3261 §12-§15)."""

from __future__ import annotations

import asyncio
import functools
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ....calls import Ending, EndReason, Family
from ....errors import CallNotConnectedError, CallNotRingingError, HoldRefusedError
from ...protocol import (
    CallConnected,
    CallEnded,
    CallEvent,
    CallHeld,
    CallQuality,
    DtmfReceived,
    SoundDirection,
    SoundFrame,
    SoundPlayed,
    SoundQuality,
)
from ...sip import sdp
from ...sip.clock import Clock, TimerValues
from ...sip.manners import Manners
from ...sip.messages import Request, Response
from ...sip.sdp import Refusal, SdpError
from ...sip.watch import SoundWatch
from .dialog import Dialog, DialogId
from .exchange import Exchange, Requester
from .media import CallMedia, OpenSound
from .repetition import Repetition
from .session_timer import SessionTimer, agreed_timer, answer_timer
from .transactions import ClientUser, Failure, ServerTransaction

# §14.1: whoever chose the Call-ID waits 2.1-4 s after a 491, the other up to 2 s.
_GLARE_OF_CALLER = (2.1, 4.0)
_GLARE_OF_CALLEE = (0.0, 2.0)
_REFRESH_AGAIN_AFTER = 5.0
# As callee we may wait next to nothing each time, and theirs comes again after half a second.
_MOST_CHANGES = 8


class Surroundings(Protocol):
    """What a call needs of the user agent that it lives in."""

    clock: Clock
    values: TimerValues
    manners: Manners
    requester: Requester
    line: str
    family: Family
    contact: str
    local_address: str
    gateway_address: str
    codecs: tuple[sdp.Codec, ...]
    open_sound: OpenSound

    def finish(self, request: Request) -> None:
        """Give a request of ours the headers that all of its kind have."""

    def tell(self, event: CallEvent) -> None:
        """Pass an event on."""

    def hear(self, frame: SoundFrame) -> None:
        """Pass sound on."""

    def adopt(self, dialog: DialogId, session: Session) -> None:
        """Let the requests of a dialog find this call."""

    def forget(self, session: Session) -> None:
        """Let go of a call whose signalling is over."""

    def doubt(self) -> None:
        """Find out whether the gateway still knows us."""

    def now(self) -> float:
        """Give the Unix time."""


@dataclass(frozen=True, kw_only=True)
class _UnacknowledgedAnswer:
    """A 2xx that waits for its ACK; `offered` if the 2xx has our offer and the ACK the answer."""

    cseq: int
    offered: bool
    repetition: Repetition

    def stop(self) -> None:
        """Stop repeating."""
        self.repetition.stop()


class Session(ABC):
    """One call.

    `ended` is what the user knows; the signalling may outlive it by a BYE that waits for its
    answer, until it is `over`. `connected` while the call carries sound.
    """

    we_call: bool

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        call: str,
        channel: int,
        codecs: tuple[sdp.Codec, ...] | None = None,
    ) -> None:
        """Take the names that the engine gives the call, and codecs if not all of the line's."""
        self.call = call
        self.channel = channel
        self._codecs = surroundings.codecs if codecs is None else codecs
        self.ended = False
        self.connected = False
        self.over = False
        self.dialog: Dialog | None = None
        self._around = surroundings
        self._dialogs: dict[DialogId, Dialog] = {}
        self._media: CallMedia | None = None
        self._watch: SoundWatch | None = None
        self._streaming: frozenset[SoundDirection] = frozenset()
        self._confirmed = False
        self._told_held = False
        self._bye_wanted = False
        self._bye_sent = False
        self._unacknowledged: _UnacknowledgedAnswer | None = None
        self._refreshing: Exchange | None = None
        # Who waits for the change of ours that is open; empty while none is.
        self._change: list[asyncio.Future[bool]] = []
        self._changes_tried = 0
        self._far_allows: list[str] = []
        self._session_timer = SessionTimer(
            surroundings.clock, refresh=self._refresh, expired=self._expired
        )

    @abstractmethod
    def hang_up(self, reason: EndReason | None = None) -> None:
        """End the call in whatever state; `reason` is told instead of the usual one."""

    @abstractmethod
    def _acknowledged(self) -> None:
        """Hear that the 2xx of the first INVITE has arrived."""

    @property
    def dialog_ids(self) -> list[DialogId]:
        """Give the dialogs that belong to the call."""
        return list(self._dialogs)

    def stream(self, *, enabled: bool, near: bool = False) -> None:
        """Start or stop passing the far side's sound on, and ours if `near`."""
        wanted = {SoundDirection.FAR, SoundDirection.NEAR} if near else {SoundDirection.FAR}
        self._streaming = frozenset(wanted if enabled else ())
        if self._media:
            self._media.sound.streaming = self._streaming

    def play(self, payload: bytes, *, mark: int | None = None) -> None:
        """Queue 20 ms, and tell when they have gone if they bear a mark.

        Without effect unless the call is connected.
        """
        if self.connected and self._media:
            on_gone = None if mark is None else functools.partial(self._tell_played, mark)
            self._media.sound.play(payload, on_gone)

    def clear_sound(self) -> None:
        """Forget what is queued."""
        if self._media:
            self._media.sound.clear()

    async def send_digits(self, digits: str) -> None:
        """Play keypad tones; raises CallNotConnectedError."""
        if not self.connected or not self._media:
            raise CallNotConnectedError
        await self._media.sound.send_digits(digits)

    @property
    def rings(self) -> bool:
        """Tell whether the call can be answered or rejected."""
        return False

    async def answer(self) -> None:
        """Answer with 200; raises CallNotRingingError, SoundPortsExhaustedError."""
        raise CallNotRingingError

    def reject(self, status: int) -> None:
        """Answer with a status from 400 to 699; raises CallNotRingingError."""
        del status
        raise CallNotRingingError

    @property
    def line(self) -> str:
        """Give the line that the call is on."""
        return self._around.line

    @property
    def holding(self) -> bool:
        """Tell whether the call is on hold by us."""
        return self._media is not None and self._media.holding

    async def hold(self, *, held: bool) -> None:
        """Put the call on hold, or take it back (RFC 3264 §8.4), by a re-INVITE.

        Returns when the far side has agreed, also to the same wish of somebody else that is still
        open. Raises CallNotConnectedError, and HoldRefusedError if it does not agree, or if the
        opposite wish is still open; then all is as before.
        """
        if not self.connected or self._media is None:
            raise CallNotConnectedError
        as_it_will_be = self._media.holding is held
        if as_it_will_be and not self._change:
            return
        if self._change and not as_it_will_be:
            raise HoldRefusedError
        agreed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._change.append(agreed)
        if not as_it_will_be:
            self._media.hold(held=held)
            self._changes_tried = 0
            self._send_change()
        if not await agreed:
            raise HoldRefusedError

    def abort(self) -> None:
        """Let go of everything at once; nothing is sent and the end is told if it was not."""
        self._end(Ending(reason=EndReason.LINE_CLOSED))
        self._over()

    def receive(self, transaction: ServerTransaction) -> None:
        """Answer a request within one of the call's dialogs (§12.2.2)."""
        request = transaction.request
        dialog = self._dialogs[(request.call_id, request.to.tag or "", request.from_.tag or "")]
        if not dialog.in_order(request):
            transaction.respond(self._later(request))
            return
        match request.method:
            case "BYE":
                transaction.respond(self._around.manners.reply(request, 200))
                self._hung_up_there(dialog)
            case "INVITE" | "UPDATE" if not self.ended:
                self._renegotiate(transaction, dialog)
            case "INFO" if not self.ended:
                transaction.respond(self._take_info(request))
            case "PRACK" if self._takes_prack(request):
                transaction.respond(self._around.manners.reply(request, 200))
            case "OPTIONS":
                transaction.respond(self._around.manners.reply(request, 200))
            case _:
                transaction.respond(self._around.manners.reply(request, 481))

    def acknowledge(self, ack: Request) -> None:
        """Take the ACK of a 2xx of ours."""
        answer = self._unacknowledged
        if answer is None or ack.cseq.number != answer.cseq:
            return
        answer.stop()
        self._unacknowledged = None
        if self._bye_wanted:
            self._send_bye()
            return
        if answer.offered and not self._accept(ack.body):
            self._bye(Ending(reason=EndReason.NOT_ACCEPTABLE))
            return
        self._acknowledged()
        self._tell_held()

    async def _open_media(self) -> CallMedia:
        """Bind the ports of the sound; raises SoundPortsExhaustedError."""
        around = self._around
        sound = await around.open_sound(
            around.local_address,
            on_frame=around.hear,
            on_digit=self._on_digit,
            channel=self.channel,
        )
        sound.streaming = self._streaming
        return CallMedia(around.local_address, around.gateway_address, sound, codecs=self._codecs)

    def _connect(self) -> None:
        """Tell that the call is answered, and watch its sound from now on."""
        media = self._media
        if media is None:
            return
        self.connected = True
        self._around.tell(
            CallConnected(
                at=self._around.now(), line=self._around.line, call=self.call, codec=media.codec
            )
        )
        self._watch = SoundWatch(
            self._around.clock,
            media,
            on_quality=self._tell_quality,
            on_timeout=lambda: self._bye(Ending(reason=EndReason.MEDIA_TIMEOUT)),
        )
        self._tell_held()

    def _tell_quality(self, quality: SoundQuality) -> None:
        """Tell how the call sounds."""
        self._around.tell(
            CallQuality(
                at=self._around.now(), line=self._around.line, call=self.call, quality=quality
            )
        )

    def _tell_played(self, mark: int) -> None:
        """Tell that a frame has gone."""
        self._around.tell(
            SoundPlayed(at=self._around.now(), line=self._around.line, call=self.call, number=mark)
        )

    def _end(self, ending: Ending) -> None:
        """Tell that the call is over, once, and free the sound."""
        if self.ended:
            return
        self.ended = True
        self.connected = False
        self._settle_change(agreed=False)
        self._session_timer.stop()
        if self._watch:
            self._watch.stop()
        if self._media:
            self._media.close()
        self._around.tell(
            CallEnded(at=self._around.now(), line=self._around.line, call=self.call, ending=ending)
        )

    def _over(self) -> None:
        """Let go: nothing more is to be signalled."""
        self.over = True
        if self._unacknowledged:
            self._unacknowledged.stop()
            self._unacknowledged = None
        if self._refreshing:
            # A re-INVITE that drew a provisional response waits without a limit (§17.1.1.2).
            self._refreshing.abandon()
            self._refreshing = None
        self._around.forget(self)

    def _bye(self, ending: Ending) -> None:
        """End a confirmed call: tell it, and say BYE as soon as it may be said (§15)."""
        self._end(ending)
        if self._unacknowledged:
            # §15: a callee says no BYE before the ACK, or before giving up on it.
            self._bye_wanted = True
        else:
            self._send_bye()

    def _send_bye(self) -> None:
        """Say BYE and stay until it is answered."""
        if self.dialog is None or self._bye_sent:
            return
        self._bye_sent = True
        bye = self.dialog.request("BYE")
        self._around.finish(bye)
        user = ClientUser(on_response=self._bye_answered, on_failure=lambda _: self._over())
        Exchange(self._around.requester, bye, user, next_cseq=self.dialog.next_cseq).start()

    def _bye_answered(self, response: Response) -> None:
        """Go when the BYE has its final response, whatever that is (§15.1.1)."""
        if response.status >= 200:
            self._over()

    def _hung_up_there(self, dialog: Dialog) -> None:
        """Take a BYE."""
        if dialog is not self.dialog:
            return
        self._end(Ending(reason=self._reason_of_bye()))
        if not self._bye_sent:
            self._over()

    def _takes_prack(self, request: Request) -> bool:
        """Tell whether a PRACK is for a provisional response of ours (RFC 3262 §3)."""
        del request
        return False

    def _reason_of_bye(self) -> EndReason:
        """Say why the far side may have said BYE."""
        return EndReason.HUNG_UP_THERE

    def _later(self, request: Request) -> Response:
        """Refuse a request that comes out of turn."""
        response = self._around.manners.reply(request, 500)
        response.headers.add("Retry-After", str(random.randrange(1, 10)))  # noqa: S311 - a delay
        return response

    def _renegotiate(self, transaction: ServerTransaction, dialog: Dialog) -> None:
        """Answer a re-INVITE (§14.2) or an UPDATE (RFC 3311 §5.2)."""
        request = transaction.request
        invite = request.method == "INVITE"
        if invite and not self._confirmed:
            transaction.respond(self._later(request))
            return
        if (invite or request.body) and self._offer_is_open():
            transaction.respond(self._around.manners.reply(request, 491))
            return
        if request.body and (self._media is None or self._media.remote is None):
            transaction.respond(self._later(request))
            return
        body = self._answer_of(request)
        if isinstance(body, Response):
            transaction.respond(body)
            return
        dialog.refresh_target(request)
        self._far_allows = request.allow or self._far_allows
        response = self._around.manners.reply(request, 200)
        response.headers.set("Contact", self._around.contact)
        self._settle_timer(request, response)
        if body:
            response.headers.set("Content-Type", sdp.CONTENT_TYPE)
            response.body = body
        if invite:
            self._answer_until_acknowledged(transaction, response, offered=not request.body)
        else:
            transaction.respond(response)
        self._tell_held()

    def _answer_of(self, request: Request) -> bytes | Response:
        """Give the body of the 2xx, or the response to an offer that will not do."""
        media = self._media
        if media is None or not (request.body or request.method == "INVITE"):
            return b""
        if not request.body:
            return media.offer()
        try:
            answered = media.answer(request.body)
        except SdpError:
            return self._around.manners.reply(request, 400)
        if isinstance(answered, Refusal):
            return self._around.manners.refuse(request, answered)
        return answered

    def _offer_is_open(self) -> bool:
        """Tell whether an offer of ours waits for its answer."""
        waiting = self._refreshing is not None and self._refreshing.request.method == "INVITE"
        return waiting or bool(self._unacknowledged and self._unacknowledged.offered)

    def _answer_until_acknowledged(
        self, transaction: ServerTransaction, response: Response, *, offered: bool
    ) -> None:
        """Send a 2xx to an INVITE, again and again until the ACK."""
        if self._unacknowledged:
            self._unacknowledged.stop()
        self._unacknowledged = _UnacknowledgedAnswer(
            cseq=transaction.request.cseq.number,
            offered=offered,
            repetition=Repetition(
                self._around.clock,
                self._around.values,
                send=lambda: transaction.respond(response),
                give_up=self._never_acknowledged,
                longest_interval=self._around.values.t2,
            ),
        )

    def _never_acknowledged(self) -> None:
        """Say BYE to a gateway that has not heard the 2xx, or is gone (§13.3.1.4)."""
        if self._unacknowledged:
            self._unacknowledged.stop()
            self._unacknowledged = None
        self._end(Ending(reason=EndReason.GATEWAY_SILENT))
        self._send_bye()

    def _accept(self, body: bytes) -> bool:
        """Take the far side's answer to our offer; tells whether it will do."""
        if self._media is None:
            return False
        try:
            refusal = self._media.accept(body)
        except SdpError:
            return False
        return refusal is None

    def _tell_held(self) -> None:
        """Tell that the far side has put the call on hold, or taken it back."""
        if not self.connected or not self._media or self._media.held == self._told_held:
            return
        self._told_held = self._media.held
        self._around.tell(
            CallHeld(
                at=self._around.now(),
                line=self._around.line,
                call=self.call,
                held=self._told_held,
            )
        )

    def _take_info(self, request: Request) -> Response:
        """Answer an INFO; one that carries a key is a key pressed there."""
        response, key = self._around.manners.take_info(request)
        if key:
            self._on_digit(key)
        return response

    def _settle_timer(self, request: Request, response: Response) -> None:
        """Put the session timer that a request asks for into its 2xx, and start it.

        An UPDATE before the call is answered starts none: the 2xx of the INVITE will (§7.2, §9).
        """
        answer = answer_timer(request, self._session_timer.interval)
        if answer:
            response.headers.set("Session-Expires", str(answer.header))
            if answer.required:
                response.headers.set("Require", "timer")
        if self._confirmed:
            self._session_timer.restart(answer.interval if answer else None)

    def _expired(self) -> None:
        """End a session that nobody has refreshed (RFC 4028 §10)."""
        self._bye(Ending(reason=EndReason.SESSION_EXPIRED))

    def _refresh(self, *, by_invite: bool = False, interval: int | None = None) -> None:
        """Refresh the session by UPDATE where the far side allows it, else by re-INVITE."""
        current = self._session_timer.interval
        if self.ended or self._refreshing or self.dialog is None or current is None:
            return
        if self._unacknowledged:
            self._session_timer.retry_refresh(1.0)
            return
        by_update = not by_invite and "UPDATE" in self._far_allows
        self._send_refresh(
            "UPDATE" if by_update else "INVITE", interval or current.seconds, interval
        )

    def _send_change(self) -> None:
        """Offer what the change of ours wants, once no other offer is open."""
        if self.ended or not self._change:
            return
        self._changes_tried += 1
        if self._changes_tried > _MOST_CHANGES:
            self._settle_change(agreed=False)
            return
        if self._refreshing or self._unacknowledged:
            self._change_again()
            return
        current = self._session_timer.interval
        self._send_refresh("INVITE", current.seconds if current else None, None)

    def _change_again(self) -> None:
        """Try the change of ours once more, after the time that glare wants (§14.1)."""
        wait = _GLARE_OF_CALLER if self.we_call else _GLARE_OF_CALLEE
        delay = random.uniform(*wait)  # noqa: S311 - a delay
        self._around.clock.call_later(delay, self._send_change)

    def _settle_change(self, *, agreed: bool) -> None:
        """Tell whether the far side agreed to the change of ours."""
        waiting, self._change = self._change, []
        if not waiting:
            return
        if not agreed and self._media:
            self._media.take_back()
        if agreed:
            self._around.tell(
                CallHeld(
                    at=self._around.now(),
                    line=self._around.line,
                    call=self.call,
                    held=self.holding,
                    here=True,
                )
            )
        for each in waiting:
            if not each.done():
                each.set_result(agreed)

    def _send_refresh(self, method: str, seconds: int | None, smallest: int | None) -> None:
        """Send a re-INVITE with our offer, or an UPDATE without; both refresh the session."""
        if self.dialog is None:
            return
        request = self.dialog.request(method)
        self._around.finish(request)
        if seconds is not None:
            request.headers.set("Session-Expires", f"{seconds};refresher=uac")
        if smallest:
            request.headers.set("Min-SE", str(smallest))
        if method == "INVITE" and self._media:
            request.headers.set("Content-Type", sdp.CONTENT_TYPE)
            request.body = self._media.offer()
        user = _RefreshUser(self, may_lengthen=smallest is None)
        exchange = Exchange(
            self._around.requester,
            request,
            ClientUser(on_response=user.on_response, on_failure=self._refresh_failed),
            next_cseq=self.dialog.next_cseq,
        )
        self._refreshing = exchange
        user.exchange = exchange
        exchange.start()

    def send_ack(self, invite: Request) -> Callable[[], None]:
        """Acknowledge a 2xx to an INVITE of the confirmed dialog; gives what repeats it."""
        if self.dialog is None:
            return lambda: None
        return self._around.requester.send_ack(self.dialog.ack(invite))

    def refreshed(self, response: Response) -> None:
        """Take the 2xx of a refresh of ours."""
        self._refreshing = None
        if self.ended:
            return
        if self.dialog:
            self.dialog.refresh_target(response)
        self._far_allows = response.allow or self._far_allows
        self._session_timer.restart(agreed_timer(response))
        if response.body and response.cseq.method == "INVITE" and not self._accept(response.body):
            self._bye(Ending(reason=EndReason.NOT_ACCEPTABLE))
            return
        self._settle_change(agreed=bool(response.body))
        self._tell_held()

    def refresh_refused(self, response: Response, *, may_lengthen: bool) -> None:
        """Take another final response to a refresh (§14.1, §12.2.1.2, RFC 4028 §7.3)."""
        self._refreshing = None
        if self.ended:
            return
        match response.status:
            case 408 | 481:
                self._bye(Ending(reason=EndReason.SESSION_EXPIRED, status=response.status))
            case 422 if may_lengthen and response.min_se:
                self._refresh(interval=response.min_se)
            case 405 | 501 if response.cseq.method == "UPDATE":
                self._refresh(by_invite=True)
            case 491 if self._change:
                self._change_again()
            case _ if self._change:
                self._settle_change(agreed=False)
            case 491:
                wait = _GLARE_OF_CALLER if self.we_call else _GLARE_OF_CALLEE
                self._session_timer.retry_refresh(random.uniform(*wait))  # noqa: S311 - a delay
            case _:
                self._session_timer.retry_refresh(
                    float(response.retry_after or _REFRESH_AGAIN_AFTER)
                )

    def _refresh_failed(self, failure: Failure) -> None:
        """End a session whose refresh nobody answers; try again after an ICMP error."""
        self._refreshing = None
        if self.ended:
            return
        if failure is Failure.TIMEOUT:
            self._bye(Ending(reason=EndReason.SESSION_EXPIRED))
        elif self._change:
            self._settle_change(agreed=False)
        else:
            self._session_timer.retry_refresh(_REFRESH_AGAIN_AFTER)

    def _on_digit(self, digit: str) -> None:
        """Tell a key that was pressed there."""
        if self.connected:
            self._around.tell(
                DtmfReceived(
                    at=self._around.now(), line=self._around.line, call=self.call, digit=digit
                )
            )


class _RefreshUser:
    """Hears the responses to one refresh, and acknowledges each 2xx of a re-INVITE."""

    def __init__(self, session: Session, *, may_lengthen: bool) -> None:
        """Take the call; `may_lengthen` if a 422 may be obeyed."""
        self.exchange: Exchange | None = None
        self._session = session
        self._may_lengthen = may_lengthen
        self._ack_again: Callable[[], None] | None = None

    def on_response(self, response: Response) -> None:
        """Take a response."""
        if response.status < 200 or self.exchange is None:
            return
        if response.status >= 300:
            self._session.refresh_refused(response, may_lengthen=self._may_lengthen)
        elif self._ack_again:
            self._ack_again()
        else:
            if response.cseq.method == "INVITE":
                self._ack_again = self._session.send_ack(self.exchange.request)
            self._session.refreshed(response)
