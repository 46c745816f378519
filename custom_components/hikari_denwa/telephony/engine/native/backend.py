"""The native back end: one user agent with one socket for each line."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace

from ...calls import EndReason, Family
from ...errors import (
    CallNotRingingError,
    CallUnknownError,
    ExtensionUnavailableError,
    LineBusyError,
    LineNotRegisteredError,
    RegistrationError,
    TelephonyError,
)
from ..backend import Account, Backend, BackendListener, PlacedCall, Registered
from ..protocol import FRAME_BYTES, CallEvent, SoundFlag, SoundFrame, TracedMessage
from .rtp.pacing import Pacer
from .rtp.session import RtpSession
from .sip.incoming import IncomingCall
from .sip.media import OpenSound
from .sip.question import ask, speaks_sip
from .sip.registration import Registration
from .sip.session import Session
from .sip.trace import Trace
from .sip.transport import UdpTransport, local_address_towards
from .sip.user_agent import Names, UserAgent

# How long the socket of a former registration still takes what was on its way to it: an INVITE
# is sent again after 0.5, 1.5 and 3.5 s.
_LINGER = 4.0
# How long a line waits at its end for the gateway to answer BYE and un-REGISTER.
_FAREWELL = 2.0


class _LineListener:
    """Passes on what a user agent tells, under the name of its line, while it is the line's."""

    def __init__(self, listener: BackendListener, line: str) -> None:
        """Take who is told."""
        self.current = True
        self._listener = listener
        self._line = line

    def registration_lost(self, error: RegistrationError) -> None:
        """Hear that a refresh failed."""
        if self.current:
            self._listener.registration_lost(self._line, error)

    def registration_refreshed(self, registered: Registered) -> None:
        """Hear that a refresh was taken."""
        if self.current:
            self._listener.registration_refreshed(self._line, registered)

    def call_event(self, event: CallEvent) -> None:
        """Hear what happens to a call."""
        self._listener.call_event(event)

    def sound(self, frame: SoundFrame) -> None:
        """Hear the sound of a call."""
        self._listener.sound(frame)


@dataclass(frozen=True, kw_only=True)
class _Agent:
    """A user agent with what it stands on."""

    user_agent: UserAgent
    transport: UdpTransport
    listener: _LineListener
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def registration(self) -> Registration:
        """Give the registration of the user agent."""
        return self.user_agent.registration

    @property
    def has_moved(self) -> bool:
        """Tell whether our end of the way to the gateway is elsewhere than the contact says."""
        return not _routes_from(self.user_agent.account, self.transport.local[0])

    def serves(self, account: Account, local_address: str) -> bool:
        """Tell whether it can register this account from this address on its socket."""
        return self.user_agent.account == account and self.transport.local[0] == local_address

    def is_same_extension(self, account: Account) -> bool:
        """Tell whether an account is the same extension, with the same credentials."""
        own = self.user_agent.account
        return (own.extension, own.user_id, own.password) == (
            account.extension,
            account.user_id,
            account.password,
        )

    def close(self) -> None:
        """Stop at once."""
        self.user_agent.close()
        self.transport.close()
        self.closed.set()


