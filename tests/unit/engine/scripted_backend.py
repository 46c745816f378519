"""A back end that does what the names in a command say, and no SIP."""

import asyncio
import logging
import os
import signal
import time
from typing import override

from custom_components.hikari_denwa.telephony.calls import (
    CallerId,
    CallerIdKind,
    Ending,
    EndReason,
    Family,
)
from custom_components.hikari_denwa.telephony.engine.backend import (
    Account,
    Backend,
    PlacedCall,
    Registered,
)
from custom_components.hikari_denwa.telephony.engine.protocol import (
    SILENCE,
    CallConnected,
    CallEnded,
    CallIncoming,
    CallProgress,
    SoundDirection,
    SoundFrame,
    TracedMessage,
)
from custom_components.hikari_denwa.telephony.errors import (
    CallUnknownError,
    CredentialsRejectedError,
    GatewaySilentError,
)

_LOGGER = logging.getLogger(__name__)


class ScriptedBackend(Backend):
    """Registers at once unless the password is ``wrong``; numbers say what a call does."""

    name = "scripted"
    families = (Family.IPV6, Family.IPV4)

    @override
    async def start(self) -> None:
        """Begin without calls."""
        self.calls: dict[str, str] = {}
        self.made = 0

    @override
    async def speaks_sip(self, account: Account, *, time_limit: float) -> bool:
        """Answer at one address."""
        where = (account.gateway, account.port, account.family)
        return where == ("192.168.1.1", 5060, Family.IPV4)

    @override
    def trace(self, line: str) -> tuple[TracedMessage, ...]:
        """Give as much as no single message holds, of any line but "quiet"."""
        text = f"INVITE sip:0312345678@gw SIP/2.0\n{'X: y' * 700}\n\n"
        return tuple(
            TracedMessage(number=number, at=float(number), sent=True, text=text)
            for number in range(1, 0 if line == "quiet" else 50)
        )

    @override
    async def close(self) -> None:
        """Leave a word in the log."""
        _LOGGER.info("closed")

    @override
    async def register(self, line: str, account: Account, *, time_limit: float) -> Registered:
        """Register, or not; extension 7 rings at once, 9 is silent."""
        _LOGGER.info("register %s", line)
        if account.password == "wrong":
            raise CredentialsRejectedError(user_id=account.user_id)
        if account.extension == "9":
            raise GatewaySilentError(address=account.gateway, family=account.family.value)
        if account.extension == "7":
            asyncio.get_running_loop().call_later(0.05, self._ring, line)
        return Registered(local_address="2001:db8::20", expires=account.expires)

    @override
    async def unregister(self, line: str) -> None:
        """Leave a word in the log."""
        _LOGGER.info("unregister %s", line)

    @override
    async def dial(self, line: str, number: str, *, mu_law_only: bool = False) -> PlacedCall:
        """Place a call that is told of early; 555 is slow, 666 kills, 777 hangs, 999 raises."""
        if number == "666":
            os.kill(os.getpid(), signal.SIGKILL)
        if number == "777":
            time.sleep(1000)  # noqa: ASYNC251 - hanging is its purpose
        if number == "555":
            await asyncio.sleep(0.1)
            return PlacedCall(call=self._make(line), channel=self.made)
        if number == "999":
            raise RuntimeError("a back end's mistake")
        call = self._make(line)
        self.listener.call_event(
            CallProgress(at=1.0, line=line, call=call, status=183, early_media=True)
        )
        await asyncio.sleep(0.01)
        self.listener.call_event(CallConnected(at=2.0, line=line, call=call, codec="PCMU"))
        self.listener.call_event(
            CallEnded(at=3.0, line=line, call=call, ending=Ending(reason=EndReason.HUNG_UP_THERE))
        )
        return PlacedCall(call=call, channel=self.made)

    @override
    async def answer(self, call: str) -> None:
        """Connect a call, taking its time."""
        await asyncio.sleep(0.02)
        self.listener.call_event(
            CallConnected(at=2.0, line=self._line(call), call=call, codec="PCMU")
        )

    @override
    async def reject(self, call: str, status: int) -> None:
        """End a call."""
        self._end(call, EndReason.REJECTED_HERE)

    @override
    async def hang_up(self, call: str) -> None:
        """End a call."""
        self._end(call, EndReason.HUNG_UP_HERE)

    @override
    async def hold(self, call: str, *, held: bool) -> None:
        """Tell it."""
        self._line(call)
        _LOGGER.info("hold %s", held)

    @override
    async def send_dtmf(self, call: str, digits: str) -> None:
        """Take 50 ms for each digit."""
        await asyncio.sleep(0.05 * len(digits))
        _LOGGER.info("sent %s", digits)

    @override
    def stream_sound(self, call: str, *, enabled: bool, near: bool = False) -> None:
        """Send three frames at once."""
        self._line(call)
        for number in range(3 if enabled else 0):
            self.listener.sound(
                SoundFrame(
                    direction=SoundDirection.FAR,
                    channel=self.made,
                    number=number,
                    payload=SILENCE,
                )
            )

    @override
    def play(self, frame: SoundFrame) -> None:
        """Send a frame back as the far side's."""
        self.listener.sound(
            SoundFrame(
                direction=SoundDirection.NEAR,
                channel=frame.channel,
                number=frame.number,
                payload=frame.payload,
            )
        )

    def _make(self, line: str) -> str:
        """Make a call."""
        self.made += 1
        self.calls[f"c{self.made}"] = line
        return f"c{self.made}"

    def _line(self, call: str) -> str:
        """Return whose call it is."""
        if call not in self.calls:
            raise CallUnknownError
        return self.calls[call]

    def _end(self, call: str, reason: EndReason) -> None:
        """Tell the end of a call."""
        line = self._line(call)
        del self.calls[call]
        self.listener.call_event(
            CallEnded(at=3.0, line=line, call=call, ending=Ending(reason=reason))
        )

    def _ring(self, line: str) -> None:
        """Let a call come in."""
        call = self._make(line)
        self.listener.call_event(
            CallIncoming(
                at=time.time(),
                line=line,
                call=call,
                channel=self.made,
                caller=CallerId(kind=CallerIdKind.NUMBER, number="0312345678"),
                called="0451234567",
                family=Family.IPV6,
            )
        )


class MutinousBackend(ScriptedBackend):
    """Cannot be started."""

    @override
    async def start(self) -> None:
        """Fail."""
        raise RuntimeError("no room for a back end")
