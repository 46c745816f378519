"""What the tests stand on: a clock set by hand, a sound without sockets, a hand-fed agent."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.agents import Names
from custom_components.hikari_denwa.telephony.engine.backend import Account, Registered
from custom_components.hikari_denwa.telephony.engine.native.rtp.payload import PayloadFormat
from custom_components.hikari_denwa.telephony.engine.native.rtp.playout import PlayoutStatistics
from custom_components.hikari_denwa.telephony.engine.native.rtp.session import (
    RtpStatistics,
)
from custom_components.hikari_denwa.telephony.engine.native.sip.user_agent import UserAgent
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEvent,
    CallQuality,
    SoundDirection,
    SoundFrame,
)
from custom_components.hikari_denwa.telephony.engine.sip.clock import TimerValues
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    Request,
    Response,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import Address
from custom_components.hikari_denwa.telephony.errors import RegistrationError

GATEWAY: Address = ("2001:db8::1", 5060)
LOCAL: Address = ("2001:db8::20", 5062)
ACCOUNT = Account(
    gateway=GATEWAY[0], family=Family.IPV6, extension="3", user_id="0003", password="secret"
)
OFFER = (
    "v=0\r\no=- 10 10 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
    "m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
)
CHALLENGE = 'Digest realm="192.168.1.1",domain="sip:domain",nonce="5f3c",algorithm=MD5'


class FakeTimer:
    """A timer of the fake clock."""

    def __init__(self, callback: Callable[[], object]) -> None:
        """Keep what is to happen."""
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Let it not happen."""
        self.callback = None


class FakeClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, FakeTimer]] = []

    def time(self) -> float:
        """Give the time."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        """Call back when the time has come."""
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move the time, and let happen what falls due, in order."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end + 1e-9:
            due, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, due)
            callback, timer.callback = timer.callback, None
            if callback:
                callback()
        self.now = end

    @property
    def pending(self) -> int:
        """Count the timers that would still do something."""
        return sum(1 for _, _, timer in self._timers if timer.callback)


class FakeSound:
    """A sound without sockets that notes what is done to it."""

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        """Take who hears of digits."""
        self.on_digit = on_digit
        self.local_port = 40000
        self.streaming: frozenset[SoundDirection] = frozenset()
        self.remote: tuple[str, int] | None = None
        self.format: PayloadFormat | None = None
        self.direction = (True, True)
        self.started = False
        self.closed = False
        self.played: list[bytes] = []
        self.heard = False
        self.silent_for: float | None = None

    @property
    def statistics(self) -> RtpStatistics:
        """Give counts in which only the last packet matters."""
        return RtpStatistics(
            sent=0,
            unsent=0,
            passed_over=0,
            play_dropped=0,
            refused=0,
            latched=None,
            last_received=1.0 if self.heard else None,
            playout=PlayoutStatistics(),
            silent_for=self.silent_for,
        )

    def set_remote(
        self,
        address: str,
        port: int,
        *,
        gateway: str | None = None,
        control_port: int | None = None,
        payload_format: PayloadFormat | None = None,
    ) -> None:
        """Note where sound goes, and how."""
        del control_port
        assert gateway == GATEWAY[0]
        self.format = payload_format
        self.remote = address, port

    def set_direction(self, *, send: bool, receive: bool) -> None:
        """Note which way sound goes."""
        self.direction = send, receive

    def start(self) -> None:
        """Note the start."""
        self.started = True

    def play(self, payload: bytes, on_gone: Callable[[], None] | None = None) -> None:
        """Note what is played, which is gone at once."""
        self.played.append(payload)
        if on_gone:
            on_gone()

    def clear(self) -> None:
        """Note that what was queued is forgotten."""
        self.played.clear()

    async def send_digits(self, digits: str) -> None:
        """Note the digits."""
        self.played.append(digits.encode())

    def close(self) -> None:
        """Note the end."""
        self.closed = True


class Recorder:
    """Notes what a user agent tells."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.events: list[CallEvent] = []
        self.lost: list[RegistrationError] = []
        self.refreshed: list[Registered] = []
        self.frames: list[SoundFrame] = []

    def registration_lost(self, error: RegistrationError) -> None:
        """Note a loss."""
        self.lost.append(error)

    def registration_refreshed(self, registered: Registered) -> None:
        """Note a refresh."""
        self.refreshed.append(registered)

    def call_event(self, event: CallEvent) -> None:
        """Note an event."""
        self.events.append(event)

    def sound(self, frame: SoundFrame) -> None:
        """Note sound."""
        self.frames.append(frame)


