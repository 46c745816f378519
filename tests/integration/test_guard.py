"""Whatever the options, the caller and the gateway: no INVITE goes out that the owner forbids."""

import re
from typing import Any

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.hikari_denwa.const import DOMAIN
from custom_components.hikari_denwa.line import Line
from custom_components.hikari_denwa.options import DiallingOptions
from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.numbers import CostClass, classify, normalize
from tests.unit.compatibility.test_guard import PLAIN, numbers

from .fake_engine import FakeEngine, connected, ended, paths_changed
from .test_dialling import BOTH, ONLY_V6

options = st.fixed_dictionaries(
    {},
    optional={
        "allowed_costs": st.lists(st.sampled_from([cost.value for cost in CostClass])),
        "blocked_numbers": st.lists(st.sampled_from(PLAIN), max_size=4),
        "emergency": st.booleans(),
        "emergency_from_automation": st.booleans(),
        "area_code": st.sampled_from(["", "03", "045"]),
        "shows_number": st.booleans(),
        "region": st.sampled_from(["automatic", "east", "west"]),
        "extensions": st.just([{"number": "1", "kind": "analog"}, {"number": "5", "kind": "dual"}]),
    },
)
answers = st.lists(st.sampled_from([488, 606, 433, 486, 480, 200]), max_size=4)


def bare(digits: str) -> str:
    """Return dialled digits without prefixes, sub-address and closing keys."""
    digits = re.sub(r"^(18[46])+", "", digits)
    digits = re.sub(r"^010810?(?=[1-9])", "0", digits)
    return re.split(r"[*#]", digits)[0] if digits[0] not in "*#" else digits


def allowed(digits: str, chosen: dict[str, Any], *, person: bool) -> bool:
    """Tell by other means than the product whether an INVITE may go out."""
    number = bare(digits)
    blocked = {bare(normalize(text)) for text in chosen.get("blocked_numbers", ())}
    if number in blocked:
        return False
    if re.fullmatch(r"0?11[089].*", number):
        automation = chosen.get("emergency_from_automation", False)
        return bool(chosen.get("emergency")) and (person or automation)
    costs = chosen.get("allowed_costs")
    cost = classify(digits).cost
    if costs is None:
        return cost not in {CostClass.PREMIUM, CostClass.INTERNATIONAL, CostClass.UNKNOWN}
    return cost.value in costs


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    chosen=options,
    number=numbers,
    person=st.booleans(),
    show=st.booleans(),
    button=st.booleans(),
    both=st.booleans(),
    statuses=answers,
)
async def test_no_forbidden_invite(
    hass: HomeAssistant,
    engine: FakeEngine,
    line: Line,
    hass_admin_user: MockUser,
    chosen: dict[str, Any],
    number: str,
    person: bool,
    show: bool,
    button: bool,
    both: bool,
    statuses: list[int],
) -> None:
    """Through the action and the button, and after whatever the gateway answered."""
    line.dialler.options = DiallingOptions.read(chosen)
    line.dialler.forget()
    engine.invites.clear()
    listener = engine.client.listener()
    listener.paths_changed(paths_changed("line-1", BOTH if both else ONLY_V6))
    context = Context(user_id=hass_admin_user.id) if person else Context()
    line.number_to_dial = number
    action, data = ("dial", {"number": number, "show_number": show})
    domain, target = (DOMAIN, {})
    if button:
        domain, action, data, target = "button", "press", {}, {"entity_id": "button.home_dial"}
    try:
        await hass.services.async_call(
            domain, action, data, blocking=True, context=context, target=target
        )
    except HomeAssistantError:
        assert engine.invites == []
    for status in statuses:
        if (call := line.state.call) is None:
            break
        if status == 200:
            listener.call_event(connected(call.id))
        else:
            listener.call_event(ended(call.id, EndReason.NOT_ACCEPTABLE, status=status))
        await hass.async_block_till_done(wait_background_tasks=True)
    assert len(engine.invites) <= 2
    for invite in engine.invites:
        assert allowed(invite.number, chosen, person=person), invite
    if call := line.state.call:
        listener.call_event(ended(call.id))
        await hass.async_block_till_done(wait_background_tasks=True)
