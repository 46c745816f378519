"""Provide the environment, then fuzz in it. Runs on any Python from 3.11."""

import os
import sys

from scripts import environment


def main() -> None:
    """Hand over to the environment's interpreter, which goes on in this process."""
    try:
        python = environment.environment("newest")
    except environment.SetupError as error:
        sys.exit(str(error))
    os.execv(python, [str(python), "-m", "scripts.fuzzing.command", *sys.argv[1:]])


if __name__ == "__main__":
    main()
