"""The whole back end over loopback, with a gateway of a few lines on the other side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from custom_components.hikari_denwa.telephony.calls import EndReason, Family
from custom_components.hikari_denwa.telephony.engine import agents
from custom_components.hikari_denwa.telephony.engine.backend import Account, Registered
from custom_components.hikari_denwa.telephony.engine.native.backend import NativeBackend
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEnded,
    CallEvent,
    CallIncoming,
    SoundDirection,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    Request,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri, host_for_uri
from custom_components.hikari_denwa.telephony.errors import (
    CallNotRingingError,
    CallUnknownError,
    GatewaySilentError,
    LineBusyError,
    LineNotRegisteredError,
    RegistrationError,
)

LOOPBACK = {Family.IPV6: "::1", Family.IPV4: "127.0.0.1"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the socket of a former registration go soon."""
    monkeypatch.setattr(agents, "_LINGER", 0.1)


class Gateway(asyncio.DatagramProtocol):
    """Takes every REGISTER and answers calls when told to."""

    def __init__(self, host: str) -> None:
        """Begin with nothing heard."""
        self.host = host
        self.heard: list[Request | Response] = []
        self.silent = False
        self.contact: tuple[str, int] | None = None
        self.arrived = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """Give the port."""
        assert self._transport
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        assert isinstance(transport, asyncio.DatagramTransport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note a message, and take a REGISTER, BYE or CANCEL at once."""
        message = parse(data)
        self.heard.append(message)
        self.arrived.set()
        if self.silent or isinstance(message, Response):
            return
        if message.method == "REGISTER":
            self.contact = addr[:2] if message.expires else None
        if message.method in {"REGISTER", "BYE", "OPTIONS"}:
            self.send(message.reply(200, to_tag="g1"), addr)
        if message.method == "CANCEL":
            self.send(message.reply(200, to_tag="g1"), addr)

    def send(self, message: Request | Response, to: tuple[str, int] | None = None) -> None:
        """Send a message."""
        target = to or self.contact
        assert self._transport
        assert target
        self._transport.sendto(message.encode(), target)

    def requests(self, method: str) -> list[Request]:
        """Give what was heard of a method."""
        return [each for each in self.heard if isinstance(each, Request) and each.method == method]

    async def answer(self, call_id: str, status: int) -> Response:
        """Wait for a response to a call of ours."""
        async with asyncio.timeout(5):
            while True:
                for each in self.heard:
                    if isinstance(each, Response) and (each.call_id, each.status) == (
                        call_id,
                        status,
                    ):
                        return each
                self.arrived.clear()
                await self.arrived.wait()

    async def request(self, method: str, count: int = 1) -> Request:
        """Wait for a request."""
        async with asyncio.timeout(5):
            while len(self.requests(method)) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.requests(method)[count - 1]

    def description(self) -> bytes:
        """Give a session description that leads nowhere in particular."""
        family = "IP6" if ":" in self.host else "IP4"
        return (
            f"v=0\r\no=- 1 1 IN {family} {self.host}\r\ns=-\r\nc=IN {family} {self.host}\r\n"
            "t=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
        ).encode()

    def ring(self, call_id: str) -> Request:
        """Send an INVITE."""
        assert self.contact
        uri = SipUri(user="3", host=self.contact[0], port=self.contact[1])
        invite = Request("INVITE", uri)
        own = f"{host_for_uri(self.host)}:{self.port}"
        for name, value in (
            ("Via", f"SIP/2.0/UDP {own};branch=z9hG4bK{call_id}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:0312345678@{own}>;tag=g1"),
            ("To", f"<sip:3@{own}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 INVITE"),
            ("Contact", f"<sip:{own}>"),
            ("Content-Type", "application/sdp"),
        ):
            invite.headers.add(name, value)
        invite.body = self.description()
        self.send(invite)
        return invite

    def acknowledge(self, invite: Request, response: Response) -> None:
        """Send the ACK of a 200."""
        ack = invite.copy()
        ack.method, ack.body = "ACK", b""
        ack.headers.set("CSeq", "1 ACK")
        ack.headers.set("To", response.headers.get("To") or "")
        ack.headers.set("Via", f"{invite.headers.get('Via')}ack")
        self.send(ack)


class Listener:
    """Notes what the back end tells."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: list[CallEvent] = []
        self.frames: list[SoundFrame] = []
        self.lost: list[tuple[str, RegistrationError]] = []
        self.happened = asyncio.Event()

    def registration_lost(self, line: str, error: RegistrationError) -> None:
        """Note a loss."""
        self.lost.append((line, error))

    def registration_refreshed(self, line: str, registered: Registered) -> None:
        """Pass over a refresh."""

    def call_event(self, event: CallEvent) -> None:
        """Note an event."""
        self.events.append(event)
        self.happened.set()

    def sound(self, frame: SoundFrame) -> None:
        """Note sound."""
        self.frames.append(frame)
        self.happened.set()

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(5):
            while not fact():
                self.happened.clear()
                await self.happened.wait()

    async def event[Kind: CallEvent](self, kind: type[Kind], count: int = 1) -> Kind:
        """Wait for an event."""

        def found() -> list[Kind]:
            return [each for each in self.events if isinstance(each, kind)]

        await self.until(lambda: len(found()) >= count)
        return found()[count - 1]


@pytest.fixture(params=Family, ids=str)
async def gateway(request: pytest.FixtureRequest, loopback: None) -> AsyncIterator[Gateway]:
    """Start a gateway in each family."""
    del loopback
    host = LOOPBACK[request.param]
    transport, gateway = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Gateway(host), local_addr=(host, 0)
    )
    yield gateway
    transport.close()


