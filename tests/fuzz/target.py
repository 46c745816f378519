"""What every target of the fuzzer is, and how a single input is measured."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar


class Meter:
    """Counts the datagrams, and keeps the longest time that one of them took.

    The time is that of the processor, for a busy machine must not turn an input into a hang.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.datagrams = 0
        self.longest = 0.0

    def take[Result](self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do what a datagram makes necessary, and give what comes of it."""
        began = time.thread_time()
        try:
            return work(*arguments)
        finally:
            self.datagrams += 1
            self.longest = max(self.longest, time.thread_time() - began)

    def next_input(self) -> None:
        """Forget the longest time of the input before."""
        self.longest = 0.0


class Target(ABC):
    """Something that takes input from the network. Any exception out of `feed` is a fault."""

    name: ClassVar[str]
    text: ClassVar[bool] = True
    """Whether inputs are lines of text, and may be damaged line by line."""

    def __init__(self, meter: Meter) -> None:
        """Take what counts and measures."""
        self.meter = meter

    @classmethod
    @abstractmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give sound inputs, from which damaged ones are made."""

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take one input; it holds one datagram or several."""
