"""A user agent with live calls, fed with whole scripts of datagrams and of what a person does.

A script is a text of steps between lines of ``%%``. A step that begins with ``!`` is what Home
Assistant or the clock does (``!answer``, ``!dial 117``, ``!hang up``, ``!wait 0.5``), every other
one is a datagram of the gateway's, in which ``{tag}``, ``{to}``, ``{branch}`` and the like stand
for what the user agent has sent last.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from custom_components.hikari_denwa.telephony.engine.native.sip.incoming import IncomingCall
from custom_components.hikari_denwa.telephony.engine.protocol import (
    CallEnded,
    CallIncoming,
    decode,
    encode,
)
from custom_components.hikari_denwa.telephony.engine.sip.messages import (
    MessageError,
    Request,
    Response,
    is_keep_alive,
    parse,
)
from custom_components.hikari_denwa.telephony.engine.sip.transport import Address
from custom_components.hikari_denwa.telephony.errors import TelephonyError
from tests.unit.native.bench import ACCOUNT, CHALLENGE, GATEWAY, OFFER, Bench, FakeSound
from tests.unit.sip.torture_messages import TORTURE_MESSAGES

from .target import Meter, Target

SEPARATOR = b"\r\n%%\r\n"
# A CANCEL draws two, a 2xx that ends a refresh too, and a late one an ACK and a BYE.
_MOST_ANSWERS = 4
# Longer than any transaction, BYE or unacknowledged answer lives.
_LONG_ENOUGH = 64 * 0.5 * 5
_PLACEHOLDER = re.compile(rb"\{([a-z_]+)\}")


type _Work = Coroutine[Any, Any, Any]


class _CheckedSound(FakeSound):
    """A sound without sockets, as choosy about addresses as the real one."""

    def set_remote(self, address: str, port: int, **others: Any) -> None:
        """Refuse what no socket of our family can send to."""
        literal = ip_address(address)
        if literal.version != 6 or literal.is_multicast or not 0 <= port <= 65535:
            raise ValueError(f"cannot send to {address}, port {port}")
        super().set_remote(address, port, **others)


class _Stage(Bench):
    """A user agent whose sounds check what they are told."""

    async def open_sound(
        self, local_address: str, *, on_digit: Callable[[str], None], **_: Any
    ) -> FakeSound:
        """Open a sound without sockets, and without waiting."""
        del local_address
        self.sounds.append(_CheckedSound(on_digit))
        return self.sounds[-1]

    def _send(self, data: bytes, destination: Address) -> None:
        """See that nothing goes to anybody else than the gateway, and that it can go there."""
        assert destination[0] == GATEWAY[0]
        assert 0 <= destination[1] <= 65535
        self.wire.append(data)


class UserAgents(Target):
    """The whole of a line's signalling; for each input a new one, registered."""

    name = "user-agent"

    @classmethod
    def seeds(cls) -> Sequence[bytes]:
        """Give calls of every kind, and the messages of RFC 4475 and RFC 5118 in a live call."""
        torture = [message.datagram for message in TORTURE_MESSAGES]
        groups = [torture[start : start + 8] for start in range(0, len(torture), 8)]
        return [*SCRIPTS, *(_script(_INVITE, b"!answer", _ACK, *group) for group in groups)]

    def feed(self, data: bytes) -> None:
        """Play a script, then let everything end, and see that nothing is left."""
        steps = data.split(SEPARATOR)
        _Play(self.meter, call_waiting=b"!second calls wait" in steps).run(steps)


