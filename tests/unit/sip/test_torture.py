"""Every message of RFC 4475 and RFC 5118 is read, refused or dropped as the RFC says."""

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MessageError,
    Request,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.sdp import SessionDescription
from custom_components.hikari_denwa.telephony.engine.sip.uri import (
    NameAddress,
    OtherUri,
    SipUri,
)

from .torture_messages import TORTURE_MESSAGES, Expectation, TortureMessage

READABLE = [each for each in TORTURE_MESSAGES if not each.by_parser]
REFUSED = [each for each in TORTURE_MESSAGES if each.by_parser]
BY_NAME = {each.name: each for each in TORTURE_MESSAGES}


def _id(message: TortureMessage) -> str:
    """Name a test case after its message."""
    return message.name


def test_all_sections_are_there() -> None:
    """No section of the RFCs is forgotten."""
    sections = {each.section for each in TORTURE_MESSAGES}
    assert sections == (
        {f"RFC 4475 §3.1.1.{number}" for number in range(1, 14)}
        | {f"RFC 4475 §3.1.2.{number}" for number in range(1, 20)}
        | {"RFC 4475 §3.2.1", "RFC 4475 §3.4.1"}
        | {f"RFC 4475 §3.3.{number}" for number in range(1, 16)}
        | {f"RFC 5118 §4.{number}" for number in range(1, 11)}
    )
    assert len(BY_NAME) == len(TORTURE_MESSAGES) == 61


@pytest.mark.parametrize("message", REFUSED, ids=_id)
def test_refused(message: TortureMessage) -> None:
    """What is malformed is refused with the RFC's status, and the answer can be made."""
    with pytest.raises(MessageError) as caught:
        parse(message.datagram)
    if message.expectation is Expectation.DROPPED:
        assert caught.value.status is None
        return
    assert caught.value.status == message.statuses[0]
    assert caught.value.request is not None
    answer = caught.value.request.reply(message.statuses[0], to_tag="t")
    assert answer.encode().startswith(b"SIP/2.0 %d " % message.statuses[0])
    assert answer.via.transport in {"UDP", "TCP"}
    assert answer.headers.get("CSeq") == caught.value.request.headers.get("CSeq")


@pytest.mark.parametrize("message", READABLE, ids=_id)
def test_read_and_written_again(message: TortureMessage) -> None:
    """What is well-formed keeps its meaning when it is written in canonical form and read again."""
    first = parse(message.datagram)
    again = parse(first.encode())
    assert again == first
    assert again.encode() == first.encode()
    assert b"\r\n " not in first.encode().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("message", READABLE, ids=_id)
def test_truncated(message: TortureMessage) -> None:
    """A message cut off anywhere is read or refused, never anything else."""
    for end in range(0, len(message.datagram), 7):
        try:
            parse(message.datagram[:end])
        except MessageError:
            continue


def _request(name: str) -> Request:
    """Read the request of a name."""
    message = parse(BY_NAME[name].datagram)
    assert isinstance(message, Request)
    return message


def _response(name: str) -> Response:
    """Read the response of a name."""
    message = parse(BY_NAME[name].datagram)
    assert isinstance(message, Response)
    return message


def test_short_tortuous_invite() -> None:
    """Folding, odd white space, compact forms, escapes in quotes and leading zeros are read."""
    invite = _request("short-tortuous-invite")
    assert isinstance(invite.uri, SipUri)
    assert invite.uri.parameter("unknownparam") == ""
    assert (str(invite.to), invite.to.tag) == ("<sip:kazuo@proxy.example.com>;tag=40a1n", "40a1n")
    assert invite.from_.display_name == 'K Tanaka \\"'
    assert invite.from_.tag == "7fj2"
    assert (invite.max_forwards, str(invite.cseq)) == (68, "9 INVITE")
    assert [str(via) for via in invite.vias] == [
        "SIP/2.0/UDP 192.0.2.2;branch=47kwerr",
        "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK12ab",
        "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK77",
    ]
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("newfangledheader") == "newfangled value and its continuation"
    assert invite.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    route = invite.routes[0].uri
    assert isinstance(route, SipUri)
    assert (route.parameter("lr"), route.parameter("unknownwith")) == ("", "value")
    assert route.parameter("unknown-no-value") == ""
    contact = invite.contact
    assert contact is not None
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameter("newparam") == "newvalue"
    assert contact.parameter("secondparam") == ""
    assert contact.parameter("q") == "0.33"
    assert SessionDescription.parse(invite.body).audio is not None


