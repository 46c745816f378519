"""The debug log shows messages and hides credentials."""

from custom_components.hikari_denwa.telephony.engine.sip.trace import readable


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
