"""Stages in Home Assistant what a test on loopback cannot bring about in earnest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from homeassistant.components.brands import BrandsIntegrationView
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import discovery_flow
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.service_info.hassio import HassioServiceInfo
from homeassistant.helpers.typing import ConfigType

from custom_components.hikari_denwa import config_flow, line
from custom_components.hikari_denwa.problems import Problem
from custom_components.hikari_denwa.telephony.calls import Family
from custom_components.hikari_denwa.telephony.engine.protocol import LineConfig
from custom_components.hikari_denwa.telephony.gateway_finder import FoundGateway

_OURS = "hikari_denwa"
_NAME = "ntt.setup"
_GATEWAYS = (
    FoundGateway(host=_NAME, families=(Family.IPV6, Family.IPV4)),
    FoundGateway(host="192.168.3.1", families=(Family.IPV4,)),
)
_line_config = line.line_config


def _at_home(data: Mapping[str, Any], options: Mapping[str, Any]) -> LineConfig:
    """Let the gateway's name lead to the gateway on loopback, as it does at home."""
    config = _line_config(data, options)
    return replace(config, gateway="localhost") if config.gateway == _NAME else config


async def _find(_ask: object) -> tuple[FoundGateway, ...]:
    """Find the home gateway and another device that speaks SIP."""
    return _GATEWAYS


async def _no_picture(*_: object) -> None:
    """Have no picture of another integration: it would come from the Internet."""


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Set up the neighbourhood, and the actions that bring the rest about."""
    patch.object(config_flow, "find_gateways", _find).start()
    patch.object(config_flow, "line_config", _at_home).start()
    patch.object(line, "line_config", _at_home).start()
    patch.object(BrandsIntegrationView, "_fetch_and_cache", _no_picture).start()

    async def show_problem(call: ServiceCall) -> None:
        """Open the issue of a problem of the line, as the integration opens it."""
        (entry,) = hass.config_entries.async_entries(_OURS)
        problem, words = call.data["problem"], call.data["words"]
        of_line = {"entry_id": entry.entry_id, "problem": problem, **words}
        ir.async_create_issue(
            hass,
            _OURS,
            f"{problem}_{entry.entry_id}",
            data=of_line if problem in set(Problem) else None,
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=problem,
            translation_placeholders={"line": entry.title, **words},
        )

    async def start_app(_call: ServiceCall) -> None:
        """Have the Supervisor tell of the app, as it does each time that the app starts."""
        discovery_flow.async_create_flow(
            hass,
            _OURS,
            context={"source": "hassio"},
            data=HassioServiceInfo(
                config={"url": "http://127.0.0.1:17060", "token": "secret"},
                name="Hikari Denwa Engine",
                slug="hikari_denwa_engine",
                uuid="0123456789abcdef",
            ),
        )

    hass.services.async_register("rehearsal", "show_problem", show_problem)
    hass.services.async_register("rehearsal", "start_app", start_app)
    return True
