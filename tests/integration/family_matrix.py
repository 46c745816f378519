"""What becomes of calls from each kind of line to each kind of callee: data for test and page.

``python -m tests.integration.family_matrix`` writes the table into docs/compatibility.md anew.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_BEGIN, _END = "<!-- proven -->\n", "<!-- end of proven -->"

CALLEES = {
    "analog phone": "1",
    "IPv4 extension": "4",
    "IPv6 extension": "5",
    "dual extension": "6",
    "outside, IPv4": "0451110004",
    "outside, both families": "0451110000",
}
BOOK = [
    {"number": "1", "kind": "analog"},
    {"number": "4", "kind": "ipv4_only"},
    {"number": "5", "kind": "ipv6_only"},
    {"number": "6", "kind": "dual"},
]
FAMILIES = {
    "analog phone": {"ipv4"},
    "IPv4 extension": {"ipv4"},
    "IPv6 extension": {"ipv6"},
    "dual extension": {"ipv4", "ipv6"},
    "outside, IPv4": {"ipv4"},
    "outside, both families": {"ipv4", "ipv6"},
}
LINES = {
    "IPv4 alone": ("127.0.0.1", ""),
    "IPv6 alone": ("::1", ""),
    "both families": ("::1", "127.0.0.1"),
}
LINE_FAMILIES = {
    "IPv4 alone": {"ipv4"},
    "IPv6 alone": {"ipv6"},
    "both families": {"ipv4", "ipv6"},
}
_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A verdict, and what came of calling: the families that were tried, and the last's outcome."""

    outlook: str
    tried: tuple[str, ...] = ()
    connected: bool = False

    def __str__(self) -> str:
        """Write it for the page."""
        outlook = self.outlook.replace("_", " ")
        if not self.tried:
            return f"{outlook}; not placed"
        way = ", then ".join(_NAMES[family] for family in self.tried)
        return f"{outlook}; {way}: {'connected' if self.connected else '488'}"


def _works(*tried: str) -> Cell:
    return Cell(outlook="works", tried=tried, connected=True)


def _likely(*tried: str) -> Cell:
    return Cell(outlook="likely_works", tried=tried, connected=True)


def _uncertain(family: str, *, connected: bool) -> Cell:
    return Cell(outlook="uncertain", tried=(family,), connected=connected)


_CANNOT = Cell(outlook="cannot")
_OVER_V4 = {
    "outside, IPv4": _works("ipv4"),
    "outside, both families": _works("ipv4"),
}
_OVER_V6 = {
    "outside, IPv4": _uncertain("ipv6", connected=False),
    "outside, both families": _uncertain("ipv6", connected=True),
}
_OVER_BOTH = {
    "outside, IPv4": _likely("ipv6", "ipv4"),
    "outside, both families": _likely("ipv6"),
}
MATRIX: dict[tuple[str, bool], dict[str, Cell]] = {
    ("IPv4 alone", True): {
        "analog phone": _works("ipv4"),
        "IPv4 extension": _works("ipv4"),
        "IPv6 extension": _CANNOT,
        "dual extension": _works("ipv4"),
        **_OVER_V4,
    },
    ("IPv6 alone", True): {
        "analog phone": _CANNOT,
        "IPv4 extension": _CANNOT,
        "IPv6 extension": _works("ipv6"),
        "dual extension": _works("ipv6"),
        **_OVER_V6,
    },
    ("both families", True): {
        "analog phone": _likely("ipv4"),
        "IPv4 extension": _likely("ipv4"),
        "IPv6 extension": _works("ipv6"),
        "dual extension": _works("ipv6"),
        **_OVER_BOTH,
    },
    ("IPv4 alone", False): {
        "analog phone": _likely("ipv4"),
        "IPv4 extension": _likely("ipv4"),
        "IPv6 extension": Cell(outlook="likely_works", tried=("ipv4",)),
        "dual extension": _likely("ipv4"),
        **_OVER_V4,
    },
    ("IPv6 alone", False): {
        "analog phone": _uncertain("ipv6", connected=False),
        "IPv4 extension": _uncertain("ipv6", connected=False),
        "IPv6 extension": _uncertain("ipv6", connected=True),
        "dual extension": _uncertain("ipv6", connected=True),
        **_OVER_V6,
    },
    ("both families", False): {
        "analog phone": _likely("ipv6", "ipv4"),
        "IPv4 extension": _likely("ipv6", "ipv4"),
        "IPv6 extension": _likely("ipv6"),
        "dual extension": _likely("ipv6"),
        **_OVER_BOTH,
    },
}
"""By line, and by whether the owner entered the extensions."""


def page(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    heads = [f"{line}{'' if book else ', nothing entered'}" for line, book in MATRIX]
    rows = [
        f"| Callee \\ line | {' | '.join(heads)} |",
        f"| --- |{' --- |' * len(MATRIX)}",
        *(
            f"| {callee} | {' | '.join(str(row[callee]) for row in MATRIX.values())} |"
            for callee in CALLEES
        ),
    ]
    table = "\n".join(rows)
    return f"{before}{_BEGIN}{table}\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
