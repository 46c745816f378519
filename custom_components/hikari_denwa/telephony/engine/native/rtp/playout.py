"""The playout buffer: packets in, in whatever order they come; a frame out every 20 ms, always."""

from dataclasses import dataclass

import audioop

from ...protocol import FRAME_BYTES, SILENCE, SoundFlag
from .concealment import Concealment, comfort_noise
from .packet import COMFORT_NOISE, PCMU, RtpPacket, sequence_distance, timestamp_distance

# Distances are in samples of 8 kHz, of which a frame has as many as bytes.
_START_DEPTH = 2 * FRAME_BYTES
_SHRINK_MARGIN = 3 * FRAME_BYTES
_RESTART_MARGIN = 8 * FRAME_BYTES
_GROW_LIMIT = 8 * FRAME_BYTES
_JUMP = 64 * FRAME_BYTES
_MOST_CHUNKS = 128

_LATE_TAKES = 3
_ADJUST_TAKES = 50
_IDLE_TAKES = 50
_QUIET = 200

# RFC 3550 §A.1
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
_SEEN_BITS = 128
_SAMPLES_PER_SECOND = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayoutStatistics:
    """What came in and what became of it, in packets.

    ``concealed`` counts frames; ``adjusted`` those put in or left out to follow the far
    clock and the network's delay; ``restarted`` how often the buffer began anew;
    ``jitter_ms`` is that of RFC 3550 §A.8.
    """

    received: int = 0
    lost: int = 0
    reordered: int = 0
    duplicated: int = 0
    late: int = 0
    concealed: int = 0
    adjusted: int = 0
    restarted: int = 0
    jitter_ms: float = 0.0


class _Stream:
    """The bookkeeping of one synchronization source (RFC 3550 §A.1, §A.3, §A.8)."""

    def __init__(self, packet: RtpPacket) -> None:
        """Begin with the first packet, which is not yet counted."""
        self.ssrc = packet.ssrc
        self.timestamp = packet.timestamp
        self.received = 0
        self.expected = 0
        self.jitter = 0.0
        self._sequence = (packet.sequence - 1) & 0xFFFF
        self._seen = 0
        self._transit: float | None = None

    def continues(self, packet: RtpPacket) -> bool:
        """Tell whether a packet plausibly belongs here."""
        if packet.ssrc != self.ssrc:
            return False
        distance = sequence_distance(packet.sequence, self._sequence)
        return -_MAX_MISORDER < distance < _MAX_DROPOUT

    def note(self, packet: RtpPacket) -> int | None:
        """Count a packet; return how far it is ahead in sequence, or None for a duplicate."""
        distance = sequence_distance(packet.sequence, self._sequence)
        if distance > 0:
            self._seen = ((self._seen << distance) | 1) & ((1 << _SEEN_BITS) - 1)
            self._sequence = packet.sequence
            self.expected += distance
        elif self._seen >> -distance & 1:
            return None
        else:
            self._seen |= 1 << -distance
        self.received += 1
        return distance

    def measure_jitter(self, timestamp: int, arrived: float) -> None:
        """Take a packet into the interarrival jitter, in samples; ``arrived`` in seconds."""
        transit = arrived * _SAMPLES_PER_SECOND - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < _SAMPLES_PER_SECOND:
                self.jitter += (change - self.jitter) / 16
        self._transit = transit


