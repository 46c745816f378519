"""Calls that a client places: challenges, refusals, ringing, answers, families."""

import asyncio
from dataclasses import replace

import pytest

from tests.home_gateway import (
    CallConfig,
    CallState,
    Family,
    GatewayConfig,
    HomeGateway,
    MediaConfig,
    Progress,
    Reach,
    Refresher,
    Region,
    SessionTimerConfig,
    Side,
    TransactionTimers,
    answers,
    no_answer,
    refuses,
    rings_forever,
    silent,
    stalls,
)

from .conftest import FAST
from .hand import Answer, HandPhone


def with_calls(**switches: object) -> GatewayConfig:
    """Make a configuration with some switches of calls changed."""
    return GatewayConfig(calls=replace(CallConfig(), **switches))  # type: ignore[arg-type]


async def final(phone: HandPhone) -> Answer:
    """Return the final answer and acknowledge it."""
    answer = await phone.receive_until(lambda reply: reply.status >= 200)
    phone.acknowledge(answer)
    return answer


async def outcome(
    gateway: HomeGateway,
    phone: HandPhone,
    number: str = "0451110000",
    *,
    body: str | None = None,
    extra: str = "",
) -> Answer:
    """Register, dial and return the final answer."""
    if gateway.binding(phone.extension) is None:
        await phone.register()
    first = await phone.dial(number, body=body, extra=extra)
    if first.status >= 200:
        phone.acknowledge(first)
        return first
    return await final(phone)


@pytest.mark.assumption
@pytest.mark.parametrize("status", [401, 407])
async def test_challenge_variants(status: int) -> None:
    """INVITE is challenged by 401 or by 407, over the Request-URI."""
    async with (
        HomeGateway(with_calls(invite_challenge=status)) as gateway,
        HandPhone(gateway) as phone,
    ):
        assert (await outcome(gateway, phone)).status == 200
        challenges = [entry.text for entry in gateway.trace if f"2.0 {status}" in entry.text]
        assert len(challenges) == (2 if status == 401 else 1)
        await gateway.placed[0].answered()
        assert gateway.violations == []


async def test_no_challenge() -> None:
    """Profile B lets an INVITE in at once."""
    async with (
        HomeGateway(with_calls(invite_challenge=0)) as gateway,
        HandPhone(gateway) as phone,
    ):
        await phone.register()
        assert (await phone.dial("0451110000")).status == 100


@pytest.mark.assumption
async def test_unregistered_extension_is_403() -> None:
    """No binding, no call."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        answer = await phone.dial("0451110000")
        assert answer.status == 403


@pytest.mark.assumption
@pytest.mark.parametrize(("progress", "has_sound"), [("183", True), ("180", False)])
async def test_ringing_is_told_by_183_with_a_tone_or_by_180(progress: str, has_sound: bool) -> None:
    """Early media carries the ringing tone; 180 carries none."""
    config = with_calls(progress=Progress(progress))
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451110000"] = answers(0.3)
        await phone.register()
        await phone.dial("0451110000")
        ringing = await phone.receive()
        assert ringing.status == int(progress)
        assert ("m=audio" in ringing.body) is has_sound
        assert gateway.placed[0].state is CallState.RINGING
        await asyncio.sleep(0.1)
        media = gateway.placed[0].media
        assert bool(media and media.sent) is has_sound
        accepted = await final(phone)
        assert accepted.status == 200
        if has_sound:
            assert accepted.body == ringing.body


async def test_accepted_call_has_the_reported_headers() -> None:
    """Session-Expires with refresher=uas, Require, Supported, Allow."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        accepted = await outcome(gateway, phone)
        assert accepted.header("Session-Expires") == "300;refresher=uas"
        assert accepted.header("Require") == "timer"
        assert accepted.header("Supported") == "100rel"
        assert accepted.header("Allow") == "INVITE,ACK,BYE,CANCEL,UPDATE"
        assert "RTP/AVP 0\r\n" in accepted.body


