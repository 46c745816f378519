"""Numbers as people write them, as they are dialled, as they are shown, and what they are.

The plan is the Ministry's number allocation; what Hikari Denwa cannot dial is as NTT
lists it. No rule here asks anybody: all is in the digits.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

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
_TEL = re.compile(r"tel:", re.IGNORECASE)
_PHONE = re.compile(r"(?P<number>0[0-9]+)(?P<rest>[*#][0-9*#]*)?")
_SUB_ADDRESS = re.compile(r"\*[0-9]+")
_WITH_END = re.compile(r"[0-9][0-9*]*#")
_EXACT_EMERGENCY = re.compile(r"11[089]")
_INSIDE = re.compile(r"[0-9]{1,2}")
_INSIDE_LONGER = re.compile(r"[2-9][0-9]{2,3}")
_LOCAL = re.compile(r"[2-9][0-9]{4,7}")
_SERVICE = re.compile(r"14[2478][0-9*#]{0,4}")
# Short, so that no whole number can hide behind a key that nobody knows.
_FEATURE_CODE = re.compile(r"[*#]([*#]*[0-9]){0,6}[*#]*")
_CONSULTATION = re.compile(r"#[0-9]{4}")
_SPECIAL_SHAPE = re.compile(r"1[0-9]{2,3}")
_NOT_OFFERED = re.compile(r"(114|136|159)[0-9]?")
_JAPAN_FROM_ABROAD = f"{_INTERNATIONAL}{_JAPAN}"
# E.164 §6.1: a country code and a number are at most 15 digits.
_INTERNATIONAL_DIGITS = range(len(_INTERNATIONAL) + 6, len(_INTERNATIONAL) + 16)


class NumberKind(StrEnum):
    """What a dialled string is in the numbering plan."""

    EXTENSION = "extension"
    EMERGENCY = "emergency"
    SPECIAL = "special"
    SERVICE_CODE = "service_code"
    CONSULTATION = "consultation"
    LANDLINE = "landline"
    LOCAL = "local"
    MOBILE = "mobile"
    IP_PHONE = "ip_phone"
    FREE = "free"
    NAVI_DIAL = "navi_dial"
    PREMIUM = "premium"
    TELEDOME = "teledome"
    MACHINE = "machine"
    INTERNATIONAL = "international"
    CARRIER_SELECT = "carrier_select"
    UNKNOWN = "unknown"
    INVALID = "invalid"


class CostClass(StrEnum):
    """What a call may cost, for the owner to allow or forbid."""

    FREE = "free"
    INTERNAL = "internal"
    LOCAL = "local"
    MOBILE = "mobile"
    IP_PHONE = "ip_phone"
    NAVI_DIAL = "navi_dial"
    PREMIUM = "premium"
    INTERNATIONAL = "international"
    SPECIAL = "special"
    EMERGENCY = "emergency"
    UNKNOWN = "unknown"


class NumberReason(StrEnum):
    """What is the matter with a number; each is a key of the translations."""

    INVALID = "number_invalid"
    TOO_SHORT = "number_too_short"
    TOO_LONG = "number_too_long"
    NOT_IN_PLAN = "number_not_in_plan"
    CARRIER_SELECT = "number_carrier_select"
    NOT_OFFERED = "number_not_offered"
    PREFIX_MISPLACED = "number_prefix_misplaced"
    NOT_ALLOCATED = "number_not_allocated"
    AREA_CODE_MISSING = "area_code_missing"
    SERVICE_UNKNOWN = "service_unknown"
    EXTENSION_UNKNOWN = "extension_unknown"


@dataclass(frozen=True, kw_only=True)
class DialledNumber:
    """A dialled string, classified.

    ``digits`` is what the gateway is given (empty if invalid), ``national`` the same
    without ``prefix`` (184, 186 or None) and sub-address. ``reason`` tells why the number
    is not ``dialable``, or what is doubtful about one that is.
    """

    kind: NumberKind
    digits: str
    national: str
    prefix: str | None
    display: str
    cost: CostClass
    dialable: bool
    reason: NumberReason | None = None


@dataclass(frozen=True)
class _Found:
    """What a number without its prefix is; ``digits`` may be fuller than what was dialled."""

    kind: NumberKind
    cost: CostClass
    digits: str
    national: str
    reason: NumberReason | None = None
    dialable: bool = True


@dataclass(frozen=True)
class _Block:
    """A block of the numbering plan: where it begins, how long its numbers are."""

    start: re.Pattern[str]
    length: int
    kind: NumberKind
    cost: CostClass


SPECIAL_NUMBERS: Final = {
    "104": CostClass.SPECIAL,
    "113": CostClass.FREE,
    "115": CostClass.SPECIAL,
    "116": CostClass.FREE,
    "117": CostClass.SPECIAL,
    "171": CostClass.SPECIAL,
    "177": CostClass.SPECIAL,
    "188": CostClass.SPECIAL,
    "189": CostClass.FREE,
}
_BLOCKS: Final = (
    _Block(re.compile("0120"), 10, NumberKind.FREE, CostClass.FREE),
    _Block(re.compile("0800"), 11, NumberKind.FREE, CostClass.FREE),
    _Block(re.compile("0570"), 10, NumberKind.NAVI_DIAL, CostClass.NAVI_DIAL),
    _Block(re.compile("0990"), 10, NumberKind.PREMIUM, CostClass.PREMIUM),
    _Block(re.compile("0200"), 14, NumberKind.MACHINE, CostClass.UNKNOWN),
    _Block(re.compile("020"), 11, NumberKind.MACHINE, CostClass.UNKNOWN),
    _Block(re.compile("050"), 11, NumberKind.IP_PHONE, CostClass.IP_PHONE),
    _Block(re.compile("0[6-9]0"), 11, NumberKind.MOBILE, CostClass.MOBILE),
    _Block(re.compile("0[1-9]"), 10, NumberKind.LANDLINE, CostClass.LOCAL),
)


def normalize(text: str) -> str:
    """Return the digits (0-9 * #) that a gateway is to be given for what a person wrote.

    Takes full-width characters, every kind of hyphen, spaces, dots, parentheses,
    ``tel:`` (RFC 3966), ``+81`` and other country codes, which become 010. Raises
    NumberInvalidError for anything else, and for more than MAX_DIGITS digits.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES).strip()
    if scheme := _TEL.match(plain):
        plain = unquote(plain[scheme.end() :])
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