def test_wide_range_of_characters() -> None:
    """Every character that a rule allows goes through."""
    odd = _request("wide-range-of-characters")
    assert odd.method == "!odd-Method0123456789_*+`.%really'~"
    assert isinstance(odd.uri, SipUri)
    assert odd.uri.user == "2_odd.URI~(so-it!is)&won't+it$/mad?,/;;*"
    assert odd.uri.password == "&as+is=2,odd!*pas$wo~d_too.(isn't-it)"
    assert str(odd.uri) == BY_NAME["wide-range-of-characters"].datagram.decode().split(" ")[1]
    assert odd.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert odd.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert odd.from_.parameter("fromParam''~+*_!.-%") == "работает"
    assert odd.from_.tag == "_token~1'+`*%!-."
    assert odd.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"
    assert odd.max_forwards == 255


def test_percent_escapes() -> None:
    """Escapes in URIs are undone, but for reserved characters and the percent sign."""
    invite = _request("valid-percent-escapes")
    assert isinstance(invite.uri, SipUri)
    assert (invite.uri.user, invite.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert str(invite.uri) == "sip:sips%3Auser%40example.com@example.net"
    assert str(invite.to.uri) == "sip:user@example.com"
    assert isinstance(invite.from_.uri, SipUri)
    assert invite.from_.uri.user == "I like gaps"
    assert str(invite.from_.uri) == "sip:I%20like%20gaps@example.net"
    assert str(invite.contact) == "<sip:caller@host5.example.net;lr;name=value%2541>"


def test_escaped_nulls() -> None:
    """A NUL in a URI does not end it."""
    register = _request("escaped-nulls")
    assert str(register.to) == "<sip:nil-%00-nil@example.com>"
    users = [
        each.uri.user
        for each in register.contacts
        if isinstance(each, NameAddress) and isinstance(each.uri, SipUri)
    ]
    assert users == ["\0", "\0\0"]


def test_percent_that_escapes_nothing() -> None:
    """Outside URIs a percent sign is a character like others."""
    other = _request("percent-that-escapes-nothing")
    assert other.method == "RE%47IST%45R"
    assert other.to.display_name == "%Z%45"
    assert len(other.contacts) == 2


def test_long_values() -> None:
    """Length alone is no fault."""
    invite = _request("long-values")
    assert len(invite.vias) == 33
    assert len(invite.from_.tag or "") == 155
    assert len(invite.to.display_name or "") == 115


def test_extra_octets() -> None:
    """What follows the body is no part of the message."""
    assert _request("extra-octets-behind-the-message").body == b""


def test_semicolon_in_user_part() -> None:
    """A semicolon before the @ belongs to the user."""
    uri = _request("semicolon-in-user-part").uri
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.host, uri.parameters) == (
        "user;par=u%40example.net",
        "example.com",
        (),
    )


def test_unknown_transports() -> None:
    """Any token may be a transport."""
    transports = [via.transport for via in _request("unknown-transports").vias]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_binary_body() -> None:
    """A body goes through octet by octet, blank lines and all."""
    assert _request("multipart-with-binary-part").body.endswith(b"\xff\xfe\x80\r\n--7a9c--\r\n")


def test_reason_phrases() -> None:
    """A reason phrase may hold UTF-8, or nothing."""
    assert _response("unusual-reason-phrase").reason.endswith("простое")
    assert (_response("empty-reason-phrase").status, _response("empty-reason-phrase").reason) == (
        100,
        "",
    )


def test_spaces_inside_angle_brackets() -> None:
    """Spaces around a URI in angle brackets are not written again."""
    to = _request("spaces-inside-angle-brackets").to
    assert str(to) == '"Watson, Thomas" <sip:t.watson@example.org>'


def test_stray_separators_are_not_sent_back() -> None:
    """The answer to a malformed Via holds the sound part of it."""
    with pytest.raises(MessageError) as caught:
        parse(BY_NAME["stray-separators"].datagram)
    assert caught.value.request is not None
    assert caught.value.request.reply(400).headers.get_all("Via") == ["SIP/2.0/UDP 192.0.2.15"]


