"""Places calls as the verdict says, and once more over the other way where that may help."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from homeassistant.const import CONF_PORT
from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .calls import Call, CallAttempt
from .const import (
    CONF_EXTENSION,
    CONF_FAMILY,
    CONF_GATEWAY,
    CONF_SECOND_GATEWAY,
    DEFAULT_PORT,
    DOMAIN,
)
from .experience_store import experience_store, gateway_key
from .options import DiallingOptions
from .telephony.calls import CallState, Ending, Family
from .telephony.compatibility import (
    SHOW_NUMBER,
    Attempt,
    DialOptions,
    LineFacts,
    Outlook,
    Region,
    Tried,
    Verdict,
    forbidden,
    next_attempt,
    verdict,
)
from .telephony.engine.protocol import CallEvent, CallProgress, FamilyChoice
from .telephony.errors import (
    CalleeNeedsIPv4Error,
    EmergencyNeedsIPv4Error,
    FamilyMissingError,
    LineBusyError,
    LineNotRegisteredError,
    RegistrationError,
    TelephonyError,
)
from .telephony.experience import (
    Book,
    Experience,
    Outcome,
    Result,
    corrected_book,
    result_of,
)
from .telephony.numbers import DialledNumber, NumberKind, classify
from .telephony.paths import Paths

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

REMEMBERED_ATTEMPTS = 20
_RINGING = 180
_HIDE_NUMBER = "184"
_EAST, _WEST = "ntt-east.ne.jp", "ntt-west.ne.jp"


@dataclass(kw_only=True)
class _Dialling:
    """A call that is being placed: what was decided, and how far it came."""

    verdict: Verdict
    options: DialOptions
    current: Attempt
    tried: list[Tried] = field(default_factory=list)
    began: float = 0.0
    rang: bool = False
    learnt: bool = False
    on_the_wire: bool = False
    given_up: bool = False


@dataclass(frozen=True, kw_only=True)
class AttemptNote:
    """An attempt as it is remembered for who helps."""

    at: datetime
    number: DialledNumber
    outlook: Outlook
    moved: bool
    attempt: CallAttempt


class Dialler:
    """Decides how a line's calls are placed, places them, and learns from what becomes of them.

    No third INVITE is ever sent for a call, none that the owner's guard forbids, and none at
    all once the user has given the call up.
    """

    def __init__(self, line: Line) -> None:
        """Take the line whose calls these are."""
        self.options = DiallingOptions.read(line.entry.options)
        self.missed_ipv4 = False
        self.notes: deque[AttemptNote] = deque(maxlen=REMEMBERED_ATTEMPTS)
        self._line = line
        self._gateway = gateway_key(line.entry)
        self._store = experience_store(line.hass)
        self._turn = asyncio.Lock()
        self._calls: dict[str, _Dialling] = {}
        self._home_family: Family | None = None
        self._book: tuple[Experience, Book] | None = None
        self._closed = False

    @property
    def experience(self) -> Experience:
        """Return what calls to this gateway taught."""
        return self._store.of(self._gateway)

    @property
    def book(self) -> Book:
        """Return the gateway's extensions as the owner entered and calls corrected them."""
        experience = self.experience
        if self._book is None or self._book[0] is not experience:
            book = corrected_book(self.options.book, experience, _now())
            self._book = (experience, book)
        return self._book[1]

    @property
    def region(self) -> Region:
        """Return whose gateway it is: as entered, else by the domain that it names."""
        return self.options.region or region_of(self._line.state.domain)

    @property
    def facts(self) -> LineFacts:
        """Return what the line can do now, and which others of its gateway are free."""
        others = tuple(other.dialler.own_facts for other in self._others())
        return replace(self.own_facts, others=others)

    @property
    def own_facts(self) -> LineFacts:
        """Return what the line can do by itself."""
        state = self._line.state
        choice = FamilyChoice(self._line.entry.data.get(CONF_FAMILY, FamilyChoice.AUTOMATIC))
        return LineFacts(
            id=self._line.id,
            extension=self._line.entry.data[CONF_EXTENSION],
            family=state.family if state.registered else None,
            families=frozenset(
                family
                for family in Family
                if choice is FamilyChoice.AUTOMATIC or choice.value == family.value
            ),
            shows_number=self.options.shows_number,
        )

    @callback
    def subscribe(self, listener: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Call the listener when what calls taught has changed; returns how to stop that."""
        return self._store.subscribe(listener)

    def classify(self, number: str) -> DialledNumber:
        """Return what a number is, seen from this line."""
        return classify(number, extensions=self.book.extensions, area_code=self.options.area_code)

    def verdict(self, number: str, *, person: bool = False, show_number: bool = False) -> Verdict:
        """Return how a call to what a person wrote would fare now. Never raises."""
        options = self._options(number, person=person, show_number=show_number)
        return self._judge(number, options, self._line.state.paths)

    def _options(self, number: str, *, person: bool, show_number: bool) -> DialOptions:
        """Return what a call may do; a contact may permit that the number is shown to it."""
        contact = self._line.contact(self.classify(number).national)
        permitted = show_number or (contact is not None and contact.show_number)
        return self.options.of_call(person=person, show_number=permitted)

    def forget(self, number: str | None = None) -> int:
        """Forget what calls to a number taught, or all; returns how many numbers were known."""
        national = self.classify(number).national if number is not None else None
        return self._store.forget(self._gateway, national)

    async def async_dial(
        self, number: str, *, person: bool = False, show_number: bool = False
    ) -> Call:
        """Place a call; returns it when its first INVITE is sent.

        Raises why it cannot be placed, and what the engine answers.
        """
        options = self._options(number, person=person, show_number=show_number)
        try:
            async with self._turn:
                judged = self._judge(number, options, self._line.state.paths)
                dialling = self._begin(judged, options)
                # Only for a call that may be placed is a caller sent away.
                await self._line.doorkeeper.async_make_way()
                if dialling.current.moves_registration:
                    dialling = await self._move_first(number, dialling)
                return await self._place(dialling)
        finally:
            self._go_home()

    @callback
    def heard(self, event: CallEvent) -> None:
        """Hear what happens to a call: that it rings there."""
        if isinstance(event, CallProgress) and (dialling := self._calls.get(event.call)):
            dialling.rang = dialling.rang or event.status == _RINGING

    @callback
    def connected(self, call: Call) -> Call:
        """Learn from a call that was answered; returns it with its attempt finished."""
        if (dialling := self._calls.get(call.id)) is None:
            return call
        self._learn(dialling, Result.REACHED)
        return self._noted(call, dialling, None)

    @callback
    def finished(self, call: Call, ending: Ending) -> Call:
        """Learn from an attempt that is over; returns the call with that attempt finished."""
        dialling = self._calls.get(call.id)
        if dialling is None or call.state is not CallState.DIALING:
            return call
        dialling.on_the_wire = False
        self._learn(dialling, result_of(ending.status, rang=dialling.rang))
        dialling.tried.append(Tried(attempt=dialling.current, status=ending.status))
        return self._noted(call, dialling, ending)

    @callback
    def goes_on(self, call: Call, ending: Ending) -> bool:
        """Begin the next attempt of a call if there is to be one; tells whether there is."""
        dialling = self._calls.get(call.id)
        if dialling is None or dialling.given_up or call.state is not CallState.DIALING:
            return False
        following = next_attempt(dialling.verdict, dialling.tried)
        if following is None:
            return False
        dialling.current = following
        dialling.rang = dialling.learnt = False
        self._line.entry.async_create_task(
            self._line.hass, self._go_on(call, dialling, ending), f"{DOMAIN} dial once more"
        )
        return True

    @callback
    def give_up(self, call: Call) -> bool:
        """Note that the user wants no more of a call; tells whether no INVITE of it is out."""
        dialling = self._calls.get(call.id)
        if dialling is None:
            return False
        dialling.given_up = True
        return not dialling.on_the_wire

    @callback
    def ended(self, call: Call) -> None:
        """Hear that a call is over, and bring the registration home if it was moved for it."""
        if dialling := self._calls.pop(call.id, None):
            dialling.given_up = True
        self._go_home()

    @callback
    def close(self) -> None:
        """Move the registration no more: the line is taken down."""
        self._closed = True

    @callback
    def borrowed_calls(self) -> Iterator[str]:
        """Give the calls that go out over another line, which does not end them with this one."""
        for call, dialling in self._calls.items():
            if dialling.on_the_wire and dialling.current.line != self._line.id:
                yield call

    def _judge(self, number: str, options: DialOptions, paths: Paths) -> Verdict:
        """Return the verdict for who asks."""
        return verdict(
            self.classify(number),
            self.facts,
            paths=paths,
            book=self.book,
            experience=self.experience,
            region=self.region,
            options=options,
            now=_now(),
        )

    def _begin(self, judged: Verdict, options: DialOptions) -> _Dialling:
        """Begin with the first attempt of a verdict. Raises why there is none."""
        if error := judged.error():
            if isinstance(error, CalleeNeedsIPv4Error | EmergencyNeedsIPv4Error):
                self.missed_ipv4 = True
                self._line.refresh()
            raise error
        first = next_attempt(judged, ())
        if first is None:
            raise LineNotRegisteredError
        _LOGGER.debug(
            "Line %s dials a number of kind %s: %s, %s",
            self._line.entry.title,
            judged.number.kind,
            judged.outlook,
            ", ".join(reason.code for reason in judged.reasons),
        )
        return _Dialling(verdict=judged, options=options, current=first)

    async def _move_first(self, number: str, dialling: _Dialling) -> _Dialling:
        """Move the registration for a first attempt; where that fails, judge anew without."""
        if self._line.state.call is not None:
            raise LineBusyError
        family = dialling.current.family
        try:
            await self._move(family)
        except (RegistrationError, FamilyMissingError) as error:
            _LOGGER.info("Line %s cannot be moved to %s: %s", self._line.entry.title, family, error)
            paths = _without(self._line.state.paths, family)
            return self._begin(self._judge(number, dialling.options, paths), dialling.options)
        return dialling

    async def _place(self, dialling: _Dialling, call: Call | None = None) -> Call:
        """Send the INVITE of the attempt that is next, the last look of the guard before it."""
        attempt = dialling.current
        number = self.classify(attempt.digits)
        if reason := forbidden(number, dialling.options):
            raise TelephonyError.of_reason(reason.code, reason.placeholders)
        dialling.began = time.monotonic()

        def placed(call: Call) -> None:
            """Know the call before anything is told of it."""
            if not dialling.given_up:
                dialling.on_the_wire = True
                self._calls[call.id] = dialling

        return await self._line.async_place(
            attempt,
            CallAttempt(
                family=attempt.family,
                line=self._title(attempt.line),
                shows_number=number.prefix == SHOW_NUMBER
                or (number.prefix is None and self.options.shows_number),
            ),
            mu_law_only=number.kind is NumberKind.EMERGENCY,
            placed=placed,
            continues=call,
        )

    async def _go_on(self, call: Call, dialling: _Dialling, ending: Ending) -> None:
        """Send the second INVITE of a call; where that fails, the first one's end is the call's."""
        asked = False
        try:
            async with self._turn:
                if dialling.current.moves_registration and not dialling.given_up:
                    await self._move(dialling.current.family)
                if dialling.given_up:
                    return
                asked = True
                await self._place(dialling, call)
        except TelephonyError as error:
            _LOGGER.info(
                "Call %s on line %s is not tried again: %s", call.id, self._line.entry.title, error
            )
        except Exception:
            _LOGGER.exception(
                "Call %s on line %s could not be tried again", call.id, self._line.entry.title
            )
        finally:
            # Nothing else would ever end a call of which no INVITE is out.
            if not dialling.on_the_wire and not dialling.given_up:
                self._line.end_call(call, ending)
            if asked and dialling.given_up:
                self._withdraw(call)
            self._go_home()

    def _withdraw(self, call: Call) -> None:
        """Have an INVITE cancelled that may be out though nobody wants it any more."""

        async def hang_up() -> None:
            with suppress(TelephonyError):
                await self._line.client.hang_up(call.id)

        self._line.entry.async_create_background_task(
            self._line.hass, hang_up(), f"{DOMAIN} cancel {call.id}"
        )

    def _go_home(self) -> None:
        """Have the registration brought back if it was moved and no call needs it there."""
        if self._home_family is not None and not self._calls and not self._closed:
            self._line.entry.async_create_background_task(
                self._line.hass, self._move_home(), f"{DOMAIN} move home"
            )

    async def _move(self, family: Family) -> None:
        """Register the line over a family; what it had before is remembered as its home."""
        home = self._line.state.family
        await self._line.client.move_line(self._line.id, family)
        if self._home_family is None:
            self._home_family = home
        if self._home_family is family:
            self._home_family = None

    async def _move_home(self) -> None:
        """Bring the registration back, once; if that fails, it serves where it is."""
        async with self._turn:
            home = self._home_family
            if home is None or self._calls or self._line.state.call is not None:
                return
            self._home_family = None
            try:
                await self._line.client.move_line(self._line.id, home)
            except TelephonyError as error:
                _LOGGER.info("Line %s stays where it is: %s", self._line.entry.title, error)

    def _learn(self, dialling: _Dialling, result: Result) -> None:
        """Keep what an attempt tells of the callee, once."""
        number = self.classify(dialling.current.digits)
        if dialling.learnt or result is Result.OTHER or number.kind is NumberKind.EMERGENCY:
            return
        dialling.learnt = True
        self._store.note(
            self._gateway,
            Outcome(
                number=number.national,
                kind=number.kind,
                family=dialling.current.family,
                result=result,
                at=_now(),
                withheld={_HIDE_NUMBER: True, SHOW_NUMBER: False}.get(number.prefix or ""),
            ),
        )

    def _noted(self, call: Call, dialling: _Dialling, ending: Ending | None) -> Call:
        """Return a call with what became of its last attempt, and remember and log that."""
        *before, last = call.attempts
        milliseconds = round(1000 * (time.monotonic() - dialling.began), 1)
        done = replace(last, milliseconds=milliseconds, ending=ending)
        self.notes.append(
            AttemptNote(
                at=dt_util.utcnow(),
                number=dialling.verdict.number,
                outlook=dialling.verdict.outlook,
                moved=dialling.current.moves_registration,
                attempt=done,
            )
        )
        _LOGGER.info(
            "Call %s on line %s, attempt %d over %s: %s%s after %.0f ms",
            call.id,
            self._line.entry.title,
            len(call.attempts),
            done.family,
            (ending.status or ending.reason) if ending else "answered",
            f" (Warning {ending.warning})" if ending and ending.warning else "",
            milliseconds,
        )
        return replace(call, attempts=(*before, done))

    def _others(self) -> Iterator[Line]:
        """Give the free lines of the same gateway."""
        ours = _addresses(self._line)
        for entry in self._line.hass.config_entries.async_loaded_entries(DOMAIN):
            other: Line = entry.runtime_data
            if (
                other is not self._line
                and other.client is self._line.client
                and other.state.registered
                and other.state.call is None
                and _port(other) == _port(self._line)
                and ours & _addresses(other)
            ):
                yield other

    def _title(self, line: str) -> str:
        """Return what a line is called."""
        entry = self._line.hass.config_entries.async_get_entry(line)
        return entry.title if entry else line


async def async_is_person(hass: HomeAssistant, context: Context | None) -> bool:
    """Tell whether a person asks: logged in, and with no automation or script in between.

    What cannot be told counts as an automation. So do system users (add-ons).
    """
    if context is None or context.user_id is None or context.parent_id is not None:
        return False
    user = await hass.auth.async_get_user(context.user_id)
    return user is not None and user.is_active and not user.system_generated


def region_of(domain: str | None) -> Region:
    """Return the region that a SIP domain belongs to."""
    name = f".{(domain or '').lower().rstrip('.')}"
    if name.endswith(f".{_EAST}"):
        return Region.EAST
    return Region.WEST if name.endswith(f".{_WEST}") else Region.UNKNOWN


def _addresses(line: Line) -> frozenset[str]:
    """Return all addresses that are known of a line's gateway."""
    known = (
        line.entry.data[CONF_GATEWAY],
        line.entry.options.get(CONF_SECOND_GATEWAY),
        line.state.gateway_address,
    )
    return frozenset(filter(None, known))


def _port(line: Line) -> int:
    """Return the port of a line's gateway."""
    port: int = line.entry.data.get(CONF_PORT, DEFAULT_PORT)
    return port


def _without(paths: Paths, family: Family) -> Paths:
    """Return paths as they are when the gateway does not answer over a family."""
    path = paths.of(family)
    silent = replace(path, gateway_answers=False) if path else None
    return replace(paths, ipv6=silent) if family is Family.IPV6 else replace(paths, ipv4=silent)


def _now() -> float:
    """Return the Unix time."""
    return dt_util.utcnow().timestamp()
