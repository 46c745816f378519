"""Contacts in files: vCard 2.1, 3.0 and 4.0, and CSV, as telephones and mail programs write them.

Read is whatever can be made out (RFC 2426, RFC 6350, versit's vCard 2.1, and what Japanese
telephones make of it); written is vCard 3.0, which everything reads, and CSV for spreadsheets.
"""

import csv
import io
import quopri
import re
import unicodedata
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .contacts import Contact, RingRule, is_pattern, number_or_pattern
from .telephony.errors import NumberInvalidError
from .telephony.numbers import format_number

_ENCODINGS: Final = ("utf-8-sig", "cp932")
_WIDE_ENCODINGS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_LINE_OCTETS: Final = 75
_RULE: Final = "X-HIKARI-DENWA-RING-RULE"
_SHOW_NUMBER: Final = "X-HIKARI-DENWA-SHOW-NUMBER"
_PROPERTY = re.compile(rb"(?:[\w-]+\.)?(?P<name>[A-Za-z][\w-]*)(?P<rest>[;:].*)", re.DOTALL)
_PARAMETER = re.compile(r';((?:[^;:"]|"[^"]*")*)')
_ESCAPED = re.compile(r"\\([\\,;:nN])")
_WRITTEN_OUT = re.compile(r"[\\,;]")
_CJK = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")
_PICTURE = re.compile(r"https?://\S+|/[^/\s]\S*")
_TRUE: Final = frozenset({"1", "true", "yes", "on", "はい", "○"})


class ContactFormat(StrEnum):
    """How contacts are written."""

    VCARD = "vcard"
    CSV = "csv"


class FileUnreadableError(Exception):
    """What was given holds no contacts that could be made out."""


@dataclass(frozen=True, kw_only=True)
class ReadContacts:
    """What was found in a file; ``skipped`` names those without a number that can be kept."""

    contacts: list[Contact] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def read_contacts(data: bytes) -> ReadContacts:
    """Read a file of either kind; raises FileUnreadableError if no contact is in it."""
    wide = _WIDE_ENCODINGS.get(data[:2])
    plain = (data.decode(wide, "replace").encode() if wide else data).removeprefix(BOM_UTF8)
    is_vcard = re.search(rb"^\s*BEGIN:VCARD", plain, re.IGNORECASE | re.MULTILINE)
    found = _read_vcards(plain) if is_vcard else _read_csv(_decoded(plain))
    if not found.contacts and not found.skipped:
        raise FileUnreadableError
    return found


def write_contacts(contacts: Iterable[Contact], form: ContactFormat) -> str:
    """Return a file with all contacts."""
    if form is ContactFormat.CSV:
        return _written_csv(contacts)
    return "".join(_written_vcard(contact) for contact in contacts)


def _contact(
    name: str, numbers: Iterable[str], found: ReadContacts, **known: str | RingRule | bool | None
) -> None:
    """Keep a contact with those of its numbers that are any, or its name if there is none."""
    kept: dict[str, None] = {}
    for number in numbers:
        try:
            kept[number_or_pattern(number)] = None
        except NumberInvalidError:
            continue
    shown = name or next((format_number(number) for number in kept), "")
    if not kept:
        if shown:
            found.skipped.append(shown)
        return
    found.contacts.append(Contact(name=shown, numbers=tuple(kept), **known))  # type: ignore[arg-type]


def _decoded(data: bytes) -> str:
    """Return text in the first encoding that fits."""
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """Return text in one line, with kana and letters of ordinary width."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


# vCard


@dataclass(frozen=True)
class _Property:
    """One property of a card: its parameters in capitals, its value as it stands in the file."""

    name: str
    parameters: dict[str, list[str]]
    raw: bytes

    def has(self, parameter: str, value: str) -> bool:
        """Tell whether a parameter has a value; version 2.1 leaves the parameter's name out."""
        given = self.parameters.get(parameter, []) + self.parameters.get("", [])
        return value in (word.upper() for word in given)

    @property
    def quoted_printable(self) -> bool:
        """Tell whether the value is so encoded."""
        return self.has("ENCODING", "QUOTED-PRINTABLE")

    def text(self) -> str:
        """Return the value, decoded, its escapes left in."""
        raw = quopri.decodestring(self.raw) if self.quoted_printable else self.raw
        for charset in self.parameters.get("CHARSET", []):
            # Telephones say Shift_JIS and write Microsoft's characters too.
            named = "cp932" if "JIS" in charset.upper() and "SHIFT" in charset.upper() else charset
            try:
                return raw.decode(named)
            except UnicodeDecodeError, LookupError:
                continue
        return _decoded(raw)

    def words(self) -> str:
        """Return the value as a person reads it."""
        return _plain(_unescaped(self.text()))

    def parts(self, separator: str = ";") -> list[str]:
        """Return the members of a value of several."""
        return [_plain(_unescaped(part)) for part in re.split(rf"(?<!\\){separator}", self.text())]


