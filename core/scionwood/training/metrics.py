"""metrics.csv: a row for each step and each validation, written before that step's checkpoint."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import Callback

from scionwood.runs.layout import METRICS
from scionwood.runs.metrics import read_metrics as read_metrics
from scionwood.training.run_folder import RESUME
from scionwood_sandbox.files import atomic_path, writing


@final
class MetricsFile(Callback):
    """Write the values that a task logs, with `step` (optimiser steps taken) and `epoch`.

    It is a callback, because Lightning calls loggers after the checkpoint of a step is written: a
    run that is killed in between would lack that row when it is resumed. A checkpoint stores the
    number of rows. A resume drops later rows, so that none appears twice.

    Args:
        every_n_steps: optimiser steps between two rows of training.
    """

    def __init__(self, every_n_steps: int = 1) -> None:
        self.every_n_steps = every_n_steps
        self._file: io.FileIO | None = None
        self._columns: list[str] = []
        self._path = Path()
        self._rows = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the number of rows."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the number of rows to that of the run that is resumed."""
        self._rows = state_dict["rows"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the rows that the checkpoint counts; a new run keeps none."""
        if not trainer.is_global_zero:
            return
        self._path = Path(trainer.default_root_dir) / METRICS
        rows = read_metrics(self._path)[: self._rows]
        self._columns = list(dict.fromkeys(["step", "epoch", *(k for row in rows for k in row)]))
        self._rewrite(rows)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Write the values of an optimiser step."""
        stepped = not trainer.fit_loop._should_accumulate()
        if self._file and stepped and trainer.global_step % self.every_n_steps == 0:
            self._write(trainer, validation=False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the values of a validation."""
        if self._file and not trainer.sanity_checking:
            self._write(trainer, validation=True)

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Close the file; Lightning does not call `teardown` after an exception."""
        self._close()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Close the file."""
        self._close()

    def _close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, trainer: L.Trainer, *, validation: bool) -> None:
        # Lightning keeps the values of the last validation with those of a step.
        values = {
            key: repr(float(value))
            for key, value in trainer.callback_metrics.items()
            if key.startswith("val_") is validation
        }
        row: dict[str, Any] = {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            **values,
        }
        new = [key for key in row if key not in self._columns]
        if new:
            self._columns += new
            self._rewrite(read_metrics(self._path))
        line = ",".join(str(row.get(key, "")) for key in self._columns) + "\n"
        if self._file:
            with writing(self._path, then=RESUME):
                self._file.write(line.encode())
            self._rows += 1

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        self._close()
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with writing(self._path, then=RESUME), atomic_path(self._path) as part:
            part.write_text(text.getvalue(), encoding="utf-8")
        self._file = io.FileIO(
            self._path, "a"
        )  # without a buffer, which a full disk could leave half written
