"""Arms of a study: one recipe with several methods at equal seconds and as many rates each."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, final

from lightning.pytorch.callbacks import Callback

import scionwood
from scionwood import AdapterError, OutputExistsError, RecipeError, Run, TrainingError
from scionwood.authoring import atomic_path, read_utf8, reading

RATES: Mapping[str, tuple[float, float, float]] = {"full": (0.02, 0.1, 0.5), "ia3": (0.5, 2.0, 8.0)}
"""The rates of a method as shares of the recipe's own, which suits LoRA."""

OTHERS = (0.2, 1.0, 5.0)

VALIDATIONS = 8  # of a fit, so that all methods choose among as many weights
PILOT = 6  # steps whose time says how many fit in the budget; the first is left out
FEWEST = 20  # steps below which no rate shows what it can do
FLAT = 0.01  # by which the last quarter may still better the validation on a plateau


@final
@dataclass(frozen=True)
class Arm:
    """A fit of a method at a rate.

    Attributes:
        method: such as `lora` or `full`.
        rate: its learning rate.
        seed: of the fit.
        validation: the best value of the task's monitor; `None` if the fit failed.
        test: the metrics of the test split, of the best rate of a method alone.
        steps: of the fit.
        seconds: of the fit with its validations.
        trained: numbers that were trained.
        size: bytes that the run stores beside the base.
        rising: whether the last quarter still bettered the validation by 1 % or more, so that a
            larger budget may change the order.
        failure: why it has no value; empty if it has one.
    """

    method: str
    rate: float
    seed: int = 0
    validation: float | None = None
    test: Mapping[str, float] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    trained: int = 0
    size: int = 0
    rising: bool = False
    failure: str = ""

    @property
    def name(self) -> str:
        """The name of its run folder."""
        return f"{self.method}-{self.rate:g}-{self.seed}"


