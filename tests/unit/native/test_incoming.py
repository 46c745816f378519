"""Calls that ring here, and every request around them (RFC 3261 §8.2, §9.2, §12.2.2, §13.3)."""

import asyncio
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.native.sip.incoming import IncomingCall
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallHeld,
    CallIncoming,
    DtmfReceived,
    SoundDirection,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request, Response
from custom_components.hikari_denwa.telephony.errors import (
    CallNotConnectedError,
    CallNotRingingError,
    SoundPortsExhaustedError,
)

from .bench import LOCAL, OFFER, Bench, cancel_of, invite, within

TIMER = (("Supported", "timer"), ("Session-Expires", "300;refresher=uac"), ("Min-SE", "300"))


@pytest.fixture
def bench() -> Bench:
    """Give an agent."""
    return Bench()


def call_of(bench: Bench) -> IncomingCall:
    """Give the call that rings."""
    call = bench.agent.sessions[-1]
    assert isinstance(call, IncomingCall)
    return call


async def answered(bench: Bench, request: Request | None = None) -> Response:
    """Ring, answer, and give the 200 before its ACK."""
    bench.receive(request or invite(*TIMER))
    bench.sent()
    await call_of(bench).answer()
    return bench.sent_status(200)


async def talking(bench: Bench, request: Request | None = None) -> Response:
    """Ring, answer, acknowledge; give the 200."""
    response = await answered(bench, request)
    bench.receive(within(response, "ACK", cseq=1))
    assert bench.kinds[-1] == "call_connected"
    return response


def reason(bench: Bench) -> EndReason:
    """Give why the call ended, which must be the last event and the only such."""
    assert bench.kinds.count("call_ended") == 1
    event = bench.events[-1]
    assert isinstance(event, CallEnded)
    return event.ending.reason


