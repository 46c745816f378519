"""A real Home Assistant in a process of its own, on loopback, for the demo and the bench.

Runs in the environment that ``scripts/environment.py`` makes. The configuration folder
is made anew, a user can log in at once, and the integration is the one of this checkout.
"""

import asyncio
import base64
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import aiohttp
import bcrypt

ROOT = Path(__file__).resolve().parent.parent
INTEGRATION = ROOT / "custom_components" / "hikari_denwa"
DOMAIN = "hikari_denwa"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
USERNAME = "demo"
PASSWORD = "hikari"
_USER_ID = "0123456789abcdef0123456789abcdef"
_PR_SET_PDEATHSIG = 1

type EventListener = Callable[[dict[str, Any], float], None]


class HomeAssistantError(Exception):
    """Home Assistant did not do what was asked; the message says what it answered."""


@dataclass(frozen=True, kw_only=True)
class HomeAssistantOptions:
    """How to make the configuration: more YAML, more custom components by name, the language.

    Without the ``integration`` it is one that somebody has yet to install. ``program`` is a
    Python program to run instead of ``hass``, with its first arguments. The ``marketplace``
    fetches its catalogue from the Internet as soon as Home Assistant runs.
    """

    configuration: str = ""
    integration: bool = True
    marketplace: bool = False
    program: Sequence[str | Path] = ()
    components: Mapping[str, Path] = field(default_factory=dict)
    language: str = "en"
    log_level: str = "info"


def free_port() -> int:
    """Return a TCP port that is free on the IPv4 loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _store(folder: Path, key: str, version: int, data: object, *, minor: int = 1) -> None:
    """Write one file of Home Assistant's storage."""
    record = {"version": version, "minor_version": minor, "key": key, "data": data}
    path = folder / ".storage" / key
    path.write_text(json.dumps(record, indent=2))
    path.chmod(0o600)


def write_configuration(folder: Path, port: int, options: HomeAssistantOptions) -> None:
    """Make the configuration folder: loopback only, onboarding done, one user who owns it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".storage").mkdir(parents=True)
    (folder / "custom_components").mkdir()
    ours = {DOMAIN: INTEGRATION} if options.integration else {}
    for name, source in {**ours, **options.components}.items():
        (folder / "custom_components" / name).symlink_to(source)
    (folder / "configuration.yaml").write_text(
        "api:\nauth:\nconfig:\nfrontend:\nwebsocket_api:\nlovelace:\n"
        f"logger:\n  default: warning\n  logs:\n    custom_components.{DOMAIN}: "
        f"{options.log_level}\n{options.configuration}"
    )
    http = {
        "server_host": ["127.0.0.1"],
        "server_port": port,
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": False,
        "ssl_profile": "modern_v4",
        "use_x_frame_options": True,
        "created_at": "2026-01-01T00:00:00+00:00",
        "error": None,
        "error_message": None,
    }
    slots = {"stable": http, "pending": None, "yaml_migration_done": True}
    _store(folder, "http", 3, slots)
    _store(
        folder,
        "onboarding",
        4,
        {"done": ["user", "core_config", "analytics", "integration"]},
    )
    _store(folder, "core.analytics", 1, {"onboarded": True, "preferences": {}, "uuid": None})
    _store(
        folder,
        "core.config",
        1,
        {
            "latitude": 35.681,
            "longitude": 139.767,
            "elevation": 0,
            "unit_system_v2": "metric",
            "location_name": "ひかり電話",
            "time_zone": "Asia/Tokyo",
            "external_url": None,
            "internal_url": f"http://127.0.0.1:{port}",
            "currency": "JPY",
            "country": "JP",
            "language": options.language,
            "radius": 100,
        },
        minor=4,
    )
    _write_user(folder)
    if not options.marketplace and find_spec("homeassistant.components.marketplace"):
        _write_closed_marketplace(folder)


def _write_closed_marketplace(folder: Path) -> None:
    """Write the entry of a Marketplace that its owner has switched off: it asks for nothing."""
    entry = {
        "created_at": "2026-01-01T00:00:00+00:00",
        "data": {},
        "disabled_by": "user",
        "discovery_keys": {},
        "domain": "marketplace",
        "entry_id": "00000000000000000000000000000000",
        "minor_version": 1,
        "modified_at": "2026-01-01T00:00:00+00:00",
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "system",
        "subentries": [],
        "title": "Marketplace",
        "unique_id": None,
        "version": 1,
    }
    _store(folder, "core.config_entries", 1, {"entries": [entry]}, minor=5)


def _write_user(folder: Path) -> None:
    """Write the user who owns this Home Assistant, in the form of its own login provider."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(rounds=4))
    _store(
        folder,
        "auth_provider.homeassistant",
        1,
        {"users": [{"username": USERNAME, "password": base64.b64encode(hashed).decode()}]},
    )
    user = {
        "id": _USER_ID,
        "group_ids": ["system-admin"],
        "is_owner": True,
        "is_active": True,
        "name": "Demo",
        "system_generated": False,
        "local_only": True,
    }
    groups = [
        {"id": "system-admin", "name": "Administrators"},
        {"id": "system-users", "name": "Users"},
        {"id": "system-read-only", "name": "Read Only"},
    ]
    credential = {
        "id": _USER_ID[::-1],
        "user_id": _USER_ID,
        "auth_provider_type": "homeassistant",
        "auth_provider_id": None,
        "data": {"username": USERNAME},
    }
    _store(
        folder,
        "auth",
        1,
        {"users": [user], "groups": groups, "credentials": [credential], "refresh_tokens": []},
    )


