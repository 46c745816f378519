"""The cases of the verdict: data for the tests, and the tables of docs/compatibility.md.

``python -m tests.unit.compatibility.cases`` writes the tables into the page anew.
"""

from dataclasses import dataclass, field
from pathlib import Path

from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.compatibility import (
    CureCode,
    DialOptions,
    LineFacts,
    Outlook,
    ReasonCode,
    Region,
    Verdict,
    blocked,
    verdict,
)
from custom_components.hikari_denwa.telephony.experience import (
    Book,
    Experience,
    Outcome,
    Result,
    entered_book,
)
from custom_components.hikari_denwa.telephony.numbers import (
    CostClass,
    NumberKind,
    NumberReason,
    classify,
)
from custom_components.hikari_denwa.telephony.paths import (
    Environment,
    FamilyPath,
    Paths,
    Reach,
    SourceKind,
)

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
NOW = 1_800_000_000.0
DAY = 86400.0
OUTSIDE = "0312345678"
V4, V6 = Family.IPV4, Family.IPV6

BOOK = entered_book({"1": "analog", "4": "ipv4_only", "5": "ipv6_only", "6": "dual"})
"""Extension 3 is the line's own; nobody entered what 2 is."""


def path(family: Family, reach: Reach = Reach.SAME_LINK, **more: object) -> FamilyPath:
    """Return a path that works unless told otherwise."""
    kind = SourceKind.GLOBAL if family is V6 else SourceKind.PRIVATE
    told = {"source_kind": kind, "gateway_answers": True} | more
    return FamilyPath(family=family, reach=reach, **told)  # type: ignore[arg-type] # by field


NONE = {family: FamilyPath(family=family, reach=Reach.NONE) for family in Family}
BOTH = Paths(ipv6=path(V6), ipv4=path(V4))
ONLY_V6 = Paths(ipv6=path(V6), ipv4=NONE[V4])
ONLY_V4 = Paths(ipv6=NONE[V6], ipv4=path(V4))
NAT64 = Paths(
    ipv6=path(V6),
    ipv4=path(V4, Reach.TRANSLATED, source_kind=SourceKind.CLAT, gateway_answers=None),
    environment=Environment(nat64=True, clat=True),
)


def line(
    family: Family | None,
    *families: Family,
    shows: bool = False,
    others: tuple[LineFacts, ...] = (),
) -> LineFacts:
    """Return a line that is registered over a family and may use others."""
    return LineFacts(
        id="line",
        extension="3",
        family=family,
        families=frozenset({family, *families} - {None}),  # type: ignore[arg-type] # no None left
        shows_number=shows,
        others=others,
    )


SECOND_V4 = LineFacts(id="second", extension="7", family=V4, families=frozenset({V4}))
V4_LINE, V6_LINE = line(V4), line(V6)
DUAL_LINE = line(V6, V4)
DUAL_LINE_ON_V4 = line(V4, V6)
TWO_LINES = line(V6, others=(SECOND_V4,))


def outcome(
    family: Family,
    result: Result,
    *,
    number: str = OUTSIDE,
    kind: NumberKind = NumberKind.LANDLINE,
    days: float = 1,
    withheld: bool | None = None,
) -> Outcome:
    """Return an outcome of some days ago."""
    return Outcome(
        number=number, kind=kind, family=family, result=result, at=NOW - days * DAY,
        withheld=withheld,
    )  # fmt: skip


def past(*outcomes: Outcome) -> Experience:
    """Return the experience of these outcomes."""
    experience = Experience()
    for one in outcomes:
        experience = experience.add(one)
    return experience


