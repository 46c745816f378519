"""SIP messages as the gateway reads and writes them (RFC 3261 §7 and §25)."""

from dataclasses import dataclass, field

LINE_END = "\r\n"
VERSION = "SIP/2.0"
COMPACT_NAMES = {
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "s": "Subject",
    "t": "To",
    "v": "Via",
    "x": "Session-Expires",
}
LONG_NAMES = {name: short for short, name in COMPACT_NAMES.items()}
CANONICAL_NAMES = {"call-id": "Call-ID", "cseq": "CSeq", "min-se": "Min-SE", "rseq": "RSeq"} | {
    "rack": "RAck",
    "www-authenticate": "WWW-Authenticate",
}
LIST_NAMES = frozenset(
    {
        "accept",
        "allow",
        "contact",
        "record-route",
        "require",
        "route",
        "supported",
        "unsupported",
        "via",
        "warning",
    }
)
REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    433: "Anonymity Disallowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    603: "Decline",
}


class ParseError(ValueError):
    """The text breaks the grammar of RFC 3261 §25."""


def split_list(text: str, separator: str = ",") -> list[str]:
    """Split on a separator that stands outside quotes and angle brackets."""
    parts: list[str] = []
    start = 0
    quoted = escaped = False
    depth = 0
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            depth += 1 if char == "<" else -1
        elif char == separator and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def parse_params(text: str) -> dict[str, str | None]:
    """Read ``;name=value`` parameters: names in lower case, a flag has no value."""
    params: dict[str, str | None] = {}
    for part in split_list(text, ";"):
        name, equals, value = part.partition("=")
        if name.strip():
            params[name.strip().lower()] = value.strip() if equals else None
    return params


