"""Figures that are written without being drawn, since drawing takes half of a small training."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
"""A PNG of one pixel."""


def blank(patch: pytest.MonkeyPatch) -> None:
    """Let figures be saved as files that hold no picture, and draw no curves of a run.

    For tests that train and look at no figure; `pictures` of the core draws those of a run.
    """
    from matplotlib.figure import Figure

    from scionwood.training import export, run_page

    def savefig(self: Figure, target: Any, **options: Any) -> None:
        if options.get("format") == "rgba":  # a frame of an animation
            width, height = (int(x * options["dpi"]) for x in self.get_size_inches())
            content = bytes(4 * width * height)
        else:
            content = b"<svg/>" if options.get("format") == "svg" else DOT
        if hasattr(target, "write"):
            target.write(content)
        else:
            Path(target).write_bytes(content)

    patch.setattr(Figure, "savefig", savefig)
    for module in (export, run_page):
        patch.setattr(module, "metrics_figure", lambda *_, **__: Figure())


@contextmanager
def undrawn() -> Iterator[pytest.MonkeyPatch]:
    """Draw no figures in a block; see `blank`."""
    with pytest.MonkeyPatch.context() as patch:
        blank(patch)
        yield patch
