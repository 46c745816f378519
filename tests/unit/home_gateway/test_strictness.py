"""The gateway is no lenient SIP server: each breach of a client is noticed."""

import asyncio
from collections.abc import Callable

import pytest

from tests.home_gateway import Family, HomeGateway, Violations, rings_forever

from .hand import HandPhone

type Change = Callable[[str], str]


async def rules_of(change: Change, *, family: Family = Family.V6) -> set[str]:
    """Send a REGISTER with a change in it and return the rules that it broke."""
    async with HomeGateway() as gateway, HandPhone(gateway, family) as phone:
        phone.send(change(phone.register_text()))
        await asyncio.sleep(0.02)
        return gateway.violations.rules()


def swap(old: str, new: str) -> Change:
    """Make a change that replaces a text, which must be there."""

    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


async def test_right_register_breaks_nothing() -> None:
    """The measure of the tests below."""
    assert await rules_of(lambda text: text) == set()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (swap("z9hG4bK", "abc"), "RFC 3261 8.1.1.7 branch"),
        (swap(";rport", ";rport=5"), "RFC 3581 3 rport"),
        (swap("SIP/2.0/UDP [::1]", "SIP/2.0/UDP [::]"), "RFC 3261 18.1.1 sent-by"),
        (swap("SIP/2.0/UDP [::1]", "SIP/2.0/UDP ::1"), "RFC 3261 25 grammar"),
        (swap("SIP/2.0/UDP", "SIP/2.0/TCP"), "RFC 3261 18.1.1 transport"),
        (swap("Max-Forwards: 70\n", ""), "RFC 3261 8.1.1.6 Max-Forwards"),
        (swap("Max-Forwards: 70", "Max-Forwards: 256"), "RFC 3261 8.1.1.6 Max-Forwards"),
        (swap("CSeq: 1 REGISTER", "CSeq: 1 INVITE"), "RFC 3261 8.1.1.5 CSeq"),
        (swap("CSeq: 1 ", "CSeq: 2147483648 "), "RFC 3261 8.1.1.5 CSeq"),
        (swap("CSeq: 1 ", "CSeq: x "), "RFC 3261 25 grammar"),
        (swap("\nCall-ID: ", "\nCall-Id-Not: "), "RFC 3261 25 grammar"),
        (swap("Content-Length: 0", "Content-Length: 5"), "RFC 3261 20.14 Content-Length"),
        (swap("Expires: 3600", "Expires: 3600\nExpires: 3600"), "RFC 3261 7.3.1 single"),
        (swap("<sip:3@[::1]>;tag=", "<sip:3@::1>;tag="), "RFC 3261 25 grammar"),
        (swap("<sip:3@[::1]>;tag=", "<sip:4@[::1]>;tag="), "RFC 3261 10.2 From"),
        (swap(";tag=", ";not-a-tag="), "RFC 3261 8.1.1.3 tag"),
        (swap("Contact: <sip:3@[::1]", "Contact: <sip:3@::1"), "RFC 3261 25.1 Contact"),
        (swap("Contact: <sip:3@[::1]", "Contact: <sip:3@[::]"), "RFC 3261 8.1.1.8 Contact"),
        (swap("REGISTER sip:[", "REGISTER sip:3@["), "RFC 3261 10.2 Request-URI"),
        (swap("Expires: 3600", "Session-Expires: 300"), "RFC 4028 7.1 timer"),
    ],
)
async def test_breaches_of_a_register(change: Change, rule: str) -> None:
    """One thing wrong at a time."""
    assert rule in await rules_of(change)


async def test_cut_body_is_400() -> None:
    """A Content-Length beyond the datagram."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text().replace("Content-Length: 0", "Content-Length: 5"))
        assert (await phone.receive()).status == 400


async def test_repeated_numbers_and_branches() -> None:
    """A new request needs a higher CSeq and a branch of its own; copies must wait for T1."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        text = phone.register_text()
        phone.send(text)
        await phone.receive()
        phone.send(text)
        await phone.receive()
        assert gateway.violations.rules() == {"RFC 3261 17.1.1.2 Timer A"}
        gateway.violations.clear()
        phone.cseq = 0
        phone.send(phone.register_text())
        await phone.receive()
        assert gateway.violations.rules() == {"RFC 3261 12.2.1.1 CSeq"}
        gateway.violations.clear()
        phone.send(text.replace("CSeq: 1 ", "CSeq: 3 "))
        await asyncio.sleep(0.02)
        assert "RFC 3261 8.1.1.7 branch" in gateway.violations.rules()


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (swap('username="0003"', "username=0003"), "quotes of username"),
        (swap("algorithm=MD5", 'algorithm="MD5"'), "quotes of algorithm"),
        (swap("algorithm=MD5", "algorithm=MD5,qop=auth"), "qop=auth was not offered"),
        (swap("algorithm=MD5", 'algorithm=MD5,cnonce="x"'), "cnonce without qop"),
        (swap("algorithm=MD5", "algorithm=SHA-256"), "algorithm=SHA-256"),
        (swap('realm="127.0.0.1"', 'realm="x"'), "no credentials for the realm"),
    ],
)
async def test_breaches_of_credentials(change: Change, detail: str) -> None:
    """The form of Authorization."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text())
        given = phone.authorize(await phone.receive(), "REGISTER", f"sip:{phone.domain}")
        phone.send(phone.register_text(authorization=change(given)))
        await phone.receive()
        assert any(detail in violation.detail for violation in gateway.violations)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (swap("CSeq: ", "CSeq: 1"), "RFC 3261 8.2.6.2 copied"),
        (swap('From: "', 'From: "0'), "RFC 3261 8.2.6.2 copied"),
        (swap(";tag=hand", ""), "RFC 3261 8.2.6.2 tag"),
        (swap("\nContact:", "\nX-Contact:"), "RFC 3261 13.3.1.4 Contact"),
        (swap(";refresher=uac", ""), "RFC 4028 9 refresher"),
        (swap("refresher=uac", "refresher=uas"), "RFC 4028 9 refresher"),
        (swap("Require: timer\n", ""), "RFC 4028 9 Require"),
        (swap("Expires: 300", "Expires: 90"), "RFC 4028 9 interval"),
        (swap("Expires: 300", "Expires: 1800"), "RFC 4028 9 interval"),
        (swap("Content-Type: application/sdp\n", ""), "RFC 3261 20.15 Content-Type"),
        (swap("To: ", "To: <sip:9@[::1]>;x="), "RFC 3261 8.2.6.2 copied"),
    ],
)
async def test_breaches_of_an_answer(change: Change, rule: str) -> None:
    """What a 200 to INVITE must hold."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await gateway.ring("3")
        invite = await phone.receive()
        send = phone.send
        phone.send = lambda text: send(change(text))  # type: ignore[method-assign]
        timer = "\nRequire: timer\nSession-Expires: 300;refresher=uac"
        phone.reply(invite, 200, headers=timer, body=phone.sdp())
        await asyncio.sleep(0.05)
        assert rule in gateway.violations.rules()