@pytest.fixture
def account(gateway: Gateway) -> Account:
    """Give an account at the gateway."""
    return Account(
        gateway=gateway.host,
        family=Family.IPV6 if ":" in gateway.host else Family.IPV4,
        extension="3",
        user_id="0003",
        password="secret",
        port=gateway.port,
    )


@pytest.fixture
def listener() -> Listener:
    """Give who is told."""
    return Listener()


@pytest.fixture
async def backend(listener: Listener) -> AsyncIterator[NativeBackend]:
    """Start a back end, and see that it leaves no task."""
    backend = NativeBackend(listener)
    await backend.start()
    yield backend
    await backend.close()
    assert not backend._lines
    assert not backend._retired
    assert not backend._farewells


async def test_register_and_unregister(
    backend: NativeBackend, gateway: Gateway, account: Account
) -> None:
    """The address on the wire is ours towards the gateway, and the binding goes at the end."""
    registered = await backend.register("line", account, time_limit=5)
    assert registered == Registered(local_address=gateway.host, expires=3600)
    assert gateway.contact
    request = gateway.requests("REGISTER")[0]
    assert request.contact
    assert isinstance(request.contact.uri, SipUri)
    assert (request.contact.uri.host, request.contact.uri.port) == gateway.contact
    await backend.unregister("line")
    assert gateway.contact is None
    await backend.unregister("line")


async def test_trace(backend: NativeBackend, gateway: Gateway, account: Account) -> None:
    """The messages of a line are kept through failures and new sockets, until it goes."""
    gateway.silent = True
    with pytest.raises(GatewaySilentError):
        await backend.register("line", account, time_limit=0.2)
    gateway.silent = False
    await backend.register("line", account, time_limit=1)
    await backend.register("line", replace(account, expires=600), time_limit=1)
    kept = backend.trace("line")
    answers = [each.text.split()[1] for each in kept if not each.sent]
    assert answers
    assert set(answers) == {"200"}
    assert len({each.text.partition("Call-ID: ")[2].split()[0] for each in kept if each.sent}) == 3
    assert backend.trace("another") == ()
    await backend.unregister("line")
    assert backend.trace("line") == ()


async def test_a_call_with_sound(
    backend: NativeBackend, gateway: Gateway, account: Account, listener: Listener
) -> None:
    """Ring, answer, hear, play, hang up."""
    await backend.register("line", account, time_limit=5)
    invite = gateway.ring("one")
    incoming = await listener.event(CallIncoming)
    assert (incoming.line, incoming.family) == ("line", account.family)
    backend.stream_sound(incoming.call, enabled=True, near=True)
    await backend.answer(incoming.call)
    gateway.acknowledge(invite, await gateway.answer("one", 200))
    await listener.until(lambda: len(listener.frames) >= 6)
    assert {each.channel for each in listener.frames} == {incoming.channel}
    loud = SoundFrame(
        direction=SoundDirection.PLAY, channel=incoming.channel, number=0, payload=b"\x11" * 160
    )
    backend.play(loud)
    backend.play(replace(loud, payload=b"short"))
    backend.play(replace(loud, channel=incoming.channel + 1, payload=b"\x22" * 160))
    await listener.until(lambda: any(each.payload == loud.payload for each in listener.frames))
    assert not any(each.payload == b"\x22" * 160 for each in listener.frames)
    with pytest.raises(CallNotRingingError):
        await backend.answer(incoming.call)
    await backend.hang_up(incoming.call)
    await gateway.request("BYE")
    ended = await listener.event(CallEnded)
    assert ended.ending.reason is EndReason.HUNG_UP_HERE
    for call in (incoming.call, "none"):
        with pytest.raises(CallUnknownError):
            await backend.hang_up(call)


