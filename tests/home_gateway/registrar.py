"""The registrar: bindings of extensions and every way a REGISTER is refused (RFC 3261 §10)."""

import ipaddress
import time
from dataclasses import dataclass

from .config import Family, GatewayConfig, SecondDevice, Slot, SlotAuthentication, SlotKind
from .digest import Authenticator, Verdict
from .message import Message, NameAddr, ParseError, Uri
from .transactions import Received, ServerTransaction
from .transport import Peer, Stamp
from .violations import Violations

DEFAULT_EXPIRES = 3600


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where an extension can be reached, and until when (monotonic seconds)."""

    extension: str
    contact: str
    uri: Uri
    peer: Peer
    call_id: str
    cseq: int
    expires: int
    expires_at: float
    supports_path: bool = False

    @property
    def family(self) -> Family:
        """The IP version of the contact, or of the REGISTER when the contact is a name."""
        try:
            version = ipaddress.ip_address(self.uri.host).version
        except ValueError:
            return self.peer.family
        return Family.V6 if version == 6 else Family.V4

    @property
    def target(self) -> Peer:
        """Where an INVITE goes: the contact's address and port."""
        return Peer(self.family, self.uri.host, self.uri.port or 5060)


@dataclass(frozen=True, kw_only=True)
class RegisterSeen:
    """One REGISTER as it came, with the status that it got (None: dropped)."""

    stamp: Stamp
    peer: Peer
    extension: str
    expires: int | None
    authorized: bool
    status: int | None
    message: Message


