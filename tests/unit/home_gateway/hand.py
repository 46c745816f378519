"""A throw-away SIP phone whose datagrams tests write by hand."""

import asyncio
import hashlib
import itertools
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from tests.home_gateway import Family, HomeGateway

_counter = itertools.count(1)


@dataclass
class Answer:
    """A datagram from the gateway, cut into what tests look at."""

    text: str

    @property
    def start(self) -> str:
        """The first line."""
        return self.text.split("\r\n", 1)[0]

    @property
    def status(self) -> int:
        """The status code, 0 for a request."""
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def body(self) -> str:
        """What follows the headers."""
        return self.text.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """Return a header by its exact name, empty when it is not there."""
        found = re.search(rf"^{name}: (.*?)\r$", self.text, re.MULTILINE)
        return found[1] if found else ""

    def parameter(self, header: str, name: str) -> str:
        """Return a quoted parameter of a header."""
        found = re.search(rf'{name}="([^"]*)"', self.header(header))
        return found[1] if found else ""


@dataclass
class HandPhone:
    """A UDP socket on loopback and the texts that it sends to a gateway."""

    gateway: HomeGateway
    family: Family = Family.V6
    extension: str = "3"
    user_id: str = "0003"
    password: str = "secret-3"
    inbox: asyncio.Queue[Answer] = field(default_factory=asyncio.Queue)
    cseq: int = 0
    call_id: str = field(default_factory=lambda: f"hand{next(_counter)}")
    tag: str = field(default_factory=lambda: f"tag{next(_counter)}")
    rtp_port: int = 40000

    async def __aenter__(self) -> Self:
        """Bind a free port."""
        v6 = self.family is Family.V6
        self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("::1" if v6 else "127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        asyncio.get_running_loop().add_reader(self.sock, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()

    def _read(self) -> None:
        """Put what came into the inbox."""
        while True:
            try:
                data = self.sock.recv(65535)
            except BlockingIOError:
                return
            self.inbox.put_nowait(Answer(data.decode()))

    @property
    def host(self) -> str:
        """The phone's and the gateway's literal for URIs."""
        return "[::1]" if self.family is Family.V6 else "127.0.0.1"

    @property
    def domain(self) -> str:
        """The gateway's host and port for URIs."""
        return f"{self.host}:{self.gateway.port(self.family)}"

    @property
    def contact(self) -> str:
        """The phone's contact URI."""
        return f"sip:{self.extension}@{self.host}:{self.port}"

    def send(self, text: str) -> None:
        """Send a text with the line ends of SIP; an empty line ends its headers."""
        head, blank, body = text.lstrip("\n").partition("\n\n")
        head = head.rstrip("\n").replace("\n", "\r\n")
        data = head + "\r\n\r\n" + (body if blank else "")
        address = "::1" if self.family is Family.V6 else "127.0.0.1"
        self.sock.sendto(data.encode(), (address, self.gateway.port(self.family)))

    async def receive(self, within: float = 3.0) -> Answer:
        """Return the next datagram."""
        async with asyncio.timeout(within):
            return await self.inbox.get()

    async def receive_until(self, wanted: Callable[[Answer], bool]) -> Answer:
        """Return the next datagram that fits, others are dropped."""
        while True:
            answer = await self.receive()
            if wanted(answer):
                return answer

    async def nothing_comes(self, seconds: float = 0.1) -> bool:
        """Tell whether nothing comes for a while."""
        await asyncio.sleep(seconds)
        return self.inbox.empty()

    def via(self) -> str:
        """Write a Via with a new branch."""
        branch = f"z9hG4bKhand{next(_counter)}"
        return f"SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport"

    def register_text(
        self,
        *,
        authorization: str = "",
        expires: int = 3600,
        contact: str | None = None,
        uri: str | None = None,
        extra: str = "",
    ) -> str:
        """Write a REGISTER with the next sequence number."""
        self.cseq += 1
        extra += f"\nAuthorization: {authorization}" if authorization else ""
        aor = f"<sip:{self.extension}@{self.host}>"
        return f"""
REGISTER {uri or f"sip:{self.domain}"} SIP/2.0
Via: {self.via()}
Max-Forwards: 70
From: {aor};tag={self.tag}
To: {aor}
Call-ID: {self.call_id}
CSeq: {self.cseq} REGISTER
Contact: {contact or f"<{self.contact}>"}
Expires: {expires}{extra}
Content-Length: 0
"""

    def authorize(
        self,
        challenge: Answer,
        method: str,
        uri: str,
        *,
        header: str = "WWW-Authenticate",
        qop: str = "",
        algorithm: str = "md5",
        count: int = 1,
    ) -> str:
        """Compute credentials from a challenge, independently of the gateway's own code."""

        def digest(text: str) -> str:
            return hashlib.new(algorithm, text.encode()).hexdigest()

        realm = challenge.parameter(header, "realm")
        nonce = challenge.parameter(header, "nonce")
        ha1 = digest(f"{self.user_id}:{realm}:{self.password}")
        ha2 = digest(f"{method}:{uri}")
        middle = f"{nonce}:{count:08x}:abc:{qop}" if qop else nonce
        response = digest(f"{ha1}:{middle}:{ha2}")
        name = "MD5" if algorithm == "md5" else "SHA-256"
        tail = f',qop={qop},nc={count:08x},cnonce="abc"' if qop else ""
        return (
            f'Digest username="{self.user_id}",realm="{realm}",nonce="{nonce}",'
            f'uri="{uri}",algorithm={name},response="{response}"{tail}'
        )

    async def register(
        self, expires: int = 3600, *, qop: str = "", algorithm: str = "md5"
    ) -> Answer:
        """Register with digest and return the final answer."""
        self.send(self.register_text(expires=expires))
        answer = await self.receive()
        if answer.status != 401:
            return answer
        uri = f"sip:{self.domain}"
        given = self.authorize(answer, "REGISTER", uri, qop=qop, algorithm=algorithm)
        self.send(self.register_text(authorization=given, expires=expires))
        return await self.receive()

    def sdp(
        self, formats: str = "0", *, port: int | None = None, family: Family | None = None
    ) -> str:
        """Write a session description."""
        v6 = (family or self.family) is Family.V6
        connection = "IN IP6 ::1" if v6 else "IN IP4 127.0.0.1"
        rtp = self.rtp_port if port is None else port
        return (
            f"v=0\r\no=- 1 1 {connection}\r\ns=-\r\nc={connection}\r\nt=0 0\r\n"
            f"m=audio {rtp} RTP/AVP {formats}\r\na=sendrecv\r\n"
        )

    def reply(
        self, request: Answer, status: int, *, headers: str = "", body: str = "", tag: str = "hand"
    ) -> None:
        """Answer a request of the gateway."""
        to_value = request.header("To")
        to_value += "" if ";tag=" in to_value or status == 100 else f";tag={tag}"
        kind = "\nContent-Type: application/sdp" if body else ""
        self.send(f"""
SIP/2.0 {status} Whatever
Via: {request.header("Via")}
From: {request.header("From")}
To: {to_value}
Call-ID: {request.header("Call-ID")}
CSeq: {request.header("CSeq")}
Contact: <{self.contact}>
Allow: INVITE,ACK,BYE,CANCEL,PRACK,UPDATE{headers}{kind}
Content-Length: {len(body)}

{body}""")

    async def dial(self, number: str, *, body: str | None = None, extra: str = "") -> Answer:
        """Send an INVITE, with credentials when it is challenged; returns the next answer."""
        self.invite_uri = f"sip:{number}@{self.domain}"
        self.dialog_id = f"dial{next(_counter)}"
        self.invite_cseq = 1
        self.invite_extra = extra
        self.invite_body = self.sdp() if body is None else body
        self.send(self.invite_text())
        answer = await self.receive()
        if answer.status not in {401, 407}:
            return answer
        self.acknowledge(answer)
        proxy = answer.status == 407
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        given = self.authorize(answer, "INVITE", self.invite_uri, header=name)
        prefix = "Proxy-" if proxy else ""
        self.credentials = f"\n{prefix}Authorization: {given}"
        self.invite_cseq = 2
        self.send(self.invite_text(self.credentials))
        return await self.receive()

    def invite_text(self, credentials: str = "") -> str:
        """Write the INVITE of dial()."""
        self.invite_via = self.via()
        kind = "\nContent-Type: application/sdp" if self.invite_body else ""
        return f"""
INVITE {self.invite_uri} SIP/2.0
Via: {self.invite_via}
Max-Forwards: 70
From: <sip:{self.extension}@{self.host}>;tag={self.tag}
To: <{self.invite_uri}>
Call-ID: {self.dialog_id}
CSeq: {self.invite_cseq} INVITE
Contact: <{self.contact}>
Allow: INVITE,ACK,BYE,CANCEL,UPDATE
Supported: timer{credentials}{self.invite_extra}{kind}
Content-Length: {len(self.invite_body)}

{self.invite_body}"""

    def acknowledge(self, answer: Answer, *, new_branch: bool | None = None) -> None:
        """Send the ACK: with INVITE's branch to a refusal, with a new one to a 2xx."""
        accepted = answer.status < 300
        fresh = accepted if new_branch is None else new_branch
        uri = answer.header("Contact").strip("<>") if accepted else self.invite_uri
        credentials = self.credentials if accepted else ""
        self.send(f"""
ACK {uri} SIP/2.0
Via: {self.via() if fresh else self.invite_via}
Max-Forwards: 70
From: {answer.header("From")}
To: {answer.header("To")}
Call-ID: {answer.header("Call-ID")}
CSeq: {self.invite_cseq} ACK{credentials}
Content-Length: 0
""")

    credentials: str = ""

    def request(
        self, method: str, answer: Answer, cseq: int, *, extra: str = "", body: str = ""
    ) -> None:
        """Send a request in the dialog of dial(), identified by an answer of it."""
        kind = "\nContent-Type: application/sdp" if body else ""
        self.send(f"""
{method} {answer.header("Contact").strip("<>")} SIP/2.0
Via: {self.via()}
Max-Forwards: 70
From: {answer.header("From")}
To: {answer.header("To")}
Call-ID: {answer.header("Call-ID")}
CSeq: {cseq} {method}
Contact: <{self.contact}>{extra}{kind}
Content-Length: {len(body)}

{body}""")

    def cancel(self) -> None:
        """Send a CANCEL for the INVITE of dial()."""
        self.send(f"""
CANCEL {self.invite_uri} SIP/2.0
Via: {self.invite_via}
Max-Forwards: 70
From: <sip:{self.extension}@{self.host}>;tag={self.tag}
To: <{self.invite_uri}>
Call-ID: {self.dialog_id}
CSeq: {self.invite_cseq} CANCEL
Content-Length: 0
""")
