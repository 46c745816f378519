"""What passes between a gateway and pjsua2, how it is changed, and what never passes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.backend import Account
from custom_components.hikari_denwa.telephony.engine.pjsua2.border import Border
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request, Response, parse
from custom_components.hikari_denwa.telephony.engine.sip.trace import Trace
from custom_components.hikari_denwa.telephony.engine.sip.transport import UdpTransport

pytestmark = pytest.mark.usefixtures("loopback")

CHALLENGE = 'Digest realm="r",nonce="n"'
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 {}\r\n"
)
MULAW, WIDEBAND = OFFER.format("RTP/AVP 0"), OFFER.format("RTP/AVP 9")


class Line:
    """A line that remembers what it was shown."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.full = self.busy = False
        self.known: set[str] = set()
        self.out: list[Request | Response] = []
        self.came: list[Request | Response] = []
        self.keys: list[str] = []
        self.noises = self.failures = 0

    def is_full(self) -> bool:
        """Tell."""
        return self.full

    def is_busy(self) -> bool:
        """Tell."""
        return self.busy

    def is_known(self, call_id: str) -> bool:
        """Tell."""
        return call_id in self.known

    def goes_out(self, message: Request | Response) -> None:
        """Remember."""
        self.out.append(message)

    def comes_in(self, message: Request | Response, at: float) -> None:
        """Remember."""
        assert at
        self.came.append(message)

    def key_pressed(self, call_id: str, key: str) -> None:
        """Remember."""
        assert call_id
        self.keys.append(key)

    def unreachable(self) -> None:
        """Count."""
        self.failures += 1

    def noise(self) -> None:
        """Count."""
        self.noises += 1


class Peer:
    """A socket at one of the border's sides."""

    def __init__(self) -> None:
        """Bind."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])

    def send(self, text: str, port: int) -> None:
        """Send a message."""
        self.socket.sendto(text.replace("\n", "\r\n").encode(), ("127.0.0.1", port))

    async def receive(self) -> Request | Response:
        """Wait for a message."""
        async with asyncio.timeout(5):
            return parse(await asyncio.get_running_loop().sock_recv(self.socket, 65535))

    async def request(self) -> Request:
        """Wait for a request."""
        message = await self.receive()
        assert isinstance(message, Request)
        return message

    async def response(self) -> Response:
        """Wait for a response."""
        message = await self.receive()
        assert isinstance(message, Response)
        return message

    async def hears_nothing(self) -> None:
        """See that nothing comes."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.get_running_loop().sock_recv(self.socket, 65535)


class Scene:
    """A border with a gateway before it and a pjsua2 behind."""

    def __init__(self) -> None:
        """Open the sockets."""
        self.gateway, self.inside, self.line = Peer(), Peer(), Line()
        account = Account(
            gateway="127.0.0.1",
            port=self.gateway.port,
            family=Family.IPV4,
            extension="3",
            user_id="0003",
            password="secret",
        )
        self.transport = UdpTransport.open("127.0.0.1", "127.0.0.1", Family.IPV4)
        self.trace = Trace()
        self.border = Border(
            account,
            self.transport,
            self.line,
            inside=("127.0.0.1", self.inside.port),
            go_on=lambda: None,
            name="line",
            trace=self.trace,
        )
        self.outer = self.transport.local[1]

    def close(self) -> None:
        """Close everything."""
        self.border.close()
        self.transport.close()
        self.gateway.socket.close()
        self.inside.socket.close()

    def ours(self, method: str, *headers: str, **changes: Any) -> None:
        """Let pjsua2 send a request."""
        cseq = changes.get("cseq", 1)
        lines = (
            f"{method} {changes.get('uri', f'sip:117@127.0.0.1:{self.gateway.port}')} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.inside.port};rport;branch=z9hG4bK{method}{cseq}",
            "From: <sip:3@127.0.0.1>;tag=ours",
            f"To: <sip:117@127.0.0.1>{changes.get('to_tag', '')}",
            f"Contact: <sip:3@127.0.0.1:{self.inside.port}>",
            f"Route: <{self.border.route}>",
            "Call-ID: out",
            f"CSeq: {cseq} {method}",
            *headers,
        )
        self.inside.send("\n".join((*lines, "", "")), self.border.address[1])

    def theirs(self, method: str, *headers: str, body: str = "", **changes: Any) -> None:
        """Let the gateway send a request."""
        host = f"127.0.0.1:{self.gateway.port}"
        lines = (
            f"{method} {changes.get('uri', f'sip:3@127.0.0.1:{self.outer}')} SIP/2.0",
            f"Via: SIP/2.0/UDP {host};branch={changes.get('branch', 'z9hG4bKtheirs')}",
            f"From: <sip:117@{host}>;tag=theirs",
            f"To: <sip:3@{host}>{changes.get('to_tag', '')}",
            f"Contact: <sip:{host}>",
            "Call-ID: in",
            f"CSeq: {changes.get('cseq', 7)} {method}",
            *headers,
            *(("Content-Type: application/sdp",) if body else ()),
        )
        text = "\n".join((*lines, "", "")) + body.replace("\r\n", "\n")
        self.gateway.send(text, self.outer)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """Give a border between two sockets."""
    made = Scene()
    yield made
    made.close()


