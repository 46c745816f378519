"""The call log survives kill -9: what was on disk stays, and the file is never a half one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import custom_components

ROUNDS = 5
PATIENCE_SECONDS = 40.0
LOG = ".storage/hikari_denwa.call_log.line-1"
# Notes calls without a pause, which a log that waits for quiet would never write.
VICTIM = """
import asyncio, itertools, sys
from dataclasses import replace
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from custom_components.hikari_denwa import call_log
from custom_components.hikari_denwa.calls import Call
from custom_components.hikari_denwa.telephony.calls import Ending, EndReason
from tests.integration.fake_engine import incoming

async def main(folder, round):
    call_log.SAVE_SECONDS = 0.05
    log = call_log.CallLog(HomeAssistant(folder), "line-1", call_log.LogLimits(calls=10_000))
    await log.async_load()
    for at in itertools.count():
        event = incoming(f"in-{at}", number=f"0{round}{at:08}")
        call = replace(Call.incoming(event), started=dt_util.utcnow())
        log.note(call)
        if at % 10:
            log.note(call.finished(dt_util.utcnow(), Ending(reason=EndReason.CALLER_GAVE_UP)))
        if at == 0:
            print("begun", flush=True)
        await asyncio.sleep(0.002)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the calls that are on disk, by number; raises for a file that is not whole."""
    path = folder / LOG
    if not path.exists():
        return {}
    calls = json.loads(path.read_text(encoding="utf-8"))["data"]["calls"]
    return {call["number"]: call for call in calls}


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Round after round: a first call comes to disk though others follow; all that was stays."""
    root = Path(custom_components.__path__[0]).parent
    dice = random.Random(9)
    for turn in range(1, ROUNDS + 1):
        before = kept(tmp_path)
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), str(turn)],
            cwd=root,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root)},
        ) as victim:
            try:
                assert victim.stdout is not None
                assert victim.stdout.readline() == b"begun\n"
                limit = time.monotonic() + PATIENCE_SECONDS
                while f"0{turn}00000000" not in (seen := kept(tmp_path)):
                    assert time.monotonic() < limit
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 0.3))
            finally:
                victim.send_signal(signal.SIGKILL)
        after = kept(tmp_path)
        assert before.keys() <= seen.keys() <= after.keys()
        numbers = sorted(number for number in after if number.startswith(f"0{turn}"))
        assert numbers == [f"0{turn}{at:08}" for at in range(len(numbers))]
        assert all(
            call["outcome"] != "running" for number, call in after.items() if number in before
        )
