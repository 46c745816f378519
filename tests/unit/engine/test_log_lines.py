"""The engine's log: records survive the pipe, and what is no record is not lost."""

import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.engine.log_lines import RecordFormatter, RecordReader


def _line(message: str, level: int = logging.INFO, name: str = "pack.native.sip") -> bytes:
    """Return a record as the engine writes it."""
    record = logging.LogRecord(name, level, __file__, 1, "%s", (message,), None)
    return RecordFormatter("pack").format(record).encode(errors="surrogateescape") + b"\n"


def _read(*parts: bytes) -> list[tuple[int, str]]:
    """Return what a reader tells of some bytes."""
    told: list[tuple[int, str]] = []
    reader = RecordReader(lambda level, text: told.append((level, text)))
    for part in parts:
        reader.feed(part)
    reader.close()
    return told


@given(st.text(st.characters(codec="utf-8")), st.integers(0, 40))
def test_any_text_survives(text: str, cut: int) -> None:
    """Line ends, backslashes, marks and bars come out as they went in, wherever it is cut."""
    line = _line(text)
    assert _read(line[:cut], line[cut:]) == [(logging.INFO, f"native.sip: {text}")]


def test_traceback_is_one_record() -> None:
    """An exception stays with its message."""
    try:
        raise RuntimeError("a mistake")  # noqa: TRY301 - the traceback is what is wanted
    except RuntimeError:
        record = logging.LogRecord("pack", 40, __file__, 1, "failed", (), sys.exc_info())
    told = _read(RecordFormatter("pack").format(record).encode() + b"\n")
    assert len(told) == 1
    assert told[0][1].startswith("pack: failed\nTraceback")
    assert told[0][1].endswith("RuntimeError: a mistake")


def test_loose_lines_are_one_error() -> None:
    """What an interpreter says when it dies is gathered until the next record or the end."""
    told = _read(
        b"Fatal Python error\n  here\n", _line("after", logging.WARNING), b"half a line", b"\xff"
    )
    assert told == [
        (logging.ERROR, "Fatal Python error\n  here"),
        (logging.WARNING, "native.sip: after"),
        (logging.ERROR, "half a line\ufffd"),
    ]


def test_reader_keeps_the_last_error_and_a_bound() -> None:
    """The last line of the last error explains a start that failed; no line grows for ever."""
    told: list[str] = []
    reader = RecordReader(lambda _, text: told.append(text))
    reader.feed(_line("one\ntwo\n", logging.ERROR))
    reader.feed(_line("fine"))
    assert reader.last_error == "two"
    reader.feed(b"x" * 100_000)
    assert reader.pending
    reader.flush()
    assert not reader.pending
    for _ in range(200):
        reader.feed(b"y\n")
    assert told[-1] == "\n".join(["y"] * 200)
    reader.feed(b"\x1eNOLEVEL|text\n\x1eINFO no bar\n")
    reader.close()
    assert told[-1] == "\x1eNOLEVEL|text\n\x1eINFO no bar"
