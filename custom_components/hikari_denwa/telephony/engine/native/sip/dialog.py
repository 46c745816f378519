"""Dialogs (RFC 3261 §12): what both sides remember of each other between requests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ...sip.messages import MAX_CSEQ, Request, Response
from ...sip.uri import NameAddress, SipUri, Uri

DialogId = tuple[str, str, str]
"""Call-ID, our tag, their tag (§12)."""

_NOT_IN_REQUEST_URI = ("method",)


def new_cseq() -> int:
    """Make the first CSeq number of a dialog, well below the limit (§8.1.1.5)."""
    return secrets.randbelow(2**15) + 1


@dataclass(kw_only=True)
class Dialog:
    """One dialog.

    `local` and `remote` are the values of our and their side's From or To with their tags,
    to the letter: gateways compare them as text. `target` is where requests go, `routes`
    the route set.
    """

    id: DialogId
    local: str
    remote: str
    local_cseq: int
    remote_cseq: int | None
    target: Uri
    routes: tuple[NameAddress, ...] = ()

    @classmethod
    def of_callee(cls, request: Request, tag: str) -> Dialog:
        """Make the dialog of a request that we answer with this tag (§12.1.1)."""
        to = request.headers.get("To") or ""
        contact = request.contact
        return cls(
            id=(request.call_id, tag, request.from_.tag or ""),
            local=f"{to};tag={tag}",
            remote=request.headers.get("From") or "",
            local_cseq=new_cseq(),
            remote_cseq=request.cseq.number,
            target=contact.uri if contact else request.from_.uri,
            routes=tuple(request.record_routes),
        )

    @classmethod
    def of_caller(cls, request: Request, response: Response) -> Dialog:
        """Make the dialog that a response to our request opens (§12.1.2)."""
        contact = response.contact
        return cls(
            id=(request.call_id, request.from_.tag or "", response.to.tag or ""),
            local=request.headers.get("From") or "",
            remote=response.headers.get("To") or "",
            local_cseq=request.cseq.number,
            remote_cseq=None,
            target=contact.uri if contact else request.uri,
            routes=tuple(reversed(response.record_routes)),
        )

    def confirm(self, response: Response) -> None:
        """Take the route set and target of the 2xx that confirms an early dialog (§13.2.2.4)."""
        self.routes = tuple(reversed(response.record_routes))
        self.refresh_target(response)

    def refresh_target(self, message: Request | Response) -> None:
        """Take the Contact of a target refresh request or of its 2xx (§12.2)."""
        if contact := message.contact:
            self.target = contact.uri

    def in_order(self, request: Request) -> bool:
        """Tell whether a request is newer than all before it, and remember it (§12.2.2)."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def next_cseq(self) -> int:
        """Count one more request of ours."""
        self.local_cseq = min(self.local_cseq + 1, MAX_CSEQ)
        return self.local_cseq

    def request(self, method: str) -> Request:
        """Make a request within the dialog, without Via (§12.2.1.1)."""
        return self._request(method, self.next_cseq())

    def ack(self, invite: Request) -> Request:
        """Make the ACK of a 2xx, with the CSeq number and credentials of its INVITE (§13.2.2.4)."""
        ack = self._request("ACK", invite.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.get_all(name):
                ack.headers.add(name, value)
        return ack

    def _request(self, method: str, cseq: int) -> Request:
        """Make a request with the Request-URI and Route that the route set wants."""
        uri, routes = self._path()
        request = Request(method, uri)
        for route in routes:
            request.headers.add("Route", str(route))
        request.headers.add("Max-Forwards", "70")
        request.headers.add("From", self.local)
        request.headers.add("To", self.remote)
        request.headers.add("Call-ID", self.id[0])
        request.headers.add("CSeq", f"{cseq} {method}")
        return request

    def _path(self) -> tuple[Uri, tuple[NameAddress, ...]]:
        """Give Request-URI and Route; a first hop without lr is a strict router."""
        if not self.routes:
            return self.target, ()
        first = self.routes[0].uri
        if not isinstance(first, SipUri) or first.parameter("lr") is not None:
            return self.target, self.routes
        strict = first.without_parameters(*_NOT_IN_REQUEST_URI).without_headers()
        return strict, (*self.routes[1:], NameAddress(None, self.target))
