"""What a process holds, as Linux tells it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What a process holds: resident memory in bytes, threads, descriptors by their kind."""

    resident: int
    threads: int
    descriptors: Counter[str]

    @classmethod
    def of(cls, pid: int) -> Self:
        """Look at a process; OSError when it is gone."""
        fields: dict[str, str] = {}
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        return cls(
            resident=int(fields["VmRSS"].split()[0]) * 1024,
            threads=int(fields["Threads"]),
            descriptors=Counter(_kinds(Path(f"/proc/{pid}/fd"))),
        )


def _kinds(folder: Path) -> list[str]:
    """Give the kind of each open descriptor: socket, pipe, or the path of a file."""
    kinds = []
    for entry in folder.iterdir():
        try:
            kinds.append(str(entry.readlink()).partition(":[")[0])
        except OSError:
            continue
    return kinds
