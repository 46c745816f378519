"""Calls that we place (RFC 3261 §13.2, home-gateway facts §2.2 and §3.4)."""

import asyncio

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.native.sip.session import Session
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEnded,
    CallHeld,
    CallProgress,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request
from custom_components.hikari_denwa.telephony.errors import (
    LineBusyError,
    LineNotRegisteredError,
    SoundPortsExhaustedError,
)

from .bench import CHALLENGE, LOCAL, OFFER, Bench, invite

CONTACT = ("Contact", "<sip:0312345678@[2001:db8::1]:5060>")
TIMED = (
    CONTACT,
    ("Require", "timer"),
    ("Session-Expires", "300;refresher=uas"),
    ("Allow", "INVITE,ACK,BYE,CANCEL,UPDATE"),
)


@pytest.fixture
async def bench() -> Bench:
    """Give an agent that is registered, whose refreshes do not get in the way."""
    bench = Bench()
    await bench.register()
    bench.agent.registration.stop()
    return bench


async def dialled(bench: Bench, number: str = "0312345678") -> Request:
    """Dial, and give the INVITE."""
    await bench.agent.dial(number)
    return bench.sent_request("INVITE")


async def talking(bench: Bench) -> Request:
    """Dial and be answered; give the ACK."""
    request = await dialled(bench)
    bench.answer(request, 200, *TIMED, body=OFFER)
    return bench.sent_request("ACK")


def call_of(bench: Bench) -> Session:
    """Give the latest call."""
    return bench.agent.sessions[-1]


def ending(bench: Bench) -> EndReason:
    """Give why the call ended, which must be the last event and the only such."""
    assert bench.kinds.count("call_ended") == 1
    event = bench.events[-1]
    assert isinstance(event, CallEnded)
    return event.ending.reason


