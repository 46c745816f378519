"""The sound of one call: two UDP sockets, paced sending, playout, keypad digits."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from ....audio.dtmf import DtmfDetector
from ....errors import SoundPortsExhaustedError
from ...protocol import FRAME_BYTES, FRAME_SECONDS, SILENCE, SoundDirection, SoundFlag, SoundFrame
from .arrivals import LARGEST_DATAGRAM, Arrivals
from .pacing import Pacer
from .packet import COMFORT_NOISE, RtpPacket
from .payload import KeyEvent, KeyEvents, PayloadFormat
from .playout import PlayoutBuffer, PlayoutStatistics
from .reports import Reports, ReportStatistics
from .source import SoundSource

_PORT_TRIES = 64
_EXPEDITED_FORWARDING = 46 << 2  # RFC 3246, in the place of the former TOS octet
_READ_AT_ONCE = 128
# What we send late by more is of no use to the other side's playout buffer.
_SEND_CATCH_UP = 5
# What we hear late is still of use to who listens or records, up to a second.
_PLAY_CATCH_UP = 50
_CONTROLS_AT_ONCE = 8
# A key that is told as an event may be heard as a tone as well, this much earlier.
_TONE_BEFORE_EVENT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class RtpStatistics:
    """A session so far.

    ``sent`` packets; ``unsent`` those that the system did not take; ``passed_over`` frames
    that a stall of this process cost; ``play_dropped`` frames that overran the play queue;
    ``refused`` datagrams that were no RTP or not the gateway's; ``latched`` the source that
    we send to, if it is not the signalled one; ``last_received`` loop time in seconds;
    ``silent_for`` since when, in seconds, neither sound nor reports have come though they
    should: None while none is to come.
    """

    sent: int
    unsent: int
    passed_over: int
    play_dropped: int
    refused: int
    latched: tuple[str, int] | None
    last_received: float | None
    playout: PlayoutStatistics
    reports: ReportStatistics = field(default_factory=ReportStatistics)
    silent_for: float | None = None


class RtpSession:
    """Sends and plays 20 ms of sound every 20 ms from ``start`` to ``close``.

    Packets are taken from the signalled host alone, from whatever port; where they
    come from is where ours go (symmetric RTP, RFC 4961). Frames are told of the sides in
    ``streaming``. Who is told of frames and digits must not wait.
    """

    def __init__(
        self,
        sockets: tuple[socket.socket, socket.socket],
        *,
        on_frame: Callable[[SoundFrame], None],
        on_digit: Callable[[str], None],
        channel: int = 0,
        pacer: Pacer | None = None,
    ) -> None:
        """Own the bound sockets, RTP and RTCP; ``open`` makes them."""
        self.streaming: frozenset[SoundDirection] = frozenset()
        self._loop = asyncio.get_running_loop()
        self._socket, self._control_socket = sockets
        self._arrivals = Arrivals(self._loop, self._socket)
        self._channel = channel
        self._on_frame = on_frame
        self._on_digit = on_digit
        self._pacer = pacer or Pacer(self._loop)
        self._source = SoundSource()
        self._playout = PlayoutBuffer()
        self._detector = DtmfDetector()
        self._signalled: tuple[str, int] | None = None
        self._hosts: frozenset[str] = frozenset()
        self._remote: tuple[str, int] | None = None
        self._former: tuple[str, int] | None = None
        self._remote_control: tuple[str, int] | None = None
        self._format = PayloadFormat()
        self._encode = self._format.encoder()
        self._heard_types = frozenset((self._format.receive_type, COMFORT_NOISE))
        self._keys = KeyEvents()
        self._keys_as_events = False
        self._last_tone: tuple[str, float] | None = None
        self._event_timestamp = 0
        self._send = True
        self._receive = True
        self._started_at: float | None = None
        self._closed = False
        self._talking = False
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)
        self._number = 0
        self._sent = 0
        self._unsent = 0
        self._passed_over = 0
        self._refused = 0
        self._octets = 0
        self._last_received: float | None = None
        self._expecting_since: float | None = None
        self._reports = Reports(self._ssrc)
        self._loop.add_reader(self._control_socket, self._read_control)

    @classmethod
    async def open(
        cls,
        local_address: str,
        *,
        on_frame: Callable[[SoundFrame], None],
        on_digit: Callable[[str], None],
        channel: int = 0,
        pacer: Pacer | None = None,
    ) -> Self:
        """Bind an even port and the odd one after it (RFC 3550 §11).

        ``local_address`` is a literal without brackets; ``channel`` names the call in the
        frames that are told. Sessions may share a ``pacer``.
        Raises SoundPortsExhaustedError if no such pair is free, or the address is not ours.
        """
        sockets = _bind_pair(local_address)
        return cls(sockets, on_frame=on_frame, on_digit=on_digit, channel=channel, pacer=pacer)

    @property
    def local_port(self) -> int:
        """Return the RTP port, which is even."""
        return int(self._socket.getsockname()[1])

    @property
    def statistics(self) -> RtpStatistics:
        """Return the counts so far; they outlive ``close``."""
        return RtpStatistics(
            sent=self._sent,
            unsent=self._unsent,
            passed_over=self._passed_over,
            play_dropped=self._source.dropped,
            refused=self._refused,
            latched=self._remote if self._remote != self._signalled else None,
            last_received=self._last_received,
            playout=self._playout.statistics,
            reports=self._reports.statistics,
            silent_for=self._silent_for(),
        )

    def set_remote(
        self,
        address: str,
        port: int,
        *,
        gateway: str | None = None,
        control_port: int | None = None,
        payload_format: PayloadFormat | None = None,
    ) -> None:
        """Say where the other side's SDP wants our packets, and thereby who may send us some.

        ``gateway`` is a further host whose packets are taken: where signalling comes from.
        ``control_port`` is for RTCP (RFC 3605), the one after ``port`` if not given.
        ``payload_format`` is µ-law under its static type if not given. Addresses are literals
        of our family; raises ValueError for others. An unspecified address or port 0 (RFC
        3264 §8.4: hold) means that there is no remote.
        """
        host = _literal(address, self._socket.family)
        hosts = {host} if gateway is None else {host, _literal(gateway, self._socket.family)}
        if not 0 <= port <= 0xFFFF:
            raise ValueError(f"{port} is no port")
        self._set_format(payload_format or PayloadFormat())
        if ipaddress.ip_address(host).is_unspecified or not port:
            self._signalled = self._remote = self._remote_control = None
            self._hosts = frozenset()
            self._expecting_since = None
            return
        self._hosts = frozenset(hosts)
        if self._expecting_since is None:
            self._expecting_since = self._loop.time()
        control = host, control_port or min(port + 1, 0xFFFF)
        if self._signalled != (host, port) or self._remote_control is None:
            self._remote_control = control
        if self._signalled != (host, port):
            # The last packets from where sound came so far must not draw us back there.
            self._former = self._remote
            self._signalled = self._remote = host, port

    def set_direction(self, *, send: bool, receive: bool) -> None:
        """Say which ways sound flows now (hold and resume); both at first."""
        self._send = send
        if self._receive and not receive:
            self._playout.reset()
        if receive and not self._receive:
            self._expecting_since = self._loop.time()
        self._receive = receive

    def start(self) -> None:
        """Begin to send, as soon as the remote is known, and to play; once is enough."""
        if self._started_at is None and not self._closed:
            self._started_at = self._expecting_since = self._loop.time()
            self._pacer.join(self._periods_due)

    def play(self, payload: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Queue 20 ms (160 bytes of µ-law) to be sent; the queue holds a second.

        ``on_gone`` is called when they have left the queue. Raises ValueError for another
        length. Without effect once the session is closed.
        """
        if not self._closed:
            self._source.queue(payload, on_gone)

    def clear(self) -> None:
        """Forget what is queued; whoever waits for it to go is not told."""
        self._source.clear()

    async def send_digits(self, digits: str) -> None:
        """Send keypad digits (0-9 * # A-D) and return when the last has gone.

        They are telephone events where these are agreed on, else tones; on hold they wait.
        Raises DigitsInvalidError, and CallNotConnectedError if the session is closed, or closes
        before all have gone.
        """
        await self._source.digits(digits)

    def close(self) -> None:
        """Stop, and give the ports back; once is enough."""
        if self._closed:
            return
        self._closed = True
        self._pacer.leave(self._periods_due)
        self._source.close()
        self._say_goodbye()
        self._loop.remove_reader(self._control_socket)
        self._socket.close()
        self._control_socket.close()

    def _periods_due(self, due: int) -> None:
        """Send first, for that must not be late; then read, play and tell."""
        to_send = due if due <= _SEND_CATCH_UP else 1
        to_play = due if due <= _PLAY_CATCH_UP else 1
        self._pass_over(due - to_send)
        near = [SILENCE] * (to_play - to_send)
        near += [self._send_frame() for _ in range(to_send)]
        self._read()
        if due > to_play:
            self._playout.catch_up()
            self._number += due - to_play
        first_due = self._pacer.deadline - (to_play - 1) * FRAME_SECONDS
        for index, frame in enumerate(near):
            if self._closed:
                return
            self._play_frame(frame, first_due + index * FRAME_SECONDS)
        if self._pacer.is_alone(self._periods_due):
            self._pacer.hasten(self._playout.nudge())
        self._report()

    def _pass_over(self, periods: int) -> None:
        """Let the time of periods pass in which this process stood still."""
        if periods:
            self._passed_over += periods
            self._source.pass_over(periods)
            self._advance(periods)
            self._talking = False

    def _advance(self, periods: int) -> None:
        """Move the timestamp with the clock, whether something is sent or not."""
        self._timestamp = (self._timestamp + periods * FRAME_BYTES) & 0xFFFFFFFF

    def _send_frame(self) -> bytes:
        """Send the frame of this period, if one may leave, and return what was sent."""
        remote = self._remote if self._send else None
        frame, event = self._source.next(leaves=remote is not None)
        if remote is None:
            self._talking = False
            self._advance(1)
            return SILENCE
        if event is not None and self._format.event_type is not None:
            packet = self._event_packet(event, self._format.event_type)
        else:
            packet = RtpPacket(
                payload_type=self._format.send_type,
                sequence=self._sequence,
                timestamp=self._timestamp,
                ssrc=self._ssrc,
                payload=self._encode(frame),
                marker=not self._talking,
            )
            self._talking = True
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._advance(1)
        try:
            self._socket.sendto(packet.encode(), remote)
        except OSError:
            self._unsent += 1
        else:
            self._sent += 1
            self._octets += len(packet.payload)
        return frame

    def _event_packet(self, event: KeyEvent, payload_type: int) -> RtpPacket:
        """Return a packet of a key: all of one press bear the time of its beginning."""
        if event.first:
            self._event_timestamp = self._timestamp
        return RtpPacket(
            payload_type=payload_type,
            sequence=self._sequence,
            timestamp=self._event_timestamp,
            ssrc=self._ssrc,
            payload=event.encode(),
            marker=event.first,
        )

    def _play_frame(self, near: bytes, due: float) -> None:
        """Play 20 ms: look for digits, and tell both sides' sound to who wants it."""
        far, flags = self._playout.take(due)
        digit = self._detector.feed(far, concealed=flags is SoundFlag.CONCEALED)
        number, self._number = self._number, self._number + 1
        now = time.time_ns() // 1000 if self.streaming else 0
        if SoundDirection.FAR in self.streaming:
            self._tell(SoundDirection.FAR, number, far, now, flags)
        if SoundDirection.NEAR in self.streaming:
            self._tell(SoundDirection.NEAR, number, near, now)
        if digit is not None and not self._keys_as_events:
            self._last_tone = digit, self._loop.time()
            self._on_digit(digit)

    def _tell(
        self,
        direction: SoundDirection,
        number: int,
        payload: bytes,
        played_at: int,
        flags: SoundFlag = SoundFlag.NONE,
    ) -> None:
        """Tell a frame."""
        self._on_frame(
            SoundFrame(
                direction=direction,
                channel=self._channel,
                number=number,
                payload=payload,
                played_at=played_at,
                flags=flags,
            )
        )

    def _take_event(self, packet: RtpPacket, now: float) -> None:
        """Tell a key that came as an event; from the first on, tones in the sound are none."""
        digit = self._keys.take(packet)
        if digit is None:
            return
        tone, self._last_tone = self._last_tone, None
        self._keys_as_events = True
        if tone is None or tone[0] != digit or now - tone[1] > _TONE_BEFORE_EVENT:
            self._on_digit(digit)

    def _read(self) -> None:
        """Take what has arrived; bounded, so that a flood leaves time for the rest."""
        for datagram, (host, port), arrived in self._arrivals.read(_READ_AT_ONCE):
            self._take_datagram(datagram, host, port, arrived)

    def _take_datagram(self, datagram: bytes, host: str, port: int, arrived: float) -> None:
        """Take one datagram, unless it is not from the signalled host or no RTP."""
        packet = RtpPacket.decode(datagram) if host in self._hosts else None
        if packet is None:
            self._refused += 1
            return
        # What came before the start has waited for too long to be played.
        if not self._receive or self._started_at is None or arrived < self._started_at:
            return
        if self._playout.put(packet, arrived) and packet.payload_type in self._heard_types:
            self._last_received = arrived
            if (host, port) != self._former:
                self._remote = host, port
            if packet.payload_type == self._format.event_type:
                self._take_event(packet, arrived)

    def _set_format(self, payload_format: PayloadFormat) -> None:
        """Take over what payload types mean."""
        if payload_format.codec is not self._format.codec:
            self._encode = payload_format.encoder()
        self._format = payload_format
        self._playout.use(payload_format)
        heard = {payload_format.receive_type, payload_format.send_type, COMFORT_NOISE}
        if payload_format.event_type is not None:
            heard.add(payload_format.event_type)
        self._heard_types = frozenset(heard)

    def _silent_for(self) -> float | None:
        """Return how long nothing has come that should have."""
        since = self._expecting_since
        if self._started_at is None or self._closed or not self._receive or since is None:
            return None
        signs = since, self._last_received, self._reports.statistics.last_received
        return self._loop.time() - max(sign for sign in signs if sign is not None)

    def _read_control(self) -> None:
        """Take the reports that have arrived, from the hosts whose sound is taken."""
        for _ in range(_CONTROLS_AT_ONCE):
            try:
                datagram, source = self._control_socket.recvfrom(LARGEST_DATAGRAM)
            except OSError:
                return
            if source[0] not in self._hosts:
                self._refused += 1
                continue
            reception = self._playout.reception
            sender = reception.ssrc if reception else None
            if self._reports.take(datagram, self._loop.time(), sender):
                self._remote_control = source[0], source[1]

    def _report(self) -> None:
        """Send a report if one is due; the frame of this period has just been sent."""
        now = self._loop.time()
        if self._closed or self._remote_control is None or not self._reports.is_due(now):
            return
        self._send_control(
            self._reports.make(
                now,
                timestamp=(self._timestamp - FRAME_BYTES) & 0xFFFFFFFF,
                packets=self._sent,
                octets=self._octets,
                reception=self._playout.reception,
            )
        )

    def _say_goodbye(self) -> None:
        """Tell that our source is gone (RFC 3550 §6.6)."""
        report = self._reports.goodbye(
            self._loop.time(),
            timestamp=self._timestamp,
            packets=self._sent,
            octets=self._octets,
            reception=self._playout.reception,
        )
        if report is not None:
            self._send_control(report)

    def _send_control(self, report: bytes) -> None:
        """Send a report; one that the system does not take is not missed."""
        if self._remote_control is not None:
            with contextlib.suppress(OSError):
                self._control_socket.sendto(report, self._remote_control)


