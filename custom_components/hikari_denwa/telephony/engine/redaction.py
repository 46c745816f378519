"""SIP messages for somebody who helps: all that tells what went wrong, and nothing private.

Left are methods, codes, headers, codecs, families, networks and times. Cut are the digits of
telephone numbers after the third, names, credentials, keys that were pressed, and what is
written in a body of another kind. Call-IDs, and the interfaces of IPv6 addresses, get numbers
instead, so that it can be seen which belong together.
"""

from __future__ import annotations

import ipaddress
import re

_SHOWN_DIGITS = 3

_HEADER = re.compile(r"(?m)^([A-Za-z0-9-]+)[ \t]*:[ \t]*")
_CREDENTIALS = frozenset(("authorization", "proxy-authorization"))
_CHALLENGES = frozenset(
    ("www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info")
)
_SHOWN_PARAMETERS = frozenset(("realm", "domain", "algorithm", "qop", "nc", "stale", "uri"))
_PARAMETER = re.compile(r'([A-Za-z0-9-]+)([ \t]*=[ \t]*)("(?:[^"\\]|\\.)*"|[^\s,]+)')
_NAMED = frozenset(
    (
        "from",
        "f",
        "to",
        "t",
        "contact",
        "m",
        "p-asserted-identity",
        "p-preferred-identity",
        "p-associated-uri",
        "p-called-party-id",
        "remote-party-id",
        "reply-to",
        "referred-by",
        "b",
        "refer-to",
        "r",
        "diversion",
        "history-info",
        "route",
        "record-route",
        "path",
        "service-route",
    )
)
_WRITTEN = frozenset(("subject", "s", "call-info", "alert-info", "organization", "user-to-user"))
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNQUOTED_NAME = re.compile(r"^[^\"<:;,]+(?=<)")
# What the network says instead of a name (TTC JJ-90.22); it tells the kind of caller ID.
_NO_NAMES = re.compile(
    r"(?i)anonymous|unavailable|coin line/payphone|interaction with other service|unknown"
)
_URI_USER = re.compile(r"(?i)\b(?:(sips?:)([^@\s<>?]*)(?=@)|(tel:)([^\s<>;?]*))")
_NUMBER = re.compile(r"(?<![\w.:/=-])[+0-9](?:[0-9]|[()\-](?=[0-9])){6,}(?![\w.:])")
_IPV6 = re.compile(r"(?i)(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|(?:\d+\.){3}\d+)?")
_CALL_ID = frozenset(("call-id", "i"))
_OTHERS_CALL_ID = re.compile(r"(?i)\A([^;,\s]+)")
_KEY = re.compile(r"(?im)^(signal[ \t]*=[ \t]*).*$")
_SDP_SECRETS = re.compile(
    r"(?im)^(k=|a=(?:crypto|key-mgmt|ice-pwd|ice-ufrag|fingerprint):?|[iuep]=).+$"
)
_SDP_TIMES = re.compile(r"(?m)^o=\S+ \S+ \S+ ")
_UUID = re.compile(r"(?i)urn:uuid:[0-9a-f-]+")
_MAC = re.compile(r"(?i)(?<![\w:])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:])")
_TECHNICAL = frozenset(
    ("via", "v", "cseq", "rseq", "rack", "max-forwards", "content-length", "l", "expires")
)
_CUT = "***"
_LONGEST = 4096


def _shortened(number: str) -> str:
    """Return the beginning of a number, which tells its kind; an extension stays whole."""
    shown = 0
    cut = ""
    for character in number:
        if character.isalnum():
            shown += 1
        cut += character if shown <= _SHOWN_DIGITS or not character.isalnum() else "*"
    return cut