class PlayoutBuffer:
    """Turns a packet stream into one frame of µ-law for every 20 ms, with little delay.

    The position moves on by a frame with every ``take``, whatever came: what is not there
    by then is concealed, and dropped when it comes late. The delay starts at 40 ms,
    grows by a frame when packets are late, shrinks when they are early for a second,
    and starts anew after a jump: a new source, a new timestamp, a lasting change of delay.
    """

    def __init__(self) -> None:
        """Start empty: silence until a packet comes. ``payload_type`` is that of PCMU."""
        self.payload_type = PCMU
        self._concealment = Concealment()
        self._stream: _Stream | None = None
        self._candidate: RtpPacket | None = None
        self._position: int | None = None
        self._first = 0
        self._chunks: dict[int, bytes] = {}
        self._noise: tuple[int, int] | None = None
        self._empty_takes = 0
        self._in_time = False
        self._new_window()
        self._counts = dict.fromkeys(
            ("received", "lost", "reordered", "duplicated", "late", "concealed", "adjusted"), 0
        )
        self._restarted = 0

    @property
    def statistics(self) -> PlayoutStatistics:
        """Return the counts since the buffer was made."""
        stream = self._stream
        counts = dict(self._counts)
        if stream is not None:
            counts["lost"] += max(0, stream.expected - stream.received)
        return PlayoutStatistics(
            **counts,
            restarted=self._restarted,
            jitter_ms=stream.jitter * 1000 / _SAMPLES_PER_SECOND if stream else 0.0,
        )

    @property
    def delay(self) -> float:
        """Return how much sound waits to be played, in seconds."""
        return self._waiting() / _SAMPLES_PER_SECOND

    def put(self, packet: RtpPacket, arrived: float) -> bool:
        """Take a packet; False if it is not of the stream. ``arrived`` is loop time in seconds.

        Another source, or a sequence far off, takes over with its second packet in a row
        (RFC 3550 §A.1), so that a stray packet changes nothing.
        """
        if self._stream is None:
            self._stream = _Stream(packet)
        elif not self._stream.continues(packet):
            candidate, self._candidate = self._candidate, packet
            if candidate is None or not _follows(packet, candidate):
                return False
            self._candidate = None
            self._begin(candidate, packet, arrived)
            return True
        self._candidate = None
        self._accept(self._stream, packet, arrived)
        return True

    def take(self) -> tuple[bytes, SoundFlag]:
        """Return the frame of the next 20 ms (160 bytes of µ-law), and whether it is made up."""
        self._adjust()
        position = self._position
        if position is None:
            return SILENCE, SoundFlag.NONE
        parts = self._cut(position)
        if self._surplus and _is_whole(parts) and self._may_leave_out(parts[0][1]):
            position += FRAME_BYTES
            parts = self._cut(position)
        self._position = position + FRAME_BYTES
        if not _is_whole(parts):
            return self._conceal(position, parts)
        frame = parts[0][1]
        self._empty_takes = 0
        if self._noise and position > self._noise[0]:
            self._noise = None
        self._concealment.good(frame)
        return frame, SoundFlag.NONE

    def catch_up(self) -> None:
        """Go on with the newest sound, after a long stall of our own."""
        if self._stream is not None and self._position is not None:
            self._restarted += 1
            self._play_from(self._stream.timestamp - _START_DEPTH)
            self._new_window()

    def reset(self) -> None:
        """Forget what waits and where the stream was; the counts stay."""
        self._close_stream()
        self._stream = None
        self._candidate = None
        self._stop()
        self._concealment = Concealment()

    def _begin(self, first: RtpPacket, second: RtpPacket, arrived: float) -> None:
        """Let another source take over with the first packets that it sent."""
        self._close_stream()
        self._stop()
        self._restarted += 1
        self._stream = _Stream(first)
        self._accept(self._stream, first, arrived)
        self._accept(self._stream, second, arrived)
        # The first had to wait for the second, which must not add to the delay.
        if self._position is not None:
            self._play_from(max(self._position, self._stream.timestamp - _START_DEPTH))

    def _close_stream(self) -> None:
        """Add up what the stream that ends has lost."""
        if self._stream is not None:
            self._counts["lost"] += max(0, self._stream.expected - self._stream.received)

    def _stop(self) -> None:
        """Wait for the next packet, and for its time, anew."""
        self._position = None
        self._chunks.clear()
        self._noise = None
        self._empty_takes = 0
        self._new_window()

    def _waiting(self) -> int:
        """Return how many samples wait to be played, gaps among them included."""
        if self._position is None or not self._chunks:
            return 0
        newest = max(start + len(chunk) for start, chunk in self._chunks.items())
        return max(0, newest - self._position)

    def _new_window(self) -> None:
        """Measure the margin afresh: by how much packets come before their time."""
        self._margin: int | None = None
        self._window_takes = 0
        self._late = False
        self._late_at: int | None = None
        self._late_takes = 0
        self._surplus = False

    def _accept(self, stream: _Stream, packet: RtpPacket, arrived: float) -> None:
        """Count a packet of the stream and place what it carries."""
        distance = stream.note(packet)
        if distance is None:
            self._counts["duplicated"] += 1
            return
        self._counts["received"] += 1
        if distance < 0:
            self._counts["reordered"] += 1
        step = timestamp_distance(packet.timestamp, stream.timestamp)
        start = stream.timestamp + step
        if distance > 0:
            stream.timestamp = start
        stream.measure_jitter(start, arrived)
        if packet.payload_type == self.payload_type and packet.payload:
            leaps = step - distance * FRAME_BYTES > _RESTART_MARGIN
            self._place(start, packet.payload, newest=distance > 0, leaps=leaps)
        elif packet.payload_type == COMFORT_NOISE and packet.payload and distance > 0:
            self._noise = start, packet.payload[0] & 0x7F

    def _place(self, start: int, payload: bytes, *, newest: bool, leaps: bool) -> None:
        """Put a payload where its timestamp says, unless that time has passed.

        ``leaps`` tells that no lost packets explain its timestamp: a pause of the source,
        if it comes in time for it, else a new beginning.
        """
        if self._position is None:
            self._position = start - _START_DEPTH
            self._first = start
        margin = start - self._position
        if newest and not -_JUMP < margin < (_RESTART_MARGIN if leaps else _JUMP):
            self._restart(start)
            margin = _START_DEPTH
        if margin + len(payload) <= 0:
            self._counts["late"] += 1
            self._late = self._late or margin > -_GROW_LIMIT
            self._late_at = start if newest else self._late_at
            return
        self._in_time = True
        self._margin = margin if self._margin is None else min(self._margin, margin)
        if margin < _JUMP and len(self._chunks) < _MOST_CHUNKS:
            self._chunks.setdefault(start, payload)

    def _restart(self, start: int) -> None:
        """Begin the buffer anew so that a payload plays after the starting delay."""
        self._restarted += 1
        self._chunks.clear()
        self._position = start - _START_DEPTH
        self._new_window()

    def _adjust(self) -> None:
        """Follow the network's delay, once for each frame that is taken."""
        late, self._late = self._late, False
        late_at, self._late_at = self._late_at, None
        in_time, self._in_time = self._in_time, False
        self._window_takes += 1
        if in_time:
            self._late_takes = 0
        elif late_at is not None:
            self._late_takes += 1
            if self._late_takes == _LATE_TAKES:
                self._restart(late_at)
                return
        if late and self._window_takes > _LATE_TAKES and self._waiting() < _GROW_LIMIT:
            self._grow()
        elif self._window_takes >= _ADJUST_TAKES:
            self._judge_window(self._margin or 0)

    def _grow(self) -> None:
        """Wait a frame longer from now on."""
        if self._position is not None:
            self._counts["adjusted"] += 1
            self._position -= FRAME_BYTES
            self._new_window()

    def _judge_window(self, margin: int) -> None:
        """Wait less from now on if every packet of a second came early by this much."""
        self._new_window()
        if margin >= _RESTART_MARGIN and self._position is not None:
            self._restarted += 1
            self._play_from(self._position + margin - _START_DEPTH)
        self._surplus = _SHRINK_MARGIN <= margin < _RESTART_MARGIN

    def _may_leave_out(self, frame: bytes) -> bool:
        """Tell whether to leave out this frame: a quiet one, or the last of the window."""
        last_chance = self._window_takes >= _ADJUST_TAKES - 1
        if not last_chance and audioop.max(audioop.ulaw2lin(frame, 2), 2) > _QUIET:
            return False
        self._counts["adjusted"] += 1
        self._new_window()
        return True

    def _cut(self, position: int) -> list[tuple[int, bytes]]:
        """Take what there is of the 160 samples at a position: pieces, and where each begins.

        A whole frame is one piece. The usual packet is just that frame.
        """
        chunk = self._chunks.get(position)
        if chunk is not None and len(chunk) == FRAME_BYTES:
            del self._chunks[position]
            return [(0, chunk)]
        parts: list[tuple[int, bytes]] = []
        filled = 0
        for start in sorted(self._chunks):
            offset = max(filled, start - position)
            piece = self._chunks[start][offset + position - start : FRAME_BYTES + position - start]
            if offset >= FRAME_BYTES or not piece:
                continue
            if parts and offset == filled:
                parts[-1] = parts[-1][0], parts[-1][1] + piece
            else:
                parts.append((offset, piece))
            filled = offset + len(piece)
        self._drop_passed(position + FRAME_BYTES)
        return parts

    def _play_from(self, position: int) -> None:
        """Move the position; what lies before it is forgotten."""
        self._position = position
        self._drop_passed(position)

    def _drop_passed(self, position: int) -> None:
        """Forget what ends before a position."""
        for start in [s for s, chunk in self._chunks.items() if s + len(chunk) <= position]:
            del self._chunks[start]

    def _conceal(self, position: int, parts: list[tuple[int, bytes]]) -> tuple[bytes, SoundFlag]:
        """Return a frame with its gaps made up; after a second without any sound, wait anew."""
        if not parts and position < self._first:
            return SILENCE, SoundFlag.NONE
        if not parts and self._noise and position >= self._noise[0]:
            return comfort_noise(self._noise[1]), SoundFlag.NONE
        self._empty_takes = 0 if self._chunks or parts else self._empty_takes + 1
        if self._empty_takes > _IDLE_TAKES:
            self._stop()
            return SILENCE, SoundFlag.NONE
        self._counts["concealed"] += 1
        frame = bytearray(self._concealment.missing())
        for offset, piece in parts:
            frame[offset : offset + len(piece)] = piece
        return bytes(frame), SoundFlag.CONCEALED


def _is_whole(parts: list[tuple[int, bytes]]) -> bool:
    """Tell whether pieces are one frame without a gap."""
    return len(parts) == 1 and len(parts[0][1]) == FRAME_BYTES


def _follows(packet: RtpPacket, earlier: RtpPacket) -> bool:
    """Tell whether a packet is the very next of another's source."""
    return packet.ssrc == earlier.ssrc and sequence_distance(packet.sequence, earlier.sequence) == 1
