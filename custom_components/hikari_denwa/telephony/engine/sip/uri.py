"""SIP URIs (RFC 3261 §19.1), name-addr (§20.10) and Via (§20.42) values."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Self

from .headers import (
    Parameters,
    find_parameter,
    format_parameters,
    is_token,
    parse_parameters,
    quote,
    replace_parameter,
    split_list,
    unquote,
)

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*+):(.*)", re.DOTALL)
_URI_CHARACTERS = re.compile(r"[^\x00-\x20\x7f<>\"]++")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*+)")
_ESCAPE_RUN = re.compile(r"(?:%[0-9A-Fa-f]{2})++")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE_IN_USER = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]")
_UNSAFE_IN_PASSWORD = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()&=+$,%]")
_UNSAFE_IN_PARAMETER = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-_.!~*'()\[\]/:&+$%]")
_KEPT_ESCAPED = frozenset(b";/?:@&=+$,%")
_MUST_MATCH = ("user", "ttl", "method", "maddr", "transport")
_NAME_ADDRESS = re.compile(r'(?:("(?:[^"\\]|\\.)*+")[ \t]*+|([^"<>]*+))<([^<>]*+)>(.*)', re.DOTALL)
# Only tokens may stand without quotes, but `Coin line/payphone` is too likely to refuse.
_BARE_NAME = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f,;:\\]*+")
_VIA = re.compile(
    r"[ \t]*([^\s/;,]++)[ \t]*/[ \t]*([^\s/;,]++)[ \t]*/[ \t]*([^\s/;,]++)[ \t]++"
    r"(\[[^\]]*+\]|[^\s:;,\[\]]++)[ \t]*(?::[ \t]*([0-9]++)[ \t]*)?(;.*)?",
    re.DOTALL,
)


def host_for_uri(host: str) -> str:
    """Bracket an IPv6 literal as SIP wants it (RFC 3261 §25.1 IPv6reference)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@dataclass(frozen=True, slots=True)
class OtherUri:
    """A URI of a scheme that is not read (tel, mailto, …), kept as it is."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        """Write the URI."""
        return f"{self.scheme}:{self.rest}"

    def matches(self, other: Uri) -> bool:
        """Compare letter by letter, the scheme without case."""
        return (
            isinstance(other, OtherUri)
            and self.scheme.lower() == other.scheme.lower()
            and self.rest == other.rest
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SipUri:
    """A sip or sips URI.

    `host` has no brackets. `user`, `password` and `parameters` are unescaped, but for the escapes
    of reserved characters and of `%`, which mean something else than these (RFC 3261 §19.1.2).
    """

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str
    port: int | None = None
    parameters: Parameters = ()
    headers: str | None = None

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Read a sip or sips URI; ValueError when it is none."""
        uri = parse_uri(text)
        if isinstance(uri, OtherUri):
            raise ValueError("not a SIP URI")  # noqa: TRY004 - the text is wrong, not its type
        return uri

    def __str__(self) -> str:
        """Write the URI with an IPv6 literal in brackets and the user part escaped."""
        parts = [self.scheme, ":"]
        if self.user is not None:
            parts.append(_escape(self.user, _UNSAFE_IN_USER))
            if self.password is not None:
                parts += ":", _escape(self.password, _UNSAFE_IN_PASSWORD)
            parts.append("@")
        parts.append(host_for_uri(self.host))
        if self.port is not None:
            parts.append(f":{self.port}")
        for name, value in self.parameters:
            parts += ";", _escape(name, _UNSAFE_IN_PARAMETER)
            if value is not None:
                parts += "=", _escape(value, _UNSAFE_IN_PARAMETER)
        if self.headers is not None:
            parts += "?", self.headers
        return "".join(parts)

    def parameter(self, name: str) -> str | None:
        """Give the value of a parameter: "" when it has none, None when it is absent."""
        return find_parameter(self.parameters, name)

    def without_parameters(self, *names: str) -> SipUri:
        """Give the URI without the named parameters, or without any."""
        dropped = {name.lower() for name in names}
        kept = tuple(each for each in self.parameters if each[0].lower() not in dropped)
        return replace(self, parameters=kept if names else ())

    def without_headers(self) -> SipUri:
        """Give the URI without its header part, as a Request-URI wants it (RFC 3261 §19.1.5)."""
        return replace(self, headers=None)

    def matches(self, other: Uri) -> bool:
        """Compare by the rules of RFC 3261 §19.1.4 (absent and default port differ)."""
        if not isinstance(other, SipUri):
            return False
        return (
            self.scheme.lower() == other.scheme.lower()
            and self.user == other.user
            and self.password == other.password
            and self.port == other.port
            and _same_host(self.host, other.host)
            and self._parameters_match(other)
            and _header_set(self.headers) == _header_set(other.headers)
        )

    def _parameters_match(self, other: SipUri) -> bool:
        """Compare the parameters that both have, and those that may not stand in one alone."""
        mine = {name.lower(): (value or "").lower() for name, value in self.parameters}
        theirs = {name.lower(): (value or "").lower() for name, value in other.parameters}
        if any((name in mine) != (name in theirs) for name in _MUST_MATCH):
            return False
        return all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())