@dataclass(frozen=True)
class Refusal:
    """A status and its headers."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


class Registrar:
    """Keeps bindings; a refused REGISTER changes none."""

    def __init__(
        self, config: GatewayConfig, authenticator: Authenticator, violations: Violations
    ) -> None:
        """Begin without bindings."""
        self._config = config
        self._authenticator = authenticator
        self._violations = violations
        self._bindings: list[Binding] = []
        self._overloaded = config.registrar.overloaded
        self.seen: list[RegisterSeen] = []

    def bindings(self, extension: str) -> list[Binding]:
        """Return the bindings of an extension that still hold, newest last."""
        now = time.monotonic()
        self._bindings = [binding for binding in self._bindings if binding.expires_at > now]
        return [binding for binding in self._bindings if binding.extension == extension]

    def forget(self) -> None:
        """Lose every binding, as a reboot does."""
        self._bindings.clear()

    def drop(self, received: Received) -> None:
        """Note a REGISTER that is never answered."""
        self._note(received, None)

    def receive(self, received: Received, transaction: ServerTransaction) -> None:
        """Answer a REGISTER."""
        outcome = self._judge(received)
        if outcome is None:
            outcome = self._accept(received)
        transaction.respond(outcome.status, outcome.headers)
        self._note(received, outcome.status)

    def authenticate(
        self, received: Received, slot: Slot, status: int, *, proxy: bool = False
    ) -> Refusal | None:
        """Judge the credentials of any request; None when they are good."""
        if slot.authentication is SlotAuthentication.MAC:
            return None if received.peer.host in slot.sources else Refusal(403)
        request = received.message
        header = "Proxy-Authorization" if proxy else "Authorization"
        verdict = self._authenticator.check(request, slot, header)
        registrar = self._config.registrar
        if verdict is Verdict.GOOD:
            return None
        if verdict is Verdict.OTHER_SLOT:
            return Refusal(registrar.mismatch)
        if verdict is Verdict.WRONG_PASSWORD and registrar.wrong_password == 403:
            return Refusal(403)
        challenge = self._authenticator.challenge(
            received.peer, slot.number, stale=verdict is Verdict.STALE
        )
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        unknown = self._authenticator.unknown_challenges()
        return Refusal(status, tuple((name, value) for value in (*unknown, challenge)))

    def _judge(self, received: Received) -> Refusal | None:
        """Find the reason to refuse a REGISTER, None when there is none."""
        request, registrar = received.message, self._config.registrar
        if registrar.rport_refused and "rport" in request.via.params:
            return Refusal(400)
        self._check_uris(request)
        if self._overloaded:
            self._overloaded -= 1
            wait = registrar.retry_after
            return Refusal(503, (("Retry-After", str(wait)),) if wait else ())
        slot = self._config.slot(request.to.uri.user)
        if slot is None or slot.kind is not SlotKind.IP:
            return Refusal(403)
        if registrar.challenges and (refusal := self.authenticate(received, slot, 401)):
            return refusal
        return self._judge_contacts(received, slot)

    def _judge_contacts(self, received: Received, slot: Slot) -> Refusal | None:
        """Find the reason to refuse what is to be bound."""
        request, registrar = received.message, self._config.registrar
        contacts = request.all("Contact")
        if "*" in contacts:
            good = len(contacts) == 1 and request.get("Expires") == "0"
            return None if good else Refusal(400)
        try:
            addresses = [NameAddr.parse(value) for value in contacts]
        except ParseError:
            return Refusal(400)
        if registrar.refuse_loopback_contact and any(_is_loopback(a.uri) for a in addresses):
            return Refusal(503)
        wanted = [expires_of(request, address) for address in addresses]
        if any(0 < seconds < registrar.min_expires for seconds in wanted):
            return Refusal(423, (("Min-Expires", str(registrar.min_expires)),))
        others = [b for b in self.bindings(slot.number) if b.peer.host != received.peer.host]
        if others and registrar.second_device is SecondDevice.REFUSED and any(wanted):
            return Refusal(403)
        for binding in self.bindings(slot.number):
            if binding.call_id == request.call_id and binding.cseq >= request.cseq[0]:
                return Refusal(500)
        return None

    def _accept(self, received: Received) -> Refusal:
        """Bind or unbind, and list what is bound now (RFC 3261 §10.3)."""
        request = received.message
        extension = request.to.uri.user
        contacts = request.all("Contact")
        if contacts == ["*"]:
            self._bindings = [b for b in self._bindings if b.extension != extension]
        elif contacts:
            self._bind(received, extension, [NameAddr.parse(value) for value in contacts])
        listed = [
            ("Contact", f"<{binding.contact}>;expires={binding.expires}")
            for binding in self.bindings(extension)
        ]
        if self._config.registrar.p_associated_uri:
            host = request.to.uri.host
            listed.append(("P-Associated-URI", f"<sip:{self._config.calls.own_number}@{host}>"))
        return Refusal(200, tuple(listed))

    def _bind(self, received: Received, extension: str, contacts: list[NameAddr]) -> None:
        """Replace the bindings that these contacts stand for."""
        request, registrar = received.message, self._config.registrar
        named = {contact.uri.text for contact in contacts}
        wanted = [
            (contact, min(expires_of(request, contact), registrar.max_expires))
            for contact in contacts
        ]
        adds = any(seconds for _, seconds in wanted)
        replaces_all = adds and registrar.second_device is not SecondDevice.BOTH
        self._bindings = [
            binding
            for binding in self._bindings
            if not (binding.extension == extension and (replaces_all or binding.contact in named))
            and not self._is_flapped(binding, received, extension, adds=adds)
        ]
        for contact, seconds in wanted:
            if seconds:
                self._bindings.append(
                    Binding(
                        extension=extension,
                        contact=contact.uri.text,
                        uri=contact.uri,
                        peer=received.peer,
                        call_id=request.call_id,
                        cseq=request.cseq[0],
                        expires=seconds,
                        expires_at=time.monotonic() + seconds,
                        supports_path="path" in request.tokens("Supported"),
                    )
                )

    def _is_flapped(
        self, binding: Binding, received: Received, extension: str, *, adds: bool
    ) -> bool:
        """Tell whether another extension on the same port loses its binding [R]."""
        flaps = self._config.registrar.shared_port_flaps and adds
        return flaps and binding.peer == received.peer and binding.extension != extension

    def _check_uris(self, request: Message) -> None:
        """Record a REGISTER whose URIs break RFC 3261 §10.2."""
        if Uri.parse(request.uri).user:
            self._violations.add("RFC 3261 10.2 Request-URI", "has a user part", request.start)
        if request.to.uri.text != request.from_.uri.text:
            self._violations.add("RFC 3261 10.2 From", "is not To", request.start)
        if request.to.tag:
            self._violations.add("RFC 3261 8.1.1.2 To", "tag in a REGISTER", request.start)

    def _note(self, received: Received, status: int | None) -> None:
        """Remember a REGISTER."""
        request = received.message
        contacts = request.all("Contact")
        expires = None
        if contacts and contacts != ["*"]:
            try:
                expires = expires_of(request, NameAddr.parse(contacts[0]))
            except ParseError:
                expires = None
        elif request.get("Expires") == "0":
            expires = 0
        self.seen.append(
            RegisterSeen(
                stamp=received.stamp,
                peer=received.peer,
                extension=request.to.uri.user,
                expires=expires,
                authorized=request.get("Authorization") is not None,
                status=status,
                message=request,
            )
        )


def expires_of(request: Message, contact: NameAddr) -> int:
    """Return the seconds that a contact asks for: its own, else the header's, else an hour."""
    for value in (contact.params.get("expires"), request.get("Expires")):
        if value and value.isdecimal():
            return int(value)
    return DEFAULT_EXPIRES


def _is_loopback(uri: Uri) -> bool:
    """Tell whether a contact leads nowhere from the gateway."""
    try:
        address = ipaddress.ip_address(uri.host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
