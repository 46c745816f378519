"""The IP family of a line, which players ring, and the assistant that callers talk to."""

from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.importlib import async_import_module
from homeassistant.setup import async_setup_component

from .const import ASSIST_PLATFORM, CONF_FAMILY, CONF_RING_TARGET
from .entity import StandingEntity
from .exceptions import translated_errors
from .line import HikariConfigEntry
from .ringing import ring_target, ring_targets
from .telephony.engine.protocol import FamilyChoice

PARALLEL_UPDATES = 1

_FAMILY = SelectEntityDescription(
    key=CONF_FAMILY,
    translation_key=CONF_FAMILY,
    entity_category=EntityCategory.CONFIG,
    options=[choice.value for choice in FamilyChoice],
)
_RING_TARGET = SelectEntityDescription(
    key=CONF_RING_TARGET,
    translation_key=CONF_RING_TARGET,
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HikariConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the select platform."""
    async_add_entities([FamilySelect(entry, _FAMILY), RingTargetSelect(entry, _RING_TARGET)])
    if ASSIST_PLATFORM not in entry.runtime_data.platforms:
        return
    # The platforms are set up side by side: this one may be before the one that brings Assist.
    if await async_setup_component(hass, "assist_pipeline", {}):
        assist = await async_import_module(hass, f"{__package__}.assist_selects")
        async_add_entities(assist.selects(hass, entry))


class FamilySelect(StandingEntity, SelectEntity):
    """Chooses over which families the line may register; the gateway is asked first."""

    @property
    @override
    def current_option(self) -> str:
        """Return what is chosen."""
        return str(self.line.entry.data.get(CONF_FAMILY, FamilyChoice.AUTOMATIC))

    @override
    async def async_select_option(self, option: str) -> None:
        """Choose another family."""
        with translated_errors():
            await self.line.async_change_family(FamilyChoice(option))
        self.async_write_ha_state()


class RingTargetSelect(StandingEntity, SelectEntity):
    """Chooses which of the players of the line's option ring: all, one of them, or none."""

    @property
    @override
    def options(self) -> list[str]:
        """Return what there is to choose from."""
        return list(ring_targets(self.line.entry.options))

    @property
    @override
    def current_option(self) -> str:
        """Return what is chosen."""
        return ring_target(self.line.entry.options)

    @override
    async def async_select_option(self, option: str) -> None:
        """Choose; a player that rings now goes on."""
        self.line.set_option(CONF_RING_TARGET, value=option)
        self.async_write_ha_state()
