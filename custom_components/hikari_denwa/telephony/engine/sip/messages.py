"""SIP requests and responses: reading what came, writing what goes (RFC 3261 §7, §8.2.6, §18)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeVar

from .headers import Headers, Parameters, find_parameter, is_token, parse_parameters, split_list
from .uri import NameAddress, OtherUri, SipUri, Uri, Via, parse_uri, salvage_via

MAX_HEAD_BYTES = 16 * 1024
MAX_HEADER_FIELDS = 256
MAX_CSEQ = 2**31 - 1
VERSION = "SIP/2.0"

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    424: "Bad Location Information",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    436: "Bad Identity-Info",
    437: "Unsupported Certificate",
    438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    469: "Bad Info Package",
    470: "Consent Needed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    555: "Push Notification Service Not Supported",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}
"""Reason phrases by status code (IANA SIP parameters registry)."""

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_Value = TypeVar("_Value")
_FOLD = re.compile(r"\r?\n[ \t]+")
_REQUEST_LINE = re.compile(r"([^\s]++) ([^\s]++) (SIP/[0-9]++\.[0-9]++) *", re.IGNORECASE)
_STATUS_LINE = re.compile(r"(SIP/[0-9]++\.[0-9]++) ([0-9]++)(?: (.*))?", re.IGNORECASE)
_STATUS_START = re.compile(rb"SIP/", re.IGNORECASE)
_CSEQ = re.compile(r"([0-9]++)[ \t]++([A-Za-z0-9\-.!%*_+`'~]++)")
_SECONDS = re.compile(r"([0-9]++)[ \t]*+(.*)", re.DOTALL)
_WARNING = re.compile(r'([0-9]{3})[ \t]++([^\s"]++)[ \t]++"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ONLY_ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
_DIALOG_METHODS = frozenset(("INVITE", "SUBSCRIBE", "REFER", "NOTIFY"))


class MessageError(ValueError):
    """A message that breaks SIP's rules.

    `status` is what a server answers (RFC 3261 §8.2, RFC 4475), None when it drops the message.
    `request` is what could be read of a request, enough for its `reply` when `status` is given.
    """

    def __init__(
        self, reason: str, *, status: int | None = 400, request: Request | None = None
    ) -> None:
        """Take the reason in words, the answer's status and the partial request."""
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


