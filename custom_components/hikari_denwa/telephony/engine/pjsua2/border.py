"""Between the gateway and pjsua2: a line's socket, and what never gets as far as pjsua2.

pjsua2 has one socket, on loopback, and knows neither our addresses nor which requests a gateway
may see refused in which way. So each line has a socket of its own to its gateway, and here
messages change hands as at a proxy that hides what is behind it (RFC 3261 §16): Via, Contact and
Route become the line's on the way out and pjsua2's on the way in. What is no message, comes
from elsewhere, or is refused whatever calls there are, is dealt with here, by the rules that all
back ends share. Every message that passes is shown to the line, which reads from it what pjsua2
does not tell.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Protocol

from ..backend import Account
from ..sip import sdp
from ..sip.binding import CHALLENGES, is_stale
from ..sip.digest import parse_challenges, strongest
from ..sip.manners import ALLOWED, EXTENSIONS, Manners
from ..sip.messages import MessageError, Request, Response, is_keep_alive, parse
from ..sip.own_requests import OwnRequests
from ..sip.trace import Trace, readable
from ..sip.transport import DATAGRAM_BUFFER, Address, UdpTransport, reply_destination
from ..sip.uri import NameAddress, SipUri, Uri, Via

_LOGGER = logging.getLogger(__name__)
_MOST_AT_ONCE = 64
_SIP_VERSION = b"SIP/"
_MOST_PENDING = 64
_MOST_PASSED = 256
_CREDENTIALS = tuple(answer for _, answer in CHALLENGES.values())

DialogId = tuple[str, str, str]
"""Call-ID, our tag, their tag."""


class Line(Protocol):
    """What the line makes of the messages that pass."""

    def is_full(self) -> bool:
        """Tell whether no further call may ring."""

    def is_busy(self) -> bool:
        """Tell whether there is a call."""

    def is_known(self, call_id: str) -> bool:
        """Tell whether a call has this Call-ID."""

    def goes_out(self, message: Request | Response) -> None:
        """See a message of ours leave."""

    def comes_in(self, message: Request | Response, at: float) -> None:
        """See a message of the gateway's, before pjsua2 does; ``at`` is Unix time."""

    def key_pressed(self, call_id: str, key: str) -> None:
        """Hear of a key that an INFO told."""

    def unreachable(self) -> None:
        """Hear that nobody listens at the gateway's port."""

    def noise(self) -> None:
        """Hear that the gateway sends something that is no SIP."""


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """A request of pjsua2's that has no final response yet, and its Via."""

    request: Request
    via: str