class TestRinging:
    """Until the answer."""

    def test_rings_at_once(self, bench: Bench) -> None:
        """180 with a tag and our Contact goes out before anything else is done."""
        bench.receive(invite(*TIMER))
        ringing = bench.sent_status(180)
        assert ringing.to.tag
        assert ringing.headers.get("Contact") == "<sip:3@[2001:db8::20]:5062>"
        event = bench.events[0]
        assert isinstance(event, CallIncoming)
        assert event.caller.number == "09012345678"
        assert event.called == "0312345678"
        assert not event.internal
        assert call_of(bench).call == event.call
        bench.clock.advance(1)
        assert bench.sent() == []

    def test_compact_form_and_record_route(self, bench: Bench) -> None:
        """The 180 repeats Via and Record-Route to the letter."""
        text = (
            f"INVITE sip:3@[{LOCAL[0]}]:5062 SIP/2.0\r\n"
            "v: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKc4\r\n"
            "f: <sip:1@[2001:db8::1]>;tag=x\r\n"
            't: "3" <sip:3@[2001:db8::1]>\r\ni: c4\r\nm: <sip:[2001:db8::1]>\r\nCSeq: 1 INVITE\r\n'
            "k: timer,100rel\r\nx: 300;refresher=uac\r\nRecord-Route: <sip:[2001:db8::1];lr>\r\n"
            f"c: application/sdp\r\nl: {len(OFFER)}\r\n\r\n{OFFER}"
        )
        bench.receive(text.encode())
        ringing = bench.sent_status(180)
        assert ringing.headers.get("Record-Route") == "<sip:[2001:db8::1];lr>"
        event = bench.events[0]
        assert isinstance(event, CallIncoming)
        assert event.internal
        assert (event.caller.number, event.called) == ("1", "3")

    def test_rings_anew_every_minute_and_not_for_ever(self, bench: Bench) -> None:
        """Proxies want to hear of it (§13.3.1.1); a gateway that went away never cancels."""
        bench.receive(invite(*TIMER))
        bench.sent()
        bench.clock.advance(299)
        assert [each.status for each in bench.sent() if isinstance(each, Response)] == [180] * 4
        bench.clock.advance(1.2)
        assert bench.sent_status(480)
        assert reason(bench) is EndReason.CALLER_GAVE_UP
        bench.clock.advance(40)
        assert bench.clock.pending == 0

    def test_expires_of_the_invite(self, bench: Bench) -> None:
        """A caller may say how long it waits (§13.3.1)."""
        bench.receive(invite(("Expires", "10")))
        bench.clock.advance(11)
        assert reason(bench) is EndReason.CALLER_GAVE_UP

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ([], EndReason.CALLER_GAVE_UP),
            ([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')], "answered_elsewhere"),
            ([("Reason", "Q.850;cause=16, sip;cause=200")], EndReason.ANSWERED_ELSEWHERE),
            ([("Reason", "SIP;cause=487")], EndReason.CALLER_GAVE_UP),
            ([("Reason", ";;")], EndReason.CALLER_GAVE_UP),
        ],
    )
    def test_cancel(
        self, bench: Bench, headers: list[tuple[str, str]], expected: EndReason
    ) -> None:
        """200 to the CANCEL and 487 to the INVITE, with the same tag."""
        request = invite()
        bench.receive(request)
        tag = bench.sent_status(180).to.tag
        bench.receive(cancel_of(request, *headers))
        to_cancel, to_invite = bench.sent()
        assert isinstance(to_cancel, Response)
        assert isinstance(to_invite, Response)
        assert (to_cancel.status, str(to_cancel.cseq)) == (200, "1 CANCEL")
        assert (to_invite.status, str(to_invite.cseq)) == (487, "1 INVITE")
        assert to_cancel.to.tag == to_invite.to.tag == tag
        assert reason(bench) is EndReason(expected)
        assert bench.agent.sessions == ()

    async def test_cancel_crosses_the_200(self, bench: Bench) -> None:
        """Then it changes nothing (§9.2)."""
        request = invite(*TIMER)
        response = await answered(bench, request)
        bench.receive(cancel_of(request))
        assert bench.sent_status(200).cseq.method == "CANCEL"
        bench.receive(within(response, "ACK", cseq=1))
        assert bench.kinds == ["call_incoming", "call_connected"]

    def test_cancel_of_nothing(self, bench: Bench) -> None:
        """481."""
        bench.receive(cancel_of(invite()))
        assert bench.sent_status(481)

    @pytest.mark.parametrize("status", [480, 486, 603])
    async def test_reject(self, bench: Bench, status: int) -> None:
        """The status goes out until it is acknowledged; a second answer is an error."""
        bench.receive(invite())
        tag = bench.sent_status(180).to.tag
        call = call_of(bench)
        call.reject(status)
        assert bench.sent_status(status).to.tag == tag
        assert reason(bench) is EndReason.REJECTED_HERE
        with pytest.raises(CallNotRingingError):
            call.reject(status)
        with pytest.raises(CallNotRingingError):
            await call.answer()
        bench.clock.advance(0.6)
        bench.sent_status(status)

    def test_bye_of_the_caller_before_the_answer(self, bench: Bench) -> None:
        """200 to the BYE, 487 to the INVITE (§15.1.2)."""
        bench.receive(invite())
        ringing = bench.sent_status(180)
        bench.receive(within(ringing, "BYE"))
        assert [getattr(each, "status", 0) for each in bench.sent()] == [200, 487]
        assert reason(bench) is EndReason.CALLER_GAVE_UP
        assert bench.agent.sessions == ()

    def test_second_call_is_busy(self, bench: Bench) -> None:
        """486, and nothing rings."""
        bench.receive(invite())
        bench.sent()
        bench.receive(invite(branch="z9hG4bK2", call_id="second"))
        assert bench.sent_status(486)
        assert bench.kinds == ["call_incoming"]

    def test_same_invite_by_two_paths(self, bench: Bench) -> None:
        """482 (§8.2.2.2)."""
        bench.receive(invite())
        bench.sent()
        bench.receive(invite(branch="z9hG4bK2"))
        assert bench.sent_status(482)