@pytest.mark.parametrize(
    ("callee", "status"),
    [
        (refuses(486), 486),
        (refuses(500, warning=399), 500),
        (refuses(603, rings=True), 603),
        (no_answer(0.1), 480),
    ],
)
async def test_callees_that_do_not_answer(callee: object, status: int) -> None:
    """Each ends the call with its status, by the gateway."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = callee  # type: ignore[assignment]
        assert (await outcome(gateway, phone, "0451119999")).status == status
        end = await gateway.placed[0].ended()
        assert (end.by, end.status) == (Side.GATEWAY, status)
        assert gateway.violations == []


async def test_callee_who_never_answers_and_one_who_is_made_to() -> None:
    """Ringing goes on until somebody lets the callee answer."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = rings_forever()
        await phone.register()
        await phone.dial("0451119999")
        assert (await phone.receive()).status == 183
        assert await phone.nothing_comes(0.3)
        gateway.placed[0].answer()
        assert (await final(phone)).status == 200


async def test_calls_that_stall_or_meet_silence() -> None:
    """100 and nothing more; or nothing at all."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees |= {"0451119998": stalls(), "0451119999": silent()}
        await phone.register()
        assert (await phone.dial("0451119998")).status == 100
        assert await phone.nothing_comes(0.1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await phone.dial("0451119999")


async def test_callee_hangs_up() -> None:
    """BYE from the gateway."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = answers(0.05, talks_for=0.1)
        assert (await outcome(gateway, phone, "0451119999")).status == 200
        bye = await phone.receive_until(lambda answer: answer.start.startswith("BYE"))
        assert bye.start == f"BYE {phone.contact} SIP/2.0"
        phone.reply(bye, 200)
        assert (await gateway.placed[0].ended()).by is Side.GATEWAY


async def test_cancel() -> None:
    """200 to the CANCEL, 487 to the INVITE."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = rings_forever()
        await phone.register()
        await phone.dial("0451119999")
        await phone.receive()
        phone.cancel()
        answers_ = [await phone.receive(), await phone.receive()]
        by_method = {answer.header("CSeq").split()[1]: answer.status for answer in answers_}
        assert by_method == {"CANCEL": 200, "INVITE": 487}
        phone.acknowledge(next(answer for answer in answers_ if answer.status == 487))
        end = await gateway.placed[0].ended()
        assert (end.by, end.how) == (Side.CLIENT, "CANCEL")
        await asyncio.sleep(0.05)
        assert gateway.violations == []


async def test_cancel_without_a_call_is_481() -> None:
    """RFC 3261 §9.2."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.invite_uri, phone.invite_via = f"sip:1@{phone.domain}", phone.via()
        phone.dialog_id, phone.invite_cseq = "none", 1
        phone.cancel()
        assert (await phone.receive()).status == 481


async def test_withheld_callers_are_refused_until_they_show_their_number() -> None:
    """433 with 184, an answer without, and the reverse on a 非通知 line."""
    number = "0451110433"
    for shows, dialled in ((True, {"184": 433, "": 200}), (False, {"": 433, "186": 200})):
        async with (
            HomeGateway(with_calls(shows_number=shows)) as gateway,
            HandPhone(gateway) as phone,
        ):
            for prefix, status in dialled.items():
                assert (await outcome(gateway, phone, prefix + number)).status == status
            assert gateway.placed[0].dialled == number
            assert gateway.placed[0].shows_number


@pytest.mark.assumption
@pytest.mark.parametrize("over", [486, 503])
async def test_too_many_outside_calls(over: int) -> None:
    """The limit holds for outside calls, not for those in the house."""
    config = with_calls(max_outside_calls=1, over_limit=over)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        assert (await outcome(gateway, phone)).status == 200
        assert (await outcome(gateway, phone, "09011110000")).status == over
        assert (await outcome(gateway, phone, "6")).status == 200