class _Play:
    """One script being played."""

    def __init__(self, meter: Meter, *, call_waiting: bool) -> None:
        """Build a user agent."""
        self._meter = meter
        self._stage = _Stage(replace(ACCOUNT, call_waiting=call_waiting))
        self._waiting: dict[_Work, asyncio.Future[Any] | None] = {}
        self._values = {"shift_jis": "応答なし".encode("shift_jis")}
        self._events = 0

    def run(self, steps: Sequence[bytes]) -> None:
        """Play the steps and check."""
        self._begin(self._stage.agent.registration.register(time_limit=5))
        self._note_sent()
        self._stage.receive(self._fill(_REGISTERED))
        self._go_on()
        assert self._stage.agent.registration.registered is not None
        self._stage.wire.clear()
        try:
            for step in steps:
                if step.startswith(b"!"):
                    self._act(step[1:].decode(errors="replace").split())
                else:
                    self._receive(self._fill(step))
                self._go_on()
                self._check_events()
            self._finish()
        finally:
            for each in self._waiting:
                each.close()

    def _receive(self, datagram: bytes) -> None:
        """Take a datagram; a malformed one must change nothing."""
        agent = self._stage.agent
        sound = _is_sound(datagram)
        before = None if sound else self._state()
        self._meter.take(self._stage.receive, datagram)
        assert len(self._stage.wire) <= _MOST_ANSWERS, "too many answers"
        if not sound:
            assert len(self._stage.wire) <= 1, "a malformed message draws more than one answer"
            assert self._state() == before, "a malformed message changes something"
        assert len(agent.sessions) <= 64
        self._note_sent()

    def _act(self, words: list[str]) -> None:
        """Do what Home Assistant or the clock does."""
        agent = self._stage.agent
        match words:
            case ["wait", seconds]:
                with contextlib.suppress(ValueError):
                    self._stage.clock.advance(min(max(float(seconds), 0.0), 600.0))
            case ["dial", number]:
                self._begin(agent.dial(number))
            case ["hang", "up"]:
                for session in agent.sessions:
                    session.hang_up()
            case ["hold" | "resume" as what]:
                for session in agent.sessions:
                    self._begin(session.hold(held=what == "hold"))
            case ["unreachable"]:
                agent.unreachable()
            case ["answer" | "reject" as what]:
                self._treat_ringing(accept=what == "answer")
        self._note_sent()

    def _treat_ringing(self, *, accept: bool) -> None:
        """Answer or reject what rings."""
        for session in self._stage.agent.sessions:
            if not isinstance(session, IncomingCall):
                continue
            if accept:
                self._begin(session.answer())
                continue
            with contextlib.suppress(TelephonyError):
                session.reject(486)

    def _begin(self, work: _Work) -> None:
        """Begin something that may wait."""
        self._waiting[work] = None
        self._go_on()

    def _go_on(self) -> None:
        """Let go on what waits; a refusal by one of our own errors is an outcome like others."""
        for work, future in tuple(self._waiting.items()):
            if future is not None and not future.done():
                continue
            try:
                self._waiting[work] = work.send(None)
            except StopIteration, TelephonyError:
                del self._waiting[work]

    def _fill(self, step: bytes) -> bytes:
        """Put what was sent last in the place of the placeholders."""
        if b"{" not in step:
            return step
        return _PLACEHOLDER.sub(lambda found: self._values.get(found[1].decode(), b"x"), step)

    def _note_sent(self) -> None:
        """Read what was sent, and keep of it what later datagrams need."""
        for datagram in self._stage.wire:
            # A reply to a malformed request holds what was malformed, to the letter.
            with contextlib.suppress(MessageError):
                self._note(parse(datagram))
        self._stage.wire.clear()

    def _note(self, message: Request | Response) -> None:
        """Keep the headers of a message."""
        kind = message.method.lower() if isinstance(message, Request) else "reply"
        for name in ("Via", "From", "To", "Call-ID", "CSeq", "RSeq"):
            value = message.headers.get(name) or ""
            self._values[f"{kind}_{name.lower().replace('-', '_')}"] = value.encode(
                errors="surrogateescape"
            )
        if isinstance(message, Request):
            self._values[f"{kind}_number"] = str(message.cseq.number).encode()
        else:
            self._values["tag"] = (message.to.tag or "").encode(errors="surrogateescape")

    def _state(self) -> object:
        """Give all that a datagram may change."""
        agent = self._stage.agent
        calls = [
            (
                session.call,
                session.ended,
                session.connected,
                session.over,
                [
                    (each.local_cseq, each.remote_cseq, each.target, each.routes)
                    for each in session._dialogs.values()
                ],
            )
            for session in agent.sessions
        ]
        sounds = [(each.remote, each.direction, each.closed) for each in self._stage.sounds]
        told = self._stage.told
        return (
            calls,
            sounds,
            agent.registration.registered,
            len(agent.layer),
            len(told.events),
            len(told.lost),
            len(told.refreshed),
            self._stage.clock.pending,
        )

    def _check_events(self) -> None:
        """See that each event can go to Home Assistant, and that none follows a call's end."""
        events = self._stage.events
        for event in events[self._events :]:
            assert decode(encode(event).encode().decode()) == event
        self._events = len(events)

    def _finish(self) -> None:
        """Let every call end and every transaction die; then nothing may be left."""
        agent, clock = self._stage.agent, self._stage.clock
        agent.registration.stop()
        for session in agent.sessions:
            session.hang_up()
        self._go_on()
        clock.advance(_LONG_ENOUGH)
        assert not agent.sessions, "a call is never over"
        assert not agent._by_dialog, "a dialog is never forgotten"
        assert not len(agent.layer), "a transaction never ends"
        assert not clock.pending, "a timer is left"
        agent.close()
        self._go_on()
        assert not self._waiting, "somebody waits for ever"
        self._check_events()
        assert all(sound.closed for sound in self._stage.sounds), "a port is never given back"
        ended = [event.call for event in self._stage.events if isinstance(event, CallEnded)]
        begun = {event.call for event in self._stage.events if isinstance(event, CallIncoming)}
        assert len(ended) == len(set(ended)), "a call ends twice"
        assert begun <= set(ended), "a call never ends"
        over: set[str] = set()
        for event in self._stage.events:
            assert event.call not in over, "something follows a call's end"
            if isinstance(event, CallEnded):
                over.add(event.call)


