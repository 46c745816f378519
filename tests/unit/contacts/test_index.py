"""Who is behind a number."""

import random
import time

import pytest

from custom_components.hikari_denwa.contacts import (
    Contact,
    ContactIndex,
    NumberSet,
    RingRule,
    is_pattern,
    number_or_pattern,
)
from custom_components.hikari_denwa.telephony.errors import NumberInvalidError


def contact(name: str, *numbers: str, line: str = "line-1") -> Contact:
    """Return a contact whose identity is its name."""
    return Contact(id=name, line=line, name=name, numbers=numbers)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("03-1234-5678", "0312345678"),
        ("+81 3 1234 5678", "0312345678"),
        ("0120*", "0120*"),
        ("0120-＊", "0120*"),
        ("０１２０-*", "0120*"),
        ("*21", "*21"),
        ("3", "3"),
    ],
)
def test_numbers_as_people_write_them(written: str, kept: str) -> None:
    """Numbers are normalised, beginnings too."""
    assert number_or_pattern(written) == kept
    assert is_pattern(kept) is kept.endswith("*")


@pytest.mark.parametrize("written", ["", "*", "abc*", "Grandmother", "0120*1 x"])
def test_what_is_no_number(written: str) -> None:
    """What is none is told as it was written."""
    with pytest.raises(NumberInvalidError) as error:
        number_or_pattern(written)
    assert error.value.placeholders == {"number": written}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("0312345678", "Office"),
        ("1860312345678", "Office"),
        ("0355551234", "Company"),
        ("0355559999", "Company, Sales"),
        ("03555", "Company"),
        ("0355", None),
        ("1", "Door"),
        ("11", None),
        ("", None),
        (None, None),
    ],
)
def test_find(number: str | None, name: str | None) -> None:
    """A whole number goes before a beginning, a longer beginning before a shorter."""
    index = ContactIndex(
        [
            contact("Company", "03555*"),
            contact("Company, Sales", "035555999*"),
            contact("Office", "186 0312345678".replace(" ", ""), "0312345678"),
            contact("Door", "1"),
        ]
    )
    found = index.find(number)
    assert (found.name if found else None) == name


def test_of_several_the_line_s_own() -> None:
    """Two contacts may share a number: the line's own goes first, else the older."""
    index = ContactIndex([contact("A", "1"), contact("B", "1", line="line-2")])
    assert [index.find("1", line).name for line in (None, "line-1", "line-2", "line-3")] == [  # type: ignore[union-attr]
        "A",
        "A",
        "B",
        "A",
    ]


def test_change_and_remove() -> None:
    """A contact that changed is found by its new numbers alone."""
    index = ContactIndex([contact("A", "1", "0120*"), contact("B", "2")])
    index.put(contact("A", "3"))
    assert [index.find(number) is not None for number in ("1", "2", "3", "01201")] == [
        False,
        True,
        True,
        False,
    ]
    index.remove("A")
    index.remove("A")
    assert [found.name for found in index] == ["B"]
    assert len(index) == 1


def test_data_and_back() -> None:
    """What is kept makes the same contact again; what is not known is left out."""
    full = Contact(
        id="1",
        line="line-1",
        name="山田 太郎",
        numbers=("0312345678", "0120*"),
        reading="やまだ たろう",
        group="家族",
        picture="/local/a.jpg",
        ring_rule=RingRule.VIP,
        language="ja",
        show_number=True,
        dial_button=False,
    )
    bare = Contact(id="2", line="line-1", name="B", numbers=("0120*",))
    for one in (full, bare):
        assert Contact.from_data(one.name, one.as_data(), id=one.id, line=one.line) == one
    assert None not in bare.as_data().values()
    assert full.number_to_dial == "0312345678"
    assert bare.number_to_dial is None


def test_set_of_numbers() -> None:
    """Whole numbers and beginnings."""
    blocked = NumberSet(["0312345678", "0120*", "010*"])
    assert [
        number in blocked for number in ("0312345678", "0120111222", "0101555", "03123456")
    ] == [
        True,
        True,
        True,
        False,
    ]


def test_ten_thousand_contacts() -> None:
    """A look-up does not grow with the book: every one is right, and 10,000 take no time.

    The figure is measured by the bench; this limit is a hundred times what a slow machine needs.
    """
    dice = random.Random(7)
    numbers = [f"03{dice.randrange(10**8):08}" for _ in range(10_000)]
    index = ContactIndex(contact(f"C{at}", number) for at, number in enumerate(numbers))
    began = time.perf_counter()
    for number in numbers:
        found = index.find(number)
        assert found is not None
        assert number in found.numbers
    assert time.perf_counter() - began < 10
