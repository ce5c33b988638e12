"""Callbacks of Lightning that measure, as a recipe may name them."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import RichModelSummary, ThroughputMonitor


@final
class Throughput(ThroughputMonitor):
    """Log batches and samples per second, and FLOPs if the task has `flops_per_batch`.

    Args:
        window_size: batches over which the rates are averaged.
    """

    def __init__(self, *, window_size: int = 100) -> None:
        super().__init__(batch_size_fn=len, window_size=window_size)

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Count samples as the task does."""
        super().setup(trainer, pl_module, stage)
        self.batch_size_fn = pl_module.batch_size
        self._module_has_flops = hasattr(pl_module, "flops_per_batch")


@final
class Summary(RichModelSummary):
    """Print a table of the modules and their parameters on stderr.

    Args:
        max_depth: how deep a module may lie; -1 means all.
    """

    def __init__(self, *, max_depth: int = 1) -> None:
        super().__init__(max_depth)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the table; stdout is for what a program reads."""
        with redirect_stdout(sys.stderr):
            super().on_fit_start(trainer, pl_module)
