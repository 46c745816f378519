"""A call by pjsua2, told as every back end tells calls."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

from ...calls import CallerId, Ending, EndReason, Family
from ...errors import (
    CallNotConnectedError,
    CallNotRingingError,
    HoldRefusedError,
    TooManyCallsError,
)
from ..protocol import (
    CallConnected,
    CallEnded,
    CallEvent,
    CallHeld,
    CallIncoming,
    CallProgress,
    CallQuality,
    DtmfReceived,
    SoundDirection,
    SoundFrame,
    SoundPlayed,
    SoundQuality,
)
from ..sip import sdp
from ..sip.caller_id import called_of, caller_of, is_extension
from ..sip.ending import ending_of
from ..sip.messages import Request, Response
from ..sip.sdp import AudioStream
from ..sip.watch import SoundWatch
from .description import Descriptions, trimmed
from .fence import fence_in
from .library import USUAL_SETTINGS, guarded, pj, reason_of
from .quality import Statistics
from .sound import CallSound, Ports, SoundPort

_LOGGER = logging.getLogger(__name__)
# §13.3.1.1: proxies forget a call after three minutes unless it rings anew.
_RING_AGAIN_AFTER = 60.0
# A gateway that went away never sends its CANCEL; nobody lets a phone ring that long.
_LONGEST_RINGING = 300.0
# Longer than §16.6's timer C, within which every proxy must hear a provisional response.
_LONGEST_WAIT = 200.0
# The gateway's network hangs up 90 ms after an answer that it does not like (facts §2.1).
_REFUSED_WITHIN = 1.0
_ANSWERED_ELSEWHERE = 200
# A gateway refuses to put calls through for an extension that it does not know any more.
_MAYBE_FORGOTTEN = 403
# §14.1: whoever chose the Call-ID waits 2.1-4 s after a 491, the other up to 2 s.
_GLARE_OF_CALLER = (2.1, 4.0)
_GLARE_OF_CALLEE = (0.0, 2.0)
_MOST_CHANGES = 8
_REQUEST_PENDING = 491
# PJMEDIA_DTMF_DURATION and the pause after it.
_EVENT_SECONDS = 0.25
_CHANGE_SECONDS = 40.0
_FIRST_ACTIVE = -1


class Surroundings(Protocol):
    """What a call needs of the user agent that it lives in."""

    line: str
    family: Family
    local_address: str
    gateway_address: str
    codecs: tuple[sdp.Codec, ...]
    ports: Ports

    def tell(self, event: CallEvent) -> None:
        """Pass an event on."""

    def hear(self, frame: SoundFrame) -> None:
        """Pass sound on."""

    def now(self) -> float:
        """Give the Unix time."""

    def forget(self, call: Call) -> None:
        """Let go of a call whose signalling is over."""

    def doubt(self) -> None:
        """Find out whether the gateway still knows us."""


class _Handle(pj.Call):
    """Passes on what pjsua2 tells of a call."""

    def __init__(self, owner: Call, account: Any, call_id: int) -> None:
        """Take the call that hears it."""
        super().__init__(account, call_id)
        self._owner = owner

    @guarded
    def onCallState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear of a new state."""
        del prm
        self._owner.state_changed()

    @guarded
    def onCallMediaState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear that the sound was set up anew."""
        del prm
        self._owner.media_changed()

    @guarded
    def onCallSdpCreated(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Change a description of ours before it leaves."""
        prm.sdp.wholeSdp = trimmed(
            prm.sdp.wholeSdp, codecs=self._owner.codecs, answers=bool(prm.remSdp.wholeSdp)
        )

    @guarded
    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear how a request within the call fares."""
        transaction = prm.e.body.tsxState.tsx
        self._owner.transaction_changed(
            str(transaction.method),
            int(transaction.statusCode),
            ours=transaction.role == pj.PJSIP_ROLE_UAC,
            over=transaction.state in (pj.PJSIP_TSX_STATE_COMPLETED, pj.PJSIP_TSX_STATE_TERMINATED),
        )

    @guarded
    def onDtmfDigit(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Hear a telephone event, on a thread of the library's."""
        self._owner.event_from_thread(str(prm.digit))

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Refuse to dial what others want."""
        prm.statusCode = 603

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:  # noqa: N802 - pjsua2's name
        """Refuse to let a call take another's place."""
        prm.statusCode = 603

    @guarded
    def onCallRedirected(self, prm: Any) -> int:  # noqa: N802 - pjsua2's name
        """Follow no redirection."""
        del prm
        return int(pj.PJSIP_REDIRECT_STOP)