class TestInvite:
    """The request itself."""

    async def test_request(self, bench: Bench) -> None:
        """URIs with the gateway's literal, an offer of PCMU alone, a session timer."""
        request = await dialled(bench)
        assert str(request.uri) == "sip:0312345678@[2001:db8::1]"
        assert request.headers.get("To") == "<sip:0312345678@[2001:db8::1]>"
        assert str(request.from_.uri) == "sip:3@[2001:db8::1]"
        assert request.from_.tag
        assert request.headers.get("Contact") == "<sip:3@[2001:db8::20]:5062>"
        assert request.max_forwards == 70
        assert (request.via.branch or "").startswith("z9hG4bK")
        assert request.via.rport == ""
        assert request.supported == ["timer"]
        assert request.session_expires is not None
        assert request.session_expires.seconds == 1800
        assert request.min_se == 90
        assert (request.headers.get("User-Agent") or "").startswith("hikari-denwa/")
        assert b"m=audio 40000 RTP/AVP 0\r\n" in request.body
        assert b"o=- " in request.body
        assert f"c=IN IP6 {LOCAL[0]}".encode() in request.body

    async def test_hash_is_escaped(self, bench: Bench) -> None:
        """`#` may not stand in a user part, `*` may (facts §3.3)."""
        request = await dialled(bench, "*70#1")
        assert b"INVITE sip:*70%231@[2001:db8::1] SIP/2.0" in request.encode()

    async def test_not_registered(self) -> None:
        """Nothing is sent."""
        bench = Bench()
        with pytest.raises(LineNotRegisteredError):
            await bench.agent.dial("1")
        assert bench.sent() == []

    async def test_busy(self, bench: Bench) -> None:
        """One call at a time, in either direction, also while the first is being set up."""
        first = asyncio.ensure_future(bench.agent.dial("1"))
        await asyncio.sleep(0)
        with pytest.raises(LineBusyError):
            await bench.agent.dial("2")
        await first
        bench.sent()
        bench.receive(invite())
        assert bench.sent_status(486)

    async def test_no_ports(self, bench: Bench) -> None:
        """The line is free again."""

        async def exhausted(*_: object, **__: object) -> None:
            raise SoundPortsExhaustedError

        working, bench.agent.open_sound = bench.agent.open_sound, exhausted  # type: ignore[assignment]
        with pytest.raises(SoundPortsExhaustedError):
            await bench.agent.dial("1")
        bench.agent.open_sound = working
        await bench.agent.dial("1")

    @pytest.mark.parametrize(
        ("status", "asked", "given"),
        [
            (401, "WWW-Authenticate", "Authorization"),
            (407, "Proxy-Authenticate", "Proxy-Authorization"),
        ],
    )
    async def test_challenge(self, bench: Bench, status: int, asked: str, given: str) -> None:
        """Answered once: CSeq up, new branch, same Call-ID and tag, the URI as it stands."""
        request = await dialled(bench)
        bench.answer(request, status, (asked, CHALLENGE))
        ack, again = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        assert ack.method == "ACK"
        assert again.cseq.number == request.cseq.number + 1
        assert again.via.branch != request.via.branch
        assert again.call_id == request.call_id
        assert again.headers.get("From") == request.headers.get("From")
        assert again.to.tag is None
        credentials = again.headers.get(given) or ""
        assert 'username="0003"' in credentials
        assert 'uri="sip:0312345678@[2001:db8::1]"' in credentials
        bench.answer(again, 200, CONTACT, body=OFFER)
        acknowledged = bench.sent_request("ACK")
        assert acknowledged.headers.get(given) == credentials

    async def test_wrong_credentials(self, bench: Bench) -> None:
        """A second challenge without stale ends it; nobody is asked a third time."""
        request = await dialled(bench)
        bench.answer(request, 401, ("WWW-Authenticate", CHALLENGE))
        again = bench.sent()[-1]
        assert isinstance(again, Request)
        bench.answer(again, 401, ("WWW-Authenticate", CHALLENGE))
        bench.sent_request("ACK")
        assert ending(bench) is EndReason.CREDENTIALS_REJECTED

    async def test_stale_nonce(self, bench: Bench) -> None:
        """One more try for stale=true, and no more."""
        stale = ("WWW-Authenticate", f"{CHALLENGE},stale=true")
        request = await dialled(bench)
        for _ in range(2):
            bench.answer(request, 401, stale)
            again = bench.sent()[-1]
            assert isinstance(again, Request)
            request = again
        bench.answer(request, 401, stale)
        bench.sent_request("ACK")
        assert ending(bench) is EndReason.CREDENTIALS_REJECTED

    @pytest.mark.assumption
    async def test_rport_refused(self, bench: Bench) -> None:
        """400 draws one repetition without rport, which is remembered."""
        request = await dialled(bench)
        bench.answer(request, 400)
        again = bench.sent()[-1]
        assert isinstance(again, Request)
        assert again.via.rport is None
        bench.answer(again, 486)
        bench.sent()
        assert (await dialled(bench)).via.rport is None

    async def test_400_that_is_not_about_rport(self, bench: Bench) -> None:
        """The second 400 ends the call, and rport is asked for as before."""
        request = await dialled(bench)
        bench.answer(request, 400)
        again = bench.sent()[-1]
        assert isinstance(again, Request)
        bench.answer(again, 400)
        bench.sent()
        assert ending(bench) is EndReason.PROTOCOL_FAILURE
        assert (await dialled(bench)).via.rport == ""

    async def test_interval_too_small(self, bench: Bench) -> None:
        """422 is obeyed once (RFC 4028 §7.3)."""
        request = await dialled(bench)
        bench.answer(request, 422, ("Min-SE", "3600"))
        again = bench.sent()[-1]
        assert isinstance(again, Request)
        assert again.session_expires is not None
        assert (again.session_expires.seconds, again.min_se) == (3600, 3600)
        assert (again.call_id, again.cseq.number) == (request.call_id, request.cseq.number + 1)
        bench.answer(again, 422, ("Min-SE", "7200"))
        bench.sent_request("ACK")
        assert ending(bench) is EndReason.PROTOCOL_FAILURE


