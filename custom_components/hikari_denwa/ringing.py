"""Which players ring when a call comes in: a ring tone, until the call is answered or over."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from .calls import ASIDE, Call, CallEventType, CallUpdate
from .const import CONF_RING_PLAYERS, CONF_RING_TARGET, CONF_RING_VOLUME, DOMAIN
from .http import LiveStream, StreamKind
from .players import plays_media
from .sound import CallSound
from .telephony.audio.broadcast import Filler
from .telephony.calls import CallState

if TYPE_CHECKING:
    from .line import Line

_LOGGER = logging.getLogger(__name__)

RING_OFF: Final = "off"
RING_ALL: Final = "all"
_RING_TONE: Final = StreamKind(while_ringing=Filler.RING_TONE)
# No longer than a player is waited for when it is started.
_BEGIN_SECONDS: Final = 12.0


def ring_targets(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what can be chosen: nobody, all players of the option, or one of them."""
    players = options.get(CONF_RING_PLAYERS, ())
    return (RING_OFF, RING_ALL, *players) if players else (RING_OFF,)


def ring_target(options: Mapping[str, Any]) -> str:
    """Return what is chosen; a player that is none any more is not chosen any more."""
    targets = ring_targets(options)
    chosen = options.get(CONF_RING_TARGET, RING_ALL)
    if chosen in targets:
        return str(chosen)
    return RING_ALL if RING_ALL in targets else RING_OFF


def ring_players(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the players that ring."""
    chosen = ring_target(options)
    if chosen == RING_OFF:
        return ()
    return tuple(options[CONF_RING_PLAYERS]) if chosen == RING_ALL else (chosen,)


def own_players(hass: HomeAssistant, players: Collection[str]) -> list[str]:
    """Return which of some players are those of our lines, which play into calls."""
    registry = er.async_get(hass)
    found = {player: registry.async_get(player) for player in players}
    return [player for player, entry in found.items() if entry and entry.platform == DOMAIN]


@dataclass(frozen=True, kw_only=True)
class _Ring:
    """The players that ring for one call; the stream has no sound but the ring tone."""

    id: str
    stream: LiveStream
    begun: asyncio.Task[None]


class Ringing:
    """Has players ring for a line's calls, and brings them back to what they were."""

    def __init__(self, hass: HomeAssistant, line: Line) -> None:
        """Have nothing ring yet."""
        self._hass = hass
        self._line = line
        self._rings: dict[str, _Ring] = {}
        self._leave: CALLBACK_TYPE | None = None
        self._endings: set[asyncio.Task[None]] = set()

    @callback
    def start(self) -> None:
        """Wait for calls."""
        self._leave = self._line.subscribe_calls(self._call_updated)

    async def async_stop(self) -> None:
        """Wait for no more calls, and have what rings stop."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        for call_id in tuple(self._rings):
            self._end(call_id)
        if self._endings:
            await asyncio.wait(self._endings)

    @callback
    def _call_updated(self, update: CallUpdate) -> None:
        """Begin with a call that rings; end with whatever else happens to it."""
        call = update.call
        if update.type is CallEventType.INCOMING:
            if players := self._players(call):
                self._begin(call, players)
        elif update.type not in ASIDE:
            self._end(call.id)

    def _players(self, call: Call) -> list[str]:
        """Return the players that are to ring: none in a conversation, nor those that listen."""
        others = (other for other in self._line.calls if other.id != call.id)
        if any(other.answered or other.state is not CallState.RINGING for other in others):
            return []
        chosen = ring_players(self._line.entry.options)
        taken = {*self._line.listening.wanted(call), *own_players(self._hass, chosen)}
        return [player for player in chosen if player not in taken and self._can_ring(player)]

    def _can_ring(self, player: str) -> bool:
        """Tell whether a player is there and plays what it is given."""
        state = self._hass.states.get(player)
        return state is not None and state.state != STATE_UNAVAILABLE and plays_media(state)

    def _begin(self, call: Call, players: list[str]) -> None:
        """Have players ring."""
        stream = self._line.streams.open(_RING_TONE, CallSound(_no_sound, self._spawn))
        ring_id = f"ring {call.id}"
        begun = self._spawn(self._start(players, ring_id, stream, self._line.who(call)))
        self._rings[call.id] = _Ring(id=ring_id, stream=stream, begun=begun)

    async def _start(self, players: list[str], ring_id: str, stream: LiveStream, who: str) -> None:
        """Start players; one that cannot be reached keeps none of the others from ringing."""
        percent = self._line.entry.options.get(CONF_RING_VOLUME)
        volume = None if percent is None else percent / 100
        outcomes = await asyncio.gather(
            *(
                self._line.listening.async_ring(player, ring_id, stream, who, volume)
                for player in players
            ),
            return_exceptions=True,
        )
        for player, outcome in zip(players, outcomes, strict=True):
            if isinstance(outcome, HomeAssistantError):
                _LOGGER.warning("%s cannot ring: %s", player, outcome)
            elif isinstance(outcome, BaseException):
                raise outcome

    @callback
    def _end(self, call_id: str) -> None:
        """Have what rings for a call stop."""
        if ring := self._rings.pop(call_id, None):
            # A player that is slow to stop has nothing more to play, least of all the call.
            ring.stream.close()
            task = self._spawn(self._finish(ring))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def _finish(self, ring: _Ring) -> None:
        """Bring the players back, once they have begun: what is told later would win."""
        await asyncio.wait({ring.begun}, timeout=_BEGIN_SECONDS)
        await self._line.listening.async_end_ring(ring.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the line at the latest."""
        return self._line.entry.async_create_background_task(
            self._hass, work, f"{DOMAIN} ringing of {self._line.id}"
        )


async def _no_sound(*, enabled: bool, near: bool) -> None:
    """Have nothing sent: the ring tone is made here."""
