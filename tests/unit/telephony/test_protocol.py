"""The engine protocol: what goes in comes out, and nothing else gets through."""

import dataclasses
import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony import errors
from custom_components.hikari_denwa.telephony.engine import protocol
from custom_components.hikari_denwa.telephony.errors import ProtocolError, TelephonyError

MESSAGES = sorted(
    (cls for cls in protocol.Message._by_kind.values()),
    key=lambda cls: cls.kind,
)

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def _texts() -> st.SearchStrategy[str]:
    """Return any text that JSON in UTF-8 carries."""
    return st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.data())
def test_every_message_survives_the_wire(data: st.DataObject) -> None:
    """Each message class, with any values of its types, comes back equal."""
    cls = data.draw(st.sampled_from(MESSAGES))
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for item in dataclasses.fields(cls):
        hint = hints[item.name]
        strategy = _texts() if hint is str else st.from_type(hint)
        values[item.name] = data.draw(strategy)
    message = cls(**values)
    assert protocol.decode(protocol.encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"type": "no_such"}',
        '{"type": ["dial"]}',
        '{"type": "dial", "id": 1}',
        '{"type": "dial", "id": "1", "line": "a", "number": "1"}',
        '{"type": "hello", "id": 1, "version": true}',
        '{"type": "add_line", "id": 1, "line": "a", "config": null}',
        '{"type": "add_line", "id": 1, "line": "a", "config": {"gateway": "::1"}}',
        '{"type": "stream_sound", "id": 1, "call": "a", "enabled": 1}',
        '{"type": "welcome", "id": 1, "version": 1, "backend": "x", "families": ["x"], "pid": 1}',
    ],
)
def test_decode_refuses(text: str) -> None:
    """What is not a message of ours is a ProtocolError and nothing else."""
    with pytest.raises(ProtocolError):
        protocol.decode(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["type", "id", "call"]), inner)
        ),
    )
)
def test_decode_never_raises_anything_else(value: object) -> None:
    """Any JSON is either a message or a ProtocolError."""
    try:
        protocol.decode(json.dumps(value))
    except ProtocolError:
        return


def test_unknown_members_are_passed_over() -> None:
    """A member that a later version added does no harm."""
    text = '{"type": "answer", "id": 7, "call": "c", "colour": "red"}'
    assert protocol.decode(text) == protocol.Answer(id=7, call="c")


def test_secrets_are_not_shown() -> None:
    """Neither a password nor a token is in what a log would print."""
    config = protocol.LineConfig(gateway="::1", extension="3", user_id="0003", password="geheim")
    command = protocol.AddLine(id=1, line="a", config=config)
    assert "geheim" not in repr(command)
    assert "geheim" not in repr(protocol.Hello(id=1, token="geheim"))


def test_errors_cross_the_wire() -> None:
    """An error comes out as the class it went in as, with its placeholders."""
    failure = protocol.Failure.of(3, errors.GatewaySilentError(address="::1", family="ipv6"))
    received = protocol.decode(protocol.encode(failure))
    assert isinstance(received, protocol.Failure)
    error = received.error()
    assert type(error) is errors.GatewaySilentError
    assert error.placeholders == {"address": "::1", "family": "ipv6"}
    assert type(TelephonyError.of_reason("of_another_version", {})) is TelephonyError


def test_reasons_are_unique() -> None:
    """No two error classes share a reason."""
    classes = [
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, TelephonyError)
    ]
    assert len({cls.reason for cls in classes}) == len(classes)


@given(
    st.builds(
        protocol.SoundFrame,
        direction=st.sampled_from(protocol.SoundDirection),
        channel=st.integers(0, 0xFFFF),
        number=st.integers(0, 0xFFFFFFFF),
        payload=st.binary(min_size=protocol.FRAME_BYTES, max_size=protocol.FRAME_BYTES),
        played_at=st.integers(0, 2**64 - 1),
        flags=st.sampled_from(protocol.SoundFlag),
    )
)
def test_sound_survives_the_wire(frame: protocol.SoundFrame) -> None:
    """A sound message comes back equal."""
    assert protocol.SoundFrame.decode(frame.encode()) == frame


@given(st.binary(max_size=200))
def test_sound_refuses(message: bytes) -> None:
    """Any bytes are a sound message or a ProtocolError."""
    try:
        frame = protocol.SoundFrame.decode(message)
    except ProtocolError:
        return
    assert len(frame.payload) == protocol.FRAME_BYTES