class Call:
    """One call. ``ended`` is what the user knows; the signalling may outlive it."""

    def __init__(
        self,
        around: Surroundings,
        account: Any,
        *,
        call: str,
        channel: int,
        we_call: bool,
        codecs: tuple[sdp.Codec, ...],
        index: int = -1,
    ) -> None:
        """Take the names that the engine gives the call, and pjsua2's ``index`` of one."""
        self.call = call
        self.channel = channel
        self.we_call = we_call
        self.ended = False
        self.connected = False
        self.over = False
        self.held = False
        self.codecs = codecs
        self.call_id = ""
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._handle: Any = _Handle(self, account, index)
        self._descriptions = Descriptions()
        self._stream: AudioStream | None = None
        self._sound = CallSound(channel, on_frame=self._on_frame, on_digit=self._on_digit)
        self._port: SoundPort | None = None
        self._audio = 0
        self._near_too = False
        self._statistics = Statistics()
        self._watch: SoundWatch | None = None
        self._told_held = False
        self._holding = False
        self._agreed_holding = False
        self._wish: asyncio.Task[bool] | None = None
        self._reinvite: asyncio.Future[int] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._bye_came = False
        self._ended_by_us: EndReason | None = None

    @property
    def line(self) -> str:
        """Give the line that the call is on."""
        return self._around.line

    @property
    def holding(self) -> bool:
        """Tell whether the call is on hold by us."""
        return self._holding

    @property
    def rings(self) -> bool:
        """Tell whether the call can be answered or rejected."""
        return False

    @property
    def quality(self) -> SoundQuality:
        """Tell how it sounds so far."""
        self._statistics.read(self._handle, self._audio)
        return self._statistics.quality

    @property
    def silent_for(self) -> float | None:
        """Tell for how many seconds nothing has come, None while nothing is to come."""
        receives = self._stream is not None and self._stream.direction.receives
        return self._statistics.silent_for if receives else None

    async def answer(self) -> None:
        """Answer with 200; raises CallNotRingingError."""
        raise CallNotRingingError

    def reject(self, status: int) -> None:
        """Answer with a status from 400 to 699; raises CallNotRingingError."""
        del status
        raise CallNotRingingError

    def hang_up(self, reason: EndReason | None = None) -> None:
        """End the call in whatever state; ``reason`` is told instead of the usual one."""
        raise NotImplementedError

    def stream(self, *, enabled: bool, near: bool = False) -> None:
        """Start or stop passing the far side's sound on, and ours if ``near``."""
        self._sound.streaming = enabled
        self._near_too = near

    def play(self, payload: bytes, *, mark: int | None = None) -> None:
        """Queue 20 ms, and tell when they have gone if they bear a mark.

        Without effect unless the call is connected.
        """
        if self.connected:
            on_gone = None if mark is None else functools.partial(self._tell_played, mark)
            self._sound.play(payload, on_gone)

    def clear_sound(self) -> None:
        """Forget what is queued."""
        self._sound.clear()

    async def send_digits(self, digits: str) -> None:
        """Send keypad digits and return when the last has gone.

        They are telephone events where these are agreed on, else tones. Raises
        CallNotConnectedError.
        """
        if not self.connected:
            raise CallNotConnectedError
        if self._stream is None or self._stream.telephone_event_type is None:
            await self._sound.send_tones(digits)
            return
        try:
            self._handle.dialDtmf(digits.upper())
        except pj.Error as error:
            raise CallNotConnectedError from error
        await asyncio.sleep(_EVENT_SECONDS * len(digits))
        if not self.connected:
            raise CallNotConnectedError

    async def hold(self, *, held: bool) -> None:
        """Put the call on hold, or take it back (RFC 3264 §8.4), by a re-INVITE.

        Returns when the far side has agreed, also to the same wish of somebody else that is still
        open. Raises CallNotConnectedError, and HoldRefusedError if it does not agree, or if the
        opposite wish is still open; then all is as before.
        """
        if not self.connected:
            raise CallNotConnectedError
        wish = self._wish
        if self._holding is held:
            if wish is None:
                return
        elif wish:
            raise HoldRefusedError
        else:
            self._holding = held
            self._wish = wish = asyncio.create_task(self._change(held=held))
        # Whoever stops waiting does not stop the others.
        if not await asyncio.shield(wish):
            raise HoldRefusedError

    async def _change(self, *, held: bool) -> bool:
        """Offer until the far side agrees or refuses; both sides' offers may meet (§14.1)."""
        status = 0
        for _ in range(_MOST_CHANGES):
            status = await self._ask_for_change(held=held)
            if status != _REQUEST_PENDING or self.ended:
                break
            wait = _GLARE_OF_CALLER if self.we_call else _GLARE_OF_CALLEE
            await asyncio.sleep(random.uniform(*wait))  # noqa: S311 - a delay
        self._wish = None
        if status // 100 != 2 or self.ended:
            self._holding = self._agreed_holding
            return False
        self._agreed_holding = held
        self._around.tell(
            CallHeld(at=self._around.now(), line=self.line, call=self.call, held=held, here=True)
        )
        return True

    async def _ask_for_change(self, *, held: bool) -> int:
        """Send one re-INVITE and return its final status; 491 if none can be sent now."""
        if self.ended:
            return 0
        parameters = pj.CallOpParam(USUAL_SETTINGS)
        set_kinds(parameters.opt)
        answer: asyncio.Future[int] = self._loop.create_future()
        self._reinvite = answer
        try:
            async with asyncio.timeout(_CHANGE_SECONDS):
                if held:
                    self._handle.setHold(parameters)
                else:
                    parameters.opt.flag |= pj.PJSUA_CALL_UNHOLD
                    self._handle.reinvite(parameters)
                return await answer
        except pj.Error:
            return _REQUEST_PENDING
        except TimeoutError:
            return 408
        finally:
            self._reinvite = None

    def goes_out(self, message: Request | Response) -> None:
        """See a message of ours leave."""
        if self._descriptions.goes_out(message):
            self._agreed()

    def comes_in(self, message: Request | Response, at: float) -> None:
        """See a message of the gateway's, before pjsua2 does."""
        del at
        hung_up = isinstance(message, Request) and message.method == "BYE"
        self._bye_came = self._bye_came or hung_up
        if hung_up or message.body:
            # pjsua2 takes the sound down, or sets it up anew and forgets what it has counted.
            self._statistics.read(self._handle, self._audio)
        if self._descriptions.comes_in(message):
            self._agreed()

    def key_pressed(self, key: str) -> None:
        """Hear of a key that an INFO told."""
        self._on_digit(key)

    def event_from_thread(self, digit: str) -> None:
        """Hear of a telephone event, on whatever thread."""
        self._loop.call_soon_threadsafe(self._sound.event, digit)

    def state_changed(self) -> None:
        """Hear from pjsua2 of another state."""
        match self._handle.getInfo().state:
            case pj.PJSIP_INV_STATE_CONFIRMED:
                self._confirmed()
            case pj.PJSIP_INV_STATE_DISCONNECTED:
                self._disconnected()

    def media_changed(self) -> None:
        """Connect the sound that pjsua2 has set up anew."""
        # What is within it lives no longer than the whole.
        info = self._handle.getInfo()
        for media in info.media:
            audible = media.status in (
                pj.PJSUA_CALL_MEDIA_ACTIVE,
                pj.PJSUA_CALL_MEDIA_LOCAL_HOLD,
                pj.PJSUA_CALL_MEDIA_REMOTE_HOLD,
            )
            if media.type != pj.PJMEDIA_TYPE_AUDIO or not audible:
                continue
            self._audio = int(media.index)
            try:
                stream = self._handle.getAudioMedia(_FIRST_ACTIVE)
                if self._port is None:
                    self._port = self._around.ports.take(self._sound)
                stream.startTransmit(self._port)
                self._port.startTransmit(stream)
            except pj.Error as error:
                _LOGGER.warning("No sound in a call: %s", reason_of(error))
            break

    def transaction_changed(self, method: str, status: int, *, ours: bool, over: bool) -> None:
        """Hear how a request within the call fares."""
        answer = self._reinvite
        # After a challenge it is sent again with credentials.
        final = ours and over and method == "INVITE" and status not in (401, 407)
        if final and answer and not answer.done():
            answer.set_result(status)

    def abort(self) -> None:
        """Let go of everything at once; nothing is sent and the end is told if it was not."""
        self._end(Ending(reason=EndReason.LINE_CLOSED))
        self._let_go()

    def _agreed(self) -> None:
        """Take what both sides have agreed on."""
        stream = self._descriptions.stream
        if stream is None:
            return
        self._stream = stream
        remote = self._descriptions.remote
        self.held = bool(remote and remote.audio and remote.audio.held)
        self._sound.sends = stream.direction.sends
        self._fence(stream)
        self._tell_held()

    def _fence(self, stream: AudioStream) -> None:
        """Hear the far side and the gateway alone."""
        local = self._descriptions.local
        audio = local.audio if local else None
        if audio is None:
            return
        hosts = [sdp.Connection.to(self._around.gateway_address).literal]
        with contextlib.suppress(ValueError):
            hosts.append(sdp.Connection.to(stream.address).literal)
        wanted = [host for host in hosts if host and not host.is_unspecified]
        fence_in((self._around.local_address, audio.port), wanted)

    def _tell_held(self) -> None:
        """Tell that the far side put the call on hold, or took it back."""
        if self.connected and self.held is not self._told_held:
            self._told_held = self.held
            self._around.tell(
                CallHeld(at=self._around.now(), line=self.line, call=self.call, held=self.held)
            )

    def _confirmed(self) -> None:
        """Tell that the call is answered, and watch its sound from now on."""
        if self.ended or self.connected:
            return
        self._stop_timers()
        self.connected = True
        codec = self._stream.codec.name if self._stream else sdp.PCMU.name
        self._around.tell(
            CallConnected(at=self._around.now(), line=self.line, call=self.call, codec=codec)
        )
        self._watch = SoundWatch(
            self._loop,
            self,
            on_quality=self._tell_quality,
            on_timeout=lambda: self._hang_up_connected(EndReason.MEDIA_TIMEOUT),
        )
        self._tell_held()

    def _tell_quality(self, quality: SoundQuality) -> None:
        """Tell how the call sounds."""
        self._around.tell(
            CallQuality(at=self._around.now(), line=self.line, call=self.call, quality=quality)
        )

    def _tell_played(self, mark: int) -> None:
        """Tell that a frame has gone."""
        if self.connected:
            self._around.tell(
                SoundPlayed(at=self._around.now(), line=self.line, call=self.call, number=mark)
            )

    def _hang_up_connected(self, reason: EndReason) -> None:
        """End a connected call: tell it, and let pjsua2 say BYE."""
        if self.ended:
            return
        self._end(Ending(reason=reason))
        self._drop(0)

    def _drop(self, status: int) -> None:
        """Let pjsua2 end the call: by a final status, CANCEL or BYE."""
        parameters = pj.CallOpParam()
        parameters.statusCode = status
        with contextlib.suppress(pj.Error):
            self._handle.hangup(parameters)

    def _end(self, ending: Ending) -> None:
        """Tell that the call is over, once, and free the sound."""
        if self.ended:
            return
        if self._watch:
            self._watch.stop()
        self.ended = True
        self.connected = False
        self._stop_timers()
        if self._reinvite and not self._reinvite.done():
            self._reinvite.set_result(0)
        self._sound.close()
        if self._port:
            self._around.ports.give_back(self._port)
            self._port = None
        self._around.tell(
            CallEnded(at=self._around.now(), line=self.line, call=self.call, ending=ending)
        )

    def _disconnected(self) -> None:
        """Hear from pjsua2 that the signalling is over."""
        self._end(self._ending())
        self._let_go()

    def _let_go(self) -> None:
        """Let go of pjsua2's call: its number may be another's at once."""
        self.over = True
        self._handle = None
        self._around.forget(self)

    def _ending(self) -> Ending:
        """Say why pjsua2 ended the call."""
        if self.connected:
            if self._bye_came:
                return Ending(reason=self._reason_of_bye())
            return Ending(reason=EndReason.SESSION_EXPIRED)
        return Ending(reason=EndReason.NETWORK_FAILURE)

    def _reason_of_bye(self) -> EndReason:
        """Say why the far side may have said BYE."""
        return EndReason.HUNG_UP_THERE

    def _later(self, delay: float, callback: Callable[[], None]) -> None:
        """Call back after a delay, unless the call is answered or over before."""
        self._timers.append(self._loop.call_later(delay, callback))

    def _stop_timers(self) -> None:
        """Stop ringing and waiting."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _on_frame(self, frame: SoundFrame) -> None:
        """Pass sound on."""
        if frame.direction is SoundDirection.FAR or self._near_too:
            self._around.hear(frame)

    def _on_digit(self, digit: str) -> None:
        """Tell a key that was pressed there."""
        if self.connected:
            self._around.tell(
                DtmfReceived(at=self._around.now(), line=self.line, call=self.call, digit=digit)
            )


class IncomingCall(Call):
    """An INVITE from the gateway, from its ringing on."""

    def __init__(
        self,
        around: Surroundings,
        account: Any,
        *,
        call: str,
        channel: int,
        index: int,
        invites: dict[str, tuple[Request, float]],
    ) -> None:
        """Take the INVITE that pjsua2 has a call for, of those that passed."""
        super().__init__(
            around,
            account,
            call=call,
            channel=channel,
            we_call=False,
            codecs=around.codecs,
            index=index,
        )
        self.call_id = str(self._handle.getInfo().callIdString)
        self._request, self._received_at = invites.pop(self.call_id)
        self._answering = False
        self._connected_at: float | None = None
        self._cancel: Request | None = None
        self._rejected = False
        self._descriptions.comes_in(self._request)

    @property
    def rings(self) -> bool:
        """Tell whether the call can be answered or rejected."""
        return not (self.ended or self._answering)

    def ring(self) -> None:
        """Answer 180 and tell."""
        self._send_ringing()
        caller: CallerId = caller_of(self._request)
        longest = min(self._request.expires or _LONGEST_RINGING, _LONGEST_RINGING)
        self._later(longest, self._rang_too_long)
        self._around.tell(
            CallIncoming(
                at=self._received_at,
                line=self.line,
                call=self.call,
                channel=self.channel,
                caller=caller,
                called=called_of(self._request),
                family=self._around.family,
                internal=is_extension(caller.number),
            )
        )

    async def answer(self) -> None:
        """Answer with 200; raises CallNotRingingError."""
        if not self.rings:
            raise CallNotRingingError
        self._answering = True
        self._stop_timers()
        parameters = pj.CallOpParam(USUAL_SETTINGS)
        parameters.statusCode = 200
        set_kinds(parameters.opt)
        try:
            self._handle.answer(parameters)
        except pj.Error as error:
            raise CallNotRingingError from error

    def reject(self, status: int, *, reason: EndReason = EndReason.REJECTED_HERE) -> None:
        """Answer with a status from 400 to 699; raises CallNotRingingError."""
        if not self.rings:
            raise CallNotRingingError
        self._end(Ending(reason=reason, status=status))
        self._drop(status)

    def hang_up(self, reason: EndReason | None = None) -> None:
        """Reject while it rings, else say BYE."""
        if self.ended:
            return
        if self._answering:
            self._hang_up_connected(reason or EndReason.HUNG_UP_HERE)
        elif reason is None:
            self.reject(486)
        else:
            self.reject(480, reason=reason)

    def comes_in(self, message: Request | Response, at: float) -> None:
        """See a message of the gateway's, before pjsua2 does."""
        if isinstance(message, Request) and message.method == "CANCEL":
            self._cancel = message
        super().comes_in(message, at)

    def _send_ringing(self) -> None:
        """Send 180, again and again."""
        parameters = pj.CallOpParam(USUAL_SETTINGS)
        parameters.statusCode = 180
        set_kinds(parameters.opt)
        with contextlib.suppress(pj.Error):
            self._handle.answer(parameters)
        self._later(_RING_AGAIN_AFTER, self._send_ringing)

    def _rang_too_long(self) -> None:
        """Stop ringing."""
        if self.rings:
            self.reject(480, reason=EndReason.CALLER_GAVE_UP)

    def _confirmed(self) -> None:
        """Note when that was."""
        self._connected_at = self._loop.time()
        super()._confirmed()

    def _ending(self) -> Ending:
        """Say why pjsua2 ended the call."""
        if self.connected:
            return super()._ending()
        if self._answering and not self._bye_came and not self._cancel:
            # Nobody acknowledged our answer.
            return Ending(reason=EndReason.GATEWAY_SILENT)
        elsewhere = self._cancel and any(
            each.protocol.upper() == "SIP" and each.cause == _ANSWERED_ELSEWHERE
            for each in self._cancel.reasons
        )
        return Ending(
            reason=EndReason.ANSWERED_ELSEWHERE if elsewhere else EndReason.CALLER_GAVE_UP
        )

    def _reason_of_bye(self) -> EndReason:
        """Tell an answer that the gateway refused from a call that was hung up."""
        if self._connected_at is None:
            return EndReason.HUNG_UP_THERE
        at_once = self._loop.time() - self._connected_at < _REFUSED_WITHIN
        silent = not self._statistics.quality.packets_received
        return EndReason.ANSWER_REFUSED if at_once and silent else EndReason.HUNG_UP_THERE