class Bench:
    """A user agent whose clock, wire and sound are in the hands of a test."""

    def __init__(self, account: Account = ACCOUNT) -> None:
        """Build it."""
        self.clock = FakeClock()
        self.told = Recorder()
        self.sounds: list[FakeSound] = []
        self.wire: list[bytes] = []
        self.address_is_ours = True
        self.agent = UserAgent(
            account,
            line="line",
            local=LOCAL,
            clock=self.clock,
            send=self._send,
            listener=self.told,
            names=Names(),
            open_sound=self.open_sound,
            address_is_ours=lambda: self.address_is_ours,
            values=TimerValues(),
        )

    async def open_sound(
        self,
        local_address: str,
        *,
        on_frame: Callable[[SoundFrame], None],
        on_digit: Callable[[str], None],
        channel: int,
    ) -> FakeSound:
        """Open a sound without sockets."""
        assert local_address == LOCAL[0]
        del on_frame, channel
        await asyncio.sleep(0)
        self.sounds.append(FakeSound(on_digit))
        return self.sounds[-1]

    @property
    def events(self) -> list[CallEvent]:
        """Give the events so far."""
        return self.told.events

    @property
    def kinds(self) -> list[str]:
        """Give the kinds of the events so far, but for how calls sound."""
        return [event.kind for event in self.told.events if not isinstance(event, CallQuality)]

    @property
    def qualities(self) -> list[CallQuality]:
        """Give what was told of how calls sound."""
        return [event for event in self.told.events if isinstance(event, CallQuality)]

    def sent(self) -> list[Request | Response]:
        """Take what was sent since the last time."""
        messages = [parse(datagram) for datagram in self.wire]
        self.wire.clear()
        return messages

    def sent_request(self, method: str) -> Request:
        """Take the one request that was sent, however often."""
        self.wire = list(dict.fromkeys(self.wire))
        messages = self.sent()
        assert [getattr(each, "method", None) for each in messages] == [method], messages
        assert isinstance(messages[0], Request)
        return messages[0]

    def sent_status(self, status: int) -> Response:
        """Take the one response that was sent."""
        messages = self.sent()
        assert [getattr(each, "status", None) for each in messages] == [status], messages
        assert isinstance(messages[0], Response)
        return messages[0]

    def receive(self, message: Request | Response | bytes, source: Address = GATEWAY) -> None:
        """Let a datagram come in."""
        data = message if isinstance(message, bytes) else message.encode()
        self.agent.receive(data, source, time.time())

    def answer(
        self,
        request: Request,
        status: int,
        *headers: tuple[str, str],
        body: str = "",
        tag: str = "g1",
    ) -> Response:
        """Let a response to a request of ours come in."""
        response = request.reply(status, to_tag=tag if status > 100 else None)
        for name, value in headers:
            response.headers.add(name, value)
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body.encode()
        self.receive(response)
        return response

    async def register(self) -> None:
        """Bring the line up without a challenge."""
        task = asyncio.ensure_future(self.agent.registration.register(time_limit=5))
        await asyncio.sleep(0)
        request = self.sent_request("REGISTER")
        self.answer(request, 200, ("Contact", f"{self.agent.contact};expires=3600"))
        await task

    def _send(self, data: bytes, destination: Address) -> None:
        """Put a datagram on the wire."""
        assert destination[0] == GATEWAY[0]
        self.wire.append(data)


def invite(
    *headers: tuple[str, str],
    body: str = OFFER,
    branch: str = "z9hG4bKh10",
    call_id: str = "h10@gateway",
    from_: str = '"09012345678" <sip:09012345678@[2001:db8::1]>;tag=h10',
    to: str = '"0312345678" <sip:3@[2001:db8::1]>',
    cseq: int = 1,
    uri: str = "sip:3@[2001:db8::20]:5062",
    method: str = "INVITE",
) -> Request:
    """Make the INVITE of home-gateway facts §8.2 C5, or another request of its shape."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP [2001:db8::1]:5060;branch={branch}",
        "Max-Forwards: 70",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:[2001:db8::1]:5060>",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if body:
        lines.append("Content-Type: application/sdp")
    text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
    message = parse(text.encode())
    assert isinstance(message, Request)
    return message


def within(
    response: Response, method: str, *headers: tuple[str, str], cseq: int = 2, **changes: Any
) -> Request:
    """Make a request of the gateway's within the dialog that our response opened."""
    return invite(
        *headers,
        **{
            "body": "",
            "method": method,
            "cseq": cseq,
            "branch": f"z9hG4bK{method}{cseq}",
            "to": response.headers.get("To"),
            "from_": response.headers.get("From"),
            "call_id": response.call_id,
            **changes,
        },
    )


def cancel_of(request: Request, *headers: tuple[str, str]) -> Request:
    """Make the CANCEL of an INVITE that the gateway sent."""
    return invite(
        *headers,
        body="",
        method="CANCEL",
        branch=request.via.branch or "",
        call_id=request.call_id,
        cseq=request.cseq.number,
        to=request.headers.get("To") or "",
        from_=request.headers.get("From") or "",
    )
