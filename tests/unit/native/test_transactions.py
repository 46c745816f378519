"""Every timer and every row of the four state machines (RFC 3261 §17, RFC 6026)."""

import pytest

from custom_components.hikari_denwa.telephony.engine.native.sip.transactions import (
    MAX_SERVER_TRANSACTIONS,
    ClientTransaction,
    ClientUser,
    Failure,
    InviteClient,
    InviteServer,
    NonInviteServer,
    ServerTransaction,
    State,
    TransactionLayer,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    Request,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import Address
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri

from .bench import GATEWAY, LOCAL, FakeClock, cancel_of, invite


class Layer:
    """A transaction layer with a fake clock and wire."""

    def __init__(self) -> None:
        """Build it."""
        self.clock = FakeClock()
        self.wire: list[tuple[float, Request | Response]] = []
        self.requests: list[ServerTransaction] = []
        self.acks: list[Request] = []
        self.responses: list[int] = []
        self.failures: list[Failure] = []
        self.layer = TransactionLayer(
            self.clock,
            self._send,
            local=LOCAL,
            on_request=self.requests.append,
            on_ack=self.acks.append,
        )

    def _send(self, data: bytes, destination: Address) -> None:
        assert destination == GATEWAY
        self.wire.append((round(self.clock.now, 3), parse(data)))

    @property
    def times(self) -> list[float]:
        """Give when something was sent."""
        return [at for at, _ in self.wire]

    @property
    def statuses(self) -> list[int]:
        """Give the statuses that were sent."""
        return [each.status for _, each in self.wire if isinstance(each, Response)]

    @property
    def methods(self) -> list[str]:
        """Give the methods that were sent."""
        return [each.method for _, each in self.wire if isinstance(each, Request)]

    def start(self, method: str) -> ClientTransaction:
        """Send a request of ours."""
        request = Request(method, SipUri.parse("sip:[2001:db8::1]"))
        for name, value in (
            ("Via", "SIP/2.0/UDP [2001:db8::20]:5062;branch=z9hG4bKc1;rport"),
            ("Max-Forwards", "70"),
            ("From", "<sip:3@[2001:db8::1]>;tag=a1"),
            ("To", "<sip:1@[2001:db8::1]>"),
            ("Call-ID", "c1"),
            ("CSeq", f"7 {method}"),
            ("Route", "<sip:[2001:db8::1];lr>"),
            ("Authorization", "Digest secret"),
        ):
            request.headers.add(name, value)
        user = ClientUser(
            on_response=lambda response: self.responses.append(response.status),
            on_failure=self.failures.append,
        )
        return self.layer.request(request, GATEWAY, user)

    def respond(self, transaction: ClientTransaction, status: int, tag: str = "t1") -> None:
        """Let a response come in."""
        self.layer.receive_response(transaction.request.reply(status, to_tag=tag))

    def receive(self, request: Request) -> None:
        """Let a request come in."""
        self.layer.receive_request(request.copy(), GATEWAY)

    def server(self, method: str = "INVITE") -> ServerTransaction:
        """Let a new request come in and give its transaction."""
        self.receive(invite(method=method, body=""))
        return self.requests[-1]


@pytest.fixture
def layer() -> Layer:
    """Give a layer."""
    return Layer()


def ack(status_to: str = '"0312345678" <sip:3@[2001:db8::1]>;tag=u1') -> Request:
    """Make the ACK to a non-2xx of the gateway's INVITE."""
    return invite(method="ACK", body="", to=status_to)


class TestInviteClient:
    """Figure 5 with RFC 6026."""

    def test_timer_a_doubles_until_timer_b(self, layer: Layer) -> None:
        """The INVITE goes out at 0, T1, 3T1, 7T1 … and fails at 64*T1."""
        layer.start("INVITE")
        layer.clock.advance(31.9)
        assert layer.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        assert layer.failures == []
        layer.clock.advance(0.2)
        assert layer.failures == [Failure.TIMEOUT]
        assert len(layer.layer) == layer.clock.pending == 0

    def test_provisional_stops_retransmission_and_timer_b(self, layer: Layer) -> None:
        """In Proceeding nothing is sent, and only the user's patience ends it."""
        transaction = layer.start("INVITE")
        layer.respond(transaction, 180)
        layer.respond(transaction, 183)
        layer.clock.advance(200)
        assert layer.times == [0]
        assert layer.responses == [180, 183]
        assert layer.failures == []
        assert transaction.state is State.PROCEEDING

    @pytest.mark.parametrize("provisional", [True, False])
    def test_refusal_is_acknowledged_in_the_transaction(
        self, layer: Layer, *, provisional: bool
    ) -> None:
        """The ACK has the INVITE's branch, URI, CSeq number, Route and credentials, and our To."""
        transaction = layer.start("INVITE")
        if provisional:
            layer.respond(transaction, 100)
        layer.respond(transaction, 486)
        made = layer.wire[-1][1]
        assert isinstance(made, Request)
        sent = transaction.request
        assert made.method == "ACK"
        assert str(made.cseq) == "7 ACK"
        assert made.uri == sent.uri
        assert made.to.tag == "t1"
        for name in ("Via", "From", "Call-ID", "Route", "Authorization", "Max-Forwards"):
            assert made.headers.get_all(name) == sent.headers.get_all(name)
        assert layer.responses[-1] == 486
        assert transaction.state is State.COMPLETED

    def test_repeated_refusal_is_acknowledged_but_not_told(self, layer: Layer) -> None:
        """Completed absorbs until timer D, at 32 s."""
        transaction = layer.start("INVITE")
        layer.respond(transaction, 486)
        layer.respond(transaction, 486)
        layer.clock.advance(31.9)
        layer.respond(transaction, 486)
        layer.respond(transaction, 200)
        layer.respond(transaction, 180)
        assert layer.methods == ["INVITE", "ACK", "ACK", "ACK"]
        assert layer.responses == [486]
        layer.clock.advance(0.2)
        layer.respond(transaction, 486)
        assert layer.methods == ["INVITE", "ACK", "ACK", "ACK"]
        assert len(layer.layer) == 0

    def test_accepted_passes_each_2xx_until_timer_m(self, layer: Layer) -> None:
        """Each 2xx is told, of whatever branch; no ACK comes from the transaction."""
        transaction = layer.start("INVITE")
        layer.respond(transaction, 200)
        layer.clock.advance(31.9)
        layer.respond(transaction, 200, tag="t2")
        layer.respond(transaction, 486, tag="t3")
        layer.respond(transaction, 180, tag="t3")
        assert layer.responses == [200, 200]
        assert layer.methods == ["INVITE"]
        layer.clock.advance(0.2)
        layer.respond(transaction, 200)
        assert layer.responses == [200, 200]
        assert layer.clock.pending == 0

    def test_unreachable_while_calling(self, layer: Layer) -> None:
        """An ICMP error ends it before, not after, the first response."""
        layer.start("INVITE")
        layer.layer.unreachable()
        assert layer.failures == [Failure.UNREACHABLE]
        other = layer.start("INVITE")
        layer.respond(other, 100)
        layer.layer.unreachable()
        assert layer.failures == [Failure.UNREACHABLE]

    def test_cancel_waits_for_a_provisional(self, layer: Layer) -> None:
        """Then it goes out with the INVITE's identity, once, without credentials."""
        transaction = layer.start("INVITE")
        assert isinstance(transaction, InviteClient)
        transaction.cancel("SIP;cause=600")
        assert layer.methods == ["INVITE"]
        layer.respond(transaction, 100)
        transaction.cancel()
        made = layer.wire[-1][1]
        assert isinstance(made, Request)
        assert layer.methods == ["INVITE", "CANCEL"]
        sent = transaction.request
        for name in ("Via", "From", "To", "Call-ID", "Route"):
            assert made.headers.get_all(name) == sent.headers.get_all(name)
        assert str(made.cseq) == "7 CANCEL"
        assert made.uri == sent.uri
        assert "Authorization" not in made.headers
        assert made.headers.get("Reason") == "SIP;cause=600"

    def test_cancelled_invite_that_never_ends_is_given_up(self, layer: Layer) -> None:
        """64*T1 after the CANCEL the INVITE counts as over (§9.1)."""
        transaction = layer.start("INVITE")
        assert isinstance(transaction, InviteClient)
        layer.respond(transaction, 180)
        layer.clock.advance(60)
        transaction.cancel()
        layer.clock.advance(31.9)
        assert layer.failures == []
        layer.clock.advance(0.2)
        assert layer.failures == [Failure.TIMEOUT]

    def test_2xx_crosses_cancel(self, layer: Layer) -> None:
        """A 200 after the CANCEL is told as any."""
        transaction = layer.start("INVITE")
        assert isinstance(transaction, InviteClient)
        layer.respond(transaction, 180)
        transaction.cancel()
        layer.respond(transaction, 200)
        assert layer.responses == [180, 200]
        assert transaction.state is State.ACCEPTED


class TestNonInviteClient:
    """Figure 6."""

    def test_timer_e_grows_to_t2_until_timer_f(self, layer: Layer) -> None:
        """T1 doubles up to T2; 64*T1 ends it."""
        layer.start("REGISTER")
        layer.clock.advance(31.9)
        assert layer.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        layer.clock.advance(0.2)
        assert layer.failures == [Failure.TIMEOUT]
        assert len(layer.layer) == layer.clock.pending == 0

    def test_proceeding_retransmits_at_t2(self, layer: Layer) -> None:
        """After a provisional response the interval is T2, and timer F still runs."""
        transaction = layer.start("OPTIONS")
        layer.clock.advance(0.2)
        layer.respond(transaction, 100)
        layer.clock.advance(9)
        assert layer.times == [0, 0.5, 4.5, 8.5]
        layer.clock.advance(23)
        assert layer.failures == [Failure.TIMEOUT]

    def test_completed_absorbs_until_timer_k(self, layer: Layer) -> None:
        """A final response is told once; T4 later the transaction is gone."""
        transaction = layer.start("BYE")
        layer.respond(transaction, 200)
        layer.respond(transaction, 200)
        layer.respond(transaction, 500)
        layer.clock.advance(4.9)
        assert layer.responses == [200]
        assert layer.times == [0]
        assert len(layer.layer) == 1
        layer.clock.advance(0.2)
        assert len(layer.layer) == layer.clock.pending == 0

    def test_abandoned(self, layer: Layer) -> None:
        """A user that has lost interest hears nothing more, and nothing more is sent."""
        transaction = layer.start("REGISTER")
        transaction.terminate()
        layer.clock.advance(40)
        layer.respond(transaction, 200)
        assert layer.times == [0]
        assert layer.responses == []
        assert layer.failures == []


class TestMatchingResponses:
    """§17.1.3 and §18.1.2."""

    @pytest.mark.parametrize(
        "via",
        [
            "SIP/2.0/UDP [2001:db8::20]:5062;branch=z9hG4bKother",
            "SIP/2.0/UDP [2001:db8::99]:5062;branch=z9hG4bKc1",
            "SIP/2.0/UDP [2001:db8::20]:5060;branch=z9hG4bKc1",
            "SIP/2.0/UDP [2001:db8::20]:5062;branch=z9hG4bKc1, SIP/2.0/UDP b;branch=z9hG4bKx",
        ],
        ids=["branch", "host", "port", "two Via"],
    )
    def test_foreign_response_is_dropped(self, layer: Layer, via: str) -> None:
        """A response belongs to us by branch, sent-by, and a single Via."""
        transaction = layer.start("REGISTER")
        response = transaction.request.reply(200)
        response.headers.set("Via", via)
        layer.layer.receive_response(response)
        assert layer.responses == []

    def test_other_spelling_of_our_address(self, layer: Layer) -> None:
        """An address that a gateway wrote anew is still ours."""
        transaction = layer.start("REGISTER")
        response = transaction.request.reply(200)
        response.headers.set("Via", "SIP/2.0/UDP [2001:DB8:0::20]:5062;branch=z9hG4bKc1")
        layer.layer.receive_response(response)
        assert layer.responses == [200]

    def test_method_of_cseq_tells_cancel_from_invite(self, layer: Layer) -> None:
        """The 200 to a CANCEL has the INVITE's branch and does not answer the INVITE."""
        transaction = layer.start("INVITE")
        assert isinstance(transaction, InviteClient)
        layer.respond(transaction, 180)
        transaction.cancel()
        response = transaction.request.reply(200)
        response.headers.set("CSeq", "7 CANCEL")
        layer.layer.receive_response(response)
        assert layer.responses == [180]
        assert transaction.state is State.PROCEEDING


class TestInviteServer:
    """Figure 7 with RFC 6026."""

    def test_trying_after_200_ms(self, layer: Layer) -> None:
        """100 goes out when the user is slow, without a To tag."""
        layer.server()
        layer.clock.advance(0.19)
        assert layer.statuses == []
        layer.clock.advance(0.02)
        assert layer.statuses == [100]
        sent = layer.wire[-1][1]
        assert sent.to.tag is None

    def test_no_trying_after_a_quick_answer(self, layer: Layer) -> None:
        """180 within 200 ms takes the place of 100."""
        transaction = layer.server()
        transaction.respond(transaction.request.reply(180, to_tag="u1"))
        layer.clock.advance(5)
        assert layer.statuses == [180]

    def test_retransmission_repeats_the_last_provisional(self, layer: Layer) -> None:
        """The user hears of the INVITE once."""
        transaction = layer.server()
        layer.receive(invite(body=""))
        assert layer.statuses == []
        transaction.respond(transaction.request.reply(180, to_tag="u1"))
        layer.receive(invite(body=""))
        transaction.respond(transaction.request.reply(183, to_tag="u1"))
        layer.receive(invite(body=""))
        assert layer.statuses == [180, 180, 183, 183]
        assert len(layer.requests) == 1

    def test_timer_g_repeats_a_refusal_until_timer_h(self, layer: Layer) -> None:
        """At T1, doubling up to T2, for 64*T1; then the transaction is gone."""
        transaction = layer.server()
        transaction.respond(transaction.request.reply(486, to_tag="u1"))
        layer.clock.advance(31.9)
        assert layer.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        layer.clock.advance(0.2)
        assert transaction.state is State.TERMINATED
        assert len(layer.layer) == layer.clock.pending == 0

    def test_ack_confirms_until_timer_i(self, layer: Layer) -> None:
        """The ACK stops the repetition, is not told, and T4 later all is forgotten."""
        transaction = layer.server()
        transaction.respond(transaction.request.reply(486, to_tag="u1"))
        layer.receive(invite(body=""))
        layer.receive(ack())
        layer.receive(ack())
        layer.receive(invite(body=""))
        layer.clock.advance(4.9)
        assert layer.statuses == [486, 486]
        assert layer.acks == []
        assert transaction.state is State.CONFIRMED
        layer.clock.advance(0.2)
        assert len(layer.layer) == layer.clock.pending == 0

    def test_accepted_absorbs_and_lets_2xx_through_until_timer_l(self, layer: Layer) -> None:
        """RFC 6026 §7.1: retransmitted INVITEs are absorbed, 2xx are the user's matter."""
        transaction = layer.server()
        answer = transaction.request.reply(200, to_tag="u1")
        transaction.respond(answer)
        layer.receive(invite(body=""))
        assert layer.statuses == [200]
        transaction.respond(answer)
        transaction.respond(transaction.request.reply(486, to_tag="u1"))
        assert layer.statuses == [200, 200]
        layer.receive(ack())
        assert len(layer.acks) == 1
        layer.clock.advance(31.9)
        assert transaction.state is State.ACCEPTED
        layer.clock.advance(0.2)
        transaction.respond(answer)
        assert layer.statuses == [200, 200]
        assert len(layer.layer) == layer.clock.pending == 0

    def test_final_response_is_final(self, layer: Layer) -> None:
        """After a refusal nothing else goes out."""
        transaction = layer.server()
        transaction.respond(transaction.request.reply(486, to_tag="u1"))
        transaction.respond(transaction.request.reply(200, to_tag="u1"))
        transaction.respond(transaction.request.reply(180, to_tag="u1"))
        assert layer.statuses == [486]


class TestNonInviteServer:
    """Figure 8."""

    def test_trying_absorbs(self, layer: Layer) -> None:
        """Before a response there is nothing to repeat."""
        layer.server("OPTIONS")
        layer.receive(invite(method="OPTIONS", body=""))
        assert layer.statuses == []
        assert len(layer.requests) == 1

    def test_proceeding_and_completed_repeat_until_timer_j(self, layer: Layer) -> None:
        """The latest response is repeated on request, never by itself; 64*T1 ends it."""
        transaction = layer.server("OPTIONS")
        assert isinstance(transaction, NonInviteServer)
        transaction.respond(transaction.request.reply(100))
        layer.receive(invite(method="OPTIONS", body=""))
        transaction.respond(transaction.request.reply(200, to_tag="u1"))
        transaction.respond(transaction.request.reply(500, to_tag="u1"))
        layer.receive(invite(method="OPTIONS", body=""))
        layer.clock.advance(31.9)
        assert layer.statuses == [100, 100, 200, 200]
        layer.clock.advance(0.2)
        assert len(layer.layer) == layer.clock.pending == 0


class TestMatchingRequests:
    """§17.2.3, §8.2.2.2, §9.2, §18.2."""

    def test_same_request_by_another_path_is_a_loop(self, layer: Layer) -> None:
        """482 to the second branch, as long as the first one lives; the user sees one."""
        transaction = layer.server()
        layer.receive(invite(body="", branch="z9hG4bKother"))
        assert layer.statuses == [482]
        assert layer.requests == [transaction]
        layer.receive(invite(body="", branch="z9hG4bKnext", cseq=2))
        assert len(layer.requests) == 2

    def test_other_sent_by_is_another_request(self, layer: Layer) -> None:
        """A branch is unique only together with who made it."""
        layer.server()
        other = invite(body="", call_id="other")
        other.headers.set("Via", "SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bKh10")
        layer.layer.receive_request(other, GATEWAY)
        assert len(layer.requests) == 2

    def test_request_without_cookie_is_matched_as_in_rfc_2543(self, layer: Layer) -> None:
        """Then the Request-URI, tags, Call-ID, CSeq and Via are the key, for ACK and CANCEL too."""
        layer.receive(invite(body="", branch="1"))
        layer.receive(invite(body="", branch="1"))
        assert len(layer.requests) == 1
        transaction = layer.requests[0]
        assert isinstance(transaction, InviteServer)
        assert layer.layer.invite_cancelled_by(cancel_of(invite(branch="1"))) is transaction
        transaction.respond(transaction.request.reply(486, to_tag="u1"))
        layer.receive(
            invite(
                method="ACK",
                body="",
                branch="1",
                to='"0312345678" <sip:3@[2001:db8::1]>;tag=u1',
            )
        )
        assert transaction.state is State.CONFIRMED

    def test_cancel_finds_its_invite(self, layer: Layer) -> None:
        """By the branch and sent-by of the INVITE, and nothing else."""
        transaction = layer.server()
        assert layer.layer.invite_cancelled_by(cancel_of(invite())) is transaction
        assert layer.layer.invite_cancelled_by(cancel_of(invite(branch="z9hG4bKno"))) is None

    def test_responses_go_where_rfc_3581_says(self, layer: Layer) -> None:
        """With rport to the source port, which is written into the Via; else to sent-by's port."""
        sent: list[Address] = []
        layer.layer.send = lambda _, destination: sent.append(destination)
        request = invite(body="")
        request.headers.set("Via", "SIP/2.0/UDP [2001:db8::1]:7000;branch=z9hG4bK1;rport")
        layer.layer.receive_request(request, ("2001:db8::1", 6000))
        transaction = layer.requests[-1]
        transaction.respond(transaction.request.reply(180, to_tag="u1"))
        assert transaction.request.via.rport == "6000"
        assert transaction.request.via.received == "2001:db8::1"
        request = invite(body="", call_id="second")
        request.headers.set("Via", "SIP/2.0/UDP gateway.invalid:7000;branch=z9hG4bK2")
        layer.layer.receive_request(request, ("2001:db8::1", 6000))
        transaction = layer.requests[-1]
        transaction.respond(transaction.request.reply(180, to_tag="u1"))
        assert transaction.request.via.received == "2001:db8::1"
        assert sent == [("2001:db8::1", 6000), ("2001:db8::1", 7000)]

    def test_number_of_transactions_is_bounded(self, layer: Layer) -> None:
        """A flood of new requests is dropped when there are too many already."""
        for number in range(MAX_SERVER_TRANSACTIONS + 10):
            layer.receive(
                invite(method="OPTIONS", body="", branch=f"z9hG4bK{number}", call_id=f"c{number}")
            )
        assert len(layer.requests) == MAX_SERVER_TRANSACTIONS

    def test_close_leaves_nothing(self, layer: Layer) -> None:
        """No timer, no transaction, no call-back."""
        layer.start("INVITE")
        layer.start("REGISTER")
        layer.server()
        layer.layer.close()
        assert len(layer.layer) == layer.clock.pending == 0
        assert layer.failures == []
