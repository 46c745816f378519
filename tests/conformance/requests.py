"""Scenarios of single messages: what is refused, absorbed, dropped, and what is kept."""

import asyncio
import socket
from dataclasses import replace

from custom_components.hikari_denwa.telephony.calls import EndReason
from custom_components.hikari_denwa.telephony.engine.protocol import CallIncoming, DtmfReceived
from tests.home_gateway.call import Side
from tests.home_gateway.config import Family
from tests.home_gateway.sdp import Offer

from .hand import Draft, ask_in_dialog, came, pcmu_offer, quiet
from .stage import ADDRESSES, Stage, eventually, scenario

ALLOWED = {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"}
STRANGER = "127.0.0.2"


def _invite(stage: Stage, *headers: str, **changes: object) -> Draft:
    """Return an INVITE with an offer."""
    fields = {"body": pcmu_offer(ADDRESSES[stage.family])} | changes
    return Draft(method="INVITE", stage=stage, headers=headers, **fields)  # type: ignore[arg-type]


async def _rings_once(stage: Stage, invite: Draft) -> str:
    """Send an INVITE by hand and wait until it rings; returns the call's name."""
    before = len(stage.line.events)
    await invite.ask(180)
    await stage.line.until(lambda: len(stage.line.events) > before)
    event = stage.line.events[-1]
    assert isinstance(event, CallIncoming)
    return event.call


@scenario("RFC 3261 §11.2")
async def tells_what_it_can(stage: Stage) -> None:
    """OPTIONS gets what an INVITE would get, with Allow, Accept and Supported."""
    answer = await Draft(method="OPTIONS", stage=stage).ask()
    assert answer.status == 200
    assert answer.tokens("Allow") >= ALLOWED
    assert "application/sdp" in (answer.get("Accept") or "")
    assert answer.get("Supported") is not None
    call, incoming = await stage.talking()
    assert (await Draft(method="OPTIONS", stage=stage).ask()).status == 486
    assert (await ask_in_dialog(call, "OPTIONS")).status == 200
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario("RFC 3261 §8.2.1, §21.4.6")
async def refuses_methods_that_it_does_not_serve(stage: Stage) -> None:
    """Known methods get 405 with Allow, unknown ones 501, and nothing rings."""
    for method in ("MESSAGE", "SUBSCRIBE", "PUBLISH", "REGISTER"):
        answer = await Draft(method=method, stage=stage).ask()
        assert answer.status == 405, method
        assert answer.tokens("Allow") >= ALLOWED
    for method in ("WHATEVER", "invite", "B2"):
        answer = await Draft(method=method, stage=stage).ask()
        assert answer.status in {405, 501}, method
    assert stage.line.events == []


@scenario("RFC 6665 §4.1.3")
async def refuses_notifications_that_nobody_wanted(stage: Stage) -> None:
    """NOTIFY without a subscription gets 481."""
    notify = Draft(method="NOTIFY", stage=stage, headers=("Event: message-summary",))
    assert (await notify.ask()).status == 481


@scenario("RFC 3515 §2.4.2; house rule (REFER never dials)")
async def refer_never_dials(stage: Stage) -> None:
    """REFER is refused outside a call and inside, and no INVITE leaves."""
    target = f"<sip:0451110000@{stage.gateway.exchange.literal(stage.family)}>"
    outside = Draft(method="REFER", stage=stage, headers=(f"Refer-To: {target}",))
    assert 400 <= (await outside.ask()).status < 700
    call, incoming = await stage.talking()
    answer = await ask_in_dialog(call, "REFER", (("Refer-To", target),))
    assert 400 <= answer.status < 700
    await asyncio.sleep(0.3)
    assert not [each for each in came(stage) if each.is_request and each.method == "INVITE"]
    assert call.is_talking
    await stage.client.hang_up(incoming.call)
    await call.ended()


@scenario("RFC 3261 §8.2.2.3")
async def refuses_unknown_extensions_outside_calls(stage: Stage) -> None:
    """An unknown Require gets 420 with Unsupported, and nothing rings."""
    for method in ("INVITE", "OPTIONS"):
        draft = Draft(method=method, stage=stage, headers=("Require: timer, dance",))
        answer = await draft.ask()
        assert answer.status == 420, method
        assert answer.tokens("Unsupported") == {"dance"}
    assert stage.line.events == []


@scenario("RFC 3261 §8.2.2.3")
async def refuses_unknown_extensions_in_a_call(stage: Stage) -> None:
    """420 to every method of a dialog, the BYE included; the call goes on."""
    call, incoming = await stage.talking()
    for method in ("INVITE", "UPDATE", "INFO", "OPTIONS", "PRACK", "BYE"):
        answer = await ask_in_dialog(call, method, (("Require", "dance"),))
        assert answer.status == 420, method
        assert answer.tokens("Unsupported") == {"dance"}
    assert call.is_talking
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §12.2.2")
async def finds_a_dialog_by_call_id_and_both_tags(stage: Stage) -> None:
    """Requests with one wrong tag, or none, get 481 and leave the call alone."""
    call, incoming = await stage.talking()
    for method in ("BYE", "UPDATE", "INFO", "INVITE"):
        assert (await ask_in_dialog(call, method, to_tag="wrong")).status == 481, method
    right = {"call_id": call.dialog.call_id, "to_tag": call.dialog.remote_tag, "cseq": 5000}
    stranger = Draft(method="BYE", stage=stage, **right)  # type: ignore[arg-type]
    assert (await stranger.ask()).status == 481
    untagged = replace(stranger, from_tag=call.dialog.local_tag, to_tag="", branch="z9hG4bKuntag")
    assert (await untagged.ask()).status == 481
    assert call.is_talking
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §9.2")
async def cancel_of_nothing_changes_nothing(stage: Stage) -> None:
    """A CANCEL whose branch is no INVITE's gets 481, and the ringing goes on."""
    call, incoming = await stage.called()
    assert (await Draft(method="CANCEL", stage=stage).ask()).status == 481
    assert not call.is_over
    await call.cancel()
    await stage.ended_with(incoming.call, EndReason.CALLER_GAVE_UP)


@scenario("RFC 3261 §17.2.1, §8.2.7")
async def ack_of_nothing_is_dropped(stage: Stage) -> None:
    """An ACK without an INVITE draws no answer."""
    Draft(method="ACK", stage=stage).throw()
    Draft(method="ACK", stage=stage, to_tag="none").throw()
    await quiet(stage)


@scenario("RFC 3261 §8.2.2.2")
async def refuses_a_merged_request(stage: Stage) -> None:
    """The same INVITE by another way gets 482 and rings no second time."""
    invite = _invite(stage)
    name = await _rings_once(stage, invite)
    other = replace(invite, branch="z9hG4bKanotherway")
    assert (await other.ask()).status == 482
    await stage.client.reject(name)
    assert [type(event) for event in stage.line.events].count(CallIncoming) == 1


@scenario("RFC 3261 §17.2.1")
async def absorbs_copies_of_an_invite(stage: Stage) -> None:
    """Each copy of an INVITE gets the last response again, and it rings once."""
    invite = _invite(stage)
    name = await _rings_once(stage, invite)
    ringing = len(invite.replies())
    for _ in range(5):
        invite.throw()
    await eventually(lambda: len(invite.replies()) >= ringing + 5)
    assert [each.status for each in invite.replies()[ringing:]] == [180] * 5
    assert len({each.to.tag for each in invite.replies() if each.status > 100}) == 1
    assert [type(event) for event in stage.line.events] == [CallIncoming]
    await stage.client.reject(name)


@scenario("RFC 3261 §17.2.2")
async def absorbs_copies_of_a_bye(stage: Stage) -> None:
    """A copy of a BYE gets its 200 again, a new BYE gets 481."""
    call, incoming = await stage.talking()
    bye = call.dialog.request("BYE")
    answer = await call._exchange.layer.ask(bye, call.dialog.peer)
    assert answer
    assert answer.status == 200
    stage.gateway.throw(bye.encode())

    def answers() -> list[int]:
        return [each.status for each in came(stage) if each.via.branch == bye.via.branch]

    await stage.gateway.until(lambda: len(answers()) == 2, 3)
    assert answers() == [200, 200]
    await stage.ended(incoming.call)
    assert (await ask_in_dialog(call, "BYE")).status == 481
    call.forget()


@scenario("RFC 3261 §12.2.2")
async def refuses_an_old_cseq(stage: Stage) -> None:
    """A request out of order gets 500, and neither ends nor changes the call."""
    call, incoming = await stage.talking()
    assert (await ask_in_dialog(call, "OPTIONS")).status == 200
    old = call.dialog.local_cseq - 1
    for method in ("BYE", "INVITE", "UPDATE"):
        assert (await ask_in_dialog(call, method, cseq=old)).status == 500, method
    assert call.is_talking
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3261 §18.3, §20.14")
async def refuses_a_body_that_is_cut_off(stage: Stage) -> None:
    """A Content-Length beyond the datagram is 400 or dropped, and nothing rings."""
    invite = _invite(stage, length=5000)
    invite.throw()
    Draft(method="OPTIONS", stage=stage, length=1).throw()
    await asyncio.sleep(0.4)
    assert {each.status for each in invite.replies()} <= {400}
    assert stage.line.events == []


@scenario("RFC 3261 §18.3")
async def ignores_what_follows_the_body(stage: Stage) -> None:
    """Bytes beyond Content-Length are no part of the message."""
    options = Draft(method="OPTIONS", stage=stage)
    stage.gateway.throw(options.write() + b"INVITE sip:3 SIP/2.0\r\nrubbish")
    assert (await options.reply()).status == 200


@scenario("RFC 3261 §8.2.6.2, §18.2.1, RFC 3581 §4")
async def returns_every_via(stage: Stage) -> None:
    """All Via values come back in order, the topmost with received and rport filled in."""
    host = stage.gateway.exchange.literal(stage.family)
    others = ("SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKseven", "SIP/2.0/UDP [2001:db8::8];x=y")
    headers = tuple(f"Via: {each}" for each in others)
    draft = Draft(method="OPTIONS", stage=stage, headers=headers)
    text = draft.write().decode().replace(f"Via: {draft.via}", f"Via: {draft.via};rport", 1)
    stage.gateway.throw(text.encode())
    answer = await draft.reply()
    assert answer.all("Via")[1:] == list(others)
    top = answer.via
    assert top.params["rport"] == str(stage.gateway.port(stage.family))
    assert (top.params["received"] or "").strip("[]") == host.strip("[]")


@scenario("RFC 3261 §8.2.3, §21.4.13")
async def refuses_bodies_that_it_cannot_read(stage: Stage) -> None:
    """An unknown type or encoding of an INVITE's body gets 415, and nothing rings."""
    answer = await _invite(stage, body="hello", content_type="text/plain").ask()
    assert answer.status == 415
    assert "application/sdp" in (answer.get("Accept") or "")
    answer = await _invite(stage, "Content-Encoding: gzip").ask()
    assert answer.status == 415
    assert answer.get("Accept-Encoding") is not None
    assert stage.line.events == []


@scenario("RFC 3261 §8.2.2.1, §21.4.14")
async def refuses_uris_that_are_not_its_own(stage: Stage) -> None:
    """Another user gets 404, another kind of URI 416, and nothing rings."""
    host = ADDRESSES[stage.family]
    literal = f"[{host}]" if stage.is_v6 else host
    assert (await _invite(stage, uri=f"sip:nobody@{literal}").ask()).status == 404
    assert (await _invite(stage, uri="tel:+81312345678").ask()).status == 416
    assert stage.line.events == []


@scenario("RFC 3261 §7.3.1; RFC 4475 §3.1.1.1")
async def reads_headers_in_any_dress(stage: Stage) -> None:
    """Folded lines, small letters and white space around the colon are the same headers."""
    invite = _invite(stage)
    text = invite.write().decode()
    for plain, dressed in (
        ("Max-Forwards: 70", "MAX-FORWARDS :\r\n  70"),
        ("CSeq: ", "cseq \t:  "),
        ("Call-ID: ", "i\t: "),
        (";tag=", " \r\n\t; tag = "),
    ):
        text = text.replace(plain, dressed, 1)
    stage.gateway.throw(text.encode())
    event = await stage.line.event(CallIncoming)
    await stage.client.reject(event.call)


@scenario("RFC 3261 §8.1.3.3, §17.1.3, RFC 5626 §4.4.1; house rule (no amplification)")
async def draws_nothing_from_rubbish(stage: Stage) -> None:
    """Keep-alives, noise, half messages and responses to nothing draw no more than they are."""
    host = stage.gateway.exchange.literal(stage.family)
    stray = f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bKno\r\nCSeq: 1 BYE\r\n\r\n"
    rubbish = (b"\r\n\r\n", b"\0" * 4, b"\xff" * 900, b"INVITE", b"SIP/2.0", stray.encode())
    before = len(stage.gateway.trace)
    for data in rubbish:
        stage.gateway.throw(data)
    await asyncio.sleep(0.4)
    answers = [each for each in list(stage.gateway.trace)[before:] if each.direction == "in"]
    assert sum(len(each.text) for each in answers) <= sum(map(len, rubbish))
    assert stage.line.events == []
    assert (await Draft(method="OPTIONS", stage=stage).ask()).status == 200


@scenario("house rule (strangers)", families=(Family.V4,))
async def does_not_hear_strangers(stage: Stage) -> None:
    """What comes from another address rings nothing, ends nothing and draws nothing."""
    call, incoming = await stage.talking()
    binding = stage.gateway.binding("3")
    assert binding
    bye = call.dialog.request("BYE", cseq=9000)
    cancel = Draft(method="CANCEL", stage=stage)
    thrown = [
        _invite(stage).write(),
        Draft(method="OPTIONS", stage=stage).write(),
        Draft(method="WHATEVER", stage=stage).write(),
        cancel.write(),
        bye.encode(),
        b"\xff" * 100,
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((STRANGER, 0))
        stranger.setblocking(False)
        for data in thrown:
            stranger.sendto(data, (binding.target.host, binding.target.port))
        await quiet(stage, 0.5)
        try:
            drawn = stranger.recv(65535)
        except BlockingIOError, ConnectionRefusedError:
            drawn = b""
    assert drawn == b""
    assert call.is_talking
    assert len({event.call for event in stage.line.events}) == 1
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 6086 §4.2; facts §2.3", assumption=True)
async def takes_keys_from_info(stage: Stage) -> None:
    """INFO with a key is a key pressed there; an unknown body gets 415, none gets 200."""
    call, incoming = await stage.talking()
    relay, other = "application/dtmf-relay", "text/plain"
    body = b"Signal=5\r\nDuration=160\r\n"
    assert (await ask_in_dialog(call, "INFO", (), body, content_type=relay)).status == 200
    assert (await ask_in_dialog(call, "INFO", (), b"hello", content_type=other)).status == 415
    assert (await ask_in_dialog(call, "INFO")).status == 200
    await stage.line.event(DtmfReceived, call=incoming.call)
    digits = [event.digit for event in stage.line.events if isinstance(event, DtmfReceived)]
    assert digits == ["5"]
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 3428 §7, RFC 6665 §4.1")
async def refuses_messages_in_a_call(stage: Stage) -> None:
    """MESSAGE and SUBSCRIBE in a dialog are refused and leave the call alone."""
    call, incoming = await stage.talking()
    for method in ("MESSAGE", "SUBSCRIBE", "NOTIFY"):
        assert (await ask_in_dialog(call, method)).status in {405, 481, 489}, method
    assert call.is_talking
    await stage.client.hang_up(incoming.call)
    assert (await call.ended()).by is Side.CLIENT


@scenario("RFC 3261 §20.43, §21.4.26, RFC 3264 §6; house rule (a terminal's duty)")
async def says_why_an_offer_will_not_do(stage: Stage) -> None:
    """488 with the Warning code of the first thing that is in the way; nothing rings."""
    host = ADDRESSES[stage.family]
    multicast = "ff15::101" if stage.is_v6 else "224.2.17.12"
    offers = {
        pcmu_offer(host, media="audio 30000 RTP/SAVP 0"): {302},
        pcmu_offer(host, media="video 30000 RTP/AVP 31"): {304},
        pcmu_offer(host, media="audio 30000 RTP/AVP 9"): {305},
        pcmu_offer(host, media="audio 0 RTP/AVP 0"): {304},
        pcmu_offer(multicast): {330},
        pcmu_offer(host).replace("t=0 0", "b=AS:8\r\nt=0 0"): {370},
    }
    for offer, codes in offers.items():
        answer = await _invite(stage, body=offer).ask()
        assert answer.status == 488, offer
        warning = answer.require("Warning")
        assert int(warning.split()[0]) in codes, (offer, warning)
        assert warning.endswith('"'), warning
    assert stage.line.events == []


@scenario("facts §3.1 (a terminal's duty); RFC 3261 §20.43, §21.4.26")
async def refuses_the_family_that_it_lacks(stage: Stage) -> None:
    """An offer in the other family gets 488 with Warning 300, one that misnames an address 301."""
    host = ADDRESSES[stage.family]
    own, other = ("IP6", "IP4") if stage.is_v6 else ("IP4", "IP6")
    foreign = "192.0.2.1" if stage.is_v6 else "2001:db8::1"
    offers = {
        pcmu_offer(foreign): 300,
        pcmu_offer(host, family=other): 300,
        f"{pcmu_offer(host)}c=IN {other} {foreign}\r\n": 300,
        pcmu_offer(foreign, family=own): 301,
        f"{pcmu_offer(host)}c=IN {own} {foreign}\r\n": 301,
    }
    for offer, code in offers.items():
        answer = await _invite(stage, body=offer).ask()
        assert answer.status == 488, offer
        assert int(answer.require("Warning").split()[0]) == code, offer
    assert stage.line.events == []
    call, incoming = await stage.called()
    await call.cancel()
    await stage.ended(incoming.call)


@scenario("RFC 3264 §6; facts §2.1 (answer check)")
async def answers_every_media_line(stage: Stage) -> None:
    """Of an offer with video, the answer refuses that line by port zero and takes the audio."""
    offer = Offer(others=("video 30010 RTP/AVP 31",))
    call, incoming = await stage.talking(offer=offer)
    await stage.hung_up_there(call, incoming.call)


@scenario("RFC 4566 §5, RFC 3261 §21.4.1")
async def refuses_an_offer_that_is_none(stage: Stage) -> None:
    """A body that is no session description gets 400 or 488, and nothing rings."""
    answer = await _invite(stage, body="v=0\r\nthis is no description\r\n").ask()
    assert answer.status in {400, 488}
    assert stage.line.events == []
