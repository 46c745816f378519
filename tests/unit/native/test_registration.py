"""REGISTER and its refresh (RFC 3261 §10.2, home-gateway facts §1.2)."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.engine.backend import Registered
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri
from custom_components.hikari_denwa.telephony.errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    GatewaySilentError,
    GatewayUnreachableError,
    NotSipServerError,
    RegistrationError,
    RegistrationRefusedError,
)

from .bench import ACCOUNT, CHALLENGE, LOCAL, Bench, invite

ASK = ("WWW-Authenticate", CHALLENGE)
STALE = ("WWW-Authenticate", f"{CHALLENGE},stale=TRUE")


@pytest.fixture
def bench() -> Bench:
    """Give an agent."""
    return Bench()


async def begin(bench: Bench) -> tuple[asyncio.Task[Registered], Request]:
    """Begin to register, and give the REGISTER."""
    task = asyncio.ensure_future(bench.agent.registration.register(time_limit=6))
    await asyncio.sleep(0)
    return task, bench.sent_request("REGISTER")


async def failure(task: asyncio.Task[Registered]) -> RegistrationError:
    """Give the error of an attempt."""
    with pytest.raises(RegistrationError) as caught:
        await task
    return caught.value


def contact(bench: Bench, expires: int = 3600) -> tuple[str, str]:
    """Give the Contact of a 200."""
    return ("Contact", f"{bench.agent.contact};expires={expires}")


class TestRequest:
    """What is sent."""

    async def test_shape(self, bench: Bench) -> None:
        """Home-gateway facts §8.2 A1, without the Supported of profile B."""
        task, request = await begin(bench)
        bench.answer(request, 200)
        await task
        assert str(request.uri) == "sip:[2001:db8::1]"
        assert str(request.to.uri) == str(request.from_.uri) == "sip:3@[2001:db8::1]"
        assert request.headers.get("Contact") == "<sip:3@[2001:db8::20]:5062>"
        assert request.expires == 3600
        assert request.max_forwards == 70
        assert (request.via.host, request.via.port) == LOCAL
        assert request.via.rport == ""
        assert request.supported == []
        assert request.body == b""

    async def test_unusual_port(self) -> None:
        """It is written wherever the gateway's host is."""
        bench = Bench(replace(ACCOUNT, port=5070))
        task, request = await begin(bench)
        bench.answer(request, 200)
        await task
        assert str(request.uri) == "sip:[2001:db8::1]:5070"
        assert str(request.to.uri) == "sip:3@[2001:db8::1]:5070"
        assert bench.agent.requester.next_hop(request) == ("2001:db8::1", 5070)

    async def test_challenge(self, bench: Bench) -> None:
        """The user ID is the name, the Request-URI the uri, whatever `domain` says."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        again = bench.sent_request("REGISTER")
        assert again.cseq.number == request.cseq.number + 1
        assert again.call_id == request.call_id
        assert again.via.branch != request.via.branch
        credentials = again.headers.get("Authorization") or ""
        assert 'username="0003"' in credentials
        assert 'uri="sip:[2001:db8::1]"' in credentials
        bench.answer(again, 200, contact(bench, 1800))
        assert await task == Registered(local_address=LOCAL[0], expires=1800)

    async def test_round_trip(self, bench: Bench) -> None:
        """The quickest final answer tells it; of a request that went out twice, none does."""
        task, request = await begin(bench)
        bench.clock.advance(0.2)
        bench.answer(request, 401, ASK)
        again = bench.sent_request("REGISTER")
        bench.clock.advance(0.03)
        bench.answer(again, 200)
        assert (await task).round_trip == pytest.approx(0.03)

        task, request = await begin(bench)
        bench.clock.advance(0.6)
        bench.answer(request, 200)
        assert (await task).round_trip is None

    async def test_proxy_challenge(self, bench: Bench) -> None:
        """407 is answered in its own header."""
        task, request = await begin(bench)
        bench.answer(request, 407, ("Proxy-Authenticate", CHALLENGE))
        again = bench.sent_request("REGISTER")
        assert "Authorization" not in again.headers
        bench.answer(again, 200)
        assert (await task).expires == 3600

    @pytest.mark.assumption
    async def test_rport_refused(self, bench: Bench) -> None:
        """400: once more without, and so from then on."""
        task, request = await begin(bench)
        bench.answer(request, 400)
        again = bench.sent_request("REGISTER")
        assert again.via.rport is None
        bench.answer(again, 401, ASK)
        third = bench.sent_request("REGISTER")
        assert third.via.rport is None
        bench.answer(third, 200)
        await task

    async def test_interval_too_brief(self, bench: Bench) -> None:
        """423 is obeyed once."""
        task, request = await begin(bench)
        bench.answer(request, 423, ("Min-Expires", "7200"))
        again = bench.sent_request("REGISTER")
        assert again.expires == 7200
        bench.answer(again, 423, ("Min-Expires", "9000"))
        assert (await failure(task)).placeholders["code"] == "423"

    @pytest.mark.parametrize("value", ["", "60", "x", "99999999"])
    async def test_senseless_min_expires(self, bench: Bench, value: str) -> None:
        """One that does not help is not obeyed."""
        task, request = await begin(bench)
        bench.answer(request, 423, ("Min-Expires", value))
        assert bench.sent() == []
        assert isinstance(await failure(task), RegistrationRefusedError)


class TestFailure:
    """Each cause has its error, and ends the attempt."""

    async def test_wrong_user(self, bench: Bench) -> None:
        """401 after our answer: two REGISTERs, then silence."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 401, ASK)
        error = await failure(task)
        assert isinstance(error, CredentialsRejectedError)
        assert error.placeholders == {"user_id": "0003"}
        bench.clock.advance(4000)
        assert bench.sent() == []
        assert bench.clock.pending == 0

    async def test_wrong_password(self, bench: Bench) -> None:
        """403 after our answer (facts §1.2), as long as the password never served."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 403)
        assert isinstance(await failure(task), CredentialsRejectedError)

    async def test_nonce_stays_stale(self, bench: Bench) -> None:
        """Three REGISTERs; the credentials are not called wrong, for nobody said so."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 401, STALE)
        bench.answer(bench.sent_request("REGISTER"), 401, STALE)
        error = await failure(task)
        assert isinstance(error, RegistrationRefusedError)
        assert error.placeholders["code"] == "401"
        assert bench.sent() == []

    @pytest.mark.parametrize(
        "challenge",
        ["", 'Basic realm="x"', 'Digest realm="x",nonce="n",algorithm=NEW', "Digest nonce"],
    )
    async def test_challenge_that_cannot_be_answered(self, bench: Bench, challenge: str) -> None:
        """Then it is not the credentials that are wrong."""
        task, request = await begin(bench)
        bench.answer(request, 401, ("WWW-Authenticate", challenge))
        assert bench.sent() == []
        assert isinstance(await failure(task), RegistrationRefusedError)

    @pytest.mark.parametrize("status", [403, 404])
    async def test_extension(self, bench: Bench, status: int) -> None:
        """Refused without having been asked who we are."""
        task, request = await begin(bench)
        bench.answer(request, status)
        error = await failure(task)
        assert isinstance(error, ExtensionUnavailableError)
        assert error.placeholders == {"extension": "3", "code": str(status)}

    async def test_404_after_credentials(self, bench: Bench) -> None:
        """The extension is not set up."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 404)
        assert isinstance(await failure(task), ExtensionUnavailableError)

    @pytest.mark.parametrize("status", [302, 405, 480, 500, 503, 603])
    async def test_refused(self, bench: Bench, status: int) -> None:
        """Code and phrase are kept."""
        task, request = await begin(bench)
        response = bench.answer(request, status)
        error = await failure(task)
        assert isinstance(error, RegistrationRefusedError)
        assert error.placeholders == {"code": str(status), "phrase": response.reason}

    async def test_silence(self, bench: Bench) -> None:
        """The time limit ends it, not timer F."""
        task, _ = await begin(bench)
        bench.clock.advance(5.9)
        assert not task.done()
        bench.clock.advance(0.2)
        error = await failure(task)
        assert isinstance(error, GatewaySilentError)
        assert error.placeholders == {"address": "2001:db8::1", "family": "ipv6"}
        bench.sent()
        bench.clock.advance(100)
        assert bench.sent() == []
        assert bench.clock.pending == 0

    async def test_silence_after_the_challenge(self, bench: Bench) -> None:
        """The limit is that of the whole attempt."""
        task, request = await begin(bench)
        bench.clock.advance(5)
        bench.answer(request, 401, ASK)
        bench.clock.advance(1.1)
        assert isinstance(await failure(task), GatewaySilentError)

    async def test_port_closed(self, bench: Bench) -> None:
        """An ICMP error is not waited for."""
        task, _ = await begin(bench)
        bench.agent.unreachable()
        assert isinstance(await failure(task), GatewayUnreachableError)

    @pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01\x02\x03"])
    async def test_not_sip(self, bench: Bench, data: bytes) -> None:
        """Something else lives there."""
        task, _ = await begin(bench)
        bench.receive(data)
        bench.clock.advance(7)
        error = await failure(task)
        assert isinstance(error, NotSipServerError)
        assert error.placeholders == {"address": "2001:db8::1"}

    async def test_malformed_sip_is_still_sip(self, bench: Bench) -> None:
        """A gateway that writes badly is a gateway."""
        task, request = await begin(bench)
        bench.receive(request.reply(200).encode().replace(b"CSeq: ", b"CSeq: x"))
        bench.clock.advance(7)
        assert isinstance(await failure(task), GatewaySilentError)

    async def test_cancelled(self, bench: Bench) -> None:
        """Who does not wait any more leaves nothing behind."""
        task, _ = await begin(bench)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        bench.clock.advance(100)
        assert bench.sent() == []
        assert len(bench.agent.layer) == bench.clock.pending == 0

    async def test_stopped_while_somebody_waits(self, bench: Bench) -> None:
        """They are told, instead of waiting for ever."""
        task, _ = await begin(bench)
        bench.agent.close()
        assert isinstance(await failure(task), GatewaySilentError)


class TestRefresh:
    """As long as the line is up."""

    async def register(self, bench: Bench, expires: int = 3600) -> Request:
        """Register for some seconds, without OPTIONS in the way."""
        task, request = await begin(bench)
        bench.answer(request, 200, contact(bench, expires))
        await task
        return request

    def next_register(self, bench: Bench) -> Request:
        """Take the REGISTER among what was sent, answering all OPTIONS."""
        bench.wire = list(dict.fromkeys(bench.wire))
        found = [each for each in bench.sent() if isinstance(each, Request)]
        (register,) = (each for each in found if each.method == "REGISTER")
        return register

    def pass_time(self, bench: Bench, seconds: float) -> None:
        """Let time pass, answering OPTIONS as XG-100NE does (405)."""
        end = bench.clock.now + seconds
        while bench.clock.now < end - 1e-6:
            bench.clock.advance(min(0.25, end - bench.clock.now))
            for data in list(dict.fromkeys(bench.wire)):
                if data.startswith(b"OPTIONS"):
                    bench.wire = [each for each in bench.wire if each != data]
                    self.answer_options(bench, data)

    @staticmethod
    def answer_options(bench: Bench, data: bytes) -> None:
        """Answer one."""
        kept, bench.wire = bench.wire, [data]
        bench.answer(bench.sent_request("OPTIONS"), 405)
        bench.wire += kept

    @pytest.mark.parametrize(
        ("expires", "after"), [(3600, 1800), (600, 300), (60, 30), (50, 20), (30, 10), (2, 1)]
    )
    async def test_when(self, bench: Bench, expires: int, after: float) -> None:
        """At half the time, and 30 s before the end where there is room."""
        request = await self.register(bench, expires)
        self.pass_time(bench, after - 0.3)
        assert bench.sent() == []
        self.pass_time(bench, 0.6)
        again = self.next_register(bench)
        assert again.call_id == request.call_id
        assert again.cseq.number == request.cseq.number + 1
        assert again.headers.get("Contact") == request.headers.get("Contact")
        bench.answer(again, 200, contact(bench, expires))
        assert bench.told.refreshed == [Registered(local_address=LOCAL[0], expires=expires)]
        assert bench.told.lost == []

    async def test_challenged_refresh(self, bench: Bench) -> None:
        """As the first time."""
        await self.register(bench)
        self.pass_time(bench, 1801)
        bench.answer(self.next_register(bench), 401, ASK)
        bench.answer(self.next_register(bench), 200, contact(bench, 120))
        assert bench.told.refreshed == [Registered(local_address=LOCAL[0], expires=120)]
        self.pass_time(bench, 61)
        self.next_register(bench)

    async def test_silent_refresh(self, bench: Bench) -> None:
        """Told once, and nothing more is tried from here."""
        await self.register(bench)
        self.pass_time(bench, 1809)
        assert [type(error) for error in bench.told.lost] == [GatewaySilentError]
        assert bench.agent.registration.registered is None
        bench.sent()
        bench.clock.advance(4000)
        assert bench.sent() == []
        assert len(bench.told.lost) == 1

    async def test_403_on_refresh(self, bench: Bench) -> None:
        """The password has served before: it is the extension that is gone."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 200, contact(bench))
        await task
        self.pass_time(bench, 1801)
        bench.answer(self.next_register(bench), 401, ASK)
        bench.answer(self.next_register(bench), 403)
        assert [type(error) for error in bench.told.lost] == [ExtensionUnavailableError]

    async def test_again_after_a_loss(self, bench: Bench) -> None:
        """The same Call-ID goes on, with the next CSeq."""
        request = await self.register(bench)
        self.pass_time(bench, 1809)
        bench.sent()
        task, again = await begin(bench)
        assert again.call_id == request.call_id
        assert again.cseq.number == request.cseq.number + 2
        bench.answer(again, 200, contact(bench))
        await task
        assert bench.agent.registration.registered

    async def test_our_address_changes(self, bench: Bench) -> None:
        """The binding leads nowhere: noticed within half a minute."""
        await self.register(bench)
        bench.address_is_ours = False
        bench.clock.advance(26)
        assert [type(error) for error in bench.told.lost] == [GatewayUnreachableError]
        assert bench.sent() == []

    @pytest.mark.parametrize(
        ("text", "expires"),
        [
            ("<sip:9@x>;expires=5, <sip:3@[2001:DB8::20]:5062>;expires=120", 120),
            ("<sip:3@[2001:db8::20]:5062>;expires=x", 3600),
            ("<sip:9@x>;expires=5", 3600),
        ],
    )
    async def test_granted(self, bench: Bench, text: str, expires: int) -> None:
        """Ours counts among several Contacts, else what we asked for."""
        task, request = await begin(bench)
        bench.answer(request, 200, ("Contact", text))
        assert (await task).expires == expires

    async def test_granted_nothing(self, bench: Bench) -> None:
        """A 200 that binds for no time is a refusal, not a reason to ask every second."""
        task, request = await begin(bench)
        bench.answer(request, 200, contact(bench, 0))
        assert isinstance(await failure(task), RegistrationRefusedError)
        bench.clock.advance(100)
        assert bench.sent() == []

    async def test_granted_by_expires(self, bench: Bench) -> None:
        """The response's own Expires is the second best."""
        task, request = await begin(bench)
        bench.answer(request, 200, ("Expires", "300"))
        assert (await task).expires == 300

    async def test_unregister(self, bench: Bench) -> None:
        """Expires 0 for our Contact alone, with credentials if asked; no timer is left."""
        request = await self.register(bench)
        task = asyncio.ensure_future(bench.agent.registration.unregister(time_limit=2))
        await asyncio.sleep(0)
        removal = bench.sent_request("REGISTER")
        assert removal.expires == 0
        assert removal.headers.get("Contact") == bench.agent.contact
        assert removal.call_id == request.call_id
        bench.answer(removal, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 200)
        await task
        bench.clock.advance(10)
        assert bench.clock.pending == 0
        await bench.agent.registration.unregister(time_limit=2)
        assert bench.sent() == []

    async def test_unregister_at_a_silent_gateway(self, bench: Bench) -> None:
        """Bounded, and no error."""
        await self.register(bench)
        task = asyncio.ensure_future(bench.agent.registration.unregister(time_limit=2))
        await asyncio.sleep(0)
        bench.clock.advance(2.1)
        await task
        assert bench.told.lost == []

    async def test_nothing_to_unregister_after_a_rejection(self, bench: Bench) -> None:
        """Wrong credentials are not sent once more for nothing."""
        task, request = await begin(bench)
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 403)
        await failure(task)
        await bench.agent.registration.unregister(time_limit=2)
        assert bench.sent() == []


