"""Two processes share a training: the losses of one process at the same global batch."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import json, sys
from scionwood import fit, resolve
if __name__ == "__main__":
    fit(resolve(sys.argv[1], json.loads(sys.argv[2])), run_dir=sys.argv[3])
"""
SMALL: dict[str, dict[str, Any]] = {
    "crash/pretrain": {
        "data.families": ["hat"],
        "data.n_train": 4,
        "data.n_val": 2,
        "data.n_test": 1,
        "data.element_size": 50.0,
        "data.duration": 0.5,
        "data.frames": 3,
        "data.size": "tiny",
        "backbone.size": "tiny",
        "backbone.frames": 3,
        "backbone.mask": 0.0,
        "trainer.max_steps": -1,
        "trainer.log_every_n_steps": 1,
    },
    "pde/dynamics_skill": {
        "task.measured": 2,
        "task.noise": 0.0,
        "task.shifts": [],
        "backbone.width": 4,
        "backbone.stencil": 3,
        "data.n_points": 16,
        "data.n_frames": 6,
        "data.skip": 1,
        "data.n_train": 2,
        "data.n_val": 1,
        "data.n_test": 1,
    },
}


def losses(folder: Path) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [float(row["val_loss"]) for row in rows if row.get("val_loss")]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "near"), [("crash/pretrain", 1e-4), ("pde/dynamics_skill", 1e-3)])
def test_the_losses_of_two_processes_are_those_of_one(name, near, tmp_path):
    pytest.importorskip(f"scionwood_{name.partition('/')[0]}")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    found = {}
    for devices in (1, 2):
        changes = SMALL[name] | {
            "data.batch_size": 4 // devices,
            "trainer.accelerator": "cpu",
            "trainer.devices": devices,
            "trainer.max_epochs": 2,
            "trainer.strategy": "ddp" if devices > 1 else "auto",
        }
        if name.startswith("crash"):
            changes["data.folder"] = str(tmp_path / "suite")
        folder = tmp_path / f"run{devices}"
        command = [sys.executable, str(script), name, json.dumps(changes), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-3000:]
        found[devices] = losses(folder)
    assert len(found[1]) == 2
    assert found[2] == pytest.approx(found[1], rel=near)