class TestAnswer:
    """200 and ACK."""

    async def test_answer_holds_what_was_offered(self, bench: Bench) -> None:
        """Home-gateway facts §8.2 C6."""
        response = await answered(bench)
        assert response.headers.get("Contact") == "<sip:3@[2001:db8::20]:5062>"
        assert response.headers.get("Require") == "timer"
        assert response.headers.get("Session-Expires") == "300;refresher=uac"
        assert "UPDATE" in response.allow
        assert response.supported == ["timer"]
        lines = response.body.decode().split("\r\n")
        assert "m=audio 40000 RTP/AVP 0" in lines
        assert f"c=IN IP6 {LOCAL[0]}" in lines
        assert bench.sounds[0].remote == ("2001:db8::1", 20000)
        assert bench.sounds[0].started
        assert bench.kinds == ["call_incoming"]
        bench.receive(within(response, "ACK", cseq=1))
        event = bench.events[-1]
        assert isinstance(event, CallConnected)
        assert event.codec == "PCMU"

    async def test_200_is_repeated_until_the_ack(self, bench: Bench) -> None:
        """At T1, doubling up to T2 (§13.3.1.4); the INVITE's repetition draws nothing more."""
        request = invite(*TIMER)
        response = await answered(bench, request)
        bench.clock.advance(8)
        assert len(bench.sent()) == 4
        bench.receive(request)
        assert bench.sent() == []
        bench.receive(within(response, "ACK", cseq=9))
        assert bench.kinds == ["call_incoming"]
        bench.receive(within(response, "ACK", cseq=1))
        bench.receive(within(response, "ACK", cseq=1))
        assert bench.kinds == ["call_incoming", "call_connected"]
        bench.clock.advance(20)
        assert bench.sent() == []

    async def test_no_ack(self, bench: Bench) -> None:
        """After 64*T1 we say BYE, and the call has ended."""
        response = await answered(bench)
        bench.clock.advance(31.9)
        bench.sent()
        assert bench.kinds == ["call_incoming"]
        bench.clock.advance(0.2)
        bye = bench.sent_request("BYE")
        assert bye.headers.get("From") == response.headers.get("To")
        assert bye.headers.get("To") == response.headers.get("From")
        assert reason(bench) is EndReason.GATEWAY_SILENT
        assert bench.sounds[0].closed
        bench.clock.advance(32)
        assert bench.agent.sessions == ()

    async def test_hang_up_waits_for_the_ack(self, bench: Bench) -> None:
        """The user is rid of the call at once, BYE goes out when it may (§15)."""
        response = await answered(bench)
        call_of(bench).hang_up()
        assert reason(bench) is EndReason.HUNG_UP_HERE
        assert bench.sent() == []
        bench.receive(within(response, "ACK", cseq=1))
        bench.answer(bench.sent_request("BYE"), 200)
        assert bench.agent.sessions == ()
        assert bench.kinds == ["call_incoming", "call_ended"]

    async def test_caller_gives_up_while_the_sound_opens(self, bench: Bench) -> None:
        """The answer fails and leaves no port bound."""
        request = invite()
        bench.receive(request)
        task = asyncio.ensure_future(call_of(bench).answer())
        await asyncio.sleep(0)
        bench.receive(cancel_of(request))
        with pytest.raises(CallNotRingingError):
            await task
        assert bench.sounds[0].closed

    async def test_no_ports_leave_it_ringing(self, bench: Bench) -> None:
        """The call can be answered later."""

        async def exhausted(*_: object, **__: object) -> None:
            raise SoundPortsExhaustedError

        bench.receive(invite())
        working, bench.agent.open_sound = bench.agent.open_sound, exhausted  # type: ignore[assignment]
        with pytest.raises(SoundPortsExhaustedError):
            await call_of(bench).answer()
        bench.agent.open_sound = working
        await call_of(bench).answer()
        assert bench.kinds == ["call_incoming"]

    async def test_delayed_offer(self, bench: Bench) -> None:
        """Without an offer in the INVITE the 200 offers, and the ACK answers."""
        response = await answered(bench, invite(body=""))
        assert b"m=audio 40000 RTP/AVP 0" in response.body
        assert bench.sounds[0].remote is None
        ack = within(response, "ACK", cseq=1, body=OFFER)
        bench.receive(ack)
        assert bench.sounds[0].remote == ("2001:db8::1", 20000)
        assert bench.kinds[-1] == "call_connected"

    async def test_delayed_offer_without_an_answer(self, bench: Bench) -> None:
        """Then there is no sound, and no call."""
        response = await answered(bench, invite(body=""))
        bench.receive(within(response, "ACK", cseq=1))
        assert bench.sent_request("BYE")
        assert reason(bench) is EndReason.NOT_ACCEPTABLE


