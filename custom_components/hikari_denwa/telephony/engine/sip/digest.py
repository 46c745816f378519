"""Digest access authentication of a client (RFC 7616, RFC 2617, RFC 8760 for SIP)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .headers import quote, split_list, unquote

MAX_NONCES = 8

_FIRST = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]++)[ \t]++(.*)", re.DOTALL)
_PAIR = re.compile(
    r'([A-Za-z0-9\-.!%*_+`\'~]++)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*+"|[^\s",\\]*+)[ \t]*', re.DOTALL
)
_HASHES: dict[str, Callable[[bytes], hashlib._Hash]] = {
    "SHA-256": hashlib.sha256,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
_STRENGTH = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """A Digest challenge of WWW-Authenticate or Proxy-Authenticate.

    `realm`, `nonce` and `opaque` are the raw text between the quotes, to be given back to the
    letter. `algorithm` is as written, None when absent (then it is MD5). `qop` is in lower case.
    """

    realm: str
    nonce: str
    algorithm: str | None = None
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Read the first Digest challenge of a header value; ValueError when there is none.

        `domain` is ignored: gateways send placeholders in it (home-gateway facts §1.2).
        """
        challenges = parse_challenges([value])
        if not challenges:
            raise ValueError("no Digest challenge")
        return challenges[0]

    @property
    def supported(self) -> bool:
        """Tell whether an answer to it can be computed."""
        known = (self.algorithm or "MD5").upper() in _STRENGTH
        return known and (not self.qop or "auth" in self.qop or "auth-int" in self.qop)

    @property
    def chosen_qop(self) -> str | None:
        """Give the quality of protection to answer with: auth before auth-int, None as RFC 2069."""
        return "auth" if "auth" in self.qop else "auth-int" if "auth-int" in self.qop else None


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """Read all Digest challenges of several header values, leaving malformed ones out."""
    found = [_to_challenge(pairs) for value in values for pairs in _digest_pairs(value)]
    return [challenge for challenge in found if challenge is not None]


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Choose the challenge to answer: SHA-256 before MD5, None when none is supported."""
    supported = [challenge for challenge in challenges if challenge.supported]
    return min(
        supported,
        key=lambda challenge: _STRENGTH.index((challenge.algorithm or "MD5").upper()),
        default=None,
    )


def _new_cnonce() -> str:
    """Make a client nonce."""
    return secrets.token_hex(16)


@dataclass(slots=True)
class _Session:
    """What is counted for one nonce of the server."""

    cnonce: str
    count: int = 0


@dataclass(slots=True)
class DigestClient:
    """Answers challenges with one user name and password; the password shows in no repr."""

    username: str
    password: str = field(repr=False)
    new_cnonce: Callable[[], str] = _new_cnonce
    _sessions: dict[tuple[str, str], _Session] = field(default_factory=dict, repr=False)

    def answer(self, values: Iterable[str], method: str, uri: str, body: bytes = b"") -> str | None:
        """Answer the strongest of the challenges in header values, None when none can be."""
        challenge = strongest(parse_challenges(values))
        return None if challenge is None else self.authorization(challenge, method, uri, body)

    def authorization(
        self, challenge: Challenge, method: str, uri: str, body: bytes = b""
    ) -> str | None:
        """Give the value of Authorization or Proxy-Authorization, None when unsupported.

        `uri` is the Request-URI to the letter; `body` counts only for auth-int.
        """
        if not challenge.supported:
            return None
        algorithm = (challenge.algorithm or "MD5").upper()
        session = self._session(challenge)
        qop = challenge.chosen_qop
        needs_cnonce = qop is not None or algorithm.endswith("-SESS")
        count = f"{session.count:08x}"
        realm = unquote(f'"{challenge.realm}"')
        response = _response(
            algorithm,
            secret=f"{self.username}:{realm}:{self.password}",
            nonce=challenge.nonce,
            cnonce=session.cnonce,
            count=count,
            qop=qop,
            method=method,
            uri=uri,
            body=body,
        )
        parts = [
            f"username={quote(self.username)}",
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{uri}"',
            f'response="{response}"',
        ]
        if challenge.algorithm is not None:
            parts.append(f"algorithm={challenge.algorithm}")
        if needs_cnonce:
            parts.append(f'cnonce="{session.cnonce}"')
        if challenge.opaque is not None:
            parts.append(f'opaque="{challenge.opaque}"')
        if qop is not None:
            parts += f"qop={qop}", f"nc={count}"
        return "Digest " + ", ".join(parts)

    def _session(self, challenge: Challenge) -> _Session:
        """Count one more use of the nonce; the oldest of too many nonces is forgotten."""
        key = challenge.realm, challenge.nonce
        session = self._sessions.get(key)
        if session is None:
            if len(self._sessions) >= MAX_NONCES:
                del self._sessions[next(iter(self._sessions))]
            session = self._sessions[key] = _Session(self.new_cnonce())
        session.count += 1
        return session


def _response(
    algorithm: str,
    *,
    secret: str,
    nonce: str,
    cnonce: str,
    count: str,
    qop: str | None,
    method: str,
    uri: str,
    body: bytes,
) -> str:
    """Compute request-digest (RFC 7616 §3.4.1-3.4.3, without qop RFC 2617 §3.2.2.1)."""
    base = _HASHES[algorithm.removesuffix("-SESS")]

    def digest(text: str) -> str:
        """Give the hash of a text in hexadecimal."""
        return base(text.encode(errors="surrogateescape")).hexdigest()

    ha1 = digest(secret)
    if algorithm.endswith("-SESS"):
        ha1 = digest(f"{ha1}:{nonce}:{cnonce}")
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += f":{base(body).hexdigest()}"
    ha2 = digest(a2)
    if qop is None:
        return digest(f"{ha1}:{nonce}:{ha2}")
    return digest(f"{ha1}:{nonce}:{count}:{cnonce}:{qop}:{ha2}")


def _digest_pairs(value: str) -> list[dict[str, str]]:
    """Split a header value into Digest challenges of parameters with raw values."""
    challenges: list[dict[str, str]] = []
    current: dict[str, str] | None = None
    for element in split_list(value):
        piece = element
        if _PAIR.fullmatch(piece) is None:
            first = _FIRST.fullmatch(piece)
            if first is None:
                continue
            current = None
            piece = first[2]
            if first[1].lower() == "digest":
                current = {}
                challenges.append(current)
        pair = _PAIR.fullmatch(piece)
        if pair is not None and current is not None:
            current.setdefault(pair[1].lower(), pair[2])
    return challenges


def _bare(value: str) -> str:
    """Strip the quotes and leave escapes as they are."""
    return value[1:-1] if value.startswith('"') else value


def _to_challenge(pairs: dict[str, str]) -> Challenge | None:
    """Make a challenge of its parameters, None when one is missing that must be there."""
    if "realm" not in pairs or "nonce" not in pairs:
        return None
    qop = _bare(pairs.get("qop", "")).lower()
    algorithm = pairs.get("algorithm")
    opaque = pairs.get("opaque")
    return Challenge(
        realm=_bare(pairs["realm"]),
        nonce=_bare(pairs["nonce"]),
        algorithm=None if algorithm is None else _bare(algorithm),
        qop=tuple(token.strip() for token in qop.split(",") if token.strip()),
        opaque=None if opaque is None else _bare(opaque),
        stale=_bare(pairs.get("stale", "")).lower() == "true",
    )
