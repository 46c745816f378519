"""What is wrong with the way to a gateway, found from facts, and shown as long as it is so."""

from collections.abc import Mapping
from enum import StrEnum

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from .const import CONF_GATEWAY, DOMAIN
from .exceptions import FAMILY_NAMES
from .line import HikariConfigEntry, Line
from .telephony.address import literal_family
from .telephony.calls import Family
from .telephony.compatibility import carries_sip, is_translated
from .telephony.errors import (
    GatewayRenumberedError,
    OnlyIPv4AnswersError,
    OnlyIPv6AnswersError,
    TelephonyError,
)
from .telephony.experience import Experience, Lesson
from .telephony.paths import FamilyPath


class Problem(StrEnum):
    """A problem that has a cure; each is a key of the translations."""

    CALLS_NEED_IPV4 = "calls_need_ipv4"
    IPV4_TRANSLATED = "ipv4_only_translated"
    OTHER_FAMILY_ANSWERS = "other_family_answers"
    PREFIX_CHANGED = "prefix_changed"
    DOCKER_NETWORK = "docker_network"


type Found = Mapping[Problem, Mapping[str, str]]

FIXABLE = frozenset({Problem.CALLS_NEED_IPV4, Problem.OTHER_FAMILY_ANSWERS, Problem.PREFIX_CHANGED})
_OF_REGISTRATION = (Problem.OTHER_FAMILY_ANSWERS, Problem.PREFIX_CHANGED)
_REFUSED = frozenset({Lesson.ALONE_REFUSED, Lesson.FAILED})


@callback
def async_watch(hass: HomeAssistant, entry: HikariConfigEntry) -> None:
    """Show a line's problems from now on, until it is unloaded."""
    line = entry.runtime_data

    @callback
    def look() -> None:
        """Show what there is now, and no more what there was."""
        _show(hass, entry, {**of_line(line), **of_error(line.state.error)}, tuple(Problem))

    entry.async_on_unload(line.subscribe(look))
    entry.async_on_unload(line.dialler.subscribe(look))
    look()


@callback
def async_note_failure(hass: HomeAssistant, entry: ConfigEntry, error: TelephonyError) -> None:
    """Show what kept a line from being set up, if it is a problem that has a cure."""
    _show(hass, entry, of_error(error), _OF_REGISTRATION)


@callback
def async_clear(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Show nothing of a line that is not there any more."""
    _show(hass, entry, {}, tuple(Problem))


def of_error(error: TelephonyError | None) -> dict[Problem, dict[str, str]]:
    """Return the problem behind a registration that failed, with the words of its sentence."""
    match error:
        case GatewayRenumberedError():
            return {Problem.PREFIX_CHANGED: dict(error.placeholders)}
        case OnlyIPv4AnswersError():
            return {Problem.OTHER_FAMILY_ANSWERS: _families(Family.IPV6, Family.IPV4)}
        case OnlyIPv6AnswersError():
            return {Problem.OTHER_FAMILY_ANSWERS: _families(Family.IPV4, Family.IPV6)}
    return {}


def of_line(line: Line) -> dict[Problem, dict[str, str]]:
    """Return what is wrong with a line's paths, as far as it is known."""
    paths, dialler = line.state.paths, line.dialler
    found: dict[Problem, dict[str, str]] = {}
    if paths.environment.docker_bridge:
        found[Problem.DOCKER_NETWORK] = {}
    if prefix := _new_prefix(line):
        found[Problem.PREFIX_CHANGED] = {
            "address": line.entry.data[CONF_GATEWAY],
            "prefix": prefix,
        }
    if paths.ipv4 is not None and is_translated(paths.ipv4):
        found[Problem.IPV4_TRANSLATED] = {}
    elif _needs_ipv4(line) and (dialler.missed_ipv4 or _refused_over_ipv6(dialler.experience)):
        found[Problem.CALLS_NEED_IPV4] = {}
    return found


def _new_prefix(line: Line) -> str | None:
    """Return the prefix of a network that has left a line's address behind, if IPv4 serves it."""
    if literal_family(line.entry.data[CONF_GATEWAY]) is not Family.IPV6:
        return None
    uses_ipv6 = Family.IPV6 in line.dialler.own_facts.families
    return line.state.paths.environment.new_prefix if uses_ipv6 else None


def _needs_ipv4(line: Line) -> bool:
    """Tell whether a line stands on IPv6, and nothing leads over IPv4."""
    facts = line.dialler.facts
    if facts.family is not Family.IPV6:
        return False
    if any(other.family is Family.IPV4 for other in facts.others):
        return False
    path: FamilyPath | None = line.state.paths.ipv4
    return Family.IPV4 not in facts.families or (path is not None and not carries_sip(path))


def _refused_over_ipv6(experience: Experience) -> bool:
    """Tell whether somebody could not be reached over IPv6."""
    now = dt_util.utcnow().timestamp()
    return any(
        experience.lesson(number, Family.IPV6, now) in _REFUSED for number in experience.outcomes
    )


def _families(silent: Family, answering: Family) -> dict[str, str]:
    """Return the names of the families of a sentence."""
    return {"family": FAMILY_NAMES[silent], "other_family": FAMILY_NAMES[answering]}


def _show(
    hass: HomeAssistant, entry: ConfigEntry, found: Found, kinds: tuple[Problem, ...]
) -> None:
    """Show the problems of these kinds that were found, and none of the others."""
    for problem in kinds:
        issue = f"{problem}_{entry.entry_id}"
        if problem not in found:
            ir.async_delete_issue(hass, DOMAIN, issue)
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue,
            data={"entry_id": entry.entry_id, "problem": problem.value, **found[problem]},
            is_fixable=problem in FIXABLE,
            severity=ir.IssueSeverity.WARNING,
            translation_key=problem.value,
            translation_placeholders={"line": entry.title, **found[problem]},
        )
