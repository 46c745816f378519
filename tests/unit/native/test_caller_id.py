"""Who calls, and whom (home-gateway facts §2.1)."""

import pytest

from custom_components.hikari_denwa.telephony.calls import CallerId, CallerIdKind
from custom_components.hikari_denwa.telephony.engine.sip.caller_id import (
    called_of,
    caller_of,
    is_extension,
)

from .bench import invite

GW = "[2001:db8::1]"


def number(digits: str, name: str | None = None) -> CallerId:
    """Make a caller that is known."""
    return CallerId(kind=CallerIdKind.NUMBER, number=digits, display_name=name)


@pytest.mark.parametrize(
    ("from_", "expected"),
    [
        (f'"09012345678" <sip:09012345678@{GW}>', number("09012345678")),
        (f"<sip:0312345678@{GW}>", number("0312345678")),
        (f"<sip:+81312345678@{GW};user=phone>", number("0312345678")),
        (f"<sip:03-1234-5678@{GW}>", number("0312345678")),
        (f"<sip:0312345678;isub=1@{GW}>", number("0312345678")),
        ("<tel:0312345678;phone-context=x>", number("0312345678")),
        (f'"母" <sip:0312345678@{GW}>', number("0312345678", "母")),
        (f'"0312345678" <sip:line1@{GW}>', number("0312345678")),
        (f'"1" <sip:1@{GW}>', number("1")),
        (f"<sip:+12125550100@{GW}>", number("+12125550100")),
    ],
)
def test_number(from_: str, expected: CallerId) -> None:
    """The national form, from the URI, else from the display name."""
    assert caller_of(invite(from_=f"{from_};tag=h")) == expected


@pytest.mark.assumption
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Anonymous", CallerIdKind.WITHHELD),
        ("anonymous", CallerIdKind.WITHHELD),
        ("ANONYMOUS", CallerIdKind.WITHHELD),
        ("非通知", CallerIdKind.WITHHELD),
        ("Coin line/payphone", CallerIdKind.PAYPHONE),
        ("coin LINE/payphone", CallerIdKind.PAYPHONE),
        ("公衆電話", CallerIdKind.PAYPHONE),
        ("Unavailable", CallerIdKind.UNAVAILABLE),
        ("表示圏外", CallerIdKind.UNAVAILABLE),
        ("Interaction with other service", CallerIdKind.INTERACTION),
        ("サービス競合", CallerIdKind.INTERACTION),
    ],
)
@pytest.mark.parametrize("uri", ["sip:anonymous@anonymous.invalid", f"sip:Anonymous@{GW}"])
def test_reason(name: str, kind: CallerIdKind, uri: str) -> None:
    """The strings of docomo and TTC, in any capitals, with either URI."""
    assert caller_of(invite(from_=f'"{name}" <{uri}>;tag=h')) == CallerId(kind=kind)


@pytest.mark.parametrize(
    "from_",
    [
        "<sip:anonymous@anonymous.invalid>",
        f"<sip:ANONYMOUS@{GW}>",
        f"<sip:{GW}>",
        f'"" <sip:{GW}>',
        "<sip:nobody@anonymous.invalid>",
    ],
)
def test_withheld(from_: str) -> None:
    """No reason and no number: the caller did not want to be known."""
    assert caller_of(invite(from_=f"{from_};tag=h")) == CallerId(kind=CallerIdKind.WITHHELD)


def test_asserted_identity_speaks_where_from_does_not() -> None:
    """But not for somebody who withholds the number (RFC 3325 §9.1)."""
    asserted = ("P-Asserted-Identity", "<sip:bob@x>, <tel:+81312345678>")
    assert caller_of(invite(asserted, from_=f"<sip:bob@{GW}>;tag=h")) == number("0312345678")
    hidden = invite(asserted, from_="<sip:anonymous@anonymous.invalid>;tag=h")
    assert caller_of(hidden) == CallerId(kind=CallerIdKind.WITHHELD)


def test_name_without_number() -> None:
    """Somebody who is no number cannot be shown as one; a malformed assertion does no harm."""
    request = invite(("P-Asserted-Identity", "<<>>"), from_=f'"Bob" <sip:bob@{GW}>;tag=h')
    assert caller_of(request) == CallerId(kind=CallerIdKind.UNAVAILABLE, display_name="Bob")


def test_bytes_that_are_no_utf_8() -> None:
    """They become question marks, and can be written as JSON."""
    request = invite(from_="<sip:0312345678@x>;tag=h")
    request.headers.set("From", '"\udc83e" <sip:0312345678@x>;tag=h')
    assert caller_of(request) == number("0312345678", "?e")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (f'"0312345678" <sip:3@{GW}>', "0312345678"),
        (f"<sip:0312345678@{GW}>", "0312345678"),
        (f'"3" <sip:3@{GW}>', "3"),
        (f'"Home" <sip:3@{GW}>', "3"),
        (f'"Home" <sip:home@{GW}>', None),
    ],
)
def test_called(to: str, expected: str | None) -> None:
    """Digits of the display name come before those of the URI."""
    assert called_of(invite(to=to)) == expected


@pytest.mark.parametrize(
    ("digits", "expected"),
    [("1", True), ("40", True), ("117", False), ("*1", False), (None, False)],
)
def test_extension(digits: str | None, *, expected: bool) -> None:
    """An extension has one or two digits (facts §1.1)."""
    assert is_extension(digits) is expected