class TestKeepalive:
    """OPTIONS every 25 s."""

    async def up(self, bench: Bench) -> None:
        """Register."""
        await bench.register()

    async def test_any_final_response_is_life(self, bench: Bench) -> None:
        """405 is what XG-100NE says (facts §1.2); nothing else follows."""
        await self.up(bench)
        for status in (405, 200, 401, 500):
            bench.clock.advance(25)
            options = bench.sent_request("OPTIONS")
            assert str(options.uri) == "sip:[2001:db8::1]"
            bench.answer(options, status, ASK)
        bench.clock.advance(20)
        assert bench.sent() == []
        assert bench.told.lost == []

    async def test_silence_of_one_who_answered_is_looked_into(self, bench: Bench) -> None:
        """By a REGISTER: if that is taken, nothing was wrong."""
        await self.up(bench)
        bench.clock.advance(25)
        bench.answer(bench.sent_request("OPTIONS"), 405)
        bench.clock.advance(25)
        bench.sent_request("OPTIONS")
        bench.clock.advance(4)
        register = bench.sent()[-1]
        assert isinstance(register, Request)
        assert register.method == "REGISTER"
        bench.answer(register, 200, contact(bench))
        assert len(bench.told.refreshed) == 1
        bench.clock.advance(25)
        bench.sent_request("OPTIONS")

    async def test_gateway_has_gone(self, bench: Bench) -> None:
        """Noticed within 25 + 4 + 8 s."""
        await self.up(bench)
        bench.clock.advance(25)
        bench.answer(bench.sent_request("OPTIONS"), 405)
        bench.clock.advance(38)
        assert [type(error) for error in bench.told.lost] == [GatewaySilentError]

    async def test_port_closed(self, bench: Bench) -> None:
        """An ICMP error to OPTIONS is looked into at once."""
        await self.up(bench)
        bench.clock.advance(25)
        bench.sent()
        bench.agent.unreachable()
        bench.sent_request("REGISTER")

    async def test_silent_unit(self, bench: Bench) -> None:
        """One that never answers OPTIONS is asked by REGISTER, less often (facts §1.2)."""
        await self.up(bench)
        for _ in range(3):
            bench.clock.advance(25)
            bench.sent_request("OPTIONS")
            bench.clock.advance(4)
            bench.sent()
        for _ in range(3):
            bench.clock.advance(60)
            register = bench.sent_request("REGISTER")
            bench.answer(register, 200, contact(bench))
        assert bench.told.lost == []
        assert len(bench.told.refreshed) == 3