def test_other_schemes() -> None:
    """URIs of other schemes are kept as they are."""
    assert _request("unknown-scheme-in-request-uri").uri == OtherUri(
        "nobodyKnowsThisScheme", "totallyopaquecontent"
    )
    register = _request("other-schemes-in-headers")
    assert str(register.to.uri) == "isbn:2983792873"
    assert str(register.from_.uri) == "http://www.example.com"
    assert str(register.contact) == "<name:John_Smith>"


def test_contact_parameters() -> None:
    """Without angle brackets a parameter belongs to the header, within them to the URI."""
    header = _request("contact-with-a-header-parameter").contact
    uri = _request("contact-with-a-uri-parameter").contact
    assert header is not None
    assert uri is not None
    assert (header.parameters, str(header.uri)) == (
        (("unknownparam", None),),
        "sip:+19725552222@gw1.example.net",
    )
    assert (uri.parameters, str(uri.uri)) == (
        (),
        "sip:+19725552222@gw1.example.net;unknownparam",
    )


def test_options_of_the_application() -> None:
    """What the user agent decides by is there to read."""
    assert _request("unknown-require-and-proxy-require").require == [
        "nothingsupportsthis",
        "nothingsupportsthiseither",
    ]
    assert _request("unknown-content-type").content_type == "application/unknownformat"
    assert _request("max-forwards-of-zero").max_forwards == 0
    assert _request("branch-without-identifier").via.branch == "z9hG4bK"
    assert len(_response("response-with-a-broadcast-via").vias) == 2
    assert _request("accept-that-no-answer-can-meet").headers.tokens("Accept") == [
        "text/nobodyKnowsThis"
    ]


def test_rfc_2543() -> None:
    """Neither tag, nor branch, nor Max-Forwards, nor Content-Length has to be there."""
    invite = _request("invite-by-rfc-2543")
    assert (invite.from_.tag, invite.via.branch, invite.max_forwards) == (None, None, None)
    assert invite.to.parameter("user") == "phone"
    assert SessionDescription.parse(invite.body).media[0].port == 49170


def _host(name: str) -> tuple[str, int | None]:
    """Give host and port of a Request-URI."""
    uri = _request(name).uri
    assert isinstance(uri, SipUri)
    return uri.host, uri.port


def test_ipv6_references() -> None:
    """Brackets tell the address from the port, and only they do."""
    assert _host("bracketed-reference") == ("2001:db8::10", None)
    assert _host("port-inside-the-brackets") == ("2001:db8::10:5070", None)
    assert _host("port-behind-the-brackets") == ("2001:db8::10", 5070)
    assert _host("two-colons") == _host("three-colons") == ("2001:db8::192.0.2.1", None)
    assert str(_request("three-colons").uri) == "sip:user@[2001:db8::192.0.2.1]"


@pytest.mark.parametrize("name", ["received-with-brackets", "received-without-brackets"])
def test_received_with_and_without_brackets(name: str) -> None:
    """Both forms of `received` mean the same."""
    assert _request(name).via.received == "2001:db8::9:255"


def test_addresses_in_headers() -> None:
    """Families mix freely in Via."""
    vias = _request("both-families-in-headers").vias
    assert [(via.host, via.port) for via in vias] == [
        ("2001:db8::9:1", 6050),
        ("192.0.2.1", None),
        ("2001:db8::9:255", None),
    ]
    assert vias[2].received == "192.0.2.200"
    assert _request("ipv4-mapped-addresses").via.host == "::ffff:192.0.2.10"


def test_addresses_in_sdp() -> None:
    """Addresses in SDP have no brackets; each m= line may have its own."""
    literal = SessionDescription.parse(_request("literal-in-sdp").body)
    assert [str(media.connection) for media in literal.media] == ["IN IP6 2001:db8::20"] * 2
    mixed = SessionDescription.parse(_request("both-families-in-sdp").body)
    assert [str(media.connection) for media in mixed.media] == [
        "IN IP4 192.0.2.1",
        "IN IP6 2001:db8::1",
    ]
    mapped = SessionDescription.parse(_request("ipv4-mapped-addresses").body)
    assert mapped.audio is not None
    assert str(mapped.audio.connection) == "IN IP6 ::ffff:192.0.2.2"
