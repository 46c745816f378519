"""Assist over the phone: chosen callers talk to it, and it calls people."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from inspect import signature
from typing import Any, Final, override

from homeassistant.components.assist_pipeline import PipelineEvent, PipelineEventType
from homeassistant.components.assist_satellite import (
    AssistSatelliteAnnouncement,
    AssistSatelliteConfiguration,
    AssistSatelliteEntity,
    AssistSatelliteEntityDescription,
    AssistSatelliteEntityFeature,
)
from homeassistant.components.assist_satellite.const import PREANNOUNCE_FILENAME
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .assist import (
    AssistRules,
    FarVoice,
    error_tone,
    knows_the_pin,
    listening_tone,
)
from .calls import Call, CallEventType, CallUpdate
from .const import DOMAIN
from .entity import HikariEntity
from .exceptions import call_failed, translated_errors
from .line import HikariConfigEntry
from .playable import PREFERRED_SPEECH, Sound, media_sound
from .speaking import hang_up
from .telephony.calls import CallState, EndReason
from .telephony.errors import CallNotConnectedError, TelephonyError

PARALLEL_UPDATES = 0

_LOGGER = logging.getLogger(__name__)
_SATELLITE = AssistSatelliteEntityDescription(key="assist", translation_key="assist")
_ANSWER_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 35.0
_RING_SECONDS: Final = 45.0
_MOST_FAILURES: Final = 3
# Before 2026.11 the context that was set last is taken.
_TAKES_CONTEXT: Final = (
    "context" in signature(AssistSatelliteEntity.async_accept_pipeline_from_satellite).parameters
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the Assist satellite platform."""
    async_add_entities([CallSatellite(entry, _SATELLITE)])


