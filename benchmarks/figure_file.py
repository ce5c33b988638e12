"""Write the figure of a script to a file, whole or not at all."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from scionwood.authoring import atomic_path


def main(draw: Callable[[], Figure], target: Path, about: str) -> None:
    """Draw, and write the figure to the path on the command line, or else to `target`."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("target", type=Path, nargs="?", default=target)
    path = parser.parse_args().target
    save(draw(), path)
    print(path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the bytes do not name the version of matplotlib."""
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
