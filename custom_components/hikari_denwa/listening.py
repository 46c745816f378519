"""Who listens to a line's calls: players that are started, and brought back to what they were."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components.media_player import (
    DOMAIN as MEDIA_PLAYER,
)
from homeassistant.components.media_player import (
    MediaPlayerEntityFeature as _Feature,
)
from homeassistant.components.media_player import (
    MediaPlayerState,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import CALLBACK_TYPE, Context, HomeAssistant, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .calls import Call, CallEventType, CallUpdate
from .const import DOMAIN
from .exceptions import wrong_input
from .http import LiveStream, StreamKind
from .players import Playable, playable_for, plays_media, supported
from .storage import HikariStore
from .telephony.audio.broadcast import Filler
from .telephony.audio.formats import LiveFormat
from .telephony.calls import CallDirection
from .telephony.errors import CallUnknownError
from .telephony.numbers import normalize

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

_STORE_VERSION: Final = 1
_SONOS: Final = "sonos"
# Until a player has played what it had stored when the call ended, and says so.
_PLAY_OUT_SECONDS: Final = 12.0
_PLAYER_SECONDS: Final = 5.0
_VOLUME_STEP: Final = 0.02
_PLAYING: Final = frozenset({MediaPlayerState.PLAYING, MediaPlayerState.BUFFERING})
_BEGINNINGS: Final = frozenset({CallEventType.INCOMING, CallEventType.OUTGOING})
_ADDRESSES: Final = ("http://", "https://", "media-source://")


class CallSelection(StrEnum):
    """Which way the calls go that a standing wish is for."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class WishedCalls:
    """Which calls a standing wish is for; numbers in digits, none means any."""

    direction: CallSelection = CallSelection.BOTH
    numbers: tuple[str, ...] = ()
    door_phones: bool = False

    def matches(self, call: Call, *, door_phone: bool) -> bool:
        """Tell whether a call is one of them."""
        if self.direction not in {CallSelection.BOTH, CallSelection(call.direction.value)}:
            return False
        if self.door_phones and not (door_phone and call.direction is CallDirection.INCOMING):
            return False
        return not self.numbers or call.number in self.numbers


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Players that are to play calls, and how; ``format_name`` stands above the player's own."""

    players: tuple[str, ...]
    both_sides: bool = False
    while_ringing: Filler = Filler.COMFORT_NOISE
    volume: float | None = None
    format_name: str | None = None

    @property
    def kind(self) -> StreamKind:
        """Return what the stream is to hold."""
        return StreamKind(both_sides=self.both_sides, while_ringing=self.while_ringing)


