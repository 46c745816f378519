"""One dialog as the gateway sees it (RFC 3261 §12)."""

import ipaddress
from dataclasses import dataclass, field

from .config import Family
from .exchange import Exchange
from .message import Message, NameAddr, ParseError, Uri
from .transactions import new_branch
from .transport import Peer

ALLOW = "INVITE,ACK,BYE,CANCEL,PRACK,UPDATE"


@dataclass(kw_only=True)
class Dialog:
    """Identifiers, sequence numbers and target; ``local`` and ``remote`` are header values."""

    exchange: Exchange
    family: Family
    call_id: str
    local: str
    remote: str
    target: str
    peer: Peer
    local_cseq: int = 0
    remote_cseq: int = 0
    routes: list[str] = field(default_factory=list)

    @property
    def local_tag(self) -> str:
        """The gateway's tag."""
        return NameAddr.parse(self.local).tag or ""

    @property
    def remote_tag(self) -> str:
        """The client's tag, empty before its first tagged response."""
        return NameAddr.parse(self.remote).tag or ""

    def owns(self, message: Message) -> bool:
        """Tell whether a request from the client belongs here (§12.2.2)."""
        return (
            message.call_id == self.call_id
            and message.to.tag == self.local_tag
            and message.from_.tag == self.remote_tag
        )

    def request(
        self,
        method: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        *,
        cseq: int | None = None,
        branch: str | None = None,
    ) -> Message:
        """Make a request in the dialog; a new one takes the next sequence number."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        fixed = [
            ("Via", self.exchange.via(self.family, branch or new_branch())),
            *(("Route", route) for route in self.routes),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if body:
            headers = (*headers, ("Content-Type", "application/sdp"))
        return Message(f"{method} {self.target} SIP/2.0", (*fixed, *headers), body)

    def retarget(self, message: Message) -> None:
        """Take the client's Contact as the new target; a wrong one changes nothing."""
        contacts = message.all("Contact")
        if not contacts:
            return
        try:
            uri = NameAddr.parse(contacts[0]).uri
            target = peer_of(uri)
        except ParseError, ValueError:
            return
        self.target = uri.text
        if target.family is self.family:
            self.peer = target


def peer_of(uri: Uri) -> Peer:
    """Return where a URI leads; raises ValueError when its host is not a literal."""
    version = ipaddress.ip_address(uri.host).version
    return Peer(Family.V6 if version == 6 else Family.V4, uri.host, uri.port or 5060)