class TestTalking:
    """Within the dialog."""

    async def test_hang_up(self, bench: Bench) -> None:
        """BYE with the dialog's From and To to the letter; the call lives on until its answer."""
        response = await talking(bench)
        call_of(bench).hang_up()
        bye = bench.sent_request("BYE")
        assert bye.headers.get("From") == response.headers.get("To")
        assert bye.headers.get("To") == response.headers.get("From")
        assert str(bye.uri) == "sip:[2001:db8::1]:5060"
        assert reason(bench) is EndReason.HUNG_UP_HERE
        assert bench.sounds[0].closed
        assert len(bench.agent.sessions) == 1
        assert not bench.agent.busy
        bench.answer(bye, 200)
        assert len(bench.agent.sessions) == 0

    async def test_challenged_bye(self, bench: Bench) -> None:
        """It is said once more with credentials."""
        await talking(bench)
        call_of(bench).hang_up()
        bye = bench.sent_request("BYE")
        bench.answer(bye, 401, ("WWW-Authenticate", 'Digest realm="r",nonce="n"'))
        again = bench.sent_request("BYE")
        assert again.cseq.number == bye.cseq.number + 1
        assert again.headers.get("Authorization")

    async def test_hung_up_there(self, bench: Bench) -> None:
        """200, and all is over at once."""
        response = await talking(bench)
        bench.sounds[0].heard = True
        bench.receive(within(response, "BYE"))
        assert bench.sent_status(200)
        assert reason(bench) is EndReason.HUNG_UP_THERE
        assert bench.agent.sessions == ()
        bench.receive(within(response, "BYE"))
        assert bench.sent_status(200)
        bench.receive(within(response, "BYE", cseq=3))
        assert bench.sent_status(481)

    @pytest.mark.parametrize(
        ("after", "heard", "expected"),
        [
            (0.09, False, EndReason.ANSWER_REFUSED),
            (0.09, True, EndReason.HUNG_UP_THERE),
            (1.5, False, EndReason.HUNG_UP_THERE),
        ],
    )
    async def test_answer_refused(
        self, bench: Bench, after: float, expected: EndReason, *, heard: bool
    ) -> None:
        """A BYE 90 ms after the ACK, with no sound, is what a bad answer meets (facts §2.1)."""
        response = await talking(bench)
        bench.sounds[0].heard = heard
        bench.clock.advance(after)
        bench.receive(within(response, "BYE"))
        assert reason(bench) is expected

    async def test_byes_cross(self, bench: Bench) -> None:
        """Theirs gets 200 as well, and the end is told once."""
        response = await talking(bench)
        call_of(bench).hang_up()
        ours = bench.sent_request("BYE")
        bench.receive(within(response, "BYE"))
        assert bench.sent_status(200)
        bench.answer(ours, 481)
        assert reason(bench) is EndReason.HUNG_UP_HERE
        assert bench.agent.sessions == ()

    @pytest.mark.parametrize("method", ["BYE", "UPDATE", "INVITE", "INFO", "OPTIONS"])
    @pytest.mark.parametrize(
        "change",
        [
            {"call_id": "other"},
            {"to": "<sip:3@[2001:db8::1]>;tag=other"},
            {"from_": "<sip:09012345678@[2001:db8::1]>;tag=other"},
        ],
        ids=["Call-ID", "To tag", "From tag"],
    )
    async def test_foreign_dialog(self, bench: Bench, method: str, change: dict[str, Any]) -> None:
        """A dialog is found by Call-ID and both tags; else 481 and nothing happens."""
        response = await talking(bench)
        bench.receive(within(response, method, **change))
        assert bench.sent_status(481)
        assert bench.kinds[-1] == "call_connected"

    @pytest.mark.parametrize("method", ["BYE", "UPDATE", "INVITE", "INFO"])
    async def test_old_cseq(self, bench: Bench, method: str) -> None:
        """500 with Retry-After, and nothing happens (§12.2.2)."""
        response = await talking(bench)
        bench.receive(within(response, method, cseq=1))
        assert bench.sent_status(500).retry_after
        assert bench.kinds[-1] == "call_connected"

    async def test_strange_methods(self, bench: Bench) -> None:
        """Refused as the RFCs say; REFER dials nothing."""
        response = await talking(bench)
        expected = {
            "OPTIONS": 200,
            "REFER": 603,
            "MESSAGE": 405,
            "SUBSCRIBE": 405,
            "NOTIFY": 481,
            "PRACK": 481,
            "REGISTER": 405,
            "PUBLISH": 405,
            "DANCE": 501,
        }
        for number, (method, status) in enumerate(expected.items(), 2):
            bench.receive(within(response, method, ("Refer-To", "<sip:110@x>"), cseq=number))
            answer = bench.sent_status(status)
            assert (status == 405) == ("INVITE" in answer.allow and status != 200), method
        assert bench.kinds == ["call_incoming", "call_connected"]

    async def test_key_by_info(self, bench: Bench) -> None:
        """A key pressed there; other bodies get 415, no body is fine."""
        response = await talking(bench)
        for number, (kind, body, status) in enumerate(
            [
                ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200),
                ("application/dtmf", "#", 200),
                ("application/dtmf-relay", "Signal=99", 200),
                ("application/x", "5", 415),
                ("application/x", "", 200),
            ],
            2,
        ):
            request = within(response, "INFO", cseq=number)
            request.headers.set("Content-Type", kind)
            request.body = body.encode()
            bench.receive(request)
            bench.sent_status(status)
        digits = [event.digit for event in bench.events if isinstance(event, DtmfReceived)]
        assert digits == ["5", "#"]

    async def test_digits_and_sound(self, bench: Bench) -> None:
        """Sound goes into a connected call alone."""
        bench.receive(invite())
        call = call_of(bench)
        call.play(bytes(160))
        with pytest.raises(CallNotConnectedError):
            await call.send_digits("1")
        call.stream(enabled=True)
        await call.answer()
        sound = bench.sounds[0]
        assert sound.streaming == {SoundDirection.FAR}
        sound.on_digit("1")
        ringing, ok = bench.sent()
        assert isinstance(ringing, Response)
        assert isinstance(ok, Response)
        bench.receive(within(ok, "ACK", cseq=1))
        sound.on_digit("2")
        call.play(bytes(160))
        await call.send_digits("42")
        assert sound.played == [bytes(160), b"42"]
        assert [each.digit for each in bench.events if isinstance(each, DtmfReceived)] == ["2"]
        call.stream(enabled=True, near=True)
        assert sound.streaming == {SoundDirection.FAR, SoundDirection.NEAR}
        call.stream(enabled=False, near=True)
        assert not sound.streaming


