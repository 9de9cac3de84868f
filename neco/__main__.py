"""`python -m neco <command> ...` runs one step of the reproduction, like `neco <command> ...`."""

import os
import sys


def run() -> None:
    """Run the command of this process's arguments and end the process with its status."""
    try:
        from neco.cli import main

        status = main()
    except KeyboardInterrupt:  # while the commands were imported
        print("neco: interrupted", file=sys.stderr)
        status = 130
    if status >= 128:  # stopped: everything is saved, and who asked may not wait for a slow end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
