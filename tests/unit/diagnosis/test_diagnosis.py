"""What failed, from what is known of the last calls: a table of cases."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.hikari_denwa.telephony.calls import CallDirection, EndReason, Family
from custom_components.hikari_denwa.telephony.diagnosis import CallFacts, Fault, Finding, diagnose

GOOD = CallFacts(
    direction=CallDirection.INCOMING,
    family=Family.IPV6,
    reason=EndReason.HUNG_UP_THERE,
    connected=True,
    seconds=60,
    packets_received=3000,
    packets_sent=3000,
)
REFUSED = CallFacts(
    direction=CallDirection.OUTGOING,
    family=Family.IPV6,
    reason=EndReason.NOT_ACCEPTABLE,
    connected=False,
    status=488,
)
CASES = [
    ("good", GOOD, None),
    ("missed", replace(GOOD, connected=False, reason=EndReason.CALLER_GAVE_UP), None),
    ("busy", replace(REFUSED, reason=EndReason.BUSY, status=486), None),
    ("not counted", replace(GOOD, packets_received=None, packets_sent=None), None),
    ("488 over IPv6", REFUSED, Fault.FAMILY),
    ("488 over IPv6, protocol", replace(REFUSED, warning=300), Fault.FAMILY),
    ("488 over IPv4, addresses", replace(REFUSED, family=Family.IPV4, warning=301), Fault.FAMILY),
    ("488 over IPv4", replace(REFUSED, family=Family.IPV4), Fault.CODEC),
    ("488 over IPv6, media", replace(REFUSED, warning=304), Fault.CODEC),
    ("488 over IPv6, bandwidth", replace(REFUSED, warning=370), Fault.FAMILY_OR_CODEC),
    (
        "606 of another reason",
        replace(REFUSED, status=606, reason=EndReason.DECLINED),
        Fault.FAMILY,
    ),
    ("answer refused", replace(GOOD, reason=EndReason.ANSWER_REFUSED), Fault.CODEC),
    ("cut at once", replace(GOOD, seconds=0.1), Fault.CODEC),
    ("hung up at once here", replace(GOOD, seconds=0.1, reason=EndReason.HUNG_UP_HERE), None),
    ("short call to them", replace(GOOD, seconds=0.5, direction=CallDirection.OUTGOING), None),
    ("nothing heard", replace(GOOD, packets_received=0), Fault.NOTHING_HEARD),
    ("too short to tell", replace(GOOD, packets_received=0, seconds=2), None),
    ("nothing sent", replace(GOOD, packets_sent=0), Fault.NOTHING_SENT),
    (
        "never any sound",
        replace(GOOD, packets_received=0, reason=EndReason.MEDIA_TIMEOUT),
        Fault.NOTHING_HEARD,
    ),
    ("sound stopped", replace(GOOD, reason=EndReason.MEDIA_TIMEOUT), Fault.SOUND_STOPPED),
    ("session expired", replace(GOOD, reason=EndReason.SESSION_EXPIRED), Fault.TIMER),
    ("cut at 300 s", replace(GOOD, seconds=300.4), Fault.TIMER_PERHAPS),
    ("hung up here at 300 s", replace(GOOD, seconds=300, reason=EndReason.HUNG_UP_HERE), None),
    ("310 s", replace(GOOD, seconds=310), None),
    ("engine", replace(GOOD, reason=EndReason.ENGINE_LOST), Fault.ENGINE),
    (
        "no answer to INVITE over IPv6",
        replace(REFUSED, reason=EndReason.GATEWAY_SILENT, status=None),
        Fault.CALL_UNANSWERED_IPV6,
    ),
    (
        "no answer to INVITE over IPv4",
        replace(REFUSED, reason=EndReason.GATEWAY_SILENT, status=None, family=Family.IPV4),
        Fault.CALL_UNANSWERED,
    ),
    (
        "credentials of a call",
        replace(REFUSED, reason=EndReason.CREDENTIALS_REJECTED, status=401),
        Fault.CALL_CREDENTIALS,
    ),
]


@pytest.mark.parametrize(("call", "fault"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_call(call: CallFacts, fault: Fault | None) -> None:
    """Each kind of call has its finding."""
    expected = (
        Finding(fault=fault, calls=1, of=1) if fault else Finding(fault=Fault.NONE, calls=0, of=1)
    )
    assert diagnose(registered=True, calls=[call]) == expected
    assert diagnose(registered=False, calls=[call]).fault is Fault.REGISTRATION


def test_no_calls() -> None:
    """Without a call nothing can be said but whether it is registered."""
    assert diagnose(registered=True, calls=[]).fault is Fault.NO_CALLS
    assert diagnose(registered=False, calls=[]).fault is Fault.REGISTRATION


def test_the_newest_counts() -> None:
    """What went wrong before may have been cured; how often the newest was is told."""
    silent = replace(GOOD, packets_received=0)
    calls = [silent, REFUSED, silent, GOOD]
    assert diagnose(registered=True, calls=calls) == Finding(
        fault=Fault.NOTHING_HEARD, calls=2, of=4
    )


def test_two_at_the_same_time() -> None:
    """One call that is cut after 300 s may be chance, two are not."""
    cut = replace(GOOD, seconds=299)
    assert diagnose(registered=True, calls=[cut, GOOD, cut]) == Finding(
        fault=Fault.TIMER, calls=2, of=3
    )


@given(
    calls=st.lists(
        st.builds(
            CallFacts,
            direction=st.sampled_from(CallDirection),
            family=st.sampled_from(Family),
            reason=st.sampled_from(EndReason),
            connected=st.booleans(),
            seconds=st.floats(min_value=0, max_value=1e6),
            status=st.none() | st.integers(min_value=100, max_value=699),
            warning=st.none() | st.integers(min_value=300, max_value=399),
            packets_received=st.none() | st.integers(min_value=0, max_value=9),
            packets_sent=st.none() | st.integers(min_value=0, max_value=9),
        )
    ),
    registered=st.booleans(),
)
def test_whatever_happened(calls: list[CallFacts], registered: bool) -> None:
    """There is always one finding, and it is counted right."""
    finding = diagnose(registered=registered, calls=calls)
    assert 0 <= finding.calls <= finding.of == len(calls)
    told = finding.fault not in {Fault.NONE, Fault.NO_CALLS, Fault.REGISTRATION}
    assert (finding.calls > 0) is told
