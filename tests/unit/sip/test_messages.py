"""Reading and writing of messages, their typed views, and replies."""

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.headers import Headers
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MAX_HEAD_BYTES,
    MAX_HEADER_FIELDS,
    MessageError,
    ReasonHeader,
    Request,
    Response,
    SessionExpires,
    WarningHeader,
    is_keep_alive,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri

INVITE = """\
INVITE sip:3@192.168.1.20:5062 SIP/2.0
Via: SIP/2.0/UDP 192.168.1.1:5060;branch=z9hG4bKh10
Max-Forwards: 70
From: "09012345678" <sip:09012345678@192.168.1.1>;tag=h10
To: "0312345678" <sip:3@192.168.1.1>
Call-ID: h10@192.168.1.1
CSeq: 1 INVITE
Contact: <sip:192.168.1.1:5060>
Allow: INVITE,ACK,BYE,CANCEL,PRACK,UPDATE
Supported: timer,100rel
Session-Expires: 300;refresher=uac
Min-SE: 300
Content-Type: application/sdp

"""
COMPACT = """\
INVITE sip:3@[2001:db8:0:110::20]:5062 SIP/2.0
v: SIP/2.0/UDP [2001:db8:0:100::1]:5060;branch=z9hG4bKh10
f: "09012345678" <sip:09012345678@[2001:db8:0:100::1]>;tag=h10
t: "0312345678" <sip:3@[2001:db8:0:100::1]>
i: h10@192.168.1.1
CSeq: 1 INVITE
Max-Forwards: 70
m: <sip:[2001:db8:0:100::1]:5060>
k: timer,100rel
x: 300;refresher=uac
c: application/sdp
l: 0

"""


def _wire(text: str, body: bytes = b"") -> bytes:
    """Give a text CRLF line ends and a body."""
    return text.replace("\n", "\r\n").encode(errors="surrogateescape") + body


def _request(text: str = INVITE, body: bytes = b"") -> Request:
    """Read a request."""
    message = parse(_wire(text, body))
    assert isinstance(message, Request)
    return message


def _edited(old: str, new: str) -> str:
    """Give the INVITE with one change."""
    assert old in INVITE
    return INVITE.replace(old, new)


def _fault(text: str, body: bytes = b"") -> MessageError:
    """Give the error that a text is refused with."""
    with pytest.raises(MessageError) as caught:
        parse(_wire(text, body))
    return caught.value


def test_incoming_invite() -> None:
    """An INVITE of a gateway gives all that a user agent asks of it."""
    invite = _request(body=b"v=0\r\n")
    assert (invite.method, str(invite.uri)) == ("INVITE", "sip:3@192.168.1.20:5062")
    assert (invite.via.host, invite.via.port, invite.via.branch) == (
        "192.168.1.1",
        5060,
        "z9hG4bKh10",
    )
    assert (invite.from_.display_name, invite.from_.tag) == ("09012345678", "h10")
    assert (invite.to.display_name, invite.to.tag) == ("0312345678", None)
    assert (invite.call_id, str(invite.cseq)) == ("h10@192.168.1.1", "1 INVITE")
    assert str(invite.contact) == "<sip:192.168.1.1:5060>"
    assert invite.allow == ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE"]
    assert (invite.supported, invite.require) == (["timer", "100rel"], [])
    assert (invite.session_expires, invite.min_se) == (SessionExpires(300, "uac"), 300)
    assert (invite.content_type, invite.body) == ("application/sdp", b"v=0\r\n")
    assert (invite.routes, invite.record_routes, invite.expires) == ([], [], None)


def test_compact_forms_are_written_long() -> None:
    """Compact names mean the long ones, and only these are sent."""
    invite = _request(COMPACT)
    assert invite.session_expires == SessionExpires(300, "uac")
    names = [line.partition(":")[0] for line in invite.encode().decode().splitlines()[1:-1]]
    assert names == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Contact",
        "Supported",
        "Session-Expires",
        "Content-Type",
        "Content-Length",
    ]


def test_bare_line_feeds_and_leading_line_ends() -> None:
    """Line ends of LF alone and empty lines before the start are tolerated."""
    assert parse(b"\r\n\r\n" + INVITE.encode() + b"x") == _request(body=b"x")