class Border:
    """The border of one line. ``unreachable`` is True once the gateway's port was closed."""

    def __init__(
        self,
        account: Account,
        transport: UdpTransport,
        line: Line,
        *,
        inside: Address,
        go_on: Callable[[], None],
        name: str,
        trace: Trace,
    ) -> None:
        """Take the line's open socket, and pjsua2's address on loopback."""
        self.unreachable = False
        self.manners = Manners(account.extension, transport.local, sdp.codecs_named(account.codecs))
        self._account = account
        self._transport = transport
        self._line = line
        self._inside = inside
        self._go_on = go_on
        self._name = name
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self.own_requests = OwnRequests(
            transport.local,
            lambda datagram: self._put(datagram, (account.gateway, account.port)),
        )
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._dialogs: set[DialogId] = set()
        self._passed: dict[str, None] = {}
        self._reliable: dict[str, str] = {}
        self._credentials: dict[tuple[str, int], list[tuple[str, str]]] = {}
        self._invites: dict[tuple[str, str, int], str] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.settimeout(0)
            self._socket.bind((inside[0], 0))
            self._socket.connect(inside)
        except OSError:
            self._socket.close()
            raise
        own = self._socket.getsockname()
        self.address: Address = (str(own[0]), int(own[1]))
        self._loop.add_reader(self._socket, self._read)
        transport.on_datagram = self._receive
        transport.on_unreachable = self._unreachable

    @property
    def contact(self) -> SipUri:
        """Give our contact at the gateway."""
        host, port = self._transport.local
        return SipUri(user=self._account.extension, host=host, port=port)

    @property
    def source(self) -> str:
        """Give where pjsua2 sees this line's messages come from."""
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def route(self) -> str:
        """Give the route by which pjsua2 sends everything of this line."""
        return f"sip:{self.source};lr"

    def close(self) -> None:
        """Let nothing through any more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def forget(self, call_id: str) -> None:
        """Forget a call that is over."""
        self._reliable.pop(call_id, None)
        self._dialogs = {each for each in self._dialogs if each[0] != call_id}
        self._invites = {key: via for key, via in self._invites.items() if key[0] != call_id}

    def give_up(self, method: str, status: int = 408) -> None:
        """Answer the open requests of a method ourselves, so that pjsua2 waits no longer."""
        for key in [each for each in self._pending if each[1] == method]:
            self._answer_inside(self._pending.pop(key), status)

    def _answer_inside(self, pending: _Pending, status: int) -> None:
        """Send pjsua2 a final response that no gateway gave."""
        response = pending.request.reply(status, to_tag="none")
        response.headers.set("Via", pending.via)
        self._send_inside(response)

    def _unreachable(self) -> None:
        """Hear that nobody listens at the gateway's port: every open request has failed."""
        self.unreachable = True
        for pending in tuple(self._pending.values()):
            self._answer_inside(pending, 503)
        self._pending.clear()
        self.own_requests.fail()
        self._line.unreachable()

    # From pjsua2.

    def _read(self) -> None:
        """Take what pjsua2 sends, a bounded number of messages at once."""
        for _ in range(_MOST_AT_ONCE):
            try:
                length = self._socket.recv_into(DATAGRAM_BUFFER)
            except OSError:
                return
            data = bytes(DATAGRAM_BUFFER[:length])
            if not is_keep_alive(data):
                self._take_from_inside(data)
            if self._socket.fileno() < 0:
                return

    def _take_from_inside(self, data: bytes) -> None:
        """Send a message of pjsua2's on, in the line's name."""
        try:
            message = parse(data)
            if isinstance(message, Request):
                self._request_goes_out(message)
            else:
                self._response_goes_out(message)
        except MessageError as error:
            _LOGGER.debug("pjsua2 sent something malformed: %s", error)

    def _request_goes_out(self, request: Request) -> None:
        """Make a request ours: no trace of loopback, and the headers of all our requests."""
        headers = request.headers
        routes = request.routes
        if routes and self._is_ours(routes[0].uri):
            del routes[0]
        hop = self._hop(routes[0].uri if routes else request.uri)
        if routes and isinstance(routes[0].uri, SipUri) and routes[0].uri.parameter("lr") is None:
            # §16.6 step 6: a strict router wants itself in the Request-URI.
            target = NameAddress(None, request.uri)
            request.uri = routes.pop(0).uri
            routes.append(target)
        headers.remove("Route")
        for route in reversed(routes):
            headers.prepend("Route", str(route))
        via = request.via
        key = via.branch or "", request.method
        if request.method != "ACK":
            inside = request.copy()
            self._pending[key] = _Pending(request=inside, via=str(via))
            _keep_to(self._pending, _MOST_PENDING)
        host, port = self._transport.local
        headers.set("Via", str(Via(via.protocol, host, port, (("branch", via.branch),))))
        if request.contact:
            headers.set("Contact", str(NameAddress(None, self.contact)))
        headers.remove("Supported")
        if headers.get("Accept"):
            headers.set("Accept", sdp.CONTENT_TYPE)
        self.manners.finish(request, str(NameAddress(None, self.contact)))
        self._keep_credentials(request)
        self._line.goes_out(request)
        self._send(request, hop)

    def _keep_credentials(self, request: Request) -> None:
        """Let the ACK of a 2xx have the credentials of its INVITE (§13.2.2.4)."""
        headers = request.headers
        key = request.call_id, request.cseq.number
        if request.method == "INVITE":
            self._credentials[key] = [
                (name, value) for name in _CREDENTIALS for value in headers.get_all(name)
            ]
            _keep_to(self._credentials, _MOST_PENDING)
        elif request.method == "ACK" and not _has_credentials(request):
            for name, value in self._credentials.get(key, ()):
                headers.add(name, value)

    def _response_goes_out(self, response: Response) -> None:
        """Make a response ours and send it where its request came from."""
        headers = response.headers
        vias = headers.elements("Via")[1:]
        if not vias:
            return
        headers.remove("Via")
        for value in reversed(vias):
            headers.prepend("Via", value)
        self._drop_own_record_route(response)
        if response.contact:
            headers.set("Contact", str(NameAddress(None, self.contact)))
        if headers.get("Allow"):
            headers.set("Allow", ", ".join(ALLOWED))
        if headers.get("Supported"):
            headers.set("Supported", ", ".join(EXTENSIONS))
        if response.cseq.method == "INVITE" and response.to.tag and response.status < 300:
            self._dialogs.add((response.call_id, response.to.tag, response.from_.tag or ""))
        if number := headers.get("RSeq"):
            self._reliable[response.call_id] = f"{number} {response.cseq}"
        self._line.goes_out(response)
        via = response.via
        gateway = self._account.gateway
        self._send(response, (gateway, int(via.rport) if via.rport else via.port or 5060))

    def _hop(self, uri: Uri) -> Address:
        """Tell where a request goes (§8.1.2), the gateway's host being the only one there is."""
        if isinstance(uri, SipUri) and self._is_gateway(uri.host):
            return self._account.gateway, uri.port or 5060
        return self._account.gateway, self._account.port

    def _is_gateway(self, host: str) -> bool:
        """Tell whether a host is the gateway's literal."""
        try:
            return ip_address(host) == ip_address(self._account.gateway)
        except ValueError:
            return False

    def _is_ours(self, uri: Uri) -> bool:
        """Tell whether a route leads to this border."""
        return isinstance(uri, SipUri) and (uri.host, uri.port) == self.address

    def _drop_own_record_route(self, response: Response) -> None:
        """Take out the route that we put into the request."""
        kept = [each for each in response.record_routes if not self._is_ours(each.uri)]
        response.headers.remove("Record-Route")
        for each in kept:
            response.headers.add("Record-Route", str(each))

    def _send(self, message: Request | Response, destination: Address) -> None:
        """Send a message."""
        self._put(message.encode(), destination)

    def _put(self, datagram: bytes, destination: Address) -> None:
        """Put a datagram on the wire."""
        self._trace.note(datagram, at=time.time(), sent=True)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("Sent by line %s:\n%s", self._name, readable(datagram))
        self._transport.send(datagram, destination)

    # From the gateway.

    def _receive(self, datagram: bytes, source: Address, at: float) -> None:
        """Take a datagram of the gateway's."""
        if is_keep_alive(datagram):
            return
        self._trace.note(datagram, at=at, sent=False)
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("Received by line %s:\n%s", self._name, readable(datagram))
        self.unreachable = False
        try:
            message = parse(datagram)
            if isinstance(message, Response):
                self._response_comes_in(message, at)
            else:
                self._request_comes_in(message, source, at)
        except MessageError as error:
            self._malformed(error, datagram, source)

    def _malformed(self, error: MessageError, datagram: bytes, source: Address) -> None:
        """Answer a malformed request where the RFC wants an answer (§8.2, §16.3)."""
        _LOGGER.debug("Malformed message: %s", error)
        if _SIP_VERSION not in datagram.partition(b"\n")[0].upper():
            self._line.noise()
        elif error.request is not None and error.status is not None:
            error.request.mark_source(*source)
            response = error.request.reply(error.status, to_tag=_mark(error.request))
            self._send(response, reply_destination(error.request, source))

    def _response_comes_in(self, response: Response, at: float) -> None:
        """Let pjsua2 have the response to a request of its own."""
        if self.own_requests.take(response):
            return
        via = response.via
        key = via.branch or "", response.cseq.method
        pending = self._pending.get(key)
        ours = (
            len(response.headers.elements("Via")) == 1
            and (
                via.host,
                via.port,
            )
            == self._transport.local
        )
        # A 2xx of another branch comes when the request is long answered.
        if not ours or (pending is None and response.cseq.method != "INVITE"):
            return
        if pending and response.status >= 200:
            del self._pending[key]
        self._line.comes_in(response.copy(), at)
        host, port = self._inside
        response.headers.set("Via", str(Via(via.protocol, host, port, (("branch", via.branch),))))
        if response.cseq.method == "REGISTER":
            self._translate_contacts(response)
        if response.status in CHALLENGES:
            if pending and _has_credentials(pending.request) and not is_stale(response):
                # pjsua2 would try the same credentials again and again.
                response.status = 403
            _keep_challenges_that_can_be_met(response)
        if response.cseq.method == "INVITE" and 100 < response.status < 300 and response.to.tag:
            self._dialogs.add((response.call_id, response.from_.tag or "", response.to.tag))
            response.headers.add("Record-Route", f"<{self.route}>")
        self._send_inside(response)

    def _translate_contacts(self, response: Response) -> None:
        """Let pjsua2 find its own contact among those that a registrar lists."""
        contacts = response.contacts
        if contacts == "*" or not contacts:
            return
        response.headers.remove("Contact")
        for each in contacts:
            if each.uri.matches(self.contact):
                translated = replace(each, uri=self._inner_uri)
                response.headers.add("Contact", str(translated))

    @property
    def _inner_uri(self) -> SipUri:
        """Give the contact that pjsua2 believes to have."""
        host, port = self._inside
        return SipUri(user=self._account.extension, host=host, port=port)

    def _request_comes_in(self, request: Request, source: Address, at: float) -> None:
        """Answer a request, or let pjsua2 have it."""
        request.mark_source(*source)
        if request.method == "ACK":
            self._line.comes_in(request.copy(), at)
            self._forward(request)
            return
        if response := self._own_answer(request):
            self._send(response, reply_destination(request, source))
            return
        self._line.comes_in(request.copy(), at)
        self._forward(request)

    def _own_answer(self, request: Request) -> Response | None:
        """Give the answer to what pjsua2 need not see; a copy of a request gets the same one."""
        tag = _mark(request)
        if request.method == "CANCEL":
            return None
        if refusal := self.manners.refusal(request, tag=tag):
            return refusal
        if request.to.tag is not None:
            return self._own_answer_in_dialog(request)
        match request.method:
            case "OPTIONS":
                return self.manners.reply(request, 486 if self._line.is_busy() else 200, tag=tag)
            case "INVITE":
                return self._refusal_of_call(request, tag)
        return self.manners.reply(request, 481, tag=tag)

    def _own_answer_in_dialog(self, request: Request) -> Response | None:
        """Answer those requests of a call that pjsua2 answers otherwise than we want."""
        dialog = (request.call_id, request.to.tag or "", request.from_.tag or "")
        if dialog not in self._dialogs:
            # A copy of what ended the dialog is for pjsua2 to answer.
            copy = _mark(request) in self._passed
            return None if copy else self.manners.reply(request, 481)
        match request.method:
            case "OPTIONS":
                return self.manners.reply(request, 200)
            case "INFO":
                response, key = self.manners.take_info(request)
                if key:
                    self._line.key_pressed(request.call_id, key)
                return response
            case "PRACK" if " ".join((request.headers.get("RAck") or "").split()) != (
                self._reliable.get(request.call_id)
            ):
                return self.manners.reply(request, 481)
            case "INVITE" | "UPDATE":
                return self.manners.offer_refusal(request)
        return None

    def _refusal_of_call(self, request: Request, tag: str) -> Response | None:
        """Refuse a call that cannot be answered anyway, and one that came by two ways."""
        key = request.call_id, request.from_.tag or "", request.cseq.number
        branch = request.via.branch or ""
        if key in self._invites or self._line.is_known(request.call_id):
            # §8.2.2.2; pjsua2 does not look for it.
            merged = self._invites.get(key, branch) != branch
            return self.manners.reply(request, 482, tag=tag) if merged else None
        if self._line.is_full():
            return self.manners.reply(request, 486, tag=tag)
        if refusal := self.manners.offer_refusal(request, tag=tag):
            return refusal
        self._invites[key] = branch
        return None

    def _forward(self, request: Request) -> None:
        """Let pjsua2 have a request, as from a proxy that stays in the path."""
        host, port = self.address
        mark = _mark(request)
        self._passed[mark] = None
        _keep_to(self._passed, _MOST_PASSED)
        branch = f"z9hG4bK{mark}"
        request.headers.prepend(
            "Via", str(Via("SIP/2.0/UDP", host, port, (("branch", branch), ("rport", None))))
        )
        if request.to.tag is None and request.method == "INVITE":
            request.headers.prepend("Record-Route", f"<{self.route}>")
        request.uri = self._inner_uri
        self._send_inside(request)

    def _send_inside(self, message: Request | Response) -> None:
        """Hand a message to pjsua2."""
        if self._socket.fileno() < 0:
            return
        try:
            self._socket.send(message.encode())
        except OSError as error:
            _LOGGER.debug("pjsua2 cannot be reached: %s", error)
            return
        self._go_on()


def _keep_to(known: dict[Any, Any], most: int) -> None:
    """Forget what was noted first when there is too much."""
    while len(known) > most:
        known.pop(next(iter(known)))


def _mark(request: Request) -> str:
    """Give what all copies of a request have in common, its CANCEL and its ACK as well."""
    via = request.via
    text = f"{via.host}:{via.port}:{via.branch}:{request.call_id}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:20]


def _has_credentials(request: Request) -> bool:
    """Tell whether a request answers a challenge."""
    return any(challenge[1] in request.headers for challenge in CHALLENGES.values())


def _keep_challenges_that_can_be_met(response: Response) -> None:
    """Take out the challenges of schemes and algorithms that nobody knows."""
    name, _ = CHALLENGES.get(response.status, ("", ""))
    values = response.headers.get_all(name)
    kept = [value for value in values if strongest(parse_challenges([value]))]
    if kept and kept != values:
        response.headers.remove(name)
        for value in kept:
            response.headers.add(name, value)