class _Watch(Callback):
    """Take the time of each step and validation, the monitored values, and what trains."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self.validated, self.trained, self._start = 0.0, 0, 0.0

    def on_train_batch_end(self, trainer: Any, task: Any, *_: Any) -> None:
        self.times.append(time.monotonic())
        self.trained = sum(p.numel() for p in task.parameters() if p.requires_grad)

    def on_validation_start(self, trainer: Any, task: Any) -> None:
        self._start = time.monotonic()

    def on_validation_end(self, trainer: Any, task: Any) -> None:
        if not trainer.sanity_checking:
            self.validated += time.monotonic() - self._start
            self.values.append(float(trainer.callback_metrics[task.monitor]))


@final
class Trials:
    """The arms of a folder, in a file that is written after each of them.

    Args:
        folder: the folder of the study.
        recipe: the resolved recipe; its adapter and its rate are those of the arms.
        seconds: of each fit.
        fixed: steps of each fit instead of its seconds.
        force: whether arms of another recipe or budget are replaced.

    Raises:
        OutputExistsError: the folder holds arms of another recipe or budget.
        ReadError: the file of the arms is damaged.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Any,
        seconds: float,
        *,
        fixed: int | None = None,
        force: bool = False,
    ) -> None:
        self.folder, self.recipe, self.seconds, self.fixed = folder, recipe, seconds, fixed
        self.path = folder / "study.json"
        self.arms: list[Arm] = []
        self.steps: dict[str, int] = {}
        component: Any = recipe.task.component
        self.monitor, self.mode = str(component.monitor), str(component.mode)
        self.shared = {"recipe": recipe.dump(), "seconds": seconds, "steps": fixed}
        if not self.path.is_file():
            return
        with reading(self.path, "record of a study"):
            card = json.loads(read_utf8(self.path))
            arms, shared = [Arm(**arm) for arm in card["arms"]], dict(card["shared"])
            steps = {str(name): int(count) for name, count in card["steps"].items()}
        if shared == self.shared:
            self.arms, self.steps = arms, steps
        elif not force:
            rule = "it holds arms of another recipe or budget"
            raise OutputExistsError(str(folder), rule, "Name another folder, or use --force")
        else:
            shutil.rmtree(folder)

    def run(self, methods: Sequence[str], seeds: int) -> list[Arm]:
        """Fit what is missing, and return the best rate of each method, tested, the best first.

        Args:
            methods: names of adapter methods, `frozen` and `full`.
            seeds: fits of the best rate, which give the spread.
        """
        recipe_rate = float(self.recipe.task.options["lr"])
        todo = [(m, share * recipe_rate) for m in methods for share in RATES.get(m, OTHERS)]
        for at, (method, rate) in enumerate(todo):
            fits = len(todo) - at + len(methods) * (seeds - 1)
            mean = sum(arm.seconds for arm in self.arms) / max(1, len(self.arms))
            left = f", {fits * mean / 60:.1f} minutes left" if self.arms else ""
            text = f"{method} at rate {rate:g}, {at + 1} of {len(todo)}{left}"
            print(f"study: {text}", file=sys.stderr)
            self._arm(method, rate, 0)
        best = [arm for method in methods for arm in self._repeated(method, seeds)]
        return sorted(best, key=self.badness)

    def badness(self, arm: Arm) -> float:
        """Return the validation so that less is better; infinite for a fit that failed."""
        value = float("inf") if arm.validation is None else arm.validation
        return -value if self.mode == "max" and arm.validation is not None else value

    def at_edge(self, arm: Arm) -> bool:
        """Whether the best rate of a method is the smallest or largest that was tried."""
        rates = sorted({one.rate for one in self.arms if one.method == arm.method})
        return arm.rate in (rates[0], rates[-1])

    def _repeated(self, method: str, seeds: int) -> list[Arm]:
        """Fit the best rate of a method with more seeds, and test it with each."""
        first = min((arm for arm in self.arms if arm.method == method), key=self.badness)
        if first.validation is None:
            return [first]
        arms = [first, *(self._arm(method, first.rate, seed) for seed in range(1, seeds))]
        return [self._tested(arm) for arm in arms]

    def _arm(self, method: str, rate: float, seed: int) -> Arm:
        arm = Arm(method, rate, seed)
        done = [one for one in self.arms if one.name == arm.name]
        if not done:
            done = [self._fitted(arm)]
            self._keep(done[0])
        return done[0]

    def _tested(self, arm: Arm) -> Arm:
        if arm.validation is None or arm.test:
            return arm
        metrics = scionwood.test(self.folder / arm.name)
        tested = replace(arm, test={k: float(v) for k, v in metrics.items()})
        self.arms[self.arms.index(arm)] = tested
        self._write()
        return tested

    def _fitted(self, arm: Arm) -> Arm:
        start, watch = time.monotonic(), _Watch()
        try:
            if arm.method not in self.steps:
                self.steps[arm.method] = self._steps(arm)
            steps = self.steps[arm.method]
            start = time.monotonic()
            run = self._fit(arm, steps, max(1, steps // VALIDATIONS), watch)
        except (AdapterError, TrainingError) as error:
            shutil.rmtree(self.folder / arm.name, ignore_errors=True)
            return replace(arm, seconds=time.monotonic() - start, failure=str(error))
        seconds = time.monotonic() - start
        values = watch.values
        size = sum(path.stat().st_size for path in run.rglob("*.safetensors"))
        best = min(values, key=lambda value: self.badness(replace(arm, validation=value)))
        early = values[: -max(1, len(values) // 4)] or values
        before = min(early, key=lambda value: self.badness(replace(arm, validation=value)))
        rising = abs(best - before) > FLAT * abs(before)
        return replace(
            arm,
            validation=best,
            steps=steps,
            seconds=seconds,
            trained=watch.trained,
            size=size,
            rising=rising,
        )

    def _steps(self, arm: Arm) -> int:
        """Return how many steps fit in the seconds of a fit, by the time of a few."""
        if self.fixed:
            return self.fixed
        watch = _Watch()
        try:
            self._fit(replace(arm, seed=-1), PILOT, PILOT, watch)
        finally:
            shutil.rmtree(self.folder / replace(arm, seed=-1).name, ignore_errors=True)
        step = (watch.times[PILOT - 2] - watch.times[0]) / (PILOT - 2)
        steps = int((self.seconds - VALIDATIONS * watch.validated) / step)
        if steps < FEWEST:
            needed = FEWEST * step + VALIDATIONS * watch.validated
            rule = f"a fit needs {FEWEST} steps and {VALIDATIONS} validations, {needed:.0f} s"
            shortage = f"budget: {self.seconds:.0f} s for a fit of {arm.method}"
            raise RecipeError(shortage, rule, "Give more minutes, fewer methods or smaller data")
        return steps

    def _fit(self, arm: Arm, steps: int, every: int, watch: _Watch) -> Run:
        folder = self.folder / arm.name
        if folder.exists():  # an interrupted study left it
            shutil.rmtree(folder)
        change: dict[str, Any] = {
            "task.lr": arm.rate,
            "trainer.max_steps": steps,
            "trainer.max_epochs": -1,
            "trainer.val_check_interval": every,
            "trainer.check_val_every_n_epoch": None,
            "trainer.log_every_n_steps": max(1, steps // 20),
            "trainer.enable_progress_bar": False,
            "seed": self.recipe.seed + max(arm.seed, 0),
        }
        if arm.method != self.recipe.adapter.name:
            targets = self.recipe.adapter.options.get("targets")
            options: dict[str, Any] = {}
            if targets is not None and arm.method not in ("full", "frozen"):
                options["targets"] = targets
            if arm.method == "ia3" and "targets" in options:
                options["feedforward_modules"] = []  # peft knows those of its transformers alone
            change["adapter"] = {"name": arm.method, **options}
        return scionwood.fit(
            scionwood.override(self.recipe, change), run_dir=folder, callbacks=[watch], logger=False
        )

    def _keep(self, arm: Arm) -> None:
        self.arms.append(arm)
        self._write()

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        card = {"shared": self.shared, "steps": self.steps, "arms": [asdict(a) for a in self.arms]}
        with atomic_path(self.path, overwrite=True) as part:
            part.write_text(json.dumps(card, indent=1) + "\n", "utf-8")
