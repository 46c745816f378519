"""Repairs that somebody can carry out with a click."""

from typing import TYPE_CHECKING, Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.core import HomeAssistant

from .engine import engine_keeper
from .path_cures import cure_of
from .problems import Problem

if TYPE_CHECKING:
    from homeassistant.components.repairs import RepairsFlowResult


class ForgetAppRepairFlow(ConfirmRepairFlow):
    """Has the lines go on without an app that is gone."""

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Forget the app when that is confirmed."""
        if user_input is not None:
            await engine_keeper(self.hass).async_take_app(None)
        return await super().async_step_confirm(user_input)


async def async_create_fix_flow(
    hass: HomeAssistant, _issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the flow of an issue: of the way to the gateway, or of an app that is gone."""
    if data and (problem := data.get("problem")):
        return cure_of(hass, Problem(problem), data)
    return ForgetAppRepairFlow()