def descendants(pid: int) -> set[int]:
    """Return the process ids of everything that a process started and that still lives."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text(errors="replace")
            parent = int(text.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


class HomeAssistant:
    """A Home Assistant that runs while the block lasts: ``async with HomeAssistant(folder) as ha``.

    Raises HomeAssistantError with the end of its log if it does not start.
    """

    def __init__(self, folder: Path, options: HomeAssistantOptions | None = None) -> None:
        """Keep where its configuration is made and how."""
        self.folder = folder
        self.options = options or HomeAssistantOptions()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None
        self.left_behind: set[int] = set()

    @property
    def log(self) -> Path:
        """Return the file that its output goes to."""
        return self.folder / "output.log"

    @property
    def is_running(self) -> bool:
        """Tell whether the process is alive."""
        return self.process is not None and self.process.returncode is None

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        await self.stop()

    async def start(self) -> None:
        """Start the process with a new configuration; returns when its API answers that it runs."""
        await asyncio.to_thread(write_configuration, self.folder, self.port, self.options)
        await self._run()

    async def restart(self) -> None:
        """End the process and start it anew with the configuration as it is by now."""
        await self.stop()
        await self._run()

    async def _run(self) -> None:
        """Start the process and wait until it answers."""
        hass = Path(sys.executable).with_name("hass")
        # Home Assistant installs missing requirements with the interpreter's own
        # tools; its tools folder has to be on PATH for that.
        env = {
            **os.environ,
            "PATH": f"{hass.parent}{os.pathsep}{os.environ['PATH']}",
            "HA_DISABLE_LOG_FILE": "1",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        with self.log.open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(self.options.program or (hass,)),
                "--config",
                self.folder,
                "--log-no-color",
                "--skip-pip",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        try:
            await self._wait_until_it_answers()
        except BaseException:
            await self.stop()
            raise

    async def _wait_until_it_answers(self) -> None:
        """Ask until the front page comes, the process ends, or the time is over."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                if self.process.returncode is not None:
                    raise HomeAssistantError(f"Home Assistant ended:\n{self.log_end()}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/manifest.json") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.1)
        raise HomeAssistantError(
            f"Home Assistant did not answer within {START_SECONDS:.0f} s:\n{self.log_end()}"
        )

    def log_lines(self) -> list[str]:
        """Return what it has logged."""
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace").splitlines()
        return []

    def log_end(self, lines: int = 40) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log_lines()[-lines:])

    async def stop(self) -> None:
        """End the process, and note in ``left_behind`` what outlived it."""
        if (process := self.process) is None:
            return
        self.process = None
        family = descendants(process.pid)
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self.left_behind = await _wait_for_end(family)
        for pid in self.left_behind:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Tell whether a process still runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def _wait_for_end(processes: set[int]) -> set[int]:
    """Wait five seconds at most for processes to end; return those that did not."""
    for _ in range(100):
        if not (alive := {pid for pid in processes if _is_alive(pid)}):
            break
        await asyncio.sleep(0.05)
    return alive


