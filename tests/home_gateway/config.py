"""Every switch of the simulated gateway.

Each one names its mark: ``[D]`` documented, ``[R]`` reported from real units, ``[I]`` inferred from
reports, ``[A]`` an assumption that no source proves, ``[?]`` nothing known, so it is configurable.
Facts are the default. Seconds everywhere, unless a name says otherwise.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

OUTSIDE_NUMBER_OF_LINE = "0312345678"


class Family(StrEnum):
    """An IP version."""

    V4 = "ipv4"
    V6 = "ipv6"


class SlotKind(StrEnum):
    """What an extension number belongs to."""

    ANALOG = "analog"
    IP = "ip"


class Reach(StrEnum):
    """Which IP versions a simulated party can use; analog counts as IPv4 [D]."""

    V4_ONLY = "ipv4-only"
    V6_ONLY = "ipv6-only"
    DUAL = "dual"


class SlotAuthentication(StrEnum):
    """How a slot proves its terminal [R]."""

    DIGEST = "digest"
    MAC = "mac"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One extension of the gateway (内線): a row of its web page [R]."""

    number: str
    """The extension number, one or two digits [R]."""
    kind: SlotKind = SlotKind.IP
    """An analog port or an IP terminal [R]."""
    user_id: str = ""
    """ユーザID, the digest user name: not the extension number [R]."""
    password: str = ""
    """パスワード of the digest; here ``secret-3`` for extension 3 and so on [R: there is one]."""
    reach: Reach = Reach.DUAL
    """What the simulated phone in this slot can use, while no real client is registered in it."""
    authentication: SlotAuthentication = SlotAuthentication.DIGEST
    """ダイジェスト認証 行う, or 行わない: then the terminal's MAC address is checked [R]."""
    sources: tuple[str, ...] = ()
    """Source addresses whose simulated MAC address matches, for a MAC slot [A]."""
    rings: bool = True
    """着信番号 holds the extension; without it REGISTER works and nothing ever rings [R]."""
    may_call_outside: bool = True
    """False: the slot may call the house only, outside calls get 403 [A]."""


def default_slots() -> tuple[Slot, ...]:
    """Make the table of a consumer unit: analog 1 and 2, five IP terminals 3 to 7 [R]."""
    reaches = {"4": Reach.V4_ONLY, "5": Reach.V6_ONLY}
    analog = [
        Slot(number=number, kind=SlotKind.ANALOG, reach=Reach.V4_ONLY) for number in ("1", "2")
    ]
    terminals = [
        Slot(
            number=number,
            user_id=f"000{number}",
            password=f"secret-{number}",
            reach=reaches.get(number, Reach.DUAL),
        )
        for number in ("3", "4", "5", "6", "7")
    ]
    return (*analog, *terminals)


class V6Register(StrEnum):
    """What becomes of a REGISTER over IPv6: PR-400NE accepts, RX-400MI ignores [R]."""

    ACCEPT = "accept"
    IGNORE = "ignore"


class Qop(StrEnum):
    """The qop that a challenge offers; nothing published [A]."""

    NONE = ""
    AUTH = "auth"
    AUTH_AND_INT = "auth,auth-int"
    INT = "auth-int"


class Algorithm(StrEnum):
    """The digest algorithm: all working clients do MD5 [I]; SHA-256 is of RFC 7616 [?]."""

    MD5 = "MD5"
    SHA256 = "SHA-256"


class SecondDevice(StrEnum):
    """What a second device on an extension meets [A]."""

    NEWEST_WINS = "newest-wins"
    REFUSED = "refused"
    BOTH = "both"


class OptionsAnswer(StrEnum):
    """What OPTIONS meets: 405 on XG-100NE, silence on some units, 200 on others [R]."""

    NOT_ALLOWED = "405"
    SILENCE = "silence"
    OK = "200"


