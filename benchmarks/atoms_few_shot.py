"""Adapt SevenNet-0 to a few structures of one molecule or two, beside a kernel model.

    python benchmarks/atoms_few_shot.py --data FOLDER --tune --n 50 --arms lora --rates 1e-2 3e-2
    python benchmarks/atoms_few_shot.py --data FOLDER --n 10 50 --arms frozen kernel lora ia3 full
    python benchmarks/atoms_few_shot.py --data FOLDER --molecules acac ethanol --n 25

FOLDER holds `dataset_acac` and `dataset_ethanol` of BOTNet-datasets
(https://github.com/davkovacs/BOTNet-datasets, MIT): PBE energies and forces. Training structures
are drawn from the first eight tenths of each training file, and the validation has 20 structures
of their ninth tenths, of every arm. `--tune` trains with each rate and writes the error of the
validation alone. Without it the rate is the best of that table, and the test is read: 50 structures
each of acetylacetone at 300 K, at 600 K, and of ethanol. A row is written as soon as it is
measured, and not measured again. `--table atoms_drift` writes another table.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from runner import Row, Table, option, parsed, read

import scionwood
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.labels import Frame
from scionwood_atoms.evaluation.kernel import arrays, fit_kernel
from scionwood_atoms.model.potential import predictions

ADAPTERS: dict[str, dict[str, Any]] = {
    "lora": {"adapter.r": 4, "adapter.lora_alpha": 4},
    "lora16": {"adapter.r": 16, "adapter.lora_alpha": 16},
    "ia3": {"adapter.name": "ia3", "adapter.feedforward_modules": []},
    "full": {"adapter.name": "full"},
}
SOURCES = {"acac": "dataset_acac/train_300K.xyz", "ethanol": "dataset_ethanol/train.xyz"}
TESTS = {
    "300K": "dataset_acac/test_MD_300K.xyz",
    "600K": "dataset_acac/test_MD_600K.xyz",
    "ethanol": "dataset_ethanol/test_MD.xyz",
}
Parts = dict[str, dict[str, list[Frame]]]
drifts: dict[str, float] = {}  # of the last run


def drawn(data: Path, molecules: list[str], n: int, seed: int) -> Parts:
    """Return the splits of each molecule; 20 structures in all are the validation."""
    return {
        name: Files(
            source=str(data / SOURCES[name]), n=n, n_val=20 // len(molecules), seed=seed
        ).frames()
        for name in molecules
    }


def written(parts: Parts, folder: Path) -> dict[str, Any]:
    """Write the structures of training and validation, and return the options of the data."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    paths = []
    for name, splits in parts.items():
        structures = []
        # A split gives the validation less than half: beside 10 structures a run has 7 of the 20.
        val = splits["val"][:: 1 + len(splits["val"]) // len(splits["train"])]
        for frame in [*splits["train"], *val, splits["test"][0]]:
            atoms, one = frame.structure.atoms(), frame.structure
            atoms.calc = SinglePointCalculator(atoms, energy=one.energy, forces=one.forces)
            structures.append(atoms)
        paths.append(folder / f"{name}.xyz")
        write(paths[-1], structures[:-1], format="extxyz")
    write(folder / "test.xyz", structures[-1], format="extxyz")
    few, all_ = len(val), len(structures) - 1
    return {
        "name": "atoms/files",
        "source": [str(path) for path in paths],
        "test": [str(folder / "test.xyz")],  # so that none is cut off
        "share": few / all_,
        # The isolated atoms of the two files differ: each molecule has an energy of its own.
        "reference": "composition",
    }


def errors(model: Any, frames: list[Frame]) -> tuple[float, float]:
    """Return the errors of energies less their mean, meV, and of forces, meV/A."""
    positions, labels, pulls = arrays(frames)
    if isinstance(model, torch.nn.Module):
        graphs: list[Any] = [model.graph(f.structure.atoms()) for f in frames]  # type: ignore[operator]
        found = predictions(model.eval(), graphs)
        energies, forces = found.energies, np.stack(found.forces)
    else:
        energies, forces = model.predict(positions)
    force = np.sqrt(np.square(forces - pulls).mean())
    return round(1e3 * float((energies - labels).std()), 1), round(1e3 * float(force), 1)


def tested(models: dict[str, Any], data: Path) -> Row:
    row: Row = {}
    for name, file in TESTS.items():
        model = models.get("ethanol" if name == "ethanol" else "acac")
        if model is not None:
            frames = Files(source=str(data / SOURCES["acac"]), test=[str(data / file)], n_test=50)
            row[f"energy_{name}"], row[f"force_{name}"] = errors(model, frames.frames()["test"])
    return row


def trained(job: Row, parts: Parts, rate: float) -> Any:
    """Return the network of an arm."""
    with TemporaryDirectory() as work:
        change = {
            **ADAPTERS[job["arm"]],
            "data": {**written(parts, Path(work)), "batch_size": job["batch"]},
            "task.lr": rate,
            "trainer.max_steps": job["steps"],
            "trainer.val_check_interval": max(job["steps"] // 3, 1),
            "trainer.callbacks": [{"name": "ema", "decay": 0.99 if job["steps"] >= 300 else 0.95}],
            "trainer.accelerator": "cpu",
            "trainer.enable_progress_bar": False,
            "seed": job["seed"],
        }
        run = scionwood.fit("atoms/few_shot", run_dir=Path(work) / "run", overrides=change)
        losses = [row["val_loss"] for row in read(run / "metrics.csv") if row.get("val_loss")]
        print(*job.values(), rate, "loss of the validation:", *losses, flush=True)
        drifts.update(json.loads((run / "drift.json").read_text())["crystals"])
        return scionwood.load_run(run).backbone


def models_of(job: Row, parts: Parts, rate: float) -> dict[str, Any]:
    """Return the model for each molecule; a network is one for all, a kernel model is for one."""
    if job["arm"] == "kernel":
        return {
            name: fit_kernel(
                splits["train"][0].structure.symbols.tolist(),
                arrays(splits["train"]),
                arrays(splits["val"]),
            )
            for name, splits in parts.items()
        }
    network = potential("sevennet/0") if job["arm"] == "frozen" else trained(job, parts, rate)
    return dict.fromkeys(SOURCES, network)


def validated(models: dict[str, Any], parts: Parts) -> Row:
    """Return the mean errors on the validation."""
    found = [errors(models[name], splits["val"]) for name, splits in parts.items()]
    return dict(zip(("val_energy", "val_force"), np.mean(found, 0).round(1).tolist(), strict=True))


def best_rate(rows: list[Row], arm: str, n: int) -> float:
    mine = [row for row in rows if row["arm"] == arm]
    near = min((abs(int(row["n"]) - n) for row in mine), default=0)
    mine = [row for row in mine if abs(int(row["n"]) - n) == near]
    return float(min(mine, key=lambda row: float(row["val_force"]))["rate"])


def main() -> None:
    options = parsed(
        __doc__,
        option("--data", type=Path, required=True, help="the folder of dataset_acac"),
        option("--molecules", nargs="+", choices=list(SOURCES), default=["acac"]),
        option("--n", type=int, nargs="+", default=[10, 50], help="of each molecule"),
        option("--arms", nargs="+", default=["frozen", "kernel", *ADAPTERS]),
        option("--seeds", type=int, nargs="+", default=[0]),
        option("--rates", type=float, nargs="*", default=[]),
        option("--steps", type=int, default=1300),
        option("--batch", type=int, default=2),
        option("--tune", action="store_true", help="write the errors of the validation alone"),
        option("--table", default="atoms_few_shot", help="of the tests"),
    )
    warnings.filterwarnings("ignore", module="torch|e3nn")
    rates = Table("atoms_few_shot_rates")
    table = rates if options.tune else Table(options.table)
    jobs = [
        {"molecules": "+".join(options.molecules), "arm": arm, "n": n, "seed": seed}
        | ({"steps": options.steps, "batch": options.batch} if arm in ADAPTERS else {})
        | ({"rate": rate} if options.tune else {})
        for n in options.n
        for seed in options.seeds
        for arm in options.arms
        for rate in (options.rates if options.tune else [0.0])
    ]
    for job in table.missing(jobs):
        parts = drawn(options.data, options.molecules, job["n"], job["seed"])
        rate = job.get("rate") or next(iter(options.rates), 0.0)
        if not rate and "steps" in job:
            rate = best_rate(rates.rows, job["arm"], job["n"])
        start = time.process_time()
        models = models_of(job, parts, rate)
        row = {**job, "rate": rate, "cpu_seconds": round(time.process_time() - start)}
        row |= validated(models, parts)
        if "steps" in job:
            row |= {"drift": round(drifts["force"], 1), "drift_energy": round(drifts["energy"], 1)}
        table.add(row if options.tune else row | tested(models, options.data))


if __name__ == "__main__":
    main()