def offer(direction: str = "sendrecv", *, address: str = "2001:db8::1", version: int = 11) -> str:
    """Make a new offer of the gateway's."""
    return (
        OFFER.replace("10 10 IN", f"10 {version} IN")
        .replace("c=IN IP6 2001:db8::1", f"c=IN IP6 {address}")
        .replace("sendrecv", direction)
    )


def version_of(body: bytes) -> int:
    """Give the version of a description."""
    return int(body.decode().split("\r\n")[1].split()[2])


class TestChanges:
    """Re-INVITE and UPDATE (§14.2, RFC 3311)."""

    async def test_refresh_by_update(self, bench: Bench) -> None:
        """200 with the timer and without a body."""
        response = await talking(bench)
        bench.receive(within(response, "UPDATE", *TIMER))
        answer = bench.sent_status(200)
        assert answer.headers.get("Session-Expires") == "300;refresher=uac"
        assert answer.headers.get("Require") == "timer"
        assert answer.headers.get("Contact")
        assert answer.body == b""

    async def test_refresh_by_invite_changes_nothing(self, bench: Bench) -> None:
        """The same offer draws the same answer, to the version (RFC 3264 §8)."""
        response = await talking(bench)
        bench.receive(within(response, "INVITE", *TIMER, body=OFFER))
        answer = bench.sent_status(200)
        assert answer.body == response.body
        bench.clock.advance(0.6)
        bench.sent_status(200)
        bench.receive(within(response, "ACK", cseq=2))
        bench.clock.advance(10)
        assert bench.sent() == []
        assert bench.kinds == ["call_incoming", "call_connected"]

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    @pytest.mark.parametrize(
        ("body", "answered_by", "flow"),
        [
            (offer("sendonly"), "recvonly", (False, True)),
            (offer("inactive"), "inactive", (False, False)),
            (offer(address="::"), "sendrecv", (False, True)),
        ],
    )
    async def test_hold(
        self, bench: Bench, method: str, body: str, answered_by: str, *, flow: tuple[bool, bool]
    ) -> None:
        """The answer mirrors the direction, the version goes up, and the call is told as held."""
        response = await talking(bench)
        bench.receive(within(response, method, body=body))
        answer = bench.sent_status(200)
        assert f"a={answered_by}" in answer.body.decode()
        changed = answered_by != "sendrecv"
        assert version_of(answer.body) == version_of(response.body) + changed
        assert bench.sounds[0].direction == flow
        if method == "INVITE":
            bench.receive(within(response, "ACK", cseq=2))
        bench.receive(within(response, method, cseq=3, body=offer(version=12)))
        answer = bench.sent_status(200)
        assert version_of(answer.body) == version_of(response.body) + 2 * changed
        assert bench.sounds[0].direction == (True, True)
        held = [event.held for event in bench.events if isinstance(event, CallHeld)]
        assert held == [True, False]

    async def test_moved_sound(self, bench: Bench) -> None:
        """A new address or port is taken."""
        response = await talking(bench)
        body = offer(address="2001:db8::2").replace("20000", "30000")
        bench.receive(within(response, "UPDATE", body=body))
        bench.sent_status(200)
        assert bench.sounds[0].remote == ("2001:db8::2", 30000)

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    @pytest.mark.parametrize(
        ("body", "status", "warning"),
        [
            (OFFER.replace("AVP 0", "AVP 8"), 488, 305),
            (OFFER.replace("audio", "video"), 488, 304),
            (OFFER.replace("IP6 2001:db8::1", "IP4 192.0.2.1"), 488, 300),
            (OFFER.replace("RTP/AVP", "RTP/SAVP"), 488, 302),
            ("nonsense", 400, None),
        ],
    )
    async def test_bad_offer_changes_nothing(
        self, bench: Bench, method: str, body: str, status: int, warning: int | None
    ) -> None:
        """488 with the Warning, and the call goes on as it was."""
        response = await talking(bench)
        bench.receive(within(response, method, body=body))
        refusal = bench.sent_status(status)
        assert [each.code for each in refusal.warnings] == ([warning] if warning else [])
        assert bench.sounds[0].remote == ("2001:db8::1", 20000)
        assert bench.kinds[-1] == "call_connected"

    async def test_offer_asked_for(self, bench: Bench) -> None:
        """A re-INVITE without an offer gets ours, as it was, and the ACK answers."""
        response = await talking(bench)
        bench.receive(within(response, "INVITE"))
        answer = bench.sent_status(200)
        assert answer.body == response.body
        bench.receive(within(response, "UPDATE", cseq=3, body=offer()))
        assert bench.sent_status(491)
        bench.receive(within(response, "ACK", cseq=2, body=offer(address="2001:db8::2")))
        assert bench.sounds[0].remote == ("2001:db8::2", 20000)

    async def test_reinvite_before_the_answer(self, bench: Bench) -> None:
        """500 with Retry-After (§14.2); an UPDATE with an offer, too (RFC 3311 §5.2)."""
        bench.receive(invite())
        ringing = bench.sent_status(180)
        bench.receive(within(ringing, "INVITE", body=OFFER))
        assert bench.sent_status(500).retry_after
        bench.receive(within(ringing, "UPDATE", cseq=3, body=OFFER))
        assert bench.sent_status(500).retry_after
        bench.receive(within(ringing, "UPDATE", cseq=4))
        assert bench.sent_status(200).body == b""

    async def test_update_before_the_answer_times_nothing(self, bench: Bench) -> None:
        """The session begins with the 2xx, and so does its timer (RFC 4028 §9)."""
        bench.receive(invite(*TIMER))
        ringing = bench.sent_status(180)
        timer = (("Supported", "timer"), ("Session-Expires", "30;refresher=uas"))
        bench.receive(within(ringing, "UPDATE", *timer))
        assert bench.sent_status(200)
        bench.clock.advance(60)
        assert "call_ended" not in bench.kinds
        assert not any(isinstance(each, Request) for each in bench.sent())

    async def test_second_reinvite_before_the_ack_of_the_first(self, bench: Bench) -> None:
        """The newer answer takes the place of the older one."""
        response = await talking(bench)
        bench.receive(within(response, "INVITE", body=OFFER))
        bench.receive(within(response, "INVITE", cseq=3, body=offer("sendonly")))
        bench.sent()
        bench.receive(within(response, "ACK", cseq=2))
        bench.clock.advance(0.6)
        assert str(bench.sent_status(200).cseq) == "3 INVITE"
        bench.receive(within(response, "ACK", cseq=3))
        bench.clock.advance(10)
        assert bench.sent() == []

    async def test_reinvite_without_ack(self, bench: Bench) -> None:
        """The call ends as for the first INVITE (§14.2)."""
        response = await talking(bench)
        bench.receive(within(response, "INVITE", body=OFFER))
        bench.clock.advance(33)
        assert isinstance(bench.sent()[-1], Request)
        assert reason(bench) is EndReason.GATEWAY_SILENT

    async def test_target_moves(self, bench: Bench) -> None:
        """A BYE goes to the Contact of the latest refresh, but to the gateway's host alone."""
        response = await talking(bench)
        request = within(response, "UPDATE")
        request.headers.set("Contact", "<sip:x@192.0.2.99:7777>")
        bench.receive(request)
        bench.sent()
        call_of(bench).hang_up()
        assert str(bench.sent_request("BYE").uri) == "sip:x@192.0.2.99:7777"


