"""The gateway's parts alone: messages, numbers, families, answers, tones, recordings."""

import math
import random
import shutil
import subprocess
import wave
from pathlib import Path

import audioop
import pytest

from tests.home_gateway import Digits, Family, Noise, Reach, Recording, Ringback, Tone, Wav, tones
from tests.home_gateway.callees import families_meet, read_dialled
from tests.home_gateway.config import CallConfig
from tests.home_gateway.g722 import Codec
from tests.home_gateway.message import (
    NameAddr,
    ParseError,
    Uri,
    Via,
    join_host,
    parse_message,
    split_list,
)
from tests.home_gateway.recording import RtpPacket, build_rtp, parse_rtp
from tests.home_gateway.sdp import SdpError, build_sdp, parse_sdp, wrong_in_answer
from tests.home_gateway.sources import Source, level_dbm0
from tests.home_gateway.tones import DTMF, detect_dtmf, pack, sines, tone_level, unpack
from tests.home_gateway.transport import Peer, Stamp

PEER = Peer(Family.V6, "::1", 4000)


@pytest.mark.parametrize(
    "text",
    [
        "sip:3@::1",
        "sip:3@2001:db8::1:5060",
        "sip:3@[::1",
        "sip:3@[::1]5060",
        "sip:3@host:port",
        "sip:#7119@[::1]",
        "sip:3@",
        "3@[::1]",
        "http://[::1]/",
        "sip:3 @[::1]",
    ],
)
def test_uris_that_are_none(text: str) -> None:
    """Among them an IPv6 literal without brackets and a bare number sign."""
    with pytest.raises(ParseError):
        Uri.parse(text)


