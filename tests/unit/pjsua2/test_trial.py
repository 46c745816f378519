"""The trial of a pjsua2, with a library in its place that can do what a test wants."""

import json
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from custom_components.hikari_denwa.telephony.engine.pjsua2 import trial


class LibraryError(Exception):
    """What pjsua2 raises."""


class Library:
    """What the trial uses of pjsua2, and what it was asked for."""

    PJSIP_TRANSPORT_UDP, PJSIP_TRANSPORT_UDP6 = 1, 2
    PJSUA_IPV6_DISABLED, PJSUA_IPV6_ENABLED_USE_IPV6_ONLY = 0, 4
    Error = LibraryError

    def __init__(self, *, calls: int = 4, ipv6: bool = True) -> None:
        """Have room for so many calls."""
        self.room, self.has_ipv6 = calls, ipv6
        self.bound: list[str] = []
        self.accounts: list[Any] = []
        self.targets: list[str] = []
        self.threads: int | None = None

    def Endpoint(self) -> Any:  # noqa: N802 - pjsua2's name
        """Return the library's endpoint."""

        def start(config: Any) -> None:
            self.threads = config.uaConfig.threadCnt

        def bind(kind: int, config: Any) -> int:
            if kind == self.PJSIP_TRANSPORT_UDP6 and not self.has_ipv6:
                raise LibraryError("no IPv6")
            self.bound.append(config.boundAddress)
            return len(self.bound)

        return SimpleNamespace(
            libCreate=lambda: None,
            libInit=start,
            libStart=lambda: None,
            libVersion=lambda: SimpleNamespace(full="2.15.1"),
            audDevManager=lambda: SimpleNamespace(setNullDev=lambda: None),
            transportCreate=bind,
        )

    def EpConfig(self) -> Any:  # noqa: N802
        """Return settings of the endpoint."""
        return SimpleNamespace(
            uaConfig=SimpleNamespace(threadCnt=1, maxCalls=4),
            logConfig=SimpleNamespace(level=5, consoleLevel=5),
        )

    def TransportConfig(self) -> Any:  # noqa: N802
        """Return settings of a socket."""
        return SimpleNamespace(boundAddress="")

    def AccountConfig(self) -> Any:  # noqa: N802
        """Return settings of an account."""
        return SimpleNamespace(
            idUri="",
            sipConfig=SimpleNamespace(transportId=0, ipv6Use=None),
            mediaConfig=SimpleNamespace(
                ipv6Use=None, transportConfig=SimpleNamespace(boundAddress="")
            ),
        )

    def Account(self) -> Any:  # noqa: N802
        """Return an account."""
        return SimpleNamespace(create=self.accounts.append)

    def CallOpParam(self, usual: bool) -> bool:  # noqa: N802
        """Return the terms of a call."""
        return usual

    def Call(self, _account: Any) -> Any:  # noqa: N802
        """Return a call."""

        def call(target: str, _terms: bool) -> None:
            if len(self.targets) == self.room:
                raise LibraryError("too many calls")
            self.targets.append(target)

        return SimpleNamespace(makeCall=call)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Let the trial find these modules alone, and keep nothing of it."""
    found: dict[str, object] = {"aiohttp": ModuleType("aiohttp"), "audioop": ModuleType("audioop")}

    def load(name: str) -> object:
        try:
            return found[name]
        except KeyError:
            raise ImportError(f"No module named {name!r}") from None

    monkeypatch.setattr("importlib.import_module", load)
    monkeypatch.setattr(trial, "_KEPT", [])
    return found


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the facts, each of which is a line of its own."""
    facts: dict[str, Any] = {}
    for line in capsys.readouterr().out.splitlines():
        facts |= json.loads(line)
    return facts


@pytest.mark.parametrize("calls", [0, 4, trial.MOST_CALLS + 1])
@pytest.mark.usefixtures("loopback")
def test_what_it_can_do(
    modules: dict[str, object], capsys: pytest.CaptureFixture[str], calls: int
) -> None:
    """Version, families and room for calls; nothing goes anywhere but to loopback."""
    modules["pjsua2"] = library = Library(calls=calls)
    trial.main()
    facts = told(capsys)
    assert facts["found"]
    assert facts["ipv4"]
    assert facts["ipv6"]
    assert facts["version"] == "2.15.1"
    assert facts["max_calls"] == min(calls, trial.MOST_CALLS)
    assert library.bound == ["127.0.0.1", "::1"]
    assert all(target.startswith("sip:nobody@127.0.0.1:") for target in library.targets)
    assert library.threads == 0
    ipv4, ipv6 = library.accounts
    assert ipv4.sipConfig.ipv6Use == library.PJSUA_IPV6_DISABLED
    assert ipv6.mediaConfig.transportConfig.boundAddress == "::1"


@pytest.mark.usefixtures("loopback")
def test_what_was_told_before_the_end_stays_told(
    modules: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """IPv6 is asked for last, because a library without it may end the process."""
    modules["pjsua2"] = Library(ipv6=False)
    with pytest.raises(LibraryError):
        trial.main()
    facts = told(capsys)
    assert facts["max_calls"] == 4
    assert "ipv6" not in facts


def test_what_is_not_there(modules: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """Without the library, and without what the engine needs beside it, nothing is started."""
    trial.main()
    assert "pjsua2" in told(capsys)["import_error"]
    modules["pjsua2"] = library = Library()
    del modules["audioop"]
    trial.main()
    facts = told(capsys)
    assert (facts["found"], facts["missing"]) == (True, "audioop")
    assert library.threads is None
