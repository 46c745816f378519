"""RTP of one call: a pair of sockets, a paced sender and the recording of what comes."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from .config import GatewayConfig, RtpFaults
from .g722 import Codec
from .recording import G722, Recording, RtpPacket, build_rtp, parse_rtp
from .sources import SILENT_FRAME, Source
from .tones import FRAME_SAMPLES, FRAME_SECONDS, encode
from .transport import Peer, Stamp, UdpSocket
from .violations import Violations

# A sender this late starts its clock anew instead of sending a burst.
LATEST_SECONDS = 5.0
GRACE_SECONDS = 0.3
SOUND_TYPES = frozenset({0, 8, G722})
LINGER_SECONDS = 1.0


class PortsExhaustedError(OSError):
    """No even port with a free neighbour is left in the range."""


class MediaLeg:
    """The gateway's end of the sound of one call."""

    def __init__(
        self, config: GatewayConfig, host: str, violations: Violations, dice: random.Random
    ) -> None:
        """Bind an even port for RTP and the next one for RTCP; raises PortsExhaustedError."""
        self.recording = Recording()
        self.rtcp_packets: list[bytes] = []
        self.sent = 0
        self.early_packets = 0
        self.faults: RtpFaults = config.faults.rtp
        self._config = config.media
        self._violations = violations
        self._dice = dice
        self._rtp, self._rtcp = self._bind(host, config.rtp_ports)
        self._other = (
            UdpSocket(host, 0, self._receive) if self._config.rtp_from_other_port else None
        )
        self._target: Peer | None = None
        self._payload_type = 0
        self._wideband = Codec()
        self._sends = False
        self._may_receive_since: float | None = None
        self._may_not_receive_since: float | None = None
        self._allowed_types: frozenset[int] = frozenset()
        self._frames: Iterator[bytes | None] = iter(())
        self._afterwards: Iterator[bytes | None] = iter(())
        self._task: asyncio.Task[None] | None = None
        self._held_back: bytes | None = None
        self._told: set[str] = set()
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self.dress: Callable[[bytes], bytes] = bytes
        """What becomes of a packet before it is sent."""
        self.on_packet: Callable[[RtpPacket], None] | None = None

    @property
    def port(self) -> int:
        """The RTP port of the gateway's SDP."""
        return self._rtp.port

    @property
    def host(self) -> str:
        """The address of the gateway's SDP."""
        return self._rtp.host

    def aim(
        self, target: Peer, payload_types: tuple[int, ...], *, sends: bool, hears: bool
    ) -> None:
        """Take what was negotiated: where to send, with which type, and in which directions."""
        self._target = target
        self._payload_type = next((number for number in payload_types if number in SOUND_TYPES), -1)
        self._allowed_types |= frozenset(payload_types)
        self._sends = sends
        now = time.monotonic()
        if hears:
            self._may_receive_since = self._may_receive_since or now
            self._may_not_receive_since = None
        elif self._may_not_receive_since is None:
            self._may_not_receive_since = now
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    def expect(self) -> None:
        """Be ready for sound, as an offer makes its side (RFC 3264 §5.1), before the answer."""
        self._may_receive_since = self._may_receive_since or time.monotonic()
        self._may_not_receive_since = None

    def play(self, source: Source) -> None:
        """Say something from now on; when it ends, silence follows."""
        self._frames = source.frames(self.recording)
        self._afterwards = iter(())

    def insert(self, source: Source) -> None:
        """Say something once, then go on with what was said before."""
        self._afterwards, self._frames = self._frames, source.frames(self.recording)

    def renew_source(self) -> None:
        """Go on as another source: SSRC, sequence and timestamp anew (RFC 3550 §8.2)."""
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)

    def impair(self, **changes: float) -> None:
        """Change the faults of what is sent: fields of RtpFaults."""
        self.faults = replace(self.faults, **changes)

    async def stop(self) -> None:
        """Stop sending; the sockets linger a moment to see whether the client stops as well."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._sends = False
        if self._may_not_receive_since is None:
            self._may_not_receive_since = time.monotonic()

    def close(self) -> None:
        """Free the ports."""
        if self._task:
            self._task.cancel()
        for bound in (self._rtp, self._rtcp, self._other):
            if bound:
                bound.close()

    def _bind(self, host: str, ports: tuple[int, int]) -> tuple[UdpSocket, UdpSocket]:
        """Find an even port whose neighbour is free as well."""
        evens = range(ports[0] + ports[0] % 2, ports[1], 2)
        for port in self._dice.sample(evens, min(len(evens), 400)):
            try:
                rtp = UdpSocket(host, port, self._receive)
            except OSError:
                continue
            try:
                return rtp, UdpSocket(host, port + 1, self._receive_rtcp)
            except OSError:
                rtp.close()
        raise PortsExhaustedError("no even RTP port is free")

    async def _send_all(self) -> None:
        """Send a frame every 20 ms by a monotonic deadline."""
        deadline = time.monotonic()
        while True:
            step = FRAME_SECONDS / (1 + self.faults.skew_ppm / 1e6)
            deadline += step
            delay = deadline - time.monotonic()
            if delay < -LATEST_SECONDS:
                deadline = time.monotonic()
            # Also when late: others want their turn.
            await asyncio.sleep(max(0.0, delay))
            self._send_frame()

    def _send_frame(self) -> None:
        """Take the next frame of the source and send it, unless the direction forbids."""
        frame = self._next_frame() if self._sends else None
        if frame is None or self._target is None or self._payload_type < 0:
            self._timestamp += FRAME_SAMPLES
            return
        packet = build_rtp(
            self._sequence,
            self._timestamp,
            self._ssrc,
            self._payload_type,
            self._encoded(frame),
            marker=self.sent == 0,
        )
        self._sequence += 1
        self._timestamp += FRAME_SAMPLES
        self.sent += 1
        self._send_impaired(self.dress(packet))

    def _encoded(self, frame: bytes) -> bytes:
        """Encode a frame; G.722 has a memory."""
        if self._payload_type == G722:
            return self._wideband.encode(frame)
        return encode(self._payload_type, frame)

    def _next_frame(self) -> bytes | None:
        """Return the next frame, silence when everything was said."""
        for frame in self._frames:
            return frame
        self._frames, self._afterwards = self._afterwards, iter(())
        return next(self._frames, SILENT_FRAME)

    def _send_impaired(self, packet: bytes) -> None:
        """Send a packet with the faults that are configured."""
        faults, dice = self.faults, self._dice
        if faults.loss and dice.random() < faults.loss:
            return
        if self._held_back is None and faults.reordering and dice.random() < faults.reordering:
            self._held_back = packet
            return
        copies = 2 if faults.duplication and dice.random() < faults.duplication else 1
        for _ in range(copies):
            if faults.jitter:
                delay = dice.uniform(0, faults.jitter)
                asyncio.get_running_loop().call_later(delay, self._emit, packet)
            else:
                self._emit(packet)
        if self._held_back is not None:
            late, self._held_back = self._held_back, None
            self._emit(late)

    def _emit(self, packet: bytes) -> None:
        """Put a packet on the wire."""
        if self._target:
            (self._other or self._rtp).send(packet, self._target)

    def _receive(self, data: bytes, peer: Peer, stamp: Stamp) -> None:
        """Record a packet and check it against what was negotiated."""
        packet = parse_rtp(data, peer, stamp)
        if packet is None:
            self._tell("RFC 3550 5.1 RTP", "not an RTP packet")
            return
        self._check(packet)
        if self._config.learns_source:
            self._target = peer
        self.recording.add(packet)
        if self.on_packet:
            self.on_packet(packet)

    def _check(self, packet: RtpPacket) -> None:
        """Record what is wrong with a packet, each fault once a call."""
        if self._may_receive_since is None:
            # The answer may be on its way or lost, so this alone breaks nothing.
            self.early_packets += 1
        if self._allowed_types and packet.payload_type not in self._allowed_types:
            self._tell("RFC 3264 6.1 RTP", f"payload type {packet.payload_type} not negotiated")
        if packet.payload_type in SOUND_TYPES and len(packet.payload) != FRAME_SAMPLES:
            self._tell("a=ptime:20", f"{len(packet.payload)} samples in a packet")
        if self._target and packet.peer.host != self._target.host:
            self._tell("RTP source", f"{packet.peer} although SDP says {self._target}")
        late = self._may_not_receive_since
        if late is not None and packet.time > late + GRACE_SECONDS:
            self._tell("RFC 3264 6.1 direction", "sound although the direction forbids it")
        if self.recording.packets:
            self._check_order(self.recording.packets[-1], packet)

    def _check_order(self, last: RtpPacket, packet: RtpPacket) -> None:
        """Record a changed SSRC and a timestamp that does not fit the sequence."""
        if packet.ssrc != last.ssrc:
            self._tell("RFC 3550 8.2 SSRC", "changed within a call")
        elif not {packet.payload_type, last.payload_type} <= SOUND_TYPES:
            # All packets of one telephone event have its beginning's timestamp (RFC 4733 §2.2).
            return
        elif packet.sequence == (last.sequence + 1) % (1 << 16):
            step = (packet.timestamp - last.timestamp) % (1 << 32)
            if step == 0 or step % FRAME_SAMPLES:
                self._tell("RFC 3551 4.5.14 timestamp", f"step of {step} between two packets")

    def _receive_rtcp(self, data: bytes, peer: Peer, stamp: Stamp) -> None:
        """Keep RTCP; sound here went to a wrong port."""
        del peer, stamp
        self.rtcp_packets.append(data)
        if len(data) >= 2 and not 200 <= data[1] <= 213:
            self._tell("RTP port", "RTP at the RTCP port")

    def _tell(self, rule: str, detail: str) -> None:
        """Record a breach once a call."""
        if rule not in self._told:
            self._told.add(rule)
            self._violations.add(rule, detail, f"RTP at port {self.port}")
