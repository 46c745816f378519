"""How a telephone answers what it will not serve, whatever serves the rest (RFC 3261 §8.2)."""

from __future__ import annotations

import secrets

from . import sdp
from .messages import Request, Response
from .sdp import Codec, Refusal, SdpError, SessionDescription
from .transport import Address
from .uri import OtherUri, host_for_uri

VERSION = "0.1.0"
USER_AGENT = f"hikari-denwa/{VERSION}"
ALLOWED = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "INFO")
KNOWN = frozenset((*ALLOWED, "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "REFER"))
EXTENSIONS = ("timer",)
# The call that goes on and the one that waits.
CALLS_WAITING = 2
# Answered by what they are about, not by 405: the subscription or the transfer is refused.
_REFUSED = {"NOTIFY": 481, "REFER": 603}
_WITH_CONTACT = frozenset(("INVITE", "UPDATE"))
# Any even port will do to learn whether an offer can be answered at all.
_SOME_PORT = 10000
_KEYS = frozenset("0123456789*#ABCD")
_DTMF_TYPES = ("application/dtmf-relay", "application/dtmf")


def new_tag() -> str:
    """Make a tag that nobody else makes (§19.3)."""
    return secrets.token_hex(8)


class Manners:
    """The answers of one extension at one address of ours."""

    def __init__(self, extension: str, local: Address, codecs: tuple[Codec, ...]) -> None:
        """Take who answers, from where, and what it can hear."""
        self._extension = extension
        self._local_address = local[0]
        self._codecs = codecs
        self._warn_agent = f"{host_for_uri(local[0])}:{local[1]}"

    def reply(
        self, request: Request, status: int, reason: str | None = None, *, tag: str | None = None
    ) -> Response:
        """Make a response with the headers that its status and method want."""
        response = request.reply(status, reason, to_tag=tag or new_tag())
        success = 200 <= status < 300 and request.method in (*_WITH_CONTACT, "OPTIONS")
        if success or status == 405:
            response.headers.add("Allow", ", ".join(ALLOWED))
        if success:
            response.headers.add("Supported", ", ".join(EXTENSIONS))
        if status == 415 or (success and request.method == "OPTIONS"):
            response.headers.add("Accept", sdp.CONTENT_TYPE)
        return response

    def refuse(self, request: Request, refusal: Refusal, *, tag: str | None = None) -> Response:
        """Make the response to an offer that cannot be answered, with its Warning."""
        response = self.reply(request, refusal.status, tag=tag)
        response.headers.add("Warning", refusal.warning(self._warn_agent))
        return response

    def refusal(self, request: Request, *, tag: str | None = None) -> Response | None:
        """Give the response to a request that cannot be worked on, in the order of §8.2."""
        if request.method in _REFUSED:
            return self.reply(request, _REFUSED[request.method], tag=tag)
        if request.method not in ALLOWED:
            return self.reply(request, 405 if request.method in KNOWN else 501, tag=tag)
        if isinstance(request.uri, OtherUri):
            return self.reply(request, 416, tag=tag)
        outside = request.to.tag is None and request.method in ("INVITE", "OPTIONS")
        if outside and request.uri.user not in (None, self._extension):
            return self.reply(request, 404, tag=tag)
        if unknown := [each for each in request.require if each not in _extensions(request)]:
            response = self.reply(request, 420, tag=tag)
            response.headers.add("Unsupported", ", ".join(unknown))
            return response
        if request.method == "INVITE" and not _takes_descriptions(request):
            return self.reply(request, 406, tag=tag)
        return self._content_refusal(request, tag)

    def _content_refusal(self, request: Request, tag: str | None) -> Response | None:
        """Refuse a body that cannot be read (§8.2.3)."""
        if not request.body or request.method not in _WITH_CONTACT:
            return None
        encodings = [each for each in request.headers.tokens("Content-Encoding") if each]
        if any(each.lower() != "identity" for each in encodings):
            response = self.reply(request, 415, tag=tag)
            response.headers.add("Accept-Encoding", "identity")
            return response
        if request.content_type != sdp.CONTENT_TYPE:
            return self.reply(request, 415, tag=tag)
        return None

    def offer_refusal(self, request: Request, *, tag: str | None = None) -> Response | None:
        """Give the response to an INVITE whose offer cannot be answered, None if it can be."""
        if not request.body:
            return None
        try:
            offered = SessionDescription.parse(request.body)
        except SdpError:
            return self.reply(request, 400, tag=tag)
        answered = sdp.answer(offered, self._local_address, _SOME_PORT, codecs=self._codecs)
        if isinstance(answered, Refusal):
            return self.refuse(request, answered, tag=tag)
        return None

    def take_info(self, request: Request) -> tuple[Response, str | None]:
        """Answer an INFO of a call; with it goes the key that was pressed there (RFC 6086)."""
        if not request.body:
            return self.reply(request, 200), None
        if request.content_type not in _DTMF_TYPES:
            response = self.reply(request, 415)
            response.headers.set("Accept", ", ".join(_DTMF_TYPES))
            return response, None
        text = request.body[:64].decode("ascii", errors="replace").upper()
        lines = [line.partition("=") for line in text.split()]
        signals = [value for name, _, value in lines if name == "SIGNAL"] or [text.strip()]
        return self.reply(request, 200), signals[0] if signals[0] in _KEYS else None

    def finish(self, request: Request, contact: str) -> None:
        """Give a request of ours the headers that all of its kind have."""
        if request.method in _WITH_CONTACT:
            request.headers.set("Contact", contact)
            request.headers.set("Supported", ", ".join(EXTENSIONS))
        if request.method in (*_WITH_CONTACT, "REGISTER"):
            request.headers.set("Allow", ", ".join(ALLOWED))
        request.headers.set("User-Agent", USER_AGENT)


def _extensions(request: Request) -> tuple[str, ...]:
    """Give the extensions that a request may require.

    Reliable provisionals only for an INVITE with an offer: without one the first of
    them would have to carry ours (RFC 3262 §5), before anybody has answered.
    """
    return (*EXTENSIONS, "100rel") if request.method == "INVITE" and request.body else EXTENSIONS


def _takes_descriptions(request: Request) -> bool:
    """Tell whether Accept lets us answer with a session description (§20.1)."""
    accepted = [each.partition(";")[0] for each in request.headers.tokens("Accept")]
    types = {"".join(each.split()).lower() for each in accepted}
    return not types or not types.isdisjoint((sdp.CONTENT_TYPE, "application/*", "*/*"))
