"""Who calls, and which number was called, as an INVITE tells it (home-gateway facts §2.1)."""

from __future__ import annotations

import re

from ...calls import CallerId, CallerIdKind
from .messages import MessageError, Request
from .uri import NameAddress, OtherUri, Uri

_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_NOT_DIALLED = re.compile(r"[-.() ]")
_EXTENSION_DIGITS = 2
_KINDS = {
    "anonymous": CallerIdKind.WITHHELD,
    "非通知": CallerIdKind.WITHHELD,
    "coin line/payphone": CallerIdKind.PAYPHONE,
    "coin line": CallerIdKind.PAYPHONE,
    "payphone": CallerIdKind.PAYPHONE,
    "公衆電話": CallerIdKind.PAYPHONE,
    "unavailable": CallerIdKind.UNAVAILABLE,
    "表示圏外": CallerIdKind.UNAVAILABLE,
    "interaction with other service": CallerIdKind.INTERACTION,
    "サービス競合": CallerIdKind.INTERACTION,
}
_ANONYMOUS_HOST = "anonymous.invalid"


def caller_of(request: Request) -> CallerId:
    """Tell who calls: the number, or why there is none.

    A reason in the display name counts more than the URI, which is anonymous for all of them.
    P-Asserted-Identity is asked only where From names nobody and withholds nothing.
    """
    from_ = request.from_
    name = _clean(from_.display_name)
    kind = _KINDS.get(name.lower())
    user = _user(from_.uri)
    if kind is None and _number(user) is None and _number(name) is None:
        kind = _KINDS.get(user.lower()) or _kind_of_host(from_.uri)
    if kind is not None:
        return CallerId(kind=kind)
    number = _number(user) or _number(name) or _asserted(request)
    if number is None:
        # An empty caller is a withheld one; a name that is no number is one that we cannot show.
        unnamed = not user and not name
        return CallerId(
            kind=CallerIdKind.WITHHELD if unnamed else CallerIdKind.UNAVAILABLE,
            display_name=name or user or None,
        )
    shown = name if name and _number(name) != number else None
    return CallerId(kind=CallerIdKind.NUMBER, number=number, display_name=shown)


def called_of(request: Request) -> str | None:
    """Give the number that was dialled: digits in To's display name, else in its URI."""
    to = request.to
    return _number(_clean(to.display_name)) or _number(_user(to.uri))


def is_extension(number: str | None) -> bool:
    """Tell whether a caller's number is an extension of the gateway."""
    return bool(number and number.isdigit() and len(number) <= _EXTENSION_DIGITS)


def _asserted(request: Request) -> str | None:
    """Give the number that the network vouches for (RFC 3325), if it does."""
    for value in request.headers.elements("P-Asserted-Identity"):
        try:
            number = _number(_user(NameAddress.parse(value).uri))
        except (ValueError, MessageError):
            continue
        if number:
            return number
    return None


def _clean(text: str | None) -> str:
    """Give a display name without bytes that are no UTF-8, and without white space around it."""
    return (text or "").encode(errors="replace").decode(errors="replace").strip()


def _user(uri: Uri) -> str:
    """Give the user part of a SIP URI, or the number of a tel URI, without parameters."""
    user = uri.rest if isinstance(uri, OtherUri) and uri.scheme.lower() == "tel" else ""
    if not isinstance(uri, OtherUri):
        user = uri.user or ""
    return _clean(user.partition(";")[0].partition("%3B")[0])


def _kind_of_host(uri: Uri) -> CallerIdKind | None:
    """Recognise anonymous.invalid, whatever the user part says (RFC 3323 §4.1.1.3)."""
    if not isinstance(uri, OtherUri) and uri.host.lower() == _ANONYMOUS_HOST:
        return CallerIdKind.WITHHELD
    return None


def _number(text: str) -> str | None:
    """Give a number in national format, None for what is none."""
    digits = _NOT_DIALLED.sub("", text)
    if not _NUMBER.fullmatch(digits) or not digits.isascii():
        return None
    if digits.startswith("+81"):
        return "0" + digits[3:].removeprefix("0")
    return digits
