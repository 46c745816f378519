"""A gateway that a person or a program drives by lines of text."""

import asyncio
import dataclasses
import enum
import json
import sys
import threading
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .call import Call, CallEndedError
from .callees import (
    Callee,
    Outcome,
    answers,
    busy,
    no_answer,
    refuses,
    rejects_withheld,
    rings_forever,
    silent,
    stalls,
)
from .config import Family, GatewayConfig, Reach, RefreshMethod, Withheld
from .exchange import Event
from .gateway import DEFAULT_CALLER, HomeGateway, NotRegisteredError
from .incoming import IncomingCall, Shape
from .outgoing import OutgoingCall
from .sdp import G722_FIRST_OFFER, NO_OFFER, PCMU_OFFER, TELEPHONE_EVENT_OFFER
from .sources import Digits, Echo, Noise, Nothing, Ringback, Silence, Source, Tone, Wav
from .transport import Stamp

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

HELP = """\
ring EXTENSION [from NUMBER|withheld|payphone|service|unavailable] [to NUMBER]
     [over ipv4|ipv6] [as C1|C2|C3|C4|C5] [for SECONDS] [offer pcmu|g722|events|none]
cancel | elsewhere [reason] | hang up      end the newest call; 'elsewhere': another phone answers
answer                                     the callee of the newest placed call answers now
hold [sendonly|inactive] | resume          re-INVITE
refresh [update|invite]                    refresh the session now
play tone [HZ] | noise | silence | nothing | echo | ringback | wav PATH
digits KEYS [LEVEL]                        in-band tones, level in dBm0
impair [loss X] [duplication X] [reordering X] [jitter SECONDS] [skew_ppm X]
callee NUMBER answers [S] | busy | no-answer [S] | rings | stalls | silent | refuses STATUS
     | rejects-withheld | v4-only | v6-only | gone
reboot [SECONDS] | silent SECONDS | stale  forget all; drop all; make every nonce old
wait SECONDS | wait registered [EXT] | wait dialled | wait ringing | wait answered | wait ended
status | calls | measure [HZ] | violations | registers | trace [N]
help | quit"""
WAIT_LIMIT = 120.0
REASONS = {
    "withheld": Withheld.ANONYMOUS,
    "payphone": Withheld.PAYPHONE,
    "service": Withheld.SERVICE,
    "unavailable": Withheld.UNAVAILABLE,
}
OFFERS = {
    "pcmu": PCMU_OFFER,
    "g722": G722_FIRST_OFFER,
    "events": TELEPHONE_EVENT_OFFER,
    "none": NO_OFFER,
}


class CommandError(Exception):
    """A line that means nothing, or that cannot be done now."""


type Result = str | dict[str, object] | list[dict[str, object]]
type Handler = Callable[[list[str]], Awaitable[Result]]


