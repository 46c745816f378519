"""Which branches of the product an input has reached, at next to no cost.

Each way out of a branch reports itself once and is switched off from then on (PEP 669).
"""

import sys
from types import CodeType
from typing import Self

_TOOL = sys.monitoring.COVERAGE_ID
_PRODUCT = "telephony"


class Coverage:
    """Counts the ways out of branches that were taken for the first time."""

    def __init__(self) -> None:
        """Begin with nothing reached."""
        self.reached = 0

    def __enter__(self) -> Self:
        """Begin to watch."""
        events = sys.monitoring.events
        watched = (events.BRANCH_LEFT, events.BRANCH_RIGHT)
        sys.monitoring.use_tool_id(_TOOL, "fuzz")
        for event in watched:
            sys.monitoring.register_callback(_TOOL, event, self._take)
        sys.monitoring.set_events(_TOOL, watched[0] | watched[1])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)
        sys.monitoring.restart_events()

    def _take(self, code: CodeType, _offset: int, _destination: int) -> object:
        """Count a way out of a branch, and hear no more of it."""
        if _PRODUCT in code.co_filename:
            self.reached += 1
        return sys.monitoring.DISABLE