class Client:
    """What a person's browser is to Home Assistant: logged in, REST and one WebSocket.

    ``async with Client(url) as client``. Commands raise HomeAssistantError with the
    answer if it is no success.
    """

    def __init__(self, url: str, username: str = USERNAME, password: str = PASSWORD) -> None:
        """Keep the address and who logs in."""
        self.url = url
        self._login = {"username": username, "password": password}
        self._session: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse
        self._reader: asyncio.Task[None]
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._listeners: dict[int, EventListener] = {}
        self._last_id = 0
        self.token = ""

    async def __aenter__(self) -> Self:
        """Log in and open the WebSocket."""
        self._session = aiohttp.ClientSession()
        try:
            self.token = await self._log_in()
            self._socket = await self._session.ws_connect(
                f"{self.url}/api/websocket", max_msg_size=0, compress=0
            )
            await self._authenticate()
        except BaseException:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the WebSocket and the session."""
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()
        await self._session.close()

    async def _log_in(self) -> str:
        """Log in as the login page does; returns an access token."""
        who = {"client_id": f"{self.url}/"}
        flow = await self.post(
            "/auth/login_flow",
            {**who, "handler": ["homeassistant", None], "redirect_uri": f"{self.url}/"},
        )
        done = await self.post(f"/auth/login_flow/{flow['flow_id']}", {**who, **self._login})
        if done.get("type") != "create_entry":
            raise HomeAssistantError(f"The login is refused: {done}")
        form = {**who, "grant_type": "authorization_code", "code": done["result"]}
        async with self._session.post(f"{self.url}/auth/token", data=form) as response:
            token: str = (await response.json())["access_token"]
        return token

    async def _authenticate(self) -> None:
        """Show the access token at the WebSocket's door."""
        await self._socket.receive_json()
        await self._socket.send_json({"type": "auth", "access_token": self.token})
        if (answer := await self._socket.receive_json())["type"] != "auth_ok":
            raise HomeAssistantError(f"The WebSocket does not open: {answer}")

    async def _read(self) -> None:
        """Hand answers and events on, events with the monotonic time at which they came."""
        async for message in self._socket:
            now = time.monotonic()
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            data = json.loads(message.data)
            for item in data if isinstance(data, list) else [data]:
                if item["type"] == "event" and (listener := self._listeners.get(item["id"])):
                    listener(item["event"], now)
                elif waiting := self._answers.pop(item["id"], None):
                    waiting.set_result(item)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(HomeAssistantError("Home Assistant closed the WebSocket"))

    async def command(self, kind: str, /, **members: Any) -> Any:
        """Send a WebSocket command and return its result."""
        return await self._command(kind, members, None)

    async def _command(
        self, kind: str, members: Mapping[str, Any], listener: EventListener | None
    ) -> Any:
        """Send a command; its events, if it has some, go to the listener."""
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        if listener:
            self._listeners[number] = listener
        await self._socket.send_json({"id": number, "type": kind, **members})
        async with asyncio.timeout(60):
            result = await answer
        if not result.get("success", True):
            raise HomeAssistantError(f"{kind}: {result.get('error')}")
        return result.get("result")

    async def subscribe(self, listener: EventListener, kind: str, /, **members: Any) -> None:
        """Subscribe; the listener gets each event and the monotonic time when it came."""
        await self._command(kind, members, listener)

    async def action(self, name: str, **data: Any) -> dict[str, Any]:
        """Perform an action of the integration and return its response."""
        result = await self.command(
            "call_service", domain=DOMAIN, service=name, service_data=data, return_response=True
        )
        response: dict[str, Any] = result["response"]
        return response

    async def entity_action(self, action: str, entity_id: str, **data: Any) -> None:
        """Perform an action such as ``button.press`` on an entity."""
        domain, _, service = action.partition(".")
        await self.command(
            "call_service",
            domain=domain,
            service=service,
            service_data=data,
            target={"entity_id": entity_id},
        )

    async def wait_until_running(self) -> str:
        """Wait until everything is loaded; returns the name and version."""
        for _ in range(int(10 * START_SECONDS)):
            config = await self.command("get_config")
            if config["state"] == "RUNNING":
                return f"Home Assistant {config['version']}"
            await asyncio.sleep(0.1)
        raise HomeAssistantError(f"Home Assistant is still loading after {START_SECONDS:.0f} s")

    async def states(self) -> dict[str, dict[str, Any]]:
        """Return every state by its entity id."""
        return {state["entity_id"]: state for state in await self.command("get_states")}

    async def post(self, path: str, data: object) -> Any:
        """Post JSON and return the JSON of the answer; an error status raises."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self._session.post(f"{self.url}{path}", json=data, headers=headers) as response:
            if response.status >= 400:
                raise HomeAssistantError(f"{path}: {response.status} {await response.text()}")
            return await response.json()

    async def delete(self, path: str) -> Any:
        """Send a DELETE and return the JSON of the answer; an error status raises."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.delete(f"{self.url}{path}", headers=headers) as response:
            if response.status >= 400:
                raise HomeAssistantError(f"{path}: {response.status} {await response.text()}")
            return await response.json()

    @contextlib.asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Fetch a URL without any login, as a media player does."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=5)
        async with aiohttp.ClientSession(timeout=timeout) as player, player.get(url) as response:
            yield response

    async def add_line(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Set the integration up through its config flow; returns the config entry.

        A form that asks for more than ``answers`` holds raises HomeAssistantError, as
        does one that comes back with an error.
        """
        result = await self.post(
            "/api/config/config_entries/flow",
            {"handler": DOMAIN, "show_advanced_options": False},
        )
        while result["type"] == "form":
            if result.get("errors"):
                raise HomeAssistantError(
                    f"The config flow says {result['errors']} "
                    f"{result.get('description_placeholders')}"
                )
            filled = _fill_in(result["data_schema"], answers)
            result = await self.post(f"/api/config/config_entries/flow/{result['flow_id']}", filled)
        if result["type"] != "create_entry":
            raise HomeAssistantError(f"The config flow ends with {result}")
        entry: dict[str, Any] = result["result"]
        return entry

    async def set_options(self, entry_id: str, answers: Mapping[str, Any]) -> None:
        """Set the options of a config entry; what is not among the answers is as at first."""
        path = "/api/config/config_entries/options/flow"
        form = await self.post(path, {"handler": entry_id})
        filled = _fill_in(form["data_schema"], answers)
        result = await self.post(f"{path}/{form['flow_id']}", filled)
        if result["type"] != "create_entry":
            raise HomeAssistantError(f"The options flow says {result}")

    async def entities(self, entry_id: str) -> dict[str, str]:
        """Return the entity ids of a config entry by translation key (with the domain in front)."""
        registry = await self.command("config/entity_registry/list")
        return {
            f"{entity['entity_id'].partition('.')[0]}.{entity['translation_key']}": entity[
                "entity_id"
            ]
            for entity in registry
            if entity["config_entry_id"] == entry_id
        }


def _fill_in(schema: list[dict[str, Any]], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data for a form, taking each field (in sections, too) from the answers."""
    filled: dict[str, Any] = {}
    for entry in schema:
        name = entry["name"]
        if entry.get("type") == "expandable":
            filled[name] = _fill_in(entry["schema"], answers)
        elif name in answers:
            filled[name] = answers[name]
        elif entry.get("required") and "default" not in entry:
            raise HomeAssistantError(f"The config flow asks for “{name}”, which is not given")
    return filled
