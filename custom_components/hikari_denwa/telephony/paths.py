"""Which IP families reach the gateway from this machine, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .calls import Family


class SourceKind(StrEnum):
    """What kind of address packets to the gateway leave from."""

    GLOBAL = "global"
    ULA = "ula"
    PRIVATE = "private"
    TEMPORARY = "temporary"
    DEPRECATED = "deprecated"
    LINK_LOCAL = "link_local"
    CLAT = "clat"
    SHARED = "shared"
    LOOPBACK = "loopback"


class Reach(StrEnum):
    """How packets get to the gateway; translated is NAT64 or CLAT, which carries no SIP."""

    SAME_LINK = "same_link"
    ROUTED = "routed"
    TRANSLATED = "translated"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class FamilyPath:
    """How one family reaches the gateway.

    ``source`` is a literal without brackets, None without a route. ``gateway_answers`` is
    what the last probe found, None if there was none. ``round_trip_ms`` in milliseconds.
    """

    family: Family
    source: str | None = None
    source_kind: SourceKind | None = None
    reach: Reach = Reach.UNKNOWN
    gateway_answers: bool | None = None
    round_trip_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """One address that packets may leave from, a literal without brackets."""

    address: str
    kind: SourceKind
    link: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What about this machine stands between Home Assistant and the gateway.

    ``new_prefix`` is the IPv6 prefix of this network where the gateway's address, at which nobody
    answers, is outside of it.
    """

    docker_bridge: bool = False
    vpn_only: bool = False
    nat64: bool = False
    clat: bool = False
    new_prefix: str | None = None


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The paths of both families now; None is a family that nobody has looked at yet.

    A family of which the gateway has no address is looked at: its reach is none. ``sources`` are
    the addresses that this machine could send from where the gateway is.
    """

    ipv6: FamilyPath | None = None
    ipv4: FamilyPath | None = None
    environment: Environment = field(default_factory=Environment)
    sources: tuple[Source, ...] = ()

    def of(self, family: Family) -> FamilyPath | None:
        """Return the path of a family."""
        return self.ipv6 if family is Family.IPV6 else self.ipv4