def classify(
    text: str, *, extensions: frozenset[str] = frozenset(), area_code: str | None = None
) -> DialledNumber:
    """Return what a person's way of writing a number dials, and what that is.

    Never raises. ``extensions`` are those of the gateway that are known (one or two digits
    count as an extension anyway), ``area_code`` completes a local number: ``"03"``.
    """
    try:
        digits = normalize(text)
    except NumberInvalidError:
        return DialledNumber(
            kind=NumberKind.INVALID,
            digits="",
            national="",
            prefix=None,
            display=text,
            cost=CostClass.UNKNOWN,
            dialable=False,
            reason=NumberReason.INVALID,
        )
    return _classify(digits, extensions, area_code)


def is_emergency(number: str) -> bool:
    """Tell whether dialled digits could reach 110, 118 or 119.

    No number of Japan goes on after those three digits, so whatever begins with them
    counts, also behind 184 and 186; and the international way of writing them does.
    """
    return _EMERGENCY.fullmatch(re.sub(r"[*#]", "", number)) is not None


def without_prefix(number: str) -> str:
    """Return dialled digits without the 184 or 186 that hides or shows the caller's number."""
    return _PREFIX.sub("", number, count=1) if _PREFIX.match(number) else number


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


@lru_cache(maxsize=256)
def _classify(digits: str, extensions: frozenset[str], area_code: str | None) -> DialledNumber:
    """Classify digits; the prefix that shows or hides the caller's number stands apart."""
    match = _PREFIX.match(digits)
    prefix = match[1] if match else None
    found = _find(digits[len(prefix or "") :], extensions, area_code)
    if prefix and _refuses_prefix(found):
        found = _unfit(found, NumberReason.PREFIX_MISPLACED)
    dialled = f"{prefix or ''}{found.digits}"
    return DialledNumber(
        kind=found.kind,
        digits=dialled,
        national=found.national,
        prefix=prefix,
        display=format_number(dialled),
        cost=found.cost,
        dialable=found.dialable,
        reason=found.reason,
    )


