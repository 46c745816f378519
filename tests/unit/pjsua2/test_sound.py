"""The sound of a call through pjsua2's bridge, whose own thread comes in at any time."""

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.audio.g711 import linear_to_ulaw, ulaw_to_linear
from custom_components.hikari_denwa.telephony.engine.protocol import SILENCE, SoundDirection
from custom_components.hikari_denwa.telephony.errors import CallNotConnectedError

PACKAGE = "custom_components.hikari_denwa.telephony.engine.pjsua2"
LOUD = b"\x80" * 160


class Buffer(bytearray):
    """A buffer of the library's that can be written and read at once."""

    def assign_from_bytes(self, data: bytes) -> None:
        """Hold this."""
        self[:] = data

    def copy_to_bytearray(self, target: bytearray) -> None:
        """Give what it holds."""
        target[:] = self


class Library(ModuleType):
    """Has every name that is asked for, as a class that does nothing."""

    ByteVector = Buffer
    PJMEDIA_FRAME_TYPE_NONE, PJMEDIA_FRAME_TYPE_AUDIO, PJMEDIA_TYPE_AUDIO = 0, 1, 1

    def __getattr__(self, name: str) -> Any:
        """Return a class of a name."""
        if name.startswith("__"):
            raise AttributeError(name)
        methods = {"createPort": lambda *_: None, "__init__": lambda *_, **__: None}
        made = type(name, (Exception,) if name == "Error" else (), methods)
        setattr(self, name, made)
        return made


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Load the module with such a library, and leave nothing loaded of it."""
    monkeypatch.setitem(sys.modules, "pjsua2", Library("pjsua2"))
    for name in ("library", "sound"):
        monkeypatch.delitem(sys.modules, f"{PACKAGE}.{name}", raising=False)
    yield importlib.import_module(f"{PACKAGE}.sound")
    for name in ("library", "sound"):
        sys.modules.pop(f"{PACKAGE}.{name}", None)


class Call:
    """A call's sound, and what it told."""

    def __init__(self, module: Any) -> None:
        """Begin with nothing told."""
        self.frames: list[Any] = []
        self.digits: list[str] = []
        self.sound = module.CallSound(
            channel=7, on_frame=self.frames.append, on_digit=self.digits.append
        )
        self.sound.sends = True

    def speak(self, on_gone: Callable[[], None] | None = None) -> None:
        """Queue so much that it leaves at once."""
        for _ in range(3):
            self.sound.play(LOUD, on_gone)

    async def on_the_library_s_thread(self, work: Any, *arguments: Any) -> Any:
        """Do something as the library would, and let the event loop hear of it."""
        found = await asyncio.to_thread(work, *arguments)
        await asyncio.sleep(0)
        return found


async def test_queue_and_silence(module: Any) -> None:
    """What is queued leaves once, is told when it has gone, and silence follows."""
    call, gone = Call(module), []
    call.speak(lambda: gone.append(True))
    assert not gone
    left = [await call.on_the_library_s_thread(call.sound.next_frame) for _ in range(4)]
    assert left == [ulaw_to_linear(LOUD)] * 3 + [ulaw_to_linear(SILENCE)]
    assert gone == [True] * 3
    call.speak()
    call.sound.clear()
    assert await call.on_the_library_s_thread(call.sound.next_frame) == ulaw_to_linear(SILENCE)


async def test_keypad_tones_go_first(module: Any) -> None:
    """They leave whole, wait on hold, and end with the call."""
    call = Call(module)
    sending = asyncio.create_task(call.sound.send_tones("1"))
    await asyncio.sleep(0)
    call.sound.sends = False
    assert await call.on_the_library_s_thread(call.sound.next_frame) == ulaw_to_linear(SILENCE)
    call.sound.sends = True
    heard = [await call.on_the_library_s_thread(call.sound.next_frame) for _ in range(20)]
    await asyncio.wait_for(sending, 1)
    assert any(frame != ulaw_to_linear(SILENCE) for frame in heard)
    assert heard[-1] == ulaw_to_linear(SILENCE)
    cut_off = asyncio.create_task(call.sound.send_tones("22"))
    await asyncio.sleep(0)
    call.sound.close()
    with pytest.raises(CallNotConnectedError):
        await cut_off
    with pytest.raises(CallNotConnectedError):
        await call.sound.send_tones("3")


async def test_both_sides_are_told(module: Any) -> None:
    """Far and near of the same 20 ms have one number; what is no sound counts as silence."""
    call = Call(module)
    call.sound.streaming = True
    call.speak()
    await call.on_the_library_s_thread(call.sound.next_frame)
    far = linear_to_ulaw(bytes(range(160)) * 2)
    await call.on_the_library_s_thread(call.sound.take_frame, ulaw_to_linear(far))
    await call.on_the_library_s_thread(call.sound.take_frame, b"")
    told = [(each.direction, each.number, each.payload) for each in call.frames]
    assert told == [
        (SoundDirection.FAR, 0, far),
        (SoundDirection.NEAR, 0, LOUD),
        (SoundDirection.FAR, 1, SILENCE),
        (SoundDirection.NEAR, 1, SILENCE),
    ]
    call.sound.close()
    await call.on_the_library_s_thread(call.sound.take_frame, b"")
    assert len(call.frames) == 4


async def test_port_goes_from_call_to_call(module: Any) -> None:
    """It is quiet between calls, and is made once."""
    ports, one = module.Ports(), Call(module)
    port = ports.take(one.sound)
    one.speak()
    frame = SimpleNamespace(type=0, size=0, buf=Buffer())
    port.onFrameRequested(frame)
    assert said(frame, module) == ulaw_to_linear(LOUD)
    ports.give_back(port)
    port.onFrameRequested(frame)
    assert said(frame, module) == bytes(320)
    port.onFrameReceived(frame)
    two = Call(module)
    two.sound.streaming = True
    assert ports.take(two.sound) is port
    assert ports.take(one.sound) is not port
    heard = SimpleNamespace(type=1, size=320, buf=Buffer(ulaw_to_linear(LOUD) + bytes(100)))
    port.onFrameReceived(heard)
    port.onFrameReceived(SimpleNamespace(type=0, size=0, buf=Buffer()))
    await asyncio.sleep(0)
    far = [each.payload for each in two.frames if each.direction is SoundDirection.FAR]
    assert far == [LOUD, SILENCE]


def said(frame: Any, module: Any) -> bytes:
    """Return what a port put into a frame."""
    assert frame.type == module.pj.PJMEDIA_FRAME_TYPE_AUDIO
    return bytes(frame.buf)[: frame.size]
