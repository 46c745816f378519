"""Whatever comes, it is read, refused or dropped, and what is written can be read."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.sip.digest import (
    DigestClient,
    parse_challenges,
)
from custom_components.hikari_denwa.telephony.engine.sip.headers import (
    Headers,
    quote,
    split_list,
    unquote,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MessageError,
    Request,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.sdp import (
    SdpError,
    SessionDescription,
    agree,
    answer,
    offer,
)
from custom_components.hikari_denwa.telephony.engine.sip.uri import (
    NameAddress,
    SipUri,
    Via,
    parse_uri,
)

from .torture_messages import TORTURE_MESSAGES
from .views import VIEWS

PIECES = (
    b"\r\n",
    b"\n ",
    b"\r",
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b":",
    b"%",
    b"%zz",
    b"[",
    b"]",
    b"@",
    b"?",
    b"*",
    b"9" * 20,
    b"Via: ",
    b"l: 7",
    b"SIP/2.0",
)
SDP_LINES = st.sampled_from(
    [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.1",
        "c=IN IP4 192.0.2.1",
        "c=IN IP6 ::",
        "c=IN IP4 host",
        "m=audio 4000 RTP/AVP 0 8 101",
        "m=audio 0 RTP/AVP 0",
        "m=video 4002 RTP/SAVP 31",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:x",
        "a=sendonly",
        "a=inactive",
        "a=ptime:30",
        "a=fmtp:101 0-15",
    ]
)
HOSTS = st.sampled_from(["h", "192.0.2.1", "2001:db8::1", "a-b.example"])
TEXT = st.text(max_size=30)
# A percent sign may begin an escape, which means the escaped character.
PLAIN = st.text(st.characters(exclude_characters="%", exclude_categories=["Cs"]), max_size=20)
PORTS = st.none() | st.integers(0, 65535)


def _read_all(datagram: bytes) -> None:
    """Read a datagram with every view of it; only MessageError may come out."""
    fault: MessageError | None = None
    try:
        message = parse(datagram)
    except MessageError as error:
        fault = error
    if fault is not None:
        if fault.status is not None:
            assert isinstance(fault.request, Request)
            answered = fault.request.reply(fault.status, to_tag="t").encode()
            assert answered.endswith(b"Content-Length: 0\r\n\r\n")
        return
    for view in VIEWS:
        getattr(message, view)
    with contextlib.suppress(MessageError):
        _ = message.vias
    again = parse(message.encode())
    assert again == message
    if isinstance(message, Request):
        message.mark_source("192.0.2.1", 5060)
        reply = parse(message.reply(180, to_tag="t").encode())
        assert isinstance(reply, Response)
        assert reply.cseq == message.cseq


@given(st.binary(max_size=300))
def test_octets(datagram: bytes) -> None:
    """Any octets."""
    _read_all(datagram)


@given(st.data())
def test_damaged_messages(data: st.DataObject) -> None:
    """Messages with pieces put in, taken out and put twice."""
    datagram = data.draw(st.sampled_from(TORTURE_MESSAGES)).datagram
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(datagram)))
        end = data.draw(st.integers(start, min(len(datagram), start + 40)))
        piece = data.draw(st.sampled_from(PIECES) | st.binary(max_size=6))
        repeat = data.draw(st.sampled_from((1, 1, 1, 2, 50)))
        datagram = datagram[:start] + piece * repeat + datagram[end:]
    _read_all(datagram)


@given(user=st.none() | PLAIN, password=PLAIN, host=HOSTS, port=PORTS, value=PLAIN)
def test_uri(user: str | None, password: str, host: str, port: int | None, value: str) -> None:
    """A URI made of anything reads back as what means the same."""
    uri = SipUri(user=user, host=host, port=port, parameters=(("x", value), ("lr", None)))
    if user is not None:
        uri = SipUri(user=user, password=password, host=host, port=port)
    read = parse_uri(str(uri))
    assert isinstance(read, SipUri)
    assert str(read) == str(uri)
    assert (read.host, read.port) == (host, port)


@given(name=st.none() | TEXT, tag=TEXT, host=HOSTS)
def test_name_address(name: str | None, tag: str, host: str) -> None:
    """A name-addr made of anything reads back."""
    address = NameAddress(name, SipUri(user=name, host=host)).with_parameter("x", quote(tag))
    read = NameAddress.parse(str(address))
    flat = None if name is None else name.replace("\r", " ").replace("\n", " ")
    assert read.display_name == flat
    assert read.parameter("x") == tag.replace("\r", " ").replace("\n", " ")
    assert str(read) == str(address)
    headers = Headers()
    headers.add("From", str(address))


@given(host=HOSTS, port=PORTS, address=HOSTS)
def test_via(host: str, port: int | None, address: str) -> None:
    """A Via reads back, with its source too."""
    via = Via("SIP/2.0/UDP", host, port, (("branch", "z9hG4bK1"), ("rport", None)))
    assert Via.parse(str(via)) == via
    marked = Via.parse(str(via.with_source(address, 5060)))
    assert (marked.received, marked.rport) == (address, "5060")


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_lists(texts: list[str]) -> None:
    """Quoted elements of a list come apart as they were put together."""
    elements = [quote(text) for text in texts]
    assert split_list(", ".join(elements)) == elements
    flat = [text.replace("\r", " ").replace("\n", " ") for text in texts]
    assert [unquote(element) for element in elements] == flat


@given(TEXT, TEXT)
def test_challenges(text: str, other: str) -> None:
    """Any challenge is answered or passed over."""
    values = [text, f"Digest {text}", f'Digest realm="{text}", nonce={quote(other)}, qop={text}']
    client = DigestClient(other, text)
    for challenge in parse_challenges(values):
        client.authorization(challenge, "REGISTER", "sip:h")


@given(st.lists(SDP_LINES | TEXT, max_size=14), st.sampled_from(["\r\n", "\n"]))
def test_descriptions(lines: list[str], end: str) -> None:
    """Any description is read or refused, and an answer to it holds nothing else than it."""
    body = end.join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", *lines]).encode()
    try:
        offered = SessionDescription.parse(body)
    except SdpError:
        return
    SessionDescription.parse(offered.encode())
    agree(offer("192.0.2.2", 4000), offered)
    answered = answer(offered, "192.0.2.2", 4000, telephone_event=True)
    if not isinstance(answered, SessionDescription):
        return
    assert len(answered.media) == len(offered.media)
    for mine, theirs in zip(answered.media, offered.media, strict=True):
        assert mine.kind == theirs.kind
        assert set(mine.formats) <= set(theirs.formats)
    assert SessionDescription.parse(answered.encode()).encode() == answered.encode()


@given(st.binary(max_size=200))
def test_descriptions_of_octets(body: bytes) -> None:
    """Any octets are a description or none."""
    try:
        SessionDescription.parse(body)
    except SdpError:
        return