@dataclass
class Console:
    """Takes lines and drives a gateway with them."""

    gateway: HomeGateway
    is_over: bool = False

    async def do(self, line: str) -> Result:
        """Do one line; raises CommandError with the reason when it cannot be done."""
        words = line.split()
        if not words:
            return ""
        handler: Handler | None = getattr(self, f"_do_{words[0].replace('-', '_')}", None)
        if handler is None:
            raise CommandError(f"no such command: {words[0]} (try: help)")
        try:
            return await handler(words[1:])
        except (ValueError, KeyError, IndexError, OSError) as error:
            raise CommandError(f"{words[0]}: {error!r}") from error
        except (NotRegisteredError, CallEndedError, TimeoutError, RuntimeError) as error:
            raise CommandError(f"{words[0]}: {error or type(error).__name__}") from error

    async def _do_help(self, words: list[str]) -> Result:
        """Tell the commands."""
        del words
        return HELP

    async def _do_quit(self, words: list[str]) -> Result:
        """End."""
        del words
        self.is_over = True
        return ""

    async def _do_ring(self, words: list[str]) -> Result:
        """Call an extension."""
        options = dict(zip(words[1::2], words[2::2], strict=True))
        if unknown := set(options) - {"from", "to", "over", "as", "for", "offer"}:
            raise CommandError(f"ring: what is {' '.join(sorted(unknown))}?")
        caller = options.get("from", DEFAULT_CALLER)
        call = await self.gateway.ring(
            words[0],
            caller=REASONS.get(caller, caller),
            called=options.get("to"),
            shape=Shape(options["as"]) if "as" in options else None,
            family=Family(options["over"]) if "over" in options else None,
            offer=OFFERS[options.get("offer", "pcmu")],
            ring_for=float(options["for"]) if "for" in options else None,
        )
        return describe(call)

    async def _do_cancel(self, words: list[str]) -> Result:
        """Let the caller give up."""
        del words
        await self._newest(IncomingCall).cancel()
        return describe(self._newest(IncomingCall))

    async def _do_elsewhere(self, words: list[str]) -> Result:
        """Let another phone answer."""
        call = self._newest(IncomingCall)
        await call.answered_elsewhere(with_reason=words == ["reason"])
        return describe(call)

    async def _do_hang(self, words: list[str]) -> Result:
        """Hang up."""
        if words != ["up"]:
            raise CommandError("hang up")
        call = self._newest(Call)
        await call.hang_up()
        return describe(call)

    async def _do_answer(self, words: list[str]) -> Result:
        """Let the callee answer."""
        del words
        call = self._newest(OutgoingCall)
        call.answer()
        await call.answered()
        return describe(call)

    async def _do_hold(self, words: list[str]) -> Result:
        """Put the client on hold."""
        status = await self._newest(Call).hold(words[0] if words else "sendonly")
        return {"status": status}

    async def _do_resume(self, words: list[str]) -> Result:
        """Take the client back."""
        del words
        return {"status": await self._newest(Call).resume()}

    async def _do_refresh(self, words: list[str]) -> Result:
        """Refresh the session."""
        method = RefreshMethod(words[0].upper()) if words else None
        return {"status": await self._newest(Call).refresh(method)}

    async def _do_play(self, words: list[str]) -> Result:
        """Say something else."""
        self._newest(Call).play(source_of(words))
        return ""

    async def _do_digits(self, words: list[str]) -> Result:
        """Press keys."""
        level = float(words[1]) if len(words) > 1 else -10.0
        self._newest(Call).insert(Digits(words[0], level))
        return ""

    async def _do_impair(self, words: list[str]) -> Result:
        """Make the sound that is sent worse."""
        changes = {name: float(value) for name, value in zip(words[::2], words[1::2], strict=True)}
        media = self._newest(Call).media
        if media is None:
            raise CommandError("impair: the call has no sound yet")
        media.impair(**changes)
        return dataclasses.asdict(media.faults)

    async def _do_callee(self, words: list[str]) -> Result:
        """Change who answers a number."""
        number, what, *rest = words
        if what == "gone":
            self.gateway.callees.pop(number, None)
            return {"number": number, "outcome": "404"}
        callee = callee_of(what, rest, self.gateway.callees.get(number, Callee()))
        self.gateway.callees[number] = callee
        return {"number": number, "outcome": callee.outcome, "reach": callee.reach}

    async def _do_reboot(self, words: list[str]) -> Result:
        """Forget everything."""
        self.gateway.reboot(silent_for=float(words[0]) if words else 0.0)
        return ""

    async def _do_silent(self, words: list[str]) -> Result:
        """Drop everything for a while."""
        self.gateway.go_silent(float(words[0]))
        return ""

    async def _do_stale(self, words: list[str]) -> Result:
        """Make every nonce old."""
        del words
        self.gateway.expire_nonces()
        return ""

    async def _do_wait(self, words: list[str]) -> Result:
        """Wait for a time or for something to happen."""
        what = words[0]
        if what == "registered":
            extension = words[1] if len(words) > 1 else "3"
            binding = await self.gateway.registered(extension, within=WAIT_LIMIT)
            return {"extension": extension, "contact": binding.contact, "family": binding.family}
        if what == "dialled":
            return describe(await self.gateway.next_call(within=WAIT_LIMIT))
        if what in {"ringing", "answered", "ended"}:
            call = self._newest(Call)
            await getattr(call, what)(WAIT_LIMIT)
            return describe(call)
        await asyncio.sleep(float(what))
        return ""

    async def _do_status(self, words: list[str]) -> Result:
        """Tell what is registered and which calls stand."""
        del words
        rows: list[dict[str, object]] = []
        for slot in self.gateway.config.slots:
            binding = self.gateway.binding(slot.number)
            rows.append(
                {
                    "extension": slot.number,
                    "kind": slot.kind,
                    "reach": slot.reach,
                    "contact": binding.contact if binding else "",
                }
            )
        return rows + [describe(call) for call in self.gateway.calls if not call.is_over]

    async def _do_calls(self, words: list[str]) -> Result:
        """Tell every call."""
        del words
        return [describe(call) for call in self.gateway.calls]

    async def _do_measure(self, words: list[str]) -> Result:
        """Measure what the client said in the newest call."""
        call = self._newest(Call)
        heard = call.received
        errors = heard.sequence_errors()
        frequency = float(words[0]) if words else 1000.0
        return {
            "packets": len(heard.packets),
            "packets_per_second": round(heard.packets_per_second(), 3),
            "short_pct": round(heard.short_pct(), 3),
            "widest_gap_ms": round(heard.widest_gap_ms(), 3),
            "gap_p99_ms": round(heard.gap_quantile_ms(0.99), 3),
            "holes_pct": round(heard.holes_pct(), 3),
            "lost": errors.lost,
            "reordered": errors.reordered,
            "duplicated": errors.duplicated,
            "tone_dbm0": round(heard.tone_level(frequency), 1),
            "digits": heard.detected_digits(),
            "sent": call.media.sent if call.media else 0,
        }

    async def _do_violations(self, words: list[str]) -> Result:
        """Tell what the client broke."""
        del words
        return [dataclasses.asdict(violation) for violation in self.gateway.violations]

    async def _do_registers(self, words: list[str]) -> Result:
        """Tell every REGISTER."""
        del words
        return [
            {
                "time": seen.stamp.monotonic,
                "peer": str(seen.peer),
                "extension": seen.extension,
                "expires": seen.expires,
                "authorized": seen.authorized,
                "status": seen.status,
            }
            for seen in self.gateway.registers
        ]

    async def _do_trace(self, words: list[str]) -> Result:
        """Show the last datagrams."""
        count = int(words[0]) if words else 10
        return "\n".join(
            f"--- {entry.time:.4f} {entry.direction} {entry.peer}\n{entry.text}"
            for entry in tuple(self.gateway.trace)[-count:]
        )

    def _newest[C: Call](self, kind: type[C]) -> C:
        """Return the newest call of a kind, one that stands before one that has ended."""
        calls = [call for call in self.gateway.calls if isinstance(call, kind)]
        if not calls:
            raise CommandError("there is no such call")
        living = [call for call in calls if not call.is_over]
        return (living or calls)[-1]


