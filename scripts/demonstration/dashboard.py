"""The dashboard of the demo: the line's state, what happened last, and buttons to call."""

from typing import Any

from scripts.home_assistant import Client

URL_PATH = "hikari-denwa"


async def make(client: Client, entities: dict[str, str]) -> str:
    """Make the dashboard as a person would in the settings; returns its address."""
    await client.command(
        "lovelace/dashboards/create",
        url_path=URL_PATH,
        title="ひかり電話",
        icon="mdi:phone",
        mode="storage",
        require_admin=False,
        show_in_sidebar=True,
    )
    await client.command("lovelace/config/save", url_path=URL_PATH, config=_config(entities))
    return f"{client.url}/{URL_PATH}"


def _config(entities: dict[str, str]) -> dict[str, Any]:
    """Return what the dashboard shows."""
    order = (
        "sensor.call_state",
        "event.call",
        "event.doorbell",
        "binary_sensor.registered",
    )
    line = {
        "type": "entities",
        "title": "Line",
        "entities": [entities[key] for key in order],
    }
    call = {
        "type": "horizontal-stack",
        "cards": [
            {"type": "button", "entity": entities[key]}
            for key in ("button.answer", "button.hang_up")
        ],
    }
    dial = {
        "type": "entities",
        "title": "Dial",
        "entities": [entities["text.number"], entities["button.dial"]],
    }
    return {"views": [{"title": "ひかり電話", "path": "line", "cards": [line, call, dial]}]}
