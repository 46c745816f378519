"""Numbers as people write them, as they are dialled, and as they are shown in Japan."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers

from .errors import NumberInvalidError

MAX_DIGITS = 32
_REGION = "JP"
_JAPAN = "81"
_INTERNATIONAL = "010"
_PREFIX = re.compile(r"(18[46])(?=.)")
_DIALLED = re.compile(r"[0-9*#]+")
_EMERGENCY = re.compile(r"(18[46])*(11[089].*|(01081)?0?11[089])")
_SEPARATORS = frozenset("().‐−ー―\t")
_SEPARATOR_CATEGORIES = frozenset({"Cf", "Pd", "Zs"})
_LOOK_ALIKES = str.maketrans({"♯": "#", "∗": "*"})


def normalize(text: str) -> str:
    """Return the digits (0-9 * #) that a gateway is to be given for what a person wrote.

    Takes full-width characters, every kind of hyphen, spaces, dots, parentheses,
    ``tel:`` (RFC 3966), ``+81`` and other country codes, which become 010. Raises
    NumberInvalidError for anything else, and for more than MAX_DIGITS digits.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES).strip()
    plain = re.sub(r"^tel:", "", plain, flags=re.IGNORECASE)
    plain = re.sub(r";phone-context=[^;]*$", "", plain, flags=re.IGNORECASE)
    digits = "".join(
        character
        for character in plain
        if character not in _SEPARATORS
        and unicodedata.category(character) not in _SEPARATOR_CATEGORIES
    )
    if len(digits) > 1 and digits.startswith("+"):
        digits = _national(digits[1:])
    if not _DIALLED.fullmatch(digits) or len(digits) > MAX_DIGITS:
        raise NumberInvalidError(number=text)
    return digits


def is_emergency(number: str) -> bool:
    """Tell whether dialled digits could reach 110, 118 or 119.

    No number of Japan goes on after those three digits, so whatever begins with them
    counts, also behind 184 and 186; and the international way of writing them does.
    """
    return _EMERGENCY.fullmatch(re.sub(r"[*#]", "", number)) is not None


@lru_cache(maxsize=256)
def format_number(number: str) -> str:
    """Return dialled digits as they are written in Japan: ``03-1234-5678``.

    The prefixes 184 and 186 stand apart. What the numbering plan does not know
    (extensions, special numbers, service codes) is returned as it is.
    """
    if prefix := _PREFIX.match(number):
        return f"{prefix[0]} {format_number(number[prefix.end() :])}"
    if not number.isdecimal() or not number.startswith("0"):
        return number
    if number.startswith(_INTERNATIONAL):
        return _format_international(number)
    try:
        parsed = phonenumbers.parse(number, _REGION)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_valid_number_for_region(parsed, _REGION):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)


def _national(digits: str) -> str:
    """Return what to dial in Japan for an international number without its plus sign."""
    if not digits.startswith(_JAPAN):
        return f"{_INTERNATIONAL}{digits}"
    # "+81 (0)3" is a common way of writing both forms at once.
    return f"0{digits.removeprefix(_JAPAN).removeprefix('0')}"


def _format_international(number: str) -> str:
    """Set the country code apart, without reading another country's numbering plan."""
    rest = number.removeprefix(_INTERNATIONAL)
    for length in (1, 2, 3):
        if rest[:length].isdecimal() and int(rest[:length]) in (
            phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        ):
            return " ".join(filter(None, (_INTERNATIONAL, rest[:length], rest[length:])))
    return number


# The numbering plan is read on first use; that must not happen while a phone rings.
format_number("0312345678")
