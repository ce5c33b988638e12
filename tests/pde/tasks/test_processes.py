"""Two processes share a training of dynamics: the losses of one at the same global batch."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCRIPT = """
import sys
from scionwood import fit, resolve

devices, folder = int(sys.argv[1]), sys.argv[2]
changes = {
    "task.measured": 2, "task.noise": 0.0, "task.shifts": [], "backbone.width": 4,
    "backbone.stencil": 3, "data.n_points": 16, "data.n_frames": 6, "data.skip": 1,
    "data.n_train": 2, "data.n_val": 1, "data.n_test": 1, "data.batch_size": 4 // devices,
    "trainer.accelerator": "cpu", "trainer.devices": devices, "trainer.max_epochs": 2,
    "trainer.strategy": "ddp" if devices > 1 else "auto",
}
if __name__ == "__main__":
    fit(resolve("pde/dynamics_skill", changes), run_dir=folder)
"""


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [float(row["val_loss"]) for row in rows if row.get("val_loss")]


def test_the_losses_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    found = {}
    for devices in (1, 2):
        folder = tmp_path / f"run{devices}"
        command = [sys.executable, str(script), str(devices), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices] = losses(folder)
    assert len(found[1]) == 2
    assert found[2] == pytest.approx(found[1], rel=1e-3)
