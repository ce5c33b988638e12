"""The columns of a run's metrics.csv."""

from __future__ import annotations

from pathlib import Path

from scionwood.training.metrics import read_metrics


def column(run: Path, key: str = "train_loss") -> list[float]:
    """Return the values of a column, in the order of the steps."""
    return [float(row[key]) for row in read_metrics(run / "metrics.csv") if row.get(key)]