def describe(call: Call) -> dict[str, object]:
    """Tell a call: who, which state, when (monotonic and wall seconds), and why it ended."""
    other = call.caller if isinstance(call, IncomingCall) else None
    if isinstance(call, OutgoingCall):
        other = call.dialled
    moments: dict[str, object] = {}
    for part in dataclasses.fields(call.moments):
        stamp = getattr(call.moments, part.name)
        if isinstance(stamp, Stamp):
            moments[part.name] = {"monotonic": stamp.monotonic, "wall": stamp.wall}
    told: dict[str, object] = {
        "call": call.number,
        "way": "incoming" if isinstance(call, IncomingCall) else "outgoing",
        "extension": call.extension,
        "other": other,
        "family": call.family,
        "state": call.state,
        "moments": moments,
    }
    if call.end:
        told |= {"by": call.end.by, "how": call.end.how, "status": call.end.status}
    return told


def source_of(words: list[str]) -> Source:
    """Read a source; raises ValueError and IndexError."""
    simple: dict[str, Callable[[], Source]] = {
        "noise": Noise,
        "silence": Silence,
        "nothing": Nothing,
        "echo": Echo,
        "ringback": Ringback,
    }
    if words[0] == "tone":
        return Tone(float(words[1])) if len(words) > 1 else Tone()
    if words[0] == "wav":
        return Wav(Path(words[1]), repeat=True)
    return simple[words[0]]()


def callee_of(what: str, rest: list[str], before: Callee) -> Callee:
    """Read a callee's behaviour; a family is added to the behaviour before."""
    if what in {"v4-only", "v6-only"}:
        return replace(before, reach=Reach(f"ip{what}"))
    if what == "refuses":
        return refuses(int(rest[0]))
    if what == "answers":
        return answers(float(rest[0]) if rest else 0.2)
    if what == Outcome.NO_ANSWER:
        return no_answer(float(rest[0]) if rest else 1.0)
    others: dict[str, Callable[[], Callee]] = {
        "busy": busy,
        "rings": rings_forever,
        "stalls": stalls,
        "silent": silent,
        "rejects-withheld": rejects_withheld,
    }
    return others[what]()


