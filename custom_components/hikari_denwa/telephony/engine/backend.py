"""What a back end must do: SIP and RTP for lines, nothing of numbers, policy or contacts.

A back end registers one account over one family when it is told to, keeps that
registration fresh, and reports when it is lost. When to try again, over which
family, and what may be dialled is decided above it, so that every back end behaves alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol

from ..calls import Family
from ..errors import RegistrationError
from .protocol import CallEvent, SoundCodec, SoundFrame, TracedMessage


@dataclass(frozen=True, kw_only=True)
class Account:
    """One extension at one literal address of the gateway."""

    gateway: str
    family: Family
    extension: str
    user_id: str
    password: str = field(repr=False)
    port: int = 5060
    expires: int = 3600
    call_waiting: bool = False
    codecs: tuple[SoundCodec, ...] = (SoundCodec.PCMU,)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The gateway took the registration: for how many seconds, and our address in it.

    ``domain`` is the SIP domain that it names as ours, None if it names its own address.
    ``round_trip`` is what it took to answer, in seconds, None if that is not known; two that differ
    in it alone are the same.
    """

    local_address: str
    expires: int
    domain: str | None = None
    round_trip: float | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)
class PlacedCall:
    """The INVITE of an outgoing call is sent."""

    call: str
    channel: int


class BackendListener(Protocol):
    """What a back end tells, on the event loop's thread, without waiting."""

    def registration_lost(self, line: str, error: RegistrationError) -> None:
        """A refresh failed; the line's account is not registered any more."""

    def registration_refreshed(self, line: str, registered: Registered) -> None:
        """A refresh was taken."""

    def call_event(self, event: CallEvent) -> None:
        """Something happened to a call."""

    def sound(self, frame: SoundFrame) -> None:
        """20 ms of a call whose sound is streamed were played out."""


class Backend(ABC):
    """Base of the back ends. Methods raise errors of the telephony tree."""

    name: str
    families: tuple[Family, ...]

    def __init__(self, listener: BackendListener) -> None:
        """Keep who is told."""
        self.listener = listener

    @abstractmethod
    async def start(self) -> None:
        """Make ready."""

    @abstractmethod
    async def close(self) -> None:
        """End every call, un-register every line, close every socket."""

    @abstractmethod
    async def register(self, line: str, account: Account, *, time_limit: float) -> Registered:
        """Open the line's socket and register; the line keeps itself registered from then on.

        Replaces the line's former account, if it has one, without ending its calls: the
        former can ring until the new one stands, and stays when that fails.
        Raises a RegistrationError, and leaves no registration attempt behind; after
        ``time_limit`` seconds without any answer that is GatewaySilentError.
        """

    def has_moved(self, line: str) -> bool:
        """Tell whether a line's way to the gateway begins at another address than its contact."""
        del line
        return False

    async def ask(self, account: Account, *, time_limit: float) -> float | None:
        """Ask once by OPTIONS whether a SIP server is at the account's gateway.

        Returns the round trip in seconds; None after silence, without a way, or where the back
        end cannot ask.
        """
        del account, time_limit
        return None

    async def speaks_sip(self, account: Account, *, time_limit: float) -> bool:
        """Tell whether an address answers in SIP, for an account in nobody's name.

        Nothing may change there by asking.
        """
        return await self.ask(account, time_limit=time_limit) is not None

    @abstractmethod
    async def unregister(self, line: str) -> None:
        """End the line's calls, un-register it if it is registered, close its socket."""

    @abstractmethod
    async def dial(self, line: str, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Send an INVITE for a number (0-9 * # only) and return; the rest is events.

        ``mu_law_only`` offers PCMU alone, whatever the account's codecs are.
        """

    @abstractmethod
    async def answer(self, call: str) -> None:
        """Answer a ringing call with 200."""

    @abstractmethod
    async def reject(self, call: str, status: int) -> None:
        """Answer a ringing call with a final status from 400 to 699."""

    @abstractmethod
    async def hang_up(self, call: str) -> None:
        """End a call: 486 while it rings here, CANCEL while it rings there, else BYE."""

    @abstractmethod
    async def hold(self, call: str, *, held: bool) -> None:
        """Put a connected call on hold or take it back; returns when the far side has agreed.

        Raises CallNotConnectedError, and HoldRefusedError if it does not agree.
        """

    @abstractmethod
    async def send_dtmf(self, call: str, digits: str) -> None:
        """Play keypad tones into a connected call; returns when the last tone has gone."""

    @abstractmethod
    def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Start or stop telling the listener of the far side's sound, and of ours if ``near``."""

    @abstractmethod
    def play(self, frame: SoundFrame) -> None:
        """Queue 20 ms to be sent in the call of the frame's channel; no call, no effect.

        The queue holds a second; then the oldest goes. When a frame that is MARKED leaves the
        queue, sent or not, ``SoundPlayed`` is told with its number.
        """

    def clear_sound(self, call: str) -> None:
        """Forget what is queued to be sent in a call, without telling its marks.

        A back end that cannot do so lets it be heard, which takes less than a second.
        """
        del call

    def trace(self, line: str) -> tuple[TracedMessage, ...]:
        """Return the last messages of a line, the oldest first, as they were on the wire."""
        del line
        return ()