@dataclass(frozen=True, slots=True)
class CSeq:
    """A CSeq value (RFC 3261 §20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        """Write the value."""
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """A Session-Expires value (RFC 4028 §4): seconds, and uac, uas or None as refresher."""

    seconds: int
    refresher: Literal["uac", "uas"] | None = None

    def __str__(self) -> str:
        """Write the value."""
        return f"{self.seconds};refresher={self.refresher}" if self.refresher else f"{self.seconds}"


@dataclass(frozen=True, slots=True)
class WarningHeader:
    """One Warning value (RFC 3261 §20.43)."""

    code: int
    agent: str
    text: str

    def __str__(self) -> str:
        """Write the value."""
        text = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.code} {self.agent} "{text}"'


@dataclass(frozen=True, slots=True)
class ReasonHeader:
    """One Reason value (RFC 3326): protocol (SIP, Q.850), cause and text, where given."""

    protocol: str
    cause: int | None = None
    text: str | None = None


class _Message:
    """What requests and responses share; typed views raise MessageError(400) when malformed."""

    __slots__ = ()

    headers: Headers
    body: bytes
    version: str

    def start_line(self) -> str:
        """Write the first line without its end."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """Write the message: long header names, Content-Length last and true (§7.3, §20.14)."""
        lines = [self.start_line()]
        if "\r" in lines[0] or "\n" in lines[0]:
            raise ValueError("line break in the start line")
        lines += [f"{name}: {value}" for name, value in self.headers.items() if name != _LENGTH]
        lines.append(f"{_LENGTH}: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode(errors="surrogateescape") + self.body

    def __bytes__(self) -> bytes:
        """Write the message."""
        return self.encode()

    @property
    def vias(self) -> list[Via]:
        """Give all Via values, topmost first."""
        return [_typed(Via.parse, each, "Via") for each in self.headers.elements("Via")]

    @property
    def via(self) -> Via:
        """Give the topmost Via value."""
        return _typed(Via.parse, split_list(self._needed("Via"))[0], "Via")

    @property
    def from_(self) -> NameAddress:
        """Give From."""
        return _typed(NameAddress.parse, self._needed("From"), "From")

    @property
    def to(self) -> NameAddress:
        """Give To."""
        return _typed(NameAddress.parse, self._needed("To"), "To")

    @property
    def call_id(self) -> str:
        """Give Call-ID."""
        return self._needed("Call-ID")

    @property
    def cseq(self) -> CSeq:
        """Give CSeq."""
        return _typed(_parse_cseq, self._needed("CSeq"), "CSeq")

    @property
    def contacts(self) -> list[NameAddress] | Literal["*"]:
        """Give all Contact values, or "*" (§10.2.2)."""
        elements = self.headers.elements("Contact")
        if elements == ["*"]:
            return "*"
        return [_typed(NameAddress.parse, each, "Contact") for each in elements]

    @property
    def contact(self) -> NameAddress | None:
        """Give the first Contact value, None when there is none or it is "*"."""
        contacts = self.contacts
        return None if contacts == "*" or not contacts else contacts[0]

    @property
    def routes(self) -> list[NameAddress]:
        """Give all Route values, topmost first."""
        return self._addresses("Route")

    @property
    def record_routes(self) -> list[NameAddress]:
        """Give all Record-Route values, topmost first."""
        return self._addresses("Record-Route")

    @property
    def asserted_identity(self) -> NameAddress | None:
        """Give the first P-Asserted-Identity (RFC 3325 §9.1), None when absent or malformed."""
        for each in self.headers.tokens("P-Asserted-Identity"):
            try:
                return NameAddress.parse(each)
            except ValueError:
                continue
        return None

    @property
    def associated(self) -> list[NameAddress]:
        """Give the identities of P-Associated-URI (RFC 7315 §4.1) that can be read."""
        found = []
        for each in self.headers.elements("P-Associated-URI"):
            with suppress(ValueError):
                found.append(NameAddress.parse(each))
        return found

    @property
    def max_forwards(self) -> int | None:
        """Give Max-Forwards; None when absent or not 0-255, which counts as absent (RFC 4475)."""
        value = _seconds(self.headers.get("Max-Forwards"))
        return None if value is None or value > 255 else value

    @property
    def require(self) -> list[str]:
        """Give the option tags of Require, in lower case."""
        return [tag.lower() for tag in self.headers.tokens("Require")]

    @property
    def supported(self) -> list[str]:
        """Give the option tags of Supported, in lower case."""
        return [tag.lower() for tag in self.headers.tokens("Supported")]

    @property
    def allow(self) -> list[str]:
        """Give the methods of Allow."""
        return self.headers.tokens("Allow")

    @property
    def content_type(self) -> str | None:
        """Give the media type in lower case without its parameters."""
        value = self.headers.get("Content-Type")
        return None if value is None else "".join(value.partition(";")[0].split()).lower()

    @property
    def expires(self) -> int | None:
        """Give Expires in seconds; None when absent or out of range (RFC 4475 §3.1.2.4)."""
        return _seconds(self.headers.get("Expires"))

    @property
    def min_expires(self) -> int | None:
        """Give Min-Expires in seconds, or None (§20.23)."""
        return _seconds(self.headers.get("Min-Expires"))

    @property
    def session_expires(self) -> SessionExpires | None:
        """Give Session-Expires, None when absent or unreadable (RFC 4028 §4)."""
        seconds, parameters = _seconds_with_parameters(self.headers.get("Session-Expires"))
        if seconds is None:
            return None
        match (find_parameter(parameters, "refresher") or "").lower():
            case "uac":
                return SessionExpires(seconds, "uac")
            case "uas":
                return SessionExpires(seconds, "uas")
        return SessionExpires(seconds)

    @property
    def min_se(self) -> int | None:
        """Give Min-SE in seconds, None when absent or unreadable (RFC 4028 §5)."""
        return _seconds_with_parameters(self.headers.get("Min-SE"))[0]

    @property
    def retry_after(self) -> int | None:
        """Give Retry-After in seconds, None when absent or unreadable (§20.33)."""
        return _seconds(self.headers.get("Retry-After"))

    @property
    def warnings(self) -> list[WarningHeader]:
        """Give all readable Warning values; an unreadable one is left out."""
        found = [_WARNING.fullmatch(each) for each in self.headers.tokens("Warning")]
        return [
            WarningHeader(int(each[1]), each[2], _ESCAPED.sub(r"\1", each[3]))
            for each in found
            if each
        ]

    @property
    def reasons(self) -> list[ReasonHeader]:
        """Give all readable Reason values (RFC 3326); an unreadable one is left out."""
        found = [_parse_reason(each) for each in self.headers.tokens("Reason")]
        return [each for each in found if each]

    @property
    def reason_header(self) -> ReasonHeader | None:
        """Give the first Reason value, or None."""
        return next(iter(self.reasons), None)

    def _addresses(self, name: str) -> list[NameAddress]:
        """Read all values of a list of name-addr."""
        return [_typed(NameAddress.parse, each, name) for each in self.headers.elements(name)]

    def _needed(self, name: str) -> str:
        """Give a value that must be there."""
        value = self.headers.get(name)
        if not value:
            raise MessageError(f"{name} is missing")
        return value


_LENGTH = "Content-Length"


@dataclass(slots=True)
class Request(_Message):
    """A request (RFC 3261 §7.1)."""

    method: str
    uri: Uri
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION

    def start_line(self) -> str:
        """Write the Request-Line without its end."""
        return f"{self.method} {self.uri} {self.version}"

    def copy(self) -> Request:
        """Give an independent copy."""
        return Request(self.method, self.uri, self.headers.copy(), self.body, self.version)

    def mark_source(self, address: str, port: int) -> None:
        """Write the source of the datagram into the topmost Via (§18.2.1, RFC 3581 §4)."""
        values = self.headers.get_all("Via")
        top, *rest = split_list(values[0])
        marked = str(_typed(Via.parse, top, "Via").with_source(address, port))
        self.headers.remove("Via")
        for value in reversed([", ".join((marked, *rest)), *values[1:]]):
            self.headers.prepend("Via", value)

    def reply(
        self, status: int, reason: str | None = None, *, to_tag: str | None = None
    ) -> Response:
        """Make a response as §8.2.6.2 says, with the Record-Route of §12.1.1 where one is due.

        The tag goes to a To that has none. Header values are copied to the letter.
        """
        response = Response(status, REASONS.get(status, "") if reason is None else reason)
        for value in self.headers.get_all("Via"):
            response.headers.add("Via", value)
        if 100 < status < 300 and self.method in _DIALOG_METHODS:
            for value in self.headers.get_all("Record-Route"):
                response.headers.add("Record-Route", value)
        for name in ("From", "To", "Call-ID", "CSeq"):
            copied = self.headers.get(name)
            if copied:
                response.headers.add(name, _tagged(copied, to_tag) if name == "To" else copied)
        timestamp = self.headers.get("Timestamp")
        if status == 100 and timestamp is not None:
            response.headers.add("Timestamp", timestamp)
        return response


@dataclass(slots=True)
class Response(_Message):
    """A response (RFC 3261 §7.2)."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION

    def start_line(self) -> str:
        """Write the Status-Line without its end."""
        return f"{self.version} {self.status} {self.reason}"

    def copy(self) -> Response:
        """Give an independent copy."""
        return Response(self.status, self.reason, self.headers.copy(), self.body, self.version)


