"""Make the environment and hand over to it; runs on any Python from 3.11."""

import os
import sys

from scripts import environment

ENVIRONMENT = "newest"


def main() -> int:
    """Replace this process by the demo in its environment; returns only if there is none."""
    try:
        python = environment.environment(ENVIRONMENT)
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    return os.execv(python, [str(python), "-m", "scripts.demonstration.command", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