async def test_a_call_may_come_before_the_200(bench: Bench) -> None:
    """The gateway knows our Contact before we know that it does."""
    task, request = await begin(bench)
    bench.receive(invite())
    assert bench.sent_status(180)
    bench.answer(request, 200)
    await task


class TestFormerContacts:
    """A contact of ours from before, beside the new one (§10.2.2, §10.3)."""

    FORMER = SipUri(user="3", host="2001:db8:0:9::20", port=5062)

    async def remove(self, bench: Bench) -> tuple[asyncio.Task[None], Request]:
        """Begin to remove it, and give the REGISTER."""
        bench.clock.advance(1)
        removing = bench.agent.registration.remove(self.FORMER, time_limit=5)
        task = asyncio.ensure_future(removing)
        for _ in range(3):
            await asyncio.sleep(0)
        return task, bench.sent_request("REGISTER")

    async def test_others_are_known(self, bench: Bench) -> None:
        """What the 200 lists beside ours, and still holds."""
        task, request = await begin(bench)
        gone = ("Contact", "<sip:3@[2001:db8::77]>;expires=0")
        bench.answer(request, 200, contact(bench), ("Contact", f"<{self.FORMER}>"), gone)
        await task
        assert bench.agent.registration.others == (self.FORMER,)

    async def test_removal(self, bench: Bench) -> None:
        """That contact alone, of the same address-of-record and Call-ID."""
        await bench.register()
        task, request = await self.remove(bench)
        assert request.expires == 0
        assert request.contact
        assert request.contact.uri == self.FORMER
        bench.answer(request, 401, ASK)
        bench.answer(bench.sent_request("REGISTER"), 200, contact(bench))
        await task
        bench.clock.advance(20)
        assert bench.sent() == []
        assert bench.agent.registration.registered

    @pytest.mark.parametrize("status", [200, 403, 500])
    async def test_removal_that_may_have_taken_ours(self, bench: Bench, status: int) -> None:
        """If ours is not listed, it is bound again, a second later."""
        await bench.register()
        task, request = await self.remove(bench)
        bench.answer(request, status)
        await task
        assert bench.sent() == []
        bench.clock.advance(1)
        assert bench.sent_request("REGISTER").expires == 3600

    async def test_silence(self, bench: Bench) -> None:
        """No answer is no reason to wait for ever."""
        await bench.register()
        bench.clock.advance(1)
        await bench.agent.registration.remove(self.FORMER, time_limit=0.01)
        removal, *_ = bench.sent()
        assert isinstance(removal, Request)
        bench.clock.advance(1)
        again = bench.sent_request("REGISTER")
        assert again.expires == 3600
        assert again.cseq.number > removal.cseq.number


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        ((("Retry-After", "120 (starting);duration=9"),), 120),
        ((("Retry-After", "x"),), None),
    ],
)
async def test_retry_after(
    bench: Bench, headers: tuple[tuple[str, str], ...], seconds: int | None
) -> None:
    """A refusal carries how long the gateway wants to be left alone (§20.33)."""
    task, request = await begin(bench)
    bench.answer(request, 503, *headers)
    assert (await failure(task)).retry_after == seconds


