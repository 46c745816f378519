"""A call that rings here (RFC 3261 §13.3, RFC 3262)."""

from __future__ import annotations

import secrets

from ....calls import Ending, EndReason
from ....errors import CallNotRingingError
from ...protocol import CallIncoming
from ...sip import sdp
from ...sip.caller_id import called_of, caller_of, is_extension
from ...sip.clock import Timer
from ...sip.manners import new_tag
from ...sip.messages import Request, Response
from ...sip.sdp import Refusal, SdpError
from .dialog import Dialog
from .repetition import Repetition
from .session import Session, Surroundings
from .transactions import InviteServer

# §13.3.1.1: proxies forget a call after three minutes unless it rings anew.
_RING_AGAIN_AFTER = 60.0
# A gateway that went away never sends its CANCEL; nobody lets a phone ring that long.
_LONGEST_RINGING = 300.0
# The gateway's network hangs up 90 ms after an answer that it does not like (facts §2.1).
_REFUSED_WITHIN = 1.0
_ANSWERED_ELSEWHERE = 200


class IncomingCall(Session):
    """An INVITE from the gateway, from its ringing on."""

    we_call = False

    def __init__(
        self, surroundings: Surroundings, transaction: InviteServer, *, call: str, channel: int
    ) -> None:
        """Take an INVITE that was found good."""
        super().__init__(surroundings, call=call, channel=channel)
        self.transaction = transaction
        self.tag = new_tag()
        self.dialog = Dialog.of_callee(transaction.request, self.tag)
        self._dialogs[self.dialog.id] = self.dialog
        self._far_allows = transaction.request.allow
        self._ringing_timers: list[Timer] = []
        self._reliable = "100rel" in transaction.request.require
        self._reliable_number = secrets.randbelow(2**31 - 1) + 1
        self._unconfirmed: Repetition | None = None
        self._answering = False
        self._connected_at: float | None = None

    @property
    def rings(self) -> bool:
        """Tell whether the call can be answered or rejected."""
        return not (self.ended or self._answering or self._confirmed)

    def ring(self, received_at: float) -> None:
        """Answer 180 and tell; `received_at` is the Unix time of the INVITE's arrival."""
        around = self._around
        self._send_ringing()
        request = self.transaction.request
        caller = caller_of(request)
        self._ringing_timers = [
            around.clock.call_later(_RING_AGAIN_AFTER, self._ring_again),
            around.clock.call_later(
                min(request.expires or _LONGEST_RINGING, _LONGEST_RINGING), self._rang_too_long
            ),
        ]
        around.tell(
            CallIncoming(
                at=received_at,
                line=around.line,
                call=self.call,
                channel=self.channel,
                caller=caller,
                called=called_of(request),
                family=around.family,
                internal=is_extension(caller.number),
            )
        )

    async def answer(self) -> None:
        """Answer with 200; raises CallNotRingingError, SoundPortsExhaustedError."""
        if self.ended or self._answering:
            raise CallNotRingingError
        self._answering = True
        try:
            media = await self._open_media()
        except BaseException:
            self._answering = False
            raise
        if self.ended:
            media.close()
            raise CallNotRingingError
        self._media = media
        request = self.transaction.request
        try:
            body = media.answer(request.body) if request.body else media.offer()
        except SdpError:
            body = sdp.NO_AUDIO
        if isinstance(body, Refusal):
            self._respond(self._around.manners.refuse(request, body, tag=self.tag))
            self._end(Ending(reason=EndReason.NOT_ACCEPTABLE))
            self._over()
            raise CallNotRingingError
        self._accept_call(body)

    def reject(self, status: int, *, reason: EndReason = EndReason.REJECTED_HERE) -> None:
        """Answer with a status from 400 to 699; raises CallNotRingingError."""
        if self.ended or self._confirmed:
            raise CallNotRingingError
        self._respond(self._around.manners.reply(self.transaction.request, status, tag=self.tag))
        self._end(Ending(reason=reason, status=status))
        self._over()

    def hang_up(self, reason: EndReason | None = None) -> None:
        """Reject while it rings, else say BYE."""
        if self.ended:
            return
        if self._confirmed:
            self._bye(Ending(reason=reason or EndReason.HUNG_UP_HERE))
        elif reason is None:
            self.reject(486)
        else:
            self.reject(480, reason=reason)

    def cancelled(self, cancel: Request) -> None:
        """Take a CANCEL (§9.2); one that crosses our 200 comes too late."""
        if self.ended or self._confirmed:
            return
        elsewhere = any(
            each.protocol.upper() == "SIP" and each.cause == _ANSWERED_ELSEWHERE
            for each in cancel.reasons
        )
        self._respond(self._around.manners.reply(self.transaction.request, 487, tag=self.tag))
        self._end(
            Ending(reason=EndReason.ANSWERED_ELSEWHERE if elsewhere else EndReason.CALLER_GAVE_UP)
        )
        self._over()

    def _send_ringing(self) -> None:
        """Send 180."""
        ringing = self._around.manners.reply(self.transaction.request, 180, tag=self.tag)
        ringing.headers.set("Contact", self._around.contact)
        if not self._reliable:
            self.transaction.respond(ringing)
            return
        self._reliable_number += 1
        ringing.headers.set("Require", "100rel")
        ringing.headers.set("RSeq", str(self._reliable_number))
        self._unconfirmed = Repetition(
            self._around.clock,
            self._around.values,
            send=lambda: self.transaction.respond(ringing),
            give_up=self._never_confirmed,
        )

    def _takes_prack(self, request: Request) -> bool:
        """Stop repeating the 180 that a PRACK confirms (RFC 3262 §3)."""
        invite = self.transaction.request.cseq
        words = (request.headers.get("RAck") or "").split()
        if self._unconfirmed is None or words != [
            str(self._reliable_number),
            str(invite.number),
            invite.method,
        ]:
            return False
        self._unconfirmed.stop()
        self._unconfirmed = None
        return True

    def _never_confirmed(self) -> None:
        """Refuse a call whose caller does not say PRACK (RFC 3262 §3)."""
        self.reject(504, reason=EndReason.GATEWAY_SILENT)

    def _ring_again(self) -> None:
        """Keep the call alive at proxies; a second reliable 180 waits for the first one's PRACK."""
        if self._unconfirmed is None:
            self._send_ringing()
        self._ringing_timers[0] = self._around.clock.call_later(_RING_AGAIN_AFTER, self._ring_again)

    def _rang_too_long(self) -> None:
        """Stop ringing."""
        if not self.ended and not self._confirmed:
            self.reject(480, reason=EndReason.CALLER_GAVE_UP)

    def _accept_call(self, body: bytes) -> None:
        """Send 200 until it is acknowledged, and let the sound flow."""
        request = self.transaction.request
        response = self._around.manners.reply(request, 200, tag=self.tag)
        response.headers.set("Contact", self._around.contact)
        self._confirmed = True
        self._settle_timer(request, response)
        response.headers.set("Content-Type", sdp.CONTENT_TYPE)
        response.body = body
        self._stop_ringing()
        self._answer_until_acknowledged(self.transaction, response, offered=not request.body)
        if self._media:
            self._media.sound.start()

    def _acknowledged(self) -> None:
        """Take the ACK of the 200, or of a re-INVITE's."""
        if not self.connected and not self.ended:
            self._connected_at = self._around.clock.time()
            self._connect()

    def _reason_of_bye(self) -> EndReason:
        """Tell an answer that the gateway refused from a call that was hung up."""
        if not self._confirmed:
            return EndReason.CALLER_GAVE_UP
        if self._connected_at is None or self._media is None:
            return EndReason.HUNG_UP_THERE
        at_once = self._around.clock.time() - self._connected_at < _REFUSED_WITHIN
        silent = self._media.sound.statistics.last_received is None
        return EndReason.ANSWER_REFUSED if at_once and silent else EndReason.HUNG_UP_THERE

    def _end(self, ending: Ending) -> None:
        """Stop ringing, too."""
        self._stop_ringing()
        super()._end(ending)

    def _over(self) -> None:
        """See to it that the INVITE has a final response (§15.1.2)."""
        if not self._confirmed:
            self._respond(self._around.manners.reply(self.transaction.request, 487, tag=self.tag))
        super()._over()

    def _respond(self, response: Response) -> None:
        """Send a final response; the transaction drops a second one."""
        self.transaction.respond(response)

    def _stop_ringing(self) -> None:
        """Stop the timers of the ringing."""
        for timer in self._ringing_timers:
            timer.cancel()
        self._ringing_timers = []
        if self._unconfirmed:
            self._unconfirmed.stop()
            self._unconfirmed = None
