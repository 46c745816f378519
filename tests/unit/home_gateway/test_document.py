"""The page about the simulated gateway says what the code does."""

import re
from pathlib import Path

import pytest

from tests.home_gateway.callees import default_callees
from tests.home_gateway.switches import GROUPS, markdown, switches

PAGE = Path(__file__).parents[3] / "docs" / "simulated-gateway.md"
MARKED = ("registrar.", "calls.", "session_timer.", "media.", "slots.N.")
UNMARKED = {"slots.N.reach", "session_timer.expire_after"}


def test_page_lists_every_switch() -> None:
    """The tables are those that the command prints."""
    listed = PAGE.read_text().partition("<!-- switches -->\n")[2]
    assert listed.partition("<!-- end of switches -->")[0].strip() == markdown().strip()


@pytest.mark.parametrize(("prefix", "group"), GROUPS)
def test_every_switch_says_what_it_does_and_how_sure_that_is(prefix: str, group: type) -> None:
    """A text for each, and a mark where behaviour of gateways is meant."""
    for switch in switches(prefix, group):
        assert switch.text, switch.name
        if prefix in MARKED and switch.name not in UNMARKED:
            assert re.search(r"\[(?:D|R|I|A|\?|general)[^]]*\]", switch.text), switch.name


def test_numbers_of_the_page_are_in_the_directory() -> None:
    """Each number that the page names as a callee is one."""
    section = PAGE.read_text().partition("## Who can be called")[2].partition("## What")[0]
    numbers = set(re.findall(r"`(\d{3,})`", section))
    assert len(numbers) > 10
    assert numbers <= set(default_callees())
