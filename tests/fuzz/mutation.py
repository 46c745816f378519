"""Damage: how inputs that nobody would send are made from sound ones."""

import random
import re
from collections.abc import Callable, Sequence

MAX_INPUT = 12_000
_PIECES = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n ",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    "電".encode(),
    b'"',
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b":",
    b"%",
    b"%00",
    b"%zz",
    b"[",
    b"]",
    b"[::]",
    b"[::1%25eth0]",
    b"@",
    b"?",
    b"*",
    b"/",
    b" ",
    b"\t",
    b";rport",
    b";lr",
    b";tag=",
    b"z9hG4bK",
    b"SIP/2.0",
    b"l: 7",
    b"Content-Encoding: gzip",
    b"Require: 100rel",
    b"Session-Expires: 90;refresher=uas",
    b"Expires: 0",
    b"m=audio 0 RTP/AVP 0",
    b"a=inactive",
    b"c=IN IP4 0.0.0.0",
    b"c=IN IP6 ff02::1",
    b"[[[[[[[[",
    b'{"type":',
    b"1e999",
    b"null",
    b"\x80",
    b"\x90\x00",
)
_NUMBERS = (
    b"0",
    b"1",
    b"-1",
    b"00000000000000000001",
    b"99",
    b"127",
    b"128",
    b"255",
    b"256",
    b"32767",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"18446744073709551616",
    b"9" * 400,
    "٣".encode(),
)
_NUMBER = re.compile(rb"[0-9]+")


class Mutator:
    """Makes damaged inputs; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        """Begin with a seed."""
        self._random = random.Random(seed)
        self._of_bytes: tuple[_Way, ...] = (
            self._flip,
            self._insert,
            self._insert,
            self._replace,
            self._cut,
            self._double,
        )
        self._of_text: tuple[_Way, ...] = (
            *self._of_bytes,
            self._number,
            self._number,
            self._drop_line,
            self._double_line,
            self._swap_lines,
            self._borrow_line,
        )

    def choose[Item](self, items: Sequence[Item]) -> Item:
        """Give one of several."""
        return items[int(self._random.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """Tell whether something that is not always done is to be done now."""
        return self._random.random() < probability

    def damage(self, data: bytes, others: Sequence[bytes], *, text: bool) -> bytes:
        """Damage an input in some places; `others` are what pieces may be taken from."""
        ways = self._of_text if text else self._of_bytes
        for _ in range(1 + int(self._random.expovariate(0.7))):
            data = self.choose(ways)(data, self.choose(others))
        return data[:MAX_INPUT]

    def index(self, items: Sequence[object]) -> int:
        """Give the place of one of several."""
        return int(self._random.random() * len(items))

    def shuffle(self, steps: list[bytes], others: Sequence[bytes]) -> list[bytes]:
        """Drop a step, repeat one, let two change places, or put in one of another script."""
        place = self.index(steps)
        match self.index("dris"):
            case 0 if len(steps) > 1:
                return steps[:place] + steps[place + 1 :]
            case 1:
                return [*steps[:place], steps[place], *steps[place:]]
            case 2:
                other = self.index(steps)
                steps[place], steps[other] = steps[other], steps[place]
                return steps
        return [*steps[:place], self.choose(others), *steps[place:]][:40]

    def _place(self, data: bytes) -> int:
        """Give a place in an input."""
        return int(self._random.random() * (len(data) + 1))

    def _span(self, data: bytes, longest: int = 40) -> tuple[int, int]:
        """Give the ends of a piece of an input."""
        start = self._place(data)
        return start, min(len(data), start + int(self._random.random() * longest))

    def _flip(self, data: bytes, _: bytes) -> bytes:
        """Change one octet."""
        if not data:
            return b"\0"
        place = min(self._place(data), len(data) - 1)
        octet = data[place] ^ (1 << int(self._random.random() * 8))
        return data[:place] + bytes((octet,)) + data[place + 1 :]

    def _insert(self, data: bytes, _: bytes) -> bytes:
        """Put a piece in, at times often."""
        place = self._place(data)
        times = self.choose((1, 1, 1, 1, 2, 60))
        return data[:place] + self.choose(_PIECES) * times + data[place:]

    def _replace(self, data: bytes, other: bytes) -> bytes:
        """Put a piece of another input in the place of one."""
        start, end = self._span(data)
        first, last = self._span(other)
        return data[:start] + other[first:last] + data[end:]

    def _cut(self, data: bytes, _: bytes) -> bytes:
        """Take a piece out."""
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _double(self, data: bytes, _: bytes) -> bytes:
        """Put a piece twice."""
        start, end = self._span(data, 200)
        return data[:end] + data[start:]

    def _number(self, data: bytes, _: bytes) -> bytes:
        """Change a number."""
        found = list(_NUMBER.finditer(data))
        if not found:
            return data
        one = self.choose(found)
        return data[: one.start()] + self.choose(_NUMBERS) + data[one.end() :]

    def _drop_line(self, data: bytes, _: bytes) -> bytes:
        """Leave a line out."""
        lines = data.split(b"\r\n")
        del lines[int(self._random.random() * len(lines))]
        return b"\r\n".join(lines)

    def _double_line(self, data: bytes, _: bytes) -> bytes:
        """Put a line twice."""
        lines = data.split(b"\r\n")
        lines.insert(int(self._random.random() * len(lines)), self.choose(lines))
        return b"\r\n".join(lines)

    def _swap_lines(self, data: bytes, _: bytes) -> bytes:
        """Let two lines change places."""
        lines = data.split(b"\r\n")
        one, other = (int(self._random.random() * len(lines)) for _ in range(2))
        lines[one], lines[other] = lines[other], lines[one]
        return b"\r\n".join(lines)

    def _borrow_line(self, data: bytes, other: bytes) -> bytes:
        """Put a line of another input in the place of one."""
        lines = data.split(b"\r\n")
        lines[int(self._random.random() * len(lines))] = self.choose(other.split(b"\r\n"))
        return b"\r\n".join(lines)


type _Way = Callable[[bytes, bytes], bytes]