def _refuses_prefix(found: _Found) -> bool:
    """Tell whether 184 and 186 mean nothing before a number, or are there twice."""
    return (
        found.kind in {NumberKind.EXTENSION, NumberKind.SERVICE_CODE}
        or _PREFIX.match(found.digits) is not None
        or found.digits in {"184", "186"}
    )


def _find(digits: str, extensions: frozenset[str], area_code: str | None) -> _Found:
    """Return what digits without a prefix are."""
    if digits.startswith(_JAPAN_FROM_ABROAD):
        # A detour by the international exchange must not dress a number up as another.
        digits = _national(digits.removeprefix(_INTERNATIONAL))
    if _WITH_END.fullmatch(digits) and not _SERVICE.fullmatch(digits):
        # The key that ends a number on a telephone; what we send is whole anyway.
        digits = digits.removesuffix("#")
    if is_emergency(digits):
        return _find_emergency(digits)
    if _INSIDE.fullmatch(digits) or (digits in extensions and _INSIDE_LONGER.fullmatch(digits)):
        known = not extensions or digits in extensions
        reason = None if known else NumberReason.EXTENSION_UNKNOWN
        return _Found(NumberKind.EXTENSION, CostClass.INTERNAL, digits, digits, reason)
    if phone := _PHONE.fullmatch(digits):
        found = _find_phone(phone["number"], digits)
        fits = phone["rest"] is None or _SUB_ADDRESS.fullmatch(phone["rest"])
        return found if fits else _unfit(found, NumberReason.NOT_IN_PLAN)
    return _find_short(digits, area_code)


def _find_emergency(digits: str) -> _Found:
    """Tell an emergency number that can be dialled from what only looks like one."""
    found = _Found(NumberKind.EMERGENCY, CostClass.EMERGENCY, digits, digits)
    if _EXACT_EMERGENCY.fullmatch(digits):
        return found
    return _unfit(found, NumberReason.NOT_IN_PLAN)


def _find_phone(number: str, digits: str) -> _Found:
    """Return what a number with its leading zero is; ``digits`` has the sub-address too."""
    if number.startswith(_INTERNATIONAL):
        return _find_international(number, digits)
    if number.startswith("00"):
        found = _Found(NumberKind.CARRIER_SELECT, CostClass.UNKNOWN, digits, number)
        return _unfit(found, NumberReason.CARRIER_SELECT)
    if number.startswith("0180"):
        found = _Found(NumberKind.TELEDOME, CostClass.PREMIUM, digits, number)
        return _unfit(found, NumberReason.NOT_OFFERED)
    for block in _BLOCKS:
        if block.start.match(number):
            return _find_in_block(number, digits, block)
    found = _Found(NumberKind.UNKNOWN, CostClass.UNKNOWN, digits, number)
    return _unfit(found, NumberReason.TOO_SHORT)


def _find_in_block(number: str, digits: str, block: _Block) -> _Found:
    """Return a number of a block, with what is the matter with it."""
    found = _Found(block.kind, block.cost, digits, number)
    if len(number) != block.length:
        short = len(number) < block.length
        return _unfit(found, NumberReason.TOO_SHORT if short else NumberReason.TOO_LONG)
    if block.kind is NumberKind.MACHINE or _is_allocated(number):
        return found
    # Nobody has such a number today, so nobody knows what it would cost.
    cost = CostClass.PREMIUM if block.cost is CostClass.PREMIUM else CostClass.UNKNOWN
    return _Found(block.kind, cost, digits, number, NumberReason.NOT_ALLOCATED)


