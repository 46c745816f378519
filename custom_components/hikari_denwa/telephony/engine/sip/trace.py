"""Messages as text for the debug log, without what nobody else may see."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?im)^((?:proxy-)?authorization[ \t]*:).*(?:\r?\n[ \t].*)*")


def readable(datagram: bytes) -> str:
    """Give a datagram as text, its credentials left out: a digest can be guessed back."""
    text = datagram.decode(errors="backslashreplace")
    return _CREDENTIALS.sub(r"\1 (left out)", text).replace("\r", "")
