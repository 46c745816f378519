"""What is shown of SIP messages to who helps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.redaction import Redactor
from tests.unit.sip.torture_messages import TORTURE_MESSAGES, TortureMessage

INCOMING = """INVITE sip:3@[2001:db8:0:110::20]:5062 SIP/2.0\r
Via: SIP/2.0/UDP [2001:db8:0:100::1]:5060;branch=z9hG4bKh10\r
Max-Forwards: 70\r
From: "09012345678" <sip:09012345678@[2001:db8:0:100::1]>;tag=h10\r
To: "0312345678" <sip:3@[2001:db8:0:100::1]>\r
Call-ID: h10@192.168.1.1\r
CSeq: 1 INVITE\r
P-Asserted-Identity: "Grandmother" <tel:+819012345678>\r
Contact: <sip:[2001:db8:0:100::1]:5060>\r
Session-Expires: 300;refresher=uac\r
Content-Type: application/sdp\r
\r
v=0\r
o=- 1234567890 1234567890 IN IP6 2001:db8:0:100::1\r
s=-\r
c=IN IP6 2001:db8:0:100::1\r
t=0 0\r
m=audio 20000 RTP/AVP 0\r
a=rtpmap:0 PCMU/8000\r
"""
SHOWN = """INVITE sip:3@[2001:db8:0:110::(interface 1)]:5062 SIP/2.0
Via: SIP/2.0/UDP [2001:db8:0:100::(interface 2)]:5060;branch=z9hG4bKh10
Max-Forwards: 70
From: "090********" <sip:090********@[2001:db8:0:100::(interface 2)]>;tag=h10
To: "031*******" <sip:3@[2001:db8:0:100::(interface 2)]>
Call-ID: (call 1)
CSeq: 1 INVITE
P-Asserted-Identity: "***" <tel:+819*********>
Contact: <sip:[2001:db8:0:100::(interface 2)]:5060>
Session-Expires: 300;refresher=uac
Content-Type: application/sdp

v=0
o=- 1234567890 1234567890 IN IP6 2001:db8:0:100::(interface 2)
s=-
c=IN IP6 2001:db8:0:100::(interface 2)
t=0 0
m=audio 20000 RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""


def test_incoming_call() -> None:
    """What tells the codec, the family and the timer stays; who it was does not."""
    assert Redactor().redact(INCOMING) == SHOWN


def test_what_belongs_together() -> None:
    """The same call and the same interface have the same number in all messages."""
    redactor = Redactor()
    redactor.redact(INCOMING)
    other = redactor.redact("BYE sip:1@[::1] SIP/2.0\nCall-ID: another\nVia: [2001:db8::9]\n\n")
    assert "Call-ID: (call 2)" in other
    assert "2001:db8::(interface 3)" in other
    assert "[::1]" in other
    assert "(call 1)" in redactor.redact("ACK sip:1@192.168.1.1 SIP/2.0\ni: h10@192.168.1.1\n\n")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            (
                'Authorization: Digest username="0003",realm="r",\r\n uri="sip:0312345678@gw",'
                'algorithm=MD5,response="7d8a",nc=00000001'
            ),
            (
                'Authorization: Digest username="***",realm="r", uri="sip:031*******@gw",'
                'algorithm=MD5,response="***",nc=00000001'
            ),
        ),
        (
            'WWW-Authenticate: Digest realm="r",domain="sip:domain",nonce="5f3c",qop="auth"',
            'WWW-Authenticate: Digest realm="r",domain="sip:domain",nonce="***",qop="auth"',
        ),
        (
            'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
            'From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1',
        ),
        (
            'From: "Coin line/payphone" <sip:anonymous@192.168.1.1>',
            'From: "Coin line/payphone" <sip:anonymous@192.168.1.1>',
        ),
        ("f: Grandmother <sip:1@192.168.1.1>", "f: *** <sip:1@192.168.1.1>"),
        ("t: <sip:0312345678;isub=12@192.168.1.1>", "t: <sip:031*******;isub=12@192.168.1.1>"),
        ("To: <sip:3:secret@192.168.1.1>", "To: <sip:3:***@192.168.1.1>"),
        ("To: <sip:#7119@192.168.1.1>", "To: <sip:#711*@192.168.1.1>"),
        ("Contact: <sip:3@192.168.1.20:50620>", "Contact: <sip:3@192.168.1.20:50620>"),
        ("Subject: about the money", "Subject: (15 characters left out)"),
        ("X-Caller: 03-1234-5678", "X-Caller: 03-1***-****"),
        ("Warning: 304 gw 'Media type'", "Warning: 304 gw 'Media type'"),
        ("Expires: 3600", "Expires: 3600"),
        (
            'Contact: <sip:3@1.1.1.1>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765>"',
            'Contact: <sip:3@1.1.1.1>;+sip.instance="***"',
        ),
        ("X-Mac: 02:00:5e:10:00:01", "X-Mac: ***"),
        ("no header at all", "(16 characters left out)"),
    ],
)
def test_headers(line: str, shown: str) -> None:
    """Each header shows what helps."""
    redacted = Redactor().redact(f"SIP/2.0 200 OK\r\n{line}\r\n\r\n")
    assert redacted == f"SIP/2.0 200 OK\n{shown}"


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "Signal=***\nDuration=160\n"),
        ("text/plain", "come home", "(9 characters left out)"),
        ("application/sdp", "a=crypto:1 AES inline:key\r\n", "a=crypto:***\n"),
        ("application/sdp", "i=Grandmother\r\n", "i=***\n"),
    ],
)
def test_bodies(kind: str, body: str, shown: str) -> None:
    """Keys that were pressed may be a PIN; what is no session description may be a letter."""
    redacted = Redactor().redact(f"INFO sip:3@h SIP/2.0\r\nContent-Type: {kind}\r\n\r\n{body}")
    assert redacted.partition("\n\n")[2] == shown


@given(
    number=st.from_regex(r"0[1-9]0?[1-9]{8}", fullmatch=True),
    secret=st.from_regex(r"[A-Za-z]{9}", fullmatch=True),
    header=st.sampled_from(["From", "To", "Contact", "P-Asserted-Identity", "Route", "f", "t"]),
    shape=st.sampled_from(
        [
            '"{number}" <sip:{number}@192.168.1.1>',
            '"{secret}" <sips:{number}@[2001:db8::1]:5060;user=phone>;tag=1',
            "<tel:{number};phone-context=+81>",
            "sip:{number}@h",
            "{secret} <sip:{number}:{secret}@h>",
            '"{secret} \\"{secret}" <sip:{number}@h>',
        ]
    ),
)
def test_nothing_private_is_left(number: str, secret: str, header: str, shape: str) -> None:
    """However a message writes them, numbers and names do not come out."""
    written = shape.format(number=number, secret=secret)
    redacted = Redactor().redact(
        f"INVITE sip:{number}@h SIP/2.0\r\n{header}: {written}\r\n"
        f'Authorization: Digest username="{secret}", response="{secret}"\r\n\r\n'
    )
    assert number not in redacted
    assert secret not in redacted


@given(text=st.text())
def test_anything_goes(text: str) -> None:
    """Nothing that a gateway sends makes it fail, and nothing grows without a bound."""
    assert len(Redactor().redact(text)) <= 4096


@pytest.mark.parametrize("message", TORTURE_MESSAGES, ids=lambda message: message.name)
def test_torture(message: TortureMessage) -> None:
    """Nor do the messages of RFC 4475."""
    assert Redactor().redact(message.datagram.decode(errors="backslashreplace"))
