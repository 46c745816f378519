"""The zip is unpacked by hand and as HACS does it, replaced by a newer one, and thrown away."""

import shutil
import zipfile
from pathlib import Path

import pytest

from scripts.home_assistant import HomeAssistantError

from .house import MARKS, House, house
from .releases import Release, make_release, open_shop

OLD, NEW = "1.0.0", "1.0.1"

pytestmark = MARKS


async def test_hacs(tmp_path: Path) -> None:
    """Copying alone needs a restart, HACS does not; two lines come, and go one by one."""
    async with open_shop() as shop:
        old = make_release(tmp_path, OLD, {"only_in_the_old_one.py": ""})
        new = make_release(tmp_path, NEW)
        async with house(tmp_path, shop) as here:
            _unpack(here, old)
            with pytest.raises(HomeAssistantError, match="404"):
                await here.add_line("Home")
            await here.client.command("call_service", domain="like_hacs", service="scan")
            first = (await here.add_line("Home"))["entry_id"]
            second = (await here.add_line("Office", "4"))["entry_id"]
            await here.rings(first)
            await here.rings(second, "4")
            await here.dials(first)

            _unpack(here, new)
            assert here.holds(new)
            await here.client.command("call_service", domain="like_hacs", service="scan")
            assert await here.version() == OLD
            await here.rings(first)
            assert here.complaints() == []
            await here.restart()
            assert await here.version() == NEW
            await here.rings(first)
            await here.rings(second, "4")

            stored = set(here.stored)
            await here.delete_line(second)
            await here.gateway.unregistered("4")
            assert set(here.stored) == {name for name in stored if second not in name}
            await here.rings(first)
            await here.delete_line(first)
            await here.gateway.unregistered()
            await here.until(lambda: not here.processes())
            assert here.stored == {}
            shutil.rmtree(here.integration)
            assert here.complaints() == []
            await here.restart()
            assert await here.repairs() == []
            assert here.complaints() == []
        assert here.traces() == []


def _unpack(here: House, release: Release) -> None:
    """Put a release in the place of what is there."""
    shutil.rmtree(here.integration, ignore_errors=True)
    with zipfile.ZipFile(release.zip) as package:
        package.extractall(here.integration)
