"""What the client broke: the list that tests assert to be empty."""

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach: the rule it breaks, what was seen, and the message's first line."""

    time: float
    rule: str
    detail: str
    message: str

    def __str__(self) -> str:
        """Write it on one line."""
        return f"{self.rule}: {self.detail} [{self.message}]"


class Violations:
    """A list of breaches; equal to a plain list for asserts."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: list[Violation] = []

    def add(self, rule: str, detail: str, message: str = "") -> None:
        """Record a breach."""
        self._found.append(Violation(time.monotonic(), rule, detail, message))

    def rules(self) -> set[str]:
        """Return the rules that were broken."""
        return {violation.rule for violation in self._found}

    def clear(self) -> None:
        """Forget all."""
        self._found.clear()

    def __iter__(self) -> Iterator[Violation]:
        """Walk through the breaches in order."""
        return iter(tuple(self._found))

    def __len__(self) -> int:
        """Count the breaches."""
        return len(self._found)

    def __eq__(self, other: object) -> bool:
        """Compare with a list, so that ``violations == []`` reads well."""
        return isinstance(other, list) and self._found == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Show every breach on a line of its own."""
        return "\n".join(["[", *(f"  {violation}" for violation in self._found), "]"])