def is_keep_alive(datagram: bytes) -> bool:
    """Tell whether a datagram is only a keep-alive (RFC 5626 §3.5.1 CRLFs, or NULs), no message."""
    return not datagram.strip(b"\r\n\0 \t")


def parse(datagram: bytes) -> Request | Response:
    """Read one datagram; the message has no Content-Length, its body is as long as that said.

    Raises:
        MessageError: for whatever a server must not act upon.
    """
    datagram = datagram.lstrip(b"\r\n")
    end = _END_OF_HEAD.search(datagram, 0, MAX_HEAD_BYTES)
    if end is None:
        raise MessageError("no end of the headers", status=None)
    head = datagram[: end.start()].decode(errors="surrogateescape")
    body = datagram[end.end() :]
    start, _, rest = head.partition("\n")
    start = start.removesuffix("\r")
    fields, fault = _parse_fields(rest)
    if _STATUS_START.match(datagram):
        return _parse_response(start, fields, fault, body)
    return _parse_request(start, fields, fault, body)


def _parse_fields(text: str) -> tuple[Headers, str | None]:
    """Read the header lines, as far as they are readable, and tell the first fault."""
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    headers = Headers()
    fault = None
    lines = text.split("\n") if text else []
    if len(lines) > MAX_HEADER_FIELDS:
        fault = "too many headers"
    for line in lines[:MAX_HEADER_FIELDS]:
        name, colon, value = line.partition(":")
        if not colon:
            fault = fault or "header without a colon"
            continue
        try:
            headers.add(name.rstrip(" \t"), value.removesuffix("\r"))
        except ValueError as error:
            fault = fault or str(error)
    return headers, fault


def _parse_request(start: str, headers: Headers, fault: str | None, body: bytes) -> Request:
    """Read a request; MessageError carries as much of it as an answer needs."""
    words = start.split()
    method = words[0] if words else ""
    request = Request(method, OtherUri("", ""), headers, body)
    try:
        _read_request_line(request, start)
        _check(request, fault)
    except MessageError as error:
        error.request = request
        if method == "ACK" or not _make_answerable(request):
            error.status = None
        raise
    return request


