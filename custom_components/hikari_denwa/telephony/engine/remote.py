"""An engine that somebody else runs: an app, a container, another machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from ..address import normalize
from ..errors import AddressError, EngineCertificateError, EngineUrlError
from .child import RunningEngine

DEFAULT_PORT = 17060
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def engine_url(text: str) -> str:
    """Return the address of an engine as it is kept, http where no scheme was written.

    Raises EngineUrlError for what is none. A token does not belong into an address.
    """
    written = text.strip()
    try:
        url = URL(written if "://" in written else f"http://{written}")
        scheme = _SCHEMES[url.scheme]
        normalize(url.host or "")
        usable = url.user is None and not url.query_string and not url.fragment
    except (ValueError, KeyError, AddressError):
        usable = False
    if not usable:
        raise EngineUrlError(url=_without_secrets(text))
    url = url.with_scheme(scheme)
    if scheme == "http" and url.explicit_port is None:
        url = url.with_port(DEFAULT_PORT)
    return str(url)


def fingerprint(text: str) -> str:
    """Return the SHA-256 fingerprint of a certificate as 64 small digits.

    Takes what openssl and browsers show, with colons or spaces. Raises ValueError.
    """
    digits = re.sub(r"^sha-?256( fingerprint)?[=:]", "", text.strip().lower())
    digits = re.sub(r"[\s:]", "", digits)
    if not _FINGERPRINT.fullmatch(digits):
        raise ValueError(text)
    return digits


@dataclass(frozen=True, kw_only=True)
class RemoteLauncher:
    """Reaches an engine over TCP; TLS if the URL says so.

    Trusts what the machine's certificate authorities vouch for, or with a ``fingerprint``
    (SHA-256, 64 hexadecimal digits) that one certificate alone.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    fingerprint: str | None = None

    async def launch(self) -> RunningEngine:
        """Make ready to connect; raises EngineUrlError."""
        trusted = aiohttp.Fingerprint(bytes.fromhex(self.fingerprint)) if self.fingerprint else True
        connector = aiohttp.TCPConnector(ssl=trusted)
        return _Remote(engine_url(self.url), self.token, aiohttp.ClientSession(connector=connector))


class _Remote:
    """The way to an engine that is not ours to start or end."""

    def __init__(self, url: str, token: str | None, session: aiohttp.ClientSession) -> None:
        """Keep the way."""
        self.pid: int | None = None
        self.url = url
        self.token = token
        self.session = session

    def kill(self) -> None:
        """Leave it alone: whoever runs it watches it."""

    async def close(self) -> None:
        """Close the way."""
        await self.session.close()


def certificate_error(url: str, error: Exception) -> EngineCertificateError | None:
    """Return what is wrong with a certificate, if that is what an error is about."""
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return EngineCertificateError(url=url, detail=f"SHA-256 {error.got.hex()}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        told = getattr(error.certificate_error, "verify_message", None)
        return EngineCertificateError(url=url, detail=str(told or error.certificate_error))
    if isinstance(error, aiohttp.ClientSSLError):
        return EngineCertificateError(url=url, detail=str(error.__cause__ or error))
    return None


def _without_secrets(text: str) -> str:
    """Return an address that was entered, short of what may be a password in it."""
    return re.sub(r"//[^/@]*@", "//", text.strip())
