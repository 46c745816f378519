"""The list of every switch, read from the configuration's own source."""

import ast
import dataclasses
import enum
import inspect
import typing
from dataclasses import dataclass
from itertools import pairwise

from . import config
from .config import (
    CallConfig,
    FaultConfig,
    GatewayConfig,
    MediaConfig,
    RegistrarConfig,
    RtpFaults,
    SessionTimerConfig,
    Slot,
    TransactionTimers,
)

GROUPS: tuple[tuple[str, type], ...] = (
    ("", GatewayConfig),
    ("slots.N.", Slot),
    ("registrar.", RegistrarConfig),
    ("calls.", CallConfig),
    ("session_timer.", SessionTimerConfig),
    ("timers.", TransactionTimers),
    ("media.", MediaConfig),
    ("faults.", FaultConfig),
    ("faults.rtp.", RtpFaults),
)


@dataclass(frozen=True)
class Switch:
    """One switch: its name for ``--set``, its default and what it does."""

    name: str
    default: str
    choices: tuple[str, ...]
    text: str


def switches(prefix: str, group: type) -> list[Switch]:
    """List the switches of a group; parts that are groups themselves are left out."""
    tree = ast.parse(inspect.getsource(config))
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == group.__name__
    )
    texts: dict[str, str] = {}
    for before, after in pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
            texts[before.target.id] = _text(after)
    hints = typing.get_type_hints(group)
    return [
        Switch(
            f"{prefix}{part.name}",
            _default(part),
            _choices(hints[part.name]),
            texts.get(part.name, ""),
        )
        for part in dataclasses.fields(group)
        if not _is_group(part)
    ]


def markdown() -> str:
    """Write a table for each group."""
    tables: list[str] = []
    for prefix, group in GROUPS:
        about = inspect.cleandoc(group.__doc__ or "").split("\n")[0]
        rows = [
            f"| `{switch.name}` | {switch.default} | {switch.text}{_told(switch.choices)} |"
            for switch in switches(prefix, group)
        ]
        head = [f"### {about}", "", "| Switch | Default | What it does |", "| --- | --- | --- |"]
        tables.append("\n".join([*head, *rows]))
    return "\n\n".join(tables) + "\n"


def _text(statement: ast.stmt) -> str:
    """Return a docstring on one line, nothing when the statement is none."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


def _choices(kind: object) -> tuple[str, ...]:
    """List the values of an enumeration."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return tuple(str(member.value) for member in kind)
    return ()


def _told(choices: tuple[str, ...]) -> str:
    """Write the values that a switch can have."""
    shown = (f"`{choice}`" if choice else "nothing" for choice in choices)
    return f" Values: {', '.join(shown)}." if choices else ""


def _default(part: dataclasses.Field[object]) -> str:
    """Write the default of a field."""
    if part.default is dataclasses.MISSING:
        return ""
    value = getattr(part.default, "value", part.default)
    return f"`{value}`" if value != "" else ""


def _is_group(part: dataclasses.Field[object]) -> bool:
    """Tell whether a field has a table of its own."""
    factory = part.default_factory
    return isinstance(factory, type) and dataclasses.is_dataclass(factory)
