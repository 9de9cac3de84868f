"""`python -m neco <command> ...` runs one step of the reproduction, like `neco <command> ...`."""

import os
import sys

from neco.cli import main

if __name__ == "__main__":
    status = main()
    if status >= 128:  # stopped: everything is saved, and who asked may not wait for a slow end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
