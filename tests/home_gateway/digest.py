"""Digest authentication from the server's side (RFC 2617, RFC 7616, RFC 3261 §22)."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum

from .config import Algorithm, RegistrarConfig, Slot
from .message import Message, split_list
from .transport import Peer
from .violations import Violations

QUOTED = frozenset({"username", "realm", "nonce", "uri", "response", "cnonce", "opaque"})
BARE = frozenset({"algorithm", "qop", "nc"})
RULE = "RFC 3261 22.4 digest"


class Verdict(StrEnum):
    """What the credentials of a request are worth."""

    GOOD = "good"
    MISSING = "missing"
    STALE = "stale"
    UNKNOWN_NONCE = "unknown nonce"
    WRONG_USER = "wrong user"
    OTHER_SLOT = "user of another extension"
    WRONG_URI = "wrong uri"
    WRONG_PASSWORD = "wrong password"


@dataclass(slots=True)
class Nonce:
    """A nonce that was given out."""

    value: str
    born: float
    peer: Peer
    extension: str
    highest_count: int = 0
    used: bool = False


class Authenticator:
    """Gives challenges and checks what comes back."""

    def __init__(
        self, config: RegistrarConfig, realm: str, slots: tuple[Slot, ...], violations: Violations
    ) -> None:
        """Begin with no nonce given out."""
        self._config = config
        self.realm = config.realm or realm
        self._slots = slots
        self._violations = violations
        self._nonces: dict[str, Nonce] = {}
        self._opaque = secrets.token_hex(4)

    def forget(self) -> None:
        """Lose every nonce, as a reboot does."""
        self._nonces.clear()

    def expire(self) -> None:
        """Make every nonce old: the next request with one is stale."""
        for nonce in self._nonces.values():
            nonce.born = float("-inf")

    def challenge(self, peer: Peer, extension: str, *, stale: bool = False) -> str:
        """Make the value of WWW-Authenticate or Proxy-Authenticate with a new nonce."""
        nonce = Nonce(secrets.token_hex(8), time.monotonic(), peer, extension)
        if self._config.shared_port_flaps:
            for other in [n for n in self._nonces.values() if n.peer == peer]:
                if other.extension != extension:
                    del self._nonces[other.value]
        self._nonces[nonce.value] = nonce
        parts = [f'realm="{self.realm}"']
        if self._config.domain_parameter:
            parts.append('domain="sip:domain"')
        parts.append(f'nonce="{nonce.value}"')
        if self._config.opaque:
            parts.append(f'opaque="{self._opaque}"')
        if stale:
            parts.append("stale=true")
        parts.append(f"algorithm={self._config.algorithm}")
        if self._config.qop:
            parts.append(f'qop="{self._config.qop}"')
        return "Digest " + ",".join(parts)

    def unknown_challenges(self) -> tuple[str, ...]:
        """Make challenges that nobody can meet, if they are configured (RFC 7616 §3.7)."""
        if not self._config.several_challenges:
            return ()
        return (
            f'Basic realm="{self.realm}"',
            f'Digest realm="{self.realm}",nonce="none",algorithm=ROT-13',
        )

    def check(self, request: Message, slot: Slot, header: str) -> Verdict:
        """Judge the credentials in a request's header; breaches of the RFCs are recorded."""
        own = [
            value
            for value in (self._read(text, request) for text in request.all(header))
            if value.get("realm") == self.realm
        ]
        if not own:
            if request.get(header):
                self._broken("no credentials for the realm that was asked for", request)
            return Verdict.MISSING
        return self._judge(own[0], request, slot)

    def _judge(self, given: dict[str, str], request: Message, slot: Slot) -> Verdict:
        """Judge one set of credentials."""
        if (user := given.get("username", "")) != slot.user_id:
            others = {other.user_id for other in self._slots if other.user_id}
            return Verdict.OTHER_SLOT if user in others else Verdict.WRONG_USER
        if given.get("uri") != request.uri:
            self._broken(f"uri={given.get('uri')!r} is not the Request-URI", request)
            return Verdict.WRONG_URI
        nonce = self._nonces.get(given.get("nonce", ""))
        if nonce is None:
            return Verdict.UNKNOWN_NONCE
        self._check_form(given, request)
        if given.get("response", "").lower() != self._expected(given, request, slot):
            return Verdict.WRONG_PASSWORD
        if self._is_old(nonce) or not self._count_is_new(given, nonce, request):
            return Verdict.STALE
        nonce.used = True
        return Verdict.GOOD

    def _is_old(self, nonce: Nonce) -> bool:
        """Tell whether a nonce has served its time."""
        age = time.monotonic() - nonce.born
        return age > self._config.nonce_lifetime or (nonce.used and self._config.nonce_per_request)

    def _count_is_new(self, given: dict[str, str], nonce: Nonce, request: Message) -> bool:
        """Tell whether the nonce count went up, where there is one."""
        if "qop" not in given:
            return True
        try:
            count = int(given.get("nc", ""), 16)
        except ValueError:
            return False
        if count <= nonce.highest_count:
            self._broken(f"nc={given['nc']} was used before", request)
            return False
        nonce.highest_count = count
        return True

    def _check_form(self, given: dict[str, str], request: Message) -> None:
        """Record what is wrong with the parameters although the meaning is clear."""
        offered = set(self._config.qop.split(",")) - {""}
        qop = given.get("qop")
        if qop and qop not in offered:
            self._broken(f"qop={qop} was not offered", request)
        if qop and (len(given.get("nc", "")) != 8 or not given.get("cnonce")):
            self._broken("qop without nc of eight digits and cnonce", request)
        if not qop and "cnonce" in given:
            self._broken("cnonce without qop", request)
        if self._config.algorithm is Algorithm.SHA256 and offered and not qop:
            self._broken("no qop although one is offered (RFC 7616 3.4)", request)
        algorithm = given.get("algorithm", "MD5")
        if algorithm.upper() != self._config.algorithm:
            self._broken(f"algorithm={algorithm}", request)
        if self._config.opaque and given.get("opaque") != self._opaque:
            self._broken("opaque was not returned", request)

    def _expected(self, given: dict[str, str], request: Message, slot: Slot) -> str:
        """Compute the digest (RFC 2617 §3.2.2, RFC 7616 §3.4.1)."""
        first = self._hash(f"{slot.user_id}:{self.realm}:{slot.password}")
        qop = given.get("qop", "")
        acted_on = f"{request.method}:{given['uri']}"
        if qop == "auth-int":
            acted_on += f":{self._hash_bytes(request.body)}"
        second = self._hash(acted_on)
        if not qop:
            return self._hash(f"{first}:{given['nonce']}:{second}")
        middle = f"{given['nonce']}:{given.get('nc', '')}:{given.get('cnonce', '')}:{qop}"
        return self._hash(f"{first}:{middle}:{second}")

    def _hash(self, text: str) -> str:
        """Hash a text to hexadecimal."""
        return self._hash_bytes(text.encode())

    def _hash_bytes(self, data: bytes) -> str:
        """Hash bytes to hexadecimal with the configured algorithm."""
        name = "md5" if self._config.algorithm is Algorithm.MD5 else "sha256"
        return hashlib.new(name, data).hexdigest()

    def _read(self, text: str, request: Message) -> dict[str, str]:
        """Read credentials; wrong quoting is recorded (RFC 2617 §3.2.2)."""
        scheme, _, rest = text.strip().partition(" ")
        if scheme.lower() != "digest":
            return {}
        values: dict[str, str] = {}
        for part in split_list(rest):
            name, _, value = part.partition("=")
            name, value = name.strip().lower(), value.strip()
            quoted = len(value) >= 2 and value[0] == value[-1] == '"'
            if (name in QUOTED and not quoted) or (name in BARE and quoted):
                self._broken(f"quotes of {name}", request)
            if name in values:
                self._broken(f"{name} twice", request)
            values[name] = value[1:-1] if quoted else value
        return values

    def _broken(self, detail: str, request: Message) -> None:
        """Record a breach."""
        self._violations.add(RULE, detail, request.start)
