"""The playout buffer: packets in, in whatever order they come; a frame out every 20 ms, always."""

from __future__ import annotations

import audioop
from dataclasses import dataclass

from ...protocol import FRAME_BYTES, FRAME_SECONDS, SILENCE, SoundFlag
from .concealment import Concealment, comfort_noise
from .packet import COMFORT_NOISE, RtpPacket, sequence_distance, timestamp_distance
from .payload import PayloadFormat

# Distances are in samples of 8 kHz, of which a frame has as many as bytes.
_START_DEPTH = 2 * FRAME_BYTES
_RESTART_MARGIN = 8 * FRAME_BYTES
_GROW_LIMIT = 8 * FRAME_BYTES
_JUMP = 64 * FRAME_BYTES
_MOST_CHUNKS = 128

_LATE_TAKES = 3
_ADJUST_TAKES = 50
# Where packets came late once they will again: a network's hiccups are seconds apart.
_ADJUST_TAKES_AFTER_LATE = 500
_QUIET_TAKES = 25
_IDLE_TAKES = 50
_QUIET = 200
_STILL = 127

# RFC 3550 §A.1
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
_SEEN_BITS = 128
_SAMPLES_PER_SECOND = 8000
# In seconds, as a network's delay is.
_START_SLACK = _START_DEPTH / _SAMPLES_PER_SECOND
_LEAST_SLACK = 0.01
_SLACK_PER_JITTER = 2
_RESTART_SLACK = _RESTART_MARGIN / _SAMPLES_PER_SECOND
# In seconds: of one take, and of less than which it is not worth while.
_NUDGE = 0.0002
_LEAST_NUDGE = 0.002
# Of all takes together, and what each adds to that: two sides who both do this chase each
# other, and must not run faster than a poor clock, 200 ppm.
_NUDGES = 2 * FRAME_SECONDS
_NUDGES_REGAINED = 2e-4 * FRAME_SECONDS
_COUNTED = (
    "received",
    "lost",
    "reordered",
    "duplicated",
    "late",
    "concealed",
    "adjusted",
    "played",
    "gaps",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayoutStatistics:
    """What came in and what became of it, in packets.

    ``concealed`` counts frames; ``adjusted`` those put in or left out to follow the far
    clock and the network's delay; ``restarted`` how often the buffer began anew;
    ``played`` counts frames that were heard as they came, ``gaps`` the runs of concealed ones;
    ``jitter_ms`` is that of RFC 3550 §A.8, ``delay_ms`` how long a packet waits to be played,
    a running mean.
    """

    received: int = 0
    lost: int = 0
    reordered: int = 0
    duplicated: int = 0
    late: int = 0
    concealed: int = 0
    adjusted: int = 0
    restarted: int = 0
    played: int = 0
    gaps: int = 0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reception:
    """What a reception report tells of the source that is heard (RFC 3550 §6.4.1).

    ``highest_sequence`` counts on where the 16 bits wrap; ``jitter`` is in samples.
    """

    ssrc: int
    highest_sequence: int
    expected: int
    received: int
    jitter: float


class _Stream:
    """The bookkeeping of one synchronization source (RFC 3550 §A.1, §A.3, §A.8)."""

    def __init__(self, packet: RtpPacket) -> None:
        """Begin with the first packet, which is not yet counted."""
        self.ssrc = packet.ssrc
        self.timestamp = packet.timestamp
        self.received = 0
        self.expected = 0
        self.jitter = 0.0
        self._first_sequence = packet.sequence
        self._sequence = (packet.sequence - 1) & 0xFFFF
        self._seen = 0
        self._transit: float | None = None

    @property
    def reception(self) -> Reception:
        """Return what a report tells."""
        return Reception(
            ssrc=self.ssrc,
            highest_sequence=self._first_sequence + self.expected - 1,
            expected=self.expected,
            received=self.received,
            jitter=self.jitter,
        )

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
    by then is concealed, and dropped when it comes late. The delay starts at 40 ms and
    grows by a frame when packets are late. Where even the last packet of a second (of ten
    once some were late) came before its time by more than 10 ms or twice the jitter, frames
    are left out, quiet ones if there are; the rest of a frame goes where ``nudge`` is
    followed. The delay starts anew after a jump: a new source, a new timestamp, a lasting
    change of delay.
    """

    def __init__(self) -> None:
        """Start empty: silence until a packet comes."""
        self._format = PayloadFormat()
        self._decode = self._format.decoder()
        self._concealment = Concealment()
        self._stream: _Stream | None = None
        self._candidate: RtpPacket | None = None
        self._position: int | None = None
        self._first = 0
        self._chunks: dict[int, bytes] = {}
        self._noise: tuple[int, int] | None = None
        self._empty_takes = 0
        self._in_time = False
        self._nudges_left = _NUDGES
        self._window_length = _ADJUST_TAKES
        self._takes_since_growth = 0
        self._new_window()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._restarted = 0
        self._in_gap = False
        self._taken_at: float | None = None
        self._delay: float | None = None

    def use(self, payload_format: PayloadFormat) -> None:
        """Play this from now on; what waits of another codec cannot be decoded any more."""
        if payload_format.codec is not self._format.codec:
            self._decode = payload_format.decoder()
            self._chunks.clear()
        self._format = payload_format

    @property
    def _played_types(self) -> tuple[int, int]:
        """Return the payload types of sound; some use theirs for ours as well."""
        return self._format.receive_type, self._format.send_type

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
            delay_ms=1000 * (self._delay or 0.0),
        )

    @property
    def reception(self) -> Reception | None:
        """Return what to report of the source that is heard; None before its first packet."""
        return self._stream.reception if self._stream is not None else None

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

    def take(self, now: float | None = None) -> tuple[bytes, SoundFlag]:
        """Return the frame of the next 20 ms (160 bytes of µ-law), and whether it is made up.

        ``now`` is the loop time in seconds for which it is due, be it taken late; without
        it the delay is not measured.
        """
        self._taken_at = now
        self._nudges_left = min(_NUDGES, self._nudges_left + _NUDGES_REGAINED)
        self._adjust()
        position = self._position
        if position is None:
            return SILENCE, SoundFlag.NONE
        parts = self._cut(position)
        if self._surplus and _is_whole(parts) and self._may_leave_out(parts[0][1]):
            position += FRAME_BYTES
            left_out, parts = parts[0][1], self._cut(position)
            if _is_whole(parts):
                parts = [(0, self._concealment.splice(left_out, parts[0][1]))]
        self._position = position + FRAME_BYTES
        if not _is_whole(parts):
            return self._conceal(position, parts)
        self._empty_takes = 0
        if self._noise and position > self._noise[0]:
            self._noise = None
        self._counts["played"] += 1
        self._in_gap = False
        return self._concealment.good(parts[0][1]), SoundFlag.NONE

    def nudge(self) -> float:
        """Return by how many seconds all takes to come should be sooner, or later if negative.

        It counts as done: ask once a take, and only if that can be followed.
        """
        step = max(-_NUDGE, min(_NUDGE, self._excess))
        if step:
            self._excess -= step
            self._nudges_left -= abs(step)
            if not self._excess:
                self._new_window()
        return step

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
        self._decode = self._format.decoder()
        self._chunks.clear()
        self._noise = None
        self._empty_takes = 0
        self._window_length = _ADJUST_TAKES
        self._new_window()

    def _waiting(self) -> int:
        """Return how many samples wait to be played, gaps among them included."""
        if self._position is None or not self._chunks:
            return 0
        newest = max(start + len(chunk) for start, chunk in self._chunks.items())
        return max(0, newest - self._position)

    def _new_window(self) -> None:
        """Measure afresh by how much packets come before their time."""
        self._slack: float | None = None
        self._window_takes = 0
        self._late = False
        self._late_at: int | None = None
        self._late_takes = 0
        self._surplus = 0
        self._excess = 0.0

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
        if packet.payload_type == self._format.event_type:
            # The key is told elsewhere; its tone is not made, and is no loss.
            if distance > 0:
                self._noise = start, _STILL
            return
        stream.measure_jitter(start, arrived)
        if packet.payload_type in self._played_types and packet.payload:
            leaps = step - distance * FRAME_BYTES > _RESTART_MARGIN
            self._place(start, packet.payload, newest=distance > 0, leaps=leaps)
            self._measure(start, arrived)
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
        if margin < _JUMP and len(self._chunks) < _MOST_CHUNKS:
            self._chunks.setdefault(start, payload)

    def _measure(self, start: int, arrived: float) -> None:
        """Take in the time from a packet's arrival to its playing, and to when it is needed.

        It is needed when the frame is taken in which it begins.
        """
        if self._position is None:
            return
        margin = start - self._position
        until_next = self._taken_at + FRAME_SECONDS - arrived if self._taken_at is not None else 0.0
        slack = margin // FRAME_BYTES * FRAME_SECONDS + until_next
        if margin > -FRAME_BYTES:
            self._slack = slack if self._slack is None else min(self._slack, slack)
        if self._taken_at is None or margin < 0:
            return
        delay = margin / _SAMPLES_PER_SECOND + until_next
        if self._delay is None:
            self._delay = delay
        self._delay += (delay - self._delay) / 64

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
        self._window_takes += in_time or bool(self._surplus)
        self._takes_since_growth += 1
        if in_time:
            self._late_takes = 0
        elif late_at is not None:
            self._late_takes += 1
            if self._late_takes == _LATE_TAKES:
                self._restart(late_at)
                return
        if late and self._takes_since_growth > _LATE_TAKES and self._waiting() < _GROW_LIMIT:
            self._grow()
        elif self._window_takes >= self._window_length:
            self._judge_window()

    def _grow(self) -> None:
        """Wait a frame longer from now on."""
        if self._position is not None:
            self._counts["adjusted"] += 1
            self._position -= FRAME_BYTES
            self._window_length = _ADJUST_TAKES_AFTER_LATE
            self._takes_since_growth = 0
            self._new_window()

    def _judge_window(self) -> None:
        """Wait less from now on if every packet of the window came early by more than is safe."""
        stream, slack = self._stream, self._slack
        self._new_window()
        if stream is None or slack is None or self._position is None:
            return
        if slack >= _RESTART_SLACK:
            self._restarted += 1
            beyond = int((slack - _START_SLACK) / FRAME_SECONDS)
            self._play_from(self._position + beyond * FRAME_BYTES)
            return
        jitter = stream.jitter / _SAMPLES_PER_SECOND
        excess = slack - max(_LEAST_SLACK, _SLACK_PER_JITTER * jitter)
        if excess < 0:
            excess = min(0.0, slack - _LEAST_SLACK)
        self._surplus = max(0, int(excess / FRAME_SECONDS))
        if not self._surplus and abs(excess) > _LEAST_NUDGE:
            self._excess = max(-self._nudges_left, min(self._nudges_left, excess))

    def _may_leave_out(self, frame: bytes) -> bool:
        """Tell whether to leave out this frame: a quiet one, or any after half a second."""
        is_quiet = audioop.max(audioop.ulaw2lin(frame, 2), 2) <= _QUIET
        if not is_quiet and self._window_takes < _QUIET_TAKES:
            return False
        self._counts["adjusted"] += 1
        left = self._surplus - 1
        self._new_window()
        self._surplus = left
        return True

    def _cut(self, position: int) -> list[tuple[int, bytes]]:
        """Take what there is of the 160 samples at a position: pieces, and where each begins.

        A whole frame is one piece. The usual packet is just that frame. Decoded is only now:
        a decoder with a memory wants the order of playing, not that of arrival.
        """
        chunk = self._chunks.get(position)
        if chunk is not None and len(chunk) == FRAME_BYTES:
            del self._chunks[position]
            return [(0, self._decode(chunk))]
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
        return [(offset, self._decode(piece)) for offset, piece in parts]

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
        self._counts["gaps"] += not self._in_gap
        self._in_gap = True
        frame = bytearray()
        for offset, piece in parts:
            if offset > len(frame):
                frame += self._concealment.missing(offset - len(frame))
            frame += self._concealment.good(piece)
        if len(frame) < FRAME_BYTES:
            frame += self._concealment.missing(FRAME_BYTES - len(frame))
        return bytes(frame), SoundFlag.CONCEALED


def _is_whole(parts: list[tuple[int, bytes]]) -> bool:
    """Tell whether pieces are one frame without a gap."""
    return len(parts) == 1 and len(parts[0][1]) == FRAME_BYTES


def _follows(packet: RtpPacket, earlier: RtpPacket) -> bool:
    """Tell whether a packet is the very next of another's source."""
    return packet.ssrc == earlier.ssrc and sequence_distance(packet.sequence, earlier.sequence) == 1