def _read_vcards(data: bytes) -> ReadContacts:
    """Read every card of a file, also of one that breaks off."""
    found = ReadContacts()
    card: list[_Property] | None = None
    for line in _properties(data):
        marks = line.raw.strip().upper() == b"VCARD"
        if line.name == "BEGIN" and marks:
            if card:
                _read_card(card, found)
            card = []
        elif line.name == "END" and marks:
            _read_card(card or [], found)
            card = None
        elif card is not None:
            card.append(line)
    if card:
        _read_card(card, found)
    return found


def _properties(data: bytes) -> Iterator[_Property]:
    """Return the properties of a file, unfolded; what is none is passed over."""
    lines = iter(re.split(rb"\r\n|\n|\r", re.sub(rb"(?:\r\n|\n|\r)[ \t]", b"", data)))
    for line in lines:
        if (read := _property(line)) is None:
            continue
        while read.quoted_printable and read.raw.endswith(b"="):
            more = next(lines, b"")
            read = _Property(read.name, read.parameters, read.raw[:-1] + more)
        yield read


def _property(line: bytes) -> _Property | None:
    """Read one line."""
    if (match := _PROPERTY.fullmatch(line)) is None:
        return None
    # Latin-1 gives back every byte; only the value may hold others than ASCII.
    rest = match["rest"].decode("latin-1")
    parameters: dict[str, list[str]] = {}
    at = 0
    while parameter := _PARAMETER.match(rest, at):
        name, equals, value = parameter[1].partition("=")
        key, values = (name.upper(), value) if equals else ("", name)
        parameters.setdefault(key, []).extend(values.replace('"', "").split(","))
        at = parameter.end()
    if rest[at : at + 1] != ":":
        return None
    return _Property(match["name"].decode().upper(), parameters, rest[at + 1 :].encode("latin-1"))


def _read_card(card: Sequence[_Property], found: ReadContacts) -> None:
    """Keep what a card tells."""
    named: dict[str, list[_Property]] = {}
    for line in card:
        named.setdefault(line.name, []).append(line)

    def first(name: str, read: Callable[[_Property], str] = _Property.words) -> str:
        """Return the first value of a property that is not empty."""
        return next(filter(None, map(read, named.get(name, []))), "")

    def part_of_first(name: str) -> str:
        """Return the first member of the first value that is not empty."""
        return next((part for line in named.get(name, []) for part in line.parts(",") if part), "")

    rule = first(_RULE).lower()
    picture = first("PHOTO", _address)
    telephones = sorted(named.get("TEL", []), key=_telephone_rank)
    _contact(
        first("FN") or first("N", _full_name) or first("NICKNAME") or first("ORG"),
        [_unescaped(line.text()) for line in telephones],
        found,
        reading=_reading(named) or None,
        group=part_of_first("CATEGORIES") or None,
        picture=picture if _PICTURE.fullmatch(picture) else None,
        language=first("LANG") or None,
        ring_rule=RingRule(rule) if rule in RingRule else RingRule.NORMAL,
        show_number=first(_SHOW_NUMBER).lower() in _TRUE,
    )


def _telephone_rank(line: _Property) -> tuple[bool, bool]:
    """Return what sorts the number to call first, and facsimiles last."""
    return line.has("TYPE", "FAX"), not (line.has("TYPE", "PREF") or "PREF" in line.parameters)


def _address(line: _Property) -> str:
    """Return where a picture is; one that the card itself holds has no address."""
    inside = line.has("ENCODING", "BASE64") or line.has("ENCODING", "B")
    return "" if inside else line.words()


