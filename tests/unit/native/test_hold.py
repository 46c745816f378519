"""Hold from our side, reliable ringing, and a second call: what a telephone can do."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.native.sip.incoming import IncomingCall
from custom_components.hikari_denwa.telephony.engine.protocol import CallEnded
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request, Response
from custom_components.hikari_denwa.telephony.errors import CallNotConnectedError, HoldRefusedError

from .bench import ACCOUNT, OFFER, Bench, invite, within


async def talking(bench: Bench, *, timer: str | None = None) -> tuple[IncomingCall, Response]:
    """Ring, answer, acknowledge; give the call and our 200."""
    headers = [("Supported", "timer"), ("Session-Expires", timer)] if timer else []
    bench.receive(invite(*headers))
    bench.sent()
    call = bench.agent.sessions[-1]
    assert isinstance(call, IncomingCall)
    await call.answer()
    response = bench.sent_status(200)
    bench.receive(within(response, "ACK", cseq=1))
    return call, response


def direction(message: Request | Response) -> str:
    """Give the direction that a description names."""
    lines = message.body.decode().split("\r\n")
    return next(line[2:] for line in lines if line in ("a=sendonly", "a=sendrecv", "a=recvonly"))


def version(message: Request | Response) -> int:
    """Give the version of a description."""
    return int(message.body.decode().split("\r\n")[1].split()[2])


async def started(call: IncomingCall, *, held: bool) -> asyncio.Task[None]:
    """Begin to hold or to take back, up to the re-INVITE."""
    task = asyncio.create_task(call.hold(held=held))
    await asyncio.sleep(0)
    return task


class TestHold:
    """A re-INVITE with another direction (RFC 3264 §8.4)."""

    async def test_hold_and_back(self, bench: Bench) -> None:
        """Sendonly with a new version, acknowledged; then sendrecv with a newer one."""
        call, response = await talking(bench)
        task = await started(call, held=True)
        reinvite = bench.sent_request("INVITE")
        assert direction(reinvite) == "sendonly"
        assert version(reinvite) == version(response) + 1
        assert not task.done()
        bench.answer(reinvite, 200, body=OFFER.replace("sendrecv", "recvonly"))
        assert bench.sent_request("ACK").cseq.number == reinvite.cseq.number
        await task
        assert call.holding
        assert bench.sounds[-1].direction == (True, False)
        task = await started(call, held=False)
        back = bench.sent_request("INVITE")
        assert (direction(back), version(back)) == ("sendrecv", version(reinvite) + 1)
        bench.answer(back, 200, body=OFFER)
        await task
        assert not call.holding
        assert bench.sounds[-1].direction == (True, True)

    async def test_as_it_is_already(self, bench: Bench) -> None:
        """Nothing is sent for what is so anyway."""
        call, _ = await talking(bench)
        await call.hold(held=False)
        assert bench.sent() == []

    async def test_refused(self, bench: Bench) -> None:
        """The session stays as it was, and the next offer has a version of its own."""
        call, _ = await talking(bench)
        task = await started(call, held=True)
        refused = bench.sent_request("INVITE")
        bench.answer(refused, 488)
        with pytest.raises(HoldRefusedError):
            await task
        assert not call.holding
        assert bench.kinds[-1] == "call_connected"
        assert bench.sounds[-1].direction == (True, True)
        bench.sent()
        task = await started(call, held=True)
        assert version(bench.sent_request("INVITE")) >= version(refused)
        task.cancel()

    async def test_glare(self, bench: Bench) -> None:
        """491: tried again after up to 2 s, eight times in all (§14.1)."""
        call, _ = await talking(bench)
        task = await started(call, held=True)
        for _ in range(8):
            bench.answer(bench.sent_request("INVITE"), 491)
            bench.sent()
            bench.clock.advance(2.1)
        with pytest.raises(HoldRefusedError):
            await task
        assert bench.sent() == []

    async def test_answer_of_theirs_keeps_it(self, bench: Bench) -> None:
        """A refresh by re-INVITE while we hold is answered sendonly."""
        call, response = await talking(bench)
        task = await started(call, held=True)
        bench.answer(bench.sent_request("INVITE"), 200, body=OFFER.replace("sendrecv", "recvonly"))
        await task
        bench.sent()
        bench.receive(within(response, "INVITE", body=OFFER))
        assert direction(bench.sent_status(200)) == "sendonly"

    async def test_end_meanwhile(self, bench: Bench) -> None:
        """A BYE ends the wait."""
        call, response = await talking(bench)
        task = await started(call, held=True)
        bench.receive(within(response, "BYE"))
        with pytest.raises(HoldRefusedError):
            await task
        with pytest.raises(CallNotConnectedError):
            await call.hold(held=True)

    async def test_nobody_answers(self, bench: Bench) -> None:
        """A re-INVITE that times out ends the session (§14.1)."""
        call, _ = await talking(bench)
        task = await started(call, held=True)
        bench.clock.advance(33)
        with pytest.raises(HoldRefusedError):
            await task
        event = next(each for each in bench.events if isinstance(each, CallEnded))
        assert event.ending.reason is EndReason.SESSION_EXPIRED

    async def test_waits_for_an_open_offer_of_theirs(self, bench: Bench) -> None:
        """A re-INVITE of theirs that waits for its ACK goes first."""
        call, response = await talking(bench)
        reinvite = within(response, "INVITE", body=OFFER)
        bench.receive(reinvite)
        bench.sent_status(200)
        task = await started(call, held=True)
        assert bench.sent() == []
        bench.receive(within(response, "ACK", cseq=reinvite.cseq.number))
        bench.clock.advance(2.1)
        bench.answer(bench.sent_request("INVITE"), 200, body=OFFER)
        await task
        assert call.holding

    async def test_one_change_at_a_time(self, bench: Bench) -> None:
        """A second wish is refused while the first is open."""
        call, _ = await talking(bench)
        task = await started(call, held=True)
        with pytest.raises(HoldRefusedError):
            await call.hold(held=False)
        bench.answer(bench.sent_request("INVITE"), 200, body=OFFER)
        await task

    @pytest.mark.parametrize("status", [200, 488])
    async def test_same_wish_twice(self, bench: Bench, status: int) -> None:
        """Who wants what is already asked for waits for the same answer; one offer goes out."""
        call, _ = await talking(bench)
        tasks = [await started(call, held=True) for _ in range(3)]
        reinvite = bench.sent_request("INVITE")
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [True, False, False]
        bench.answer(reinvite, status, body=OFFER if status == 200 else "")
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        if status == 200:
            assert outcomes[1:] == [None, None]
        else:
            assert [type(outcome) for outcome in outcomes[1:]] == [HoldRefusedError] * 2
        assert call.holding is (status == 200)

    async def test_session_timer_goes_on(self, bench: Bench) -> None:
        """The re-INVITE refreshes the session, too."""
        call, _ = await talking(bench, timer="300;refresher=uac")
        bench.clock.advance(200)
        task = await started(call, held=True)
        reinvite = bench.sent_request("INVITE")
        assert reinvite.headers.get("Session-Expires") == "300;refresher=uac"
        bench.answer(reinvite, 200, ("Session-Expires", "300;refresher=uas"), body=OFFER)
        await task
        bench.clock.advance(200)
        assert "call_ended" not in bench.kinds


class TestReliableRinging:
    """Provisionals for a caller that requires them to be reliable (RFC 3262 §3)."""

    def test_repeated_until_prack(self, bench: Bench) -> None:
        """180 with RSeq at T1, then twice as late each time; PRACK gets 200 and ends it."""
        bench.receive(invite(("Require", "100rel")))
        ringing = bench.sent_status(180)
        assert ringing.headers.get("Require") == "100rel"
        number = ringing.headers.get("RSeq")
        assert number
        bench.clock.advance(3.6)
        again = [each for each in bench.sent() if isinstance(each, Response)]
        assert [each.headers.get("RSeq") for each in again] == [number] * 3
        bench.receive(within(ringing, "PRACK", ("RAck", f"{number} 1 INVITE"), cseq=2))
        assert bench.sent_status(200).cseq.method == "PRACK"
        bench.clock.advance(30)
        assert bench.sent() == []

    @pytest.mark.parametrize("rack", ["", "1 1 INVITE", "x"])
    def test_prack_of_something_else(self, bench: Bench, rack: str) -> None:
        """481, and the 180 goes on being repeated."""
        bench.receive(invite(("Require", "100rel")))
        ringing = bench.sent_status(180)
        headers = [("RAck", rack)] if rack else []
        bench.receive(within(ringing, "PRACK", *headers, cseq=2))
        assert bench.sent_status(481)
        bench.clock.advance(0.6)
        assert bench.sent_status(180)

    def test_no_prack(self, bench: Bench) -> None:
        """504 after 64*T1; the call is over."""
        bench.receive(invite(("Require", "100rel")))
        bench.clock.advance(32.5)
        statuses = [each.status for each in bench.sent() if isinstance(each, Response)]
        assert statuses[-1] == 504
        assert bench.kinds[-1] == "call_ended"

    async def test_answered_before_the_prack(self, bench: Bench) -> None:
        """200 goes out, and no 180 after it."""
        bench.receive(invite(("Require", "100rel")))
        bench.sent()
        call = bench.agent.sessions[-1]
        assert isinstance(call, IncomingCall)
        await call.answer()
        response = bench.sent_status(200)
        bench.receive(within(response, "ACK", cseq=1))
        bench.clock.advance(10)
        assert bench.sent() == []

    def test_every_minute_anew(self, bench: Bench) -> None:
        """A later 180 has the next number."""
        bench.receive(invite(("Require", "100rel")))
        ringing = bench.sent_status(180)
        first = int(ringing.headers.get("RSeq") or 0)
        bench.receive(within(ringing, "PRACK", ("RAck", f"{first} 1 INVITE"), cseq=2))
        bench.sent()
        bench.clock.advance(60)
        assert bench.sent_status(180).headers.get("RSeq") == str(first + 1)

    def test_without_an_offer(self, bench: Bench) -> None:
        """420: our offer would have to be in the 180 (§5), before anybody has answered."""
        bench.receive(invite(("Require", "100rel"), body=""))
        refusal = bench.sent_status(420)
        assert refusal.headers.get("Unsupported") == "100rel"


class TestCallWaiting:
    """A second call while there is one."""

    async def test_second_rings_and_third_is_busy(self) -> None:
        """With the option on, two at once."""
        bench = Bench(account=replace(ACCOUNT, call_waiting=True))
        await talking(bench)
        bench.receive(invite(call_id="second", branch="z9hG4bKsecond"))
        assert bench.sent_status(180)
        bench.receive(invite(call_id="third", branch="z9hG4bKthird"))
        assert bench.sent_status(486)
        bench.agent.close()

    async def test_without_the_option(self, bench: Bench) -> None:
        """Busy."""
        await talking(bench)
        bench.receive(invite(call_id="second", branch="z9hG4bKsecond"))
        assert bench.sent_status(486)


@pytest.fixture
def bench() -> Bench:
    """Give an agent."""
    return Bench()
