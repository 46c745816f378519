"""What happens to a line whose chosen engine does not serve, and when it serves again."""

from collections.abc import Callable

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN
from .engine import Lease, engine_keeper
from .exceptions import shown_placeholders
from .line import HikariConfigEntry
from .telephony.errors import TelephonyError


async def tell_problem(hass: HomeAssistant, entry: HikariConfigEntry, lease: Lease) -> None:
    """Open the repair issue of a line that has the built-in engine instead, or close it."""
    if lease.problem is None:
        forget_problem(hass, entry)
        return
    app = await engine_keeper(hass).async_app() if lease.automatic else None
    placeholders = {"line": entry.title, "problem": await _sentence(hass, lease.problem)}
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry),
        is_fixable=app is not None,
        severity=ir.IssueSeverity.WARNING,
        translation_key="engine_app_replaced" if app else "engine_replaced",
        translation_placeholders={**placeholders, "app": app.name} if app else placeholders,
    )


@callback
def forget_problem(hass: HomeAssistant, entry: HikariConfigEntry) -> None:
    """Close the repair issue of a line."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(entry))


def renewal(hass: HomeAssistant, entry: HikariConfigEntry) -> Callable[[], None]:
    """Return how to have a line set up anew, without cutting off a call."""
    waiting: list[CALLBACK_TYPE] = []

    @callback
    def renew() -> None:
        if waiting:
            return
        if entry.state is ConfigEntryState.LOADED and entry.runtime_data.state.call:
            waiting.append(entry.runtime_data.subscribe(call_changed))
            return
        hass.config_entries.async_schedule_reload(entry.entry_id)

    @callback
    def call_changed() -> None:
        if entry.runtime_data.state.call is None:
            waiting.pop()()
            renew()

    return renew


async def _sentence(hass: HomeAssistant, error: TelephonyError) -> str:
    """Return an error's sentence in the language of this Home Assistant."""
    sentences = await async_get_translations(hass, hass.config.language, "exceptions", [DOMAIN])
    sentence = sentences[f"component.{DOMAIN}.exceptions.{error.reason}.message"]
    return sentence.format(**shown_placeholders(error))


def _issue_id(entry: HikariConfigEntry) -> str:
    """Return the name of a line's issue."""
    return f"engine_{entry.entry_id}"