def _find_international(number: str, digits: str) -> _Found:
    """Return a number abroad; its plan is not ours to judge."""
    found = _Found(NumberKind.INTERNATIONAL, CostClass.INTERNATIONAL, digits, number)
    if len(number) < _INTERNATIONAL_DIGITS.start:
        return _unfit(found, NumberReason.TOO_SHORT)
    if len(number) >= _INTERNATIONAL_DIGITS.stop:
        return _unfit(found, NumberReason.TOO_LONG)
    if _country_code(number) is None:
        return _unfit(found, NumberReason.NOT_IN_PLAN)
    return found


def _find_short(digits: str, area_code: str | None) -> _Found:
    """Return what a string is that is no full number: special, service, local, unknown."""
    if cost := SPECIAL_NUMBERS.get(digits):
        return _Found(NumberKind.SPECIAL, cost, digits, digits)
    if _SERVICE.fullmatch(digits):
        return _Found(NumberKind.SERVICE_CODE, CostClass.FREE, digits, digits)
    if _CONSULTATION.fullmatch(digits):
        return _Found(NumberKind.CONSULTATION, CostClass.SPECIAL, digits, digits)
    if _LOCAL.fullmatch(digits):
        return _find_local(digits, area_code)
    found = _Found(NumberKind.UNKNOWN, CostClass.UNKNOWN, digits, digits)
    if _NOT_OFFERED.fullmatch(digits):
        return _unfit(found, NumberReason.NOT_OFFERED)
    if digits in {"184", "186"}:
        return _unfit(found, NumberReason.TOO_SHORT)
    if _SPECIAL_SHAPE.fullmatch(digits) or _FEATURE_CODE.fullmatch(digits):
        return replace(found, reason=NumberReason.SERVICE_UNKNOWN)
    return _unfit(found, NumberReason.NOT_IN_PLAN)


def _find_local(digits: str, area_code: str | None) -> _Found:
    """Return a number without its area code, completed if the area is known."""
    if area_code is None:
        reason = NumberReason.AREA_CODE_MISSING
        return _Found(NumberKind.LOCAL, CostClass.LOCAL, digits, digits, reason)
    return _find_phone(f"{area_code}{digits}", f"{area_code}{digits}")


def _unfit(found: _Found, reason: NumberReason) -> _Found:
    """Return a number as one that cannot be dialled."""
    return replace(found, reason=reason, dialable=False)


def _is_allocated(number: str) -> bool:
    """Tell whether the numbering plan has given the number's range to somebody."""
    try:
        parsed = phonenumbers.parse(number, _REGION)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number_for_region(parsed, _REGION)


def _national(digits: str) -> str:
    """Return what to dial in Japan for an international number without its plus sign."""
    if not digits.startswith(_JAPAN):
        return f"{_INTERNATIONAL}{digits}"
    # "+81 (0)3" is a common way of writing both forms at once.
    return f"0{digits.removeprefix(_JAPAN).removeprefix('0')}"


def _format_international(number: str) -> str:
    """Set the country code apart, without reading another country's numbering plan."""
    if (country := _country_code(number)) is None:
        return number
    rest = number.removeprefix(_INTERNATIONAL).removeprefix(country)
    return " ".join(filter(None, (_INTERNATIONAL, country, rest)))


def _country_code(number: str) -> str | None:
    """Return the country code after 010, None if there is no such country."""
    rest = number.removeprefix(_INTERNATIONAL)
    for length in (1, 2, 3):
        code = rest[:length]
        if code.startswith("0") or not code.isdecimal():
            return None
        if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return code
    return None


# The numbering plan is read on first use; that must not happen while a phone rings.
format_number("0312345678")