async def test_breaches_of_refusals_and_tags() -> None:
    """405 without Allow; a To tag that changes."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await gateway.ring("3")
        invite = await phone.receive()
        phone.reply(invite, 180, tag="one")
        phone.reply(invite, 183, tag="two")
        await asyncio.sleep(0.02)
        assert gateway.violations.rules() == {"RFC 3261 12.1.1 tag"}
        send = phone.send
        phone.send = lambda text: send(text.replace("Allow:", "No:"))  # type: ignore[method-assign]
        phone.reply(invite, 405)
        await asyncio.sleep(0.02)
        assert "RFC 3261 21 405" in gateway.violations.rules()


async def test_breaches_of_acks() -> None:
    """To a 2xx with INVITE's branch, without the credentials, to a wrong target."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await phone.dial("0451110000")
        accepted = await phone.receive_until(lambda answer: answer.status == 200)
        phone.credentials = ""
        phone.acknowledge(accepted, new_branch=False)
        await asyncio.sleep(0.02)
        details = {violation.detail for violation in gateway.violations}
        assert details == {
            "ACK to a 2xx with INVITE's branch",
            "Authorization is not the INVITE's",
        }
        gateway.violations.clear()
        other = accepted.text.replace("Contact: <sip:", "Contact: <sip:9@")
        phone.request("BYE", type(accepted)(other), 3)
        await phone.receive()
        assert gateway.violations.rules() == {"RFC 3261 12.2.1.1 target"}


async def test_ack_to_a_refusal_with_a_new_branch() -> None:
    """It belongs to no call, and the refusal is sent again."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await phone.dial("0451110404")
        refusal = await phone.receive_until(lambda answer: answer.status == 404)
        phone.acknowledge(refusal, new_branch=True)
        assert (await phone.receive()).text == refusal.text
        assert gateway.violations.rules() == {"RFC 3261 13.2.2.4 ACK"}


@pytest.mark.parametrize(
    "change",
    [
        swap("CSeq: 2 ", "CSeq: 3 "),
        swap("To: <sip:0451119999@", "To: <sip:9@"),
        swap("CANCEL sip:0451119999@", "CANCEL sip:9@"),
        swap(" CANCEL\n", " CANCEL\nRequire: timer\n"),
    ],
)
async def test_breaches_of_a_cancel(change: Change) -> None:
    """It must be of its INVITE."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = rings_forever()
        await phone.register()
        await phone.dial("0451119999")
        send = phone.send
        phone.send = lambda text: send(change(text))  # type: ignore[method-assign]
        phone.cancel()
        await asyncio.sleep(0.05)
        assert "RFC 3261 9.1 CANCEL" in gateway.violations.rules()


async def test_versions_of_descriptions() -> None:
    """The version goes up by one with a change, and stays without one."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await phone.dial("0451110000")
        accepted = await phone.receive_until(lambda answer: answer.status == 200)
        phone.acknowledge(accepted)
        for cseq, (version, direction) in enumerate(
            [("1", "sendonly"), ("3", "sendonly"), ("9 9", "sendonly")], start=3
        ):
            origin = f"o=- {version}" if " " in version else f"o=- 1 {version}"
            body = phone.sdp().replace("o=- 1 1", origin).replace("sendrecv", direction)
            phone.request("UPDATE", accepted, cseq, body=body)
            await phone.receive()
        details = [violation.detail for violation in gateway.violations]
        assert details == [
            "1 after 1, should be one more",
            "3 after 1, should be the same",
            "o= is of another session",
            "9 after 3, should be the same",
        ]


def test_violations_read_well() -> None:
    """They compare with a list, and show the rule, the detail and the message."""
    violations = Violations()
    assert violations == []
    violations.add("rule", "detail", "INVITE")
    assert violations != []
    assert "rule: detail [INVITE]" in repr(violations)
    assert len(violations) == 1


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\0", b"hello", b"\xff" * 200, b"SIP/2.0 200 OK\r\n\r\n"]
)
async def test_noise_on_the_port(data: bytes) -> None:
    """Keep-alives are nothing; garbage is a breach; the gateway goes on."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.sock.sendto(data, ("::1", gateway.port_v6))
        await asyncio.sleep(0.02)
        assert len(gateway.violations) == (1 if data.strip(b"\r\n\0") else 0)
        assert (await phone.register()).status == 200
