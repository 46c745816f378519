"""``scripts/demo``: calls from end to end, on this machine alone.

Starts a simulated home gateway and a Home Assistant with the integration (both on
loopback), shows calls step by step, then stays up until Ctrl-C. With ``--once`` it
ends after the show: a table of the steps, and a status other than 0 if one failed.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time

from scripts import environment
from scripts.demonstration import dashboard, show
from scripts.demonstration.console import Console
from scripts.demonstration.gateway import Gateway
from scripts.demonstration.report import Report, SceneEndedError, say
from scripts.demonstration.show import Stage
from scripts.demonstration.watch import Watch
from scripts.home_assistant import PASSWORD, USERNAME, Client, HomeAssistant, HomeAssistantOptions

FOLDER = environment.CACHE / "demo" / "config"


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="end after the show, with a table")
    parser.add_argument("--language", choices=("en", "ja"), default="en", help="of Home Assistant")
    return parser.parse_args(words)


async def run(options: argparse.Namespace) -> int:
    """Run the demo; returns the exit status."""
    report = Report()
    running = HomeAssistant(FOLDER, HomeAssistantOptions(language=options.language))
    console = Console()
    async with contextlib.AsyncExitStack() as stack:
        with contextlib.suppress(SceneEndedError):
            async with report.step("The simulated gateway starts") as step:
                side = await stack.enter_async_context(Gateway(console.on_gateway))
                step.saw(f"SIP at [::1]:{side.port}")
            async with report.step("Home Assistant starts") as step:
                began = time.monotonic()
                await stack.enter_async_context(running)
                step.measured(time.monotonic() - began, "s")
                client = await stack.enter_async_context(Client(running.url))
                step.saw(f"{await client.wait_until_running()} at {running.url}")
            say(f"\n  Open {running.url}, user “{USERNAME}”, password “{PASSWORD}”\n")
            entities = await show.set_up(client, side, report)
            async with report.step("The dashboard is made") as step:
                step.saw(await dashboard.make(client, entities))
            watch = Watch(console.on_change)
            await watch.begin(client)
            stage = Stage(client, side, watch, report, entities)
            await show.play(stage)
            await show.judge(stage)
            if not options.once:
                await console.stay(running, side, entities)
            await show.part(side, running, report)
            await show.read_log(running, report)
    if report.failed and running.log_end():
        say(f"\nThe end of Home Assistant's log:\n{running.log_end()}")
    say(f"\n{report.table()}")
    return 1 if report.failed else 0


def main() -> int:
    """Run the demo until it is over or somebody ends it."""
    options = parse(sys.argv[1:])
    loop = asyncio.new_event_loop()
    task = loop.create_task(run(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        say("\nEnded.")
        return 130
    finally:
        loop.close()


if __name__ == "__main__":
    sys.exit(main())
