"""Two processes share the runs: the losses of one process at the same global batch."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SCRIPT = """
import sys
from scionwood import fit, resolve

devices, folder, suite = int(sys.argv[1]), sys.argv[2], sys.argv[3]
changes = {
    "data.families": ["hat"], "data.n_train": 4, "data.n_val": 2, "data.n_test": 1,
    "data.element_size": 50.0, "data.duration": 0.5, "data.frames": 3, "data.folder": suite,
    "data.size": "tiny", "data.batch_size": 4 // devices,
    "backbone.size": "tiny", "backbone.frames": 3, "backbone.mask": 0.0,
    "trainer.accelerator": "cpu", "trainer.devices": devices, "trainer.max_epochs": 2,
    "trainer.max_steps": -1, "trainer.strategy": "ddp" if devices > 1 else "auto",
    "trainer.log_every_n_steps": 1,
}
if __name__ == "__main__":
    fit(resolve("crash/pretrain", changes), run_dir=folder)
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
        command = [sys.executable, str(script), str(devices), str(folder), str(tmp_path / "suite")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices] = losses(folder)
    assert len(found[1]) == 2
    assert found[2] == pytest.approx(found[1], rel=1e-4)
