"""Steps of the demo: each passes with what was seen, or fails with why; all make a table."""

import sys
import time
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """How a step went."""

    PASSED = "✓"
    FAILED = "✗"
    SKIPPED = "–"


class StepFailedError(Exception):
    """What was to be seen was not seen; the message says what was."""


class SceneEndedError(Exception):
    """A step failed, so the rest of its scene makes no sense."""


@dataclass
class Step:
    """One step: its name, what was seen, and its figures with their units."""

    name: str
    outcome: Outcome = Outcome.SKIPPED
    seen: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def saw(self, what: str) -> None:
        """Note what was seen."""
        self.seen.append(what)

    def measured(self, value: float, unit: str, of: str = "", digits: int = 1) -> None:
        """Note a figure."""
        self.figures.append(f"{of} {value:.{digits}f} {unit}".strip())

    def check(self, condition: object, otherwise: str) -> None:
        """Fail unless something holds."""
        if not condition:
            raise StepFailedError(otherwise)


class Report:
    """All steps in order."""

    def __init__(self) -> None:
        """Begin without steps."""
        self.steps: list[Step] = []
        self._began = time.monotonic()

    @property
    def failed(self) -> bool:
        """Tell whether a step failed."""
        return any(step.outcome is Outcome.FAILED for step in self.steps)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[Step]:
        """Carry out one step; raises SceneEndedError if it fails."""
        step = Step(name)
        self.steps.append(step)
        try:
            yield step
        except Exception as error:
            step.outcome = Outcome.FAILED
            step.saw(str(error) or type(error).__name__)
            self._tell(step)
            raise SceneEndedError from error
        step.outcome = Outcome.PASSED
        self._tell(step)

    def skip(self, name: str, why: str) -> None:
        """Note a step that could not be tried."""
        step = Step(name, seen=[why])
        self.steps.append(step)
        self._tell(step)

    def _tell(self, step: Step) -> None:
        """Print a step when it is over."""
        figures = f"  [{', '.join(step.figures)}]" if step.figures else ""
        say(f"{step.outcome} {step.name}: {'; '.join(step.seen)}{figures}")

    def table(self) -> str:
        """Return the table of all steps, and the sum in its last line."""
        rows = [
            (step.outcome.value, step.name, "; ".join(step.seen), ", ".join(step.figures))
            for step in self.steps
        ]
        head = ("", "Step", "Seen", "Figures")
        widths = [max(_width(row[column]) for row in (head, *rows)) for column in range(3)]
        widths[2] = min(widths[2], 72)
        lines = ["  ".join((*(_pad(cell, width) for cell, width in zip(row, widths, strict=False)),
                            row[3])).rstrip() for row in (head, *rows)]  # fmt: skip
        lines.insert(1, "─" * min(max(map(_width, lines)), 132))
        counts = {
            outcome: sum(step.outcome is outcome for step in self.steps) for outcome in Outcome
        }
        lines.append(
            f"{counts[Outcome.PASSED]} passed, {counts[Outcome.FAILED]} failed, "
            f"{counts[Outcome.SKIPPED]} skipped in {time.monotonic() - self._began:.1f} s"
        )
        return "\n".join(lines)


def _width(text: str) -> int:
    """Return how many columns a text takes on a terminal; kana and kanji take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _pad(text: str, width: int) -> str:
    """Fill a cell up to its column's width, by columns of the terminal."""
    return text + " " * max(0, width - _width(text))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
