"""Log records as lines of the engine's stderr, and back.

A record is one line: a mark that ordinary output does not begin with, the level's
name, a bar, and the text with its line ends escaped, so that a traceback stays
in one piece. Lines without the mark (a crash of the interpreter, a library that prints) are
gathered and told as one error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

_MARK = "\x1e"
_LONGEST_LINE = 65_536
_MOST_LOOSE_LINES = 200


class RecordFormatter(logging.Formatter):
    """Write a record as one marked line, its logger's name short of ``package``."""

    def __init__(self, package: str) -> None:
        """Keep the prefix that every logger of ours has."""
        super().__init__("%(message)s")
        self._prefix = f"{package}."

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        text = f"{record.name.removeprefix(self._prefix)}: {super().format(record)}"
        escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        return f"{_MARK}{record.levelname}|{escaped}"


class RecordReader:
    """Turn the bytes of the engine's stderr into calls of ``log(level, text)``."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        """Begin with nothing read."""
        self._log = log
        self._rest = b""
        self._loose: list[str] = []
        self.last_error: str | None = None

    @property
    def pending(self) -> bool:
        """Whether loose lines wait to be told together."""
        return bool(self._loose)

    def feed(self, data: bytes) -> None:
        """Take what was read; lines may be cut anywhere."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line.decode(errors="replace"))

    def flush(self) -> None:
        """Tell the loose lines that were gathered."""
        if not self._loose:
            return
        text = "\n".join(self._loose)
        self._loose.clear()
        self._tell(logging.ERROR, text)

    def close(self) -> None:
        """Tell what is left; the stream has ended."""
        if self._rest:
            self._take(self._rest.decode(errors="replace"))
            self._rest = b""
        self.flush()

    def _take(self, line: str) -> None:
        """Take one whole line."""
        level, bar, text = line.removeprefix(_MARK).partition("|")
        known = logging.getLevelNamesMapping().get(level)
        if not line.startswith(_MARK) or not bar or known is None:
            self._loose.append(line)
            if len(self._loose) >= _MOST_LOOSE_LINES:
                self.flush()
            return
        self.flush()
        self._tell(known, _unescape(text))

    def _tell(self, level: int, text: str) -> None:
        """Log a text and remember it if it is an error."""
        if level >= logging.ERROR and text.strip():
            self.last_error = text.strip().splitlines()[-1]
        self._log(level, text)


def _unescape(text: str) -> str:
    """Undo the escapes of a record's text."""
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n").replace("\\r", "\r") for part in parts)
