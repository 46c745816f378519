"""Every string that a person can dial in Japan is known for what it is."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.numbers import (
    MAX_DIGITS,
    SPECIAL_NUMBERS,
    CostClass,
    DialledNumber,
    NumberKind,
    NumberReason,
    classify,
    is_emergency,
)

EXTENSIONS = frozenset({"1", "2", "3", "21", "301"})
DOUBTS = {
    NumberReason.NOT_ALLOCATED,
    NumberReason.AREA_CODE_MISSING,
    NumberReason.SERVICE_UNKNOWN,
    NumberReason.EXTENSION_UNKNOWN,
}


@pytest.mark.parametrize(
    ("text", "kind", "cost", "national"),
    [
        # The rows of the numbering plan in the facts about home gateways.
        ("03-1234-5678", NumberKind.LANDLINE, CostClass.LOCAL, "0312345678"),
        ("0166-12-3456", NumberKind.LANDLINE, CostClass.LOCAL, "0166123456"),
        ("090-1234-5678", NumberKind.MOBILE, CostClass.MOBILE, "09012345678"),
        ("080-1234-5678", NumberKind.MOBILE, CostClass.MOBILE, "08012345678"),
        ("070-1234-5678", NumberKind.MOBILE, CostClass.MOBILE, "07012345678"),
        ("060-1234-5678", NumberKind.MOBILE, CostClass.MOBILE, "06012345678"),
        ("050-1234-5678", NumberKind.IP_PHONE, CostClass.IP_PHONE, "05012345678"),
        ("0120-123-456", NumberKind.FREE, CostClass.FREE, "0120123456"),
        ("0800-123-4567", NumberKind.FREE, CostClass.FREE, "08001234567"),
        ("0570-012-345", NumberKind.NAVI_DIAL, CostClass.NAVI_DIAL, "0570012345"),
        ("0990-512-345", NumberKind.PREMIUM, CostClass.PREMIUM, "0990512345"),
        ("010-1-212-555-0100", NumberKind.INTERNATIONAL, CostClass.INTERNATIONAL, None),
        ("+1 212-555-0100", NumberKind.INTERNATIONAL, CostClass.INTERNATIONAL, "01012125550100"),
        ("104", NumberKind.SPECIAL, CostClass.SPECIAL, "104"),
        ("113", NumberKind.SPECIAL, CostClass.FREE, "113"),
        ("115", NumberKind.SPECIAL, CostClass.SPECIAL, "115"),
        ("116", NumberKind.SPECIAL, CostClass.FREE, "116"),
        ("117", NumberKind.SPECIAL, CostClass.SPECIAL, "117"),
        ("171", NumberKind.SPECIAL, CostClass.SPECIAL, "171"),
        ("177", NumberKind.SPECIAL, CostClass.SPECIAL, "177"),
        ("188", NumberKind.SPECIAL, CostClass.SPECIAL, "188"),
        ("189", NumberKind.SPECIAL, CostClass.FREE, "189"),
        ("142", NumberKind.SERVICE_CODE, CostClass.FREE, "142"),
        ("1421", NumberKind.SERVICE_CODE, CostClass.FREE, "1421"),
        ("144", NumberKind.SERVICE_CODE, CostClass.FREE, "144"),
        ("147", NumberKind.SERVICE_CODE, CostClass.FREE, "147"),
        ("148", NumberKind.SERVICE_CODE, CostClass.FREE, "148"),
        ("1", NumberKind.EXTENSION, CostClass.INTERNAL, "1"),
        ("21", NumberKind.EXTENSION, CostClass.INTERNAL, "21"),
        ("301", NumberKind.EXTENSION, CostClass.INTERNAL, "301"),
        ("#7119", NumberKind.CONSULTATION, CostClass.SPECIAL, "#7119"),
        ("#8000", NumberKind.CONSULTATION, CostClass.SPECIAL, "#8000"),
        ("＃９１１０", NumberKind.CONSULTATION, CostClass.SPECIAL, "#9110"),
        ("110", NumberKind.EMERGENCY, CostClass.EMERGENCY, "110"),
        ("118", NumberKind.EMERGENCY, CostClass.EMERGENCY, "118"),
        ("119", NumberKind.EMERGENCY, CostClass.EMERGENCY, "119"),
        # Ways of writing.
        ("０３－１２３４－５６７８", NumberKind.LANDLINE, CostClass.LOCAL, "0312345678"),
        ("tel:+81-3-1234-5678", NumberKind.LANDLINE, CostClass.LOCAL, "0312345678"),
        ("tel:%237119", NumberKind.CONSULTATION, CostClass.SPECIAL, "#7119"),
        ("+81 90-1234-5678", NumberKind.MOBILE, CostClass.MOBILE, "09012345678"),
        ("+81 990 512 345", NumberKind.PREMIUM, CostClass.PREMIUM, "0990512345"),
        ("010 81 990 512 345", NumberKind.PREMIUM, CostClass.PREMIUM, "0990512345"),
        ("03-1234-5678#", NumberKind.LANDLINE, CostClass.LOCAL, "0312345678"),
        ("03-1234-5678*12", NumberKind.LANDLINE, CostClass.LOCAL, "0312345678"),
        ("117#", NumberKind.SPECIAL, CostClass.SPECIAL, "117"),
        ("110#", NumberKind.EMERGENCY, CostClass.EMERGENCY, "110"),
        ("020-1234-5678", NumberKind.MACHINE, CostClass.UNKNOWN, "02012345678"),
        ("02001234567890", NumberKind.MACHINE, CostClass.UNKNOWN, "02001234567890"),
    ],
)
def test_every_row_of_the_plan(
    text: str, kind: NumberKind, cost: CostClass, national: str | None
) -> None:
    """Each class of the plan, in its usual dress, can be dialled without a doubt."""
    number = classify(text, extensions=EXTENSIONS)
    assert (number.kind, number.cost) == (kind, cost)
    assert national in {None, number.national}
    assert number.dialable
    assert number.reason is None
    assert number.prefix is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0033-1-212-555-0100", NumberReason.CARRIER_SELECT),
        ("0036 03 1234 5678", NumberReason.CARRIER_SELECT),
        ("001 1 212 555 0100", NumberReason.CARRIER_SELECT),
        ("0061 010 1 212 555 0100", NumberReason.CARRIER_SELECT),
        ("114", NumberReason.NOT_OFFERED),
        ("136", NumberReason.NOT_OFFERED),
        ("159", NumberReason.NOT_OFFERED),
        ("1591", NumberReason.NOT_OFFERED),
        ("0180-991-234", NumberReason.NOT_OFFERED),
        ("03-1234-567", NumberReason.TOO_SHORT),
        ("03-1234-56789", NumberReason.TOO_LONG),
        ("090-1234-567", NumberReason.TOO_SHORT),
        ("090-1234-56789", NumberReason.TOO_LONG),
        ("0800-123-456", NumberReason.TOO_SHORT),
        ("0120-123-4567", NumberReason.TOO_LONG),
        ("010 1 2", NumberReason.TOO_SHORT),
        ("010 1 2345678901234567", NumberReason.TOO_LONG),
        ("010 999 1234567", NumberReason.NOT_IN_PLAN),
        ("010 010 1 212 555 0100", NumberReason.NOT_IN_PLAN),
        ("0312345678*", NumberReason.NOT_IN_PLAN),
        ("0990512345**", NumberReason.NOT_IN_PLAN),
        ("999", NumberReason.NOT_IN_PLAN),
        ("123456789", NumberReason.NOT_IN_PLAN),
        ("1190", NumberReason.NOT_IN_PLAN),
        ("0119", NumberReason.NOT_IN_PLAN),
        ("184", NumberReason.TOO_SHORT),
        ("186", NumberReason.TOO_SHORT),
        ("184 3", NumberReason.PREFIX_MISPLACED),
        ("186 1421", NumberReason.PREFIX_MISPLACED),
        ("184 186 03 1234 5678", NumberReason.PREFIX_MISPLACED),
        ("186186", NumberReason.PREFIX_MISPLACED),
        ("184 186 110", NumberReason.PREFIX_MISPLACED),
        ("*0990512345", NumberReason.NOT_IN_PLAN),
        ("#*0312345678", NumberReason.NOT_IN_PLAN),
        ("14203123456", NumberReason.NOT_IN_PLAN),
        ("3*1", NumberReason.NOT_IN_PLAN),
        ("home", NumberReason.INVALID),
        ("", NumberReason.INVALID),
    ],
)
def test_what_cannot_be_dialled(text: str, reason: NumberReason) -> None:
    """What Hikari Denwa does not offer and what is no number is told apart."""
    number = classify(text, extensions=EXTENSIONS)
    assert not number.dialable
    assert number.reason is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1234-5678", NumberReason.NOT_IN_PLAN),
        ("3456-7890", NumberReason.AREA_CODE_MISSING),
        ("234567", NumberReason.AREA_CODE_MISSING),
        ("125", NumberReason.SERVICE_UNKNOWN),
        ("*21", NumberReason.SERVICE_UNKNOWN),
        ("030-1234-567", NumberReason.NOT_ALLOCATED),
        ("090-0123-4567", NumberReason.NOT_ALLOCATED),
        ("7", NumberReason.EXTENSION_UNKNOWN),
    ],
)
def test_doubts(text: str, reason: NumberReason) -> None:
    """What is doubtful says so, and may be dialled all the same."""
    number = classify(text, extensions=EXTENSIONS)
    assert number.reason is reason
    assert number.dialable is (reason in DOUBTS)


def test_nobody_knows_the_cost_of_what_nobody_has() -> None:
    """A range that is not given out costs nobody knows what; 0990 is premium anyway."""
    assert classify("090-0123-4567").cost is CostClass.UNKNOWN
    assert classify("0990-512-34").cost is CostClass.PREMIUM


def test_without_a_book_one_or_two_digits_are_an_extension() -> None:
    """A gateway whose extensions nobody entered has some all the same."""
    number = classify("7")
    assert (number.kind, number.reason) == (NumberKind.EXTENSION, None)
    assert classify("301").kind is NumberKind.UNKNOWN


@pytest.mark.parametrize("extension", ["110", "119", "0990512345", "117", "#7119"])
def test_the_book_cannot_disguise_a_number(extension: str) -> None:
    """What the plan knows stays what it is, whatever somebody enters as an extension."""
    number = classify(extension, extensions=frozenset({extension}))
    assert number.kind is not NumberKind.EXTENSION
    assert number == classify(extension)


def test_area_code_completes_a_local_number() -> None:
    """With the area known, a local number is a whole one; its length has to fit."""
    assert classify("3456-7890", area_code="03").digits == "0334567890"
    assert classify("3456-7890", area_code="03").kind is NumberKind.LANDLINE
    assert classify("186 3456-7890", area_code="03").digits == "1860334567890"
    assert classify("234567", area_code="03").reason is NumberReason.TOO_SHORT
    assert classify("3456-7890").digits == "34567890"


@pytest.mark.parametrize(
    ("text", "digits", "prefix", "national", "display"),
    [
        ("184-03-1234-5678", "1840312345678", "184", "0312345678", "184 03-1234-5678"),
        ("186 090 1234 5678", "18609012345678", "186", "09012345678", "186 090-1234-5678"),
        ("184 110", "184110", "184", "110", "184 110"),
        ("186 #7119", "186#7119", "186", "#7119", "186 #7119"),
        ("0166123456", "0166123456", None, "0166123456", "0166-12-3456"),
        ("+44 20 7946 0000", "010442079460000", None, "010442079460000", "010 44 2079460000"),
        ("03-1234-5678*12#", "0312345678*12", None, "0312345678", "0312345678*12"),
    ],
)
def test_parts(text: str, digits: str, prefix: str | None, national: str, display: str) -> None:
    """Prefix, number and sub-address stand apart."""
    number = classify(text)
    assert (number.digits, number.prefix, number.national) == (digits, prefix, national)
    assert number.display == display
    assert number.dialable


def generated(count: int) -> list[str]:
    """Return strings as people might dial them: of the plan, nearly so, and nonsense."""
    source = random.Random(20261122)
    starts = [
        *("03", "06", "011", "045", "0166", "09969", "0120", "0800", "0570", "0990", "0180"),
        *("050", "060", "070", "080", "090", "020", "010", "0101", "01081", "0033", "00", "0"),
        *("184", "186", "18403", "186090", "1841", "142", "148", "#", "*", "**", "", "1", "11"),
        *("tel:", "tel:+81", "+", "+81", "+81 (0)3", "+1", "+999", "０３", "＋８１", "＃"),
        *SPECIAL_NUMBERS,
        *("110", "118", "119", "114", "136", "159"),
    ]
    return [_written(source, source.choice(starts)) for _ in range(count)]


def _written(source: random.Random, start: str) -> str:
    """Return a number with this beginning in somebody's hand."""
    digits = "".join(source.choice("0123456789") for _ in range(source.randrange(13)))
    if source.random() < 0.1:
        digits += source.choice(["#", "*1", "*", "x", "　", "#*0"])
    if source.random() < 0.3:
        place = source.randrange(len(digits) + 1)
        digits = digits[:place] + source.choice(["-", " ", "ー", "−", "("]) + digits[place:]
    if source.random() < 0.1:
        digits = digits.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    return start + digits