def _read_request_line(request: Request, start: str) -> None:
    """Read method, Request-URI and version; MessageError when one is unfit."""
    line = _REQUEST_LINE.fullmatch(start)
    if line is None or not is_token(request.method):
        raise MessageError("malformed request line")
    request.uri = OtherUri("", line[2])
    request.version = line[3].upper()
    if request.version != VERSION:
        raise MessageError("unknown SIP version", status=505)
    request.uri = _typed(parse_uri, line[2], "Request-URI")
    if isinstance(request.uri, SipUri) and request.uri.headers is not None:
        raise MessageError("headers in the Request-URI")


def _parse_response(start: str, headers: Headers, fault: str | None, body: bytes) -> Response:
    """Read a response; every MessageError means: drop it."""
    line = _STATUS_LINE.fullmatch(start)
    if line is None or line[1].upper() != VERSION:
        raise MessageError("malformed status line", status=None)
    if len(line[2]) != 3 or not 100 <= int(line[2]) <= 699:
        raise MessageError("status out of range", status=None)
    # People read it, and it goes on as JSON: no octet of another encoding may stay in it.
    phrase = (line[3] or "").encode(errors="surrogateescape").decode(errors="replace")
    reason = phrase.replace("\r", " ").strip()
    response = Response(int(line[2]), reason, headers, body)
    try:
        _check(response, fault)
    except MessageError as error:
        error.status = None
        raise
    return response


def _check(message: Request | Response, fault: str | None) -> None:
    """Read what every message needs, so that a malformed one stops here, and cut its body.

    Content-Length goes from the headers: from here on the body itself tells.
    """
    if fault is not None:
        raise MessageError(fault)
    for name in _ONLY_ONCE:
        if len(message.headers.get_all(name)) > 1:
            raise MessageError(f"{name} stands more than once")
    _ = message.via, message.from_, message.to, message.call_id, message.cseq
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise MessageError("CSeq is of another method")
    _ = message.contacts, message.routes, message.record_routes
    length = message.headers.get(_LENGTH)
    if length is None:
        return
    if not length.isascii() or not length.isdigit():
        raise MessageError("malformed Content-Length")
    size = _integer(length)
    if size is None or size > len(message.body):
        raise MessageError("Content-Length beyond the datagram")
    message.body = message.body[:size]
    message.headers.remove(_LENGTH)


def _make_answerable(request: Request) -> bool:
    """Tell whether an error can be answered; a malformed topmost Via is cut to what is sound.

    That takes Via and CSeq alone (RFC 4475 §3.3.1): what else is missing is missing in the answer.
    """
    values = request.headers.elements("Via")
    via = salvage_via(values[0]) if values else None
    if via is None or not request.headers.get("CSeq"):
        return False
    try:
        _ = request.via
    except MessageError:
        request.headers.set("Via", str(via))
    return True


def _typed(read: Callable[[str], _Value], text: str, name: str) -> _Value:
    """Read a value; MessageError when it is malformed."""
    try:
        return read(text)
    except ValueError as error:
        raise MessageError(f"{name}: {error}") from error


@lru_cache(maxsize=64)
def _parse_cseq(text: str) -> CSeq:
    """Read a CSeq value; ValueError when malformed or not below 2**31 (§8.1.1.5)."""
    found = _CSEQ.fullmatch(text)
    number = None if found is None else _integer(found[1])
    if found is None or number is None or number > MAX_CSEQ:
        raise ValueError("malformed")
    return CSeq(number, found[2])


def _integer(digits: str) -> int | None:
    """Read decimal digits of any length, None from 2**32 on."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= 10 and int(significant) < 2**32 else None


def _seconds(text: str | None) -> int | None:
    """Read delta-seconds below 2**32; a comment or parameters behind them do not matter."""
    return _seconds_with_parameters(text)[0]


def _seconds_with_parameters(text: str | None) -> tuple[int | None, Parameters]:
    """Read delta-seconds below 2**32 and the parameters behind them."""
    found = _SECONDS.fullmatch(text or "")
    number = None if found is None else _integer(found[1])
    if found is None or number is None:
        return None, ()
    try:
        return number, parse_parameters(found[2])
    except ValueError:
        return number, ()


def _parse_reason(text: str) -> ReasonHeader | None:
    """Read one Reason value, None when malformed."""
    protocol, semicolon, rest = text.partition(";")
    try:
        parameters = parse_parameters(semicolon + rest)
    except ValueError:
        return None
    return ReasonHeader(
        protocol.strip(),
        _seconds(find_parameter(parameters, "cause")),
        find_parameter(parameters, "text"),
    )


def _tagged(to: str, tag: str | None) -> str:
    """Add a tag to a To value that has none; a malformed one stays as it came."""
    if tag is None:
        return to
    try:
        return to if NameAddress.parse(to).tag is not None else f"{to};tag={tag}"
    except ValueError:
        return to