def _is_sound(datagram: bytes) -> bool:
    """Tell whether a datagram is a message that may change something."""
    if is_keep_alive(datagram):
        return False
    try:
        parse(datagram)
    except MessageError:
        return False
    return True


def _script(*steps: bytes) -> bytes:
    """Join steps."""
    return SEPARATOR.join(steps)


def _message(start: str, *headers: str, body: str = "") -> bytes:
    """Write a message; the length is that of the body."""
    content = ("Content-Type: application/sdp",) if body else ()
    lines = (start, *headers, *content, f"Content-Length: {len(body)}", "", body)
    return "\r\n".join(lines).encode()


_FROM = 'From: "09012345678" <sip:09012345678@[2001:db8::1]>;tag=h10'
_TO = '"0312345678" <sip:3@[2001:db8::1]>'
_OWN = "sip:3@[2001:db8::20]:5062"
_CONTACT = "Contact: <sip:[2001:db8::1]:5060>"


def _from_gateway(
    method: str, *headers: str, branch: str, cseq: int, within: bool = True, body: str = ""
) -> bytes:
    """Write a request of the gateway's in the call that it makes."""
    return _message(
        f"{method} {_OWN} SIP/2.0",
        f"Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK{branch}",
        "Max-Forwards: 70",
        _FROM,
        f"To: {_TO};tag={{tag}}" if within else f"To: {_TO}",
        "Call-ID: h10@gateway",
        f"CSeq: {cseq} {method}",
        _CONTACT,
        *headers,
        body=body,
    )


def _to_request(method: str, status: str, *headers: str, tag: str = "g1", body: str = "") -> bytes:
    """Write a response of the gateway's to the latest request of a method."""
    tagged = f";tag={tag}" if tag else ""
    return _message(
        f"SIP/2.0 {status}",
        f"Via: {{{method}_via}}",
        f"From: {{{method}_from}}",
        f"To: {{{method}_to}}{tagged}",
        f"Call-ID: {{{method}_call_id}}",
        f"CSeq: {{{method}_cseq}}",
        *headers,
        body=body,
    )


def _in_our_call(method: str, *headers: str, cseq: int, body: str = "") -> bytes:
    """Write a request of the gateway's in the call that we make."""
    return _message(
        f"{method} {_OWN} SIP/2.0",
        f"Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bKo{method}{cseq}",
        "Max-Forwards: 70",
        "From: {invite_to};tag=g1",
        "To: {invite_from}",
        "Call-ID: {invite_call_id}",
        f"CSeq: {cseq} {method}",
        _CONTACT,
        *headers,
        body=body,
    )


