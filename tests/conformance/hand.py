"""Messages written by hand and thrown from the gateway's socket, and what comes back to them."""

import asyncio
import itertools
import secrets
from dataclasses import dataclass, field, replace

from tests.home_gateway.call import Call
from tests.home_gateway.message import Message, parse_message

from .stage import Stage

REPLY_SECONDS = 5.0
QUIET_SECONDS = 0.3
_numbers = itertools.count(1)


def pcmu_offer(host: str, port: int = 30000, *, media: str = "", family: str = "") -> str:
    """Write an offer of PCMU at a host; ``media`` and ``family`` take the place of the right."""
    kind = family or ("IP6" if ":" in host else "IP4")
    return "\r\n".join(
        (
            "v=0",
            f"o=- 1 1 IN {kind} {host}",
            "s=-",
            f"c=IN {kind} {host}",
            "t=0 0",
            f"m={media or f'audio {port} RTP/AVP 0'}",
            "",
        )
    )


@dataclass(kw_only=True)
class Draft:
    """A request to the line before it is written; identifiers are new unless told."""

    method: str
    stage: Stage
    uri: str = ""
    headers: tuple[str, ...] = ()
    body: str = ""
    content_type: str = "application/sdp"
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    branch: str = field(default_factory=lambda: f"z9hG4bK{secrets.token_hex(8)}")
    from_tag: str = field(default_factory=lambda: secrets.token_hex(4))
    to_tag: str = ""
    cseq: int = field(default_factory=lambda: next(_numbers))
    length: int | None = None

    @property
    def via(self) -> str:
        """The gateway's Via."""
        return self.stage.gateway.exchange.via(self.stage.family, self.branch)

    def write(self) -> bytes:
        """Write the datagram."""
        gateway = self.stage.gateway
        binding = gateway.binding("3")
        assert binding
        literal = gateway.exchange.literal(self.stage.family)
        lines = [
            f"{self.method} {self.uri or binding.uri.text} SIP/2.0",
            f"Via: {self.via}",
            "Max-Forwards: 70",
            f"From: <sip:0312345678@{literal}>;tag={self.from_tag}",
            f"To: <sip:3@{literal}>" + (f";tag={self.to_tag}" if self.to_tag else ""),
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {self.method}",
            f"Contact: <{gateway.exchange.contact(self.stage.family)}>",
            *self.headers,
        ]
        if self.body:
            lines.append(f"Content-Type: {self.content_type}")
        length = len(self.body) if self.length is None else self.length
        lines += [f"Content-Length: {length}", "", self.body]
        return "\r\n".join(lines).encode()

    def throw(self) -> None:
        """Send it, without more ado."""
        self.stage.gateway.throw(self.write())

    def replies(self) -> list[Message]:
        """Return what came back so far."""
        return [
            message
            for message in came(self.stage)
            if not message.is_request
            and message.via.branch == self.branch
            and message.cseq[1] == self.method
        ]

    async def ask(self, least: int = 200) -> Message:
        """Send it and wait for a response from a status on."""
        self.throw()
        return await self.reply(least)

    async def reply(self, least: int = 200) -> Message:
        """Wait for a response from a status on; a refused INVITE gets its ACK."""

        def found() -> list[Message]:
            return [each for each in self.replies() if each.status >= least]

        await self.stage.gateway.until(lambda: bool(found()), REPLY_SECONDS)
        first = found()[0]
        if self.method == "INVITE" and first.status >= 300:
            tag = first.to.tag or ""
            replace(self, method="ACK", to_tag=tag, headers=(), body="").throw()
        return first


def came(stage: Stage) -> list[Message]:
    """Return every SIP message that came from the engine."""
    return [
        parse_message(each.text.encode())
        for each in stage.gateway.trace
        if each.direction == "in" and "SIP/2.0" in each.text
    ]


async def quiet(stage: Stage, seconds: float = QUIET_SECONDS) -> None:
    """See that the engine sends no message for a while."""
    before = len(came(stage))
    await asyncio.sleep(seconds)
    assert [message.start for message in came(stage)[before:]] == []


async def ask_in_dialog(
    call: Call,
    method: str,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    *,
    content_type: str = "application/sdp",
    cseq: int | None = None,
    to_tag: str | None = None,
) -> Message:
    """Send a request of the gateway within a call, and wait for its final response."""
    dialog = call.dialog
    if to_tag is not None:
        dialog = replace(dialog, remote=f"{dialog.remote.partition(';tag=')[0]};tag={to_tag}")
    request = dialog.request(method, headers, b"", cseq=cseq)
    if cseq is None:
        call.dialog.local_cseq = dialog.local_cseq
    if body:
        typed = (*request.headers, ("Content-Type", content_type))
        request = Message(request.start, typed, body)
    answer = await call._exchange.layer.ask(request, dialog.peer)
    assert answer
    return answer
