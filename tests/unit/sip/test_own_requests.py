"""Requests that no transaction of a user agent sends: asked again with credentials if wanted."""

import asyncio
from collections.abc import Callable

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.digest import DigestClient
from custom_components.hikari_denwa.telephony.engine.sip.messages import Request, Response, parse
from custom_components.hikari_denwa.telephony.engine.sip.own_requests import OwnRequests
from custom_components.hikari_denwa.telephony.engine.sip.uri import SipUri

CHALLENGE = 'Digest realm="gateway", nonce="n1", algorithm=MD5, qop="auth"'
CLIENT = DigestClient("0003", "secret-word")


def register() -> Request:
    """Return a request."""
    request = Request("REGISTER", SipUri.parse("sip:192.168.1.1"))
    headers = request.headers
    headers.add("From", "<sip:3@192.168.1.1>;tag=a")
    headers.add("To", "<sip:3@192.168.1.1>")
    headers.add("Call-ID", "c1")
    headers.add("CSeq", "1 REGISTER")
    return request


class Gateway:
    """Answers what is sent with what a test wants, one after the other."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        """Take the answers; None is silence."""
        self.seen: list[Request] = []
        self._answers = list(answers)
        self.requests = OwnRequests(("192.168.1.20", 5060), self._send)

    def _send(self, datagram: bytes) -> None:
        """Take a datagram, and answer it soon."""
        request = parse(datagram)
        assert isinstance(request, Request)
        self.seen.append(request)
        if not self._answers or (answer := self._answers.pop(0)) is None:
            return
        status, challenge = answer
        head = f"SIP/2.0 {status} x\r\nVia: {request.headers.get('Via')}\r\n"
        kept = "".join(
            f"{name}: {request.headers.get(name)}\r\n" for name in ("From", "To", "Call-ID", "CSeq")
        )
        response = parse(f"{head}{kept}{challenge}Content-Length: 0\r\n\r\n".encode())
        assert isinstance(response, Response)
        asyncio.get_running_loop().call_soon(self.take, response)

    def take(self, response: Response) -> None:
        """Hand a response over; one that comes twice changes nothing."""
        assert self.requests.take(response)
        assert self.requests.take(response)


@pytest.mark.parametrize(
    ("status", "header", "answer"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
async def test_credentials_are_given_when_wanted(status: int, header: str, answer: str) -> None:
    """Once, with the next number, and as that header that the challenge asks for."""
    gateway = Gateway((status, f"{header}: {CHALLENGE}\r\n"), (200, ""))
    response = await gateway.requests.ask_as(CLIENT, register(), time_limit=5)
    assert response is not None
    assert response.status == 200
    first, second = gateway.seen
    assert answer not in first.headers
    assert 'username="0003"' in (second.headers.get(answer) or "")
    assert second.headers.get("CSeq") == "2 REGISTER"
    assert first.via.branch != second.via.branch


@pytest.mark.parametrize("challenge", ["", "WWW-Authenticate: Basic realm=x\r\n"])
async def test_challenge_that_cannot_be_answered(challenge: str) -> None:
    """It is the answer, then, and nothing more is sent."""
    gateway = Gateway((401, challenge))
    response = await gateway.requests.ask_as(CLIENT, register(), time_limit=5)
    assert response is not None
    assert response.status == 401
    assert len(gateway.seen) == 1


async def test_answers_that_want_no_credentials() -> None:
    """They are handed on as they are; so is the lack of one, and a port that is closed."""
    gateway = Gateway((403, ""))
    response = await gateway.requests.ask_as(CLIENT, register(), time_limit=5)
    assert response is not None
    assert response.status == 403
    assert not gateway.requests.take(response)
    silent = Gateway(None)
    assert await silent.requests.ask_as(CLIENT, register(), time_limit=0.05) is None
    closed = Gateway(None)
    fail: Callable[[], None] = closed.requests.fail
    asyncio.get_running_loop().call_soon(fail)
    asyncio.get_running_loop().call_soon(fail)
    assert await closed.requests.ask_as(CLIENT, register(), time_limit=5) is None