_TIMER = ("Supported: timer, 100rel", "Session-Expires: 300;refresher=uac", "Min-SE: 300")
_ALLOW = "Allow: INVITE,ACK,BYE,CANCEL,PRACK,UPDATE"
_HELD = OFFER.replace("sendrecv", "sendonly")
_REGISTERED = _to_request(
    "register", "200 OK", "Contact: <sip:3@[2001:db8::20]:5062>;expires=3600", tag="r1"
)
_INVITE = _from_gateway("INVITE", _ALLOW, *_TIMER, branch="h10", cseq=1, within=False, body=OFFER)
_ACK = _from_gateway("ACK", branch="h11", cseq=1)
_BYE = _from_gateway("BYE", branch="h12", cseq=9)
_PROGRESS = _to_request("invite", "183 Session Progress", _CONTACT, body=OFFER)
_ANSWERED = _to_request(
    "invite",
    "200 OK",
    _CONTACT,
    _ALLOW,
    "Require: timer",
    "Session-Expires: 300;refresher=uas",
    body=OFFER,
)

_RELIABLE = (_CONTACT, "Require: 100rel")

SCRIPTS = (
    _script(
        b"!second calls wait",
        _INVITE,
        b"!answer",
        _ACK,
        _INVITE.replace(b"h10", b"h20"),
        b"!answer",
        _ACK.replace(b"h10@", b"h20@").replace(b"tag=h10", b"tag=h20"),
        b"!hold",
        _to_request("invite", "200 OK", _CONTACT, tag="", body=_HELD.replace("only", "recv")),
        b"!resume",
        _to_request("invite", "491 Request Pending", tag=""),
        b"!wait 5",
        _to_request("invite", "488 Not Acceptable Here", tag=""),
    ),
    _script(
        _INVITE,
        b"!answer",
        _ACK,
        b"!hold",
        _to_request("invite", "200 OK", _CONTACT, tag="", body=OFFER),
        b"!resume",
        _from_gateway("INVITE", branch="r1", cseq=2, body=OFFER),
        _BYE,
        _to_request("invite", "481 No", tag=""),
    ),
    _script(
        _INVITE,
        b"!answer",
        _ACK,
        b"!hold",
        _to_request("invite", "180 Ringing", tag=""),
        b"!hang up",
        _to_request("bye", "200 OK", tag=""),
    ),
    _script(
        b"!dial 0451",
        _to_request("invite", "183 Session Progress", *_RELIABLE, "RSeq: 7", body=OFFER),
        _to_request("prack", "200 OK", tag=""),
        _to_request("invite", "180 Ringing", *_RELIABLE, "RSeq: 8"),
        _to_request("prack", "481 No", tag=""),
        _in_our_call("UPDATE", cseq=1, body=OFFER),
        _ANSWERED,
        b"!hang up",
    ),
    _script(
        _INVITE.replace(b"Min-SE: 300", b"Require: 100rel"),
        _from_gateway("PRACK", "RAck: {reply_rseq} 1 INVITE", branch="p1", cseq=2),
        b"!wait 40",
        b"!answer",
        _ACK,
    ),
    _script(_INVITE, _INVITE, b"!answer", _ACK, b"!wait 200", _BYE, _BYE),
    _script(_INVITE, b"!wait 70", b"!reject", _from_gateway("ACK", branch="h10", cseq=1)),
    _script(
        _INVITE,
        _from_gateway(
            "CANCEL",
            'Reason: SIP;cause=200;text="Call completed elsewhere"',
            branch="h10",
            cseq=1,
            within=False,
        ),
        _from_gateway("ACK", branch="h10", cseq=1),
    ),
    _script(
        _from_gateway("INVITE", *_TIMER, branch="h10", cseq=1, within=False),
        b"!answer",
        _from_gateway("ACK", branch="h11", cseq=1, body=OFFER),
        b"!hang up",
        _to_request("bye", "200 OK"),
    ),
    _script(
        _INVITE,
        b"!answer",
        _ACK,
        _from_gateway("INVITE", *_TIMER, branch="r1", cseq=2, body=_HELD),
        _from_gateway("ACK", branch="r2", cseq=2),
        _from_gateway("UPDATE", *_TIMER, branch="r3", cseq=3),
        _from_gateway("UPDATE", branch="r4", cseq=4, body=OFFER),
        _from_gateway("INVITE", branch="r5", cseq=5),
        _from_gateway("ACK", branch="r6", cseq=5, body=OFFER),
        _from_gateway("INFO", branch="r7", cseq=6).replace(
            b"Content-Length: 0\r\n\r\n",
            b"Content-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n"
            b"Signal=5\r\nDuration=160\r\n",
        ),
        _from_gateway("OPTIONS", branch="r8", cseq=7),
        _from_gateway("REFER", "Refer-To: <sip:1@h>", branch="r9", cseq=8),
        _from_gateway("PRACK", "RAck: 1 1 INVITE", branch="r10", cseq=9),
        _from_gateway("MESSAGE", branch="r11", cseq=10),
        _from_gateway("NOTIFY", "Event: refer", branch="r12", cseq=11),
        _from_gateway("INVITE", "Require: 100rel", branch="r13", cseq=12, body=OFFER),
    ),
    _script(
        _INVITE,
        b"!answer",
        _ACK,
        b"!wait 160",
        _to_request("update", "422 Too Small", "Min-SE: 600", tag=""),
        _to_request("update", "200 OK", "Session-Expires: 600;refresher=uac", tag=""),
        b"!wait 310",
        _to_request("update", "405 Method Not Allowed", tag=""),
        _to_request("invite", "491 Request Pending", tag=""),
        b"!wait 5",
        _to_request("invite", "200 OK", "Session-Expires: 300;refresher=uas", tag="", body=OFFER),
        b"!wait 400",
    ),
    _script(
        b"!dial 0312345678",
        _to_request("invite", "100 Trying", tag=""),
        _to_request("invite", "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE}"),
        _PROGRESS,
        _ANSWERED,
        _ANSWERED,
        _in_our_call("UPDATE", *_TIMER, cseq=1),
        _in_our_call("INVITE", *_TIMER, cseq=2, body=_HELD),
        _in_our_call("ACK", cseq=2),
        _in_our_call("BYE", cseq=3),
    ),
    _script(
        b"!dial 117",
        _PROGRESS,
        _to_request(
            "invite", "180 Ringing", _CONTACT, "Record-Route: <sip:[2001:db8::9];lr>", tag="g2"
        ),
        _to_request("invite", "200 OK", _CONTACT, tag="g2", body=OFFER),
        _ANSWERED,
        b"!hang up",
        _to_request("bye", "481 No", tag=""),
    ),
    _script(
        b"!dial 110",
        b"!hang up",
        _PROGRESS,
        _to_request("cancel", "200 OK"),
        _to_request("invite", "487 Request Terminated"),
    ),
    _script(b"!dial 1", _PROGRESS, b"!hang up", _ANSWERED, _to_request("bye", "200 OK")),
    _script(
        b"!dial 0901",
        _to_request(
            "invite", "488 Not Acceptable Here", 'Warning: 300 Anonymous "Incompatible network"'
        ),
    ),
    _script(b"!dial 0908", _to_request("invite", "480 {shift_jis}")),
    _script(b"!dial 0902", _to_request("invite", "302 Moved", "Contact: <sip:1@192.0.2.66>")),
    _script(b"!dial 0903", _to_request("invite", "400 Bad Request"), b"!wait 40", b"!unreachable"),
    _script(
        b"!wait 30",
        _to_request("options", "405 Method Not Allowed"),
        b"!wait 3400",
        _to_request("register", "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE}, stale=true"),
        _to_request("register", "423 Interval Too Brief", "Min-Expires: 7200"),
        _REGISTERED,
        b"!wait 30",
        _REGISTERED,
        b"\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ),
)