REFUSED, REACHED = Result.FAMILY_REFUSED, Result.REACHED
TAUGHT_V4 = past(outcome(V6, REFUSED), outcome(V4, REACHED))
TAUGHT_V6 = past(outcome(V6, REACHED))
REFUSED_BOTH = past(outcome(V6, REFUSED), outcome(V4, REFUSED))
REFUSED_V6 = past(outcome(V6, REFUSED))
WITHHELD = past(outcome(V4, Result.WITHHELD_REFUSED))
WITHHELD_BY_184 = past(outcome(V4, Result.WITHHELD_REFUSED, withheld=True))
KIND_TAUGHT = past(
    *(
        outcome(family, result, number=f"031234000{last}")
        for last in range(3)
        for family, result in ((V6, REFUSED), (V4, REACHED))
    )
)
KIND_WORKED = past(*(outcome(V6, REACHED, number=f"031234000{last}") for last in range(3)))
PERSON = DialOptions(from_automation=False)
EMERGENCY_ON = DialOptions(emergency_enabled=True, from_automation=False)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A situation and its verdict. ``belief`` as in the facts: D, R, I, or ours."""

    name: str
    number: str = OUTSIDE
    line: LineFacts = V4_LINE
    paths: Paths = BOTH
    book: Book = BOOK
    experience: Experience = field(default_factory=Experience)
    region: Region = Region.EAST
    options: DialOptions = PERSON
    belief: str = "D"
    outlook: Outlook
    over: Family | None
    reasons: tuple[ReasonCode | NumberReason, ...]
    cures: tuple[CureCode, ...] = ()
    fallback: Family | None = None
    on: str = "line"

    def verdict(self) -> Verdict:
        """Return what the code says."""
        return verdict(
            classify(self.number, extensions=self.book.extensions | {"2", "3", "7"}),
            self.line,
            paths=self.paths,
            book=self.book,
            experience=self.experience,
            region=self.region,
            options=self.options,
            now=NOW,
        )


CALLEES = {
    "analog phone": ("1", Experience()),
    "IPv4 extension": ("4", Experience()),
    "IPv6 extension": ("5", Experience()),
    "dual extension": ("6", Experience()),
    "extension not in the book": ("2", Experience()),
    "outside, not known": (OUTSIDE, Experience()),
    "outside, refused IPv6, took IPv4": (OUTSIDE, TAUGHT_V4),
    "outside, took IPv6": (OUTSIDE, TAUGHT_V6),
}
LINES = {
    "IPv4 alone": (V4_LINE, ONLY_V4),
    "IPv6 alone": (V6_LINE, ONLY_V6),
    "both, registered over IPv6": (DUAL_LINE, BOTH),
    "both, registered over IPv4": (DUAL_LINE_ON_V4, BOTH),
    "IPv6, and a second line over IPv4": (TWO_LINES, BOTH),
}
CANNOT = (Outlook.CANNOT, None, None)
WORKS, LIKELY, UNCERTAIN = Outlook.WORKS, Outlook.LIKELY_WORKS, Outlook.UNCERTAIN
FAILS = Outlook.LIKELY_FAILS
MATRIX: dict[str, tuple[tuple[Outlook, Family | None, Family | None], ...]] = {
    "IPv4 alone": (
        (WORKS, V4, None),
        (WORKS, V4, None),
        CANNOT,
        (WORKS, V4, None),
        (LIKELY, V4, None),
        (WORKS, V4, None),
        (WORKS, V4, None),
        (WORKS, V4, None),
    ),
    "IPv6 alone": (
        CANNOT,
        CANNOT,
        (WORKS, V6, None),
        (WORKS, V6, None),
        (UNCERTAIN, V6, None),
        (UNCERTAIN, V6, None),
        (FAILS, V6, None),
        (WORKS, V6, None),
    ),
    "both, registered over IPv6": (
        (LIKELY, V4, None),
        (LIKELY, V4, None),
        (WORKS, V6, None),
        (WORKS, V6, V4),
        (LIKELY, V6, V4),
        (LIKELY, V6, V4),
        (LIKELY, V4, None),
        (WORKS, V6, V4),
    ),
    "both, registered over IPv4": (
        (WORKS, V4, None),
        (WORKS, V4, None),
        (LIKELY, V6, None),
        (WORKS, V4, V6),
        (LIKELY, V4, V6),
        (WORKS, V4, None),
        (WORKS, V4, None),
        (WORKS, V4, None),
    ),
    "IPv6, and a second line over IPv4": (
        (WORKS, V4, None),
        (WORKS, V4, None),
        (WORKS, V6, None),
        (WORKS, V6, V4),
        (LIKELY, V6, V4),
        (LIKELY, V6, V4),
        (WORKS, V4, None),
        (WORKS, V6, V4),
    ),
}
"""Outlook, family and family of the fallback for each line and callee, in the order of CALLEES."""

_R = ReasonCode
_C = CureCode
CASES = (
    Case(
        name="IPv4 through NAT64 does not help an IPv6 line to an analog phone",
        number="1",
        line=DUAL_LINE,
        paths=NAT64,
        belief="R",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.CALLEE_NEEDS_IPV4, _R.IPV4_TRANSLATED),
        cures=(_C.NATIVE_IPV4,),
    ),
    Case(
        name="A line that is registered through CLAT carries no sound",
        line=line(V4, V6),
        paths=Paths(ipv6=NONE[V6], ipv4=NAT64.ipv4),
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4, _R.IPV4_TRANSLATED),
        cures=(_C.NATIVE_IPV4,),
    ),
    Case(
        name="The owner allows IPv6 alone, and IPv4 would help",
        number="1",
        line=V6_LINE,
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.CALLEE_NEEDS_IPV4, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.ALLOW_FAMILY,),
    ),
    Case(
        name="IPv4 is there, and the gateway does not answer over it",
        number="1",
        line=DUAL_LINE,
        paths=Paths(ipv6=path(V6), ipv4=path(V4, gateway_answers=False)),
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.CALLEE_NEEDS_IPV4, _R.FAMILY_NO_ANSWER),
        cures=(_C.GIVE_FAMILY,),
    ),
    Case(
        name="Nobody has looked for IPv4 yet",
        line=DUAL_LINE,
        paths=Paths(ipv6=path(V6)),
        belief="R",
        outlook=UNCERTAIN,
        over=V6,
        reasons=(_R.OUTSIDE_OVER_IPV6, _R.FAMILY_NO_PATH),
        cures=(_C.GIVE_FAMILY,),
    ),
    Case(
        name="An outside number over IPv6, with IPv4 in reserve",
        line=DUAL_LINE,
        belief="R",
        outlook=LIKELY,
        over=V6,
        fallback=V4,
        reasons=(_R.OUTSIDE_OVER_IPV6, _R.FALLBACK_READY),
    ),
    Case(
        name="A refusal over IPv6 that got through over IPv4 teaches",
        line=DUAL_LINE,
        experience=TAUGHT_V4,
        belief="I",
        outlook=LIKELY,
        over=V4,
        reasons=(_R.WORKED_BEFORE,),
    ),
    Case(
        name="A refusal over both families does not teach",
        line=DUAL_LINE,
        experience=REFUSED_BOTH,
        belief="I",
        outlook=UNCERTAIN,
        over=V6,
        fallback=V4,
        reasons=(_R.REFUSED_OVER_BOTH,),
    ),
    Case(
        name="The same number was refused on an IPv6-only line before",
        line=V6_LINE,
        paths=ONLY_V6,
        experience=REFUSED_V6,
        belief="R",
        outlook=FAILS,
        over=V6,
        reasons=(_R.FAILED_BEFORE, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.ALLOW_FAMILY,),
    ),
    Case(
        name="What was half a year ago does not count",
        line=V6_LINE,
        paths=ONLY_V6,
        experience=past(outcome(V6, REFUSED, days=200), outcome(V4, REACHED, days=200)),
        belief="R",
        outlook=UNCERTAIN,
        over=V6,
        reasons=(_R.OUTSIDE_OVER_IPV6, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.ALLOW_FAMILY,),
    ),
    Case(
        name="Three landlines that refused IPv6 speak for the rest",
        line=DUAL_LINE,
        experience=KIND_TAUGHT,
        belief="I",
        outlook=LIKELY,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4,),
    ),
    Case(
        name="And on an IPv6-only line",
        line=V6_LINE,
        paths=ONLY_V6,
        experience=KIND_TAUGHT,
        belief="I",
        outlook=FAILS,
        over=V6,
        reasons=(_R.KIND_FAILED_BEFORE, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.ALLOW_FAMILY,),
    ),
    Case(
        name="Three landlines that took IPv6 speak for the rest",
        line=V6_LINE,
        paths=ONLY_V6,
        experience=KIND_WORKED,
        belief="I",
        outlook=LIKELY,
        over=V6,
        reasons=(_R.KIND_WORKED_BEFORE,),
    ),
    Case(
        name="The source address is of an old prefix",
        line=V6_LINE,
        paths=Paths(ipv6=path(V6, source_kind=SourceKind.DEPRECATED), ipv4=NONE[V4]),
        experience=TAUGHT_V6,
        belief="R",
        outlook=UNCERTAIN,
        over=V6,
        reasons=(_R.WORKED_BEFORE, _R.SOURCE_DEPRECATED),
        cures=(_C.RENEW_ADDRESS,),
    ),
    Case(
        name="The source address is of an old prefix, which no 488 would tell, and IPv4 is there",
        line=DUAL_LINE,
        paths=Paths(ipv6=path(V6, source_kind=SourceKind.DEPRECATED), ipv4=path(V4)),
        belief="R",
        outlook=LIKELY,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4,),
    ),
    Case(
        name="Docker's bridge network",
        paths=Paths(ipv4=path(V4, Reach.ROUTED), environment=Environment(docker_bridge=True)),
        belief="R",
        outlook=UNCERTAIN,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4, _R.DOCKER_BRIDGE),
        cures=(_C.HOST_NETWORK,),
    ),
    Case(
        name="The way to the gateway is gone",
        paths=ONLY_V6,
        outlook=FAILS,
        over=V4,
        belief="ours",
        reasons=(_R.NETWORK_TAKES_IPV4, _R.FAMILY_NO_PATH),
    ),
    Case(
        name="Not registered",
        line=line(None, V4, V6),
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.LINE_NOT_REGISTERED,),
        cures=(_C.CHECK_REGISTRATION,),
    ),
    Case(
        name="Not registered, and a second line is",
        line=line(None, V4, V6, others=(SECOND_V4,)),
        belief="ours",
        outlook=WORKS,
        over=V4,
        on="second",
        reasons=(_R.NETWORK_TAKES_IPV4, _R.OTHER_LINE),
    ),
    Case(
        name="Its own extension",
        number="3",
        belief="I",
        book=entered_book({"3": "dual"}),
        outlook=FAILS,
        over=V4,
        reasons=(_R.CALLEE_TAKES_FAMILY, _R.OWN_EXTENSION),
    ),
    Case(
        name="110 over IPv4 in the East",
        number="110",
        options=EMERGENCY_ON,
        outlook=LIKELY,
        over=V4,
        reasons=(_R.EMERGENCY_NOT_RELIABLE,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="110 over IPv6 alone in the East",
        number="110",
        line=V6_LINE,
        paths=ONLY_V6,
        options=EMERGENCY_ON,
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.EMERGENCY_NEEDS_IPV4, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.USE_TELEPHONE, _C.ALLOW_FAMILY),
    ),
    Case(
        name="110 from a line with both in the East",
        number="110",
        line=DUAL_LINE,
        options=EMERGENCY_ON,
        outlook=LIKELY,
        over=V4,
        reasons=(_R.EMERGENCY_NOT_RELIABLE,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="110 over IPv6 alone in the West",
        number="110",
        line=V6_LINE,
        paths=ONLY_V6,
        region=Region.WEST,
        options=EMERGENCY_ON,
        outlook=UNCERTAIN,
        over=V6,
        reasons=(_R.EMERGENCY_PREFERS_IPV4, _R.EMERGENCY_NOT_RELIABLE, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.USE_TELEPHONE, _C.ALLOW_FAMILY),
    ),
    Case(
        name="110 from a line with both in the West",
        number="110",
        line=DUAL_LINE,
        region=Region.WEST,
        options=EMERGENCY_ON,
        outlook=LIKELY,
        over=V4,
        fallback=V6,
        reasons=(_R.EMERGENCY_NOT_RELIABLE,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="119 over IPv6 alone, region not known",
        number="119",
        line=V6_LINE,
        paths=ONLY_V6,
        region=Region.UNKNOWN,
        options=EMERGENCY_ON,
        outlook=FAILS,
        over=V6,
        reasons=(_R.EMERGENCY_REGION_UNKNOWN, _R.EMERGENCY_NOT_RELIABLE, _R.FAMILY_NOT_ALLOWED),
        cures=(_C.USE_TELEPHONE, _C.ENTER_REGION, _C.ALLOW_FAMILY),
    ),
    Case(
        name="Emergency dialling is off",
        number="184 119",
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.EMERGENCY_OFF,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="Emergency dialling is on, and an automation dials",
        number="118",
        options=DialOptions(emergency_enabled=True),
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.EMERGENCY_FROM_AUTOMATION,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="A premium number",
        number="0990-512-345",
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.COST_NOT_ALLOWED,),
        cures=(_C.ALLOW_COST,),
    ),
    Case(
        name="A premium number by way of another country",
        number="010 81 990 512 345",
        options=DialOptions(
            allowed_costs=frozenset(CostClass) - {CostClass.PREMIUM}, from_automation=False
        ),
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.COST_NOT_ALLOWED,),
        cures=(_C.ALLOW_COST,),
    ),
    Case(
        name="Abroad, allowed",
        number="+1 212-555-0100",
        options=DialOptions(allowed_costs=frozenset(CostClass), from_automation=False),
        outlook=WORKS,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4,),
    ),
    Case(
        name="A blocked number behind 186",
        number="186-03-1234-5678",
        options=DialOptions(blocked_numbers=blocked(["+81 3 1234 5678"])),
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.NUMBER_BLOCKED,),
        cures=(_C.UNBLOCK,),
    ),
    Case(
        name="A blocked number without its area code",
        number="3123-4567",
        options=DialOptions(blocked_numbers=blocked(["03-3123-4567"])),
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(_R.NUMBER_BLOCKED,),
        cures=(_C.UNBLOCK,),
    ),
    Case(
        name="A number without its area code",
        number="3456-7890",
        belief="R",
        outlook=LIKELY,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4, NumberReason.AREA_CODE_MISSING),
        cures=(_C.ADD_AREA_CODE,),
    ),
    Case(
        name="A carrier code",
        number="0033-1-212-555-0100",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(NumberReason.CARRIER_SELECT,),
        cures=(_C.INTERNATIONAL_PREFIX,),
    ),
    Case(
        name="A service that Hikari Denwa does not have",
        number="136",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(NumberReason.NOT_OFFERED,),
        cures=(_C.USE_TELEPHONE,),
    ),
    Case(
        name="Not a number",
        number="home",
        belief="ours",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(NumberReason.INVALID,),
        cures=(_C.CORRECT_NUMBER,),
    ),
    Case(
        name="Digits are missing",
        number="03-1234-567",
        outlook=Outlook.CANNOT,
        over=None,
        reasons=(NumberReason.TOO_SHORT,),
        cures=(_C.CORRECT_NUMBER,),
    ),
    Case(
        name="The callee refuses withheld numbers",
        experience=WITHHELD,
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
        cures=(_C.SHOW_NUMBER,),
    ),
    Case(
        name="And the caller allows 186 after a refusal",
        experience=WITHHELD,
        options=DialOptions(show_number_on_refusal=True, from_automation=False),
        belief="R",
        outlook=LIKELY,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
    ),
    Case(
        name="And the caller dials 184",
        number=f"184{OUTSIDE}",
        experience=WITHHELD,
        options=DialOptions(show_number_on_refusal=True, from_automation=False),
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
        cures=(_C.SHOW_NUMBER,),
    ),
    Case(
        name="The line shows its number, and was refused all the same",
        line=line(V4, shows=True),
        experience=WITHHELD,
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
        cures=(_C.SHOW_NUMBER,),
    ),
    Case(
        name="The line shows its number, and 184 was refused",
        line=line(V4, shows=True),
        experience=WITHHELD_BY_184,
        belief="R",
        outlook=WORKS,
        over=V4,
        reasons=(_R.WORKED_BEFORE,),
    ),
    Case(
        name="And 184 is dialled again",
        number=f"184{OUTSIDE}",
        line=line(V4, shows=True),
        experience=WITHHELD_BY_184,
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
        cures=(_C.SHOW_NUMBER,),
    ),
    Case(
        name="A line of which nobody knows whether it shows its number, and 184 was refused",
        experience=WITHHELD_BY_184,
        belief="R",
        outlook=FAILS,
        over=V4,
        reasons=(_R.WORKED_BEFORE, _R.WITHHELD_REFUSED_BEFORE),
        cures=(_C.SHOW_NUMBER,),
    ),
    Case(
        name="A range that nobody has",
        number="030-1234-567",
        options=DialOptions(allowed_costs=frozenset(CostClass), from_automation=False),
        belief="ours",
        outlook=FAILS,
        over=V4,
        reasons=(_R.NETWORK_TAKES_IPV4, NumberReason.NOT_ALLOCATED),
        cures=(_C.CORRECT_NUMBER,),
    ),
)


def matrix_rows() -> dict[str, tuple[Verdict, ...]]:
    """Return the verdict of each cell of the family matrix."""
    return {
        name: tuple(
            Case(
                name=name,
                number=number,
                line=facts,
                paths=paths,
                experience=experience,
                outlook=Outlook.CANNOT,
                over=None,
                reasons=(),
            ).verdict()
            for number, experience in CALLEES.values()
        )
        for name, (facts, paths) in LINES.items()
    }


def matrix_markdown() -> str:
    """Return the family matrix as a table, from what the code says."""
    rows = [["Callee \\ line", *LINES], ["---"] * (len(LINES) + 1)]
    columns = [[_cell(verdict) for verdict in row] for row in matrix_rows().values()]
    rows += [[callee, *cells] for callee, *cells in zip(CALLEES, *columns, strict=True)]
    return _table(rows)


def cases_markdown() -> str:
    """Return the cases as a table, from what the code says."""
    rows = [["Case", "Number", "Outlook", "Over", "Reasons", "Cures", "Rests on"], ["---"] * 7]
    for case in CASES:
        said = case.verdict()
        rows.append(
            [
                case.name,
                f"`{case.number}`",
                f"`{said.outlook}`",
                _over(said) or "–",
                " ".join(f"`{reason.code}`" for reason in said.reasons),
                " ".join(f"`{cure.code}`" for cure in said.cures) or "–",
                case.belief,
            ]
        )
    return _table(rows)


def page(text: str) -> str:
    """Return the page with its tables made anew."""
    for name, table in (("matrix", matrix_markdown()), ("cases", cases_markdown())):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        text = f"{before}{begin}{table}\n{end}{after}"
    return text


def _cell(said: Verdict) -> str:
    """Write one cell of the matrix."""
    return f"{said.outlook.replace('_', ' ')}{f': {over}' if (over := _over(said)) else ''}"


def _over(said: Verdict) -> str:
    """Write the families of the attempts."""
    if said.first is None:
        return ""
    names = {V4: "IPv4", V6: "IPv6"}
    first = names[said.first.family] + (" (second line)" if said.first.line == "second" else "")
    return f"{first}, then {names[said.fallback.family]}" if said.fallback else first


def _table(rows: list[list[str]]) -> str:
    """Write rows as a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