def test_other_encodings_go_through() -> None:
    """Octets that are no UTF-8 come out as they went in."""
    text = _edited('"0312345678"', '"\udcff\udc81"')
    invite = _request(text)
    assert invite.to.display_name == "\udcff\udc81"
    assert b'To: "\xff\x81" <' in invite.encode()
    assert b'To: "\xff\x81" <' in invite.reply(180, to_tag="t").encode()


def test_content_length() -> None:
    """A short Content-Length cuts the body, a long one refuses the message."""
    text = _edited("Content-Type", "Content-Length: 2\nContent-Type")
    assert _request(text, b"abcd").body == b"ab"
    assert _request(_edited("Content-Type", "l: 000002\nContent-Type"), b"abcd").body == b"ab"
    for bad in ("5", "-1", "x", "", "1 2", "9" * 400, "\u0664"):
        fault = _fault(_edited("Content-Type", f"Content-Length: {bad}\nContent-Type"), b"abcd")
        assert fault.status == 400


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CSeq: 1 INVITE", "CSeq: 1 ACK"),
        ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE"),
        ("CSeq: 1 INVITE", "CSeq: -1 INVITE"),
        ("CSeq: 1 INVITE", "CSeq: INVITE"),
        ("CSeq: 1 INVITE", "CSeq: " + "0" * 5000 + "x INVITE"),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE\nCSeq: 1 INVITE"),
        ("<sip:3@192.168.1.1>", "<sip:3@192.168.1.1"),
        ("tag=h10", "tag=h10;;"),
        ("<sip:192.168.1.1:5060>", "*, <sip:192.168.1.1>"),
        ("Min-SE: 300", "Min-SE 300"),
        ("Min-SE: 300", "Min SE: 300"),
        ("Min-SE: 300", ": 300"),
        ("Min-SE: 300", "X: a\rb"),
        ("Min-SE: 300", "Route: sip:x?y"),
        ("Call-ID: h10@192.168.1.1", "Call-ID:"),
        ("SIP/2.0\nVia", "SIP/2.0 x\nVia"),
        ("INVITE sip:3@192.168.1.20:5062 SIP/2.0", "INVITE sip:3@192.168.1.20:5062"),
        ("INVITE sip:3@192.168.1.20:5062 SIP/2.0", "INVITE sip:[fe80::1%eth0] SIP/2.0"),
    ],
)
def test_refused_with_400(old: str, new: str) -> None:
    """A malformed request that can be answered is answered with 400."""
    fault = _fault(_edited(old, new))
    assert fault.status == 400
    assert isinstance(fault.request, Request)
    reply = fault.request.reply(400, fault.reason)
    assert reply.via.branch == "z9hG4bKh10"


def test_leading_zeros() -> None:
    """Leading zeros do not matter, however many."""
    zeros = "0" * 5000
    invite = _request(
        _edited("CSeq: 1", f"CSeq: {zeros}1").replace("Forwards: 7", f"Forwards: {zeros}7")
    )
    assert (invite.cseq.number, invite.max_forwards) == (1, 70)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Via: SIP/2.0/UDP 192.168.1.1:5060;branch=z9hG4bKh10", "X: y"),
        ("Via: SIP/2.0/UDP 192.168.1.1:5060;branch=z9hG4bKh10", "Via: 192.168.1.1"),
        ("CSeq: 1 INVITE", "X: y"),
    ],
)
def test_dropped(old: str, new: str) -> None:
    """A request that no answer could find its way from is dropped."""
    assert _fault(_edited(old, new)).status is None


def test_malformed_ack_is_dropped() -> None:
    """An ACK is never answered (RFC 3261 §17.1.1.3)."""
    text = INVITE.replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK")
    assert _request(text).method == "ACK"
    assert _fault(text.replace("Min-SE:", "Min-SE")).status is None


def test_other_versions() -> None:
    """Another version is 505, lower case is the same version."""
    assert _fault(_edited("SIP/2.0\nVia", "SIP/3.0\nVia")).status == 505
    assert _request(_edited("SIP/2.0\nVia", "sip/2.0\nVia")).version == "SIP/2.0"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0",
        b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 99 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        b"SIP/2.0 7000 OK\r\n\r\n",
        b"SIP/1.0 200 OK\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        bytes(range(256)) * 8,
    ],
)
def test_no_message(datagram: bytes) -> None:
    """What is no message is dropped."""
    with pytest.raises(MessageError) as caught:
        parse(datagram)
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [(b"", True), (b"\r\n\r\n", True), (b"\0", True), (b"\0\0\r\n", True), (b"x", False)],
)
def test_keep_alive(datagram: bytes, *, expected: bool) -> None:
    """Keep-alives are told apart from messages."""
    assert is_keep_alive(datagram) is expected


