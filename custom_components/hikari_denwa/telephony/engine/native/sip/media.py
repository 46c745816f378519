"""The sound of a call as offer/answer sees it (RFC 3264): both descriptions and the RTP behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from ...protocol import SoundCodec, SoundDirection, SoundFrame, SoundQuality
from ...sip import sdp
from ...sip.sdp import Codec, Direction, MediaDescription, Refusal, SessionDescription
from ..rtp.payload import PayloadFormat
from ..rtp.quality import quality_of
from ..rtp.session import RtpStatistics


class Sound(Protocol):
    """The part of an RTP session that a call needs."""

    streaming: frozenset[SoundDirection]

    @property
    def local_port(self) -> int:
        """Give the RTP port."""

    @property
    def statistics(self) -> RtpStatistics:
        """Give the counts so far."""

    def set_remote(
        self,
        address: str,
        port: int,
        *,
        gateway: str | None = None,
        control_port: int | None = None,
        payload_format: PayloadFormat | None = None,
    ) -> None:
        """Send there from now on, and hear that host and the gateway alone."""

    def set_direction(self, *, send: bool, receive: bool) -> None:
        """Let sound go and come."""

    def start(self) -> None:
        """Begin to send."""

    def play(self, payload: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Queue 20 ms, and tell when they have left the queue."""

    def clear(self) -> None:
        """Forget what is queued."""

    async def send_digits(self, digits: str) -> None:
        """Play tones."""

    def close(self) -> None:
        """Free the ports."""


class OpenSound(Protocol):
    """What opens the RTP session of a call."""

    def __call__(
        self,
        local_address: str,
        *,
        on_frame: Callable[[SoundFrame], None],
        on_digit: Callable[[str], None],
        channel: int,
    ) -> Awaitable[Sound]:
        """Bind the ports; raises SoundPortsExhaustedError."""


class CallMedia:
    """Offers, answers, and sets the RTP session as agreed.

    `held` is True while the far side takes no sound from us, `holding` while we take none, or
    want to take none once the far side agrees.
    """

    def __init__(
        self,
        local_address: str,
        gateway: str,
        sound: Sound,
        *,
        codecs: tuple[Codec, ...] = (sdp.PCMU,),
    ) -> None:
        """Take the bound RTP session and the hosts at both ends, as literals."""
        self._codecs = codecs
        self.sound = sound
        self._gateway = gateway
        self.held = False
        self.codec = sdp.PCMU.name
        self.holding = False
        self.remote: SessionDescription | None = None
        self._address = local_address
        self._session_id = sdp.new_session_id()
        self._sent: SessionDescription | None = None
        self._agreed_holding = False

    def hold(self, *, held: bool) -> None:
        """Want the call on hold, or not any more, with the next offer or answer."""
        self.holding = held

    def take_back(self) -> None:
        """Want what was agreed last: the far side did not take our offer."""
        self.holding = self._agreed_holding

    def offer(self) -> bytes:
        """Offer, or offer once more what stands; the version tells whether anything changed."""
        if self._sent:
            return self._send(
                replace(self._sent, media=tuple(map(self._directed, self._sent.media)))
            )
        return self._send(
            sdp.offer(
                self._address,
                self.sound.local_port,
                session_id=self._session_id,
                codecs=self._codecs,
                direction=self._direction,
            )
        )

    def answer(self, body: bytes) -> bytes | Refusal:
        """Answer an offer of the far side; SdpError when it is none. A refusal changes nothing."""
        offered = SessionDescription.parse(body)
        answered = sdp.answer(
            offered,
            self._address,
            self.sound.local_port,
            session_id=self._session_id,
            codecs=self._codecs,
            telephone_event=True,
            comfort_noise=True,
            direction=self._direction,
        )
        if isinstance(answered, Refusal):
            return answered
        if refusal := self._apply(answered, offered):
            return refusal
        return self._send(answered)

    def accept(self, body: bytes) -> Refusal | None:
        """Take the far side's answer to our offer; SdpError when it is none."""
        if self._sent is None:
            return sdp.NO_AUDIO
        return self._apply(self._sent, SessionDescription.parse(body))

    @property
    def quality(self) -> SoundQuality:
        """Tell how it sounds so far."""
        return quality_of(self.sound.statistics)

    @property
    def silent_for(self) -> float | None:
        """Tell for how many seconds nothing has come, None while nothing is to come."""
        return self.sound.statistics.silent_for

    def close(self) -> None:
        """Free the ports."""
        self.sound.close()

    def _apply(self, local: SessionDescription, remote: SessionDescription) -> Refusal | None:
        """Set the RTP session as both descriptions say."""
        stream = sdp.agree(local, remote)
        if isinstance(stream, Refusal):
            return stream
        self.remote = remote
        self._agreed_holding = self.holding
        audio = remote.audio
        self.held = bool(audio and audio.held)
        self.codec = stream.codec.name
        self.sound.set_remote(
            stream.address,
            stream.port,
            gateway=self._gateway,
            control_port=stream.control_port,
            payload_format=PayloadFormat(
                send_type=stream.send_type,
                receive_type=stream.receive_type,
                codec=SoundCodec(stream.codec.name),
                event_type=stream.telephone_event_type,
            ),
        )
        self.sound.set_direction(send=stream.direction.sends, receive=stream.direction.receives)
        return None

    @property
    def _direction(self) -> Direction:
        """Give the direction that we want."""
        return Direction.SENDONLY if self.holding else Direction.SENDRECV

    def _directed(self, media: MediaDescription) -> MediaDescription:
        """Give an m= line with the direction that we want, unless it is a refused one."""
        return replace(media, direction=self._direction) if media.port else media

    def _send(self, description: SessionDescription) -> bytes:
        """Give a description its version: another one than the last if it differs (§8)."""
        if self._sent:
            description = replace(description, version=self._sent.version)
            if description.media != self._sent.media:
                description = description.next_version()
        self._sent = description
        return description.encode()
