"""Lines by user agents: who has which, how one takes the place of another, how each ends.

A back end whose lines have one user agent and one socket each needs but to make them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import secrets
from abc import abstractmethod
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..calls import EndReason
from ..errors import (
    CallUnknownError,
    ExtensionUnavailableError,
    LineBusyError,
    LineNotRegisteredError,
    RegistrationError,
    TelephonyError,
)
from .backend import Account, Backend, BackendListener, PlacedCall, Registered
from .protocol import FRAME_BYTES, CallEvent, SoundFlag, SoundFrame, TracedMessage
from .sip.question import ask, speaks_sip
from .sip.trace import Trace
from .sip.transport import UdpTransport, local_address_towards
from .sip.uri import SipUri

# How long the socket of a former registration still takes what was on its way to it: an INVITE
# is sent again after 0.5, 1.5 and 3.5 s.
_LINGER = 4.0
# How long a line waits at its end for the gateway to answer BYE and un-REGISTER.
_FAREWELL = 2.0


class LineListener:
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


class LineRegistration(Protocol):
    """The registration of one user agent."""

    @property
    def contact(self) -> SipUri:
        """Give our contact at the gateway."""

    @property
    def was_registered(self) -> bool:
        """Tell whether the gateway ever took these credentials."""

    @property
    def others(self) -> tuple[SipUri, ...]:
        """Give the contacts that the gateway lists beside ours."""

    async def register(self, *, time_limit: float) -> Registered:
        """Register; raises a RegistrationError, after ``time_limit`` seconds at the latest."""

    async def unregister(self, *, time_limit: float) -> None:
        """Remove our binding, if there may be one; an answer is waited for, not insisted on."""

    def stop(self) -> None:
        """Stop refreshing, and forget an attempt that is under way."""

    def forget(self) -> None:
        """Leave the binding to itself: it is another's now, or runs out."""

    def trust(self) -> None:
        """Know that the gateway took these credentials before: a 403 says nothing of them."""

    async def remove(self, contact: SipUri, *, time_limit: float) -> None:
        """Remove a former contact of ours (§10.2.2), and find out whether ours is still there."""


class LineCall(Protocol):
    """A call of a user agent, until its signalling is over.

    ``ended`` is what the user knows; ``connected`` while it carries sound; ``holding`` while it
    is on hold by us; ``rings`` while it can be answered or rejected.
    """

    call: str
    channel: int
    ended: bool
    connected: bool

    @property
    def line(self) -> str:
        """Give the line that the call is on."""

    @property
    def holding(self) -> bool:
        """Tell whether the call is on hold by us."""

    @property
    def rings(self) -> bool:
        """Tell whether the call can be answered or rejected."""

    async def answer(self) -> None:
        """Answer with 200; raises CallNotRingingError, SoundPortsExhaustedError."""

    def reject(self, status: int) -> None:
        """Answer with a status from 400 to 699; raises CallNotRingingError."""

    def hang_up(self, reason: EndReason | None = None) -> None:
        """End the call in whatever state; ``reason`` is told instead of the usual one."""

    async def hold(self, *, held: bool) -> None:
        """Put the call on hold or take it back; raises what Backend.hold does."""

    async def send_digits(self, digits: str) -> None:
        """Play keypad tones; raises CallNotConnectedError."""

    def stream(self, *, enabled: bool, near: bool = False) -> None:
        """Start or stop passing the far side's sound on, and ours if ``near``."""

    def play(self, payload: bytes, *, mark: int | None = None) -> None:
        """Queue 20 ms, and tell when they have gone if they bear a mark."""

    def clear_sound(self) -> None:
        """Forget what is queued."""


