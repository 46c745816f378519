"""Releases of the integration, and the hosts from which the Marketplace takes them."""

import json
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts import make_package

REPOSITORY = "hikari-denwa/hikari-denwa"
REPOSITORY_ID = "1046023077"
HACS: dict[str, Any] = json.loads((make_package.ROOT / "hacs.json").read_text())
_MANIFEST = f"{make_package.SOURCE}/manifest.json"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version, and the zip that is attached to its release."""

    version: str
    zip: Path

    @property
    def files(self) -> dict[str, bytes]:
        """Return the zip's files by name."""
        with zipfile.ZipFile(self.zip) as package:
            return {name: package.read(name) for name in package.namelist()}


def make_release(folder: Path, version: str, more: dict[str, str] | None = None) -> Release:
    """Make the zip of this checkout under another version, maybe with more files."""
    made = Release(version=version, zip=make_package.make(folder / version / HACS["filename"]))
    files = made.files
    manifest = json.loads(files["manifest.json"]) | {"version": version}
    files["manifest.json"] = json.dumps(manifest, ensure_ascii=False, indent=2).encode()
    files |= {name: text.encode() for name, text in (more or {}).items()}
    with zipfile.ZipFile(made.zip, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return made


@dataclass
class Shop:
    """The catalog, GitHub's raw files and GitHub's downloads, at one address."""

    url: str = ""
    releases: list[Release] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer what the Marketplace asks for."""
        self.asked.append(request.path)
        host, _, path = request.path.removeprefix("/").partition("/")
        match host:
            case "catalog":
                return web.json_response(self._catalog(path.removesuffix("/data.json")))
            case "raw" | "github":
                for release in self.releases:
                    if (content := self._files(release).get(path)) is not None:
                        return web.Response(body=content)
        return web.Response(status=404)

    def _files(self, release: Release) -> dict[str, bytes]:
        """Return what can be fetched of a release, by path."""
        tag = f"v{release.version}"
        return {
            f"{REPOSITORY}/{tag}/hacs.json": json.dumps(HACS).encode(),
            f"{REPOSITORY}/{tag}/{_MANIFEST}": release.files["manifest.json"],
            f"{REPOSITORY}/releases/download/{tag}/{HACS['filename']}": release.zip.read_bytes(),
        }

    def _catalog(self, section: str) -> Any:
        """Return a section of the catalog."""
        if section in {"removed", "critical"}:
            return []
        if section != "integration" or not self.releases:
            return {}
        manifest = json.loads(self.releases[-1].files["manifest.json"])
        return {
            REPOSITORY_ID: {
                "description": "",
                "domain": manifest["domain"],
                "etag_repository": "",
                "full_name": REPOSITORY,
                "last_fetched": time.time(),
                "last_updated": "2026-11-25T00:00:00Z",
                "last_version": f"v{manifest['version']}",
                "manifest": {"name": HACS["name"]},
                "manifest_name": manifest["name"],
            }
        }


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """Serve a shop on loopback."""
    shop = Shop()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", shop.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    shop.url = f"http://{host}:{port}"
    try:
        yield shop
    finally:
        await runner.cleanup()
