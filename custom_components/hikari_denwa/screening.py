"""Which incoming calls ring: the block list, callers without a number, quiet hours, contacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from .const import (
    CONF_BLOCK_KINDS,
    CONF_BLOCK_STATUS,
    CONF_BLOCK_TREATMENT,
    CONF_BLOCK_UNKNOWN,
    CONF_BLOCKED_CALLERS,
    CONF_DO_NOT_DISTURB,
    CONF_UNKNOWN_TREATMENT,
)
from .contacts import Contact, NumberSet, RingRule
from .telephony.calls import CallerIdKind

DEFAULT_BLOCK_STATUS: Final = 486
# Busy Here, Decline, Temporarily Unavailable (RFC 3261 §21.4.24, §21.6.2, §21.4.18).
BLOCK_STATUSES: Final = (486, 603, 480)
_ABROAD: Final = ("010", "+")


class Treatment(StrEnum):
    """What becomes of an incoming call.

    - ``ring``: it rings here.
    - ``quiet``: nothing rings here; if nobody takes it, it is a missed call like any other.
    - ``silence``: nothing rings here, and it is a blocked call; other phones of the home ring.
    - ``reject``: it is a blocked call, and the gateway is told that this extension takes it not.
    - ``say``: a blocked call that is answered: the caller hears words, and it is hung up.
    - ``answering_machine``: a blocked call that the answering machine takes at once.
    - ``challenge``: it is answered, and rings here if the caller presses a key; else it is a
      blocked call.
    """

    RING = "ring"
    QUIET = "quiet"
    SILENCE = "silence"
    REJECT = "reject"
    SAY = "say"
    ANSWERING_MACHINE = "answering_machine"
    CHALLENGE = "challenge"

    @property
    def answers(self) -> bool:
        """Tell whether the call is answered without anybody here."""
        return self in {Treatment.SAY, Treatment.ANSWERING_MACHINE, Treatment.CHALLENGE}


BLOCK_TREATMENTS: Final = (
    Treatment.REJECT,
    Treatment.SILENCE,
    Treatment.SAY,
    Treatment.ANSWERING_MACHINE,
    Treatment.CHALLENGE,
)
# Unknown callers are treated as all who are blocked.
AS_BLOCKED: Final = "as_blocked"


class BlockKind(StrEnum):
    """Kinds of callers that can be blocked as a whole."""

    WITHHELD = "withheld"
    PAYPHONE = "payphone"
    UNAVAILABLE = "unavailable"
    INTERNATIONAL = "international"


class ScreeningReason(StrEnum):
    """Why a call does not ring."""

    WITHHELD = "withheld"
    PAYPHONE = "payphone"
    UNAVAILABLE = "unavailable"
    INTERNATIONAL = "international"
    NUMBER = "number"
    CONTACT = "contact"
    NOT_IN_CONTACTS = "not_in_contacts"
    CONTACT_SILENT = "contact_silent"
    DO_NOT_DISTURB = "do_not_disturb"

    @property
    def blocks(self) -> bool:
        """Tell whether the caller is kept away, rather than not heard for now."""
        return self not in {ScreeningReason.CONTACT_SILENT, ScreeningReason.DO_NOT_DISTURB}


@dataclass(frozen=True, kw_only=True)
class Screening:
    """What becomes of a call, and why if it does not ring."""

    treatment: Treatment = Treatment.RING
    reason: ScreeningReason | None = None

    @property
    def blocked(self) -> bool:
        """Tell whether the caller is kept away, rather than not heard for now."""
        return self.reason is not None and self.reason.blocks

    @property
    def open(self) -> bool:
        """Tell whether it is not known yet what becomes of the call: the caller is challenged."""
        return self.treatment is Treatment.CHALLENGE


RINGS: Final = Screening()

_KINDS: Final = {
    CallerIdKind.WITHHELD: BlockKind.WITHHELD,
    CallerIdKind.PAYPHONE: BlockKind.PAYPHONE,
    CallerIdKind.UNAVAILABLE: BlockKind.UNAVAILABLE,
    # A service at the caller's side held the number back; that is not the caller's choice.
    CallerIdKind.INTERACTION: BlockKind.UNAVAILABLE,
}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """What is known of who calls. ``door_phone`` also by the line's option."""

    kind: CallerIdKind
    number: str | None
    internal: bool
    contact: Contact | None
    door_phone: bool


@dataclass(frozen=True, kw_only=True)
class ScreeningRules:
    """A line's rules. What a person said of a contact goes before all that is said of many."""

    numbers: NumberSet
    kinds: frozenset[BlockKind] = frozenset()
    unknown: bool = False
    do_not_disturb: bool = False
    treatment: Treatment = Treatment.REJECT
    unknown_treatment: Treatment = Treatment.REJECT
    status: int = DEFAULT_BLOCK_STATUS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ScreeningRules:
        """Return the rules that the options of a line set."""
        treatment = Treatment(options.get(CONF_BLOCK_TREATMENT, Treatment.REJECT))
        of_unknown = options.get(CONF_UNKNOWN_TREATMENT, AS_BLOCKED)
        return cls(
            numbers=NumberSet(options.get(CONF_BLOCKED_CALLERS, ())),
            kinds=frozenset(map(BlockKind, options.get(CONF_BLOCK_KINDS, ()))),
            unknown=options.get(CONF_BLOCK_UNKNOWN, False),
            do_not_disturb=options.get(CONF_DO_NOT_DISTURB, False),
            treatment=treatment,
            unknown_treatment=treatment if of_unknown == AS_BLOCKED else Treatment(of_unknown),
            status=int(options.get(CONF_BLOCK_STATUS, DEFAULT_BLOCK_STATUS)),
        )

    def judge(self, caller: Caller) -> Screening:
        """Return what becomes of a caller's call."""
        rule = caller.contact.ring_rule if caller.contact else RingRule.NORMAL
        if rule is RingRule.VIP or caller.door_phone:
            return RINGS
        if reason := self._blocks(caller, rule):
            unknown = reason is ScreeningReason.NOT_IN_CONTACTS
            treatment = self.unknown_treatment if unknown else self.treatment
            return Screening(treatment=treatment, reason=reason)
        if rule is RingRule.SILENT:
            return Screening(treatment=Treatment.QUIET, reason=ScreeningReason.CONTACT_SILENT)
        if self.do_not_disturb:
            return Screening(treatment=Treatment.QUIET, reason=ScreeningReason.DO_NOT_DISTURB)
        return RINGS

    def _blocks(self, caller: Caller, rule: RingRule) -> ScreeningReason | None:
        """Return why a caller is blocked, if that is so."""
        if caller.contact is not None:
            return ScreeningReason.CONTACT if rule is RingRule.BLOCK else None
        if caller.number and caller.number in self.numbers:
            return ScreeningReason.NUMBER
        if caller.internal:
            return None
        if (kind := _KINDS.get(caller.kind)) in self.kinds:
            return ScreeningReason(kind.value)
        from_abroad = caller.number is not None and caller.number.startswith(_ABROAD)
        if from_abroad and BlockKind.INTERNATIONAL in self.kinds:
            return ScreeningReason.INTERNATIONAL
        return ScreeningReason.NOT_IN_CONTACTS if self.unknown else None