class NativeBackend(Backend):
    """SIP and RTP in pure Python."""

    name = "native"
    families = (Family.IPV6, Family.IPV4)

    def __init__(self, listener: BackendListener, *, open_sound: OpenSound | None = None) -> None:
        """Keep who is told; `open_sound` makes the RTP session of a call."""
        super().__init__(listener)
        pacer = Pacer(asyncio.get_running_loop())
        self._open_sound = open_sound or functools.partial(RtpSession.open, pacer=pacer)
        self._names = Names()
        self._lines: dict[str, _Agent] = {}
        self._joining: dict[str, _Agent] = {}
        self._retired: list[_Agent] = []
        self._traces: dict[str, Trace] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Make ready: there is nothing to do."""

    async def close(self) -> None:
        """End every call, un-register every line, close every socket."""
        lines = {**self._lines, **self._joining}
        await asyncio.gather(*(self.unregister(line) for line in lines))
        await asyncio.gather(*(self._bid_farewell(agent) for agent in tuple(self._retired)))
        while self._farewells:
            await asyncio.gather(*self._farewells)

    async def register(self, line: str, account: Account, *, time_limit: float) -> Registered:
        """Register a line from a socket of its own, the former one staying until that is done."""
        account = _canonical(account)
        local_address = local_address_towards(account.gateway, account.port, account.family)
        former = self._lines.get(line)
        if former and former.serves(account, local_address):
            return await former.registration.register(time_limit=time_limit)
        agent = self._joining[line] = self._new_agent(line, account, local_address)
        try:
            registered = await self._join(agent, former, time_limit=time_limit)
        except BaseException:
            agent.close()
            raise
        finally:
            if self._joining.get(line) is agent:
                del self._joining[line]
        self._lines[line] = agent
        if former:
            self._retire(former, agent)
        return registered

    def has_moved(self, line: str) -> bool:
        """Tell whether the way to the gateway begins at another address than the contact's."""
        agent = self._lines.get(line)
        return agent is not None and agent.has_moved

    async def unregister(self, line: str) -> None:
        """End the line's calls, un-register it, close its socket."""
        agents = [each for each in self._retired if each.user_agent.line == line]
        agents += [
            each for each in (self._lines.pop(line, None), self._joining.pop(line, None)) if each
        ]
        await asyncio.gather(*(self._bid_farewell(each) for each in agents))
        if line not in self._lines and line not in self._joining:
            self._traces.pop(line, None)

    async def ask(self, account: Account, *, time_limit: float) -> float | None:
        """Send OPTIONS from a socket of its own."""
        return await ask(_canonical(account), time_limit=time_limit)

    async def speaks_sip(self, account: Account, *, time_limit: float) -> bool:
        """Ask by OPTIONS, and those who never answer it by a REGISTER that binds nothing."""
        return await speaks_sip(_canonical(account), time_limit=time_limit)

    async def dial(self, line: str, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Send an INVITE; raises LineNotRegisteredError, LineBusyError."""
        agent = self._lines.get(line)
        if agent is None:
            raise LineNotRegisteredError
        if any(each.user_agent.busy for each in self._retired if each.user_agent.line == line):
            raise LineBusyError
        return await agent.user_agent.dial(number, mu_law_only=mu_law_only)

    async def answer(self, call: str) -> None:
        """Answer a ringing call; the line's other call is put on hold, as telephones do."""
        ringing = self._ringing(call)
        for other in self._sessions() if ringing.rings else ():
            if other.line == ringing.line and other.connected and not other.holding:
                with contextlib.suppress(TelephonyError):
                    await other.hold(held=True)
        await ringing.answer()

    async def reject(self, call: str, status: int) -> None:
        """Reject a ringing call."""
        self._ringing(call).reject(status)

    async def hang_up(self, call: str) -> None:
        """End a call."""
        self._session(call).hang_up()

    async def hold(self, call: str, *, held: bool) -> None:
        """Put a connected call on hold, or take it back."""
        await self._session(call).hold(held=held)

    async def send_dtmf(self, call: str, digits: str) -> None:
        """Play keypad tones into a connected call."""
        await self._session(call).send_digits(digits)

    def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Start or stop telling of a call's sound."""
        self._session(call).stream(enabled=enabled, near=near)

    def play(self, frame: SoundFrame) -> None:
        """Queue 20 ms for the call of the frame's channel; no call, no effect."""
        if len(frame.payload) != FRAME_BYTES:
            return
        for session in self._sessions():
            if session.channel == frame.channel and not session.ended:
                mark = frame.number if frame.flags & SoundFlag.MARKED else None
                session.play(frame.payload, mark=mark)
                return

    def clear_sound(self, call: str) -> None:
        """Forget what is queued to be sent in a call."""
        self._session(call).clear_sound()

    def trace(self, line: str) -> tuple[TracedMessage, ...]:
        """Return the last messages of a line."""
        trace = self._traces.get(line)
        return trace.messages() if trace else ()

    def _new_agent(self, line: str, account: Account, local_address: str) -> _Agent:
        """Open a socket and put a user agent on it."""
        transport = UdpTransport.open(local_address, account.gateway, account.family)
        listener = _LineListener(self.listener, line)
        user_agent = UserAgent(
            account,
            line=line,
            local=transport.local,
            clock=asyncio.get_running_loop(),
            send=transport.send,
            listener=listener,
            names=self._names,
            open_sound=self._open_sound,
            address_is_ours=lambda: _routes_from(account, local_address),
            trace=self._traces.setdefault(line, Trace()),
        )
        transport.on_datagram = user_agent.receive
        transport.on_unreachable = user_agent.unreachable
        return _Agent(user_agent=user_agent, transport=transport, listener=listener)

    async def _join(self, agent: _Agent, former: _Agent | None, *, time_limit: float) -> Registered:
        """Register a user agent in the place of a former one."""
        account = agent.user_agent.account
        same = former if former and former.is_same_extension(account) else None
        if same and same.registration.was_registered:
            agent.registration.trust()
        try:
            return await agent.registration.register(time_limit=time_limit)
        except ExtensionUnavailableError:
            # Our own contact of before may be the other device that the gateway counts.
            if same and same.has_moved:
                await agent.registration.remove(same.registration.contact, time_limit=_FAREWELL)
            raise

    def _retire(self, agent: _Agent, successor: _Agent) -> None:
        """Let a user agent that has a successor finish its calls."""
        agent.listener.current = False
        self._retired.append(agent)
        task = asyncio.get_running_loop().create_task(self._see_off(agent, successor))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _see_off(self, agent: _Agent, successor: _Agent) -> None:
        """Remove the former binding where it still stands, wait for the last call, then close.

        Another extension's is always removed. Of the same extension, only what the gateway
        itself lists beside the new one: a gateway that keeps one binding for each extension
        would take the removal of the old contact for the new one's.
        """
        registration = agent.registration
        if agent.user_agent.account.extension != successor.user_agent.account.extension:
            await registration.unregister(time_limit=_FAREWELL)
        else:
            former = registration.contact
            if any(uri.matches(former) for uri in successor.registration.others):
                registration.stop()
                removal = successor.registration.remove(former, time_limit=_FAREWELL)
                await _unless(agent.closed, removal)
            registration.forget()
        if not agent.has_moved:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await agent.closed.wait()
        await agent.user_agent.idle()
        agent.close()
        if agent in self._retired:
            self._retired.remove(agent)

    async def _bid_farewell(self, agent: _Agent) -> None:
        """End the calls and the registration politely, within bounds, then close."""
        agent.listener.current = False
        user_agent = agent.user_agent
        user_agent.hang_up_all(EndReason.LINE_CLOSED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await asyncio.gather(
                    user_agent.registration.unregister(time_limit=_FAREWELL), user_agent.idle()
                )
        agent.close()
        if agent in self._retired:
            self._retired.remove(agent)

    def _sessions(self) -> list[Session]:
        """Give every call of every line."""
        agents = (*self._lines.values(), *self._joining.values(), *self._retired)
        return [session for agent in agents for session in agent.user_agent.sessions]

    def _session(self, call: str) -> Session:
        """Find a call that has not ended; raises CallUnknownError."""
        for session in self._sessions():
            if session.call == call and not session.ended:
                return session
        raise CallUnknownError

    def _ringing(self, call: str) -> IncomingCall:
        """Find a call that may ring; raises CallUnknownError, CallNotRingingError."""
        session = self._session(call)
        if not isinstance(session, IncomingCall):
            raise CallNotRingingError
        return session


async def _unless(closed: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Do some work to its end, or until something is closed."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(closed.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _routes_from(account: Account, local_address: str) -> bool:
    """Tell whether the way to the gateway still begins at this address of ours."""
    try:
        return local_address == local_address_towards(account.gateway, account.port, account.family)
    except RegistrationError:
        return False


def _canonical(account: Account) -> Account:
    """Write the gateway's literal in its canonical form, so that it can be compared."""
    address = str(ipaddress.ip_address(account.gateway))
    if address == account.gateway:
        return account
    return replace(account, gateway=address)
