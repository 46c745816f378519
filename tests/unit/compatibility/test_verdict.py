"""The verdict of every case, and of every cell of the family matrix."""

import json
from pathlib import Path

import pytest

from custom_components.hikari_denwa import const
from custom_components.hikari_denwa.telephony import errors
from custom_components.hikari_denwa.telephony.compatibility import (
    BLOCKING,
    CureCode,
    Outlook,
    ReasonCode,
)
from custom_components.hikari_denwa.telephony.errors import CallError, TelephonyError
from custom_components.hikari_denwa.telephony.numbers import CostClass, NumberReason

from .cases import CALLEES, CASES, MATRIX, PAGE, Case, matrix_rows, page

FOLDER = Path(const.__file__).parent


def marked(case: Case) -> object:
    """Return a case with the mark of what no source proves."""
    marks = [pytest.mark.assumption] if case.belief in {"R", "I"} else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_case(case: Case) -> None:
    """Outlook, family, line, fallback, reasons and cures are those of the table."""
    said = case.verdict()
    assert (said.outlook, said.family) == (case.outlook, case.over)
    assert tuple(reason.code for reason in said.reasons) == case.reasons
    assert tuple(cure.code for cure in said.cures) == case.cures
    assert (said.fallback.family if said.fallback else None) is case.fallback
    assert said.line == (None if case.outlook is Outlook.CANNOT else case.on)


@pytest.mark.assumption
@pytest.mark.parametrize("line", MATRIX)
def test_family_matrix(line: str) -> None:
    """Each cell is right: extensions as NTT's guide says, outside as it was reported."""
    row = matrix_rows()[line]
    said = [
        (cell.outlook, cell.family, cell.fallback.family if cell.fallback else None) for cell in row
    ]
    assert dict(zip(CALLEES, said, strict=True)) == dict(zip(CALLEES, MATRIX[line], strict=True))


def test_page_is_what_the_code_says() -> None:
    """The tables of the page are those that the code makes today."""
    text = PAGE.read_text()
    assert page(text) == text


def test_every_code_is_in_a_case() -> None:
    """No reason and no cure goes without a case that gives it, but for what numbers test."""
    said = [case.verdict() for case in CASES]
    said += [cell for row in matrix_rows().values() for cell in row]
    reasons = {reason.code for one in said for reason in one.reasons}
    cures = {cure.code for one in said for cure in one.cures}
    assert set(ReasonCode) <= reasons
    assert set(CureCode) <= cures


def sentences(language: str) -> dict[str, str]:
    """Return the sentences of exceptions in a language."""
    loaded = json.loads((FOLDER / "translations" / f"{language}.json").read_text())
    return {key: value["message"] for key, value in loaded["exceptions"].items()}


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_code_has_its_sentence(language: str) -> None:
    """Reasons and cures can be told, and their placeholders are given."""
    told = sentences(language)
    for code in (*ReasonCode, *NumberReason, *CureCode):
        assert told[code]
    for case in CASES:
        said = case.verdict()
        for reason in said.reasons:
            assert told[reason.code].format(**reason.placeholders)
        for cure in said.cures:
            assert told[cure.code].format(**cure.placeholders)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_cost_class_has_its_words(language: str) -> None:
    """The owner chooses among words."""
    loaded = json.loads((FOLDER / "translations" / f"{language}.json").read_text())
    assert set(loaded["selector"]["cost_class"]["options"]) == set(CostClass)


def test_what_blocks_is_an_error() -> None:
    """A call that cannot be placed ends in an error of its own class."""
    for code in BLOCKING:
        error = TelephonyError.of_reason(code, {})
        assert isinstance(error, CallError)
        assert error.reason == code
    for case in CASES:
        raised = case.verdict().error()
        assert (raised is None) is (case.outlook is not Outlook.CANNOT)
        if raised:
            assert raised.reason == case.reasons[0]
            assert case.reasons[0] in BLOCKING


def test_errors_of_the_guard_are_told_apart() -> None:
    """What the owner forbids, what cannot be dialled and what cannot be reached differ."""
    assert issubclass(errors.NumberEmergencyError, errors.CallForbiddenError)
    assert issubclass(errors.NumberTooShortError, errors.NumberNotDialableError)
    assert issubclass(errors.CalleeNeedsIPv4Error, errors.FamilyConflictError)
