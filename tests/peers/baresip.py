"""baresip as a telephone: it rings, dials, plays a tone and records what it hears."""

import asyncio
import contextlib
import json
import socket
import wave
from pathlib import Path
from typing import Any

from . import sound
from .kamailio import Extension, Kamailio
from .processes import Peer, PeerError, bracketed, free_port

_TONE_SECONDS = 30
_KEY_SECONDS = 0.3
_MODULE_FOLDERS = ("usr/lib/baresip/modules", "usr/lib/*/baresip/modules", "usr/local/lib/baresip")


def _modules() -> str:
    """Return the folder of baresip's modules."""
    for pattern in _MODULE_FOLDERS:
        for folder in sorted(Path("/").glob(pattern)):
            if (folder / "ctrl_tcp.so").exists():
                return str(folder)
    raise PeerError("baresip's modules are not where Debian puts them")


class Baresip(Peer):
    """A phone registered at Kamailio, driven over its TCP control port.

    It plays a tone of ``frequency`` Hz into its calls; ``events`` holds all it told.
    """

    def __init__(
        self, folder: Path, kamailio: Kamailio, extension: Extension, *, frequency: float
    ) -> None:
        """Write the configuration for free ports."""
        address = kamailio.address
        self._control = free_port("127.0.0.1", socket.SOCK_STREAM)
        self.events: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None
        self._seen = 0
        (folder / "recorded").mkdir(parents=True)
        sound.write_wav(folder / "tone.wav", sound.tone(frequency, _TONE_SECONDS))
        (folder / "contacts").touch()
        (folder / "accounts").write_text(
            f"<sip:{extension.number}@{kamailio.host}>;auth_user={extension.user_id}"
            f';auth_pass="{extension.password}";regint=120;answermode=manual;audio_codecs=pcmu\n'
        )
        settings = {
            "poll_method": "epoll",
            "sip_listen": f"{bracketed(address)}:{free_port(address)}",
            "net_interface": address,
            "audio_path": "/nowhere",
            "audio_player": "aufile,player.wav",
            "audio_source": f"aufile,{folder / 'tone.wav'}",
            "audio_alert": "aufile,alert.wav",
            "ringback_disabled": "yes",
            "menu_bell": "no",
            "call_max_calls": "2",
            "snd_path": str(folder / "recorded"),
            "ctrl_tcp_listen": f"127.0.0.1:{self._control}",
            "module_path": _modules(),
        }
        lines = [f"{name} {value}" for name, value in settings.items()]
        lines += [f"module {name}.so" for name in ("g711", "sndfile", "aufile")]
        lines += ["module_tmp account.so", "module_app menu.so", "module_app ctrl_tcp.so"]
        (folder / "config").write_text("\n".join(lines) + "\n")
        family = "-6" if ":" in address else "-4"
        super().__init__("baresip", [family, "-f", str(folder)], folder)

    async def ready(self) -> None:
        """Wait until the phone is registered and takes commands."""
        await self.line("200 OK", "binding")
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._control)
        self._listener = asyncio.create_task(self._listen(reader))

    async def stop(self) -> None:
        """Let go of the control port and end the phone."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None
        await super().stop()

    async def dial(self, number: str) -> None:
        """Call a number through the registrar."""
        await self._command("dial", number)

    async def accept(self) -> None:
        """Answer the call that rings."""
        await self._command("accept")

    async def hang_up(self) -> None:
        """End the call, or reject it while it rings."""
        await self._command("hangup")

    async def hold(self) -> None:
        """Put the call on hold."""
        await self._command("hold")

    async def resume(self) -> None:
        """Take the call back."""
        await self._command("resume")

    async def press(self, digits: str) -> None:
        """Press keys in a call: telephone events (RFC 4733), where these are agreed on."""
        for digit in digits:
            await self._command("sndcode", digit)
            await asyncio.sleep(_KEY_SECONDS)

    async def event(self, kind: str, time_limit: float = 10.0) -> dict[str, Any]:
        """Wait for the next event of a kind, passing over others."""
        try:
            async with asyncio.timeout(time_limit), self._arrived:
                while True:
                    while self._seen < len(self.events):
                        event = self.events[self._seen]
                        self._seen += 1
                        if event.get("type") == kind:
                            return event
                    await self._arrived.wait()
        except TimeoutError as error:
            told = [event.get("type") for event in self.events]
            raise PeerError(f"no {kind} from the phone, only {told}:\n{self.tail()}") from error

    async def heard(self) -> list[int]:
        """Return the samples that the phone heard in its call, once it is over."""
        for _ in range(100):
            for path in (self.folder / "recorded").glob("dump-*-dec.wav"):
                # The header and its length are whole when the recording is closed.
                with contextlib.suppress(EOFError, wave.Error):
                    if samples := sound.read_wav(path):
                        return samples
            await asyncio.sleep(0.05)
        raise PeerError(f"the phone recorded nothing:\n{self.tail()}")

    async def _command(self, command: str, params: str = "") -> None:
        """Send a command as a netstring of JSON."""
        if self._writer is None:
            raise PeerError("the phone is not ready")
        text = json.dumps({"command": command, "params": params, "token": command}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        await self._writer.drain()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Collect events until the phone goes away."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                if not message.get("event"):
                    continue
                async with self._arrived:
                    self.events.append(message)
                    self._arrived.notify_all()
