"""The sound of a call as offer/answer sees it (RFC 3264): both descriptions and the RTP behind."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from ..rtp.session import PlayedFrame, RtpStatistics
from . import sdp
from .sdp import Refusal, SessionDescription

# Any even port will do to learn whether an offer can be answered at all.
_SOME_PORT = 10000


class Sound(Protocol):
    """The part of an RTP session that a call needs."""

    streaming: bool

    @property
    def local_port(self) -> int:
        """Give the RTP port."""

    @property
    def statistics(self) -> RtpStatistics:
        """Give the counts so far."""

    def set_remote(self, address: str, port: int, *, gateway: str | None = None) -> None:
        """Send there from now on, and hear that host and the gateway alone."""

    def set_direction(self, *, send: bool, receive: bool) -> None:
        """Let sound go and come."""

    def start(self) -> None:
        """Begin to send."""

    def play(self, payload: bytes) -> None:
        """Queue 20 ms."""

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
        on_frame: Callable[[PlayedFrame], None],
        on_digit: Callable[[str], None],
    ) -> Awaitable[Sound]:
        """Bind the ports; raises SoundPortsExhaustedError."""


def refusal_of(offer: bytes, local_address: str) -> Refusal | None:
    """Tell why an offer cannot be answered, None when it can; SdpError when it is none."""
    answered = sdp.answer(SessionDescription.parse(offer), local_address, _SOME_PORT)
    return answered if isinstance(answered, Refusal) else None


class CallMedia:
    """Offers, answers, and sets the RTP session as agreed.

    `held` is True while the far side takes no sound from us.
    """

    def __init__(self, local_address: str, gateway: str, sound: Sound) -> None:
        """Take the bound RTP session and the hosts at both ends, as literals."""
        self.sound = sound
        self._gateway = gateway
        self.held = False
        self.remote: SessionDescription | None = None
        self._address = local_address
        self._session_id = sdp.new_session_id()
        self._local: SessionDescription | None = None

    def offer(self) -> bytes:
        """Offer, or offer once more what stands; the version tells that nothing changed."""
        if self._local is None:
            self._local = sdp.offer(
                self._address, self.sound.local_port, session_id=self._session_id
            )
        return self._local.encode()

    def answer(self, body: bytes) -> bytes | Refusal:
        """Answer an offer of the far side; SdpError when it is none. A refusal changes nothing."""
        offered = SessionDescription.parse(body)
        answered = sdp.answer(
            offered, self._address, self.sound.local_port, session_id=self._session_id
        )
        if isinstance(answered, Refusal):
            return answered
        if self._local:
            answered = replace(answered, version=self._local.version)
            if answered.media != self._local.media:
                answered = answered.next_version()
        if refusal := self._apply(answered, offered):
            return refusal
        return answered.encode()

    def accept(self, body: bytes) -> Refusal | None:
        """Take the far side's answer to our offer; SdpError when it is none."""
        if self._local is None:
            return sdp.NO_AUDIO
        return self._apply(self._local, SessionDescription.parse(body))

    def close(self) -> None:
        """Free the ports."""
        self.sound.close()

    def _apply(self, local: SessionDescription, remote: SessionDescription) -> Refusal | None:
        """Set the RTP session as both descriptions say."""
        stream = sdp.agree(local, remote)
        if isinstance(stream, Refusal):
            return stream
        self._local, self.remote = local, remote
        audio = remote.audio
        self.held = bool(audio and audio.held)
        self.sound.set_remote(stream.address, stream.port, gateway=self._gateway)
        self.sound.set_direction(send=stream.direction.sends, receive=stream.direction.receives)
        return None
