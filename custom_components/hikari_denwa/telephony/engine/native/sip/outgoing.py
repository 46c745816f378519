"""A call that we place (RFC 3261 §13.2)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ....calls import Ending, EndReason
from ...protocol import CallProgress
from ...sip import sdp
from ...sip.clock import Timer
from ...sip.ending import ending_of
from ...sip.manners import new_tag
from ...sip.messages import Request, Response
from ...sip.uri import NameAddress, SipUri
from .dialog import Dialog, DialogId, new_cseq
from .exchange import Exchange
from .session import Session, Surroundings
from .session_timer import ASKED_INTERVAL, SMALLEST_INTERVAL, agreed_timer
from .transactions import ClientUser, Failure

# Longer than §16.6's timer C, within which every proxy must hear a provisional response.
_LONGEST_WAIT = 200.0
# A gateway refuses to put calls through for an extension that it does not know any more.
_MAYBE_FORGOTTEN = 403
# More branches than any gateway has phones; what goes beyond is not ours.
_MOST_BRANCHES = 16


class OutgoingCall(Session):
    """An INVITE of ours, from its sending on."""

    we_call = True

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        call: str,
        channel: int,
        address_of_record: SipUri,
        target: SipUri,
        codecs: tuple[sdp.Codec, ...],
    ) -> None:
        """Take who calls, whom, and the codecs to offer."""
        super().__init__(surroundings, call=call, channel=channel, codecs=codecs)
        self._from = str(NameAddress(None, address_of_record).with_tag(new_tag()))
        self._target = target
        self._call_id = secrets.token_hex(16)
        self._cseq = new_cseq()
        self._exchange: Exchange | None = None
        self._rang = False
        self._lengthened = False
        self._told: tuple[int, bool] | None = None
        self._early_media: DialogId | None = None
        self._reliable: dict[DialogId, int] = {}
        self._ack_again: dict[str, Callable[[], None]] = {}
        self._patience: Timer | None = None

    async def prepare(self) -> None:
        """Bind the ports of the sound; raises SoundPortsExhaustedError."""
        media = await self._open_media()
        if self.ended:
            media.close()
            return
        self._media = media

    def start(self) -> None:
        """Send the INVITE, unless the call was ended before."""
        if not self.ended:
            self._invite(ASKED_INTERVAL, SMALLEST_INTERVAL)

    def hang_up(self, reason: EndReason | None = None) -> None:
        """Cancel while it rings there, else say BYE."""
        if self.ended:
            return
        if self._confirmed:
            self._bye(Ending(reason=reason or EndReason.HUNG_UP_HERE))
            return
        self._end(Ending(reason=reason or EndReason.CANCELLED_HERE))
        if self._exchange:
            self._exchange.cancel()
        else:
            self._over()

    def _invite(self, interval: int, smallest: int) -> None:
        """Send the INVITE with this session interval and Min-SE in seconds."""
        if self._media is None:
            return
        request = Request("INVITE", self._target)
        headers = request.headers
        headers.add("Max-Forwards", "70")
        headers.add("From", self._from)
        headers.add("To", str(NameAddress(None, self._target)))
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._next_cseq()} INVITE")
        self._around.finish(request)
        headers.add("Session-Expires", str(interval))
        headers.add("Min-SE", str(smallest))
        headers.add("Content-Type", sdp.CONTENT_TYPE)
        request.body = self._media.offer()
        user = ClientUser(on_response=self._respond, on_failure=self._failed)
        self._exchange = Exchange(self._around.requester, request, user, next_cseq=self._next_cseq)
        self._exchange.start()

    def _next_cseq(self) -> int:
        """Count one more INVITE."""
        self._cseq += 1
        return self._cseq

    def _respond(self, response: Response) -> None:
        """Take a response to the INVITE."""
        if response.status < 200:
            self._provisional(response)
        elif response.status < 300:
            self._accepted(response)
        elif response.status == 422 and response.min_se and not (self._lengthened or self.ended):
            self._lengthened = True
            self._invite(max(response.min_se, ASKED_INTERVAL), response.min_se)
        else:
            if response.status == _MAYBE_FORGOTTEN:
                self._around.doubt()
            self._stop_waiting()
            self._end(ending_of(response, rang=self._rang))
            self._over()

    def _provisional(self, response: Response) -> None:
        """Take a provisional response: it rings there, or sound comes from the network."""
        if self.ended:
            return
        self._wait()
        if response.status == 100:
            return
        dialog = self._dialog_of(response) if response.to.tag is not None else None
        if dialog and not self._acknowledge_provisional(dialog, response):
            return
        described = response.body and response.content_type == sdp.CONTENT_TYPE
        if described and self._accept(response.body) and self._media:
            self._early_media = dialog.id if dialog else ("", "", "")
            self._media.sound.start()
        told = response.status, self._early_media is not None
        # Early media are mostly a ringing tone (home-gateway facts §2.2).
        self._rang = self._rang or response.status == 180 or told[1]
        if told == self._told:
            return
        self._told = told
        self._around.tell(
            CallProgress(
                at=self._around.now(),
                line=self._around.line,
                call=self.call,
                status=response.status,
                early_media=told[1],
            )
        )

    def _acknowledge_provisional(self, dialog: Dialog, response: Response) -> bool:
        """Say PRACK to a reliable provisional (RFC 3262 §4); False for one that was had before."""
        if "100rel" not in response.require:
            return True
        text = response.headers.get("RSeq") or ""
        if not text.isascii() or not text.isdigit() or len(text) > 10:
            return False
        number, last = int(text), self._reliable.get(dialog.id)
        if last is not None and number != last + 1:
            return False
        self._reliable[dialog.id] = number
        prack = dialog.request("PRACK")
        self._around.finish(prack)
        prack.headers.add("RAck", f"{number} {response.headers.get('CSeq')}")
        Exchange(
            self._around.requester,
            prack,
            ClientUser(on_response=lambda _: None, on_failure=lambda _: None),
            next_cseq=dialog.next_cseq,
        ).start()
        return True

    def _accepted(self, response: Response) -> None:
        """Take a 2xx: the first is the call, one of another branch is hung up (§13.2.2.4)."""
        tag = response.to.tag or ""
        if again := self._ack_again.get(tag):
            again()
            return
        if len(self._ack_again) >= _MOST_BRANCHES:
            return
        self._stop_waiting()
        dialog = self._dialog_of(response)
        dialog.confirm(response)
        if self._exchange is None:
            return
        self._ack_again[tag] = self._around.requester.send_ack(dialog.ack(self._exchange.request))
        if self._confirmed:
            self._bye_to(dialog)
            return
        self.dialog = dialog
        self._keep(dialog)
        self._confirmed = True
        self._far_allows = response.allow
        if self.ended:
            self._send_bye()
        elif self._take_answer(response, dialog):
            self._session_timer.restart(agreed_timer(response))
            if self._media:
                self._media.sound.start()
            self._connect()

    def _take_answer(self, response: Response, dialog: Dialog) -> bool:
        """Take the answer of a 2xx; without a usable one the call ends."""
        if not response.body and self._early_media == dialog.id:
            return True
        if response.body and self._accept(response.body):
            return True
        self._bye(
            Ending(reason=EndReason.NOT_ACCEPTABLE if response.body else EndReason.PROTOCOL_FAILURE)
        )
        return False

    def _bye_to(self, dialog: Dialog) -> None:
        """End a branch that answered after another."""
        bye = dialog.request("BYE")
        self._around.finish(bye)
        Exchange(
            self._around.requester,
            bye,
            ClientUser(on_response=lambda _: None, on_failure=lambda _: None),
            next_cseq=dialog.next_cseq,
        ).start()

    def _failed(self, failure: Failure) -> None:
        """Take it that nobody answers the INVITE."""
        del failure
        self._around.doubt()
        self._stop_waiting()
        self._end(Ending(reason=EndReason.GATEWAY_SILENT))
        self._over()

    def _dialog_of(self, response: Response) -> Dialog:
        """Give the dialog of a response, a new one if it is the first of its branch."""
        invite = self._exchange.request if self._exchange else Request("INVITE", self._target)
        dialog = Dialog.of_caller(invite, response)
        if dialog.id not in self._dialogs and len(self._dialogs) < _MOST_BRANCHES:
            self._keep(dialog)
        return self._dialogs.get(dialog.id, dialog)

    def _keep(self, dialog: Dialog) -> None:
        """Let the requests of a dialog find the call."""
        self._dialogs[dialog.id] = dialog
        self._around.adopt(dialog.id, self)

    def _wait(self) -> None:
        """Wait for the next provisional response, but not for ever."""
        self._stop_waiting()
        self._patience = self._around.clock.call_later(_LONGEST_WAIT, self._waited_in_vain)

    def _stop_waiting(self) -> None:
        """Stop waiting."""
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def _waited_in_vain(self) -> None:
        """Give up on a call of which nothing is heard any more."""
        self._patience = None
        self.hang_up(EndReason.NO_ANSWER)

    def _acknowledged(self) -> None:
        """Hear of the ACK of a re-INVITE: nothing depends on it."""

    def _offer_is_open(self) -> bool:
        """Count the offer of the INVITE, too, which early media does not settle."""
        return not self._confirmed or super()._offer_is_open()

    def _end(self, ending: Ending) -> None:
        """Stop waiting, too."""
        self._stop_waiting()
        super()._end(ending)
