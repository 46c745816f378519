"""Programs that people play a stream with: ffmpeg, ffprobe, mpv and SoX."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.peers.processes import Peer, needs

from .listening_room import SAMPLE_RATE, ListeningRoom, has_tone

TONE_SECONDS = 4.0
END_SECONDS = 20.0
# An ffmpeg before 6.0 calls it a warning that plain WAV does not say where its one speaker stands.
NO_WARNINGS = ("Guessed Channel Layout",)
CODECS = {
    "wav": "pcm_s16le",
    "48000x2.wav": "pcm_s16le",
    "g711wav": "pcm_mulaw",
    "mp3": "mp3",
    "flac": "flac",
    "aac": "aac",
    "opus": "opus",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A program that plays a format into a file of linear 16 bit at 8 kHz."""

    program: str
    form: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name it for a person."""
        return f"{self.program}-{self.form}"

    def arguments(self, url: str, output: Path) -> list[str]:
        """Return the program's command line."""
        rate = str(SAMPLE_RATE)
        match self.program:
            case "ffmpeg":
                return [
                    *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning"),
                    *(*self.options, "-i", url),
                    *("-f", "s16le", "-ar", rate, "-ac", "1", str(output)),
                ]
            case "mpv":
                return [
                    *("--no-config", "--no-video", "--no-terminal", "--msg-level=all=warn"),
                    *("--terminal=yes", "--input-terminal=no", "--quiet"),
                    *("--ao=pcm", f"--ao-pcm-file={output}", "--ao-pcm-waveheader=no"),
                    *("--audio-format=s16", f"--audio-samplerate={rate}", "--audio-channels=mono"),
                    url,
                ]
            case _:
                return [
                    *("-V2", *self.options, url),
                    *("-t", "raw", "-r", rate, "-c", "1", "-b", "16", "-e", "signed", str(output)),
                ]


CASES = [
    *(Case(program="ffmpeg", form=form) for form in CODECS),
    Case(program="ffmpeg", form="ulaw", options=("-f", "mulaw", "-ar", "8000", "-ac", "1")),
    *(Case(program="mpv", form=form) for form in ("48000.wav", "mp3", "flac", "aac", "opus")),
    Case(program="sox", form="wav", options=("-t", "wav")),
    Case(program="sox", form="g711wav", options=("-t", "wav")),
    Case(program="sox", form="ulaw", options=("-t", "ul", "-r", "8000", "-c", "1")),
]


@needs("ffmpeg", "mpv", "sox", "wget")
async def test_every_program_plays_and_stops(room: ListeningRoom, tmp_path: Path) -> None:
    """Each begins while it rings, plays the tone without a complaint, and ends with the call."""
    await room.ring()
    playing: dict[Case, Peer] = {}
    for case in CASES:
        url = await room.url(case.form)
        peer = Peer(case.program, case.arguments(url, tmp_path / case.name), tmp_path)
        await peer.start()
        playing[case] = peer
    try:
        await asyncio.sleep(1)
        await room.answer()
        await asyncio.sleep(TONE_SECONDS)
        assert not await ended_already(playing)
        await room.hang_up()
        problems = await asyncio.gather(
            *(problem(case, peer, tmp_path / case.name) for case, peer in playing.items())
        )
    finally:
        for peer in playing.values():
            await peer.stop()
    assert [found for found in problems if found] == []


@needs("ffprobe")
async def test_every_format_is_what_it_says(room: ListeningRoom, tmp_path: Path) -> None:
    """Ffprobe names each format after a look at it, and has nothing to say besides."""
    await room.ring()
    await room.answer()
    for form, codec in CODECS.items():
        entries = "stream=codec_name,sample_rate,channels"
        options = ("-hide_banner", "-loglevel", "warning", "-show_entries", entries)
        url = await room.url(form)
        peer = Peer("ffprobe", [*options, "-of", "csv=p=0", url], tmp_path)
        await peer.start()
        assert await peer.exit_status(END_SECONDS) == 0
        rate = SAMPLE_RATE if form in {"wav", "g711wav"} else 48000
        channels = 2 if "x2" in form else 1
        assert complaints(peer) == [f"{codec},{rate},{channels}"], form
    await room.hang_up()


def complaints(peer: Peer) -> list[str]:
    """Return what a program said."""
    return [line for line in peer.lines if line and not any(w in line for w in NO_WARNINGS)]


async def ended_already(playing: dict[Case, Peer]) -> list[str]:
    """Name the programs that did not wait for the call's end."""
    return [f"{case.name}: {peer.tail()}" for case, peer in playing.items() if not peer.is_running]


async def problem(case: Case, peer: Peer, output: Path) -> str | None:
    """Return what is wrong with what a program did, after it has ended."""
    status = await peer.exit_status(END_SECONDS)
    said = complaints(peer)
    pcm = await asyncio.to_thread(output.read_bytes)
    if status or said or not has_tone(pcm):
        return f"{case.name}: status {status}, {len(pcm)} bytes, tone {has_tone(pcm)}, said {said}"
    return None
