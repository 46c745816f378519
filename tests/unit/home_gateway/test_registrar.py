"""REGISTER: every way to be accepted and refused."""

import asyncio
from dataclasses import replace

import pytest

from tests.home_gateway import (
    Algorithm,
    Family,
    GatewayConfig,
    HomeGateway,
    NotRegisteredError,
    OptionsAnswer,
    Qop,
    RegistrarConfig,
    SecondDevice,
    SlotAuthentication,
    V6Register,
    faithful,
    profile_b,
)

from .hand import Answer, HandPhone


def with_registrar(**switches: object) -> GatewayConfig:
    """Make a configuration with some switches of the registrar changed."""
    return GatewayConfig(registrar=replace(RegistrarConfig(), **switches))  # type: ignore[arg-type]


async def test_challenge_has_the_reported_form() -> None:
    """MD5, the placeholder domain, the IPv4 literal as realm, and no qop."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text())
        answer = await phone.receive()
        challenge = answer.header("WWW-Authenticate")
        assert answer.status == 401
        assert 'realm="127.0.0.1"' in challenge
        assert 'domain="sip:domain"' in challenge
        assert "algorithm=MD5" in challenge
        assert "qop" not in challenge
        assert gateway.registers[0].status == 401
        assert not gateway.registers[0].authorized


@pytest.mark.assumption
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(Qop.NONE, ""), (Qop.AUTH, "auth"), (Qop.AUTH_AND_INT, "auth")],
)
@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_qop_and_algorithm(offered: Qop, chosen: str, algorithm: Algorithm) -> None:
    """Each qop and each algorithm lets a client in that computes them rightly."""
    name = "md5" if algorithm is Algorithm.MD5 else "sha256"
    config = with_registrar(qop=offered, algorithm=algorithm)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        assert (await phone.register(qop=chosen, algorithm=name)).status == 200
        assert gateway.violations == []


@pytest.mark.parametrize(
    ("user_id", "password", "status"),
    [("3", "secret-3", 401), ("0003", "wrong", 403), ("0004", "secret-4", 403)],
)
async def test_wrong_credentials(user_id: str, password: str, status: int) -> None:
    """The extension as user name: 401 again; wrong password and another's user ID: 403."""
    async with (
        HomeGateway() as gateway,
        HandPhone(gateway, user_id=user_id, password=password) as phone,
    ):
        assert (await phone.register()).status == status
        assert gateway.binding() is None


async def test_wrong_password_may_be_401_without_end() -> None:
    """The variant that invites a client to loop."""
    async with (
        HomeGateway(with_registrar(wrong_password=401)) as gateway,
        HandPhone(gateway, password="wrong") as phone,
    ):
        for _ in range(3):
            assert (await phone.register()).status == 401


@pytest.mark.assumption
async def test_wrong_digest_uri_is_challenged_again() -> None:
    """A digest over the placeholder domain is 401 and a breach."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text())
        given = phone.authorize(await phone.receive(), "REGISTER", "sip:domain")
        phone.send(phone.register_text(authorization=given))
        assert (await phone.receive()).status == 401
        assert "RFC 3261 22.4 digest" in gateway.violations.rules()


@pytest.mark.assumption
async def test_stale_nonce() -> None:
    """A right digest on an old nonce gets stale=true and a new nonce that works."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text())
        uri = f"sip:{phone.domain}"
        given = phone.authorize(await phone.receive(), "REGISTER", uri)
        gateway.expire_nonces()
        phone.send(phone.register_text(authorization=given))
        stale = await phone.receive()
        assert stale.status == 401
        assert "stale=true" in stale.header("WWW-Authenticate")
        given = phone.authorize(stale, "REGISTER", uri)
        phone.send(phone.register_text(authorization=given))
        assert (await phone.receive()).status == 200


@pytest.mark.assumption
async def test_nonce_per_request() -> None:
    """A nonce that served once is stale."""
    async with (
        HomeGateway(with_registrar(nonce_per_request=True)) as gateway,
        HandPhone(gateway) as phone,
    ):
        phone.send(phone.register_text())
        given = phone.authorize(await phone.receive(), "REGISTER", f"sip:{phone.domain}")
        phone.send(phone.register_text(authorization=given))
        assert (await phone.receive()).status == 200
        phone.send(phone.register_text(authorization=given))
        assert "stale=true" in (await phone.receive()).header("WWW-Authenticate")


async def test_nonce_count_must_go_up() -> None:
    """The same nc twice is refused and recorded."""
    async with (
        HomeGateway(with_registrar(qop=Qop.AUTH)) as gateway,
        HandPhone(gateway) as phone,
    ):
        phone.send(phone.register_text())
        challenge = await phone.receive()
        given = phone.authorize(challenge, "REGISTER", f"sip:{phone.domain}", qop="auth")
        for status in (200, 401):
            phone.send(phone.register_text(authorization=given))
            assert (await phone.receive()).status == status
        assert gateway.violations.rules() == {"RFC 3261 22.4 digest"}