def test_uris_and_addresses() -> None:
    """What stands in them is found."""
    uri = Uri.parse("sip:%237119@[2001:db8::1]:5062;transport=udp;lr")
    assert (uri.user, uri.host, uri.port) == ("%237119", "2001:db8::1", 5062)
    assert uri.params == {"transport": "udp", "lr": None}
    address = NameAddr.parse('"a \\"b\\" <c>, d" <sip:3@192.0.2.1>;tag=x;expires=5')
    assert address.display == 'a "b" <c>, d'
    assert (address.tag, address.params["expires"]) == ("x", "5")
    assert NameAddr.parse("sip:3@192.0.2.1;tag=x").tag == "x"
    via = Via.parse("SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "::1", 5060, "z9hG4bKx")
    assert split_list('"a,b" <sip:x,y@z>, c') == ['"a,b" <sip:x,y@z>', "c"]
    assert (join_host("::1"), join_host("192.0.2.1")) == ("[::1]", "192.0.2.1")


@pytest.mark.parametrize(
    "data",
    [
        b"INVITE sip:3@[::1] SIP/2.0\r\nVia: x",
        b"INVITE sip:3@[::1]\r\n\r\n",
        b"SIP/2.0 2000 OK\r\n\r\n",
        b"OPTIONS sip:3@[::1] SIP/2.0\r\nno colon here\r\n\r\n",
        b"OPTIONS sip:3@[::1] SIP/2.0\r\nSubject: \xff\xfe\r\n\r\n",
        b"OPTIONS  sip:3@[::1] SIP/2.0\r\n\r\n",
    ],
)
def test_datagrams_that_are_no_messages(data: bytes) -> None:
    """They are refused as a whole."""
    with pytest.raises(ParseError):
        parse_message(data)


def test_compact_and_folded_headers() -> None:
    """Both are read, and writing compact gives the short names."""
    message = parse_message(
        b"OPTIONS sip:3@[::1] SIP/2.0\r\nv: SIP/2.0/UDP [::1]\r\n"
        b"k: timer,\r\n 100rel\r\nCALL-ID: x\r\nx: 300\r\n\r\nbody"
    )
    assert message.tokens("Supported") == {"timer", "100rel"}
    assert message.get("Session-Expires") == "300"
    assert b"\r\nk: timer, 100rel\r\ni: x\r\nx: 300\r\nl: 4\r\n\r\nbody" in message.encode(
        compact=True
    )


@pytest.mark.parametrize(
    ("user", "number", "refusal"),
    [
        ("0312345678", "0312345678", 0),
        ("03-1234-5678", "0312345678", 0),
        ("%237119", "#7119", 0),
        ("1", "1", 0),
        ("9", "9", 484),
        ("031234567", "031234567", 484),
        ("0901234567", "0901234567", 484),
        ("08001234567", "08001234567", 0),
        ("0120123456", "0120123456", 0),
        ("0570012345", "0570012345", 0),
        ("117", "117", 0),
        ("114", "114", 403),
        ("136", "136", 403),
        ("159", "159", 403),
        ("0033010123", "0033010123", 403),
        ("0061010123", "0061010123", 403),
        ("010442012345678", "010442012345678", 0),
        ("+81312345678", "+81312345678", 404),
        ("abc", "abc", 404),
    ],
)
def test_dialled_strings(user: str, number: str, refusal: int) -> None:
    """What the gateway makes of them."""
    dialled = read_dialled(user, CallConfig(), {"1", "2", "3"})
    assert (dialled.number, dialled.refusal) == (number, refusal)
    assert dialled.shows_number


def test_prefixes_and_the_area_code() -> None:
    """186 shows, 184 hides; a number without area code gets one where configured."""
    hidden = CallConfig(shows_number=False)
    assert not read_dialled("0312345678", hidden, set()).shows_number
    assert read_dialled("1860312345678", hidden, set()).shows_number
    assert not read_dialled("1840312345678", CallConfig(), set()).shows_number
    assert read_dialled("12345678", CallConfig(area_code="03"), set()).refusal == 484
    assert read_dialled("52345678", CallConfig(area_code="03"), set()).number == "0352345678"


def test_families() -> None:
    """An IPv6 leg reaches no analog phone, an IPv4 leg no IPv6-only one."""
    assert families_meet(Family.V4, Reach.V4_ONLY)
    assert families_meet(Family.V6, Reach.V6_ONLY)
    assert not families_meet(Family.V6, Reach.V4_ONLY)
    assert not families_meet(Family.V4, Reach.V6_ONLY)
    assert all(families_meet(leg, Reach.DUAL) for leg in Family)


def description(
    formats: tuple[str, ...] = ("0",), direction: str = "sendrecv", port: int = 4000
) -> bytes:
    """Write a description."""
    return build_sdp(
        family=Family.V6,
        host="::1",
        port=port,
        formats=formats,
        direction=direction,
        session=1,
        version=1,
    )


def test_answers_are_compared_with_their_offer() -> None:
    """Only what was offered, and a direction that fits."""
    offer = parse_sdp(description(("0", "101"), "sendonly"))
    assert wrong_in_answer(offer, parse_sdp(description(("0",), "recvonly"))) == []
    assert wrong_in_answer(offer, parse_sdp(description(("0",), "sendrecv"))) == [
        "sendrecv answers sendonly"
    ]
    other = description(("0", "101"), "recvonly").replace(b"telephone-event", b"opus")
    assert wrong_in_answer(offer, parse_sdp(other)) == ["payload type 101 means something else"]


@pytest.mark.parametrize(
    "change",
    [
        (b"v=0", b"v=1"),
        (b"IN IP6 ::1\r\nt=", b"IN IP4 ::1\r\nt="),
        (b"IN IP6 ::1\r\nt=", b"IN IP6 [::1]\r\nt="),
        (b"s=-\r\n", b""),
        (b"m=audio 4000", b"m=audio x"),
        (b"a=sendrecv", b"sendrecv"),
    ],
)
def test_descriptions_that_are_none(change: tuple[bytes, bytes]) -> None:
    """A description with one thing wrong is refused."""
    body = description()
    assert change[0] in body
    with pytest.raises(SdpError):
        parse_sdp(body.replace(*change))


def sound(source: Source, frames: int) -> bytes:
    """Take some frames of a source."""
    stream = source.frames(Recording())
    return b"".join(frame or b"" for _, frame in zip(range(frames), stream, strict=False))


def test_levels_and_tones() -> None:
    """A tone has its level, and little elsewhere; the ringing tone is at 400 Hz."""
    pcm = sound(Tone(1000, -13), 50)
    assert tone_level(pcm, 1000) == pytest.approx(-13, abs=0.1)
    assert tone_level(pcm, 1100) < -50
    assert level_dbm0(pcm) == pytest.approx(-13, abs=0.1)
    assert level_dbm0(sound(Noise(-30), 50)) == pytest.approx(-30, abs=0.5)
    ringback = sound(Ringback(-16), 150)
    assert tone_level(ringback[:16000], 400) > -25
    assert level_dbm0(ringback[16000:]) == -100
    coded = audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2)
    assert tone_level(coded, 1000) == pytest.approx(-13, abs=0.3)