def _full_name(line: _Property) -> str:
    """Return the name of an N property, in the order of its language."""
    family, given, *_ = [*line.parts(), "", ""]
    if _CJK.search(f"{family}{given}"):
        return " ".join(filter(None, (family, given)))
    return " ".join(filter(None, (given, family)))


def _reading(named: dict[str, list[_Property]]) -> str:
    """Return how a name is spoken: as smartphones, version 3.0, 4.0 or old telephones tell it."""
    parts = ("X-PHONETIC-LAST-NAME", "X-PHONETIC-MIDDLE-NAME", "X-PHONETIC-FIRST-NAME")
    phonetic = [line.words() for name in parts for line in named.get(name, [])[:1]]
    if spoken := " ".join(filter(None, phonetic)):
        return spoken
    for line in named.get("SORT-STRING", []):
        return line.words()
    for line in (*named.get("N", []), *named.get("FN", [])):
        if sort_as := line.parameters.get("SORT-AS"):
            words = " ".join(sort_as).encode("latin-1")
            return _plain(_unescaped(_decoded(words)))
    for line in named.get("SOUND", []):
        if line.has("TYPE", "X-IRMC-N"):
            return " ".join(filter(None, line.parts()))
    return ""


def _unescaped(text: str) -> str:
    """Return a value with its backslashes resolved."""
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def _written_vcard(contact: Contact) -> str:
    """Return a contact as a card of version 3.0."""
    family, _, given = contact.name.partition(" ")
    if not _CJK.search(contact.name):
        given, _, family = contact.name.rpartition(" ")
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"FN:{_escaped(contact.name)}",
        f"N:{_escaped(family)};{_escaped(given)};;;",
    ]
    if contact.reading:
        family, _, given = contact.reading.partition(" ")
        lines += [
            f"X-PHONETIC-LAST-NAME:{_escaped(family)}",
            *([f"X-PHONETIC-FIRST-NAME:{_escaped(given)}"] if given else []),
        ]
    lines += [f"TEL;TYPE=VOICE:{_shown(number)}" for number in contact.numbers]
    optional = (
        ("CATEGORIES", _escaped(contact.group or "")),
        ("PHOTO;VALUE=URI", contact.picture or ""),
        ("LANG", contact.language or ""),
        (_RULE, "" if contact.ring_rule is RingRule.NORMAL else contact.ring_rule.value),
        (_SHOW_NUMBER, "true" if contact.show_number else ""),
    )
    lines += [f"{name}:{value}" for name, value in optional if value]
    lines.append("END:VCARD")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _escaped(text: str) -> str:
    """Return a text as a value."""
    return _WRITTEN_OUT.sub(lambda match: f"\\{match[0]}", text).replace("\n", "\\n")


def _folded(line: str) -> str:
    """Return a line in pieces of at most 75 octets (RFC 2426 §2.6), no character cut through."""
    pieces, piece, size = [], "", 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _LINE_OCTETS:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + character, size + octets
    return "\r\n".join([*pieces, piece])


def _shown(number: str) -> str:
    """Return a number as people write it, a pattern as it is."""
    return number if is_pattern(number) else format_number(number)


# CSV

_COLUMNS: Final = (
    "name",
    "reading",
    "numbers",
    "group",
    "ring_rule",
    "language",
    "show_number",
    "picture",
)
_READING_HEADER = re.compile(r"ふりがな|フリガナ|よみ|読み|カナ|phonetic|yomi|reading")
_FAMILY_HEADER = re.compile(r"姓|名字|苗字|last|family|surname")
_GIVEN_HEADER = re.compile(r"名$|名\b|名前?\)|first|given")
_NAME_HEADER = re.compile(r"name|full ?name|display ?name|表示名|名前|氏名|お?名前|会社名?|宛名")
_NUMBER_HEADER = re.compile(r"電話|携帯|番号|phone|mobile|\btel|numbers?\b|自宅$")
_NO_NUMBER_HEADER = re.compile(r"label|type|ラベル|種類|種別|郵便|会員|社員|顧客|no\.")
_GROUP_HEADER = re.compile(r"groups?( membership)?|labels?|categor(y|ies)|グループ名?|分類|ラベル")
_SEPARATOR = re.compile(r"\s*(?::::|;|、|\n)\s*")


