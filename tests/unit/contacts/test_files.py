"""Contacts in files, as telephones and programs really write them, and as we write them."""

import quopri
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.contact_files import (
    ContactFormat,
    FileUnreadableError,
    read_contacts,
    write_contacts,
)
from custom_components.hikari_denwa.contacts import Contact, RingRule


def quoted(text: str, encoding: str) -> str:
    """Return text as quoted-printable with soft line breaks after few characters."""
    plain = quopri.encodestring(text.encode(encoding), quotetabs=True).decode()
    return plain.replace("\n", "\r\n")


def card(*lines: str) -> str:
    """Return a card."""
    return "\r\n".join(["BEGIN:VCARD", *lines, "END:VCARD", ""])


def only(data: bytes) -> Contact:
    """Return the one contact of a file."""
    found = read_contacts(data)
    (contact,) = found.contacts
    assert found.skipped == []
    return contact


def test_feature_phone() -> None:
    """Version 2.1 in Shift_JIS, with half-width kana and a picture, as a ガラケー writes it."""
    name = quoted("髙橋;花子;;;", "cp932")
    text = card(
        "VERSION:2.1",
        f"N;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:{name}",
        "SOUND;X-IRMC-N;CHARSET=SHIFT_JIS:ﾀｶﾊｼ;ﾊﾅｺ;;;",
        "TEL;FAX:0311112222",
        "TEL;CELL;VOICE:090-1234-5678",
        "TEL;PREF;VOICE:03(1234)5678",
        "PHOTO;JPEG;ENCODING=BASE64:",
        " /9j/4AAQSkZJRgABAQ",
        " AAAQABAAD/2wBDAAYE",
        "",
    )
    assert only(text.encode("cp932")) == Contact(
        name="髙橋 花子",
        reading="タカハシ ハナコ",
        numbers=("0312345678", "09012345678", "0311112222"),
    )


def test_soft_line_breaks() -> None:
    """A long name goes over several lines."""
    name = "とても" * 30
    encoded = quoted(name, "utf-8")
    assert "=\r\n" in encoded
    text = card("VERSION:2.1", f"FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:{encoded}", "TEL:1")
    assert only(text.encode()).name == name


def test_smartphone() -> None:
    """Version 3.0 as a smartphone writes it: groups of properties, folded lines, phonetic names."""
    text = card(
        "VERSION:3.0",
        "PRODID:-//Telephone//JA",
        "N:山田;太郎;;;",
        "FN:山田 太",
        " 郎",
        "X-PHONETIC-FIRST-NAME:たろう",
        "X-PHONETIC-LAST-NAME:やまだ",
        'item1.TEL;type="pref,CELL":+81 90 1234 5678',
        "item1.X-ABLabel:_$!<Mobile>!$_",
        "TEL;type=HOME;type=VOICE:03-1234-5678",
        "CATEGORIES:家族\\, 親戚,友人",
        "NOTE:eins\\nzwei",
    )
    assert only(text.encode()) == Contact(
        name="山田 太郎",
        reading="やまだ たろう",
        numbers=("09012345678", "0312345678"),
        group="家族, 親戚",
    )


def test_version_4() -> None:
    """Numbers as addresses, the reading as a parameter, a language, a picture by its address."""
    text = card(
        "VERSION:4.0",
        'N;SORT-AS="そふぼ":祖父母;;;;',
        "FN:祖父母",
        'TEL;VALUE=uri;PREF=1;TYPE="voice,home":tel:+81-45-123-4567',
        "LANG;PREF=1:ja",
        "PHOTO:https://example.test/grandparents.jpg",
    )
    assert only(text.encode()) == Contact(
        name="祖父母",
        reading="そふぼ",
        numbers=("0451234567",),
        language="ja",
        picture="https://example.test/grandparents.jpg",
    )


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["N:Smith;John;;;"], "John Smith"),
        (["N:鈴木;一郎;;;"], "鈴木 一郎"),
        (["ORG:Example Co.;Sales"], "Example Co.;Sales"),
        (["NICKNAME:Grandma"], "Grandma"),
        ([], "03-1234-5678"),
        (["FN:"], "03-1234-5678"),
    ],
)
def test_names(lines: list[str], name: str) -> None:
    """A card without a full name has one made of what there is."""
    assert only(card("VERSION:3.0", *lines, "TEL:0312345678").encode()).name == name