async def test_request_shows_nothing_of_loopback(scene: Scene) -> None:
    """Via and Contact are the line's, the way through the border is gone."""
    scene.ours("INVITE", "Supported: replaces, 100rel, timer", "Accept: a/b, c/d")
    request = await scene.gateway.request()
    assert (request.via.host, request.via.port) == scene.transport.local
    assert request.via.rport is None
    assert str(scene.inside.port) not in request.encode().decode()
    assert request.routes == []
    assert request.supported == ["timer"]
    assert request.headers.get("Accept") == "application/sdp"
    assert [each.start_line() for each in scene.line.out] == [request.start_line()]
    assert len(scene.trace.messages()) == 1


async def test_response_finds_its_transaction(scene: Scene) -> None:
    """It has the Via that pjsua2 wrote, and the border stays in the route."""
    scene.ours("INVITE")
    request = await scene.gateway.request()
    response = request.reply(200, to_tag="there")
    response.headers.add("Contact", "<sip:127.0.0.1:9>")
    scene.gateway.socket.sendto(response.encode(), ("127.0.0.1", scene.outer))
    inner = await scene.inside.response()
    assert (inner.via.host, inner.via.port) == ("127.0.0.1", scene.inside.port)
    assert inner.via.branch == request.via.branch
    assert str(inner.record_routes[-1].uri) == scene.border.route
    # A second 2xx may be another branch's; another method's second answer is none.
    scene.gateway.socket.sendto(response.encode(), ("127.0.0.1", scene.outer))
    await scene.inside.response()


async def test_stray_response_goes_nowhere(scene: Scene) -> None:
    """Neither what answers nothing nor what answers somebody else."""
    scene.ours("OPTIONS")
    request = await scene.gateway.request()
    response = request.reply(200, to_tag="there")
    for _ in range(2):
        scene.gateway.socket.sendto(response.encode(), ("127.0.0.1", scene.outer))
    await scene.inside.response()
    await scene.inside.hears_nothing()


async def test_ack_has_the_credentials_of_its_invite(scene: Scene) -> None:
    """RFC 3261 §13.2.2.4 wants them; pjsua2 leaves them out."""
    scene.ours("INVITE", "Authorization: Digest x", cseq=2)
    await scene.gateway.request()
    scene.ours("ACK", cseq=2, to_tag=";tag=there")
    assert (await scene.gateway.request()).headers.get("Authorization") == "Digest x"


async def test_challenge_is_answered_once(scene: Scene) -> None:
    """Schemes that nobody knows go, and credentials that are refused are not tried again."""
    scene.ours("INVITE")
    response = (await scene.gateway.request()).reply(401, to_tag="there")
    response.headers.add("WWW-Authenticate", "Telepathy realm=r")
    response.headers.add("WWW-Authenticate", CHALLENGE)
    scene.gateway.socket.sendto(response.encode(), ("127.0.0.1", scene.outer))
    inner = await scene.inside.response()
    assert inner.headers.get_all("WWW-Authenticate") == [CHALLENGE]
    for stale, status in ((";stale=true", 401), ("", 403)):
        scene.ours("INVITE", "Authorization: Digest x", cseq=3 + len(stale))
        response = (await scene.gateway.request()).reply(401, to_tag="there")
        response.headers.add("WWW-Authenticate", CHALLENGE + stale.replace(";", ","))
        scene.gateway.socket.sendto(response.encode(), ("127.0.0.1", scene.outer))
        assert (await scene.inside.response()).status == status
    last = scene.line.came[-1]
    assert isinstance(last, Response)
    assert last.status == 401


async def test_strict_router_stands_in_the_request_uri(scene: Scene) -> None:
    """RFC 3261 §16.6 step 6."""
    router = Peer()
    scene.ours("BYE", f"Route: <sip:127.0.0.1:{router.port}>", uri="sip:target@127.0.0.1:8")
    request = await router.request()
    router.socket.close()
    assert str(request.uri) == f"sip:127.0.0.1:{router.port}"
    assert [str(each.uri) for each in request.routes] == ["sip:target@127.0.0.1:8"]


async def test_call_comes_in_as_by_a_proxy(scene: Scene) -> None:
    """pjsua2 sees its own contact, and its answers find their way back without a trace."""
    scene.theirs("INVITE", body=MULAW)
    request = await scene.inside.request()
    assert str(request.uri) == f"sip:3@127.0.0.1:{scene.inside.port}"
    assert [via.port for via in request.vias] == [scene.border.address[1], scene.gateway.port]
    assert str(request.record_routes[0].uri) == scene.border.route
    ringing = request.reply(180, to_tag="here")
    ringing.headers.add("Contact", f"<sip:3@127.0.0.1:{scene.inside.port}>")
    ringing.headers.set("Allow", "SUBSCRIBE")
    scene.inside.socket.sendto(ringing.encode(), scene.border.address)
    seen = await scene.gateway.response()
    assert len(seen.vias) == 1
    assert seen.record_routes == []
    assert seen.contact
    assert str(seen.contact.uri) == f"sip:3@127.0.0.1:{scene.outer}"
    assert "SUBSCRIBE" not in seen.allow


