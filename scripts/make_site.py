"""Build the site of the documents into ``build/site``, or serve it while one writes.

Runs on any Python from 3.11 with the standard library and pip alone. A link that leads
nowhere, or a page that the navigation leaves out, is an error.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from scripts import environment


def main() -> int:
    """Do what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/site", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--serve",
        metavar="PORT",
        type=int,
        help="serve the site on 127.0.0.1 and follow what is written",
    )
    options = parser.parse_args()
    try:
        python = environment.environment("site")
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    serve = ["serve", "--dev-addr", f"127.0.0.1:{options.serve}"]
    done = subprocess.run(
        [python, "-m", "mkdocs", *(serve if options.serve else ["build", "--strict"])],
        cwd=environment.ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