def change(config: GatewayConfig, setting: str) -> GatewayConfig:
    """Apply ``group.switch=value`` or ``slots.NUMBER.switch=value``; raises ValueError."""
    path, equals, value = setting.partition("=")
    if not equals:
        raise ValueError(f"not name=value: {setting}")
    group, _, name = path.partition(".")
    if group != "slots":
        return _change(config, path, value)
    number, _, name = name.partition(".")
    slots = tuple(
        _change(slot, name, value) if slot.number == number else slot for slot in config.slots
    )
    return replace(config, slots=slots)


def _change[Part: "DataclassInstance"](part: Part, path: str, value: str) -> Part:
    """Replace one field, however deep."""
    name, dot, rest = path.partition(".")
    if not dot:
        return replace(part, **{name: _convert(part, name, value)})
    inner = getattr(part, name, None)
    if not dataclasses.is_dataclass(inner) or isinstance(inner, type):
        raise ValueError(f"no such group: {name}")
    return replace(part, **{name: _change(inner, rest, value)})


def _convert(owner: object, name: str, value: str) -> Any:
    """Read a value as the type of a field."""
    hints = typing.get_type_hints(type(owner))
    if name not in hints:
        raise ValueError(f"no such switch: {name}")
    kinds = [hints[name]]
    if isinstance(hints[name], types.UnionType):
        kinds = [kind for kind in hints[name].__args__ if kind is not types.NoneType]
        if value.lower() == "none":
            return None
    kind = kinds[0]
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
    if isinstance(kind, type) and issubclass(kind, (enum.Enum, int, float, str)):
        return kind(value)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(inner(part) for part in value.split(",") if part)
    raise ValueError(f"{name} cannot be set from text")


def lines_of_stdin(loop: asyncio.AbstractEventLoop) -> asyncio.Queue[str | None]:
    """Read standard input beside the loop; None at its end."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(queue.put_nowait, line)
        loop.call_soon_threadsafe(queue.put_nowait, None)

    # A daemon thread, because nothing can wake a thread that waits for a terminal.
    threading.Thread(target=read, daemon=True).start()
    return queue


@dataclass(frozen=True)
class Printer:
    """Writes results and events: as JSON lines, or for people."""

    as_json: bool = False

    def result(self, line: str, result: Result) -> None:
        """Write what a command gave."""
        if self.as_json:
            self._write(json.dumps({"command": line.strip(), "result": result}))
        elif isinstance(result, list):
            self._write("\n".join(_row(row) for row in result) or "(nothing)")
        elif result:
            self._write(result if isinstance(result, str) else _row(result))

    def error(self, line: str, error: CommandError) -> None:
        """Write why a command was not done."""
        if self.as_json:
            self._write(json.dumps({"command": line.strip(), "error": str(error)}))
        else:
            self._write(f"! {error}")

    def event(self, event: Event) -> None:
        """Write what happened."""
        if self.as_json:
            self._write(json.dumps({"event": event.kind, "time": event.time, **event.detail}))
        else:
            told = " ".join(f"{name}={value}" for name, value in event.detail.items())
            self._write(f"* {event.kind} {told}")

    def _write(self, text: str) -> None:
        """Write a line at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _row(row: dict[str, object]) -> str:
    """Write a row for people: names and values, moments left out."""
    return "  ".join(f"{name}={value}" for name, value in row.items() if name != "moments")


async def run_lines(console: Console, lines: list[str], printer: Printer) -> bool:
    """Do lines in order and stop at the first that fails; tells whether all were done."""
    for line in lines:
        try:
            printer.result(line, await console.do(line))
        except CommandError as error:
            printer.error(line, error)
            return False
    return True


async def run_input(console: Console, printer: Printer) -> None:
    """Do the lines of standard input until its end or ``quit``."""
    queue = lines_of_stdin(asyncio.get_running_loop())
    while not console.is_over:
        line = await queue.get()
        if line is None:
            return
        await run_lines(console, [line], printer)