def split_host_port(text: str) -> tuple[str, int | None]:
    """Read ``host[:port]``; an IPv6 literal must stand in brackets and comes back without them.

    Raises ParseError (RFC 3261 §25.1, ``hostport``).
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ParseError(f"bad IPv6 reference {text!r}")
        port = rest[1:]
    else:
        if text.count(":") > 1:
            raise ParseError(f"IPv6 literal without brackets {text!r}")
        host, colon, port = text.partition(":")
        rest = colon
    if not host or (rest and not port.isdecimal()):
        raise ParseError(f"bad host and port {text!r}")
    return host, int(port) if port else None


def join_host(host: str) -> str:
    """Bracket an IPv6 literal for a URI or a Via header."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class Uri:
    """A SIP URI (RFC 3261 §19.1); the host without brackets."""

    scheme: str
    user: str
    host: str
    port: int | None = None
    params: dict[str, str | None] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a URI; raises ParseError."""
        scheme, colon, rest = text.partition(":")
        if not colon or any(char.isspace() or char in '<>"' for char in text):
            raise ParseError(f"not a URI: {text!r}")
        if scheme.lower() == "tel":
            return cls("tel", rest.partition(";")[0], "", text=text)
        if scheme.lower() not in {"sip", "sips"}:
            raise ParseError(f"unknown URI scheme {text!r}")
        user, at, host_part = rest.rpartition("@")
        if "#" in user:
            raise ParseError(f"a number sign in a URI's user must be escaped: {text!r}")
        host_part = host_part.partition("?")[0]
        host_port, _, params = host_part.partition(";")
        host, port = split_host_port(host_port)
        user = user.partition(":")[0] if at else ""
        return cls(scheme.lower(), user, host, port, parse_params(params), text)


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A From, To, Contact or Route value: display name, URI and header parameters."""

    display: str
    uri: Uri
    params: dict[str, str | None]

    @property
    def tag(self) -> str | None:
        """The tag parameter, if there is one."""
        return self.params.get("tag")

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Read a name-addr or an addr-spec; raises ParseError."""
        text = text.strip()
        if "<" not in text:
            addr, _, params = text.partition(";")
            return cls("", Uri.parse(addr.strip()), parse_params(params))
        display = ""
        rest = text
        if text.startswith('"'):
            end = _end_of_quoted(text)
            display = text[1:end].replace('\\"', '"').replace("\\\\", "\\")
            rest = text[end + 1 :].lstrip()
            if not rest.startswith("<"):
                raise ParseError(f"no URI after the display name: {text!r}")
        else:
            display = text[: text.index("<")].strip()
            rest = text[text.index("<") :]
        uri, bracket, params = rest[1:].partition(">")
        if not bracket:
            raise ParseError(f"angle bracket is not closed: {text!r}")
        return cls(display, Uri.parse(uri), parse_params(params.strip().removeprefix(";")))


def _end_of_quoted(text: str) -> int:
    """Find the closing quote of a text that begins with a quote."""
    index = 1
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] == '"':
            return index
        index += 1
    raise ParseError(f"quote is not closed: {text!r}")


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value (RFC 3261 §20.42)."""

    transport: str
    host: str
    port: int | None
    params: dict[str, str | None]
    text: str

    @property
    def branch(self) -> str:
        """The branch, empty when there is none."""
        return self.params.get("branch") or ""

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read a Via value; raises ParseError."""
        protocol, _, rest = text.strip().partition(" ")
        if not protocol.upper().startswith("SIP/2.0/"):
            raise ParseError(f"bad Via protocol {text!r}")
        sent_by, _, params = rest.strip().partition(";")
        host, port = split_host_port(sent_by.strip())
        return cls(protocol[8:].upper(), host, port, parse_params(params), text.strip())


@dataclass(frozen=True, slots=True)
class Message:
    """A SIP request or response; header names canonical, values as they came."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def is_request(self) -> bool:
        """Tell a request from a response."""
        return not self.start.startswith(VERSION)

    @property
    def method(self) -> str:
        """The method of a request, or the method in a response's CSeq."""
        if self.is_request:
            return self.start.split(" ", 1)[0]
        return self.cseq[1]

    @property
    def uri(self) -> str:
        """The Request-URI as it was written."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """The status code of a response, 0 for a request."""
        return 0 if self.is_request else int(self.start.split(" ", 2)[1])

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq as number and method; raises ParseError."""
        number, _, method = self.require("CSeq").partition(" ")
        if not number.isdecimal() or not method.strip():
            raise ParseError("bad CSeq")
        return int(number), method.strip()

    @property
    def call_id(self) -> str:
        """The Call-ID; raises ParseError when absent."""
        return self.require("Call-ID")

    @property
    def from_(self) -> NameAddr:
        """The From value; raises ParseError."""
        return NameAddr.parse(self.require("From"))

    @property
    def to(self) -> NameAddr:
        """The To value; raises ParseError."""
        return NameAddr.parse(self.require("To"))

    @property
    def via(self) -> Via:
        """The topmost Via; raises ParseError."""
        vias = self.all("Via")
        if not vias:
            raise ParseError("no Via")
        return Via.parse(vias[0])

    def get(self, name: str) -> str | None:
        """Return the first value of a header, whole, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def require(self, name: str) -> str:
        """Return the first value of a header; raises ParseError when absent."""
        value = self.get(name)
        if value is None:
            raise ParseError(f"no {name}")
        return value

    def count(self, name: str) -> int:
        """Count the header lines of a name."""
        return sum(key.lower() == name.lower() for key, _ in self.headers)

    def all(self, name: str) -> list[str]:
        """Return every value of a header, comma lists taken apart."""
        wanted = name.lower()
        values = [value for key, value in self.headers if key.lower() == wanted]
        if wanted not in LIST_NAMES:
            return values
        return [part for value in values for part in split_list(value) if part]

    def tokens(self, name: str) -> set[str]:
        """Return the option tags or methods of a list header."""
        return set(self.all(name))

    def encode(self, *, compact: bool = False) -> bytes:
        """Write the datagram, with compact header names if asked (RFC 3261 §7.3.3)."""
        lines = [self.start]
        for name, value in self.headers:
            shown = LONG_NAMES.get(name, name) if compact else name
            lines.append(f"{shown}: {value}")
        lines.append(f"{'l' if compact else 'Content-Length'}: {len(self.body)}")
        return (LINE_END.join(lines) + LINE_END * 2).encode() + self.body


def canonical_name(name: str) -> str:
    """Give a header its long name in the usual spelling."""
    lower = name.lower()
    if lower in COMPACT_NAMES:
        return COMPACT_NAMES[lower]
    return CANONICAL_NAMES.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))


def parse_message(data: bytes) -> Message:
    """Read a datagram; raises ParseError. Content-Length is kept as a header and not applied."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        raise ParseError("no empty line after the headers")
    try:
        lines = head.decode().split(LINE_END)
    except UnicodeDecodeError as error:
        raise ParseError("headers are not UTF-8") from error
    start = lines[0]
    _check_start(start)
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {" ", "\t"} and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ParseError(f"not a header: {line!r}")
        headers.append((canonical_name(name.strip()), value.strip()))
    return Message(start, tuple(headers), body)


def _check_start(start: str) -> None:
    """Refuse a first line that is neither Request-Line nor Status-Line."""
    parts = start.split(" ")
    if start.startswith(VERSION + " "):
        if len(parts) < 3 or not (parts[1].isdecimal() and len(parts[1]) == 3):
            raise ParseError(f"bad status line {start!r}")
    elif len(parts) != 3 or parts[2] != VERSION or not parts[0] or not parts[1]:
        raise ParseError(f"bad request line {start!r}")


def response_to(
    request: Message,
    status: int,
    *,
    tag: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    via: str | None = None,
) -> Message:
    """Make a response as RFC 3261 §8.2.6 says: Via, From, Call-ID, CSeq copied, To tagged."""
    vias = request.all("Via")
    if via is not None:
        vias[0] = via
    to_value = request.require("To")
    if tag and status > 100 and request.to.tag is None:
        to_value = f"{to_value};tag={tag}"
    copied = [("Via", value) for value in vias]
    if status < 300:
        copied += [("Record-Route", value) for value in request.all("Record-Route")]
    copied += [
        ("From", request.require("From")),
        ("To", to_value),
        ("Call-ID", request.call_id),
        ("CSeq", request.require("CSeq")),
    ]
    if body:
        headers = (*headers, ("Content-Type", "application/sdp"))
    start = f"{VERSION} {status} {REASONS.get(status, 'Unknown')}"
    return Message(start, (*copied, *headers), body)