@pytest.mark.parametrize("contact", ["sip:3@127.0.0.1:5062", "sip:3@[::1]:5062", "sip:3@0.0.0.0"])
async def test_loopback_contact_is_503_when_faithful(contact: str) -> None:
    """Real units refuse a Contact that leads nowhere."""
    config = replace(faithful(), port=0)
    async with HomeGateway(config) as gateway, HandPhone(gateway) as phone:
        phone.send(phone.register_text())
        given = phone.authorize(await phone.receive(), "REGISTER", f"sip:{phone.domain}")
        phone.send(phone.register_text(authorization=given, contact=f"<{contact}>"))
        assert (await phone.receive()).status == 503


@pytest.mark.assumption
async def test_brief_interval_is_423() -> None:
    """Below the minimum: 423 with Min-Expires, and nothing is bound."""
    async with (
        HomeGateway(with_registrar(min_expires=60)) as gateway,
        HandPhone(gateway) as phone,
    ):
        answer = await phone.register(30)
        assert answer.status == 423
        assert answer.header("Min-Expires") == "60"
        assert gateway.binding() is None
        assert (await phone.register(60)).status == 200
        assert (await phone.register(0)).status == 200
        assert gateway.binding() is None


async def test_long_interval_is_cut() -> None:
    """The 200 tells what was granted."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        assert (await phone.register(7200)).header("Contact").endswith(";expires=3600")


async def test_unregister_by_zero_and_by_star() -> None:
    """Expires 0 removes the contact, a star all of them."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        assert (await phone.register(0)).status == 200
        await gateway.unregistered(within=1)
        await phone.register()
        phone.send(phone.register_text())
        given = phone.authorize(await phone.receive(), "REGISTER", f"sip:{phone.domain}")
        phone.send(phone.register_text(authorization=given, contact="*", expires=0))
        assert (await phone.receive()).status == 200
        assert gateway.binding() is None


async def test_star_with_an_interval_is_400() -> None:
    """RFC 3261 §10.3 step 6."""
    async with HomeGateway(profile_b()) as gateway, HandPhone(gateway, Family.V4) as phone:
        phone.send(phone.register_text(contact="*"))
        assert (await phone.receive()).status == 400


async def test_binding_runs_out() -> None:
    """A binding that is not refreshed is gone."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register(1)
        await gateway.registered(within=1)
        await gateway.unregistered(within=3)
        with pytest.raises(NotRegisteredError):
            await gateway.ring()


@pytest.mark.assumption
@pytest.mark.parametrize(
    ("policy", "count"), [(SecondDevice.NEWEST_WINS, 1), (SecondDevice.BOTH, 2)]
)
async def test_second_device(policy: SecondDevice, count: int) -> None:
    """The newest device wins, or both are kept."""
    async with (
        HomeGateway(with_registrar(second_device=policy)) as gateway,
        HandPhone(gateway) as first,
        HandPhone(gateway, Family.V4) as second,
    ):
        await first.register()
        answer = await second.register()
        assert answer.text.count("\r\nContact:") == count
        binding = gateway.binding()
        assert binding
        assert binding.contact == second.contact


@pytest.mark.assumption
async def test_second_device_refused() -> None:
    """The slot is in use: 403, and the first stays."""
    async with (
        HomeGateway(with_registrar(second_device=SecondDevice.REFUSED)) as gateway,
        HandPhone(gateway) as first,
        HandPhone(gateway, Family.V4) as second,
    ):
        await first.register()
        assert (await second.register()).status == 403
        assert (await first.register()).status == 200


async def test_two_extensions_on_one_port_flap() -> None:
    """The second extension takes the first one's binding and nonce."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        phone.extension, phone.user_id, phone.password = "4", "0004", "secret-4"
        phone.tag, phone.call_id = "other", "other"
        assert (await phone.register()).status == 200
        assert gateway.binding("3") is None
        assert gateway.binding("4")


async def test_ipv6_register_may_be_ignored() -> None:
    """As on RX-400MI: silence over IPv6, an answer over IPv4."""
    async with (
        HomeGateway(with_registrar(v6_register=V6Register.IGNORE)) as gateway,
        HandPhone(gateway) as v6,
        HandPhone(gateway, Family.V4) as v4,
    ):
        v6.send(v6.register_text())
        assert await v6.nothing_comes()
        assert gateway.registers[0].status is None
        assert (await v4.register()).status == 200


async def test_profile_b_wants_no_password() -> None:
    """200 at once, with the line's number, and a domain name in the URI."""
    async with HomeGateway(profile_b()) as gateway, HandPhone(gateway, Family.V4) as phone:
        phone.send(phone.register_text(uri="sip:ntt-east.ne.jp"))
        answer = await phone.receive()
        assert answer.status == 200
        assert answer.header("P-Associated-URI").startswith("<sip:0312345678@")


