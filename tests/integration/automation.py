"""Automations of a test: they are set up, and what they were told is kept."""

from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component


async def automate(
    hass: HomeAssistant,
    *triggers: dict[str, Any],
    conditions: list[dict[str, Any]] | None = None,
    expect_valid: bool = True,
    payload: str = "{{ trigger }}",
) -> list[dict[str, Any]]:
    """Set an automation up; what its triggers tell is put into the list that is returned."""
    told: list[dict[str, Any]] = []

    async def note(call: ServiceCall) -> None:
        told.append(dict(call.data["trigger"]))

    hass.services.async_register("test", "note", note)
    assert await async_setup_component(
        hass,
        "automation",
        {
            "automation": {
                "id": "noting",
                "alias": "Noting",
                "mode": "queued",
                "triggers": list(triggers),
                "conditions": conditions or [],
                "actions": {"action": "test.note", "data": {"trigger": payload}},
            }
        },
    )
    await hass.async_block_till_done()
    state = hass.states.get("automation.noting")
    assert state is not None
    assert (state.state == "on") is expect_valid
    return told