class LineUserAgent(Protocol):
    """One extension at one gateway: its registration and its calls."""

    account: Account
    line: str

    @property
    def registration(self) -> LineRegistration:
        """Give its registration."""

    @property
    def sessions(self) -> Sequence[LineCall]:
        """Give the calls whose signalling is not over."""

    @property
    def busy(self) -> bool:
        """Tell whether there is a call that the user knows of."""

    async def dial(self, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Send an INVITE; raises LineNotRegisteredError, LineBusyError and what else prevents."""

    def hang_up_all(self, reason: EndReason) -> None:
        """End every call that the user knows of."""

    async def idle(self) -> None:
        """Wait until the signalling of every call is over."""

    def close(self) -> None:
        """Stop everything at once; nothing is sent."""


class Names:
    """Gives calls names and sound channels that no other call of the back end has."""

    def __init__(self) -> None:
        """Start with channel 1."""
        self._channels: Iterator[int] = itertools.cycle(range(1, 0x10000))

    def next(self) -> tuple[str, int]:
        """Give the name and the channel of a new call."""
        return secrets.token_hex(8), next(self._channels)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A user agent with what it stands on."""

    user_agent: LineUserAgent
    transport: UdpTransport
    listener: LineListener
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def registration(self) -> LineRegistration:
        """Give the registration of the user agent."""
        return self.user_agent.registration

    @property
    def has_moved(self) -> bool:
        """Tell whether our end of the way to the gateway is elsewhere than the contact says."""
        return not routes_from(self.user_agent.account, self.transport.local[0])

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


class AgentBackend(Backend):
    """A back end whose lines have a user agent and a socket each."""

    def __init__(self, listener: BackendListener) -> None:
        """Begin without lines."""
        super().__init__(listener)
        self.names = Names()
        self._lines: dict[str, Agent] = {}
        self._joining: dict[str, Agent] = {}
        self._retired: list[Agent] = []
        self._traces: dict[str, Trace] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    @abstractmethod
    def make_user_agent(
        self,
        line: str,
        account: Account,
        transport: UdpTransport,
        listener: LineListener,
        trace: Trace,
    ) -> LineUserAgent:
        """Put a user agent on an open socket; it keeps its messages in the line's trace."""

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
        ringing = self._session(call)
        for other in self._sessions() if ringing.rings else ():
            if other.line == ringing.line and other.connected and not other.holding:
                with contextlib.suppress(TelephonyError):
                    await other.hold(held=True)
        await ringing.answer()

    async def reject(self, call: str, status: int) -> None:
        """Reject a ringing call."""
        self._session(call).reject(status)

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

    def _new_agent(self, line: str, account: Account, local_address: str) -> Agent:
        """Open a socket and put a user agent on it."""
        transport = UdpTransport.open(local_address, account.gateway, account.family)
        listener = LineListener(self.listener, line)
        try:
            user_agent = self.make_user_agent(
                line, account, transport, listener, self._traces.setdefault(line, Trace())
            )
        except BaseException:
            transport.close()
            raise
        return Agent(user_agent=user_agent, transport=transport, listener=listener)

    async def _join(self, agent: Agent, former: Agent | None, *, time_limit: float) -> Registered:
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

    def _retire(self, agent: Agent, successor: Agent) -> None:
        """Let a user agent that has a successor finish its calls."""
        agent.listener.current = False
        self._retired.append(agent)
        task = asyncio.get_running_loop().create_task(self._see_off(agent, successor))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _see_off(self, agent: Agent, successor: Agent) -> None:
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

    async def _bid_farewell(self, agent: Agent) -> None:
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

    def _sessions(self) -> list[LineCall]:
        """Give every call of every line."""
        agents = (*self._lines.values(), *self._joining.values(), *self._retired)
        return [session for agent in agents for session in agent.user_agent.sessions]

    def _session(self, call: str) -> LineCall:
        """Find a call that has not ended; raises CallUnknownError."""
        for session in self._sessions():
            if session.call == call and not session.ended:
                return session
        raise CallUnknownError


async def _unless(closed: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Do some work to its end, or until something is closed."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(closed.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def routes_from(account: Account, local_address: str) -> bool:
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