@pytest.mark.assumption
async def test_offers_that_cannot_be_connected() -> None:
    """No PCMU: 488 with 305. Odd port and foreign address: by switch. Too short a timer: 422."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        refusal = await outcome(gateway, phone, body=phone.sdp("8"))
        assert refusal.status == 488
        assert refusal.header("Warning") == '305 Anonymous "Incompatible media format"'
        accepted = await outcome(gateway, phone, body=phone.sdp(port=40001))
        assert accepted.status == 200
        assert gateway.violations.rules() == {"RFC 3550 11 port"}
    strict = with_calls(odd_rtp_port_refused=True, sdp_address_mismatch=403)
    async with HomeGateway(strict) as gateway, HandPhone(gateway, Family.V4) as phone:
        assert (await outcome(gateway, phone, body=phone.sdp(port=40001))).status == 500
        foreign = phone.sdp().replace("127.0.0.1", "127.0.0.2")
        assert (await outcome(gateway, phone, body=foreign)).status == 403
    timer = SessionTimerConfig(refuse_below_min_se=True)
    async with (
        HomeGateway(GatewayConfig(session_timer=timer)) as gateway,
        HandPhone(gateway) as phone,
    ):
        refusal = await outcome(gateway, phone, extra="\nSession-Expires: 120")
        assert (refusal.status, refusal.header("Min-SE")) == (422, "300")
        accepted = await outcome(gateway, phone, extra="\nSession-Expires: 300")
        assert accepted.header("Session-Expires") == "300;refresher=uas"


OK = 200
REFUSED = 488
MATRIX = {
    (Family.V4, "1"): OK,
    (Family.V4, "4"): OK,
    (Family.V4, "5"): REFUSED,
    (Family.V4, "6"): OK,
    (Family.V4, "0451110004"): OK,
    (Family.V4, "0451110000"): OK,
    (Family.V6, "1"): REFUSED,
    (Family.V6, "4"): REFUSED,
    (Family.V6, "5"): OK,
    (Family.V6, "6"): OK,
    (Family.V6, "0451110004"): REFUSED,
    (Family.V6, "0451110000"): OK,
}


@pytest.mark.parametrize(("leg", "number"), MATRIX)
async def test_family_matrix(leg: Family, number: str) -> None:
    """Who reaches whom, by the family of the leg."""
    async with HomeGateway() as gateway, HandPhone(gateway, leg) as phone:
        answer = await outcome(gateway, phone, number)
        assert answer.status == MATRIX[leg, number]
        assert gateway.violations == []


@pytest.mark.assumption
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (300, '300 Anonymous "Incompatible network protocol"'),
        (301, '301 Anonymous "Incompatible network address formats"'),
        (304, '304 Anonymous "Media type not available"'),
        (0, ""),
    ],
)
async def test_warning_of_a_family_mismatch(code: int, text: str) -> None:
    """Which Warning comes is not known, so each can."""
    async with (
        HomeGateway(with_calls(family_warning=code)) as gateway,
        HandPhone(gateway) as phone,
    ):
        refusal = await outcome(gateway, phone, "1")
        assert (refusal.status, refusal.header("Warning")) == (488, text)


async def test_sdp_of_the_other_family_is_refused() -> None:
    """IPv4 in c= on an IPv6 leg."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        assert (await outcome(gateway, phone, body=phone.sdp(family=Family.V4))).status == 488


@pytest.mark.parametrize(
    ("region", "family", "formats", "status"),
    [
        (Region.EAST, Family.V4, "0", 200),
        (Region.EAST, Family.V6, "0", 488),
        (Region.WEST, Family.V6, "0", 200),
        (Region.WEST, Family.V4, "0 8", 488),
    ],
)
async def test_emergency_rules(region: Region, family: Family, formats: str, status: int) -> None:
    """PCMU alone; in the East over IPv4 alone."""
    async with (
        HomeGateway(with_calls(region=region)) as gateway,
        HandPhone(gateway, family) as phone,
    ):
        answer = await outcome(gateway, phone, "118", body=phone.sdp(formats))
        assert answer.status == status


async def test_missing_ack_ends_the_call() -> None:
    """200 is sent again; without an ACK it ends in BYE and is a breach."""
    async with HomeGateway(GatewayConfig(timers=FAST)) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await phone.dial("0451110000")
        first = await phone.receive_until(lambda answer: answer.status == 200)
        again = await phone.receive()
        assert again.text == first.text
        bye = await phone.receive_until(lambda answer: answer.start.startswith("BYE"))
        phone.reply(bye, 200)
        assert (await gateway.placed[0].ended()).how == "no ACK"
        assert "RFC 3261 17.1.1.3 and 13.2.2.4 ACK" in gateway.violations.rules()


