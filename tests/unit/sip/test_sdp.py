"""Session descriptions and offer/answer."""

from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.sdp import (
    BAD_ADDRESS,
    BAD_NETWORK,
    BAD_TRANSPORT,
    G722,
    MULTICAST,
    NO_AUDIO,
    NO_BANDWIDTH,
    NO_CODEC,
    PCMA,
    PCMU,
    TELEPHONE_EVENT,
    AudioStream,
    Codec,
    Connection,
    Direction,
    Refusal,
    SdpError,
    SessionDescription,
    agree,
    answer,
    new_session_id,
    offer,
)

GATEWAY = """\
v=0
o=- 10 11 IN IP4 192.168.1.1
s=-
c=IN IP4 192.168.1.1
t=0 0
m=audio 20000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=ptime:20
a=sendrecv
"""


def _parse(text: str = GATEWAY) -> SessionDescription:
    """Read a description."""
    return SessionDescription.parse(text.encode())


def _edited(old: str, new: str) -> SessionDescription:
    """Read the gateway's description with one change."""
    assert old in GATEWAY
    return _parse(GATEWAY.replace(old, new))


def _answer(
    offered: SessionDescription,
    *,
    codecs: tuple[Codec, ...] = (PCMU,),
    telephone_event: bool = False,
    direction: Direction = Direction.SENDRECV,
) -> SessionDescription:
    """Answer an offer that can be answered."""
    answered = answer(
        offered,
        "192.168.1.20",
        40000,
        session_id=1,
        codecs=codecs,
        telephone_event=telephone_event,
        direction=direction,
    )
    assert isinstance(answered, SessionDescription)
    return answered


def _stream(local: SessionDescription, remote: SessionDescription) -> AudioStream:
    """Give what two descriptions agreed on."""
    agreed = agree(local, remote)
    assert isinstance(agreed, AudioStream)
    return agreed


