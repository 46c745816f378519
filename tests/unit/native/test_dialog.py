"""Dialogs as RFC 3261 §12 wants them."""

import pytest

from custom_components.hikari_denwa.telephony.engine.native.sip.dialog import Dialog
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MAX_CSEQ,
    Request,
    Response,
)
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri

from .bench import invite


def our_invite() -> Request:
    """Make an INVITE of ours."""
    request = Request("INVITE", SipUri.parse("sip:0312345678@[2001:db8::1]"))
    for name, value in (
        ("Via", "SIP/2.0/UDP [2001:db8::20]:5062;branch=z9hG4bKc1;rport"),
        ("From", "<sip:3@[2001:db8::1]>;tag=a1"),
        ("To", "<sip:0312345678@[2001:db8::1]>"),
        ("Call-ID", "c1"),
        ("CSeq", "7 INVITE"),
        ("Authorization", "Digest a"),
        ("Proxy-Authorization", "Digest b"),
    ):
        request.headers.add(name, value)
    return request


def answer(*headers: tuple[str, str], status: int = 200) -> Response:
    """Make the gateway's answer to it."""
    response = our_invite().reply(status, to_tag="g1")
    for name, value in headers:
        response.headers.add(name, value)
    return response


def test_callee_keeps_the_addresses_to_the_letter() -> None:
    """The gateway compares From and To of a BYE with its INVITE as text (facts §2.1)."""
    request = invite(from_='"0901"<sip:0901@[2001:DB8::1];a=b>;tag=h10;x=y', to="<sip:3@gw>;z")
    dialog = Dialog.of_callee(request, "u1")
    bye = dialog.request("BYE")
    assert bye.headers.get("From") == "<sip:3@gw>;z;tag=u1"
    assert bye.headers.get("To") == '"0901"<sip:0901@[2001:DB8::1];a=b>;tag=h10;x=y'
    assert bye.headers.get("Call-ID") == "h10@gateway"
    assert str(bye.uri) == "sip:[2001:db8::1]:5060"
    assert bye.headers.get("Max-Forwards") == "70"
    assert dialog.id == ("h10@gateway", "u1", "h10")


def test_caller_counts_on_from_the_invite() -> None:
    """CSeq goes up by one with each request; the ACK repeats the INVITE's."""
    dialog = Dialog.of_caller(our_invite(), answer(("Contact", "<sip:x@[2001:db8::1]:7000>")))
    assert dialog.id == ("c1", "a1", "g1")
    ack = dialog.ack(our_invite())
    assert str(ack.cseq) == "7 ACK"
    assert ack.headers.get("Authorization") == "Digest a"
    assert ack.headers.get("Proxy-Authorization") == "Digest b"
    assert [str(dialog.request("BYE").cseq) for _ in range(2)] == ["8 BYE", "9 BYE"]
    assert str(ack.uri) == "sip:x@[2001:db8::1]:7000"


def test_route_set_of_callee_and_caller() -> None:
    """In the order of Record-Route for the callee, in reverse for the caller (§12.1)."""
    routes = (("Record-Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Record-Route", "<sip:p3;lr>"))
    callee = Dialog.of_callee(invite(*routes), "u1").request("BYE")
    assert callee.headers.get_all("Route") == ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"]
    assert str(callee.uri) == "sip:[2001:db8::1]:5060"
    caller = Dialog.of_caller(our_invite(), answer(*routes)).request("BYE")
    assert caller.headers.get_all("Route") == ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]


def test_strict_router() -> None:
    """Without lr the first route is the Request-URI and the target the last route (§12.2.1.1)."""
    request = invite(("Record-Route", "<sip:p1;method=INVITE?a=b>, <sip:p2;lr>"))
    bye = Dialog.of_callee(request, "u1").request("BYE")
    assert str(bye.uri) == "sip:p1"
    assert bye.headers.get_all("Route") == ["<sip:p2;lr>", "<sip:[2001:db8::1]:5060>"]


def test_2xx_settles_the_route_set_of_an_early_dialog() -> None:
    """What a provisional response said does not count any more (§13.2.2.4)."""
    early = answer(("Record-Route", "<sip:p1;lr>"), ("Contact", "<sip:old>"), status=183)
    dialog = Dialog.of_caller(our_invite(), early)
    dialog.confirm(answer(("Contact", "<sip:new>")))
    bye = dialog.request("BYE")
    assert str(bye.uri) == "sip:new"
    assert bye.headers.get_all("Route") == []


def test_target_refresh() -> None:
    """A Contact moves the target; a message without one leaves it."""
    dialog = Dialog.of_callee(invite(), "u1")
    request = invite(method="UPDATE", body="")
    request.headers.set("Contact", "<sip:[2001:db8::1]:7070>")
    dialog.refresh_target(request)
    request.headers.remove("Contact")
    dialog.refresh_target(request)
    assert str(dialog.request("BYE").uri) == "sip:[2001:db8::1]:7070"


@pytest.mark.parametrize(("number", "expected"), [(4, False), (5, False), (6, True), (900, True)])
def test_order(number: int, *, expected: bool) -> None:
    """Only a higher number is a new request (§12.2.2)."""
    dialog = Dialog.of_callee(invite(cseq=5), "u1")
    assert dialog.in_order(invite(cseq=number, method="UPDATE", body="")) is expected
    assert dialog.remote_cseq == max(5, number)


def test_numbers_stay_below_the_limit() -> None:
    """A CSeq number has 31 bits (§8.1.1.5)."""
    dialog = Dialog.of_callee(invite(), "u1")
    assert 0 < dialog.local_cseq < 2**16
    dialog.local_cseq = MAX_CSEQ
    assert dialog.next_cseq() == MAX_CSEQ
