"""Read the project's documents: links, headings, named examples."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    folders = (ROOT / "app", ROOT / "docs")
    return sorted([*ROOT.glob("*.md"), *(path for each in folders for path in each.rglob("*.md"))])


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return _FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?)\s*$", prose(path), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        kept = re.sub(r"[^\w\- ]", "", plain.lower())
        found.add(kept.replace(" ", "-"))
    return found


@dataclass(frozen=True)
class Example:
    """A named block of YAML: ``kind`` is automation, script, action, card or configuration."""

    path: Path
    name: str
    kind: str
    content: Any


def examples() -> Iterator[Example]:
    """Return every YAML block; raises ValueError for one without a name."""
    for path in documents():
        for fence in _FENCE.finditer(path.read_text()):
            language, _, rest = fence["info"].partition(" ")
            if language != "yaml":
                continue
            named = re.fullmatch(r"name=([a-z0-9-]+)(?: (card|configuration))?", rest)
            if named is None:
                raise ValueError(f"{path.name} has a YAML block without a name: {fence['info']}")
            content = yaml.safe_load(fence["body"])
            yield Example(path, named[1], named[2] or _kind(content), content)


def _kind(content: dict[str, Any]) -> str:
    """Tell what a block is by what it holds."""
    if "triggers" in content:
        return "automation"
    return "script" if "sequence" in content else "action"
