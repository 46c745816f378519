"""OPTIONS to the gateway, so that its reboot is noticed before somebody calls (facts §1.2)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ...sip.clock import Clock, Timer
from ...sip.manners import new_tag
from ...sip.messages import Request, Response
from ...sip.uri import NameAddress, SipUri
from .dialog import new_cseq
from .exchange import Requester
from .transactions import ClientTransaction, ClientUser, Failure

# As often as Asterisk's qualify, which gateways are known to stand.
INTERVAL = 25.0
ANSWER_WITHIN = 4.0
# Units that never answer OPTIONS are asked by a REGISTER instead, and less often.
_SILENT_UNIT_INTERVAL = 60.0
_GIVEN_UP_AFTER = 3


class Keepalive:
    """Asks the gateway from time to time whether it is there, and acts when it may not be.

    Any final response means that it is. Silence of a gateway that has answered before calls
    for `verify`, which registers anew; silence of one that never did means nothing, so there
    `verify` is called at intervals.
    """

    def __init__(
        self,
        clock: Clock,
        requester: Requester,
        *,
        registrar: SipUri,
        address_of_record: SipUri,
        finish: Callable[[Request], None],
        address_is_ours: Callable[[], bool],
        verify: Callable[[], None],
    ) -> None:
        """Take whom to ask and in whose name; `finish` adds the headers of all requests."""
        self._clock = clock
        self._requester = requester
        self._registrar = registrar
        self._own = address_of_record
        self._finish = finish
        self._address_is_ours = address_is_ours
        self._verify = verify
        self._call_id = secrets.token_hex(16)
        self._tag = new_tag()
        self._cseq = new_cseq()
        self._timer: Timer | None = None
        self._asking: ClientTransaction | None = None
        self._answers = False
        self._silences = 0

    def start(self) -> None:
        """Ask from now on; anew if it is asking."""
        self.stop()
        silent_unit = not self._answers and self._silences >= _GIVEN_UP_AFTER
        if silent_unit:
            self._timer = self._clock.call_later(_SILENT_UNIT_INTERVAL, self._verify)
        else:
            self._timer = self._clock.call_later(INTERVAL, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._asking:
            self._asking.terminate()
            self._asking = None

    def _ask(self) -> None:
        """Send OPTIONS, unless we have moved."""
        if not self._address_is_ours():
            self._verify_now()
            return
        self._cseq += 1
        request = Request("OPTIONS", self._registrar)
        headers = request.headers
        headers.add("Max-Forwards", "70")
        headers.add("From", str(NameAddress(None, self._own).with_tag(self._tag)))
        headers.add("To", str(NameAddress(None, self._registrar)))
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._cseq} OPTIONS")
        self._finish(request)
        headers.add("Accept", "application/sdp")
        self._timer = self._clock.call_later(ANSWER_WITHIN, self._silent)
        user = ClientUser(on_response=self._answered, on_failure=self._failed)
        self._asking = self._requester.send(request, user)

    def _answered(self, response: Response) -> None:
        """Go on after a final response."""
        if response.status < 200:
            return
        self._answers = True
        self._silences = 0
        self._asking = None
        self.start()

    def _failed(self, _: Failure) -> None:
        """Take an ICMP error for what it says."""
        self._asking = None
        self._verify_now()

    def _silent(self) -> None:
        """Take silence for a sign of trouble from those who were not silent before."""
        self._silences += 1
        if self._answers:
            self._verify_now()
        else:
            self.start()

    def _verify_now(self) -> None:
        """Stop asking, and let the registration find out; its success starts us anew."""
        self.stop()
        self._verify()
