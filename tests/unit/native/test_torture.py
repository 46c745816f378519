"""The user agent meets every message of RFC 4475 and RFC 5118 as the RFCs say."""

import re
from dataclasses import replace

import pytest

from tests.unit.sip.torture_messages import TORTURE_MESSAGES, Expectation, TortureMessage

from .bench import ACCOUNT, Bench, invite

_USER = re.compile(rb"[A-Z]+ sips?:([a-z0-9]+)@")


def replies(bench: Bench) -> list[int]:
    """Take the statuses that were sent, also those of answers that are malformed as their cause."""
    taken, bench.wire = bench.wire, []
    return [int(each.split()[1]) for each in taken if each.startswith(b"SIP/2.0 ")]


@pytest.mark.parametrize("message", TORTURE_MESSAGES, ids=lambda each: each.name)
async def test_torture(message: TortureMessage) -> None:
    """Answered or dropped; nothing rings that is not for us, and the agent goes on."""
    user = _USER.match(message.datagram)
    name = user[1].decode() if user else "3"
    bench = Bench(replace(ACCOUNT, extension=name))
    await bench.register()
    bench.agent.layer.send = lambda data, _: bench.wire.append(data)
    bench.receive(message.datagram)
    bench.clock.advance(0.25)
    statuses = replies(bench)
    if message.expectation is Expectation.DROPPED:
        assert statuses == []
    elif message.expectation is Expectation.STATUS:
        assert len(statuses) == 1
        assert statuses[0] in message.statuses
    if message.expectation is not Expectation.PARSED:
        assert bench.events == []
    assert bench.agent.registration.registered
    for session in bench.agent.sessions:
        session.abort()
    bench.sent()
    bench.receive(invite(uri=f"sip:{name}@[2001:db8::20]:5062"))
    assert 180 in replies(bench)