Uri = SipUri | OtherUri


@lru_cache(maxsize=256)
def parse_uri(text: str) -> Uri:
    """Read any URI; ValueError when it is malformed (a zone in a literal is, too)."""
    found = _SCHEME.fullmatch(text)
    if found is None or _URI_CHARACTERS.fullmatch(text) is None:
        raise ValueError("malformed URI")
    scheme = found[1].lower()
    if scheme not in ("sip", "sips"):
        return OtherUri(found[1], found[2])
    user_info, at, rest = found[2].rpartition("@")
    if "@" in user_info:
        raise ValueError("two @ in a URI")
    user: str | None = None
    password: str | None = None
    if at:
        user_text, colon, password_text = user_info.partition(":")
        user = _read_component(user_text, _UNSAFE_IN_USER)
        password = _read_component(password_text, _UNSAFE_IN_PASSWORD) if colon else None
    rest, question, headers = rest.partition("?")
    host_port, *parameters = rest.split(";")
    host, port = parse_host_port(host_port)
    return SipUri(
        scheme=scheme,
        user=user,
        password=password,
        host=host,
        port=port,
        parameters=tuple(_uri_parameter(parameter) for parameter in parameters),
        headers=headers if question else None,
    )


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Read `host`, `host:port`, `[v6]` or `[v6]:port`; the host comes back without brackets."""
    if text.startswith("["):
        literal, bracket, port_text = text[1:].partition("]")
        if not bracket or (port_text and port_text[0] != ":"):
            raise ValueError("malformed IPv6 reference")
        return check_ipv6(literal), _port(port_text[1:]) if port_text else None
    host, colon, port_text = text.partition(":")
    if _HOST_NAME.fullmatch(host) is None:
        raise ValueError("malformed host")
    return host, _port(port_text) if colon else None


def check_ipv6(literal: str) -> str:
    """Give an IPv6 literal back, or ValueError; a zone has no place in SIP (RFC 3261 §25.1).

    A third colon before an embedded IPv4 address, which that grammar allows by mistake, is
    dropped (RFC 5118 §4.10).
    """
    if "%" in literal:
        raise ValueError("zone in an IPv6 literal")
    if ":::" in literal:
        literal = literal.replace(":::", "::", 1) if "." in literal else literal
    IPv6Address(literal)
    return literal


def _port(text: str) -> int:
    """Read a port number, or ValueError."""
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise ValueError("malformed port")
    return int(text)


def _uri_parameter(text: str) -> tuple[str, str | None]:
    """Read one URI parameter, or ValueError when its name is missing."""
    name, equals, value = text.partition("=")
    if not name:
        raise ValueError("malformed URI parameter")
    read_name = _read_component(name, _UNSAFE_IN_PARAMETER)
    return read_name, _read_component(value, _UNSAFE_IN_PARAMETER) if equals else None


def _unescape_run(found: re.Match[str]) -> str:
    """Decode a run of escapes, but for those of reserved characters."""
    decoded: list[str] = []
    plain = bytearray()
    for byte in bytes.fromhex(found[0].replace("%", "")):
        if byte in _KEPT_ESCAPED:
            decoded += plain.decode(errors="surrogateescape"), f"%{byte:02X}"
            plain.clear()
        else:
            plain.append(byte)
    decoded.append(plain.decode(errors="surrogateescape"))
    return "".join(decoded)


def _read_component(text: str, unsafe: re.Pattern[str]) -> str:
    """Bring a part of a URI into the form of `SipUri`; ValueError for a broken escape.

    Reserved characters that should have been escaped are taken as if they were.
    """
    if "%" in text and _BAD_ESCAPE.search(text):
        raise ValueError("malformed escape")
    escaped = _escape(text, unsafe)
    return _ESCAPE_RUN.sub(_unescape_run, escaped) if "%" in escaped else escaped


def _escape_match(found: re.Match[str]) -> str:
    """Escape one character as its UTF-8 bytes."""
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogateescape"))


def _escape(text: str, unsafe: re.Pattern[str]) -> str:
    """Escape what may not stand as it is; escapes that are there stay."""
    return unsafe.sub(_escape_match, text)


def _same_host(one: str, other: str) -> bool:
    """Compare hosts without case, literals by value."""
    if one.lower() == other.lower():
        return True
    if ":" not in one or ":" not in other:
        return False
    try:
        return IPv6Address(one) == IPv6Address(other)
    except ValueError:
        return False


def _header_set(headers: str | None) -> frozenset[tuple[str, str]]:
    """Give the header part of a URI in a form without order."""
    pairs = (headers or "").split("&") if headers else []
    split = (pair.partition("=") for pair in pairs)
    return frozenset((name.lower(), value) for name, _, value in split)


@dataclass(frozen=True, slots=True)
class NameAddress:
    """A name-addr or addr-spec with the parameters of its header (From, To, Contact, Route …).

    Parameter values stand as written; `parameter` unquotes them.
    """

    display_name: str | None
    uri: Uri
    parameters: Parameters = ()

    @staticmethod
    def parse(text: str) -> NameAddress:
        """Read one value; ValueError when malformed."""
        return _parse_name_address(text)

    @classmethod
    def parse_list(cls, text: str) -> list[NameAddress]:
        """Read a comma-separated list of values; ValueError when one is malformed."""
        return [cls.parse(element) for element in split_list(text)]

    def __str__(self) -> str:
        """Write the value, the URI always in angle brackets."""
        name = "" if self.display_name is None else f"{quote(self.display_name)} "
        return f"{name}<{self.uri}>{format_parameters(self.parameters)}"

    @property
    def tag(self) -> str | None:
        """Give the tag, or None."""
        return self.parameter("tag")

    def with_tag(self, tag: str) -> Self:
        """Give the value with this tag."""
        return self.with_parameter("tag", tag)

    def parameter(self, name: str) -> str | None:
        """Give the unquoted value of a parameter: "" when it has none, None when it is absent."""
        return find_parameter(self.parameters, name)

    def with_parameter(self, name: str, value: str | None) -> Self:
        """Give the value with this parameter."""
        return replace(self, parameters=replace_parameter(self.parameters, name, value))


@lru_cache(maxsize=256)
def _parse_name_address(text: str) -> NameAddress:
    """Read a name-addr or an addr-spec with parameters."""
    found = _NAME_ADDRESS.fullmatch(text.strip(" \t"))
    if found is not None:
        quoted, unquoted, uri, parameters = found.groups()
        return NameAddress(
            _display_name(quoted, unquoted),
            parse_uri(uri.strip(" \t")),
            parse_parameters(parameters),
        )
    address, semicolon, parameters = text.strip(" \t").partition(";")
    # Without angle brackets a question mark or a comma has no sure owner (RFC 3261 §20.10).
    if "?" in address or "," in address:
        raise ValueError("URI needs angle brackets")
    return NameAddress(
        None, parse_uri(address.rstrip(" \t")), parse_parameters(semicolon + parameters)
    )


def _display_name(quoted: str | None, unquoted: str | None) -> str | None:
    """Read a display name; ValueError for one that needs quotes and has none."""
    if quoted is not None:
        return unquote(quoted)
    name = (unquoted or "").strip(" \t")
    if _BARE_NAME.fullmatch(name) is None:
        raise ValueError("malformed display name")
    return " ".join(name.split()) or None


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value; `host` (of sent-by) has no brackets."""

    protocol: str
    host: str
    port: int | None = None
    parameters: Parameters = ()

    @staticmethod
    def parse(text: str) -> Via:
        """Read one value; ValueError when malformed."""
        return _parse_via(text)

    def __str__(self) -> str:
        """Write the value with an IPv6 literal in brackets."""
        port = "" if self.port is None else f":{self.port}"
        return (
            f"{self.protocol} {host_for_uri(self.host)}{port}{format_parameters(self.parameters)}"
        )

    @property
    def transport(self) -> str:
        """Give the transport in upper case (UDP, TCP, …)."""
        return self.protocol.rpartition("/")[2].upper()

    @property
    def branch(self) -> str | None:
        """Give the branch, or None."""
        return self.parameter("branch")

    @property
    def received(self) -> str | None:
        """Give the received address without brackets (RFC 5118 §4.5 allows both), or None."""
        received = self.parameter("received")
        return received.strip("[]") if received else None

    @property
    def rport(self) -> str | None:
        """Give rport's value, "" when it only asks for one (RFC 3581 §3), or None."""
        return self.parameter("rport")

    def parameter(self, name: str) -> str | None:
        """Give the unquoted value of a parameter: "" when it has none, None when it is absent."""
        return find_parameter(self.parameters, name)

    def with_parameter(self, name: str, value: str | None) -> Self:
        """Give the value with this parameter."""
        return replace(self, parameters=replace_parameter(self.parameters, name, value))

    def with_source(self, address: str, port: int) -> Self:
        """Give the value with where the request came from (RFC 3261 §18.2.1, RFC 3581 §4)."""
        via = self
        if self.rport is not None:
            via = via.with_parameter("rport", str(port)).with_parameter("received", address)
        elif not _same_address(self.host, address) or self.parameter("received") is not None:
            via = via.with_parameter("received", address)
        return via


def _same_address(host: str, address: str) -> bool:
    """Tell whether sent-by is the literal of the address."""
    try:
        if ":" in host:
            return IPv6Address(host) == IPv6Address(address)
        return IPv4Address(host) == IPv4Address(address)
    except ValueError:
        return False


def salvage_via(text: str) -> Via | None:
    """Read what is sound of a malformed value, so that an error can be answered."""
    sent, *pieces = text.split(";")
    try:
        via = Via.parse(sent)
    except ValueError:
        return None
    for piece in pieces:
        try:
            via = replace(via, parameters=via.parameters + parse_parameters(f";{piece}"))
        except ValueError:
            continue
    return via


@lru_cache(maxsize=256)
def _parse_via(text: str) -> Via:
    """Read one Via value."""
    found = _VIA.fullmatch(text)
    if found is None:
        raise ValueError("malformed Via")
    name, version, transport, host, port, parameters = found.groups()
    if not (is_token(name) and is_token(version) and is_token(transport)):
        raise ValueError("malformed Via protocol")
    sent_by, _ = parse_host_port(host)
    return Via(
        f"{name}/{version}/{transport}",
        sent_by,
        None if port is None else _port(port),
        parse_parameters(parameters or ""),
    )
