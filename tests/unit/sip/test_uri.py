"""URIs, name-addr and Via values."""

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.uri import (
    NameAddress,
    OtherUri,
    SipUri,
    Via,
    host_for_uri,
    parse_uri,
)


@pytest.mark.parametrize(
    "text",
    [
        "sip:192.168.1.1",
        "sip:3@[2001:db8:0:100::1]:5060",
        "sips:alice:secret@example.com;transport=tcp?Subject=a%20b&Priority=urgent",
        "sip:%237119@192.168.1.1",
        "sip:*31@gw_1.example",
        "sip:+81312345678;isub=1@example.com;user=phone",
    ],
)
def test_written_as_read(text: str) -> None:
    """What is already canonical is written to the letter (the digest counts on it)."""
    assert str(SipUri.parse(text)) == text


def test_parts() -> None:
    """The parts of a URI are told apart."""
    uri = SipUri.parse("SIP:a%23b:p@[2001:DB8::1]:5070;lr;x=%41?h=v")
    assert uri == SipUri(
        user="a#b",
        password="p",
        host="2001:DB8::1",
        port=5070,
        parameters=(("lr", None), ("x", "A")),
        headers="h=v",
    )
    assert (uri.parameter("LR"), uri.parameter("X"), uri.parameter("y")) == ("", "A", None)
    assert str(uri.without_parameters("x").without_headers()) == "sip:a%23b:p@[2001:DB8::1]:5070;lr"
    assert uri.without_parameters().parameters == ()


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("#7119", "%237119"),
        ("a b", "a%20b"),
        ("a@b", "a%40b"),
        ("50%", "50%25"),
        ("%3B", "%3B"),
        ("a\r\nVia: x", "a%0D%0AVia%3A%20x"),
        ("日", "%E6%97%A5"),
    ],
)
def test_user_is_escaped(user: str, written: str) -> None:
    """Whatever a user part holds, it cannot leave it."""
    assert str(SipUri(user=user, host="h")) == f"sip:{written}@h"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "sip:@",
        "sip:a@b@c",
        "sip:2001:db8::1",
        "sip:[2001:db8::1",
        "sip:[2001:db8::1]5060",
        "sip:[2001:db8::g]",
        "sip:[fe80::1%eth0]",
        "sip:[fe80::1%25eth0]",
        "sip:[192.0.2.1]",
        "sip:h:",
        "sip:h:65536",
        "sip:h:\u0661",
        "sip:h;",
        "sip:h;;lr",
        "sip:h;=x",
        "sip:a%4@h",
        "sip:a b@h",
        "sip:h\r\n",
        "sip:<h>",
        '"sip:h"',
        "1sip:h",
    ],
)
def test_malformed_uri(text: str) -> None:
    """A malformed URI is refused, a zone in a literal too."""
    with pytest.raises(ValueError, match=r".+"):
        SipUri.parse(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sip:a:b:c;d@h", "sip:a:b%3Ac%3Bd@h"),
        ("sip:h;a=b=c,d", "sip:h;a=b%3Dc%2Cd"),
        ("sip:a%3b\u3042%e3%81%82@h", "sip:a%3B%E3%81%82%E3%81%82@h"),
    ],
)
def test_unescaped_reserved_characters(text: str, written: str) -> None:
    """Reserved characters that had to be escaped are written escaped, and mean the same then."""
    assert str(SipUri.parse(text)) == written
    assert SipUri.parse(written) == SipUri.parse(text)


def test_other_schemes() -> None:
    """Other schemes are kept, but are no SIP URI."""
    assert parse_uri("tel:+81-3-1234-5678") == OtherUri("tel", "+81-3-1234-5678")
    assert str(parse_uri("TEL:1")) == "TEL:1"
    assert parse_uri("TEL:1").matches(parse_uri("tel:1"))
    assert not parse_uri("tel:1").matches(parse_uri("sip:1"))
    with pytest.raises(ValueError, match="not a SIP URI"):
        SipUri.parse("tel:1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.example;Transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
        ("sip:carol@chicago.example;security=on", "sip:carol@chicago.example;newparam=5"),
        (
            "sip:biloxi.example;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.example",
            "sip:biloxi.example;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.example",
        ),
        (
            "sip:alice@atlanta.example?subject=project&priority=urgent",
            "sip:alice@atlanta.example?priority=urgent&subject=project",
        ),
        ("sip:[2001:db8::1]", "sip:[2001:DB8:0::1]"),
    ],
)
def test_equal(one: str, other: str) -> None:
    """URIs that RFC 3261 §19.1.4 calls equivalent."""
    assert SipUri.parse(one).matches(SipUri.parse(other))
    assert SipUri.parse(other).matches(SipUri.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:alice@atlanta.example", "sip:ALICE@atlanta.example"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:5060"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example;transport=udp"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:6000;transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example?Subject=next%20meeting"),
        ("sip:carol@chicago.example;security=on", "sip:carol@chicago.example;security=off"),
        ("sip:bob@phone21.example", "sip:bob@192.0.2.4"),
        ("sip:bob@biloxi.example", "sips:bob@biloxi.example"),
        ("sip:a%3Bb@h", "sip:a;b@h"),
        ("sip:[2001:db8::1]", "sip:[2001:db8::2]"),
    ],
)
def test_different(one: str, other: str) -> None:
    """URIs that RFC 3261 §19.1.4 tells apart."""
    assert not SipUri.parse(one).matches(SipUri.parse(other))
    assert not SipUri.parse(other).matches(SipUri.parse(one))


