"""What a response says to a person about a call that it ended (home-gateway facts §3.4)."""

from __future__ import annotations

from ...calls import Ending, EndReason
from .messages import Response

_BY_STATUS = {
    401: EndReason.CREDENTIALS_REJECTED,
    403: EndReason.BARRED,
    404: EndReason.NUMBER_UNKNOWN,
    406: EndReason.NOT_ACCEPTABLE,
    407: EndReason.CREDENTIALS_REJECTED,
    408: EndReason.NO_ANSWER,
    410: EndReason.NUMBER_CHANGED,
    415: EndReason.NOT_ACCEPTABLE,
    433: EndReason.NUMBER_WITHHELD_REFUSED,
    480: EndReason.UNREACHABLE,
    484: EndReason.NUMBER_INCOMPLETE,
    485: EndReason.NUMBER_INCOMPLETE,
    486: EndReason.BUSY,
    488: EndReason.NOT_ACCEPTABLE,
    600: EndReason.BUSY,
    603: EndReason.DECLINED,
    604: EndReason.NUMBER_UNKNOWN,
    606: EndReason.NOT_ACCEPTABLE,
    607: EndReason.DECLINED,
    608: EndReason.DECLINED,
}
_OUR_FAULT = frozenset((400, 402, 405, 413, 414, 416, 417, 420, 421, 422, 505, 513))
# ITU-T Q.850 by way of RFC 3326: what a 480 leaves open.
_BY_CAUSE = {
    17: EndReason.BUSY,
    18: EndReason.NO_ANSWER,
    19: EndReason.NO_ANSWER,
    20: EndReason.UNREACHABLE,
    21: EndReason.DECLINED,
}


def ending_of(response: Response, *, rang: bool) -> Ending:
    """Say why an outgoing call was refused; `rang` if a ringing tone was told before."""
    warnings = response.warnings
    return Ending(
        reason=_reason(response, rang=rang),
        status=response.status,
        phrase=response.reason or None,
        warning=warnings[0].code if warnings else None,
    )


def _reason(response: Response, *, rang: bool) -> EndReason:
    """Give the reason alone."""
    status = response.status
    if status < 400:
        return EndReason.MOVED
    if status == 480:
        causes = (each.cause for each in response.reasons if each.protocol.upper() == "Q.850")
        known = next((_BY_CAUSE[cause] for cause in causes if cause in _BY_CAUSE), None)
        # A phone that rang in vain was there; one that never rang was not.
        return known or (EndReason.NO_ANSWER if rang else EndReason.UNREACHABLE)
    if status in _OUR_FAULT:
        return EndReason.PROTOCOL_FAILURE
    return _BY_STATUS.get(status, EndReason.NETWORK_FAILURE)