def _literal(address: str, family: socket.AddressFamily) -> str:
    """Return a literal as the socket writes it; raises ValueError for another family."""
    parsed = ipaddress.ip_address(address)
    if (parsed.version == 6) is not (family == socket.AF_INET6) or parsed.is_multicast:
        raise ValueError(f"{address} cannot be sent to from here")
    return str(parsed)


def _bind_pair(address: str) -> tuple[socket.socket, socket.socket]:
    """Bind a pair of ports, beginning from one that the system finds free."""
    cause: Exception | None = None
    for _ in range(_PORT_TRIES):
        with contextlib.ExitStack() as opened:
            try:
                first = opened.enter_context(_bind(address, 0))
                port = int(first.getsockname()[1])
                second = opened.enter_context(_bind(address, port ^ 1))
            except (OSError, ValueError, OverflowError) as error:
                cause = error
                continue
            opened.pop_all()
            return (second, first) if port & 1 else (first, second)
    raise SoundPortsExhaustedError from cause


def _bind(address: str, port: int) -> socket.socket:
    """Return a socket that is bound to a literal, does not block, and is marked as voice."""
    is_v6 = ipaddress.ip_address(address).version == 6
    bound = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)  # noqa: FBT003 - the standard library's signature
        if is_v6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        with contextlib.suppress(OSError):
            if is_v6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED_FORWARDING)
            else:
                bound.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED_FORWARDING)
        bound.bind((address, port))
    except BaseException:
        bound.close()
        raise
    return bound
