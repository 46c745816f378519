"""Every scenario with every back end over every family; the gateway must find nothing to blame."""

from collections.abc import Iterator

import pytest

from custom_components.hikari_denwa.telephony.engine.client import EngineClient
from tests.home_gateway.config import Family
from tests.home_gateway.gateway import HomeGateway

from .catalogue import MODULES
from .different import DIFFERENT
from .document import PAGE, page_with_tables
from .engine import SharedEngine, Subject, Visitor, subjects
from .stage import SCENARIOS, Line, Scenario, Stage


def _cases() -> Iterator[object]:
    """Pair scenarios with back ends and families."""
    for subject in subjects():
        for family in subject.families:
            if subject.missing:
                yield pytest.param(
                    subject,
                    family,
                    None,
                    id=f"{subject.backend}-{family}",
                    marks=pytest.mark.skip(reason=subject.missing),
                )
                continue
            for item in SCENARIOS:
                if family not in item.families or (item.moves and not subject.both):
                    continue
                if (subject.backend, item.name) in DIFFERENT:
                    continue
                marks = [pytest.mark.assumption] if item.assumption else []
                name = f"{subject.backend}-{family}-{item.name}"
                yield pytest.param(subject, family, item, id=name, marks=marks)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(("subject", "family", "item"), _cases())
async def test_scenario(
    engines: dict[Subject, SharedEngine], subject: Subject, family: Family, item: Scenario
) -> None:
    """Play one scenario from its client's first word to its last."""
    async with HomeGateway(item.config) as gateway:
        client = EngineClient(subject.launcher()) if item.alone else Visitor(engines[subject])
        await client.start()
        stage = Stage(gateway, client, family, Line(item.patience))
        try:
            if item.registers:
                await stage.register()
            await item.run(stage)
        finally:
            await client.close()
        assert gateway.violations == []


def test_scenarios_say_where_they_come_from() -> None:
    """Each names an RFC section, a fact or a rule of the house, has a sentence and its own name."""
    for item in SCENARIOS:
        assert item.source.startswith(("RFC ", "facts ", "house rule ")), item.name
        assert item.run.__doc__, item.name
        assert item.run.__module__ in {module.__name__ for module in MODULES}
    assert len({item.name for item in SCENARIOS}) == len(SCENARIOS)


def test_what_is_decided_otherwise_is_little() -> None:
    """Six scenarios at most, each of which there is, each with a sentence."""
    assert len(DIFFERENT) <= 6
    assert {name for _, name in DIFFERENT} <= {item.name for item in SCENARIOS}
    assert all(reason.endswith(".") for reason in DIFFERENT.values())


def test_page_lists_every_scenario() -> None:
    """docs/conformance.md is as ``python -m tests.conformance.document`` writes it."""
    assert page_with_tables(PAGE.read_text()) == PAGE.read_text()


def test_there_are_enough_scenarios() -> None:
    """The contract is as wide as was promised."""
    assert len(SCENARIOS) >= 80