class TestProgress:
    """Until the answer."""

    async def test_ringing_and_early_media(self, bench: Bench) -> None:
        """Each change is told once; the sound of a 183 is let through at once."""
        request = await dialled(bench)
        bench.answer(request, 100)
        bench.answer(request, 180)
        bench.answer(request, 180)
        sound = bench.sounds[0]
        assert not sound.started
        bench.answer(request, 183, CONTACT, body=OFFER)
        assert sound.started
        assert sound.remote == ("2001:db8::1", 20000)
        told = [
            (each.status, each.early_media)
            for each in bench.events
            if isinstance(each, CallProgress)
        ]
        assert told == [(180, False), (183, True)]
        assert bench.sent() == []

    async def test_early_media_that_will_not_do(self, bench: Bench) -> None:
        """A description that cannot be used is no early media."""
        request = await dialled(bench)
        bench.answer(request, 183, CONTACT, body="nonsense")
        bench.answer(request, 183, CONTACT, body=OFFER.replace("AVP 0", "AVP 8"))
        assert not bench.sounds[0].started
        assert bench.kinds == ["call_progress"]

    async def test_body_that_is_no_description(self, bench: Bench) -> None:
        """Something else in a provisional response is no early media."""
        request = await dialled(bench)
        response = request.reply(183, to_tag="g1")
        response.headers.add("Content-Type", "text/plain")
        response.body = OFFER.encode()
        bench.receive(response)
        assert not bench.sounds[0].started

    async def test_reliable_provisional(self, bench: Bench) -> None:
        """PRACK for each, once, in order (RFC 3262 §4)."""
        request = await dialled(bench)
        reliable = (("Require", "100rel"), CONTACT, ("RSeq", "10"))
        bench.answer(request, 183, *reliable, body=OFFER)
        prack = bench.sent_request("PRACK")
        assert prack.headers.get("RAck") == f"10 {request.cseq.number} INVITE"
        assert prack.to.tag == "g1"
        assert str(prack.uri) == "sip:0312345678@[2001:db8::1]:5060"
        bench.answer(request, 183, *reliable, body=OFFER)
        bench.answer(request, 180, *reliable[:2], ("RSeq", "12"))
        bench.answer(request, 180, *reliable[:2], ("RSeq", "x"))
        assert bench.sent() == []
        bench.answer(prack, 200)
        bench.answer(request, 180, *reliable[:2], ("RSeq", "11"))
        assert (
            bench.sent_request("PRACK").headers.get(
                "RAck",
            )
            == f"11 {request.cseq.number} INVITE"
        )

    async def test_nobody_answers_the_invite(self, bench: Bench) -> None:
        """Timer B: the gateway is silent."""
        await dialled(bench)
        bench.clock.advance(33)
        assert ending(bench) is EndReason.GATEWAY_SILENT
        assert bench.agent.sessions == ()
        assert bench.sounds[0].closed

    async def test_icmp_error(self, bench: Bench) -> None:
        """Nobody is there: told at once."""
        await dialled(bench)
        bench.agent.unreachable()
        assert ending(bench) is EndReason.GATEWAY_SILENT

    async def test_rings_for_ever(self, bench: Bench) -> None:
        """A gateway that goes away while it rings is not waited for longer than timer C."""
        request = await dialled(bench)
        for _ in range(5):
            bench.answer(request, 180)
            bench.clock.advance(150)
        assert "call_ended" not in bench.kinds
        bench.clock.advance(60)
        assert ending(bench) is EndReason.NO_ANSWER
        assert any(isinstance(each, Request) and each.method == "CANCEL" for each in bench.sent())
        bench.clock.advance(40)
        assert bench.agent.sessions == ()

    async def test_cancel(self, bench: Bench) -> None:
        """The user is rid of the call at once; the line is free; 487 ends the rest."""
        request = await dialled(bench)
        bench.answer(request, 180)
        call_of(bench).hang_up()
        cancel = bench.sent_request("CANCEL")
        assert ending(bench) is EndReason.CANCELLED_HERE
        assert not bench.agent.busy
        bench.answer(cancel, 200)
        bench.answer(request, 487)
        bench.sent_request("ACK")
        assert bench.agent.sessions == ()
        assert bench.kinds == ["call_progress", "call_ended"]

    async def test_cancel_before_anything_came(self, bench: Bench) -> None:
        """It waits for the first provisional response (§9.1), and no challenge is answered."""
        request = await dialled(bench)
        call_of(bench).hang_up()
        assert bench.sent() == []
        bench.answer(request, 100)
        bench.sent_request("CANCEL")
        bench.answer(request, 401, ("WWW-Authenticate", CHALLENGE))
        bench.sent_request("ACK")
        assert bench.agent.sessions == ()

    async def test_200_crosses_cancel(self, bench: Bench) -> None:
        """ACK and BYE; the user hears nothing of it."""
        request = await dialled(bench)
        bench.answer(request, 180)
        call_of(bench).hang_up()
        bench.sent_request("CANCEL")
        bench.answer(request, 200, *TIMED, body=OFFER)
        ack, bye = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, bye.method) == ("ACK", "BYE")
        bench.answer(bye, 200)
        assert bench.agent.sessions == ()
        assert bench.kinds == ["call_progress", "call_ended"]

    async def test_hung_up_while_the_sound_opens(self, bench: Bench) -> None:
        """No INVITE leaves, no port stays bound."""
        task = asyncio.ensure_future(bench.agent.dial("1"))
        await asyncio.sleep(0)
        bench.agent.hang_up_all(EndReason.LINE_CLOSED)
        await task
        assert bench.sent() == []
        assert bench.sounds[0].closed
        assert bench.agent.sessions == ()

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (302, EndReason.MOVED),
            (400, EndReason.PROTOCOL_FAILURE),
            (403, EndReason.BARRED),
            (404, EndReason.NUMBER_UNKNOWN),
            (408, EndReason.NO_ANSWER),
            (410, EndReason.NUMBER_CHANGED),
            (415, EndReason.NOT_ACCEPTABLE),
            (420, EndReason.PROTOCOL_FAILURE),
            (433, EndReason.NUMBER_WITHHELD_REFUSED),
            (480, EndReason.UNREACHABLE),
            (484, EndReason.NUMBER_INCOMPLETE),
            (486, EndReason.BUSY),
            (487, EndReason.NETWORK_FAILURE),
            (488, EndReason.NOT_ACCEPTABLE),
            (500, EndReason.NETWORK_FAILURE),
            (503, EndReason.NETWORK_FAILURE),
            (599, EndReason.NETWORK_FAILURE),
            (600, EndReason.BUSY),
            (603, EndReason.DECLINED),
            (604, EndReason.NUMBER_UNKNOWN),
            (606, EndReason.NOT_ACCEPTABLE),
        ],
    )
    async def test_refused(self, bench: Bench, status: int, expected: EndReason) -> None:
        """Each status has its reason; status, phrase and Warning are kept."""
        request = await dialled(bench)
        if status == 400:
            bench.agent.requester.rport = False
        bench.answer(request, status, ("Warning", '304 Anonymous "Media type not available"'))
        ack = bench.sent()[0]
        assert isinstance(ack, Request)
        assert ack.method == "ACK"
        assert ack.via.branch == request.via.branch
        assert ending(bench) is expected
        event = bench.events[-1]
        assert isinstance(event, CallEnded)
        assert (event.ending.status, event.ending.warning) == (status, 304)
        assert bench.agent.sessions == ()
        assert bench.sounds[0].closed

    @pytest.mark.parametrize(
        ("before", "headers", "expected"),
        [
            (180, [], EndReason.NO_ANSWER),
            (100, [], EndReason.UNREACHABLE),
            (180, [("Reason", "Q.850;cause=20")], EndReason.UNREACHABLE),
            (100, [("Reason", "Q.850;cause=19")], EndReason.NO_ANSWER),
            (100, [("Reason", "SIP;cause=19, Q.850;cause=99")], EndReason.UNREACHABLE),
        ],
    )
    async def test_480(
        self, bench: Bench, before: int, headers: list[tuple[str, str]], expected: EndReason
    ) -> None:
        """It rang in vain, or it did not ring; Q.850 knows better."""
        request = await dialled(bench)
        bench.answer(request, before)
        bench.answer(request, 480, *headers)
        assert ending(bench) is expected

    async def test_403_raises_doubt(self, bench: Bench) -> None:
        """The gateway may have forgotten us: a REGISTER finds out."""
        bench.answer(await dialled(bench), 403)
        # REGISTERs are a second apart, and the last was just before.
        bench.clock.advance(1.0)
        methods = [each.method for each in bench.sent() if isinstance(each, Request)]
        assert sorted(methods) == ["ACK", "REGISTER"]