def check(number: DialledNumber, text: str) -> None:
    """Hold a classified number to what holds for all."""
    assert re.fullmatch(rf"[0-9*#]{{0,{MAX_DIGITS}}}", number.digits), text
    assert (number.reason is None or number.reason in DOUBTS) is number.dialable, text
    assert number.digits or number.kind is NumberKind.INVALID, text
    assert number.prefix in {None, "184", "186"}, text
    assert number.digits.startswith(f"{number.prefix or ''}{number.national}"), text
    assert (number.kind is NumberKind.EMERGENCY) is is_emergency(number.digits), text
    assert (number.cost is CostClass.EMERGENCY) is (number.kind is NumberKind.EMERGENCY), text
    if number.digits:
        assert re.sub(r"[- ]", "", number.display) == number.digits, text
        again = classify(number.digits, extensions=EXTENSIONS)
        assert again == number, text


def test_twenty_thousand_numbers() -> None:
    """Nothing fails, nothing contradicts itself, and every kind turns up."""
    seen: set[NumberKind] = set()
    reasons: set[NumberReason | None] = set()
    for text in generated(20_000):
        number = classify(text, extensions=EXTENSIONS)
        check(number, text)
        seen.add(number.kind)
        reasons.add(number.reason)
    assert seen == set(NumberKind)
    assert reasons == {None, *NumberReason}


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    """No string makes it fail."""
    check(classify(text, extensions=EXTENSIONS), text)


@given(st.text(alphabet="0123456789*#", max_size=40))
def test_any_digits(text: str) -> None:
    """No key sequence makes it fail."""
    check(classify(text, extensions=EXTENSIONS), text)
