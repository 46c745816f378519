"""The last messages are kept; the debug log shows messages and hides credentials."""

from custom_components.hikari_denwa.telephony.engine.sip.trace import Trace, readable


def message(method: str, number: int) -> bytes:
    """Return a message of a method."""
    return f"SIP/2.0 200 OK\r\nCSeq: {number} {method}\r\n\r\n".encode()


def test_trace_keeps_the_last_of_each_kind() -> None:
    """However often the gateway is asked whether it is there, the last calls stay."""
    trace = Trace()
    trace.note(message("REGISTER", 1), at=1.0, sent=True)
    for number in range(1000):
        trace.note(message("INVITE", number), at=2.0, sent=False)
    for number in range(1000):
        trace.note(message("OPTIONS", number), at=3.0, sent=True)
    trace.note(b"\x00" * 60_000, at=4.0, sent=False)
    kept = trace.messages()
    assert [each.text.split()[-1] for each in kept[:-1]] == (
        ["REGISTER"] + ["INVITE"] * 160 + ["OPTIONS"] * 19
    )
    assert kept[0].sent
    assert kept[1].text == "SIP/2.0 200 OK\nCSeq: 840 INVITE\n\n"
    assert [each.number for each in kept] == sorted(each.number for each in kept)
    assert len(kept[-1].text) == 8192


def test_credentials_are_left_out() -> None:
    """In either header, in any capitals, folded or not; all else stays."""
    text = readable(
        b"REGISTER sip:[::1] SIP/2.0\r\nauthorization : Digest username=u,\r\n response=SECRET\r\n"
        b"Proxy-Authorization: Digest response=SECRET\r\nTo: <sip:3@\xff>\r\n\r\n"
    )
    assert "SECRET" not in text
    assert text == (
        "REGISTER sip:[::1] SIP/2.0\nauthorization : (left out)\n"
        "Proxy-Authorization: (left out)\nTo: <sip:3@\\xff>\n\n"
    )
