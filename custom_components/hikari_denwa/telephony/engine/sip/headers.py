"""Header fields (RFC 3261 §7.3) and the lexical rules that all of them share (§25.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

Parameters = tuple[tuple[str, str | None], ...]
"""Parameters in their order; a value stands as written, quotes too, and is None when absent."""

COMPACT_FORMS = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_NAMES = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Authentication-Info",
    "Authorization",
    "Call-Info",
    "Content-Disposition",
    "Content-Language",
    "CSeq",
    "Date",
    "Error-Info",
    "Expires",
    "History-Info",
    "In-Reply-To",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Associated-URI",
    "P-Called-Party-ID",
    "P-Early-Media",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Remote-Party-ID",
    "Reply-To",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Server",
    "Service-Route",
    "Timestamp",
    "Unsupported",
    "User-Agent",
    "Warning",
    "WWW-Authenticate",
)
_CANONICAL = {name.lower(): name for name in (*_NAMES, *COMPACT_FORMS.values())} | COMPACT_FORMS

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]++")
_LIST_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|<[^>]*+(?:>|\Z)|[^",<]++|,', re.DOTALL)
_PARAMETER = re.compile(
    r"[ \t]*;[ \t]*([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*"
    r'(?:=[ \t]*("(?:[^"\\]|\\.)*+"|[^\s;,"<>]*+)[ \t]*)?',
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r'(["\\\x00-\x08\x0b-\x1f\x7f])')


def is_token(text: str) -> bool:
    """Tell whether the text is a `token` of RFC 3261 §25.1."""
    return _TOKEN.fullmatch(text) is not None


def quote(text: str) -> str:
    """Write a quoted-string (RFC 3261 §25.1); line breaks become spaces."""
    flat = text.replace("\r", " ").replace("\n", " ")
    escaped = _NEEDS_ESCAPE.sub(r"\\\1", flat)
    return f'"{escaped}"'


def unquote(text: str) -> str:
    """Read a quoted-string, or give back anything else as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def split_list(text: str) -> list[str]:
    """Split at the commas that stand outside quotes and angle brackets (RFC 3261 §7.3.1).

    Elements are stripped; empty ones stay, so that the reader may refuse them.
    """
    if "," not in text:
        return [text.strip()]
    if '"' not in text and "<" not in text:
        return [element.strip() for element in text.split(",")]
    elements: list[str] = []
    pieces: list[str] = []
    for piece in _LIST_PIECE.findall(text):
        if piece == ",":
            elements.append("".join(pieces).strip())
            pieces.clear()
        else:
            pieces.append(piece)
    elements.append("".join(pieces).strip())
    return elements


def parse_parameters(text: str) -> Parameters:
    """Read `;name=value;name…` (RFC 3261 §25.1 generic-param); ValueError for anything else."""
    if not text.strip(" \t"):
        return ()
    parameters: list[tuple[str, str | None]] = []
    position = 0
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None:
            raise ValueError("malformed parameters")
        parameters.append((found[1], found[2]))
        position = found.end()
    return tuple(parameters)


def format_parameters(parameters: Parameters) -> str:
    """Write parameters with their leading semicolons."""
    return "".join(
        f";{name}" if value is None else f";{name}={value}" for name, value in parameters
    )


def find_parameter(parameters: Parameters, name: str) -> str | None:
    """Give the unquoted value of a parameter: "" when it has none, None when it is absent."""
    wanted = name.lower()
    for each, value in parameters:
        if each.lower() == wanted:
            return "" if value is None else unquote(value)
    return None


def replace_parameter(parameters: Parameters, name: str, value: str | None) -> Parameters:
    """Put a parameter in the place of its namesakes, or at the end."""
    wanted = name.lower()
    changed: list[tuple[str, str | None]] = []
    placed = False
    for each in parameters:
        if each[0].lower() != wanted:
            changed.append(each)
        elif not placed:
            changed.append((each[0], value))
            placed = True
    if not placed:
        changed.append((name, value))
    return tuple(changed)


def canonical_name(name: str) -> str:
    """Give the long form and usual spelling of a header field name (RFC 3261 §7.3.3)."""
    return _CANONICAL.get(name.lower(), name)


class Headers:
    """An ordered multi-map of header fields; names are compared without case, in long form."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, str]] | None = None) -> None:
        """Take (name, value) pairs in their order; ValueError for what may not be sent."""
        self._fields: list[tuple[str, str]] = []
        for name, value in fields or ():
            self.add(name, value)

    def __contains__(self, name: str) -> bool:
        """Tell whether a field of the name is there."""
        return self.get(name) is not None

    def __len__(self) -> int:
        """Count the fields."""
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        """Compare fields, values and order."""
        if not isinstance(other, Headers):
            return NotImplemented
        return self._keyed() == other._keyed()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show the fields."""
        return f"Headers({self._fields!r})"

    def get(self, name: str) -> str | None:
        """Give the first value of a field, or None."""
        wanted = canonical_name(name).lower()
        for each, value in self._fields:
            if each.lower() == wanted:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Give the values of all fields of the name, one for each line, in order."""
        wanted = canonical_name(name).lower()
        return [value for each, value in self._fields if each.lower() == wanted]

    def elements(self, name: str) -> list[str]:
        """Give the elements of a comma-separated list over repeated fields, empty ones too."""
        return [element for value in self.get_all(name) for element in split_list(value)]

    def tokens(self, name: str) -> list[str]:
        """Give the elements of a comma-separated list over repeated fields, without empty ones."""
        return [element for element in self.elements(name) if element]

    def add(self, name: str, value: str) -> None:
        """Put a field after all others; ValueError when it would break the message."""
        self._fields.append(_checked(name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a field before all others (a Via on its way out)."""
        self._fields.insert(0, _checked(name, value))

    def set(self, name: str, value: str) -> None:
        """Put a field in the place of the first of its name and drop the others of that name."""
        field = _checked(name, value)
        wanted = field[0].lower()
        for index, (each, _) in enumerate(self._fields):
            if each.lower() == wanted:
                rest = [kept for kept in self._fields[index + 1 :] if kept[0].lower() != wanted]
                self._fields[index:] = [field, *rest]
                return
        self._fields.append(field)

    def remove(self, name: str) -> None:
        """Drop all fields of the name, if any."""
        wanted = canonical_name(name).lower()
        self._fields = [field for field in self._fields if field[0].lower() != wanted]

    def items(self) -> Iterator[tuple[str, str]]:
        """Go through (name, value) in order."""
        return iter(self._fields)

    def copy(self) -> Headers:
        """Give an independent copy."""
        twin = Headers()
        twin._fields = self._fields.copy()
        return twin

    def _keyed(self) -> list[tuple[str, str]]:
        """Give the fields with names in lower case."""
        return [(name.lower(), value) for name, value in self._fields]


def _checked(name: str, value: str) -> tuple[str, str]:
    """Bring a field into canonical form; ValueError when a name or a line break forbids it."""
    canonical = _CANONICAL.get(name.lower())
    if canonical is None:
        if not is_token(name):
            raise ValueError("malformed header name")
        canonical = name
    if "\r" in value or "\n" in value:
        raise ValueError("line break in a header")
    return canonical, value.strip(" \t")
