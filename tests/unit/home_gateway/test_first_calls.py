"""The main road: register, ring, dial, hear, hang up, over each family."""

import asyncio

import pytest

from tests.home_gateway import CallState, Family, GatewayConfig, HomeGateway, Side

from .hand import HandPhone

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.mark.parametrize("family", list(Family))
async def test_register_ring_answer_and_bye(family: Family) -> None:
    """A correct answer connects, the tone of the caller comes, and BYE ends it."""
    async with HomeGateway() as gateway, HandPhone(gateway, family) as phone:
        answer = await phone.register()
        assert answer.status == 200
        assert answer.header("Contact") == f"<{phone.contact}>;expires=3600"
        call = await gateway.ring("3", caller="09012345678")
        invite = await phone.receive()
        assert invite.start == f"INVITE {phone.contact} SIP/2.0"
        assert '"0312345678" <sip:3@' in invite.header("To")
        phone.reply(invite, 180)
        moments = await call.ringing()
        assert moments.invite
        assert moments.ringing
        assert 0 <= moments.ringing.monotonic - moments.invite.monotonic < 1
        timer = "\nRequire: timer\nSession-Expires: 300;refresher=uac"
        phone.reply(invite, 200, headers=timer, body=phone.sdp())
        ack = await phone.receive()
        assert ack.start.startswith("ACK ")
        await call.answered()
        assert call.media
        await asyncio.sleep(0.1)
        assert call.media.sent > 1
        await asyncio.gather(call.hang_up(), _answer_bye(phone))
        assert (await call.ended()).by is Side.GATEWAY
        assert gateway.violations == []


async def _answer_bye(phone: HandPhone) -> None:
    """Answer the gateway's BYE."""
    bye = await phone.receive_until(lambda answer: answer.start.startswith("BYE"))
    phone.reply(bye, 200)


@pytest.mark.parametrize("family", list(Family))
async def test_dial_and_hang_up(family: Family) -> None:
    """A call to an outside number is challenged, rings with 183, is answered and ended."""
    async with HomeGateway() as gateway, HandPhone(gateway, family) as phone:
        await phone.register()
        trying = await phone.dial("0451110000")
        assert trying.status == 100
        progress = await phone.receive()
        assert progress.status == 183
        assert "m=audio" in progress.body
        accepted = await phone.receive()
        assert accepted.status == 200
        assert accepted.header("Session-Expires") == "300;refresher=uas"
        phone.acknowledge(accepted)
        call = gateway.placed[0]
        await call.answered()
        phone.request("BYE", accepted, 3)
        assert (await phone.receive()).status == 200
        end = await call.ended()
        assert (end.by, end.how) == (Side.CLIENT, "BYE")
        assert call.state is CallState.ENDED
        assert gateway.violations == []


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("0451110486", 486),
        ("0451110404", 404),
        ("0459999999", 404),
        ("045", 484),
        ("0180123456", 403),
        ("0033123456789", 403),
        ("0451110004", 488),
    ],
)
async def test_outcomes_over_ipv6(number: str, status: int) -> None:
    """Each number has its outcome; an IPv4-only callee is refused on an IPv6 leg."""
    async with HomeGateway(GatewayConfig()) as gateway, HandPhone(gateway) as phone:
        await phone.register()
        assert (await phone.dial(number)).status == 100
        refusal = await phone.receive_until(lambda answer: answer.status >= 200)
        assert refusal.status == status
        phone.acknowledge(refusal)
        await asyncio.sleep(0.05)
        assert gateway.violations == []
