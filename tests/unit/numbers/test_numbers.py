"""What a person writes becomes dial digits, and digits become what a person reads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.errors import NumberInvalidError
from custom_components.hikari_denwa.telephony.numbers import (
    MAX_DIGITS,
    format_number,
    is_emergency,
    normalize,
)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("0312345678", "0312345678"),
        ("03-1234-5678", "0312345678"),
        ("03(1234)5678", "0312345678"),
        ("(03) 1234 5678", "0312345678"),
        ("０３－１２３４－５６７８", "0312345678"),
        ("03ー1234ー5678", "0312345678"),
        ("03ｰ1234ｰ5678", "0312345678"),
        ("03‐1234‑5678", "0312345678"),
        ("03–1234—5678", "0312345678"),
        ("03−1234―5678", "0312345678"),
        ("03.1234.5678", "0312345678"),
        ("\u202d03-1234-5678\u202c", "0312345678"),
        ("０３　１２３４　５６７８", "0312345678"),
        ("+81312345678", "0312345678"),
        ("＋８１－３－１２３４－５６７８", "0312345678"),
        ("+81 (0)3 1234 5678", "0312345678"),
        ("+81 90-1234-5678", "09012345678"),
        ("tel:+81-3-1234-5678", "0312345678"),
        ("TEL:0312345678;phone-context=+81", "0312345678"),
        ("+1 212-555-0100", "01012125550100"),
        ("184 03-1234-5678", "1840312345678"),
        ("＃７１１９", "#7119"),
        ("♯7119", "#7119"),
        ("＊21", "*21"),
        ("1", "1"),
        (" 117 ", "117"),
    ],
)
def test_normalize(text: str, digits: str) -> None:
    """Every usual way of writing a number comes down to its digits."""
    assert normalize(text) == digits


@pytest.mark.parametrize(
    "text",
    ["", " ", "-", "+", "home", "03-1234-567x", "٠٣", "0312345678;ext=5", "03,1234", "1" * 33],
)
def test_normalize_refuses(text: str) -> None:
    """What is no number is refused, and the error shows what was written."""
    with pytest.raises(NumberInvalidError) as error:
        normalize(text)
    assert error.value.placeholders == {"number": text}


@given(st.text(max_size=40))
def test_normalize_gives_digits_or_the_error(text: str) -> None:
    """Nothing but dial digits ever comes out, and the result is stable."""
    try:
        digits = normalize(text)
    except NumberInvalidError:
        return
    assert re.fullmatch(r"[0-9*#]{1,32}", digits)
    assert len(digits) <= MAX_DIGITS
    assert normalize(digits) == digits


@pytest.mark.parametrize(
    "text",
    [
        "110",
        "118",
        "119",
        "１１０",
        "1-1-9",
        "1 1 8",
        "184110",
        "186-119",
        "184 186 119",
        "+81110",
        "+81 119",
        "tel:110",
        "010 81 118",
        "1190",
        "119#",
        "*119",
        "1#1#0",
        "0119",
    ],
)
def test_emergency(text: str) -> None:
    """The three numbers are found in whatever dress."""
    assert is_emergency(normalize(text))


@pytest.mark.parametrize(
    "text",
    [
        "117",
        "111",
        "0118001234",
        "+81 11-800-1234",
        "0312340110",
        "#9110",
        "#7119",
        "11",
        "184",
        "0120119119",
        "18411",
    ],
)
def test_not_emergency(text: str) -> None:
    """Sapporo, the time signal, consultation numbers and extensions stay free."""
    assert not is_emergency(normalize(text))


@given(
    st.sampled_from(["110", "118", "119"]),
    st.lists(st.sampled_from(["184", "186"]), max_size=3),
    st.sampled_from(["", "-", " ", "ー", "　", "‐"]),
    st.booleans(),
)
def test_emergency_in_every_dress(
    number: str, prefixes: list[str], separator: str, wide: bool
) -> None:
    """Prefixes, separators and full-width digits do not hide an emergency number."""
    text = separator.join([*prefixes, *number])
    if wide:
        text = text.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    assert is_emergency(normalize(text))


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("0312345678", "03-1234-5678"),
        ("0451234567", "045-123-4567"),
        ("0166123456", "0166-12-3456"),
        ("09012345678", "090-1234-5678"),
        ("05012345678", "050-1234-5678"),
        ("0120123456", "0120-123-456"),
        ("08001234567", "0800-123-4567"),
        ("0570012345", "0570-012-345"),
        ("1840312345678", "184 03-1234-5678"),
        ("18609012345678", "186 090-1234-5678"),
        ("184", "184"),
        ("1", "1"),
        ("12", "12"),
        ("117", "117"),
        ("#7119", "#7119"),
        ("*21", "*21"),
        ("01012125550100", "010 1 2125550100"),
        ("010442079460000", "010 44 2079460000"),
        ("010", "010"),
        ("0312", "0312"),
        ("", ""),
    ],
)
def test_format_number(digits: str, shown: str) -> None:
    """Numbers carry the hyphens of their area; the rest is left as it is."""
    assert format_number(digits) == shown


@given(st.text(alphabet="0123456789*#", max_size=MAX_DIGITS))
def test_format_keeps_the_digits(digits: str) -> None:
    """Showing a number never changes what it dials."""
    shown = format_number(digits)
    assert re.sub(r"[- ]", "", shown) == digits