async def test_copies_have_one_branch_and_another_way_is_refused(scene: Scene) -> None:
    """pjsua2 absorbs copies; it would take a merged request for another call."""
    for _ in range(2):
        scene.theirs("INVITE", body=MULAW)
    first, second = await scene.inside.request(), await scene.inside.request()
    assert first.via.branch == second.via.branch
    scene.theirs("CANCEL")
    assert (await scene.inside.request()).via.branch == first.via.branch
    scene.theirs("INVITE", body=MULAW, branch="z9hG4bKother")
    assert (await scene.gateway.response()).status == 482


@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("OPTIONS", {}, 200),
        ("MESSAGE", {}, 405),
        ("REFER", {}, 603),
        ("WHATEVER", {}, 501),
        ("BYE", {}, 481),
        ("BYE", {"to_tag": ";tag=nobody"}, 481),
        ("INFO", {"to_tag": ";tag=nobody"}, 481),
        ("INVITE", {"uri": "sip:9@127.0.0.1"}, 404),
        ("INVITE", {"uri": "tel:117"}, 416),
        ("INVITE", {"body": WIDEBAND}, 488),
        ("INVITE", {"body": "rubbish"}, 400),
    ],
)
async def test_what_never_gets_to_pjsua2(
    scene: Scene, method: str, options: dict[str, Any], status: int
) -> None:
    """It is answered at the border, each copy alike, and nobody is told."""
    for _ in range(2):
        scene.theirs(method, **options)
    answers = [await scene.gateway.response(), await scene.gateway.response()]
    assert [each.status for each in answers] == [status, status]
    if not options.get("to_tag"):
        assert answers[0].to.tag == answers[1].to.tag
    assert scene.line.came == []
    await scene.inside.hears_nothing()


async def test_a_line_that_is_full_is_busy(scene: Scene) -> None:
    """For calls and for who asks by OPTIONS; a call that is known goes on."""
    scene.line.full = scene.line.busy = True
    scene.theirs("INVITE", body=MULAW)
    assert (await scene.gateway.response()).status == 486
    scene.theirs("OPTIONS")
    assert (await scene.gateway.response()).status == 486
    scene.line.known.add("in")
    scene.theirs("INVITE", body=MULAW)
    await scene.inside.request()


async def test_requests_of_a_call_that_pjsua2_answers_otherwise(scene: Scene) -> None:
    """OPTIONS, INFO, and offers that cannot be answered, within a call alone."""
    scene.theirs("INVITE", body=MULAW)
    request = await scene.inside.request()
    scene.inside.socket.sendto(request.reply(200, to_tag="here").encode(), scene.border.address)
    await scene.gateway.response()
    tag = ";tag=here"
    scene.theirs("OPTIONS", to_tag=tag, cseq=8, branch="z9hG4bK8")
    assert (await scene.gateway.response()).status == 200
    scene.theirs("INVITE", to_tag=tag, cseq=9, branch="z9hG4bK9", body=WIDEBAND)
    assert (await scene.gateway.response()).status == 488
    key = "Content-Type: application/dtmf-relay"
    scene.theirs("INFO", key, "", "Signal=5", to_tag=tag, cseq=10, branch="z9hG4bK10")
    assert (await scene.gateway.response()).status == 200
    assert scene.line.keys == ["5"]
    scene.border.forget("in")
    scene.theirs("OPTIONS", to_tag=tag, cseq=11, branch="z9hG4bK11")
    assert (await scene.gateway.response()).status == 481


async def test_nobody_at_the_gateway_fails_what_is_open(scene: Scene) -> None:
    """An ICMP error is an answer for pjsua2, at once."""
    port = scene.gateway.port
    scene.gateway.socket.close()
    scene.ours("REGISTER", uri=f"sip:127.0.0.1:{port}")
    assert (await scene.inside.response()).status == 503
    assert scene.border.unreachable
    assert scene.line.failures == 1


async def test_what_is_given_up_is_answered_here(scene: Scene) -> None:
    """pjsua2 waits no longer, whatever the gateway says afterwards."""
    scene.ours("REGISTER")
    request = await scene.gateway.request()
    scene.border.give_up("REGISTER")
    assert (await scene.inside.response()).status == 408
    scene.gateway.socket.sendto(
        request.reply(200, to_tag="late").encode(), ("127.0.0.1", scene.outer)
    )
    await scene.inside.hears_nothing()


async def test_noise_is_told(scene: Scene) -> None:
    """What is no SIP is no answer; keep-alives are nothing at all."""
    for data in ("HTTP/1.1 400 Bad Request\n\n", "\n\n", "\0"):
        scene.gateway.send(data, scene.outer)
    await scene.inside.hears_nothing()
    await scene.gateway.hears_nothing()
    assert scene.line.noises == 1