def test_limits() -> None:
    """A head is bounded in octets and in lines."""
    many = "X: y\n" * MAX_HEADER_FIELDS
    assert _fault(_edited("Min-SE: 300\n", many)).status == 400
    assert _fault(_edited("Min-SE", "X: " + "y" * MAX_HEAD_BYTES + "\nMin-SE")).status is None
    assert len(_request(_edited("Min-SE: 300\n", "X-y: y\n" * 200)).headers) == 211


def test_response() -> None:
    """A response gives status, reason and the same views."""
    response = parse(
        b"SIP/2.0 488 Not Acceptable Here\r\nVia: SIP/2.0/UDP [::1]:5062;branch=z9hG4bK1;rport=5062"
        b"\r\nFrom: <sip:3@[::1]>;tag=a\r\nTo: <sip:4@[::1]>;tag=b\r\nCall-ID: c\r\nCSeq: 2 INVITE"
        b'\r\nWarning: 300 Anonymous "Incompatible \\"network\\" protocol", x\r\nRetry-After: 18 '
        b'(soon);duration=3600\r\nReason: Q.850;cause=16;text="Normal", SIP;cause=x, ;;\r\n'
        b"Expires: 99999999999\r\nMin-Expires: 60\r\nP-Asserted-Identity: x, <sip:1@h>\r\n\r\n"
    )
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (488, "Not Acceptable Here")
    assert response.via.rport == "5062"
    assert response.warnings == [WarningHeader(300, "Anonymous", 'Incompatible "network" protocol')]
    assert str(response.warnings[0]) == '300 Anonymous "Incompatible \\"network\\" protocol"'
    assert response.retry_after == 18
    assert response.reason_header == ReasonHeader("Q.850", 16, "Normal")
    assert response.reasons[1:] == [ReasonHeader("SIP", None, None)]
    assert (response.expires, response.min_expires) == (None, 60)
    assert str(response.asserted_identity) == "<sip:1@h>"
    assert response.copy() == response


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1800", SessionExpires(1800)),
        ("300;refresher=UAS", SessionExpires(300, "uas")),
        ("300 ; refresher=uac;x", SessionExpires(300, "uac")),
        ("300;refresher=me", SessionExpires(300)),
        ("x", None),
        ("99999999999", None),
    ],
)
def test_session_expires(value: str, expected: SessionExpires | None) -> None:
    """Session-Expires gives its seconds and who refreshes."""
    headers = Headers([("x", value)])
    assert Request("UPDATE", SipUri(host="h"), headers).session_expires == expected
    assert str(SessionExpires(300, "uas")) == "300;refresher=uas"


@pytest.mark.parametrize(
    "start", ["SIP/2.0 99 X", "SIP/2.0 700 X", "SIP/2.0 20 X", "SIP/1.0 200 X"]
)
def test_response_out_of_range(start: str) -> None:
    """A status that SIP has not, or another version, drops an otherwise sound response."""
    assert _fault(_edited("INVITE sip:3@192.168.1.20:5062 SIP/2.0", start)).status is None


def test_reason_phrase_is_one_line() -> None:
    """A stray carriage return in a reason phrase is a space."""
    response = parse(
        _wire(INVITE).replace(b"INVITE sip:3@192.168.1.20:5062 SIP/2.0", b"SIP/2.0 200 a\rb")
    )
    assert isinstance(response, Response)
    assert response.reason == "a b"
    assert parse(response.encode()) == response


def test_contacts() -> None:
    """Contact is a list over repeated fields, or a star."""
    request = Request("REGISTER", SipUri(host="h"), Headers([("m", "*")]))
    assert (request.contacts, request.contact) == ("*", None)
    request.headers.set("Contact", "<sip:a@h>;expires=60, <sip:b@h>")
    request.headers.add("Contact", "sip:c@h")
    assert [str(each.uri) for each in request.contacts if not isinstance(each, str)] == [
        "sip:a@h",
        "sip:b@h",
        "sip:c@h",
    ]