@dataclass(frozen=True, kw_only=True)
class StandingWish:
    """A wish for every call that a filter lets through."""

    wish: Wish
    calls: WishedCalls = field(default_factory=WishedCalls)

    def as_stored(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> StandingWish:
        """Read what ``as_stored`` wrote."""
        wish, calls = stored["wish"], stored["calls"]
        return cls(
            wish=Wish(
                players=tuple(wish["players"]),
                both_sides=wish["both_sides"],
                while_ringing=Filler(wish["while_ringing"]),
                volume=wish["volume"],
                format_name=wish["format_name"],
            ),
            calls=WishedCalls(
                direction=CallSelection(calls["direction"]),
                numbers=tuple(calls["numbers"]),
                door_phones=calls["door_phones"],
            ),
        )


def filter_numbers(numbers: Collection[str]) -> tuple[str, ...]:
    """Return numbers that people wrote as a call has them; raises NumberInvalidError."""
    return tuple(normalize(number) for number in numbers)


@dataclass(frozen=True, kw_only=True)
class Started:
    """What came of a wish: the stream's address, and what each player was given."""

    url: str
    path: str
    formats: Mapping[str, str]


class Listening:
    """Starts players on a line's calls, and ends what they play with the call."""

    def __init__(self, hass: HomeAssistant, line: Line) -> None:
        """Begin with nobody; ``async_start`` brings back who stands."""
        self.standing: tuple[StandingWish, ...] = ()
        self._hass = hass
        self._line = line
        self._sessions: dict[str, _Session] = {}
        self._store = HikariStore[list[dict[str, Any]]](
            hass, _STORE_VERSION, "listening", line=line.id
        )
        self._leave: CALLBACK_TYPE | None = None
        self._going: dict[str, tuple[_Session, asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def async_start(self) -> None:
        """Read the standing wishes, and wait for calls."""
        stored = await self._store.async_load()
        self.standing = tuple(StandingWish.from_stored(item) for item in stored or ())
        self._leave = self._line.subscribe_calls(self._call_updated)

    async def async_stop(self) -> None:
        """Wait for no more calls, and end what plays without waiting for it to play out."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        for task in tuple(self._ending):
            task.cancel()
        if self._ending:
            await asyncio.wait(self._ending)
        await self.async_end(self._sessions)

    async def async_play(self, wish: Wish, call: Call, context: Context | None = None) -> Started:
        """Start the players of a wish on a call.

        Raises HomeAssistantError: no address of our own, or what a player says; the others
        play nevertheless.
        """
        stream = self._line.live_stream(wish.kind, call)
        base = own_url(self._hass)
        given = {player: self._playable(player, wish) for player in wish.players}
        who = self._line.who(call)
        beginnings = []
        for player, playable in given.items():
            url = f"{base}{stream.address_of(playable.live_format)}"
            session = _Session(self._hass, player, call.id, url, context)
            beginnings.append(self._begin(session, playable, wish.volume, who))
        outcomes = await asyncio.gather(*beginnings, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        path = (
            stream.path_of(LiveFormat.named(wish.format_name)) if wish.format_name else stream.path
        )
        return Started(
            url=f"{base}{path}",
            path=path,
            formats={player: playable.live_format.name for player, playable in given.items()},
        )

    async def async_stand(self, wish: StandingWish) -> None:
        """Keep a wish for the calls to come, in the place of an older one of the same players."""
        others = [item for item in self.standing if item.wish.players != wish.wish.players]
        self.standing = (*others, wish)
        await self._save()

    async def async_end(self, players: Collection[str] | None = None) -> list[str]:
        """Stop players at once, all if none are named; returns those that played a call."""
        wanted = tuple(self._sessions if players is None else players)
        sessions = [self._sessions.pop(player) for player in wanted if player in self._sessions]
        await asyncio.gather(*(session.async_end(plays_out=False) for session in sessions))
        return [session.player for session in sessions]

    async def async_forget(self, players: Collection[str] | None = None) -> list[str]:
        """Drop the standing wishes for players, all if none are named; returns whose they were."""
        kept, dropped = [], []
        for item in self.standing:
            gone = [name for name in item.wish.players if players is None or name in players]
            left = tuple(name for name in item.wish.players if name not in gone)
            dropped += gone
            if left == item.wish.players:
                kept.append(item)
            elif left:
                fields = {**item.as_stored(), "wish": {**asdict(item.wish), "players": left}}
                kept.append(StandingWish.from_stored(fields))
        self.standing = tuple(kept)
        await self._save()
        return dropped

    def wanted(self, call: Call) -> set[str]:
        """Return the players that wait for such a call."""
        door_phone = self._line.is_door_phone(call)
        return {
            player
            for item in self.standing
            if item.calls.matches(call, door_phone=door_phone)
            for player in item.wish.players
        }

    async def async_ring(
        self, player: str, ring_id: str, stream: LiveStream, who: str, volume: float | None
    ) -> None:
        """Start a player on a ring tone; raises HomeAssistantError: what the player says."""
        playable = playable_for(self._hass, player, encodes=self._line.streams.encodes)
        url = f"{own_url(self._hass)}{stream.address_of(playable.live_format)}"
        session = _Session(self._hass, player, ring_id, url, None)
        await self._begin(session, playable, volume, who)

    async def async_end_ring(self, ring_id: str) -> None:
        """Bring the players back that still ring; one that plays the call by now does not."""
        ringing = [item for item in self._sessions.values() if item.call_id == ring_id]
        tasks = [self._ends(self._sessions.pop(item.player), plays_out=False) for item in ringing]
        if tasks:
            await asyncio.wait(tasks)

    def playing(self, call: Call) -> tuple[str, ...]:
        """Return the players that were started on a call."""
        return tuple(item.player for item in self._sessions.values() if item.call_id == call.id)

    def _playable(self, player: str, wish: Wish) -> Playable:
        """Return how a player gets the stream."""
        playable = playable_for(self._hass, player, encodes=self._line.streams.encodes)
        if wish.format_name is None:
            return playable
        return Playable(
            live_format=LiveFormat.named(wish.format_name),
            media_type=playable.media_type,
            extra=playable.extra,
        )

    async def _begin(
        self, session: _Session, playable: Playable, volume: float | None, who: str
    ) -> None:
        """Start one player, which may play a call already, or not be back from one."""
        player = session.player
        earlier = self._sessions.get(player)
        if going := self._going.pop(player, None):
            earlier, task = going
            task.cancel()
        self._sessions[player] = session
        try:
            await session.async_begin(playable, volume, who, earlier)
        except BaseException:
            if self._sessions.get(player) is session:
                del self._sessions[player]
            raise

    @callback
    def _call_updated(self, update: CallUpdate) -> None:
        """Start players that wait for such a call; let those of a call that is over play out."""
        if update.type in _BEGINNINGS:
            for item in self.standing:
                if item.calls.matches(
                    update.call, door_phone=self._line.is_door_phone(update.call)
                ):
                    self._spawn(self._play_standing(item.wish, update.call))
        elif update.call.ending is not None:
            for player in self.playing(update.call):
                self._ends(self._sessions.pop(player))

    async def _play_standing(self, wish: Wish, call: Call) -> None:
        """Play a call that nobody has asked for by hand: what fails is logged."""
        try:
            await self.async_play(wish, call)
        except CallUnknownError:
            # It was over before the players were reached.
            return
        except HomeAssistantError as error:
            _LOGGER.warning("%s cannot play the call: %s", ", ".join(wish.players), error)

    def _ends(self, session: _Session, *, plays_out: bool = True) -> asyncio.Task[None]:
        """Let a player go back, once it has played out unless that is not wanted."""
        task = self._spawn(session.async_end(plays_out=plays_out))
        if task.done():
            return task
        self._going[session.player] = session, task

        def gone(_: object) -> None:
            if (going := self._going.get(session.player)) and going[1] is task:
                del self._going[session.player]

        task.add_done_callback(gone)
        return task

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the line at the latest."""
        task = self._line.entry.async_create_background_task(
            self._hass, work, f"{DOMAIN} listening of {self._line.id}"
        )
        if not task.done():
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return task

    async def _save(self) -> None:
        """Write the standing wishes down."""
        await self._store.async_save([item.as_stored() for item in self.standing])


class _Session:
    """One player that plays one call."""

    def __init__(
        self, hass: HomeAssistant, player: str, call_id: str, url: str, context: Context | None
    ) -> None:
        """Keep what is played where."""
        self.player = player
        self.call_id = call_id
        self._hass = hass
        self._url = url
        self._context = context
        self._before: State | None = None
        self._has_snapshot = False
        self._volume: float | None = None

    async def async_begin(
        self, playable: Playable, volume: float | None, title: str, earlier: _Session | None
    ) -> None:
        """Note what the player is, or was before an earlier session, and start it."""
        state = self._state()
        if earlier is not None:
            self._before, self._has_snapshot = earlier._before, earlier._has_snapshot  # noqa: SLF001
            self._volume = earlier._volume  # noqa: SLF001
        elif state is not None:
            self._before = state
            self._has_snapshot = await self._snapshot()
        if volume is not None and state is not None and _can(state, _Feature.VOLUME_SET):
            await self._act("volume_set", volume_level=volume)
            self._volume = volume
        await self._act(
            "play_media",
            media_content_id=self._url,
            media_content_type=playable.media_type,
            extra={**playable.extra, "title": title, "metadata": {"title": title}},
        )

    async def async_end(self, *, plays_out: bool) -> None:
        """Bring the player back to what it was, unless somebody gave it something else."""
        try:
            async with asyncio.timeout(_PLAY_OUT_SECONDS + 2 * _PLAYER_SECONDS):
                if plays_out:
                    await self._played_out()
                await self._go_back()
        except (HomeAssistantError, TimeoutError) as error:
            _LOGGER.debug("%s could not be brought back: %s", self.player, error)

    async def _go_back(self) -> None:
        """Stop what is ours, then restore volume and what was played."""
        state = self._state()
        if state is None or self._before is None or self._is_taken_over(state):
            return
        if state.state in _PLAYING and _can(state, _Feature.STOP):
            await self._act("media_stop")
        before = self._before
        if self._has_snapshot:
            await self._hass.services.async_call(
                _SONOS, "restore", {ATTR_ENTITY_ID: self.player}, blocking=True
            )
            return
        level = state.attributes.get("volume_level")
        usual = before.attributes.get("volume_level")
        if self._volume is not None and usual is not None and _near(level, self._volume):
            await self._act("volume_set", volume_level=usual)
        await self._play_again(before, state)

    async def _play_again(self, before: State, now: State) -> None:
        """Go back to the programme, the source, or being off."""
        media = before.attributes.get("media_content_id")
        source = before.attributes.get("source")
        if (
            before.state == MediaPlayerState.PLAYING
            and isinstance(media, str)
            and media.startswith(_ADDRESSES)
        ):
            await self._act(
                "play_media",
                media_content_id=media,
                media_content_type=before.attributes.get("media_content_type") or "music",
            )
        elif before.state == MediaPlayerState.OFF and _can(now, _Feature.TURN_OFF):
            await self._act("turn_off")
        elif (
            source is not None
            and source != now.attributes.get("source")
            and _can(now, _Feature.SELECT_SOURCE)
        ):
            await self._act("select_source", source=source)

    async def _played_out(self) -> None:
        """Wait until the player has played what it had stored."""
        changed = asyncio.Event()
        stop = self._hass.bus.async_listen(
            "state_changed",
            callback(lambda _: changed.set()),
            event_filter=callback(lambda data: data[ATTR_ENTITY_ID] == self.player),
        )
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PLAY_OUT_SECONDS):
                    while (state := self._state()) and state.state in _PLAYING:
                        changed.clear()
                        await changed.wait()
        finally:
            stop()

    def _is_taken_over(self, state: State) -> bool:
        """Tell whether the player tells that it plays something else."""
        media = state.attributes.get("media_content_id")
        old = self._before.attributes.get("media_content_id") if self._before else None
        return (
            state.state in _PLAYING
            and isinstance(media, str)
            and media.startswith(_ADDRESSES)
            and media != old
            and not _same_path(media, self._url)
        )

    async def _snapshot(self) -> bool:
        """Have Sonos keep what it plays: it can be brought back as nobody else can."""
        entry = er.async_get(self._hass).async_get(self.player)
        if entry is None or entry.platform != _SONOS:
            return False
        if not self._hass.services.has_service(_SONOS, "snapshot"):
            return False
        await self._hass.services.async_call(
            _SONOS, "snapshot", {ATTR_ENTITY_ID: self.player}, blocking=True
        )
        return True

    async def _act(self, action: str, **data: Any) -> None:
        """Perform an action of the player.

        Raises what the player says within some seconds. One that takes longer goes on by
        itself: the call does not wait, and what it was told it mostly has done already.
        """
        task = self._hass.async_create_background_task(
            self._hass.services.async_call(
                MEDIA_PLAYER,
                action,
                {ATTR_ENTITY_ID: self.player, **data},
                blocking=True,
                context=self._context,
            ),
            f"{DOMAIN} {action} of {self.player}",
        )
        await asyncio.wait({task}, timeout=_PLAYER_SECONDS)
        if task.done():
            task.result()
        else:
            task.add_done_callback(self._late)

    def _late(self, task: asyncio.Task[Any]) -> None:
        """Note what came of an action that nobody waited for."""
        if not task.cancelled() and (error := task.exception()):
            _LOGGER.warning("%s: %s", self.player, error)

    def _state(self) -> State | None:
        """Return the player's state."""
        return self._hass.states.get(self.player)


def check_players(hass: HomeAssistant, players: Collection[str]) -> None:
    """Raise ServiceValidationError for what is no player, or none that can be given sound."""
    for player in players:
        if (state := hass.states.get(player)) is None:
            raise wrong_input("player_unknown", player=player)
        if not plays_media(state):
            raise wrong_input("player_cannot_play", player=state.name)


def own_url(hass: HomeAssistant) -> str:
    """Return Home Assistant's address; raises HomeAssistantError where it knows none."""
    try:
        return get_url(hass)
    except NoURLAvailableError as error:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="no_url") from error


def _can(state: State, feature: _Feature) -> bool:
    """Tell whether a player can do something."""
    return bool(supported(state) & feature)


def _near(level: object, wanted: float) -> bool:
    """Tell whether a volume is still the one that was set; players have steps."""
    return isinstance(level, int | float) and abs(level - wanted) < _VOLUME_STEP


def _same_path(one: str, other: str) -> bool:
    """Tell whether two addresses are of the same stream."""
    return one.partition("?")[0].rpartition("/")[2] == other.partition("?")[0].rpartition("/")[2]
