"""`python -m scionwood.cli`, as torchrun and batch systems start it."""

from __future__ import annotations

import sys

from scionwood.cli import main

if __name__ == "__main__":
    sys.exit(main())