@dataclass(frozen=True, kw_only=True)
class RegistrarConfig:
    """Switches of the registrar and of digest authentication."""

    v6_register: V6Register = V6Register.ACCEPT
    """REGISTER over IPv6: PR-400NE accepts, RX-400MI never answers [R]."""
    challenges: bool = True
    """False: profile B, 200 at once without a password [R RX-400MI]."""
    realm: str | None = None
    """The realm of a challenge; None: the gateway's IPv4 literal [A]."""
    qop: Qop = Qop.NONE
    """The qop that a challenge offers; nothing published [A]."""
    algorithm: Algorithm = Algorithm.MD5
    """The digest algorithm: all working clients do MD5 [I]; SHA-256 [?]."""
    domain_parameter: bool = True
    """The challenge holds the placeholder ``domain="sip:domain"`` [R RT-200NE]."""
    opaque: bool = False
    """The challenge holds an opaque value [A]."""
    several_challenges: bool = False
    """Challenges of schemes and algorithms that nobody knows stand before the right one [A]."""
    nonce_lifetime: float = 300.0
    """A valid digest on an older nonce gets 401 with ``stale=true`` [A]."""
    nonce_per_request: bool = False
    """Each nonce serves one request only [A]."""
    wrong_password: int = 403
    """Wrong password: 403, or 401 again without end [R]."""
    mismatch: int = 403
    """User ID of another extension: 403 or 404 [A]."""
    refuse_loopback_contact: bool = False
    """503 to a loopback or unspecified Contact [R]; off here because tests live on loopback."""
    overloaded: int = 0
    """So many of the first REGISTERs get 503 [A]."""
    retry_after: int = 0
    """Retry-After of that 503 in seconds, 0 for none [A]."""
    min_expires: int = 0
    """423 below this; 0 is off [A]."""
    max_expires: int = 3600
    """Longer requests are cut to this [?]."""
    second_device: SecondDevice = SecondDevice.NEWEST_WINS
    """A second device on an extension wins, is refused with 403, or both ring [A]."""
    shared_port_flaps: bool = True
    """Two extensions from one address and port take each other's nonce and binding [R]."""
    rport_refused: bool = False
    """400 to a Via with rport [R mixed, unverified]."""
    options: OptionsAnswer = OptionsAnswer.NOT_ALLOWED
    """OPTIONS meets 405 on XG-100NE, silence on some units, 200 on others [R]."""
    allowed_sources: tuple[str, ...] | None = None
    """Other source addresses are dropped without a word, REGISTER apart [R for IPv6 prefixes]."""
    p_associated_uri: bool = False
    """The 200 tells the line's number [R profile B]."""
    extra_hosts: tuple[str, ...] = ()
    """Host names taken in a Request-URI beside the own literals; gateways take none [I]."""


class Progress(StrEnum):
    """How an outgoing call's ringing is told [A which]."""

    SESSION_PROGRESS = "183"
    RINGING = "180"


class RefreshMethod(StrEnum):
    """How the gateway refreshes a session [A]."""

    UPDATE = "UPDATE"
    REINVITE = "INVITE"


class Refresher(StrEnum):
    """Who refreshes: the gateway side was always seen [R]; the client is the variant [A]."""

    GATEWAY = "gateway"
    CLIENT = "client"


class NoTimerClient(StrEnum):
    """What a 200 without Session-Expires leads to [A]."""

    NO_TIMER = "no-timer"
    BYE_AT_EXPIRY = "bye"


class Region(StrEnum):
    """NTT East or West: their rules for emergency calls differ [D]."""

    EAST = "east"
    WEST = "west"


class Withheld(StrEnum):
    """Display names of callers without a number; passed on to extensions or not is [A]."""

    ANONYMOUS = "Anonymous"
    PAYPHONE = "Coin line/payphone"
    SERVICE = "Interaction with other service"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, kw_only=True)
