"""`python -m neco <step> ...`: every pipeline step by hand."""

import sys

from neco.cli import main

if __name__ == "__main__":
    sys.exit(main())