class OutgoingCall(Call):
    """An INVITE of ours, from its sending on."""

    def __init__(
        self,
        around: Surroundings,
        account: Any,
        *,
        call: str,
        channel: int,
        codecs: tuple[sdp.Codec, ...],
    ) -> None:
        """Take the names that the engine gives the call."""
        super().__init__(around, account, call=call, channel=channel, we_call=True, codecs=codecs)
        self._rang = False
        self._told: tuple[int, bool] | None = None
        self._early_media = False
        self._final: Response | None = None

    def start(self, target: str) -> None:
        """Send the INVITE; raises TooManyCallsError."""
        parameters = pj.CallOpParam(USUAL_SETTINGS)
        set_kinds(parameters.opt)
        try:
            self._handle.makeCall(target, parameters)
        except pj.Error as error:
            raise TooManyCallsError from error
        self.call_id = str(self._handle.getInfo().callIdString)

    def hang_up(self, reason: EndReason | None = None) -> None:
        """Cancel while it rings there, else say BYE."""
        if self.ended:
            return
        if self.connected:
            self._hang_up_connected(reason or EndReason.HUNG_UP_HERE)
            return
        self._end(Ending(reason=reason or EndReason.CANCELLED_HERE))
        self._drop(0)

    def comes_in(self, message: Request | Response, at: float) -> None:
        """See a message of the gateway's, before pjsua2 does."""
        super().comes_in(message, at)
        if isinstance(message, Response) and message.cseq.method == "INVITE":
            if message.status < 200:
                self._provisional(message)
            else:
                self._final = message

    def _provisional(self, response: Response) -> None:
        """Take a provisional response: it rings there, or sound comes from the network."""
        if self.ended or self.connected:
            return
        self._stop_timers()
        self._later(_LONGEST_WAIT, lambda: self.hang_up(EndReason.NO_ANSWER))
        if response.status == 100:
            return
        described = bool(response.body) and response.content_type == sdp.CONTENT_TYPE
        self._early_media = self._early_media or described
        told = response.status, self._early_media
        # Early media are mostly a ringing tone (home-gateway facts §2.2).
        self._rang = self._rang or response.status == 180 or told[1]
        if told == self._told:
            return
        self._told = told
        self._around.tell(
            CallProgress(
                at=self._around.now(),
                line=self.line,
                call=self.call,
                status=response.status,
                early_media=told[1],
            )
        )

    def _ending(self) -> Ending:
        """Say why pjsua2 ended the call."""
        if self.connected:
            return super()._ending()
        if self._final is None:
            self._around.doubt()
            return Ending(reason=EndReason.GATEWAY_SILENT)
        if self._final.status < 300:
            return Ending(reason=EndReason.NOT_ACCEPTABLE)
        if self._final.status == _MAYBE_FORGOTTEN:
            self._around.doubt()
        return ending_of(self._final, rang=self._rang)


def set_kinds(settings: Any) -> None:
    """Want sound and nothing else; newer versions offer text as well unless told."""
    settings.audioCount = 1
    settings.videoCount = 0
    if hasattr(settings, "textCount"):
        settings.textCount = 0