class TestAnswered:
    """200 and after."""

    async def test_ack_and_sound(self, bench: Bench) -> None:
        """The ACK goes to the Contact of the 200 with a branch of its own."""
        request = await dialled(bench)
        answer = bench.answer(request, 200, *TIMED, body=OFFER)
        ack = bench.sent_request("ACK")
        assert ack.cseq.number == request.cseq.number
        assert ack.via.branch != request.via.branch
        assert str(ack.uri) == "sip:0312345678@[2001:db8::1]:5060"
        assert ack.to.tag == "g1"
        assert bench.kinds == ["call_connected"]
        assert bench.sounds[0].started
        bench.receive(answer)
        bench.receive(answer)
        assert len(bench.wire) == 2
        assert bench.sent_request("ACK").via.branch == ack.via.branch
        assert bench.kinds == ["call_connected"]

    async def test_route_set(self, bench: Bench) -> None:
        """Record-Route of the 200, in reverse, for the ACK as for the BYE."""
        request = await dialled(bench)
        routes = ("Record-Route", "<sip:[2001:db8::1]:7000;lr>, <sip:[2001:db8::1]:7001;lr>")
        bench.answer(request, 200, *TIMED, routes, body=OFFER)
        expected = ["<sip:[2001:db8::1]:7001;lr>", "<sip:[2001:db8::1]:7000;lr>"]
        ack = bench.sent_request("ACK")
        assert ack.headers.get_all("Route") == expected
        assert bench.agent.requester.next_hop(ack) == ("2001:db8::1", 7001)
        call_of(bench).hang_up()
        assert bench.sent_request("BYE").headers.get_all("Route") == expected

    async def test_nothing_is_sent_to_a_third_host(self, bench: Bench) -> None:
        """Whatever Contact says, the gateway is the next hop."""
        request = await dialled(bench)
        bench.answer(request, 200, ("Contact", "<sip:x@192.0.2.66:9>"), body=OFFER)
        ack = bench.sent_request("ACK")
        assert str(ack.uri) == "sip:x@192.0.2.66:9"
        assert bench.agent.requester.next_hop(ack) == ("2001:db8::1", 5060)

    async def test_hang_up(self, bench: Bench) -> None:
        """BYE with the next CSeq."""
        ack = await talking(bench)
        call_of(bench).hang_up()
        bye = bench.sent_request("BYE")
        assert bye.cseq.number == ack.cseq.number + 1
        assert bye.headers.get("From") == ack.headers.get("From")
        assert bye.headers.get("To") == ack.headers.get("To")
        assert ending(bench) is EndReason.HUNG_UP_HERE
        bench.clock.advance(33)
        assert bench.agent.sessions == ()

    async def test_hung_up_there(self, bench: Bench) -> None:
        """200 and the end, also shortly after the answer."""
        ack = await talking(bench)
        bench.receive(self.within(ack, "BYE"))
        bench.sent_status(200)
        assert ending(bench) is EndReason.HUNG_UP_THERE

    async def test_hold(self, bench: Bench) -> None:
        """By the gateway, as in an incoming call."""
        ack = await talking(bench)
        bench.receive(self.within(ack, "INVITE", body=OFFER.replace("sendrecv", "sendonly")))
        assert "a=recvonly" in bench.sent_status(200).body.decode()
        assert [each.held for each in bench.events if isinstance(each, CallHeld)] == [True]
        assert bench.sounds[0].direction == (False, True)

    async def test_fork(self, bench: Bench) -> None:
        """The first 200 is the call; any other gets ACK and BYE (§13.2.2.4)."""
        request = await dialled(bench)
        bench.answer(request, 180, CONTACT, tag="g1")
        bench.answer(request, 180, CONTACT, tag="g2")
        bench.answer(request, 200, *TIMED, body=OFFER, tag="g2")
        assert bench.sent_request("ACK").to.tag == "g2"
        late = bench.answer(request, 200, *TIMED, body=OFFER, tag="g1")
        ack, bye = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, ack.to.tag, bye.method, bye.to.tag) == ("ACK", "g1", "BYE", "g1")
        bench.receive(late)
        assert bench.sent_request("ACK").to.tag == "g1"
        assert bench.kinds == ["call_progress", "call_connected"]
        assert call_of(bench).connected

    async def test_fork_answers_after_the_call(self, bench: Bench) -> None:
        """Also when the call itself is over by then; nothing of it is kept."""
        request = await dialled(bench)
        bench.answer(request, 200, *TIMED, body=OFFER)
        call_of(bench).hang_up()
        bench.sent()
        bench.clock.advance(5)
        bench.sent()
        bench.answer(request, 200, *TIMED, body=OFFER, tag="g9")
        methods = [each.method for each in bench.sent() if isinstance(each, Request)]
        assert methods[:2] == ["ACK", "BYE"]
        bench.clock.advance(60)
        assert bench.agent.sessions == ()
        bench.receive(self.within(request, "BYE", tag="g9"))
        assert bench.sent()[-1].encode().startswith(b"SIP/2.0 481")

    async def test_branches_without_end(self, bench: Bench) -> None:
        """They are bounded, and the call itself is not harmed."""
        request = await dialled(bench)
        for number in range(100):
            bench.answer(request, 180, CONTACT, tag=f"r{number}")
        bench.answer(request, 200, *TIMED, body=OFFER, tag="last")
        bench.sent_request("ACK")
        assert bench.kinds[-1] == "call_connected"
        for number in range(100):
            bench.answer(request, 200, *TIMED, body=OFFER, tag=f"r{number}")
        assert len(bench.sent()) <= 40
        assert len(bench.agent._by_dialog) <= 17
        bench.receive(self.within(request, "BYE", tag="last"))
        assert bench.kinds[-1] == "call_ended"
        assert len(bench.agent._by_dialog) == 0

    async def test_answer_was_in_the_183(self, bench: Bench) -> None:
        """A 200 without a description stands on that of the same branch's early media."""
        request = await dialled(bench)
        bench.answer(request, 183, CONTACT, body=OFFER)
        bench.answer(request, 200, CONTACT)
        bench.sent_request("ACK")
        assert bench.kinds[-1] == "call_connected"

    async def test_update_before_the_answer_times_nothing(self, bench: Bench) -> None:
        """There is no session that could expire, only a call that can be cancelled."""
        request = await dialled(bench)
        bench.answer(request, 183, CONTACT, body=OFFER)
        update = self.within(request, "UPDATE", *TIMED[:1], ("Session-Expires", "30;refresher=uac"))
        bench.receive(update)
        assert bench.sent_status(200)
        bench.clock.advance(60)
        assert "call_ended" not in bench.kinds
        bench.agent.sessions[0].hang_up()
        cancel = bench.sent_request("CANCEL")
        bench.answer(cancel, 200)
        bench.answer(request, 487)
        bench.sent_request("ACK")
        assert not bench.agent.sessions

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("", EndReason.PROTOCOL_FAILURE),
            ("nonsense", EndReason.NOT_ACCEPTABLE),
            (OFFER.replace("AVP 0", "AVP 8"), EndReason.NOT_ACCEPTABLE),
            (OFFER.replace("20000", "0"), EndReason.NOT_ACCEPTABLE),
        ],
    )
    async def test_bad_answer(self, bench: Bench, body: str, expected: EndReason) -> None:
        """ACK, then BYE."""
        request = await dialled(bench)
        bench.answer(request, 200, *TIMED, body=body)
        ack, bye = bench.sent()
        assert isinstance(ack, Request)
        assert isinstance(bye, Request)
        assert (ack.method, bye.method) == ("ACK", "BYE")
        assert ending(bench) is expected

    async def test_gateway_must_refresh(self, bench: Bench) -> None:
        """BYE 32 s before the end if it does not; every refresh puts that off."""
        ack = await talking(bench)
        bench.clock.advance(200)
        bench.receive(self.within(ack, "UPDATE", ("Session-Expires", "300;refresher=uac")))
        bench.sent_status(200)
        bench.clock.advance(200)
        assert bench.kinds == ["call_connected"]
        bench.clock.advance(69)
        assert ending(bench) is EndReason.SESSION_EXPIRED

    async def test_caller_waits_longer_after_glare(self, bench: Bench) -> None:
        """2.1 to 4 s after a 491 (§14.1)."""
        request = await dialled(bench)
        timed = (*TIMED[:2], ("Session-Expires", "300;refresher=uac"), TIMED[3])
        bench.answer(request, 200, *timed, body=OFFER)
        bench.sent()
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), 491)
        bench.clock.advance(2.0)
        assert bench.sent() == []
        bench.clock.advance(2.1)
        bench.sent_request("UPDATE")

    @staticmethod
    def within(
        ours: Request, method: str, *headers: tuple[str, str], body: str = "", tag: str = "g1"
    ) -> Request:
        """Make the gateway's first request within the dialog."""
        return invite(
            ("Supported", "timer"),
            *headers,
            method=method,
            body=body,
            branch=f"z9hG4bK{method}",
            call_id=ours.call_id,
            from_=f"<sip:0312345678@[2001:db8::1]>;tag={tag}",
            to=ours.headers.get("From") or "",
        )
