"""A line: one registration at the gateway with its calls. Everything is pushed to it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PASSWORD, CONF_PORT
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util import dt as dt_util

from .address_book import address_book
from .answering import AnsweringMachine
from .auto_answer import DEFAULT_AUTO_ANSWER_AFTER, AutoAnswer
from .call_log import CallLog, LogFilter, LoggedCall, LogLimits
from .calls import FAILURES, Call, CallAttempt, CallEventType, CallUpdate
from .const import (
    ASSIST_PLATFORM,
    CONF_ASSIST,
    CONF_AUTO_ANSWER,
    CONF_AUTO_ANSWER_AFTER,
    CONF_CALL_WAITING,
    CONF_CODECS,
    CONF_DOOR_PHONES,
    CONF_EXTENSION,
    CONF_FAMILY,
    CONF_GATEWAY,
    CONF_SECOND_GATEWAY,
    CONF_USER_ID,
    DEFAULT_PORT,
    DOMAIN,
    PLATFORMS,
)
from .contacts import Contact, RingRule
from .dialling import Dialler
from .doorkeeper import Doorkeeper
from .http import LiveStream, LiveStreams, StreamKind
from .listening import Listening
from .playback import LinePlayer, Playback, PlaybackEnd
from .recorder import Recorder
from .recordings import Recording, RecordingKind
from .ringing import Ringing
from .screening import RINGS, Caller, Screening, ScreeningReason, ScreeningRules, Treatment
from .sound import CallSound
from .telephony.calls import (
    CallDirection,
    CallState,
    Ending,
    EndReason,
    Family,
)
from .telephony.compatibility import Attempt
from .telephony.engine.client import EngineClient
from .telephony.engine.protocol import (
    CallConnected,
    CallEnded,
    CallEvent,
    CallHeld,
    CallIncoming,
    CallQuality,
    Dialled,
    DtmfReceived,
    FamilyChoice,
    LineConfig,
    PathsChanged,
    RegistrationChanged,
    RegistrationState,
    SoundCodec,
    SoundFrame,
    SoundPlayed,
    SoundQuality,
)
from .telephony.errors import (
    CallNotConnectedError,
    CallNotRingingError,
    CallUnknownError,
    EngineLostError,
    GatewaySilentError,
    LineBusyError,
    TelephonyError,
)
from .telephony.paths import Paths

_LOGGER = logging.getLogger(__name__)

FIRST_REGISTRATION_SECONDS = 12.0
REJECT_STATUS = 486
_BEST_CODECS_FIRST = (SoundCodec.G722, SoundCodec.PCMU, SoundCodec.PCMA)
_REMEMBERED_CALLS = 20
_CALLER_ID_WORDS = f"component.{DOMAIN}.entity.event.call.state_attributes.caller_id.state."

type HikariConfigEntry = ConfigEntry[Line]
type StateListener = Callable[[], None]
type CallListener = Callable[[CallUpdate], None]


@dataclass(frozen=True, kw_only=True)
class LineState:
    """What is known of a line now. ``error`` tells why it is not registered."""

    registration: RegistrationState = RegistrationState.UNREGISTERED
    family: Family | None = None
    gateway_address: str | None = None
    local_address: str | None = None
    domain: str | None = None
    paths: Paths = field(default_factory=Paths)
    error: TelephonyError | None = None
    call: Call | None = None

    @property
    def registered(self) -> bool:
        """Tell whether the gateway sends calls here."""
        return self.registration is RegistrationState.REGISTERED


def line_config(data: Mapping[str, Any], options: Mapping[str, Any]) -> LineConfig:
    """Return what the engine needs, from the data and the options of a config entry."""
    return LineConfig(
        gateway=data[CONF_GATEWAY],
        extension=data[CONF_EXTENSION],
        user_id=data[CONF_USER_ID],
        password=data[CONF_PASSWORD],
        port=data.get(CONF_PORT, DEFAULT_PORT),
        family=FamilyChoice(data.get(CONF_FAMILY, FamilyChoice.AUTOMATIC)),
        call_waiting=options.get(CONF_CALL_WAITING, False),
        codecs=_codecs(options.get(CONF_CODECS, ())),
        second_gateway=options.get(CONF_SECOND_GATEWAY) or None,
    )


def _held(call: Call, event: CallHeld) -> Call:
    """Return a call that is on hold, or not any more, by whichever side."""
    return replace(call, holding=event.held) if event.here else replace(call, held=event.held)


def _codecs(chosen: Collection[str]) -> tuple[SoundCodec, ...]:
    """Return the codecs to offer, the best first; µ-law is always among them."""
    return tuple(
        codec for codec in _BEST_CODECS_FIRST if codec is SoundCodec.PCMU or codec.lower() in chosen
    )


class Line:
    """Holds the state of one config entry's line and carries out what is asked of it.

    The engine's client calls it on the event loop as a message is read; it tells its
    listeners in the same breath. Commands raise errors of the telephony tree.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: HikariConfigEntry,
        client: EngineClient,
        streams: LiveStreams,
    ) -> None:
        """Keep what the line works with; nothing is registered yet."""
        self.hass = hass
        self.entry = entry
        self.client = client
        self.state = LineState()
        assist = (ASSIST_PLATFORM,) if entry.options.get(CONF_ASSIST) else ()
        self.platforms = (*PLATFORMS, *assist)
        self.number_to_dial = ""
        self.door_phones = frozenset(entry.options.get(CONF_DOOR_PHONES, ()))
        self.finished: deque[CallUpdate] = deque(maxlen=_REMEMBERED_CALLS)
        self.player = LinePlayer(hass, client, self)
        self.streams = streams
        self.listening = Listening(hass, self)
        self.ringing = Ringing(hass, self)
        self.recorder = Recorder(hass, self, self._recorded)
        self.answering = AnsweringMachine(hass, self)
        self.doorkeeper = Doorkeeper(hass, self)
        self.log = CallLog(hass, entry.entry_id, LogLimits.of(entry.options))
        self._book = address_book(hass)
        self._rules = (entry.options, ScreeningRules.of(entry.options))
        self._calls: dict[str, Call] = {}
        self._kept_away: dict[str, Call] = {}
        # Calls that ring here while the gateway has them answered, and why they end if we end them.
        self._admitted: dict[str, EndReason] = {}
        self._sounds: dict[str, CallSound] = {}
        self._hearing: dict[int, CallSound] = {}
        self._live: dict[tuple[str, StreamKind], LiveStream] = {}
        self._state_listeners: list[StateListener] = []
        auto_answer = AutoAnswer(hass, self._auto_answer_delay, self._answer_by_itself)
        self._call_listeners: list[CallListener] = [
            auto_answer.call_updated,
            self.answering.call_updated,
            self.recorder.call_updated,
        ]
        self._followers: dict[str, list[CallListener]] = {}
        self._waiting: dict[str, list[asyncio.Future[Call]]] = {}
        self._first_outcome: asyncio.Future[None] | None = None
        self._down = False
        self._dialling = 0
        self._early: list[CallEvent] = []
        self._engine_losses = 0
        self.dialler = Dialler(self)

    @property
    def id(self) -> str:
        """Return the name by which the engine knows the line."""
        return self.entry.entry_id

    @property
    def calls(self) -> tuple[Call, ...]:
        """Return the calls that are not over, the oldest first."""
        return tuple(self._calls.values())

    async def async_start(self) -> None:
        """Register, and wait for the first outcome.

        Raises the RegistrationError that came of it, or an EngineError. Without any
        outcome in FIRST_REGISTRATION_SECONDS that is GatewaySilentError.
        """
        config = line_config(self.entry.data, self.entry.options)
        await self.log.async_load()
        self._first_outcome = self.hass.loop.create_future()
        try:
            async with asyncio.timeout(FIRST_REGISTRATION_SECONDS):
                await self.client.add_line(self.id, config, self)
                await self._first_outcome
        except TimeoutError:
            raise GatewaySilentError(address=config.gateway, family=config.family) from None
        finally:
            self._first_outcome = None

    async def async_stop(self) -> None:
        """Hang up, un-register, and end every live stream."""
        self.answering.close()
        self.doorkeeper.close()
        await self.ringing.async_stop()
        await self.listening.async_stop()
        for call in tuple(self.dialler.borrowed_calls()):
            with suppress(TelephonyError):
                await self.client.hang_up(call)
        try:
            await self.client.remove_line(self.id)
        except TelephonyError as error:
            _LOGGER.debug("Line %s was not removed in good order: %s", self.entry.title, error)
        self.end_calls()
        await self.recorder.async_close()
        await self.streams.async_ended()
        await self.log.async_close()

    @callback
    def end_calls(self) -> None:
        """Note that every call is over because the line is taken down."""
        self.dialler.close()
        self._end_all(EndReason.LINE_CLOSED)

    @callback
    def subscribe(self, listener: StateListener) -> CALLBACK_TYPE:
        """Call the listener whenever the state has changed; returns how to stop that."""
        self._state_listeners.append(listener)
        return lambda: self._state_listeners.remove(listener)

    @callback
    def subscribe_calls(self, listener: CallListener, *, hurry: bool = False) -> CALLBACK_TYPE:
        """Call the listener with all that happens to calls; returns how to stop that.

        Who is in a ``hurry`` hears of it before all but the log.
        """
        self._call_listeners.insert(0 if hurry else len(self._call_listeners), listener)
        return lambda: self._call_listeners.remove(listener)

    @callback
    def follow(self, call: Call, listener: CallListener) -> CALLBACK_TYPE:
        """Call the listener with all that happens to one call, also to one that is kept away."""
        followers = self._followers.setdefault(call.id, [])
        followers.append(listener)

        @callback
        def end() -> None:
            followers.remove(listener)
            if not followers and self._followers.get(call.id) is followers:
                del self._followers[call.id]

        return end

    @callback
    def registration_changed(self, event: RegistrationChanged) -> None:
        """Take over how the registration stands."""
        error = event.error()
        self._set(
            replace(
                self.state,
                registration=event.state,
                family=event.family or self.state.family,
                gateway_address=event.gateway_address or self.state.gateway_address,
                local_address=event.local_address or self.state.local_address,
                domain=event.domain or self.state.domain,
                error=error,
            )
        )
        if self._first_outcome is not None:
            self._resolve_first(event.state, error)
        elif event.state is RegistrationState.REGISTERED:
            self._log_up()
        elif event.state in (RegistrationState.FAILED, RegistrationState.REJECTED):
            self._log_down(error)
            if event.state is RegistrationState.REJECTED:
                self.entry.async_start_reauth(self.hass)

    @callback
    def paths_changed(self, event: PathsChanged) -> None:
        """Take over which families reach the gateway."""
        self._set(replace(self.state, paths=event.paths))

    @callback
    def call_event(self, event: CallEvent) -> None:
        """Take over what happened to a call."""
        if isinstance(event, CallIncoming):
            self._incoming(self._known(Call.incoming(event)))
            return
        call = self._calls.get(event.call)
        if call is None:
            self._event_of_no_call(event)
            return
        at = datetime.fromtimestamp(event.at, UTC)
        self.dialler.heard(event)
        match event:
            case CallConnected():
                self._connected(call, at)
            case CallHeld():
                self._held(call, event)
            case SoundPlayed():
                self.player.played(call.id, event.number)
            case DtmfReceived() if call.id not in self._admitted:
                self._tell(CallEventType.DTMF, call, digit=event.digit)
            case CallQuality():
                self._note_quality(call, event.quality)
            case CallEnded():
                self._ended(call, at, event.ending)

    @callback
    def sound(self, frame: SoundFrame) -> None:
        """Pass a call's sound on to who takes it."""
        if sound := self._hearing.get(frame.channel):
            sound.frame(frame)

    @callback
    def playing_changed(self) -> None:
        """Tell that what is played into a call is another."""
        self.refresh()

    @callback
    def playback_ended(self, call: Call, playback: Playback, end: PlaybackEnd) -> None:
        """Tell that something has been played; the end of the call tells for itself."""
        told = playback.sound.title is not None and call.id in self._calls
        if told and end is not PlaybackEnd.CALL_ENDED:
            self._tell(
                CallEventType.PLAYBACK_DONE, call, media=playback.sound.title, playback=end.value
            )

    @callback
    def engine_lost(self) -> None:
        """End the calls, which died with the engine; it comes back by itself."""
        self._engine_losses += 1
        error = EngineLostError()
        self._early.clear()
        self._end_all(EndReason.ENGINE_LOST)
        self._set(
            replace(
                self.state,
                registration=RegistrationState.UNREGISTERED,
                paths=Paths(),
                call=None,
                error=error,
            )
        )
        if self._first_outcome is None:
            self._log_down(error)

    async def async_dial(
        self, number: str, *, person: bool = False, show_number: bool = False
    ) -> Call:
        """Place a call to what a person wrote; returns it when the INVITE is sent.

        ``person`` tells that no automation asks. ``show_number`` lets it be placed once more
        with 186 if the callee refuses withheld numbers. Raises why it cannot be placed, and
        what the engine answers.
        """
        dialled = self.dialler.async_dial(number, person=person, show_number=show_number)
        # An automation that is stopped must not leave a call that nobody knows.
        return await asyncio.shield(
            self.entry.async_create_task(self.hass, dialled, f"{DOMAIN} dial")
        )

    async def async_place(
        self,
        attempt: Attempt,
        told: CallAttempt,
        *,
        mu_law_only: bool,
        placed: Callable[[Call], None],
        continues: Call | None,
    ) -> Call:
        """Send one INVITE, for a new call or for one that ``continues`` after a refusal.

        ``placed`` hears of the call before anybody else. Raises what the engine answers.
        """
        losses = self._engine_losses
        self._dialling += 1
        try:
            dialled = await self.client.dial(
                attempt.line,
                attempt.digits,
                mu_law_only=mu_law_only,
                as_line=self.id,
                as_call=continues.id if continues else None,
            )
            if losses != self._engine_losses:
                raise EngineLostError
            if continues:
                placed(continues)
                call = self._continued(continues, dialled, told)
            else:
                call = self._known(Call.outgoing(dialled, attempt.digits, dt_util.utcnow(), told))
                placed(call)
                self._add(call, CallEventType.OUTGOING)
        finally:
            self._dialling -= 1
            early, self._early = self._early, []
            for event in early:
                self.call_event(event)
        return self.latest(call)

    @callback
    def end_call(self, call: Call, ending: Ending) -> None:
        """Note that a call is over of which no INVITE is out."""
        if current := self._calls.get(call.id):
            self._end(current, dt_util.utcnow(), ending)

    @callback
    def show_number_to_dial(self, number: str) -> None:
        """Keep the number that a person entered, and tell what becomes of calling it."""
        self.number_to_dial = number
        self.refresh()

    @callback
    def refresh(self) -> None:
        """Tell the listeners of the state that something beside it has changed."""
        for listener in tuple(self._state_listeners):
            listener()

    async def async_answer(self, call_id: str | None = None) -> Call:
        """Answer the incoming call that rings, or just this one."""
        call = self._ringing(call_id)
        await self.async_pick_up(call)
        if (current := self._calls.get(call.id)) and current.answered is None:
            self._answered(current, dt_util.utcnow())
        return self.latest(call)

    async def async_pick_up(self, call: Call) -> None:
        """Answer a call that rings, or is kept away; raises what the engine answers.

        One whose caller passed the challenge is answered already: it is joined to the home, and
        the line's other call put on hold, as the engine does with an answer.
        """
        await self.doorkeeper.async_make_way(call)
        if self._admitted.pop(call.id, None) is None:
            await self.client.answer(call.id)
            return
        # Nobody else is to take it while other calls are put on hold.
        self._answered(self.latest(call), dt_util.utcnow())
        for other in self.calls:
            if other.state is CallState.TALKING and not other.holding:
                with suppress(TelephonyError):
                    await self.client.hold(other.id, held=True)
        if self.latest(call).holding:
            # Who cannot be taken back is shown as on hold.
            with suppress(TelephonyError):
                await self.client.hold(call.id, held=False)
        await self.player.async_silence(call)
        if (current := self._calls.get(call.id)) is None:
            raise CallUnknownError
        self._connected(current, dt_util.utcnow())

    async def async_reject(self, status: int = REJECT_STATUS) -> Call:
        """Turn the incoming call that rings away, with a SIP status from 400 to 699."""
        call = self._ringing()
        if call.id in self._admitted:
            await self.client.hang_up(call.id)
        else:
            await self.client.reject(call.id, status)
        return self.latest(call)

    async def async_hang_up(self, call: Call | None = None) -> Call:
        """End a call, whatever its state; the current one if none is named."""
        if (call := call or self.state.call) is None:
            raise CallUnknownError
        if self.dialler.give_up(call):
            self.end_call(call, Ending(reason=EndReason.CANCELLED_HERE))
        else:
            await self.client.hang_up(call.id)
        return self.latest(call)

    async def async_hold(self, *, held: bool) -> Call:
        """Put the connected call on hold, or take it back; returns when the far side agreed.

        Raises CallNotConnectedError, HoldRefusedError.
        """
        call = self.state.call
        if call is None or call.state is not CallState.TALKING:
            raise CallNotConnectedError
        await self.client.hold(call.id, held=held)
        return self.latest(call)

    async def async_send_dtmf(self, digits: str) -> Call:
        """Send keypad digits as tones; returns when the last one has gone."""
        call = self.state.call
        if call is None or call.state is not CallState.TALKING:
            raise CallNotConnectedError
        await self.client.send_dtmf(call.id, digits)
        return self.latest(call)

    async def async_outcome(self, call: Call, time_limit: float) -> Call:
        """Return a call as it is once it is connected or over, or after the seconds given."""
        if (current := self.latest(call)).state is not CallState.DIALING:
            return current
        outcome: asyncio.Future[Call] = self.hass.loop.create_future()
        self._waiting.setdefault(call.id, []).append(outcome)
        try:
            async with asyncio.timeout(time_limit):
                return await outcome
        except TimeoutError:
            return self.latest(call)

    async def async_connected(self, call: Call, time_limit: float) -> Call:
        """Return a call that was answered here once sound flows.

        Raises CallNotConnectedError if it ends before, or after the seconds given.
        """
        await self._until(call, CallState.RINGING, time_limit)
        if (current := self.latest(call)).state is not CallState.TALKING:
            raise CallNotConnectedError
        return current

    async def async_picked_up(self, call: Call, time_limit: float) -> bool:
        """Tell whether a call that was let in is picked up before the seconds given are over.

        If nobody does, it is to be hung up, and that is a missed call.
        """
        await self._until(call, CallState.RINGING, time_limit)
        if self.latest(call).state is CallState.RINGING and call.id in self._admitted:
            self._admitted[call.id] = EndReason.NO_ANSWER
            return False
        return self.latest(call).state is not CallState.ENDED

    async def async_ended(self, call: Call, time_limit: float | None = None) -> None:
        """Wait until a call is over, or for the seconds given."""
        for state in (CallState.RINGING, CallState.DIALING, CallState.TALKING):
            await self._until(call, state, time_limit)

    async def _until(self, call: Call, state: CallState, time_limit: float | None) -> None:
        """Wait while a call is in a state, no longer than the seconds given."""
        changed = asyncio.Event()

        @callback
        def updated(_update: CallUpdate) -> None:
            changed.set()

        unsubscribe = self.follow(call, updated)
        try:
            async with asyncio.timeout(time_limit):
                while self.latest(call).state is state:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            unsubscribe()

    @callback
    def call_sound(self, call: Call) -> CallSound:
        """Return the sound of a call that is not over."""
        if call.id not in self._calls and call.id not in self._kept_away:
            raise CallUnknownError
        if (sound := self._sounds.get(call.id)) is None:

            async def switch(*, enabled: bool, near: bool) -> None:
                await self._stream_sound(call.id, enabled=enabled, near=near)

            def spawn(work: Coroutine[Any, Any, None]) -> None:
                self.entry.async_create_background_task(
                    self.hass, work, f"{DOMAIN} sound of {call.id}"
                )

            sound = self._sounds[call.id] = CallSound(switch, spawn)
            self._hearing[call.channel] = sound
        return sound

    @callback
    def live_stream(self, kind: StreamKind | None = None, call: Call | None = None) -> LiveStream:
        """Return the live stream of a call, the current one if none is given; it ends with it."""
        if (call := call or self.state.call) is None:
            raise CallUnknownError
        key = call.id, kind or StreamKind()
        if (live := self._live.get(key)) is None:
            live = self._live[key] = self.streams.open(key[1], self.call_sound(call))
            if call.connected is not None:
                live.connected()
        return live

    def _streams_of(self, call: Call) -> list[LiveStream]:
        """Return the live streams of a call."""
        return [live for (call_id, _), live in self._live.items() if call_id == call.id]

    @callback
    def is_door_phone(self, call: Call) -> bool:
        """Tell whether the owner named the caller as a door phone, here or in the address book."""
        if call.contact and call.contact.ring_rule is RingRule.DOOR_PHONE:
            return True
        return call.number is not None and call.number in self.door_phones

    async def async_mark_calls_seen(self) -> None:
        """Note that a person has seen the missed calls."""
        self.log.mark_seen(LogFilter())

    @property
    def rules(self) -> ScreeningRules:
        """Return which calls ring, as the options are now."""
        if self._rules[0] is not self.entry.options:
            self._rules = (self.entry.options, ScreeningRules.of(self.entry.options))
        return self._rules[1]

    @callback
    def set_option(self, key: str, *, value: bool | str | list[str]) -> None:
        """Keep an option that takes effect at once; nothing is set up anew."""
        self.hass.config_entries.async_update_entry(
            self.entry, options={**self.entry.options, key: value}
        )

    async def async_change_family(self, family: FamilyChoice) -> None:
        """Let the line use other families, once the gateway has agreed.

        Raises LineBusyError while there is a call, and a RegistrationError if the gateway does
        not agree; then all stays as it is.
        """
        data = {**self.entry.data, CONF_FAMILY: family.value}
        config = line_config(data, self.entry.options)
        if self._calls or self._kept_away:
            raise LineBusyError
        await self.client.probe(config)
        if self._calls or self._kept_away:
            raise LineBusyError
        self.hass.config_entries.async_update_entry(self.entry, data=data)
        await self.client.add_line(self.id, config, self)

    @callback
    def contact(self, number: str | None) -> Contact | None:
        """Return who has a number in the address book."""
        return self._book.find(number, self.id)

    @callback
    def picture(self, call: Call | LoggedCall) -> str | None:
        """Return the picture that the address book has of the other side now."""
        contact = self.contact(call.number)
        return contact.picture if contact else None

    @callback
    def who(self, call: Call | LoggedCall) -> str:
        """Return who is on the other side, in words: a name, a number, or why there is none."""
        if shown := call.name or call.formatted_number:
            return shown
        words = async_get_cached_translations(
            self.hass, self.hass.config.language, "entity", DOMAIN
        )
        return words.get(f"{_CALLER_ID_WORDS}{call.caller_id}", call.caller_id.value)

    def _recorded(self, call: Call, recording: Recording) -> None:
        """Tell that a recording can be played."""
        message = recording.kind is RecordingKind.MESSAGE
        self._tell(
            CallEventType.MESSAGE if message else CallEventType.RECORDED,
            call,
            recording=recording.media_id,
            transcription=recording.transcription,
        )

    @callback
    def describe(self, call: Call) -> Mapping[str, Any]:
        """Return all that an event would show of a call as it is now."""
        return self._update(CallEventType(call.direction.value), call).attributes()

    def _continued(self, call: Call, dialled: Dialled, told: CallAttempt) -> Call:
        """Keep a call that goes on with another INVITE; sound has another channel from now on."""
        self._hearing.pop(call.channel, None)
        call = replace(
            self._calls.get(call.id, call),
            channel=dialled.channel,
            family=dialled.family,
            attempts=(*call.attempts, told),
        )
        if call.id in self._calls:
            self._replace(call)
            self._current_changed()
            if sound := self._sounds.get(call.id):
                self._hearing[call.channel] = sound
        return call

    def _known(self, call: Call) -> Call:
        """Return a call with the contact who is on the other side."""
        return call.known_as(self.contact(call.number))

    def _ringing(self, call_id: str | None = None) -> Call:
        """Return the incoming call that rings."""
        for call in self._calls.values():
            if call_id is not None and call.id != call_id:
                continue
            if call.state is CallState.RINGING and call.answered is None:
                return call
        raise CallNotRingingError

    @callback
    def latest(self, call: Call) -> Call:
        """Return a call as it is now, or as it was when it ended."""
        if running := self._calls.get(call.id) or self._kept_away.get(call.id):
            return running
        ended = (update.call for update in reversed(self.finished) if update.call.id == call.id)
        return next(ended, call)

    def _resolve_first(self, state: RegistrationState, error: TelephonyError | None) -> None:
        """Let ``async_start`` go on with the first outcome."""
        future = self._first_outcome
        if future is None or future.done():
            return
        if state is RegistrationState.REGISTERED:
            future.set_result(None)
        elif error is not None and state in (
            RegistrationState.FAILED,
            RegistrationState.REJECTED,
        ):
            future.set_exception(error)

    def _add(self, call: Call, event: CallEventType) -> None:
        """Begin to keep a call."""
        self._calls[call.id] = call
        # Whoever acts on the event, at once perhaps, means this call.
        before = self.state
        self.state = replace(self.state, call=self._current())
        self._tell(event, call)
        if self.state != before:
            self.refresh()

    def _event_of_no_call(self, event: CallEvent) -> None:
        """Take what is told of a call that does not ring, or that is not known yet."""
        if (call := self._kept_away.get(event.call)) is None:
            # The engine may be faster than the answer to our own command.
            if self._dialling:
                self._early.append(event)
            return
        at = datetime.fromtimestamp(event.at, UTC)
        match event:
            case CallConnected() if call.connected is None:
                talking = replace(call, state=CallState.TALKING, answered=at, connected=at)
                self._replace_kept_away(talking)
                self._tell_followers(self._update(CallEventType.CONNECTED, talking))
            case CallHeld():
                self._replace_kept_away(_held(call, event))
            case SoundPlayed():
                self.player.played(call.id, event.number)
            case DtmfReceived():
                self._tell_followers(self._update(CallEventType.DTMF, call, digit=event.digit))
            case CallQuality():
                self._replace_kept_away(replace(call, quality=event.quality))
            case CallEnded():
                self._end_kept_away(call.id, at, event.ending)

    def _incoming(self, call: Call) -> None:
        """Let a call ring, or keep it away."""
        caller = Caller(
            kind=call.caller_id,
            number=call.number,
            internal=call.internal,
            contact=call.contact,
            door_phone=self.is_door_phone(call),
        )
        screening = self.rules.judge(caller)
        if screening.treatment.answers and self._is_occupied():
            screening = replace(screening, treatment=Treatment.REJECT)
        if screening.treatment is Treatment.RING:
            self._add(call, CallEventType.INCOMING)
            return
        call = self._kept_away[call.id] = replace(call, screening=screening)
        if screening.blocked and not screening.open:
            self._tell(CallEventType.BLOCKED, call)
        else:
            self.log.note(call)
        if screening.treatment is Treatment.REJECT:
            self._reject_soon(call)
        elif screening.treatment.answers:
            self.doorkeeper.serve(call)

    def _is_occupied(self) -> bool:
        """Tell whether to answer a blocked caller would disturb another call."""
        if self._dialling or self.served or self._admitted:
            return True
        return any(call.answered or call.state is not CallState.RINGING for call in self.calls)

    @property
    def served(self) -> tuple[Call, ...]:
        """Return the calls that do not ring and have the line, because they are answered."""
        return tuple(
            call
            for call in self._kept_away.values()
            if call.screening.treatment.answers or call.id in self._admitted
        )

    @callback
    def turn_away(self, call: Call) -> None:
        """Reject a blocked call that was to be answered, and cannot be."""
        if (current := self._kept_away.get(call.id)) is None:
            return
        screening = replace(current.screening, treatment=Treatment.REJECT)
        rejected = self._kept_away[call.id] = replace(current, screening=screening)
        if current.screening.open:
            self._tell(CallEventType.BLOCKED, rejected)
        self._reject_soon(rejected)

    @callback
    def admit(self, call: Call) -> None:
        """Let a call ring whose caller passed the challenge; the gateway has it answered.

        While nobody is to be disturbed nothing rings, and it is missed if nobody takes it.
        """
        if (current := self._kept_away.pop(call.id, None)) is None:
            raise CallNotConnectedError
        self._admitted[call.id] = EndReason.REJECTED_HERE
        ringing = replace(
            current, state=CallState.RINGING, answered=None, connected=None, screening=RINGS
        )
        if not self.rules.do_not_disturb:
            self._add(ringing, CallEventType.INCOMING)
            return
        quiet = Screening(treatment=Treatment.QUIET, reason=ScreeningReason.DO_NOT_DISTURB)
        self._kept_away[call.id] = replace(ringing, screening=quiet)
        self.log.note(self._kept_away[call.id])

    def _replace_kept_away(self, call: Call) -> None:
        """Keep a call that does not ring as it is now; nobody is told."""
        self._kept_away[call.id] = call
        self.player.call_changed(call)

    def _reject_soon(self, call: Call) -> None:
        """Reject a blocked call, which waits for the engine."""
        self.entry.async_create_task(
            self.hass, self._reject_blocked(call), f"{DOMAIN} reject {call.id}"
        )

    async def _reject_blocked(self, call: Call) -> None:
        """Tell the gateway that a blocked call is not taken here."""
        try:
            await self.client.reject(call.id, self.rules.status)
        except TelephonyError as error:
            _LOGGER.debug("Blocked call %s cannot be rejected: %s", call.id, error)

    def _end_kept_away(self, call_id: str, at: datetime, ending: Ending) -> None:
        """Note that a call is over which did not ring; a blocked one was told of before."""
        ending = self._ending_of(call_id, ending)
        finished = self._kept_away.pop(call_id).finished(at, ending)
        self.player.call_changed(finished)
        if finished.screening.blocked and not finished.screening.open:
            self.log.note(finished)
            update = self._update(CallEventType.BLOCKED, finished)
            self.recorder.call_updated(update)
            self._tell_followers(update)
        elif finished.screening.blocked:
            update = self._tell(CallEventType.BLOCKED, finished)
        else:
            update = self._tell(finished.final_event(), finished)
        self.finished.append(update)
        self._close_sound(finished)

    def _ending_of(self, call_id: str, ending: Ending) -> Ending:
        """Return how a call ended: one that rang, though it was answered, was never talked on."""
        if (ended_here := self._admitted.pop(call_id, None)) is None:
            return ending
        reasons = {
            EndReason.HUNG_UP_HERE: ended_here,
            EndReason.HUNG_UP_THERE: EndReason.CALLER_GAVE_UP,
        }
        return replace(ending, reason=reasons.get(ending.reason, ending.reason))

    def _auto_answer_delay(self) -> float | None:
        """Return after how many seconds a call is answered by itself, None if it is not."""
        talking = any(call.answered or call.connected for call in self._calls.values())
        if talking or not self.entry.options.get(CONF_AUTO_ANSWER, False):
            return None
        return float(self.entry.options.get(CONF_AUTO_ANSWER_AFTER, DEFAULT_AUTO_ANSWER_AFTER))

    async def _answer_by_itself(self, call_id: str) -> None:
        """Answer a call that nobody took."""
        try:
            await self.async_answer(call_id)
        except TelephonyError as error:
            _LOGGER.warning("Call %s cannot be answered by itself: %s", call_id, error)

    def _replace(self, call: Call) -> None:
        """Keep a call as it is now."""
        self._calls[call.id] = call
        self.player.call_changed(call)

    def _ended(self, call: Call, at: datetime, ending: Ending) -> None:
        """Note that an INVITE came to its end, and the call with it unless it goes on."""
        call = self.dialler.finished(call, ending)
        self._replace(call)
        if not self.dialler.goes_on(call, ending):
            self._end(call, at, ending)

    def _held(self, call: Call, event: CallHeld) -> None:
        """Note that a call is on hold, or not any more, by whichever side."""
        self._replace(_held(call, event))
        self._current_changed()

    def _note_quality(self, call: Call, quality: SoundQuality) -> None:
        """Keep how a call sounds; no entity shows it, so nobody is told."""
        self._replace(replace(call, quality=quality))
        self.state = replace(self.state, call=next(iter(self._calls.values()), None))

    def _answered(self, call: Call, at: datetime) -> None:
        """Note that an incoming call was picked up here."""
        answered = replace(call, answered=at)
        self._replace(answered)
        self._tell(CallEventType.ANSWERED, answered)

    def _connected(self, call: Call, at: datetime) -> None:
        """Note that sound flows."""
        if call.connected is not None:
            return
        if call.direction is CallDirection.INCOMING and call.answered is None:
            self._answered(call, at)
        self._replace(self.dialler.connected(self._calls[call.id]))
        connected = replace(
            self._calls[call.id],
            state=CallState.TALKING,
            answered=call.answered or at,
            connected=at,
        )
        self._replace(connected)
        self._tell(CallEventType.CONNECTED, connected)
        self._current_changed()
        self._settle(connected)
        for live in self._streams_of(call):
            live.connected()
        if sound := self._sounds.get(call.id):
            sound.renew()

    def _end(self, call: Call, at: datetime, ending: Ending) -> None:
        """Note that a call is over."""
        ending = self._ending_of(call.id, ending)
        del self._calls[call.id]
        finished = call.finished(at, ending)
        self.player.call_changed(finished)
        if ending.reason in FAILURES:
            _LOGGER.warning(
                "Call %s on line %s was ended by a failure: %s",
                call.id,
                self.entry.title,
                ending.reason,
            )
        update = self._tell(finished.final_event(), finished)
        self.finished.append(update)
        self._current_changed()
        self.dialler.ended(finished)
        self._settle(finished)
        self._close_sound(finished)

    def _close_sound(self, call: Call) -> None:
        """End the sound of a call that is over, and all streams of it."""
        self._hearing.pop(call.channel, None)
        if sound := self._sounds.pop(call.id, None):
            sound.close()
        for live in self._streams_of(call):
            live.close()
        self._live = {key: live for key, live in self._live.items() if key[0] != call.id}

    def _end_all(self, reason: EndReason) -> None:
        """Note that every call is over, for a reason that is not the calls' own."""
        for call in tuple(self._calls.values()):
            self._end(call, dt_util.utcnow(), Ending(reason=reason))
        for call_id in tuple(self._kept_away):
            self._end_kept_away(call_id, dt_util.utcnow(), Ending(reason=reason))

    def _settle(self, call: Call) -> None:
        """Tell who waits for the outcome of a call."""
        for outcome in self._waiting.pop(call.id, ()):
            if not outcome.done():
                outcome.set_result(call)

    def _update(self, event: CallEventType, call: Call, **details: Any) -> CallUpdate:
        """Return something that happened to a call, with all that is known of it."""
        return CallUpdate(type=event, call=call, who=self.who(call), **details)

    def _tell(self, event: CallEventType, call: Call, **details: Any) -> CallUpdate:
        """Tell the listeners of calls."""
        update = self._update(event, call, **details)
        with self.log.held_back():
            # First: who is told of a call finds it there.
            self.log.call_updated(update)
            for listener in tuple(self._call_listeners):
                listener(update)
            self._tell_followers(update)
        return update

    def _tell_followers(self, update: CallUpdate) -> None:
        """Tell those who follow this one call."""
        for follower in tuple(self._followers.get(update.call.id, ())):
            follower(update)

    def _current_changed(self) -> None:
        """Take a call as the line's current one."""
        self._set(replace(self.state, call=self._current()))

    def _current(self) -> Call | None:
        """Return the call that is meant if none is named: none on hold; else the oldest."""
        return min(self._calls.values(), key=lambda call: call.holding, default=None)

    def _set(self, state: LineState) -> None:
        """Tell the listeners of the state if it is another."""
        if state == self.state:
            return
        self.state = state
        self.refresh()

    async def _stream_sound(self, call_id: str, *, enabled: bool, near: bool) -> None:
        """Have the engine send a call's sound, or not any more.

        A call that is over has none; nobody hears a caller who hears it ring.
        """
        running = call_id in self._calls or call_id in self._kept_away
        if not running or call_id in self._admitted:
            return
        try:
            await self.client.stream_sound(call_id, enabled=enabled, near=near)
        except TelephonyError as error:
            _LOGGER.debug("The sound of call %s cannot be switched: %s", call_id, error)

    def _log_down(self, error: TelephonyError | None) -> None:
        """Log once that the line is not registered any more."""
        if not self._down:
            self._down = True
            _LOGGER.warning("Line %s is not registered any more: %s", self.entry.title, error)

    def _log_up(self) -> None:
        """Log once that the line is registered again."""
        if self._down:
            self._down = False
            _LOGGER.info("Line %s is registered again", self.entry.title)