def test_gateway_offer_and_answer() -> None:
    """The answer to a gateway is the one that the facts call correct (§8.2 C6)."""
    assert _answer(_parse()).encode() == (
        b"v=0\r\no=- 1 1 IN IP4 192.168.1.20\r\ns=-\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\n"
        b"m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_own_offer() -> None:
    """What is offered is PCMU at 20 ms and nothing else, in the family of the address."""
    assert offer("2001:db8::20", 40000, session_id=7, version=3).encode() == (
        b"v=0\r\no=- 7 3 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n"
        b"m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    held = offer("192.0.2.1", 2, codecs=(PCMU, G722), direction=Direction.SENDONLY)
    assert b"RTP/AVP 0 9\r\n" in held.encode()
    assert b"a=rtpmap:9 G722/8000\r\na=ptime:20\r\na=sendonly\r\n" in held.encode()
    assert held.session_id > 1_700_000_000_000


@pytest.mark.parametrize(
    ("address", "port"),
    [("192.0.2.1", 4001), ("192.0.2.1", 0), ("192.0.2.1", 65536), ("h", 2), ("fe80::1%eth0", 2)],
)
def test_unfit_local_address(address: str, port: int) -> None:
    """Odd ports, names and zones are not offered (home-gateway facts §2.2)."""
    with pytest.raises(ValueError, match=r".+"):
        offer(address, port)
    with pytest.raises(ValueError, match=r".+"):
        answer(_parse(), address, port)


def test_answer_holds_only_what_was_offered() -> None:
    """telephone-event is answered only when offered and asked for; gateways hang up else."""
    plain = _parse()
    events = _parse(
        GATEWAY.replace("AVP 0", "AVP 8 0 101")
        + "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n"
    )
    assert _answer(plain, telephone_event=True).media[0].formats == ("0",)
    assert _answer(events).media[0].formats == ("0",)
    both = _answer(events, telephone_event=True)
    assert both.media[0].formats == ("0", "101")
    assert b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n" in both.encode()
    assert _stream(both, events).telephone_event_type == 101
    assert _stream(_answer(events), events).telephone_event_type is None


def test_codec_by_order_of_the_offer() -> None:
    """One codec is answered, the first of the offer among those that may be used."""
    wide = _edited("AVP 0\na=rtpmap:0 PCMU/8000", "AVP 9 8 0\na=rtpmap:9 G722/8000/1")
    assert _answer(wide).media[0].formats == ("0",)
    assert _answer(wide, codecs=(PCMU, PCMA)).media[0].formats == ("8",)
    assert _answer(wide, codecs=(PCMU, G722)).media[0].rtpmap == (("9", "G722/8000"),)
    assert _stream(_answer(wide, codecs=(G722,)), wide).codec is G722


def test_g722_offered_first() -> None:
    """G.722 stands first with its static type and the clock of RFC 3551; either is agreed on."""
    mine = offer("192.0.2.1", 2, codecs=(G722, PCMU))
    assert b" RTP/AVP 9 0\r\n" in mine.encode()
    assert b"a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\n" in mine.encode()
    for codec, payload_type in ((G722, 9), (PCMU, 0)):
        theirs = answer(mine, "192.0.2.2", 4, codecs=(codec,))
        assert isinstance(theirs, SessionDescription)
        agreed = _stream(mine, theirs)
        assert (agreed.codec, agreed.send_type) == (codec, payload_type)
        assert agreed.receive_type == payload_type


def test_payload_types_are_the_offers() -> None:
    """A codec under another payload type keeps that type; rtpmap has the last word."""
    moved = _edited(
        "AVP 0\na=rtpmap:0 PCMU/8000", "AVP 0 97\na=rtpmap:0 X/8000\na=rtpmap:97 pcmu/8000"
    )
    answered = _answer(moved)
    assert answered.media[0].rtpmap == (("97", "PCMU/8000"),)
    stream = _stream(answered, moved)
    assert (stream.codec, stream.send_type, stream.receive_type) == (PCMU, 97, 97)


def test_other_media_are_refused_with_port_zero() -> None:
    """Every m= line has its line in the answer, in order."""
    several = _parse(
        GATEWAY.replace("m=audio", "m=video 4000 RTP/AVP 31 34\nb=AS:64\na=x\nm=audio")
        + "m=audio 4002 RTP/AVP 0\nm=application 9 udp wb\n"
    )
    answered = _answer(several)
    assert [line for line in answered.encode().decode().splitlines() if line[0] == "m"] == [
        "m=video 0 RTP/AVP 31 34",
        "m=audio 40000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 udp wb",
    ]
    assert _stream(answered, several).port == 20000


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendonly", "sendonly"),
    ],
)
def test_directions(offered: str, wanted: str, answered: str) -> None:
    """The answer mirrors the offer and never promises more than is wanted (RFC 3264 §6.1)."""
    hold = _edited("sendrecv", offered)
    assert _answer(hold, direction=Direction(wanted)).media[0].direction == answered


@pytest.mark.parametrize(
    ("old", "new", "held", "direction"),
    [
        ("sendrecv", "sendrecv", False, "sendrecv"),
        ("sendrecv", "sendonly", True, "recvonly"),
        ("sendrecv", "inactive", True, "inactive"),
        ("sendrecv", "recvonly", False, "sendonly"),
        ("c=IN IP4 192.168.1.1", "c=IN IP4 0.0.0.0", True, "recvonly"),
    ],
)
def test_hold(old: str, new: str, *, held: bool, direction: str) -> None:
    """Hold is seen by its direction and by the old address of zeros."""
    remote = _edited(old, new)
    assert remote.media[0].held is held
    assert _stream(_answer(remote), remote).direction == direction


def test_hold_by_ipv6_address() -> None:
    """The unspecified IPv6 address means hold as well (RFC 6157)."""
    text = GATEWAY.replace("IP4 192.168.1.1", "IP6 ::")
    assert _parse(text).media[0].held