class CallConfig:
    """Switches of calls in both directions."""

    own_number: str = OUTSIDE_NUMBER_OF_LINE
    """The line's number: the called number of calls from outside, in To's display name [I]."""
    area_code: str = ""
    """Area code that is put before a number dialled without it [R*, an emulator does]."""
    called_in_uri: bool = False
    """The called number stands in To's URI user instead, as office units do [I]."""
    number_display: bool = True
    """Callers' numbers are told; False: no ナンバー・ディスプレイ contract, so that every outside
    caller is anonymous [I]."""
    withheld_host: str = "anonymous.invalid"
    """Host in the From of withheld callers; empty: the gateway's own literal [A]."""
    compact_headers: bool = False
    """Compact header names on INVITE [R at the network's edge]."""
    offers_100rel: bool = True
    """``Supported: timer,100rel`` on INVITE [R at the network's edge]."""
    record_route: bool = False
    """A Record-Route to the gateway itself on each INVITE and its answers [R* network's edge]."""
    strict_route: bool = False
    """Its answers hold a Record-Route without ``lr``, as before RFC 3261 [A]."""
    requires_100rel: bool = False
    """``Require: 100rel`` on INVITE: ringing has to be told reliably [A]."""
    challenges_in_dialog: bool = False
    """401 to BYE, UPDATE and re-INVITE without credentials, too [A]."""
    bye_after_wrong_answer: float = 0.09
    """Time from ACK to BYE when the answer holds what was not offered [R]."""
    invite_challenge: int = 401
    """401 or 407 to an INVITE, 0 for none [A]."""
    needs_registration: bool = True
    """403 to an INVITE from an extension that is not registered [A]."""
    progress: Progress = Progress.SESSION_PROGRESS
    """Ringing is told by 183 with the tone in it, or by 180 [A which]."""
    header_refusal: bool = False
    """488 with Warning 304, no 100 before, to profile B's wrong headers: Contact user is the
    extension, no Allow, or no ``Supported: path`` at REGISTER [R for data calls, A for audio]."""
    reliable_progress: bool = False
    """A 183 is sent reliably to a client that supports 100rel, and PRACK must come [A]."""
    max_outside_calls: int = 2
    """At most 2 on the home type [R], 1 without the option."""
    over_limit: int = 486
    """Status to one outside call more: 486 or 503 [A]."""
    family_warning: int = 300
    """Warning code of the 488 for a family mismatch: 300, 301, 304, or 0 for none [A]."""
    codec_warning: int = 305
    """Warning code of the 488 for an offer without PCMU, or 0 [A]."""
    region: Region = Region.EAST
    """East takes emergency calls over IPv4 with PCMU alone, West with PCMU alone [D]."""
    emergency_refusal: int = 488
    """Status to an emergency call that breaks that rule [A]."""
    shows_number: bool = True
    """The line shows its number; False: 非通知 by default, 186 shows it [R]."""
    media_change: bool = True
    """メディア変更 is allowed by default [D]; False: a re-INVITE that changes media gets 488."""
    odd_rtp_port_refused: bool = False
    """500 to an odd RTP port [R* at the network's edge]."""
    sdp_address_mismatch: int = 0
    """403 or 488 when the SDP address is not the signalling address [R* edge]; 0: accepted."""
    checks_dialog_uris: bool = True
    """481 to a BYE whose From is not the INVITE's To, and the reverse [R* network's edge]."""


@dataclass(frozen=True, kw_only=True)
class SessionTimerConfig:
    """Switches of session timers (RFC 4028)."""

    enabled: bool = True
    """INVITE and its 2xx hold a session timer [R]."""
    session_expires: int = 300
    """The interval on the wire [R]."""
    min_se: int = 300
    """The gateway's smallest interval [R]."""
    refuse_below_min_se: bool = False
    """422 to a smaller Session-Expires [A]."""
    refresher: Refresher = Refresher.GATEWAY
    """The gateway's side refreshes [R]; the client is the variant [A]."""
    method: RefreshMethod = RefreshMethod.UPDATE
    """Refresh by UPDATE without SDP, or by re-INVITE with the same SDP [A]."""
    refresh_after: float | None = None
    """Time to the refresh; None: half the interval [A]. The interval on the wire stays."""
    expire_after: float | None = None
    """Time after which an unrefreshed session is ended; None: as RFC 4028 §10 says."""
    client_without_timer: NoTimerClient = NoTimerClient.NO_TIMER
    """A 2xx without Session-Expires: no timer, or BYE when the interval is over [A]."""


@dataclass(frozen=True, kw_only=True)
class TransactionTimers:
    """Timers of RFC 3261 §17; shorter ones make tests fast."""

    t1: float = 0.5
    """Estimate of the round trip; timers A, E and G begin with it."""
    t2: float = 4.0
    """Longest time between two copies of a request that is not INVITE, or of a response."""
    t4: float = 5.0
    """How long a message may live in the network."""

    @property
    def give_up(self) -> float:
        """Timers B, F and H: 64 times T1."""
        return 64 * self.t1


