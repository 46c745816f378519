"""The strict eye: what in a client's messages breaks the RFCs."""

import ipaddress
from dataclasses import dataclass

from .config import TransactionTimers
from .message import Message, NameAddr, ParseError, Uri, Via
from .transactions import MAGIC_COOKIE
from .transport import Peer
from .violations import Violations

SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Expires")
LARGEST_CSEQ = 1 << 31
# A copy may be early by this share of T1 because datagrams wait in queues.
EARLY_SHARE = 0.7
REMEMBERED_BRANCHES = 20_000


@dataclass(slots=True)
class _Seen:
    """The first copy of a request with a branch."""

    start: str
    cseq: str
    time: float


class Inspector:
    """Checks each message from the client; remembers branches and sequence numbers."""

    def __init__(self, violations: Violations, timers: TransactionTimers) -> None:
        """Begin with nothing seen."""
        self._violations = violations
        self._timers = timers
        self._branches: dict[str, _Seen] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}

    def forget(self) -> None:
        """Lose what was seen, as a reboot does."""
        self._branches.clear()
        self._numbers.clear()

    def check_length(self, message: Message) -> bool:
        """Compare Content-Length with the datagram; False when the body is cut off."""
        value = message.get("Content-Length")
        if value is None:
            return True
        if not value.isdecimal() or int(value) != len(message.body):
            self._add("RFC 3261 20.14 Content-Length", f"{value} for {len(message.body)}", message)
            return value.isdecimal() and int(value) < len(message.body)
        return True

    def check_request(self, message: Message, peer: Peer, came_at: float) -> None:
        """Record what is wrong with a request; ``came_at`` is the kernel's word, in monotonic time.

        Read late, a copy would seem to have been sent too early.
        """
        if self._is_copy(message, came_at):
            return
        self._check_common(message)
        self._check_via(message, peer)
        self._check_cseq(message)
        self._check_forwards(message)
        self._check_contact(message, peer)
        if message.method == "INVITE" and not message.get("Contact"):
            self._add("RFC 3261 8.1.1.8 Contact", "INVITE without Contact", message)
        if message.get("Session-Expires") and "timer" not in message.tokens("Supported"):
            self._add("RFC 4028 7.1 timer", "Session-Expires without Supported: timer", message)
        if not _uri_is_good(message.uri):
            self._add("RFC 3261 25.1 Request-URI", message.uri, message)

    def check_response(self, message: Message, request: Message, peer: Peer) -> None:
        """Record what is wrong with a response to one of the gateway's requests."""
        self._check_common(message)
        for name in ("Call-ID", "From"):
            if message.get(name) != request.get(name):
                self._add("RFC 3261 8.2.6.2 copied", f"{name} is not the request's", message)
        if message.get("CSeq") != request.get("CSeq"):
            self._add("RFC 3261 8.2.6.2 copied", "CSeq is not the request's", message)
        if len(message.all("Via")) != len(request.all("Via")):
            self._add("RFC 3261 8.2.6.2 copied", "Via values are not the request's", message)
        self._check_to_of_response(message, request)
        if message.method == "INVITE" and 200 <= message.status < 300:
            self._check_accepting(message, request)
        if 100 < message.status < 300 and message.method in {"INVITE", "UPDATE"}:
            self._check_contact(message, peer)
            if request.all("Record-Route") != message.all("Record-Route"):
                self._add("RFC 3261 12.1.1 Record-Route", "not copied", message)
        self._check_refusal(message)

    def _check_to_of_response(self, message: Message, request: Message) -> None:
        """A response has the request's To, with a tag added where there was none."""
        theirs, ours = message.to, request.to
        if theirs.uri.text != ours.uri.text or theirs.display != ours.display:
            self._add("RFC 3261 8.2.6.2 copied", "To is not the request's", message)
        if ours.tag and theirs.tag != ours.tag:
            self._add("RFC 3261 8.2.6.2 copied", "To tag was changed", message)
        if message.status > 100 and not theirs.tag:
            self._add("RFC 3261 8.2.6.2 tag", "no To tag in the response", message)

    def _check_accepting(self, message: Message, request: Message) -> None:
        """A 2xx to INVITE holds Contact, and its session timer fits the request (RFC 4028 §9)."""
        if not message.get("Contact"):
            self._add("RFC 3261 13.3.1.4 Contact", "2xx to INVITE without Contact", message)
        timer = message.get("Session-Expires")
        if timer is None:
            return
        refresher = dict(_params(timer)).get("refresher")
        if refresher not in {"uac", "uas"}:
            self._add("RFC 4028 9 refresher", f"Session-Expires: {timer}", message)
        if refresher == "uac" and "timer" not in message.tokens("Require"):
            self._add("RFC 4028 9 Require", "refresher=uac without Require: timer", message)
        asked = request.get("Session-Expires")
        if asked is None:
            return
        wanted = dict(_params(asked)).get("refresher")
        if wanted and refresher != wanted:
            self._add("RFC 4028 9 refresher", f"{refresher} although {wanted} was set", message)
        seconds, limit = _seconds(timer), _seconds(asked)
        lowest = _seconds(request.get("Min-SE") or "90")
        if not lowest <= seconds <= limit:
            self._add("RFC 4028 9 interval", f"{seconds}, not {lowest} to {limit}", message)

    def _check_refusal(self, message: Message) -> None:
        """Some refusals must say what would have been right."""
        needed = {405: "Allow", 420: "Unsupported", 422: "Min-SE"}.get(message.status)
        if needed and not message.get(needed):
            self._add(f"RFC 3261 21 {message.status}", f"no {needed}", message)

    def _check_common(self, message: Message) -> None:
        """Headers that everything needs, once each (RFC 3261 §8.1.1)."""
        for name in SINGLE:
            if message.count(name) > 1:
                self._add("RFC 3261 7.3.1 single", f"{name} twice", message)
        if not message.from_.tag:
            self._add("RFC 3261 8.1.1.3 tag", "no From tag", message)
        if message.body and not message.get("Content-Type"):
            self._add("RFC 3261 20.15 Content-Type", "body without Content-Type", message)

    def _check_via(self, message: Message, peer: Peer) -> None:
        """The top Via has the magic cookie and names a real address of the sender."""
        via = message.via
        if not via.branch.startswith(MAGIC_COOKIE) or len(via.branch) <= len(MAGIC_COOKIE):
            self._add("RFC 3261 8.1.1.7 branch", f"branch {via.branch!r}", message)
        if via.transport != "UDP":
            self._add("RFC 3261 18.1.1 transport", via.transport, message)
        if via.params.get("rport"):
            self._add("RFC 3581 3 rport", "rport with a value in a request", message)
        if len(message.all("Via")) > 1:
            self._add("RFC 3261 8.1.1.7 Via", "a user agent puts in one Via", message)
        if not _address_is_good(via.host, peer):
            self._add("RFC 3261 18.1.1 sent-by", f"{via.host} from {peer}", message)

    def _is_copy(self, message: Message, now: float) -> bool:
        """Tell a copy of an earlier request; a branch belongs to one request (§8.1.1.7).

        Only ACK and CANCEL may share an INVITE's branch.
        """
        branch = message.via.branch
        cseq = message.require("CSeq")
        seen = self._branches.get(branch)
        if message.method == "CANCEL":
            return False
        if seen is None:
            if len(self._branches) >= REMEMBERED_BRANCHES:
                del self._branches[next(iter(self._branches))]
            self._branches[branch] = _Seen(message.start, cseq, now)
            return False
        if message.method == "ACK":
            return False
        if (seen.start, seen.cseq) != (message.start, cseq):
            self._add("RFC 3261 8.1.1.7 branch", "one branch on two requests", message)
            return False
        if now - seen.time < EARLY_SHARE * self._timers.t1:
            self._add("RFC 3261 17.1.1.2 Timer A", "sent again before T1", message)
        return True

    def _check_cseq(self, message: Message) -> None:
        """CSeq has the method, fits 31 bits and goes up with each new request."""
        number, method = message.cseq
        if method != message.method:
            self._add("RFC 3261 8.1.1.5 CSeq", f"method {method}", message)
        if number >= LARGEST_CSEQ:
            self._add("RFC 3261 8.1.1.5 CSeq", f"number {number}", message)
        if message.method in {"ACK", "CANCEL"}:
            return
        # The branches of a forked INVITE are dialogs of their own (§12.1.2).
        before = (message.call_id, message.from_.tag or "", "")
        key = (*before[:2], message.to.tag or "")
        highest = max(self._numbers.get(key, -1), self._numbers.get(before, -1))
        if number <= highest:
            self._add("RFC 3261 12.2.1.1 CSeq", f"{number} after {highest}", message)
        self._numbers[key] = max(highest, number)

    def _check_forwards(self, message: Message) -> None:
        """Max-Forwards is there and is a number."""
        value = message.get("Max-Forwards")
        if value is None or not value.isdecimal() or int(value) > 255:
            self._add("RFC 3261 8.1.1.6 Max-Forwards", f"{value}", message)

    def _check_contact(self, message: Message, peer: Peer) -> None:
        """Every Contact parses and names an address, not a wildcard one."""
        contacts = [value for value in message.all("Contact") if value != "*"]
        if message.method == "INVITE" and len(contacts) > 1:
            self._add("RFC 3261 8.1.1.8 Contact", "more than one", message)
        for value in contacts:
            try:
                contact = NameAddr.parse(value)
            except ParseError as error:
                self._add("RFC 3261 25.1 Contact", str(error), message)
                continue
            if not _address_is_good(contact.uri.host, peer):
                self._add("RFC 3261 8.1.1.8 Contact", f"{value} from {peer}", message)

    def _add(self, rule: str, detail: str, message: Message) -> None:
        """Record a breach."""
        self._violations.add(rule, detail, message.start)


def check_grammar(message: Message) -> None:
    """Raise ParseError when a message lacks what is needed to answer it (RFC 3261 §8.1.1)."""
    for text in message.all("Via"):
        Via.parse(text)
    _ = (message.via, message.from_, message.to, message.call_id, message.cseq)


def _params(value: str) -> list[tuple[str, str]]:
    """Read the parameters after the first semicolon."""
    parts = (part.partition("=") for part in value.split(";")[1:])
    return [(name.strip().lower(), text.strip().lower()) for name, _, text in parts]


def _seconds(value: str) -> int:
    """Read the number before the parameters, 0 when there is none."""
    number = value.partition(";")[0].strip()
    return int(number) if number.isdecimal() else 0


def _address_is_good(host: str, peer: Peer) -> bool:
    """Tell whether a host can be sent to; gateways want literals, and never a wildcard."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if "%" in host or address.is_unspecified or address.is_multicast:
        return False
    # A loopback address is of use only to a sender on the same machine.
    return not address.is_loopback or ipaddress.ip_address(peer.host).is_loopback


def _uri_is_good(text: str) -> bool:
    """Tell whether a Request-URI parses."""
    try:
        Uri.parse(text)
    except ParseError:
        return False
    return True
