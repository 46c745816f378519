"""The table of all scenarios in docs/conformance.md: ``python -m tests.conformance.document``."""

from pathlib import Path

from .catalogue import MODULES
from .different import DIFFERENT
from .stage import BOTH, SCENARIOS, Scenario

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- scenarios -->", "<!-- end of scenarios -->"


def markdown() -> str:
    """Write the count and a table for each module of scenarios."""
    scenarios = [_of(module.__name__) for module in MODULES]
    tables = [
        _table(module.__doc__ or "", items)
        for module, items in zip(MODULES, scenarios, strict=True)
    ]
    total = sum(map(len, scenarios))
    return "\n\n".join((f"{total} scenarios.", _differences(), *tables))


def page_with_tables(page: str) -> str:
    """Put the tables into the page."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{markdown()}\n\n{END}{tail}"


def _differences() -> str:
    """Write which scenarios a back end decides otherwise, and why."""
    head = ["### What pjsua2 decides otherwise", "", "| Scenario | Why |", "| --- | --- |"]
    rows = [f"| `{name}` | {reason} |" for (_, name), reason in DIFFERENT.items()]
    moving = [item.name for item in SCENARIOS if item.moves]
    note = (
        f"The {len(moving)} scenarios that move a line to the other family ("
        + ", ".join(f"`{name}`" for name in moving)
        + ") need a pjsua2 with IPv6."
    )
    return "\n".join([*head, *rows, "", note])


def _of(module: str) -> list[Scenario]:
    """Return the scenarios of a module in the order in which they stand there."""
    return [item for item in SCENARIOS if item.run.__module__ == module]


def _table(about: str, items: list[Scenario]) -> str:
    """Write one table under what its module says about itself."""
    head = [
        f"### {about.splitlines()[0].removesuffix('.')} ({len(items)})",
        "",
        "| Scenario | What must be so | By |",
        "| --- | --- | --- |",
    ]
    return "\n".join([*head, *(_row(item) for item in items)])


def _row(item: Scenario) -> str:
    """Write one scenario: its name, its sentence, where that comes from, and how sure it is."""
    about = (item.run.__doc__ or "").strip().replace("|", "\\|")
    source = item.source.replace("|", "\\|")
    notes = ["assumption"] * item.assumption
    notes += [f"{family} only" for family in item.families if item.families != BOTH]
    told = f" *({', '.join(notes)})*" if notes else ""
    return f"| `{item.name}` | {about} | {source}{told} |"


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