def test_host_for_uri() -> None:
    """Only IPv6 literals are bracketed, and only once."""
    assert host_for_uri("2001:db8::1") == host_for_uri("[2001:db8::1]") == "[2001:db8::1]"
    assert host_for_uri("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "name", "uri", "written"),
    [
        (
            '"0312345678" <sip:3@192.168.1.1>',
            "0312345678",
            "sip:3@192.168.1.1",
            '"0312345678" <sip:3@192.168.1.1>',
        ),
        ('""<sip:h>', "", "sip:h", '"" <sip:h>'),
        (" < sip:h > ", None, "sip:h", "<sip:h>"),
        ("sip:h", None, "sip:h", "<sip:h>"),
        (
            "Coin line/payphone <sip:h>",
            "Coin line/payphone",
            "sip:h",
            '"Coin line/payphone" <sip:h>',
        ),
        ("公衆 電話 <sip:h>", "公衆 電話", "sip:h", '"公衆 電話" <sip:h>'),
        (r'"a\"b\\c" <sip:h>', 'a"b\\c', "sip:h", r'"a\"b\\c" <sip:h>'),
        ('"a <sip:x>, b" <sip:h>', "a <sip:x>, b", "sip:h", '"a <sip:x>, b" <sip:h>'),
    ],
)
def test_name_address(text: str, name: str | None, uri: str, written: str) -> None:
    """Display name and URI are told apart and written in one form."""
    address = NameAddress.parse(text)
    assert (address.display_name, str(address.uri), str(address)) == (name, uri, written)


def test_name_address_parameters() -> None:
    """Parameters behind the brackets are the header's; the tag is one of them."""
    address = NameAddress.parse('<sip:h;tag=no>;Tag=yes;q=0.5;x="a;b"')
    assert (address.tag, address.parameter("x")) == ("yes", "a;b")
    assert str(address.with_tag("new")) == '<sip:h;tag=no>;Tag=new;q=0.5;x="a;b"'
    assert str(NameAddress.parse("<sip:h>;tag=a;x;TAG=b").with_tag("c")) == "<sip:h>;tag=c;x"
    assert str(NameAddress.parse("sip:h;tag=a")) == "<sip:h>;tag=a"
    assert str(NameAddress.parse("sip:h").with_tag("a")) == "<sip:h>;tag=a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "<sip:h",
        "sip:h>",
        '"a <sip:h>',
        'a"b" <sip:h>',
        "a, b <sip:h>",
        "<sip:h>;",
        "<sip:h> x",
        "<sip:h>;tag=a b",
        "sip:h?a=b",
        "sip:a,b@h",
        "<sip:h><sip:g>",
        "*",
    ],
)
def test_malformed_name_address(text: str) -> None:
    """A malformed value is refused."""
    with pytest.raises(ValueError, match=r".+"):
        NameAddress.parse(text)


def test_name_address_list() -> None:
    """Commas in quotes and in brackets do not separate."""
    found = NameAddress.parse_list('"a,b" <sip:a,b@h>;x="1,2", <sip:g>')
    assert [str(each) for each in found] == ['"a,b" <sip:a,b@h>;x="1,2"', "<sip:g>"]


def test_control_characters_in_a_name() -> None:
    """A display name cannot end the header."""
    address = NameAddress('a\r\nVia: x"\x00', SipUri(host="h"))
    assert str(address) == '"a  Via: x\\"\\\x00" <sip:h>'
    assert NameAddress.parse(str(address)).display_name == 'a  Via: x"\x00'


def test_via() -> None:
    """A Via gives its parts and is written with brackets."""
    via = Via.parse("sip / 2.0/udp [2001:db8::1] : 5062 ;branch=z9hG4bK1;rport ; received=[::1]")
    assert (via.protocol, via.transport, via.host, via.port) == (
        "sip/2.0/udp",
        "UDP",
        "2001:db8::1",
        5062,
    )
    assert (via.branch, via.rport, via.received) == ("z9hG4bK1", "", "::1")
    assert str(via) == "sip/2.0/udp [2001:db8::1]:5062;branch=z9hG4bK1;rport;received=[::1]"
    assert Via("SIP/2.0/UDP", "192.0.2.1").branch is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 h",
        "SIP/2.0/UDP 2001:db8::1;branch=x",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h;;branch=x",
        "SIP/2.0/UDP h i",
        "SIP/2.0/UDP [fe80::1%1]",
    ],
)
def test_malformed_via(text: str) -> None:
    """A malformed value is refused."""
    with pytest.raises(ValueError, match=r".+"):
        Via.parse(text)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=b", "SIP/2.0/UDP 192.0.2.1:5060;branch=b"),
        ("SIP/2.0/UDP h;branch=b", "SIP/2.0/UDP h;branch=b;received=192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.9;branch=b", "SIP/2.0/UDP 192.0.2.9;branch=b;received=192.0.2.1"),
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=b",
            "SIP/2.0/UDP 192.0.2.1;rport=4000;branch=b;received=192.0.2.1",
        ),
        (
            "SIP/2.0/UDP 192.0.2.1;received=203.0.113.1;branch=b",
            "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;branch=b",
        ),
    ],
)
def test_via_with_source(text: str, marked: str) -> None:
    """The source is noted where RFC 3261 §18.2.1 and RFC 3581 §4 want it."""
    assert str(Via.parse(text).with_source("192.0.2.1", 4000)) == marked