@dataclass(frozen=True, kw_only=True)
class MediaConfig:
    """Switches of RTP."""

    rtp_from_other_port: bool = False
    """RTP comes from another port than the SDP says [R]."""
    learns_source: bool = False
    """RTP goes back to where the client's came from instead of its SDP address [?]."""
    telephone_event_in_answer: bool = False
    """101 is answered when offered: the network does [R], consumer gateways do not [R]."""
    codecs: tuple[str, ...] = ("0",)
    """Payload types of the codecs that are taken when a client offers them: 0 (PCMU), 8 (PCMA),
    9 (G.722). PCMU alone [R]; the others are variants [A]."""
    ringback_level_dbm0: float = -16.0
    """Level of the Japanese ringing tone: 400 Hz, 16 Hz AM, 1 s on, 2 s off [general]."""


@dataclass(frozen=True, kw_only=True)
class RtpFaults:
    """What goes wrong with the RTP that the gateway sends; shares from 0 to 1."""

    loss: float = 0.0
    """Share of packets that are not sent."""
    duplication: float = 0.0
    """Share of packets that are sent twice."""
    reordering: float = 0.0
    """Share of packets that are sent after the next one."""
    jitter: float = 0.0
    """Longest extra delay of a packet."""
    skew_ppm: float = 0.0
    """How much faster than the real clock the gateway's runs, in millionths."""


@dataclass(frozen=True, kw_only=True)
class FaultConfig:
    """What goes wrong on the wire; shares from 0 to 1, seeded, so a run can be repeated."""

    signalling_loss_in: float = 0.0
    """Share of the client's SIP messages that are lost."""
    signalling_loss_out: float = 0.0
    """Share of the gateway's SIP messages that are lost."""
    signalling_duplication: float = 0.0
    """Share of the gateway's SIP messages that come twice."""
    rtp: RtpFaults = field(default_factory=RtpFaults)
    """Faults of the sound from the start; a call's ``media.impair()`` changes them."""
    seed: int = 1
    """Seed of the dice."""


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """The whole of a simulated gateway; families without an address do not listen."""

    v4_address: str | None = "127.0.0.1"
    """Where it listens over IPv4, 192.168.1.1 on real units [D]; None: nowhere."""
    v6_address: str | None = "::1"
    """Where it listens over IPv6, a global EUI-64 address on real units [R]; None: nowhere."""
    port: int = 0
    """0: a free one, the same for both families where possible. Real gateways have 5060 [R]."""
    rtp_ports: tuple[int, int] = (20000, 31998)
    """Even ports are taken from this range."""
    slots: tuple[Slot, ...] = field(default_factory=default_slots)
    """Analog 1 and 2, IP terminals 3 to 7 [R]."""
    registrar: RegistrarConfig = field(default_factory=RegistrarConfig)
    calls: CallConfig = field(default_factory=CallConfig)
    session_timer: SessionTimerConfig = field(default_factory=SessionTimerConfig)
    timers: TransactionTimers = field(default_factory=TransactionTimers)
    media: MediaConfig = field(default_factory=MediaConfig)
    faults: FaultConfig = field(default_factory=FaultConfig)

    def slot(self, number: str) -> Slot | None:
        """Find a slot by its extension number."""
        return next((slot for slot in self.slots if slot.number == number), None)


def faithful() -> GatewayConfig:
    """Make the configuration with every reported refusal on: nothing on loopback registers."""
    config = GatewayConfig(port=5060)
    return replace(
        config,
        registrar=replace(config.registrar, refuse_loopback_contact=True),
        calls=replace(config.calls, odd_rtp_port_refused=True),
    )


def profile_b() -> GatewayConfig:
    """Make the cheap part of profile B: no challenge, REGISTER over IPv6 never answered [R]."""
    config = GatewayConfig()
    return replace(
        config,
        registrar=replace(
            config.registrar,
            challenges=False,
            v6_register=V6Register.IGNORE,
            p_associated_uri=True,
            extra_hosts=("ntt-east.ne.jp",),
        ),
        calls=replace(config.calls, invite_challenge=0),
    )
