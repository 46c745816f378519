"""Session timers (RFC 4028)."""

import pytest

from custom_components.hikari_denwa.telephony.engine.native.sip.session_timer import (
    SessionInterval,
    SessionTimer,
    agreed_timer,
    answer_timer,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import SessionExpires

from .bench import FakeClock, invite

TIMER = ("Supported", "timer,100rel")


@pytest.mark.parametrize(
    ("headers", "header", "we_refresh", "required"),
    [
        ([TIMER, ("Session-Expires", "300;refresher=uac")], "300;refresher=uac", False, True),
        ([TIMER, ("Session-Expires", "300;refresher=uas")], "300;refresher=uas", True, True),
        ([TIMER, ("Session-Expires", "300")], "300;refresher=uac", False, True),
        ([("Session-Expires", "300")], "300;refresher=uas", True, False),
        ([("Session-Expires", "300;refresher=uac")], "300;refresher=uas", True, False),
    ],
)
def test_answer(
    headers: list[tuple[str, str]], header: str, *, we_refresh: bool, required: bool
) -> None:
    """The refresher is kept, and is us only where the caller cannot be (§9, table 2)."""
    answer = answer_timer(invite(*headers))
    assert answer is not None
    assert str(answer.header) == header
    assert answer.interval == SessionInterval(seconds=300, we_refresh=we_refresh)
    assert answer.required is required


@pytest.mark.parametrize(
    "headers", [[], [TIMER], [TIMER, ("Session-Expires", "x")], [("Session-Expires", "0")]]
)
def test_no_timer(headers: list[tuple[str, str]]) -> None:
    """Nothing asked, nothing answered; an interval of nothing would be the end."""
    assert answer_timer(invite(*headers)) is None


def test_refresh_that_forgets_the_header_keeps_the_interval() -> None:
    """The roles stay as they were, whoever sends the request."""
    current = SessionInterval(seconds=300, we_refresh=False)
    answer = answer_timer(invite(TIMER), current)
    assert answer is not None
    assert answer.header == SessionExpires(300, "uac")
    assert answer.interval == current
    assert answer_timer(invite(), current) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("300;refresher=uac", SessionInterval(seconds=300, we_refresh=True)),
        ("300;refresher=uas", SessionInterval(seconds=300, we_refresh=False)),
        ("300", SessionInterval(seconds=300, we_refresh=True)),
        ("soon", None),
        (None, None),
    ],
)
def test_agreed(value: str | None, expected: SessionInterval | None) -> None:
    """What a 2xx to us says; where it names nobody we refresh, lest nobody does (§7.2)."""
    response = invite().reply(200)
    if value:
        response.headers.add("Session-Expires", value)
    assert agreed_timer(response) == expected


class TestTimer:
    """When it calls."""

    def setup_method(self) -> None:
        """Build a timer."""
        self.clock = FakeClock()
        self.calls: list[tuple[float, str]] = []
        self.timer = SessionTimer(
            self.clock,
            refresh=lambda: self.calls.append((self.clock.now, "refresh")),
            expired=lambda: self.calls.append((self.clock.now, "expired")),
        )

    def test_refresher(self) -> None:
        """At half the interval, and an end if that leads to nothing (§10)."""
        self.timer.restart(SessionInterval(seconds=300, we_refresh=True))
        self.clock.advance(400)
        assert self.calls == [(150, "refresh"), (268, "expired")]

    @pytest.mark.parametrize(("seconds", "end"), [(300, 268), (90, 60), (1800, 1768)])
    def test_other_side(self, seconds: int, end: float) -> None:
        """The end comes min(32, a third) before the interval is over (§10)."""
        self.timer.restart(SessionInterval(seconds=seconds, we_refresh=False))
        self.clock.advance(2000)
        assert self.calls == [(end, "expired")]

    def test_each_refresh_starts_anew(self) -> None:
        """As long as refreshes come, nothing ends."""
        for _ in range(10):
            self.timer.restart(SessionInterval(seconds=300, we_refresh=False))
            self.clock.advance(200)
        assert self.calls == []
        self.timer.restart(None)
        self.clock.advance(1000)
        assert self.calls == []
        assert self.clock.pending == 0

    def test_retry(self) -> None:
        """A refresh that was refused for now is tried again, the end stays where it was."""
        self.timer.restart(SessionInterval(seconds=300, we_refresh=True))
        self.clock.advance(160)
        self.timer.retry_refresh(5)
        self.clock.advance(200)
        assert self.calls == [(150, "refresh"), (165, "refresh"), (268, "expired")]
