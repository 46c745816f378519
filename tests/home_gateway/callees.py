"""Who can be called, what the gateway makes of a dialled string, and which families meet."""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import unquote

from .config import CallConfig, Family, Progress, Reach, Region
from .sources import Echo, Silence, Source, Tone

EMERGENCY = frozenset({"110", "118", "119"})
# Numbers that Hikari Denwa cannot dial [D].
BARRED = re.compile(r"^(?:00\d\d|001|0061|114$|136$|159$|0180)")
INTERNATIONAL = re.compile(r"^010\d{6,}$")
SHOW, HIDE = "186", "184"


class Outcome(StrEnum):
    """What becomes of a call."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    NO_ANSWER = "no-answer"
    RINGS_FOREVER = "rings-forever"
    STALLS = "stalls"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Callee:
    """How a simulated party behaves; times in seconds from the accepted INVITE."""

    outcome: Outcome = Outcome.ANSWERS
    status: int = 486
    """Of a refusal, and of a call that nobody answers."""
    rings_after: float | None = 0.02
    """None: no ringing is told."""
    answers_after: float = 0.2
    """Also when a refusal or the end of ringing comes."""
    talks_for: float | None = None
    """The callee hangs up after this; None: never."""
    rejects_withheld: bool = False
    """433 to callers who hide their number [R]."""
    reach: Reach = Reach.DUAL
    """Network side of an outside callee, or the simulated phone of an extension [R, I]."""
    progress: Progress | None = None
    """None: as the gateway is configured."""
    warning: int = 0
    """Warning code of a refusal, 0 for none."""
    retry_after: int | None = None
    media: Source = field(default_factory=Echo)
    """What the callee says once the call stands."""


def answers(
    after: float = 0.2,
    *,
    media: Source | None = None,
    talks_for: float | None = None,
    reach: Reach = Reach.DUAL,
) -> Callee:
    """Make a callee who answers; without media the caller hears an echo."""
    return Callee(answers_after=after, media=media or Echo(), talks_for=talks_for, reach=reach)


def refuses(status: int, *, after: float = 0.05, rings: bool = False, warning: int = 0) -> Callee:
    """Make a callee who gets a final status after a while."""
    return Callee(
        outcome=Outcome.REFUSES,
        status=status,
        rings_after=0.02 if rings else None,
        answers_after=after,
        warning=warning,
    )


def busy() -> Callee:
    """Make a callee in another call: 486."""
    return refuses(486)


def no_answer(after: float = 1.0) -> Callee:
    """Make a callee who does not pick up, so that the network ends it with 480 [A]."""
    return Callee(outcome=Outcome.NO_ANSWER, status=480, answers_after=after)


def rings_forever() -> Callee:
    """Make a callee who never answers while the caller waits."""
    return Callee(outcome=Outcome.RINGS_FOREVER)


def stalls() -> Callee:
    """Make a call that stays at 100 Trying."""
    return Callee(outcome=Outcome.STALLS, rings_after=None)


def silent() -> Callee:
    """Make a call that is not answered at all, not even by 100."""
    return Callee(outcome=Outcome.SILENT, rings_after=None)


def rejects_withheld() -> Callee:
    """Make a callee who answers only callers with a number, 433 to others [R]."""
    return Callee(rejects_withheld=True)


def default_callees() -> dict[str, Callee]:
    """Make the directory: simulated phones of the house and a few outside numbers."""
    tone = Callee(media=Tone(1000.0))
    outside = {
        "0451110000": Callee(),
        "0451110001": tone,
        "0451110002": Callee(media=Silence()),
        "0451110004": replace(tone, reach=Reach.V4_ONLY),
        "0451110404": refuses(404),
        "0451110433": rejects_withheld(),
        "0451110480": no_answer(),
        "0451110486": busy(),
        "0451110487": rings_forever(),
        "0451110500": refuses(500),
        "0451110603": refuses(603, after=0.3, rings=True),
        "09011110000": Callee(),
        "05011110000": Callee(),
        "0120111000": Callee(),
        "117": tone,
    }
    emergency = dict.fromkeys(EMERGENCY, Callee())
    inside = {number: Callee() for number in ("1", "2", "3", "4", "5", "6", "7")}
    return outside | emergency | inside


@dataclass(frozen=True)
class Dialled:
    """What the gateway makes of a Request-URI's user part."""

    number: str
    shows_number: bool
    refusal: int = 0


def read_dialled(user: str, config: CallConfig, extensions: set[str]) -> Dialled:
    """Normalise a dialled string; a refusal is 484 for too few digits, 403 for barred, else 404.

    Hyphens and spaces go [R*]; ``%23`` is ``#``; 184 and 186 stand before the number [R].
    """
    digits = re.sub(r"[-. ()]", "", unquote(user))
    shows = config.shows_number
    if digits in extensions:
        return Dialled(digits, shows_number=True)
    if digits[:3] in {SHOW, HIDE} and len(digits) > 3:
        shows = digits.startswith(SHOW)
        digits = digits[3:]
    if not re.fullmatch(r"[0-9*#]+", digits):
        return Dialled(digits, shows, 404)
    if BARRED.match(digits):
        return Dialled(digits, shows, 403)
    if config.area_code and re.fullmatch(r"[2-9]\d{4,7}", digits):
        digits = config.area_code + digits
    return Dialled(digits, shows, 0 if _is_complete(digits) else 484)


def _is_complete(digits: str) -> bool:
    """Tell whether a number has all its digits (numbers of Japan's plan)."""
    if re.fullmatch(r"1\d{2,3}|#\d{4}", digits) or INTERNATIONAL.match(digits):
        return True
    if re.match(r"0[5-9]0", digits):
        return len(digits) == 11
    if digits.startswith("0800"):
        return len(digits) == 11
    return digits.startswith("0") and len(digits) == 10


def families_meet(leg: Family, reach: Reach) -> bool:
    """Tell whether a leg of one family reaches a party: the matrix of the gateway's guide [D].

    A leg is IPv4 or IPv6; analog and IPv4-only parties cannot be called from an IPv6 leg, and
    IPv6-only ones not from an IPv4 leg. Dual parties meet everyone [I].
    """
    if reach is Reach.DUAL:
        return True
    return reach is (Reach.V4_ONLY if leg is Family.V4 else Reach.V6_ONLY)


def emergency_is_possible(leg: Family, formats: tuple[str, ...], region: Region) -> bool:
    """Tell whether 110, 118 and 119 can be called: PCMU alone, and IPv4 in the East [D]."""
    return formats == ("0",) and (region is Region.WEST or leg is Family.V4)