class Redactor:
    """Redacts the messages of one trace; what is the same gets the same number in all of them."""

    def __init__(self) -> None:
        """Begin with no number given."""
        self._call_ids: dict[str, int] = {}
        self._interfaces: dict[str, int] = {}

    def redact(self, text: str) -> str:
        """Return a message that may be shown; lines end with a line feed."""
        head, blank, body = text.replace("\r\n", "\n").partition("\n\n")
        first, _, rest = _unfolded(head).partition("\n")
        kind = ""
        lines = [self._general(first)]
        for line in rest.split("\n") if rest else ():
            match = _HEADER.match(line)
            if match is None:
                lines.append(f"({len(line)} characters left out)")
                continue
            name, value = match[1], line[match.end() :]
            if name.lower() in {"content-type", "c"}:
                kind = value.partition(";")[0].strip().lower()
            lines.append(f"{name}: {self._value(name.lower(), value)}")
        shown = "\n".join(lines)
        if blank and body.strip():
            shown += f"\n\n{self._body(kind, body)}"
        return shown[:_LONGEST]

    def _value(self, name: str, value: str) -> str:
        """Return what may be shown of a header's value."""
        if name in _CREDENTIALS | _CHALLENGES:
            return self._general(_PARAMETER.sub(_parameter, value))
        if name in _CALL_ID:
            return f"(call {self._number(self._call_ids, value)})"
        if name in {"replaces", "in-reply-to", "target-dialog"}:
            return _OTHERS_CALL_ID.sub(
                lambda match: f"(call {self._number(self._call_ids, match[1])})", value
            )
        if name in _WRITTEN:
            return f"({len(value)} characters left out)"
        if name in _NAMED:
            value = _UNQUOTED_NAME.sub(_name, _QUOTED.sub(_name, value))
        if name in _TECHNICAL:
            return self._addresses(value)
        return self._general(value)

    def _body(self, kind: str, body: str) -> str:
        """Return what may be shown of a body."""
        if kind == "application/sdp":
            return "\n".join(
                self._addresses(line) if _SDP_TIMES.match(line) else self._general(line)
                for line in _SDP_SECRETS.sub(rf"\g<1>{_CUT}", body).split("\n")
            )
        if kind == "application/dtmf-relay":
            return _KEY.sub(rf"\g<1>{_CUT}", body)
        return f"({len(body)} characters left out)"

    def _general(self, text: str) -> str:
        """Cut what is private anywhere: users, numbers, interfaces of addresses."""
        text = _UUID.sub(f"urn:uuid:{_CUT}", _MAC.sub(_CUT, text))
        text = _URI_USER.sub(_user, text)
        return self._addresses(_NUMBER.sub(lambda match: _shortened(match[0]), text))

    def _addresses(self, text: str) -> str:
        """Leave of IPv6 addresses the network, and a number for the interface."""
        return _IPV6.sub(self._address, text)

    def _address(self, match: re.Match[str]) -> str:
        """Return the network of an IPv6 address, if it is one."""
        try:
            address = ipaddress.IPv6Address(match[0])
        except ValueError:
            return match[0]
        if address.is_loopback or address.is_unspecified:
            return match[0]
        network = ipaddress.ip_network(f"{address}/64", strict=False)
        number = self._number(self._interfaces, str(address))
        return f"{network.network_address}(interface {number})"

    @staticmethod
    def _number(numbers: dict[str, int], of: str) -> int:
        """Return the number of something, a new one if it has none."""
        return numbers.setdefault(of.strip(), len(numbers) + 1)


def _unfolded(head: str) -> str:
    """Return the head with every header in one line (RFC 3261 §7.3.1)."""
    return re.sub(r"\n[ \t]+", " ", head)


def _parameter(match: re.Match[str]) -> str:
    """Return a digest parameter, its value cut unless it tells how to compute."""
    name = match[1]
    if name.lower() in _SHOWN_PARAMETERS:
        return match[0]
    quote = '"' if match[3].startswith('"') else ""
    return f"{name}{match[2]}{quote}{_CUT}{quote}"


def _name(match: re.Match[str]) -> str:
    """Return a display name: digits shortened, what stands for no name whole, others cut."""
    whole = match[0]
    text = match[1] if match.re is _QUOTED else whole.strip()
    if not text or _NO_NAMES.fullmatch(text):
        return whole
    shown = _shortened(text) if re.fullmatch(r"[0-9*#+()\- ]+", text) else _CUT
    return f'"{shown}"' if match.re is _QUOTED else f"{shown} "


def _user(match: re.Match[str]) -> str:
    """Return a URI's user: digits shortened; a word that stands for nobody stays."""
    scheme, rest = match[1] or match[3], match[2] or match[4] or ""
    user = re.split("[:;]", rest, maxsplit=1)[0]
    mark, more = rest[len(user) : len(user) + 1], rest[len(user) + 1 :]
    if not _NO_NAMES.fullmatch(user):
        user = _shortened(user)
    return f"{scheme}{user}{mark}{_CUT if mark == ':' else more}"
