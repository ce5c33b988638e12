"""Ways to fit the same labels, each with the same search of rates: what `choose` runs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

import scionwood
from scionwood import OutputExistsError, RecipeError, TrainingError
from scionwood.authoring import read_utf8, reading
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.files import Files
from scionwood_atoms.data.labels import Frame
from scionwood_atoms.evaluation.drift import FILE
from scionwood_atoms.evaluation.kernel import arrays, kernel_of
from scionwood_atoms.evaluation.of_run import errors
from scionwood_atoms.model.reference import write_json

RATES: Mapping[str, tuple[float, ...]] = {
    "frozen": (0.0,),
    "ia3": (3e-3, 1e-2, 3e-2),
    "lora": (1e-2, 3e-2, 1e-1),
    "full": (1e-3, 3e-3, 1e-2),
}
"""The rates of each arm; the frozen model has its reference energies alone."""

ADAPTERS: Mapping[str, Mapping[str, Any]] = {
    "frozen": {"name": "ia3", "feedforward_modules": []},  # at rate 0 it changes nothing
    "ia3": {"name": "ia3", "feedforward_modules": []},
    "lora": {"name": "lora", "r": 4, "lora_alpha": 4},
    "full": {"name": "full"},
}

FEWEST_STEPS = 20  # Below this no rate shows what it can do
MOST_STEPS = 600
STRESS_WEIGHT = 257.0  # To 10 of the forces, as SevenNet was trained; see `PotentialTask`


@final
@dataclass(frozen=True)
class Arm:
    """One fit, measured on the validation split.

    Attributes:
        model: `frozen`, `ia3`, `lora`, `full` or `sGDML`.
        rate: its learning rate, or `None`.
        force: the root mean square of the force error, meV/A; infinite if it diverged.
        energy: that of the energy, meV/atom.
        stress: that of the stress, GPa, or `None`.
        seconds: how long it took.
        size: bytes of what the fit stores beside the base.
        drift: the change of forces on other crystals, meV/A, or `None`.
        failure: why it has no result; empty if it has one.
    """

    model: str
    rate: float | None
    force: float = float("inf")
    energy: float = float("inf")
    stress: float | None = None
    seconds: float = 0.0
    size: int = 0
    drift: float | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        """The model with its rate."""
        return self.model if not self.rate else f"{self.model}-{self.rate:g}"


@final
@dataclass
class Trials:
    """The arms that are done, in a file that is written after each of them.

    Attributes:
        folder: the folder of the arms.
        options: what they share; arms of other options are not used again.
        arms: the arms that are done.
    """

    folder: Path
    options: dict[str, Any]
    arms: list[Arm] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "arms.json"

    def read(self, *, force: bool) -> None:
        """Take over the arms that an earlier call finished.

        Raises:
            OutputExistsError: they have other options and `force` is false.
            ReadError: the file is damaged.
        """
        if not self.path.is_file():
            return
        with reading(self.path, "record of arms"):
            card = json.loads(read_utf8(self.path))
            arms = [Arm(**arm) for arm in card["arms"]]
            steps = int(card["options"]["steps"])
        if {**card["options"], "steps": 0} == {**self.options, "steps": 0}:
            self.arms, self.options["steps"] = arms, steps
        elif not force:
            rule = "it holds arms of other labels or options"
            raise OutputExistsError(str(self.folder), rule, "Name another run, or use --force")

    def add(self, arm: Arm) -> None:
        """Add an arm and write the file."""
        self.arms.append(arm)
        content = {"options": self.options, "arms": [asdict(one) for one in self.arms]}
        write_json(self.path, content)


def run_arms(record: Trials, data: Files, arms: Sequence[str], budget: float) -> None:
    """Run the arms that are not done, and print the time that is left.

    The arms are names of `RATES`; the kernel model is added if all structures are one molecule. The
    budget, minutes, gives the steps unless the record states them.

    Raises:
        RecipeError: the budget is too small.
    """
    parts = data.frames()
    stress = any(f.structure.stress is not None and f.structure.pbc.all() for f in parts["train"])
    todo = [(arm, rate) for arm in arms for rate in RATES[arm]]
    fits = sum(rate > 0 for _, rate in todo)
    if not record.options["steps"]:
        record.options["steps"] = steps_within(data, 60 * budget / max(fits, 1))
    names = {arm.name for arm in record.arms}
    if "sGDML" not in names and (kernel := kernel_arm(parts)):
        record.add(kernel)
    spent: list[float] = []
    for at, (arm, rate) in enumerate(todo):
        if Arm(arm, rate).name in names:
            continue
        left = f", {np.mean(spent) * (len(todo) - at) / 60:.1f} minutes left" if spent else ""
        print(f"choose: {arm} at rate {rate:g}, {at + 1} of {len(todo)}{left}", file=sys.stderr)
        outcome = fitted(record, arm, rate, data, STRESS_WEIGHT if stress else 0.0)
        record.add(outcome)
        if rate:
            spent.append(outcome.seconds)


def fitted(record: Trials, model: str, rate: float, data: Files, stress_weight: float) -> Arm:
    """Fit one arm at one rate."""
    start, run = time.monotonic(), record.folder / Arm(model, rate).name
    if run.exists():  # an interrupted call left it
        shutil.rmtree(run)
    steps = record.options["steps"] if rate else 1
    backbone, _, version = data.base.partition("/")
    targets = {"sevennet": "all", "chgnet": "blocks"}[backbone]
    change = {
        "backbone": {"name": f"atoms/{backbone}", "model": version},
        "adapter": {**ADAPTERS[model], **({} if model == "full" else {"targets": targets})},
        "data": {"name": "atoms/files", **record.options["data"]},
        "task.lr": rate,
        "task.stress_weight": stress_weight,
        "trainer.max_steps": steps,
        "trainer.val_check_interval": max(steps // 4, 1),
        "trainer.log_every_n_steps": max(steps // 10, 1),
        "trainer.enable_progress_bar": False,
        "seed": data.seed,
    }
    try:
        scionwood.fit("atoms/few_shot", run_dir=run, overrides=change, logger=False)
        card = json.loads((run / FILE).read_text("utf-8"))
    except TrainingError as error:
        shutil.rmtree(run, ignore_errors=True)
        return Arm(model, rate, seconds=time.monotonic() - start, failure=str(error))
    wrong, seconds = card["validation"], time.monotonic() - start
    if not np.isfinite(wrong["force"]):
        return Arm(model, rate, seconds=seconds, failure="its forces are no numbers")
    size = sum(p.stat().st_size for p in run.rglob("*.safetensors")) if rate else 0
    drift = card["crystals"].get("force")
    force, energy, stress = wrong["force"], wrong["energy"], wrong["stress"]
    return Arm(model, rate, force, energy, stress, seconds, size, drift)


def kernel_arm(parts: Mapping[str, Sequence[Frame]]) -> Arm | None:
    """Return the errors of a kernel model (sGDML), if all structures are one molecule."""
    start, val = time.monotonic(), parts["val"]
    model = kernel_of(parts["train"], val)
    if model is None:
        return None
    row = errors("sGDML", val, *model.predict(arrays(val)[0]))
    # Places and weights of the training structures, in float64.
    size = 48 * len(val[0].structure.symbols) * len(parts["train"])
    return Arm("sGDML", None, row.force, row.energy, None, time.monotonic() - start, size)


def steps_within(data: Files, seconds: float) -> int:
    """Return the steps of a fit that takes so long, by the time of three of them.

    Raises:
        RecipeError: there is no time for `FEWEST_STEPS`.
    """
    model = potential(data.base).train()
    batches = iter(data.train_dataloader())
    pace: list[float] = []
    batch = next(batches)
    for _ in range(3):
        start = time.monotonic()
        predicted = model(*batch.graph)
        (predicted.energy.square().mean() + predicted.forces.square().mean()).backward()
        pace.append(time.monotonic() - start)
    # Four validations; a structure costs about a fifth of a step of two.
    validation = 4 * 0.2 * min(pace) * len(data.frames()["val"])
    steps = int((seconds - validation) / min(pace))
    if steps < FEWEST_STEPS:
        minutes = (FEWEST_STEPS * min(pace) + validation) / seconds
        rule = f"{FEWEST_STEPS} steps of each fit need {minutes:.1f} times as long"
        raise RecipeError("budget", rule, "Raise --budget, or name fewer --arms")
    return min(steps, MOST_STEPS)