def _read_csv(text: str) -> ReadContacts:
    """Read a table with a row of headings, or one of names and numbers without."""
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [row for row in table if any(map(str.strip, row))]
    except csv.Error as error:
        raise FileUnreadableError from error
    if not rows:
        raise FileUnreadableError
    found = ReadContacts()
    if any(map(_is_number, rows[0])):
        for name, *numbers in rows:
            _contact(_plain(name), _split(numbers), found)
        return found
    columns = _Columns.of([_plain(heading).lower() for heading in rows[0]])
    if not columns.numbers:
        raise FileUnreadableError
    for row in rows[1:]:
        columns.read(row, found)
    return found


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Where in a row what stands."""

    name: list[int]
    family: list[int]
    given: list[int]
    reading: list[int]
    numbers: list[int]
    group: list[int]
    named: dict[str, int]

    @classmethod
    def of(cls, headings: Sequence[str]) -> _Columns:
        """Find the columns by their headings."""

        def where(fits: Callable[[str], object]) -> list[int]:
            return [at for at, heading in enumerate(headings) if fits(heading)]

        readings = where(_READING_HEADER.search)
        spoken = [at for at in readings if _FAMILY_HEADER.search(headings[at])]
        spoken += [at for at in readings if at not in spoken]
        silent = set(readings)
        numbers = [
            at for at in where(_NUMBER_HEADER.search) if not _NO_NUMBER_HEADER.search(headings[at])
        ]
        taken = silent | set(numbers)
        return cls(
            name=[at for at in where(_NAME_HEADER.fullmatch) if at not in taken],
            family=[at for at in where(_FAMILY_HEADER.search) if at not in taken],
            given=[at for at in where(_GIVEN_HEADER.search) if at not in taken],
            reading=spoken,
            numbers=numbers,
            group=[at for at in where(_GROUP_HEADER.fullmatch) if at not in taken],
            named={heading: at for at, heading in enumerate(headings)},
        )

    def read(self, row: Sequence[str], found: ReadContacts) -> None:
        """Keep what a row tells."""

        def cells(columns: Iterable[int]) -> list[str]:
            return [cell for at in columns if at < len(row) and (cell := _plain(row[at]))]

        def cell(name: str) -> str:
            return next(iter(cells([self.named[name]] if name in self.named else [])), "")

        family, given = cells(self.family)[:1], cells(self.given)[:1]
        parts = [*family, *given] if _CJK.search("".join(family + given)) else [*given, *family]
        name = " ".join(parts) or next(iter(cells(self.name)), "")
        rule, picture = cell("ring_rule").lower(), cell("picture")
        groups = [part for group in cells(self.group) for part in _SEPARATOR.split(group)]
        # Google marks its own groups with an asterisk.
        group = next((part for part in groups if part and not part.startswith("*")), None)
        _contact(
            next(iter(cells(self.name)), "") or name,
            _split(row[at] for at in self.numbers if at < len(row)),
            found,
            reading=" ".join(cells(self.reading)) or None,
            group=group,
            picture=picture if _PICTURE.fullmatch(picture) else None,
            language=cell("language") or None,
            ring_rule=RingRule(rule) if rule in RingRule else RingRule.NORMAL,
            show_number=cell("show_number").lower() in _TRUE,
        )


def _split(cells: Iterable[str]) -> list[str]:
    """Return the numbers of cells that may hold several each."""
    return [part for cell in cells for part in _SEPARATOR.split(cell.strip()) if part]


def _is_number(cell: str) -> bool:
    """Tell whether a cell of the first row is a number, and the row so no heading."""
    try:
        return bool(cell.strip()) and bool(number_or_pattern(cell))
    except NumberInvalidError:
        return False


def _written_csv(contacts: Iterable[Contact]) -> str:
    """Return a table that spreadsheets open: they want the mark at its beginning."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for contact in contacts:
        writer.writerow(
            (
                contact.name,
                contact.reading or "",
                "; ".join(map(_shown, contact.numbers)),
                contact.group or "",
                contact.ring_rule.value,
                contact.language or "",
                "true" if contact.show_number else "false",
                contact.picture or "",
            )
        )
    return out.getvalue()
