"""The formats: what an address can ask for."""

import pytest

from custom_components.hikari_denwa.telephony.audio.formats import Container, LiveFormat


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("wav", (Container.WAV, 8000, 1)),
        ("48000x2.wav", (Container.WAV, 48000, 2)),
        ("16000.wav", (Container.WAV, 16000, 1)),
        ("g711wav", (Container.ULAW_WAV, 8000, 1)),
        ("ulaw", (Container.ULAW, 8000, 1)),
        ("mp3", (Container.MP3, 48000, 1)),
        ("44100.mp3", (Container.MP3, 44100, 1)),
        ("16000.flac", (Container.FLAC, 16000, 1)),
        ("aac", (Container.AAC, 48000, 1)),
        ("opus", (Container.OPUS, 48000, 1)),
    ],
)
def test_names(name: str, wanted: tuple[Container, int, int]) -> None:
    """A name is read, and comes out again."""
    live_format = LiveFormat.named(name)
    assert (live_format.container, live_format.rate, live_format.channels) == wanted
    assert live_format.name == name
    assert live_format.media_type.startswith("audio/")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ogg",
        "wav.mp3",
        "96000.wav",
        "8000.mp3",
        "16000.g711wav",
        "44100.opus",
        "48000x3.wav",
        "../mp3",
        "048000.wav",
    ],
)
def test_what_is_no_format(name: str) -> None:
    """Whatever else an address ends with is refused."""
    with pytest.raises(ValueError, match=r".+"):
        LiveFormat.named(name)


def test_usual_form_has_the_short_name() -> None:
    """A format has one name, however it was asked for."""
    assert LiveFormat.named("8000.wav").name == "wav"
    assert LiveFormat.named("48000x1.mp3").name == "mp3"
