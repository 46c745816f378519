"""Cures for the problems of problems.py; each is proved at the gateway before it is kept."""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from .const import CONF_FAMILY, CONF_GATEWAY, CONF_SECOND_GATEWAY
from .engine import EngineChoice, engine_keeper, needed_family
from .exceptions import shown_placeholders
from .line import line_config
from .options_form import OptionError, second_gateway
from .problems import Problem
from .telephony import address
from .telephony.engine.protocol import FamilyChoice
from .telephony.errors import TelephonyError

if TYPE_CHECKING:
    # From 2026.11 on this is what Home Assistant gives out as voluptuous.
    import probatio as vol
    from homeassistant.components.repairs import RepairsFlowResult
else:
    import voluptuous as vol


def cure_of(hass: HomeAssistant, problem: Problem, told: Mapping[str, Any]) -> RepairsFlow:
    """Return the cure of a problem; ``told`` is what its issue keeps."""
    entry_id = str(told.get("entry_id"))
    entry = hass.config_entries.async_get_entry(entry_id)
    if problem is Problem.PREFIX_CHANGED:
        return NewAddressFlow(entry_id, str(told.get("address")), str(told.get("prefix")))
    if problem is Problem.CALLS_NEED_IPV4 and entry and _allows_ipv4(entry):
        return SecondAddressFlow(entry_id)
    return BothFamiliesFlow(entry_id)


class _Cure(RepairsFlow):
    """Changes one entry and loads it anew."""

    def __init__(self, entry_id: str) -> None:
        """Take the id of the entry, which may go while the cure is open."""
        self._entry_id = entry_id

    @property
    def _entry(self) -> ConfigEntry | None:
        """Return the entry, None if it is gone."""
        return self.hass.config_entries.async_get_entry(self._entry_id)

    def _change(self, **changes: Any) -> RepairsFlowResult:
        """Keep what was changed, and end."""
        if (entry := self._entry) is None:
            return self.async_abort(reason="line_gone")
        self.hass.config_entries.async_update_entry(entry, **changes)
        self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_create_entry(data={})


class BothFamiliesFlow(_Cure):
    """Lets the line use both families."""

    async def async_step_init(self, _user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Set the family to automatic."""
        if (entry := self._entry) is None:
            return self.async_abort(reason="line_gone")
        if user_input is None:
            return self.async_show_form(
                step_id="confirm",
                data_schema=vol.Schema({}),
                description_placeholders={"line": entry.title},
            )
        return self._change(data={**entry.data, CONF_FAMILY: FamilyChoice.AUTOMATIC.value})


class _AddressFlow(_Cure, ABC):
    """Asks for an address of the gateway and registers there once before it is kept."""

    step = ""
    suggestion = ""

    async def async_step_init(self, _user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Begin."""
        return await self._ask()

    async def _ask(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Ask for the address, prove it, keep it."""
        if (entry := self._entry) is None:
            return self.async_abort(reason="line_gone")
        errors: dict[str, str] = {}
        placeholders = {"line": entry.title}
        if user_input is not None:
            try:
                return await self._prove(entry, user_input[CONF_GATEWAY])
            except OptionError as error:
                errors = {CONF_GATEWAY: error.reason}
                placeholders |= error.placeholders
            except TelephonyError as error:
                errors = {CONF_GATEWAY: error.reason}
                placeholders |= shown_placeholders(error)
        shown = (user_input or {}).get(CONF_GATEWAY, self.suggestion)
        return self.async_show_form(
            step_id=self.step,
            data_schema=vol.Schema({vol.Required(CONF_GATEWAY, default=shown): str}),
            errors=errors,
            description_placeholders=placeholders,
        )

    @abstractmethod
    async def _prove(self, entry: ConfigEntry, text: str) -> RepairsFlowResult:
        """Register once at an address, and keep it; raises TelephonyError, OptionError."""

    async def _register(self, entry: ConfigEntry, **changes: Any) -> None:
        """Register once as the line would after the changes; raises a TelephonyError."""
        data = {**entry.data, **changes}
        async with engine_keeper(self.hass).use(
            EngineChoice.of_options(entry.options), needed_family(data)
        ) as client:
            await client.probe(line_config(data, {}))


class NewAddressFlow(_AddressFlow):
    """Finds the gateway in the new prefix."""

    step = "address"

    def __init__(self, entry_id: str, former: str, prefix: str) -> None:
        """Take the former address and the prefix that is announced now."""
        super().__init__(entry_id)
        self.suggestion = moved_address(former, prefix)

    async def async_step_address(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Take the gateway's new address."""
        return await self._ask(user_input)

    @override
    async def _prove(self, entry: ConfigEntry, text: str) -> RepairsFlowResult:
        """Register at the new address."""
        host = address.normalize(text)
        await self._register(entry, **{CONF_GATEWAY: host})
        return self._change(data={**entry.data, CONF_GATEWAY: host})


class SecondAddressFlow(_AddressFlow):
    """Gives the line the gateway's IPv4 address beside the IPv6 one."""

    step = "second_address"
    suggestion = "192.168.1.1"

    async def async_step_second_address(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Take the gateway's IPv4 address."""
        return await self._ask(user_input)

    @override
    async def _prove(self, entry: ConfigEntry, text: str) -> RepairsFlowResult:
        """Register over IPv4."""
        host = second_gateway(text, entry.data[CONF_GATEWAY]) or entry.data[CONF_GATEWAY]
        await self._register(entry, **{CONF_GATEWAY: host, CONF_FAMILY: FamilyChoice.IPV4.value})
        return self._change(options={**entry.options, CONF_SECOND_GATEWAY: host})


def moved_address(former: str, prefix: str) -> str:
    """Return where a gateway is most likely after its prefix changed: same end, new beginning."""
    try:
        end = int(ipaddress.IPv6Address(former)) & ((1 << 64) - 1)
        network = ipaddress.IPv6Network(prefix)
    except ValueError:
        return ""
    return str(ipaddress.IPv6Address((int(network.network_address) >> 64 << 64) | end))


def _allows_ipv4(entry: ConfigEntry) -> bool:
    """Tell whether the owner lets a line use IPv4."""
    return FamilyChoice(entry.data[CONF_FAMILY]) is not FamilyChoice.IPV6