@pytest.mark.parametrize("line", ["SORT-STRING:やまだ", "X-PHONETIC-LAST-NAME:やまだ"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_encodings(line: str, encoding: str) -> None:
    """A file tells its encoding by what is in it."""
    text = card("VERSION:3.0", "FN:山田商店（株）", line, "TEL:0312345678")
    contact = only(text.encode(encoding))
    assert (contact.name, contact.reading) == ("山田商店(株)", "やまだ")


def test_damaged_cards() -> None:
    """What can be made out is taken: no end, no beginning, lines of no sense, wrong charsets."""
    text = (
        "END:VCARD\nBEGIN:VCARD\nFN:A\nTEL:1\nBEGIN:VCARD\nthis is no property\n;:\nFN;x:B\n"
        'FN;CHARSET=NONSENSE:B\nTEL;TYPE="x:2\nTEL:2\nTEL:two\nN\nEND:VCARD\nBEGIN:VCARD\nFN:C\n'
    )
    found = read_contacts(text.encode())
    assert [(contact.name, contact.numbers) for contact in found.contacts] == [
        ("A", ("1",)),
        ("B", ("2",)),
    ]
    assert found.skipped == ["C"]


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        (
            (
                "Name,Given Name,Family Name,Given Name Yomi,Family Name Yomi,Group Membership,"
                "Phone 1 - Type,Phone 1 - Value,Phone 2 - Type,Phone 2 - Value\n"
                "山田 太郎,太郎,山田,たろう,やまだ,* myContacts ::: 家族,Mobile,"
                "090-1234-5678 ::: 03-1234-5678,Home,0451234567\n"
            ),
            Contact(
                name="山田 太郎",
                reading="やまだ たろう",
                group="家族",
                numbers=("09012345678", "0312345678", "0451234567"),
            ),
        ),
        (
            (
                "姓,名,姓（ふりがな）,名（ふりがな）,自宅電話番号,携帯電話,自宅郵便番号,分類\n"
                "鈴木,花子,すずき,はなこ,045-123-4567,080-1234-5678,231-0001,友人\n"
            ),
            Contact(
                name="鈴木 花子",
                reading="すずき はなこ",
                group="友人",
                numbers=("0451234567", "08012345678"),
            ),
        ),
        (
            "氏名;フリガナ;電話番号\n田中;タナカ;0312345678\n",
            Contact(name="田中", reading="タナカ", numbers=("0312345678",)),
        ),
        (
            "First Name\tLast Name\tMobile Phone\nJohn\tSmith\t+1 212 555 0100\n",
            Contact(name="John Smith", numbers=("01012125550100",)),
        ),
        ("ドアホン,1\n", Contact(name="ドアホン", numbers=("1",))),
        ("Name,Phone\n,0312345678\n", Contact(name="03-1234-5678", numbers=("0312345678",))),
    ],
)
def test_tables(text: str, contact: Contact) -> None:
    """Tables of mail programs, directories and people."""
    assert only(text.encode("cp932")) == contact
    assert only(text.encode("utf-8-sig")) == contact


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"hello",
        b"Name,Address\nA,B\n",
        b"BEGIN:VCARD\nEND:VCARD\n",
        b'"',
        bytes(range(256)),
        b"\xff\xfe\x00",
    ],
)
def test_nothing_to_read(data: bytes) -> None:
    """A file without contacts is refused, whatever is in it."""
    with pytest.raises(FileUnreadableError):
        read_contacts(data)


_WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S"), max_codepoint=0xFFFF), min_size=1, max_size=12
)
_NAMES = st.lists(_WORDS, min_size=1, max_size=3).map(" ".join)
_NUMBERS = st.lists(
    st.text(string.digits, min_size=1, max_size=15).flatmap(
        lambda digits: st.sampled_from([digits, f"{digits}*"])
    ),
    min_size=1,
    max_size=4,
    unique=True,
).map(tuple)


@given(
    st.builds(
        Contact,
        name=_NAMES,
        numbers=_NUMBERS,
        reading=st.none() | _NAMES,
        group=st.none() | _WORDS,
        picture=st.sampled_from([None, "/local/a.jpg", "https://example.test/a,b;c.png"]),
        ring_rule=st.sampled_from(RingRule),
        language=st.sampled_from([None, "ja", "en-GB"]),
        show_number=st.booleans(),
    ),
)
def test_vcard_and_back(contact: Contact) -> None:
    """What we write in a card, we read again, and no line is longer than 75 octets."""

    def plain(text: str | None) -> str | None:
        return " ".join(unicodedata.normalize("NFKC", text).split()) if text else None

    written = write_contacts([contact], ContactFormat.VCARD)
    assert all(len(line.encode()) <= 75 for line in written.split("\r\n"))
    read = only(written.encode())
    assert read.name == plain(contact.name)
    assert read.reading == plain(contact.reading)
    assert read.numbers == contact.numbers
    assert (read.picture, read.ring_rule, read.language, read.show_number) == (
        contact.picture,
        contact.ring_rule,
        contact.language,
        contact.show_number,
    )


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """No file raises anything but what is promised."""
    for form in (data, b"BEGIN:VCARD\nTEL:1\n" + data, b"name,phone\n" + data):
        try:
            read_contacts(form)
        except FileUnreadableError:
            continue


def test_table_and_back() -> None:
    """What we write in a table, a spreadsheet opens as UTF-8, and we read again."""
    contacts = [
        Contact(
            name='山田, "太郎"',
            reading="やまだ たろう",
            numbers=("0312345678", "0120*"),
            group="家族",
            picture="/local/a.jpg",
            ring_rule=RingRule.SILENT,
            language="ja",
            show_number=True,
        ),
        Contact(name="Door", numbers=("1",), ring_rule=RingRule.DOOR_PHONE),
    ]
    written = write_contacts(contacts, ContactFormat.CSV)
    assert written.startswith("\ufeffname,reading,numbers")
    assert read_contacts(written.encode()).contacts == contacts


@pytest.mark.parametrize("charset", ["KLINGON", "US-ASCII"])
def test_character_set_that_is_none(charset: str) -> None:
    """A card that names a character set wrongly is read as what it is."""
    name = quoted("花子", "utf-8")
    text = card("VERSION:2.1", f"FN;CHARSET={charset};ENCODING=QUOTED-PRINTABLE:{name}", "TEL:1")
    assert only(text.encode()).name == "花子"


def test_long_lines_are_folded() -> None:
    """At most 75 octets a line, and no character is cut through."""
    contact = Contact(name="長い名前" * 30, numbers=("0312345678",))
    written = write_contacts([contact], ContactFormat.VCARD)
    assert max(len(line.encode()) for line in written.split("\r\n")) <= 75
    assert only(written.encode()).name == contact.name


def test_table_that_is_none() -> None:
    """A field without an end that is larger than a table's can be is no table."""
    text = 'name,phone\n"' + "x" * 200_000
    with pytest.raises(FileUnreadableError):
        read_contacts(text.encode())