def test_session_direction_counts_where_media_say_nothing() -> None:
    """A direction of the session holds for all media that have none."""
    text = GATEWAY.replace("a=sendrecv\n", "").replace("t=0 0", "t=0 0\na=sendonly")
    two = _parse(text + "m=audio 2 RTP/AVP 0\na=recvonly\n")
    assert [media.direction for media in two.media] == ["sendonly", "recvonly"]


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ("c=IN IP4 192.168.1.1", "c=IN IP6 2001:db8::1", BAD_NETWORK),
        ("c=IN IP4 192.168.1.1", "c=ATM NSAP 47.0091", BAD_NETWORK),
        ("c=IN IP4 192.168.1.1", "c=IN IP4 gateway.example", BAD_ADDRESS),
        ("c=IN IP4 192.168.1.1", "c=IN IP4 2001:db8::1", BAD_ADDRESS),
        ("c=IN IP4 192.168.1.1\n", "", BAD_ADDRESS),
        ("c=IN IP4 192.168.1.1", "c=IN IP4 233.252.0.1/127", MULTICAST),
        ("RTP/AVP", "RTP/SAVP", BAD_TRANSPORT),
        ("RTP/AVP 0\na=rtpmap:0 PCMU/8000", "RTP/AVP 9 96\na=rtpmap:96 opus/48000/2", NO_CODEC),
        ("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 PCMU/16000", NO_CODEC),
        ("a=rtpmap:0 PCMU/8000", "b=AS:32\r\na=rtpmap:0 PCMU/8000", NO_BANDWIDTH),
        ("a=rtpmap:0 PCMU/8000", "b=TIAS:63999\r\na=rtpmap:0 PCMU/8000", NO_BANDWIDTH),
        ("t=0 0", "b=CT:8\r\nt=0 0", NO_BANDWIDTH),
        ("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 PCMU/8000/2", NO_CODEC),
        ("AVP 0\na=rtpmap:0 P", "AVP x 200\na=rtpmap:x PCMU/8000\na=rtpmap:200 P", NO_CODEC),
        ("m=audio", "m=image", NO_AUDIO),
        ("m=audio 20000", "m=audio 0", NO_AUDIO),
    ],
)
def test_refusals(old: str, new: str, refusal: Refusal) -> None:
    """What cannot be taken is refused with the Warning that says why (RFC 3261 §20.43)."""
    offered = _edited(old, new)
    assert answer(offered, "192.168.1.20", 40000) is refusal
    assert refusal.status == 488
    assert agree(_answer(_parse()), offered) is refusal


def test_refusal_tells_of_the_audio() -> None:
    """With several m= lines the Warning is about the audio."""
    offered = _parse(GATEWAY.replace("AVP 0", "AVP 9") + "m=video 2 RTP/AVP 31\n")
    offered = replace(offered, media=(offered.media[1], offered.media[0]))
    found = answer(offered, "192.168.1.20", 40000, codecs=(PCMA,))
    assert found is NO_CODEC
    assert NO_CODEC.warning("192.168.1.20") == '305 192.168.1.20 "Incompatible media format"'


def test_no_media_at_all() -> None:
    """A description without m= lines has no audio."""
    empty = _parse(GATEWAY.partition("m=")[0])
    assert answer(empty, "192.168.1.20", 40000) is NO_AUDIO
    assert (empty.audio, agree(empty, empty)) == (None, NO_AUDIO)
    assert agree(_answer(_parse()), empty) is NO_AUDIO


def test_agreement_of_the_caller() -> None:
    """The caller sends what the answer put first, to where the answer says."""
    mine = offer("2001:db8::20", 40000, codecs=(PCMU, PCMA))
    theirs = answer(mine, "2001:db8::1", 24000, codecs=(PCMA,), direction=Direction.SENDONLY)
    assert isinstance(theirs, SessionDescription)
    assert agree(mine, theirs) == AudioStream(
        address="2001:db8::1",
        port=24000,
        codec=PCMA,
        send_type=8,
        receive_type=8,
        telephone_event_type=None,
        ptime=20,
        direction=Direction.RECVONLY,
    )
    assert agree(theirs, mine) == AudioStream(
        address="2001:db8::20",
        port=40000,
        codec=PCMA,
        send_type=8,
        receive_type=8,
        telephone_event_type=None,
        ptime=20,
        direction=Direction.SENDONLY,
    )


def test_codec_that_was_not_offered() -> None:
    """An answer of something else is no agreement."""
    theirs = answer(offer("192.0.2.1", 2, codecs=(PCMA,)), "192.0.2.2", 4, codecs=(PCMA,))
    assert isinstance(theirs, SessionDescription)
    assert agree(offer("192.0.2.1", 2), theirs) is NO_CODEC


