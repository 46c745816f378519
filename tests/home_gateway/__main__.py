"""Run a simulated home gateway: ``python -m tests.home_gateway --help``."""

import argparse
import asyncio
import contextlib
import signal
import sys

from .command import HELP, Console, Printer, change, run_input, run_lines
from .config import GatewayConfig, faithful, profile_b
from .exchange import Event
from .gateway import HomeGateway
from .switches import markdown

PROFILES = {"default": GatewayConfig, "faithful": faithful, "b": profile_b}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.home_gateway",
        description="A simulated NTT home gateway. Extensions 3 to 7 register with user ID 0003 "
        "to 0007 and password secret-3 to secret-7. It reads commands from standard input.",
        epilog="commands:\n" + HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="SIP port, 0: a free one")
    parser.add_argument("--v4", default="127.0.0.1", help="IPv4 address, or none")
    parser.add_argument("--v6", default="::1", help="IPv6 address, or none")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="default")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SWITCH=VALUE",
        help="for example registrar.qop=auth, calls.progress=180, slots.4.reach=ipv6-only "
        "(--switches lists all)",
    )
    parser.add_argument("--run", metavar="LINES", help="commands, separated by semicolons")
    parser.add_argument("--stay", action="store_true", help="read standard input after --run")
    parser.add_argument("--switches", action="store_true", help="list every switch and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args(arguments)


def configure(options: argparse.Namespace) -> GatewayConfig:
    """Make the configuration; raises ValueError."""
    config = PROFILES[options.profile]()
    for setting in (
        f"port={options.port}",
        f"v4_address={options.v4}",
        f"v6_address={options.v6}",
        *options.set,
    ):
        config = change(config, setting)
    return config


async def run(options: argparse.Namespace) -> int:
    """Run the gateway; 1 when a command of --run failed or the client broke a rule."""
    printer = Printer(as_json=options.json)
    gateway = HomeGateway(configure(options))
    gateway.exchange.listeners.append(printer.event)
    async with gateway:
        ports = {str(family): port for family, port in gateway.exchange.ports.items()}
        printer.event(Event(asyncio.get_running_loop().time(), "listening", dict(ports)))
        console = Console(gateway)
        done = True
        if options.run:
            lines = [line.strip() for line in options.run.split(";")]
            done = await run_lines(console, lines, printer)
        if not options.run or (options.stay and not console.is_over):
            await run_input(console, printer)
    for violation in gateway.violations:
        sys.stderr.write(f"broken: {violation}\n")
    return 0 if done and not len(gateway.violations) else 1


def main() -> int:
    """Run until the commands end or a signal comes."""
    options = parse(sys.argv[1:])
    if options.switches:
        sys.stdout.write(markdown())
        return 0
    try:
        configure(options)
    except (ValueError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 2

    async def guarded() -> int:
        """Let SIGTERM end the gateway as Ctrl-C does."""
        task = asyncio.current_task()
        if task:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await run(options)

    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        return asyncio.run(guarded())
    return 0


if __name__ == "__main__":
    sys.exit(main())