async def test_longer_interval_is_remembered(bench: Bench) -> None:
    """A gateway that wants a longer interval is not asked for the shorter one each time."""
    task, request = await begin(bench)
    bench.answer(request, 423, ("Min-Expires", "7200"))
    bench.answer(bench.sent_request("REGISTER"), 200, contact(bench, 7200))
    await task
    bench.clock.advance(1)
    bench.agent.registration.verify()
    assert bench.sent_request("REGISTER").expires == 7200


async def test_doubts_come_not_twice_a_second(bench: Bench) -> None:
    """Calls that fail one after the other cost one REGISTER."""
    await bench.register()
    for _ in range(5):
        bench.agent.registration.verify()
    assert bench.sent() == []
    bench.clock.advance(1)
    bench.answer(bench.sent_request("REGISTER"), 200, contact(bench))
    bench.agent.registration.verify()
    bench.agent.registration.verify()
    assert bench.sent() == []
    bench.clock.advance(1)
    bench.sent_request("REGISTER")


async def test_credentials_that_served_are_trusted(bench: Bench) -> None:
    """A 403 at a new address says that the extension is taken, not that the password is wrong."""
    bench.agent.registration.trust()
    task, request = await begin(bench)
    bench.answer(request, 401, ASK)
    bench.answer(bench.sent_request("REGISTER"), 403)
    assert isinstance(await failure(task), ExtensionUnavailableError)
