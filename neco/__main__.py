"""`python -m neco <command> ...` runs one step of the reproduction, like `neco <command> ...`."""

import sys

from neco.cli import main

if __name__ == "__main__":
    sys.exit(main())