@pytest.mark.assumption
async def test_rport_may_be_refused() -> None:
    """400 with rport, none without; the answer then goes to the Via's port."""
    async with (
        HomeGateway(with_registrar(rport_refused=True)) as gateway,
        HandPhone(gateway) as phone,
    ):
        phone.send(phone.register_text())
        assert (await phone.receive()).status == 400
        phone.send(phone.register_text().replace(";rport", ""))
        answer = await phone.receive()
        assert answer.status == 401
        assert "rport" not in answer.header("Via")


@pytest.mark.assumption
async def test_mac_slot_asks_for_no_password() -> None:
    """The source address decides."""
    slots = tuple(
        replace(slot, authentication=SlotAuthentication.MAC, sources=("::1",))
        if slot.number == "3"
        else slot
        for slot in GatewayConfig().slots
    )
    async with (
        HomeGateway(GatewayConfig(slots=slots)) as gateway,
        HandPhone(gateway) as v6,
        HandPhone(gateway, Family.V4) as v4,
    ):
        for phone, status in ((v6, 200), (v4, 403)):
            phone.send(phone.register_text())
            assert (await phone.receive()).status == status


@pytest.mark.parametrize(
    ("answer", "status"), [(OptionsAnswer.NOT_ALLOWED, 405), (OptionsAnswer.OK, 200)]
)
async def test_options(answer: OptionsAnswer, status: int) -> None:
    """Any answer means alive."""
    async with (
        HomeGateway(with_registrar(options=answer)) as gateway,
        HandPhone(gateway) as phone,
    ):
        phone.send(options_text(phone))
        reply = await phone.receive()
        assert reply.status == status
        assert "INVITE" in reply.header("Allow")


async def test_options_may_meet_silence() -> None:
    """Silence does not mean dead."""
    async with (
        HomeGateway(with_registrar(options=OptionsAnswer.SILENCE)) as gateway,
        HandPhone(gateway) as phone,
    ):
        phone.send(options_text(phone))
        assert await phone.nothing_comes()
        assert (await phone.register()).status == 200


def options_text(phone: HandPhone) -> str:
    """Write an OPTIONS."""
    text = phone.register_text().replace("REGISTER", "OPTIONS")
    return text.replace("\nExpires: 3600", "")


async def test_unknown_extension_analog_slot_and_name_in_the_uri() -> None:
    """403 for what is no terminal's slot; 404 for a host name, which gateways do not take."""
    async with HomeGateway() as gateway:
        for extension in ("1", "9"):
            async with HandPhone(gateway, extension=extension) as phone:
                phone.send(phone.register_text())
                assert (await phone.receive()).status == 403
        async with HandPhone(gateway) as phone:
            phone.send(phone.register_text(uri="sip:ntt.setup"))
            assert (await phone.receive()).status == 404


async def test_reboot_forgets_and_is_silent() -> None:
    """Nothing is answered for a while; then an old nonce is unknown and no binding is left."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        await phone.register()
        gateway.reboot(silent_for=0.2)
        assert gateway.binding() is None
        phone.send(phone.register_text())
        assert await phone.nothing_comes()
        await asyncio.sleep(0.15)
        phone.send(phone.register_text())
        assert (await phone.receive()).status == 401
        assert [entry.direction for entry in gateway.trace].count("lost") == 1


async def test_foreign_source_is_dropped_apart_from_register() -> None:
    """An address outside the delegated prefixes: REGISTER works, all else meets silence."""
    async with (
        HomeGateway(with_registrar(allowed_sources=("192.0.2.1",))) as gateway,
        HandPhone(gateway) as phone,
    ):
        assert (await phone.register()).status == 200
        phone.send(options_text(phone))
        assert await phone.nothing_comes()


async def test_answers_of_one_request_are_the_same() -> None:
    """A copy of a REGISTER gets the same answer and counts once."""
    async with HomeGateway() as gateway, HandPhone(gateway) as phone:
        text = phone.register_text()
        phone.send(text)
        first: Answer = await phone.receive()
        await asyncio.sleep(0.4)
        phone.send(text)
        assert (await phone.receive()).text == first.text
        assert len(gateway.registers) == 1
        assert gateway.violations == []


async def test_answer_goes_to_the_vias_port_without_rport() -> None:
    """RFC 3261 §18.2.2: the port of the Via, not the one that the request came from."""
    async with HomeGateway() as gateway, HandPhone(gateway) as sender, HandPhone(gateway) as owner:
        text = owner.register_text()
        sender.send(text.replace(";rport", ""))
        assert (await owner.receive()).status == 401
        assert sender.inbox.empty()
        sender.send(text.replace("z9hG4bK", "z9hG4bKother"))
        assert f"rport={sender.port}" in (await sender.receive()).header("Via")


async def test_extension_that_is_not_among_the_called_numbers() -> None:
    """着信番号 lacks it: REGISTER works, and nothing rings."""
    slots = tuple(replace(slot, rings=slot.number != "3") for slot in GatewayConfig().slots)
    async with HomeGateway(GatewayConfig(slots=slots)) as gateway, HandPhone(gateway) as phone:
        assert (await phone.register()).status == 200
        with pytest.raises(NotRegisteredError):
            await gateway.ring()
        assert await phone.nothing_comes(0.05)