def test_reply() -> None:
    """A reply copies what RFC 3261 §8.2.6.2 names, to the letter."""
    text = _edited(
        "Max-Forwards",
        "Via: SIP/2.0/UDP a, SIP/2.0/TCP b\nRecord-Route: <sip:p;lr>\nTimestamp: 54\nMax-Forwards",
    )
    invite = _request(text)
    ringing = invite.reply(180, to_tag="t1")
    assert ringing.encode().decode() == (
        "SIP/2.0 180 Ringing\r\n"
        "Via: SIP/2.0/UDP 192.168.1.1:5060;branch=z9hG4bKh10\r\n"
        "Via: SIP/2.0/UDP a, SIP/2.0/TCP b\r\n"
        "Record-Route: <sip:p;lr>\r\n"
        'From: "09012345678" <sip:09012345678@192.168.1.1>;tag=h10\r\n'
        'To: "0312345678" <sip:3@192.168.1.1>;tag=t1\r\n'
        "Call-ID: h10@192.168.1.1\r\n"
        "CSeq: 1 INVITE\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    trying = invite.reply(100)
    assert (trying.to.tag, trying.headers.get("Timestamp")) == (None, "54")
    assert trying.record_routes == []
    refused = invite.reply(488, to_tag="t1")
    assert (refused.reason, refused.record_routes) == ("Not Acceptable Here", [])
    assert _request(text.replace("INVITE", "OPTIONS")).reply(200).record_routes == []
    assert invite.reply(433).reason == "Anonymity Disallowed"
    assert invite.reply(499).reason == ""
    assert invite.reply(200, "Fine").reason == "Fine"


def test_reply_keeps_a_tag() -> None:
    """A To that has its tag keeps it."""
    request = _request(_edited("<sip:3@192.168.1.1>", "<sip:3@192.168.1.1>;tag=mine"))
    assert request.reply(200, to_tag="other").headers.get("To") == request.headers.get("To")


def test_mark_source() -> None:
    """The source of a datagram goes into the topmost Via alone."""
    request = _request(
        _edited("branch=z9hG4bKh10", "rport;branch=b, SIP/2.0/UDP b\nVia: SIP/2.0/UDP c")
    )
    request.mark_source("192.168.1.1", 5099)
    assert request.headers.get_all("Via") == [
        "SIP/2.0/UDP 192.168.1.1:5060;rport=5099;branch=b;received=192.168.1.1, SIP/2.0/UDP b",
        "SIP/2.0/UDP c",
    ]


def test_nothing_that_breaks_a_message_is_written() -> None:
    """Line breaks can neither enter a header nor the start line."""
    headers = Headers()
    for name, value in (("X", "a\r\nVia: b"), ("X", "a\nb"), ("X: y\r\nZ", "a"), ("", "a")):
        with pytest.raises(ValueError, match="header"):
            headers.add(name, value)
    assert len(headers) == 0
    with pytest.raises(ValueError, match="start line"):
        Response(200, "OK\r\nVia: x").encode()
    with pytest.raises(ValueError, match="start line"):
        Request("INVITE", SipUri(host="h\r\nVia: x")).encode()


def test_missing_headers_are_told() -> None:
    """A typed view of what is not there says so."""
    empty = Request("INVITE", SipUri(host="h"))
    for name in ("via", "from_", "to", "call_id", "cseq"):
        with pytest.raises(MessageError):
            getattr(empty, name)
    assert (empty.contacts, empty.contact, empty.content_type) == ([], None, None)


def test_headers() -> None:
    """Headers keep their order and are found without regard to case or compact form."""
    headers = Headers([("v", "1"), ("Supported", "a, b"), ("VIA", "2"), ("k", ",c,"), ("X-y", "z")])
    assert list(headers.items()) == [
        ("Via", "1"),
        ("Supported", "a, b"),
        ("Via", "2"),
        ("Supported", ",c,"),
        ("X-y", "z"),
    ]
    assert headers.get_all("via") == ["1", "2"]
    assert headers.tokens("supported") == ["a", "b", "c"]
    assert ("K" in headers, "Route" in headers, headers.get("x-Y")) == (True, False, "z")
    twin = headers.copy()
    twin.set("v", "3")
    twin.set("Route", "r")
    twin.prepend("Via", "0")
    twin.remove("k")
    assert list(twin.items()) == [("Via", "0"), ("Via", "3"), ("X-y", "z"), ("Route", "r")]
    assert headers.get_all("via") == ["1", "2"]
    assert headers != twin
    assert headers == headers.copy()
    assert headers != "headers"
    assert "Via" in repr(headers)
