"""What the answers to a REGISTER mean, and when to come again (RFC 3261 §10.2)."""

from __future__ import annotations

from ...address import literal_family
from ...errors import (
    CredentialsRejectedError,
    ExtensionUnavailableError,
    RegistrationError,
    RegistrationRefusedError,
)
from ..backend import Account
from .digest import parse_challenges
from .messages import Response
from .uri import SipUri

CHALLENGES = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
# Sooner than timer F: while a gateway is silent, nobody can ring here.
REFRESH_WITHIN = 8.0
_MARGIN = 30.0
SHORTEST_REFRESH = 1.0
LONGEST_EXPIRES = 7 * 86400


def registrar_of(account: Account) -> SipUri:
    """Give the Request-URI: the gateway's literal, the port only if it is not the usual."""
    return SipUri(host=account.gateway, port=_unusual(account.port))


def address_of_record(account: Account) -> SipUri:
    """Give our own address: the extension at the gateway."""
    return SipUri(user=account.extension, host=account.gateway, port=_unusual(account.port))


def refresh_after(granted: int) -> float:
    """Give when to register again, in seconds, so that a failure is told before the end."""
    delay = min(granted / 2, max(granted - _MARGIN, granted / 3))
    return max(delay, SHORTEST_REFRESH)


def refresh_within(granted: int) -> float:
    """Give for how many seconds a refresh may go without an answer."""
    return min(REFRESH_WITHIN, max(granted / 2, SHORTEST_REFRESH))


def granted_by(response: Response, contact: SipUri, asked: int) -> int:
    """Read how long the binding lives: of our Contact, else of the response (§10.2.4)."""
    contacts = response.contacts
    for each in contacts if contacts != "*" else []:
        text = each.parameter("expires") or ""
        if each.uri.matches(contact) and text.isascii() and text.isdigit():
            return min(int(text[:9]), LONGEST_EXPIRES)
    return min(asked if response.expires is None else response.expires, LONGEST_EXPIRES)


def is_stale(response: Response) -> bool:
    """Tell whether a challenge says that only the nonce was wrong (RFC 7616 §3.3)."""
    if response.status not in CHALLENGES:
        return False
    values = response.headers.get_all(CHALLENGES[response.status][0])
    return any(challenge.stale for challenge in parse_challenges(values))


def error_of(
    response: Response, account: Account, *, credentials_sent: bool, was_registered: bool
) -> RegistrationError:
    """Say why the gateway refuses (facts §1.2, §5).

    401 and 407 that stand after our answer mean a wrong user ID or password, unless it is
    the nonce that is called stale once more. A 403 after our answer does, too, as long as
    these credentials have never served: a line that they did register has lost its
    extension, to another device or at the gateway's own pages. So has one that is refused
    without having been asked for credentials.
    """
    match response.status:
        case 401 | 407 if credentials_sent and not is_stale(response):
            return CredentialsRejectedError(user_id=account.user_id)
        case 403 if credentials_sent and not was_registered:
            return CredentialsRejectedError(user_id=account.user_id)
        case 403 | 404:
            return ExtensionUnavailableError(extension=account.extension, code=str(response.status))
    error = RegistrationRefusedError(code=str(response.status), phrase=response.reason)
    error.retry_after = response.retry_after
    return error


def listed_in(response: Response) -> list[SipUri]:
    """Give the contacts that a 200 lists as bound (§10.3, step 8)."""
    contacts = response.contacts
    if contacts == "*" or not 200 <= response.status < 300:
        return []
    return [
        contact.uri
        for contact in contacts
        if isinstance(contact.uri, SipUri) and contact.parameter("expires") != "0"
    ]


def domain_in(response: Response) -> str | None:
    """Give the domain of the identities that a registrar gives us (RFC 7315 §4.1)."""
    hosts = (each.uri.host for each in response.associated if isinstance(each.uri, SipUri))
    return next((host for host in hosts if literal_family(host) is None), None)


def _unusual(port: int) -> int | None:
    """Give a port that has to be written."""
    return None if port == 5060 else port