@pytest.mark.parametrize("twist", [-6.0, 0.0, 6.0])
@pytest.mark.parametrize("level", [-3.0, -10.0, -25.0])
@pytest.mark.parametrize("length", [50, 100])
def test_digits_are_heard(level: float, twist: float, length: int) -> None:
    """Every key at several levels, twists and lengths, coded as G.711, in noise."""
    keys = "".join(DTMF)
    pcm = sound(Digits(keys, level, twist, length, length), 16 * length * 2 // 20)
    noise = sound(Noise(level - 25), len(pcm) // 320)
    mixed = audioop.add(pcm[: len(noise)], noise, 2)
    assert detect_dtmf(audioop.ulaw2lin(audioop.lin2ulaw(mixed, 2), 2)) == keys


def test_repeated_digits_and_what_is_none() -> None:
    """A key twice is heard twice; tones, noise and short blips are no keys."""
    assert detect_dtmf(sound(Digits("1122"), 60)) == "1122"
    assert detect_dtmf(sound(Tone(770), 50)) == ""
    assert detect_dtmf(sound(Noise(-10), 100)) == ""
    assert detect_dtmf(sound(Ringback(), 50)) == ""
    assert detect_dtmf(sound(Digits("5", tone_ms=15, gap_ms=100), 10)) == ""
    with pytest.raises(ValueError, match="no such keys"):
        Digits("12x")


def test_wav_is_brought_to_one_channel_and_8_khz(tmp_path: Path) -> None:
    """A stereo file at 16 kHz keeps its tone."""
    path = tmp_path / "tone.wav"
    samples = [round(8000 * math.sin(2 * math.pi * 440 * n / 16000)) for n in range(16000)]
    mono = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(audioop.tostereo(mono, 2, 1, 1))
    pcm = sound(Wav(path), 60)
    assert len(pcm) == pytest.approx(16000, abs=320)
    assert tone_level(pcm, 440) > -20


def packet(number: int, time: float) -> RtpPacket:
    """Make a packet of silence."""
    return RtpPacket(
        time=time,
        peer=PEER,
        sequence=(65530 + number) % 65536,
        timestamp=(1 << 32) - 800 + number * 160 if number < 5 else (number - 5) * 160,
        ssrc=1,
        payload_type=0,
        marker=False,
        payload=b"\xff" * 160,
    )


def recorded(times: dict[int, float]) -> Recording:
    """Record packets by number and arrival, in order of arrival."""
    recording = Recording()
    for number, time in sorted(times.items(), key=lambda item: item[1]):
        recording.add(packet(number, time))
    return recording


def test_whole_stream_measures_whole() -> None:
    """500 packets, sequence and timestamp wrap: 50 a second, no hole, no error."""
    recording = recorded({n: n * 0.02 for n in range(500)})
    assert recording.packets_per_second() == pytest.approx(50)
    assert recording.short_pct() == pytest.approx(0, abs=1e-6)
    assert recording.widest_gap_ms() == pytest.approx(20)
    assert recording.holes_pct() == 0
    assert recording.sequence_errors().total == 0
    assert len(recording.pcm()) == 500 * 320


def test_jitter_within_the_buffer_makes_no_hole() -> None:
    """Up to 40 ms of jitter is nothing to a buffer of 60 ms."""
    dice = random.Random(2)
    recording = recorded({n: n * 0.02 + dice.uniform(0, 0.04) for n in range(500)})
    assert recording.holes_pct(60) <= 0.5
    assert recording.holes_pct(0) > 2


def test_sender_in_a_blocked_loop_that_drops_behind() -> None:
    """15 of 50 ticks are missed each second: 35 a second, holes in 30 %, yet no packet lost."""
    times: dict[int, float] = {}
    for second in range(10):
        for tick in range(35):
            times[len(times)] = second + tick * 0.02
    recording = recorded(times)
    assert recording.packets_per_second(0, 10) == pytest.approx(35)
    assert recording.short_pct(0, 10) == pytest.approx(30)
    assert recording.holes_pct() == pytest.approx(30, abs=5)
    assert recording.widest_gap_ms() == pytest.approx(320)
    assert recording.sequence_errors().total == 0


def test_sender_in_a_blocked_loop_that_catches_up() -> None:
    """300 ms of pause and then a burst, each second: 50 a second, and still holes."""
    times: dict[int, float] = {}
    for second in range(10):
        for tick in range(50):
            times[len(times)] = second + max(0.3, tick * 0.02)
    recording = recorded(times)
    assert recording.packets_per_second() == pytest.approx(50, abs=2)
    assert recording.holes_pct() > 15


def test_lost_reordered_and_doubled_packets() -> None:
    """They are told apart."""
    recording = recorded({n: n * 0.02 for n in range(20) if n not in {5, 6}})
    recording.add(packet(3, 0.41))
    recording.add(packet(5, 0.42))
    errors = recording.sequence_errors()
    assert (errors.lost, errors.reordered, errors.duplicated) == (1, 1, 1)


@pytest.mark.parametrize("hertz", [300, 1000, 3000, 6000])
def test_g722_by_ear(hertz: int) -> None:
    """A tone of either sub-band comes back as loud, and alone."""
    wide = pack(
        [8000 * math.sin(2 * math.pi * hertz * n / (2 * tones.RATE)) for n in range(2 * tones.RATE)]
    )
    samples = unpack(Codec().decode_wide(Codec().encode_wide(wide)))[400:]
    whole = sum(sample * sample for sample in samples) / len(samples)
    # The frequency in terms of the 8 kHz that goertzel counts in.
    found = tones.goertzel(samples, hertz / 2)
    assert found == pytest.approx(8000**2 / 2, rel=0.05)
    assert whole == pytest.approx(found, rel=0.05)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on PATH")
def test_g722_bit_by_bit() -> None:
    """Encoder and decoder do what ffmpeg's do, in loud and soft noise."""
    dice = random.Random(1)
    wide = pack([dice.gauss(0, 40 + 6 * abs(n % 4000 - 2000)) for n in range(16000)])
    linear, coded = ("-f", "s16le", "-ar", "16000", "-ac", "1"), ("-f", "g722")

    def ffmpeg(data: bytes, taken: tuple[str, ...], given: tuple[str, ...]) -> bytes:
        """Turn one into the other."""
        command = ("ffmpeg", "-v", "error", *taken, "-i", "pipe:0", *given, "pipe:1")
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout

    codes = Codec().encode_wide(wide)
    assert codes == ffmpeg(wide, linear, coded)
    assert Codec().decode_wide(codes) == ffmpeg(codes, coded, linear)


def test_g722_at_8_khz() -> None:
    """What the gateway says and hears has 8 kHz: an octet is a sample."""
    sound = pack(sines(((700, 8000.0),), 0, 4000))
    codes = Codec().encode(sound)
    assert len(codes) == 4000
    assert tone_level(Codec().decode(codes), 700) == pytest.approx(tone_level(sound, 700), abs=0.5)


def test_rtp_is_read_and_written() -> None:
    """With padding, sources and extension; and nothing but version 2."""
    data = build_rtp(65536 + 7, 1 << 32, 9, 0, b"abcd", marker=True)
    read = parse_rtp(data, PEER, Stamp(1.0, 2.0))
    assert read
    assert (read.sequence, read.timestamp, read.ssrc, read.marker) == (7, 0, 9, True)
    assert (read.payload_type, read.payload) == (0, b"abcd")
    full = bytes([0xB1]) + data[1:12] + b"\0" * 4 + b"\0\0\0\1" + b"\0" * 4 + b"abcd\0\2"
    padded = parse_rtp(full, PEER, Stamp(1.0, 2.0))
    assert padded
    assert padded.payload == b"abcd"
    assert parse_rtp(b"\x40" + data[1:], PEER, Stamp(1.0, 2.0)) is None
    assert parse_rtp(b"short", PEER, Stamp(1.0, 2.0)) is None