class TestSessionTimer:
    """RFC 4028 in a call that we answered."""

    async def test_gateway_refreshes(self, bench: Bench) -> None:
        """Each refresh gives 300 s more."""
        response = await talking(bench)
        for number in range(2, 8):
            bench.clock.advance(150)
            method = "UPDATE" if number % 2 else "INVITE"
            body = OFFER if method == "INVITE" else ""
            bench.receive(within(response, method, *TIMER, cseq=number, body=body))
            bench.sent_status(200)
            bench.receive(within(response, "ACK", cseq=number))
        assert bench.kinds == ["call_incoming", "call_connected"]

    async def test_gateway_forgets_to_refresh(self, bench: Bench) -> None:
        """BYE 32 s before the end."""
        await talking(bench)
        bench.clock.advance(267)
        assert bench.kinds[-1] == "call_connected"
        bench.clock.advance(2)
        bench.sent_request("BYE")
        assert reason(bench) is EndReason.SESSION_EXPIRED

    async def test_we_refresh(self, bench: Bench) -> None:
        """By UPDATE where the gateway allows it, naming ourselves."""
        headers = (*TIMER[::2], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        response = await talking(bench, invite(*headers))
        assert response.headers.get("Session-Expires") == "300;refresher=uas"
        for _ in range(3):
            bench.clock.advance(150)
            update = bench.sent_request("UPDATE")
            assert update.headers.get("Session-Expires") == "300;refresher=uac"
            assert update.supported == ["timer"]
            assert update.headers.get("Contact")
            bench.answer(update, 200, ("Session-Expires", "300;refresher=uac"))
        assert bench.kinds[-1] == "call_connected"
        bench.clock.advance(150)
        bench.sent_request("UPDATE")
        bench.clock.advance(33)
        assert reason(bench) is EndReason.SESSION_EXPIRED

    async def test_we_refresh_by_invite(self, bench: Bench) -> None:
        """Where UPDATE is not allowed: the same offer, acknowledged, again for each 200."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"))
        response = await talking(bench, invite(*headers))
        bench.clock.advance(150)
        again = bench.sent_request("INVITE")
        assert again.body == response.body
        bench.receive(within(response, "INVITE", body=OFFER))
        assert bench.sent_status(491)
        answer = bench.answer(again, 200, ("Session-Expires", "300;refresher=uac"), body=offer())
        ack = bench.sent_request("ACK")
        assert ack.cseq.number == again.cseq.number
        assert ack.via.branch != again.via.branch
        bench.receive(answer)
        assert bench.sent_request("ACK").via.branch == ack.via.branch
        bench.clock.advance(100)
        assert bench.kinds[-1] == "call_connected"

    async def test_update_that_is_not_allowed_after_all(self, bench: Bench) -> None:
        """405 to the UPDATE: then by re-INVITE, at once."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), 405)
        bench.sent_request("INVITE")

    async def test_what_the_gateway_allows_is_remembered(self, bench: Bench) -> None:
        """A refresh without Allow takes nothing back."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        response = await talking(bench, invite(*headers))
        bench.receive(within(response, "UPDATE", *headers[:2]))
        bench.sent_status(200)
        bench.clock.advance(150)
        bench.sent_request("UPDATE")

    async def test_refresh_that_the_gateway_is_too_busy_for(self, bench: Bench) -> None:
        """It is tried again after the time that the gateway names."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), 503, ("Retry-After", "30"))
        bench.clock.advance(29.9)
        assert bench.sent() == []
        bench.clock.advance(0.2)
        bench.sent_request("UPDATE")

    async def test_icmp_error_does_not_end_a_call(self, bench: Bench) -> None:
        """A refresh that met a closed port is tried again until the session is over."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.sent()
        bench.agent.unreachable()
        bench.clock.advance(5.1)
        bench.answer(bench.sent_request("UPDATE"), 200, ("Session-Expires", "300;refresher=uac"))
        assert bench.kinds[-1] == "call_connected"

    async def test_hung_up_during_a_refresh(self, bench: Bench) -> None:
        """A late 200 to our re-INVITE is acknowledged, and changes nothing."""
        await talking(bench, invite(TIMER[0], ("Session-Expires", "300;refresher=uas")))
        bench.clock.advance(150)
        again = bench.sent_request("INVITE")
        call_of(bench).hang_up()
        bench.sent_request("BYE")
        bench.answer(again, 200, body=offer())
        bench.sent_request("ACK")
        assert reason(bench) is EndReason.HUNG_UP_HERE

    async def test_glare(self, bench: Bench) -> None:
        """After 491 the callee waits up to 2 s (§14.1)."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), 491)
        bench.clock.advance(2.01)
        bench.sent_request("UPDATE")

    async def test_longer_interval_wanted(self, bench: Bench) -> None:
        """422 is obeyed once."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), 422, ("Min-SE", "600"))
        update = bench.sent_request("UPDATE")
        assert update.session_expires is not None
        assert (update.session_expires.seconds, update.min_se) == (600, 600)
        bench.answer(update, 422, ("Min-SE", "900"))
        assert bench.sent() == []

    @pytest.mark.parametrize("status", [481, 408])
    async def test_session_is_gone(self, bench: Bench, status: int) -> None:
        """The gateway does not know the call any more (§12.2.1.2)."""
        headers = (TIMER[0], ("Session-Expires", "300;refresher=uas"), ("Allow", "UPDATE"))
        await talking(bench, invite(*headers))
        bench.clock.advance(150)
        bench.answer(bench.sent_request("UPDATE"), status)
        bench.sent_request("BYE")
        assert reason(bench) is EndReason.SESSION_EXPIRED


class TestOutsideDialogs:
    """What stands alone."""

    def test_options(self, bench: Bench) -> None:
        """200 with what we can do; 486 in a call (§11.2)."""
        bench.receive(invite(method="OPTIONS", body=""))
        answer = bench.sent_status(200)
        assert answer.headers.get("Accept") == "application/sdp"
        assert "INVITE" in answer.allow
        assert answer.supported == ["timer"]
        bench.receive(invite())
        bench.sent()
        bench.receive(invite(method="OPTIONS", body="", branch="z9hG4bK9", call_id="o2"))
        assert bench.sent_status(486)

    @pytest.mark.parametrize(
        ("method", "status"),
        [
            ("BYE", 481),
            ("UPDATE", 481),
            ("INFO", 481),
            ("PRACK", 481),
            ("NOTIFY", 481),
            ("REFER", 603),
            ("REGISTER", 405),
            ("SUBSCRIBE", 405),
            ("MESSAGE", 405),
            ("PUBLISH", 405),
            ("DANCE", 501),
        ],
    )
    def test_methods(self, bench: Bench, method: str, status: int) -> None:
        """405 names what is allowed; nothing happens."""
        bench.receive(invite(method=method, body=""))
        answer = bench.sent_status(status)
        assert answer.to.tag
        assert ("INVITE" in answer.allow) == (status == 405)
        assert bench.events == []
        assert bench.agent.sessions == ()

    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE", "UPDATE", "INFO"])
    def test_unknown_require(self, bench: Bench, method: str) -> None:
        """420 with Unsupported on every method (§8.2.2.3)."""
        bench.receive(
            invite(("Require", "timer, 100rel"), ("Require", "Magic"), method=method, body="")
        )
        assert bench.sent_status(420).headers.get("Unsupported") == "100rel, magic"
        assert bench.events == []

    def test_require_in_cancel_and_ack_is_ignored(self, bench: Bench) -> None:
        """§8.2.2.3."""
        request = invite()
        bench.receive(request)
        bench.sent()
        bench.receive(cancel_of(request, ("Require", "magic")))
        assert [getattr(each, "status", 0) for each in bench.sent()] == [200, 487]

    @pytest.mark.parametrize(
        ("uri", "status"),
        [
            ("sip:4@[2001:db8::20]:5062", 404),
            ("sip:3@[2001:db8::20]:5062", 180),
            ("sip:3@nowhere.invalid", 180),
            ("sip:[2001:db8::20]:5062", 180),
            ("tel:3", 416),
            ("nobody:3", 416),
        ],
    )
    def test_request_uri(self, bench: Bench, uri: str, status: int) -> None:
        """The user has to be ours, the scheme one that we know."""
        bench.receive(invite(uri=uri))
        assert bench.sent_status(status)

    @pytest.mark.parametrize(
        ("headers", "status", "told"),
        [
            ([("Content-Type", "text/plain")], 415, ("Accept", "application/sdp")),
            ([("Content-Encoding", "gzip")], 415, ("Accept-Encoding", "identity")),
            ([("Content-Encoding", "identity")], 180, None),
        ],
    )
    def test_body(
        self,
        bench: Bench,
        headers: list[tuple[str, str]],
        status: int,
        told: tuple[str, str] | None,
    ) -> None:
        """A body that cannot be read is refused with what could be (§8.2.3)."""
        request = invite()
        for name, value in headers:
            request.headers.set(name, value)
        bench.receive(request)
        answer = bench.sent_status(status)
        if told:
            assert answer.headers.get(told[0]) == told[1]

    @pytest.mark.parametrize(
        ("body", "status", "warning"),
        [
            (OFFER.replace("AVP 0", "AVP 8 18"), 488, 305),
            (OFFER.replace("audio", "application"), 488, 304),
            (OFFER.replace("IP6 2001:db8::1", "IP4 192.0.2.1"), 488, 300),
            (OFFER.replace("RTP/AVP", "RTP/SAVP"), 488, 302),
            (OFFER.replace("20000", "0"), 488, 304),
            ("v=0", 400, None),
        ],
    )
    def test_offer_that_cannot_be_answered(
        self, bench: Bench, body: str, status: int, warning: int | None
    ) -> None:
        """Refused before anything rings, with a Warning that tells the caller why."""
        bench.receive(invite(body=body))
        refusal = bench.sent_status(status)
        assert [each.code for each in refusal.warnings] == ([warning] if warning else [])
        assert bench.events == []
        assert bench.agent.sessions == ()

    def test_keep_alive_and_noise(self, bench: Bench) -> None:
        """Nothing is answered to what is no message."""
        for data in (b"\r\n\r\n", b"\0", b"hello", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff" * 100):
            bench.receive(data)
        assert bench.sent() == []

    def test_malformed_request(self, bench: Bench) -> None:
        """400, once for each datagram; a malformed ACK or response draws nothing."""
        text = invite().encode().replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE")
        bench.receive(text)
        assert bench.sent_status(400).to.tag
        bench.receive(text.replace(b"INVITE sip", b"ACK sip", 1))
        bench.receive(invite().reply(200).encode().replace(b"CSeq: 1", b"CSeq: x"))
        assert bench.sent() == []


async def test_close_in_the_middle(bench: Bench) -> None:
    """Nothing is left, whatever was going on."""
    await talking(bench, invite(TIMER[0], ("Session-Expires", "300;refresher=uas")))
    bench.clock.advance(150)
    bench.agent.close()
    assert reason(bench) is EndReason.LINE_CLOSED
    assert bench.clock.pending == 0
    assert len(bench.agent.layer) == 0
    assert bench.sounds[0].closed