async def test_dial(backend: NativeBackend, gateway: Gateway, account: Account) -> None:
    """A number of its own for each call; nothing without a registration."""
    with pytest.raises(LineNotRegisteredError):
        await backend.dial("line", "1")
    await backend.register("line", account, time_limit=5)
    first = await backend.dial("line", "1")
    invite = await gateway.request("INVITE")
    with pytest.raises(LineBusyError):
        await backend.dial("line", "2")
    with pytest.raises(CallNotRingingError):
        await backend.answer(first.call)
    gateway.send(invite.reply(486, to_tag="g1"))
    await gateway.request("ACK")
    second = await backend.dial("line", "2")
    assert (first.call, first.channel) != (second.call, second.channel)


async def test_failed_registration_leaves_nothing(
    backend: NativeBackend, gateway: Gateway, account: Account
) -> None:
    """No socket stays open; a line that was up before is up again."""
    gateway.silent = True
    with pytest.raises(GatewaySilentError):
        await backend.register("line", account, time_limit=0.1)
    assert not backend._lines
    gateway.silent = False
    await backend.register("line", account, time_limit=5)
    kept = gateway.contact
    gateway.silent = True
    with pytest.raises(GatewaySilentError):
        await backend.register("line", replace(account, extension="4"), time_limit=0.1)
    gateway.silent = False
    gateway.ring("still")
    await gateway.answer("still", 180)
    assert gateway.contact == kept


async def test_registering_again_keeps_the_socket(
    backend: NativeBackend, gateway: Gateway, account: Account
) -> None:
    """After a loss, the gateway meets the same contact, not a second device."""
    await backend.register("line", account, time_limit=5)
    first = gateway.contact
    await backend.register("line", account, time_limit=5)
    assert gateway.contact == first
    one, two = gateway.requests("REGISTER")
    assert two.call_id == one.call_id
    assert two.cseq.number > one.cseq.number


async def test_new_account_does_not_end_a_call(
    backend: NativeBackend, gateway: Gateway, account: Account, listener: Listener
) -> None:
    """The old socket lives until its call is over; its binding goes at once."""
    await backend.register("line", account, time_limit=5)
    old = gateway.contact
    invite = gateway.ring("one")
    incoming = await listener.event(CallIncoming)
    await backend.answer(incoming.call)
    answer = await gateway.answer("one", 200)
    await backend.register("line", replace(account, extension="4"), time_limit=5)
    assert gateway.contact != old
    removal = await gateway.request("REGISTER", 3)
    assert removal.expires == 0
    assert removal.contact
    assert isinstance(removal.contact.uri, SipUri)
    assert removal.contact.uri.port == (old or ("", 0))[1]
    gateway.contact, new = old, gateway.contact
    gateway.acknowledge(invite, answer)
    await listener.until(lambda: any(each.kind == "call_connected" for each in listener.events))
    gateway.contact = new
    with pytest.raises(LineBusyError):
        await backend.dial("line", "1")
    await backend.hang_up(incoming.call)
    await gateway.request("BYE")
    await asyncio.gather(*backend._farewells)
    assert not backend._retired


async def test_move_does_not_remove_the_new_binding(
    backend: NativeBackend, gateway: Gateway, account: Account
) -> None:
    """A gateway with one binding for each extension would take it for the new one's."""
    await backend.register("line", account, time_limit=5)
    await backend.register("line", replace(account, expires=600), time_limit=5)
    await asyncio.gather(*backend._farewells)
    assert [each.expires for each in gateway.requests("REGISTER")] == [3600, 600]
    assert gateway.contact
    assert not backend._retired


async def test_unregister_while_registering(
    backend: NativeBackend, gateway: Gateway, account: Account
) -> None:
    """Who waits for the registration is told."""
    gateway.silent = True
    task = asyncio.ensure_future(backend.register("line", account, time_limit=60))
    await gateway.request("REGISTER")
    gateway.silent = False
    await backend.unregister("line")
    with pytest.raises(RegistrationError):
        await task


async def test_close_ends_everything(
    backend: NativeBackend, gateway: Gateway, account: Account, listener: Listener
) -> None:
    """Two lines, a call in each, a gateway that has gone silent: bounded all the same."""
    await backend.register("one", account, time_limit=5)
    gateway.ring("one")
    await listener.event(CallIncoming)
    await backend.register("two", replace(account, extension="4"), time_limit=5)
    await backend.dial("two", "1")
    await gateway.request("INVITE")
    gateway.silent = True
    async with asyncio.timeout(4):
        await backend.close()
    reasons = {each.ending.reason for each in listener.events if isinstance(each, CallEnded)}
    assert reasons == {EndReason.LINE_CLOSED}
    assert await gateway.answer("one", 480)