@pytest.mark.assumption
async def test_reliable_progress_wants_prack() -> None:
    """183 comes again until PRACK; then the call goes on."""
    config = replace(
        with_calls(reliable_progress=True), timers=TransactionTimers(t1=0.05, t2=0.2, t4=0.2)
    )
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        await phone.dial("0451110000", extra="\nSupported: 100rel")
        progress = await phone.receive()
        assert (await phone.receive()).text == progress.text
        wanted = f"\nRAck: {progress.header('RSeq')} 2 INVITE"
        phone.request("PRACK", progress, 3, extra=wanted)
        await phone.receive_until(lambda answer: "PRACK" in answer.header("CSeq"))
        assert (await final(phone)).status == 200
        await gateway.placed[0].answered()
        assert gateway.violations == []


async def test_client_puts_the_gateway_on_hold() -> None:
    """A re-INVITE is answered with the mirrored direction; no sound is sent meanwhile."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        accepted = await outcome(gateway, phone)
        call = gateway.placed[0]
        await call.answered()
        body = phone.sdp().replace("o=- 1 1", "o=- 1 2").replace("sendrecv", "inactive")
        phone.request("INVITE", accepted, 3, body=body)
        answer = await phone.receive()
        assert answer.status == 200
        assert "a=inactive\r\n" in answer.body
        phone.invite_cseq = 3
        phone.credentials = ""
        phone.acknowledge(answer)
        await asyncio.sleep(0.05)
        assert call.media
        sent = call.media.sent
        await asyncio.sleep(0.1)
        assert call.media.sent == sent
        assert gateway.violations == []


async def test_media_change_may_be_forbidden() -> None:
    """メディア変更 off: 488 to a change, 200 to a refresh."""
    async with (
        HomeGateway(with_calls(media_change=False)) as gateway,
        HandPhone(gateway) as phone,
    ):
        accepted = await outcome(gateway, phone)
        phone.request("UPDATE", accepted, 3, body=phone.sdp())
        assert (await phone.receive()).status == 200
        changed = phone.sdp().replace("o=- 1 1", "o=- 1 2").replace("sendrecv", "sendonly")
        phone.request("UPDATE", accepted, 4, body=changed)
        assert (await phone.receive()).status == 488


@pytest.mark.assumption
async def test_client_as_refresher() -> None:
    """Its UPDATE keeps the call; without another one the call expires."""
    timer = SessionTimerConfig(refresher=Refresher.CLIENT, expire_after=0.3)
    async with (
        HomeGateway(GatewayConfig(session_timer=timer)) as gateway,
        HandPhone(gateway) as phone,
    ):
        accepted = await outcome(gateway, phone)
        assert accepted.header("Session-Expires") == "300;refresher=uac"
        call = gateway.placed[0]
        await asyncio.sleep(0.2)
        extra = "\nSupported: timer\nSession-Expires: 300;refresher=uac"
        phone.request("UPDATE", accepted, 3, extra=extra)
        assert (await phone.receive()).header("Session-Expires") == "300;refresher=uac"
        await asyncio.sleep(0.2)
        assert not call.is_over
        phone.reply(await phone.receive(), 200)
        assert (await call.ended()).how == "session expired"


async def test_bye_of_a_stranger_is_481() -> None:
    """Wrong tags find no call, and the call goes on."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        accepted = await outcome(gateway, phone)
        good_tag = phone.tag
        stranger = Answer(accepted.text.replace(f"tag={good_tag}", "tag=other"))
        phone.request("BYE", stranger, 3)
        assert (await phone.receive()).status == 481
        assert not gateway.placed[0].is_over


