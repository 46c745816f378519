"""Kamailio as a strict registrar and Record-Route proxy between the engine and a phone."""

import asyncio
import socket
from dataclasses import dataclass, field
from pathlib import Path

from .processes import Peer, PeerError, bracketed, free_port

REALM = "denwa.example"


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An account; as at a home gateway the user ID is not the extension."""

    number: str
    user_id: str
    password: str = field(repr=False)


ENGINE = Extension(number="3", user_id="0003", password="kaki no ki")
PHONE = Extension(number="7", user_id="0007", password="ume no hana")

BARRED = "0570000403"
ANONYMITY_REFUSED = "0312340433"
OTHER_FAMILY = "0312340488"

_MODULES = (
    "pv", "kex", "tm", "tmx", "sl", "rr", "maxfwd", "textops",
    "siputils", "xlog", "sanity", "usrloc", "registrar", "auth",
)  # fmt: skip

_MODULE_FOLDERS = (
    "/usr/lib/{machine}-linux-gnu/kamailio/modules",
    "/usr/lib/kamailio/modules",
    "/usr/lib64/kamailio/modules",
)

_ROUTE = """
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (!sanity_check("32231", "7")) { xlog("L_ERR", "denwa: malformed $rm\\n"); exit; }
  if (is_method("CANCEL")) {
    xlog("L_ERR", "denwa: CANCEL by $fU\\n");
    if (t_check_trans()) t_relay();
    exit;
  }
  if (has_totag()) {
    if (loose_route()) {
      xlog("L_ERR", "denwa: $rm in dialog by $si:$sp\\n");
      t_relay();
      exit;
    }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    xlog("L_ERR", "denwa: unrouted $rm in dialog by $si:$sp\\n");
    sl_send_reply("404", "Not Here");
    exit;
  }
  t_check_trans();
  if (is_method("OPTIONS") && uri == myself && $rU == $null) {
    sl_send_reply("200", "OK");
    exit;
  }
  $var(password) = "";
  $var(extension) = "";
  ACCOUNTS
  if (is_method("REGISTER")) {
    if ($var(extension) == "" || !pv_www_authenticate("REALM", "$var(password)", "0")) {
      xlog("L_ERR", "denwa: challenge REGISTER of $tU\\n");
      www_challenge("REALM", "1");
      exit;
    }
    if ($fU != $var(extension) || $tU != $var(extension)) {
      sl_send_reply("403", "Forbidden");
      exit;
    }
    consume_credentials();
    if (!save("location")) { sl_reply_error(); exit; }
    xlog("L_ERR", "denwa: REGISTER of $tU by $var(user) contact $ct expires $hdr(Expires)\\n");
    exit;
  }
  if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
  if ($var(extension) == "" || !pv_proxy_authenticate("REALM", "$var(password)", "0")) {
    xlog("L_ERR", "denwa: challenge INVITE by $fU\\n");
    proxy_challenge("REALM", "1");
    exit;
  }
  consume_credentials();
  xlog("L_ERR", "denwa: INVITE of $rU by $var(user)\\n");
  record_route();
  OUTCOMES
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  append_hf("P-Asserted-Identity: <sip:$fU@HOST>\\r\\n");
  t_relay();
}
"""

_OUTCOMES = """
  if ($rU == "{barred}") {{ sl_send_reply("403", "Forbidden"); exit; }}
  if ($rU == "{anonymity_refused}") {{ sl_send_reply("433", "Anonymity Disallowed"); exit; }}
  if ($rU == "{other_family}") {{
    append_to_reply("Warning: 300 Anonymous \\"Incompatible network protocol\\"\\r\\n");
    sl_send_reply("488", "Not Acceptable Here");
    exit;
  }}
"""


def _modules() -> str:
    """Return the folder of Kamailio's modules."""
    for pattern in _MODULE_FOLDERS:
        for folder in sorted(Path("/").glob(pattern.format(machine="*").lstrip("/"))):
            if (folder / "registrar.so").exists():
                return str(folder)
    raise PeerError("Kamailio's modules are not where Debian puts them")


class Kamailio(Peer):
    """Registrar with digest (qop, nonce count checked), 407 on INVITE, Record-Route.

    ``address`` is a loopback literal. Every request inside a dialog has to follow the
    route set: one that does not is answered 404 and told in the output as unrouted.
    """

    def __init__(self, folder: Path, address: str) -> None:
        """Write the configuration for a free port."""
        self.address = address
        self.port = free_port(address)
        run = folder / "run"
        run.mkdir(parents=True)
        (folder / "kamailio.cfg").write_text(self._configuration())
        super().__init__(
            "kamailio",
            # -DD stays in the foreground with worker processes; -m and -M are MiB of memory.
            ["-DD", "-E", "-f", "kamailio.cfg", "-Y", str(run), "-P", str(run / "pid"),
             "-w", str(run), "-m", "16", "-M", "4", "-n", "1"],
            folder,
        )  # fmt: skip

    @property
    def host(self) -> str:
        """Address and port as they stand in a URI."""
        return f"{bracketed(self.address)}:{self.port}"

    def said(self, *words: str) -> list[str]:
        """Return the output lines that hold all these words."""
        return [line for line in self.lines if all(word in line for word in words)]

    async def ready(self) -> None:
        """Wait for an answer to OPTIONS."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((self.address, 0))
            probe.setblocking(False)
            own = f"{bracketed(self.address)}:{probe.getsockname()[1]}"
            for attempt in range(50):
                await loop.sock_sendto(probe, self._ping(own, attempt), (self.address, self.port))
                try:
                    async with asyncio.timeout(0.1):
                        answer = await loop.sock_recv(probe, 4096)
                except TimeoutError, ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                    continue
                if answer.startswith(b"SIP/2.0 200"):
                    return
        raise PeerError(f"Kamailio does not serve:\n{self.tail()}")

    def _ping(self, own: str, attempt: int) -> bytes:
        """Return an OPTIONS request."""
        lines = (
            f"OPTIONS sip:{self.host} SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bKping{attempt};rport",
            "Max-Forwards: 70",
            f"From: <sip:ping@{own}>;tag=ping",
            f"To: <sip:{self.host}>",
            f"Call-ID: ping{attempt}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    def _configuration(self) -> str:
        """Return the configuration file."""
        modules = "\n".join(f'loadmodule "{name}.so"' for name in _MODULES)
        accounts = "\n  ".join(
            f'if ($au == "{account.user_id}") {{ $var(user) = $au;'
            f' $var(password) = "{account.password}"; $var(extension) = "{account.number}"; }}'
            for account in (ENGINE, PHONE)
        )
        outcomes = _OUTCOMES.format(
            barred=BARRED, anonymity_refused=ANONYMITY_REFUSED, other_family=OTHER_FAMILY
        )
        route = (
            _ROUTE.replace("ACCOUNTS", accounts)
            .replace("OUTCOMES", outcomes)
            .replace("REALM", REALM)
            .replace("HOST", self.host)
        )
        return f"""#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{self.host}
mpath="{_modules()}/"
{modules}
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("auth", "nonce_expire", 300)
modparam("registrar", "min_expires", 60)
modparam("registrar", "max_expires", 3600)
modparam("rr", "enable_full_lr", 1)
modparam("rr", "append_fromtag", 1)
{route}"""