def test_versions() -> None:
    """A changed description is one version up; the same version is unchanged (RFC 3264 §8)."""
    first = _parse()
    assert (first.session_id, first.version) == (10, 11)
    assert first.next_version().version == 12
    assert first.unchanged_from(_parse())
    assert not first.unchanged_from(first.next_version())
    assert new_session_id() > 0


def test_tolerated_forms() -> None:
    """White space, unknown lines, missing s= and t=, upper case and port counts are taken."""
    text = (
        "\nv=0\r\no=hgw  1 2  IN IP4 192.168.1.1\nx\nz=0 0\nk=clear:x\n"
        "m=AUDIO  20000/1  rtp/avp  0 \n"
        "i=title\nc=in ip4 192.168.1.1/127\nb=AS:64\na=RTPMAP:0  pcmu / 8000 \na=ptime:x\n"
        "a=silenceSupp:off - - - -\na=\udcff"
    )
    media = SessionDescription.parse(text.encode(errors="surrogateescape")).media[0]
    assert (media.kind, media.port, media.payload_type(PCMU)) == ("audio", 20000, "0")
    assert str(media.connection) == "IN IP4 192.168.1.1"
    assert (media.ptime, media.payload_type(TELEPHONE_EVENT)) == (None, None)
    assert media.attributes == (("silencesupp", "off - - - -"), ("\udcff", None))


def test_media_connection_is_written_where_it_differs() -> None:
    """An address of the media alone stands behind its m= line."""
    text = GATEWAY.replace("a=rtpmap", "c=IN IP4 192.168.1.9\na=rtpmap")
    written = _parse(text).encode().decode()
    assert "c=IN IP4 192.168.1.1\r\nt=0 0\r\nm=audio" in written
    assert "RTP/AVP 0\r\nc=IN IP4 192.168.1.9\r\n" in written
    assert SessionDescription.parse(written.encode()) == _parse(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"v=0\r\n",
        b"o=- 1 1 IN IP4 h\r\n",
        b"v=0\r\no=- x 1 IN IP4 h\r\n",
        b"v=0\r\no=- " + b"1" * 30 + b" 1 IN IP4 h\r\n",
        GATEWAY.replace("20000", "70000").encode(),
        GATEWAY.replace("20000", "-1").encode(),
        GATEWAY.replace("m=audio 20000 RTP/AVP 0", "m=audio").encode(),
        GATEWAY.replace("c=IN IP4 192.168.1.1", "c=IN IP4").encode(),
        GATEWAY.encode() + b"m=video 2 RTP/AVP 31\n" * 40,
        GATEWAY.encode() + b"a=x\n" * 5000,
    ],
)
def test_no_description(body: bytes) -> None:
    """A body that is no description is told."""
    with pytest.raises(SdpError):
        SessionDescription.parse(body)


def test_connection() -> None:
    """An address is told from a name, and only a literal can be unspecified."""
    assert str(Connection.to("::1")) == "IN IP6 ::1"
    assert Connection("gateway.example", "IP4").literal is None
    assert not Connection("gateway.example", "IP4").unspecified


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("a=rtcp:20005", 20005),
        ("a=rtcp:20005 IN IP4 192.168.1.9", 20005),
        ("a=rtcp:0", None),
        ("a=rtcp:65536", None),
        ("a=rtcp:many", None),
        ("a=rtcp", None),
    ],
)
def test_port_of_rtcp(line: str, port: int | None) -> None:
    """RFC 3605; what is no port is as if it was not there."""
    remote = _edited("a=ptime:20", f"a=ptime:20\n{line}")
    local = _answer(_parse())
    assert isinstance(local, SessionDescription)
    agreed = agree(local, remote)
    assert isinstance(agreed, AudioStream)
    assert agreed.control_port == port


def test_foreign_network_has_no_literal() -> None:
    """An ATM address may look like one of ours."""
    assert Connection(network="ATM", family="NSAP", address="192.168.1.1").literal is None
