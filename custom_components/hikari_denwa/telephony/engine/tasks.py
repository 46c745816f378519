"""Tasks that begin at once, where Python can have them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def start_now(work: Coroutine[Any, Any, _Value]) -> asyncio.Task[_Value]:
    """Do some work in this very call as far as it goes without waiting; in Python 3.11 soon."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)