async def test_unknown_methods_and_extensions() -> None:
    """501, 405, and 420 with Unsupported."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        for method, extra, status in (
            ("MESSAGE", "", 405),
            ("WHATEVER", "", 501),
            ("OPTIONS", "\nRequire: teleport", 420),
        ):
            phone.send(phone.register_text(extra=extra).replace("REGISTER", method))
            answer = await phone.receive()
            assert answer.status == status
        assert answer.header("Unsupported") == "teleport"


async def test_two_real_extensions_are_joined() -> None:
    """Extension 3 calls extension 4: ringing, answer and end are carried over."""
    async with (
        HomeGateway() as gateway,
        HandPhone(gateway) as caller,
        HandPhone(
            gateway, extension="4", user_id="0004", password="secret-4", rtp_port=40002
        ) as callee,
    ):
        await caller.register()
        await callee.register()
        assert (await caller.dial("4")).status == 100
        invite = await callee.receive()
        assert invite.header("From").startswith('"3" <sip:3@')
        callee.reply(invite, 180)
        assert (await caller.receive()).status == 183
        timer = "\nRequire: timer\nSession-Expires: 300;refresher=uac"
        callee.reply(invite, 200, headers=timer, body=callee.sdp())
        assert (await callee.receive()).start.startswith("ACK")
        accepted = await final(caller)
        assert accepted.status == 200
        await gateway.placed[0].answered()
        caller.request("BYE", accepted, 3)
        bye = await callee.receive_until(lambda answer: answer.start.startswith("BYE"))
        callee.reply(bye, 200)
        assert gateway.violations == []


@pytest.mark.parametrize(("family", "status"), [(Family.V6, 486), (Family.V4, 488)])
async def test_real_extension_refuses_or_cannot_be_reached(family: Family, status: int) -> None:
    """Its refusal is passed on; one that is registered over the other family gets 488."""
    async with (
        HomeGateway() as gateway,
        HandPhone(gateway, Family.V6) as caller,
        HandPhone(gateway, family, extension="4", user_id="0004", password="secret-4") as callee,
    ):
        await caller.register()
        await callee.register()
        await caller.dial("4")
        if family is Family.V6:
            callee.reply(await callee.receive(), 486)
        assert (await final(caller)).status == status


async def test_route_set_is_asked_for_and_checked() -> None:
    """With Record-Route, requests in the dialog need the Route."""
    async with HomeGateway(with_calls(record_route=True)) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        call = await gateway.ring("3")
        invite = await phone.receive()
        route = invite.header("Record-Route")
        assert route == f"<sip:[::1]:{gateway.port_v6};lr>"
        phone.reply(invite, 180)
        await call.ringing()
        assert gateway.violations.rules() == {"RFC 3261 12.1.1 Record-Route"}


async def test_events_and_telephone_event_in_the_answer() -> None:
    """101 is answered only by switch, and listeners hear what happens."""
    config = GatewayConfig(media=MediaConfig(telephone_event_in_answer=True))
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        kinds: list[str] = []
        gateway.events.append(lambda event: kinds.append(event.kind))
        body = phone.sdp("0 101") + "a=rtpmap:101 telephone-event/8000\r\n"
        accepted = await outcome(gateway, phone, body=body)
        assert "RTP/AVP 0 101\r\n" in accepted.body
        assert kinds[:4] == ["register", "register", "dials", "ringing"]


async def test_reach_of_a_slot_can_be_set() -> None:
    """An IP extension that is IPv6-only by configuration."""
    slots = tuple(
        replace(slot, reach=Reach.V6_ONLY) if slot.number == "7" else slot
        for slot in GatewayConfig().slots
    )
    async with (
        HomeGateway(GatewayConfig(slots=slots)) as gateway,
        HandPhone(gateway, Family.V4) as phone,
    ):
        assert (await outcome(gateway, phone, "7")).status == 488


@pytest.mark.assumption
async def test_profile_b_may_refuse_by_headers() -> None:
    """The extension as Contact user: 488 with Warning 304, and no 100 before."""
    async with (
        HomeGateway(with_calls(header_refusal=True)) as gateway,
        HandPhone(gateway) as phone,
    ):
        await phone.register()
        refusal = await phone.dial("0451110000")
        assert refusal.status == 488
        assert refusal.header("Warning") == '304 Anonymous "Media type not available"'


async def test_retry_after_of_a_refusal() -> None:
    """A callee may say when to try again."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        gateway.callees["0451119999"] = replace(refuses(503), retry_after=9)
        assert (await outcome(gateway, phone, "0451119999")).header("Retry-After") == "9"


async def test_wildcard_address_is_a_breach() -> None:
    """Nobody can send to it."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        body = phone.sdp().replace("c=IN IP6 ::1", "c=IN IP6 ::")
        await outcome(gateway, phone, body=body)
        assert gateway.violations.rules() == {"RFC 4566 5.7 c="}


async def test_ended_calls_can_be_forgotten() -> None:
    """They go, those that stand remain, and a late BYE of a forgotten one is a breach."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        accepted = await outcome(gateway, phone)
        await gateway.placed[0].answered()
        phone.request("BYE", accepted, 3)
        await phone.receive()
        await outcome(gateway, phone, "6")
        gateway.forget_ended_calls()
        assert [call.dialled for call in gateway.placed] == ["6"]
        assert len(gateway.calls) == 1
        assert gateway.violations == []
