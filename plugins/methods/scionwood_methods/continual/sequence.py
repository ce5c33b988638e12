"""Learn recipes one after another with one adapter; each leaves a run folder with a memory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from peft import PeftModel

from scionwood import Task, TrainingError, build, fit, load_adapter, load_run, save_adapter, test
from scionwood_methods.continual.callback import ContinualCallback
from scionwood_methods.continual.controller import ContinualController
from scionwood_methods.continual.factors import summed
from scionwood_methods.continual.methods import SampleLosses, make_method
from scionwood_methods.continual.scores import Scores

ADAPTER, MEMORY = "adapter", "memory"
"""Folders of a task's run: the adapter to use, and the memory with the adapter that trains on."""


@final
class TaskSequence:
    """A sequence of resolved recipes in a folder; each task continues from the previous one.

    The folder of task n, `n-NAME`, is a usual run folder. Its `adapter/` holds one adapter that is
    equivalent to all adapters of the method together. Its `memory/` holds the state of the
    controller, and `memory/adapter` the adapter that trains on. Every task starts from these files
    alone, so that an interrupted sequence continues as if it had not been interrupted.

    Args:
        folder: the folder of the sequence.
        recipes: resolved recipes with the same backbone and adapter.
        scores: the scores of the learned tasks; later ones are appended.
        batches: the number of training batches that the method may use when a task ends.
    """

    def __init__(
        self, folder: str | Path, recipes: Sequence[Any], scores: Scores, *, batches: int = 16
    ) -> None:
        self.folder, self.recipes, self.scores = Path(folder), recipes, scores
        self.batches = batches
        self.names = [recipe.name for recipe in recipes]
        self._losses = SampleLosses()

    def place(self, number: int) -> Path:
        """Return the run folder of a task, counted from 0."""
        return self.folder / f"{number + 1}-{self.names[number].replace('/', '-')}"

    def learn_all(self) -> Scores:
        """Learn all tasks that have not been learned yet; log each on stderr.

        Returns:
            The scores after the last task.

        Raises:
            TrainingError: see `learn`.
            AdapterError: see `learn`.
        """
        if self.scores.tasks:
            self.measure()
        while (number := len(self.scores.tasks)) < len(self.recipes):
            text = f"task {number + 1} of {len(self.recipes)}: {self.names[number]}"
            print(text, file=sys.stderr, flush=True)
            self.learn()
        return self.scores

    def learn(self) -> None:
        """Learn the next task, store it, and test every task.

        Raises:
            TrainingError: a value is not finite, or a task does not measure the score.
            AdapterError: the method cannot use this adapter.
        """
        number = len(self.scores.tasks)
        recipe, place = self.recipes[number], self.place(number)
        if place.exists():  # the task was interrupted before it was recorded
            shutil.rmtree(place)
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        controller = self._controller(number)
        callback = ContinualCallback(controller, recipe.name, remember=False)
        callbacks = [_Trained(self._losses), callback]
        fit(recipe, run_dir=place, backbone=controller.model, callbacks=callbacks)
        self._remember(controller, recipe)
        self._save(controller, place)
        self.scores.tasks.append(recipe.name)
        self.scores.rows.append([])
        self.measure()

    def measure(self) -> None:
        """Run the tests that are missing after each learned task, and write all scores."""
        for number, row in enumerate(self.scores.rows):
            for recipe in self.recipes[len(row) :]:
                row.append(self._score(self.place(number), recipe))
        self.scores.write(self.folder, self.names)

    def _controller(self, number: int) -> ContinualController:
        scores, losses = self.scores, self._losses
        method = make_method(scores.method, scores.options, losses, losses.pairs)
        if not number:
            return ContinualController(build(self.recipes[0])[0].backbone, method)
        previous = self.place(number - 1)
        bare: Any = load_run(previous).backbone  # with its trained head
        model = load_adapter(bare.unload(), previous / MEMORY / ADAPTER, trainable=True)
        controller = ContinualController(model, method)
        controller.load(previous / MEMORY)
        return controller

    def _remember(self, controller: ContinualController, recipe: Any) -> None:
        device = _device(recipe.trainer.get("accelerator", "auto"))
        task, data = build(recipe, controller.model.to(device))
        self._losses.task = task.eval().to(device)
        data.prepare_data()
        data.setup("fit")
        batches = islice(data.train_dataloader(), self.batches)
        controller.end(task.transfer_batch_to_device(batch, device, 0) for batch in batches)
        controller.model.cpu()

    def _save(self, controller: ContinualController, place: Path) -> None:
        model: PeftModel = controller.model
        controller.save(place / MEMORY)
        save_adapter(model, place / MEMORY / ADAPTER)
        base = {str(k): str(v) for k, v in getattr(model.get_base_model(), "card", {}).items()}
        with summed(model) as name:
            save_adapter(model, place / ADAPTER, base=base, name=name)

    def _score(self, place: Path, recipe: Any) -> float:
        values = test(place, recipe)
        if self.scores.score not in values:
            rule = f"its test measures {', '.join(values)}"
            remedy = "Choose one of these: --score NAME"
            raise TrainingError(f"{recipe.name}: {self.scores.score}", rule, remedy)
        return values[self.scores.score]


@final
class _Trained(Callback):
    """Lets the functions of a method read the task that trains."""

    def __init__(self, losses: SampleLosses) -> None:
        self.losses = losses

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take over the task before the first step."""
        assert isinstance(pl_module, Task)
        self.losses.task = pl_module


def _device(accelerator: str) -> torch.device:
    """Return the device on which a run with this accelerator trains."""
    use_cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")