class CallSatellite(HikariEntity, AssistSatelliteEntity):
    """A line at which Assist answers chosen callers, and from which it calls."""

    entity_description: AssistSatelliteEntityDescription
    _attr_supported_features = (
        AssistSatelliteEntityFeature.ANNOUNCE | AssistSatelliteEntityFeature.START_CONVERSATION
    )

    def __init__(
        self, entry: HikariConfigEntry, description: AssistSatelliteEntityDescription
    ) -> None:
        """Talk to nobody yet."""
        super().__init__(entry, description)
        self._attr_tts_options = dict(PREFERRED_SPEECH)
        self._rules = AssistRules.of(entry.options)
        self._entry = entry
        self._reply: Sound | None = None
        self._failed = False

    @override
    async def async_added_to_hass(self) -> None:
        """Begin to follow the line and its calls."""
        await super().async_added_to_hass()
        self.async_on_remove(self.line.subscribe_calls(self.async_call_updated))

    @property
    @override
    def pipeline_entity_id(self) -> str | None:
        """Return the select of the assistant."""
        return self._select("pipeline")

    @property
    @override
    def vad_sensitivity_entity_id(self) -> str | None:
        """Return the select of how long a pause ends a command."""
        return self._select("vad_sensitivity")

    @callback
    @override
    def async_get_configuration(self) -> AssistSatelliteConfiguration:
        """Return no wake words: a call is awake."""
        return AssistSatelliteConfiguration(
            available_wake_words=[], active_wake_words=[], max_active_wake_words=0
        )

    @override
    async def async_set_configuration(self, config: AssistSatelliteConfiguration) -> None:
        """Take no wake words."""
        raise NotImplementedError

    @callback
    def async_call_updated(self, update: CallUpdate) -> None:
        """Answer a caller who may talk."""
        if update.type is CallEventType.INCOMING and self._rules.serves(update.call):
            self._spawn(self._serve(update.call))

    @override
    async def async_announce(self, announcement: AssistSatelliteAnnouncement) -> None:
        """Say something into the call there is, or call for it; returns when it is said."""
        with translated_errors():
            call, ours = await self._reach()
            try:
                await self._say(call, announcement)
            finally:
                if ours:
                    await asyncio.shield(hang_up(self.line, call))

    @override
    async def async_start_conversation(
        self, start_announcement: AssistSatelliteAnnouncement
    ) -> None:
        """Say something, then listen; the conversation goes on after this has returned."""
        with translated_errors():
            call, ours = await self._reach()
            try:
                await self._say(call, start_announcement)
            except BaseException:
                if ours:
                    await asyncio.shield(hang_up(self.line, call))
                raise
        self._spawn(self._converse(call, hangs_up=ours))

    @callback
    @override
    def on_pipeline_event(self, event: PipelineEvent) -> None:
        """Note what is to be said, and what went wrong."""
        if event.type is PipelineEventType.TTS_END and event.data:
            output = event.data.get("tts_output") or {}
            if media := output.get("media_id"):
                self._reply = media_sound(self.hass, media)
        elif event.type is PipelineEventType.ERROR:
            self._failed = True

    async def _serve(self, call: Call) -> None:
        """Answer a call, ask for the PIN, and let the caller talk."""
        await asyncio.sleep(_ANSWER_SECONDS)
        if self.line.latest(call).state is not CallState.RINGING:
            return
        try:
            await self.line.async_pick_up(call)
            call = await self.line.async_connected(call, _CONNECT_SECONDS)
            if self._rules.wants_pin(call) and not await knows_the_pin(self.line, self._rules.pin):
                _LOGGER.warning("A caller at %s did not know the PIN", self.line.entry.title)
                return
            await self._converse(call, hangs_up=False)
        except TelephonyError as error:
            _LOGGER.warning("Assist cannot talk with %s: %s", call.id, error)
        finally:
            await asyncio.shield(hang_up(self.line, call))

    async def _reach(self) -> tuple[Call, bool]:
        """Return the call with the person to talk to, and whether it was placed for this."""
        current = self.line.state.call
        if current is not None and current.state is CallState.TALKING:
            return current, False
        if not self._rules.number:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="assist_number_missing"
            )
        call = await self.line.async_dial(self._rules.number)
        call = await self.line.async_outcome(call, _RING_SECONDS)
        if call.state is CallState.TALKING:
            return call, True
        await hang_up(self.line, call)
        reason = call.ending.reason if call.ending else EndReason.NO_ANSWER
        raise call_failed(reason, call.formatted_number or self._rules.number)

    async def _say(self, call: Call, announcement: AssistSatelliteAnnouncement) -> None:
        """Say an announcement to its end."""
        player = self.line.player.of(call)
        if before := announcement.preannounce_media_id:
            usual = before.partition("?")[0].endswith(PREANNOUNCE_FILENAME)
            sound = listening_tone() if usual else media_sound(self.hass, before)
            with suppress(TelephonyError):
                await player.play(sound, announcement=True).finished()
        spoken = announcement.tts_token
        media = (
            f"media-source://tts/-stream-/{spoken}" if spoken else announcement.original_media_id
        )
        await player.play(media_sound(self.hass, media), announcement=True).finished()

    async def _converse(self, call: Call, *, hangs_up: bool) -> None:
        """Listen and reply, until the call ends, Assist fails too often, or a question is done."""
        failures = 0
        question = self._ask_question_future
        try:
            player = self.line.player.of(self.line.latest(call))
            with FarVoice().of(self.line, call) as voice:
                while failures < _MOST_FAILURES:
                    await player.play(listening_tone(), announcement=True).finished()
                    if not self._is_talking(call):
                        return
                    await self._one_command(call, voice)
                    reply, self._reply = self._reply, None
                    failed = self._failed or (reply is None and question is None)
                    failures = failures + 1 if failed else 0
                    if question is not None:
                        return
                    sound = error_tone() if failed or reply is None else reply
                    with suppress(TelephonyError):
                        await player.play(sound, announcement=True).finished()
                    self.tts_response_finished()
                    if not self._is_talking(call):
                        return
        except CallNotConnectedError:
            pass
        finally:
            self.tts_response_finished()
            if question is not None and not question.done():
                question.set_result(None)
            if hangs_up or failures >= _MOST_FAILURES:
                await asyncio.shield(hang_up(self.line, call))

    async def _one_command(self, call: Call, voice: FarVoice) -> None:
        """Let the pipeline hear one command, in the name of who is on the telephone."""
        self._failed = False
        context = self._rules.context(self.hass, call.number)
        self.async_set_context(context)
        given: dict[str, Any] = {"context": context} if _TAKES_CONTEXT else {}
        pipeline = asyncio.ensure_future(
            self.async_accept_pipeline_from_satellite(voice.command(), **given)
        )
        over = asyncio.ensure_future(self.line.async_ended(call))
        try:
            await asyncio.wait({pipeline, over}, return_when=asyncio.FIRST_COMPLETED)
            if pipeline.done():
                pipeline.result()
        except HomeAssistantError as error:
            self._failed = True
            _LOGGER.warning("Assist failed: %s", error)
        finally:
            for task in (pipeline, over):
                task.cancel()
            await asyncio.gather(pipeline, over, return_exceptions=True)

    def _select(self, key: str) -> str | None:
        """Return a select of the line; None for one that cannot be asked: the owner disabled it."""
        registry = er.async_get(self.hass)
        unique_id = f"{self.line.id}-{key}"
        entity_id = registry.async_get_entity_id(Platform.SELECT, DOMAIN, unique_id)
        state = self.hass.states.get(entity_id) if entity_id else None
        if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
            return None
        return entity_id

    def _is_talking(self, call: Call) -> bool:
        """Tell whether the call still is."""
        return self.line.latest(call).state is CallState.TALKING

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that ends with the line."""
        self._entry.async_create_background_task(self.hass, work, f"{DOMAIN} assist")
