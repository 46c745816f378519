"""The last messages of a line, and messages as text without what nobody else may see."""

from __future__ import annotations

import itertools
import re
from collections import deque

from ..protocol import TracedMessage

_CREDENTIALS = re.compile(r"(?im)^((?:proxy-)?authorization[ \t]*:).*(?:\r?\n[ \t].*)*")
_METHOD = re.compile(rb"(?i)\ncseq[ \t]*:[ \t]*[0-9]+[ \t]+([a-z]+)")
_LONGEST = 8192
_KEPT_OF_CALLS = 160
_KEPT_OF_REGISTRATIONS = 40
_KEPT_OF_OTHERS = 20


def readable(datagram: bytes) -> str:
    """Give a datagram as text, its credentials left out: a digest can be guessed back."""
    text = datagram.decode(errors="backslashreplace")
    return _CREDENTIALS.sub(r"\1 (left out)", text).replace("\r", "")


class Trace:
    """The last messages of a line, so many of calls, of registrations, and of what else there is.

    OPTIONS, which come and go all day, so push out nothing that tells something. Safe to ask
    at any time; what it gives still holds numbers and digests.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._numbers = itertools.count(1)
        self._calls: deque[tuple[int, float, bool, bytes]] = deque(maxlen=_KEPT_OF_CALLS)
        self._registrations = deque(self._calls, maxlen=_KEPT_OF_REGISTRATIONS)
        self._others = deque(self._calls, maxlen=_KEPT_OF_OTHERS)

    def note(self, datagram: bytes, *, at: float, sent: bool) -> None:
        """Keep a datagram that was sent or received at a Unix time."""
        method = _METHOD.search(datagram)
        match method[1].upper() if method else b"":
            case b"REGISTER":
                kept = self._registrations
            case b"OPTIONS" | b"":
                kept = self._others
            case _:
                kept = self._calls
        kept.append((next(self._numbers), at, sent, datagram[:_LONGEST]))

    def messages(self) -> tuple[TracedMessage, ...]:
        """Give what is kept, in the order in which it came."""
        kept = sorted((*self._calls, *self._registrations, *self._others))
        return tuple(
            TracedMessage(
                number=number,
                at=at,
                sent=sent,
                text=datagram.decode(errors="backslashreplace").replace("\r\n", "\n"),
            )
            for number, at, sent, datagram in kept
        )
