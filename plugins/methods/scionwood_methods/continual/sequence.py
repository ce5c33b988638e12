"""Recipes learnt one after another with one adapter: each leaves a run folder with a memory."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, final

import lightning as L
import torch
from peft import PeftModel

from scionwood import TrainingError, build, fit, load_adapter, load_run, save_adapter, test
from scionwood_methods.continual.callback import ContinualCallback
from scionwood_methods.continual.controller import ContinualController
from scionwood_methods.continual.factors import summed
from scionwood_methods.continual.methods import SampleLosses, make_method
from scionwood_methods.continual.scores import Scores

ADAPTER, MEMORY = "adapter", "memory"
"""In a task's run folder: what can be used; what the method remembers, and what trains on."""


@final
class TaskSequence:
    """A sequence of resolved recipes in a folder, each task begun from what the last one left.

    The folder of task n, `n-NAME`, is a run folder as ever: `adapter/` holds one adapter that
    does what all of the method's adapters do together. Its `memory/` holds the controller's state
    and, in `memory/adapter`, the adapter that goes on to train. Every task starts from these files
    alone, so that a sequence that was cut goes on as if it had not been.

    Args:
        folder: of the sequence.
        recipes: resolved, all with the same backbone and adapter.
        scores: of the tasks that were learnt; later ones are added.
        batches: how many batches of training data the method may look at when a task ends.
    """

    def __init__(
        self, folder: Path, recipes: Sequence[Any], scores: Scores, *, batches: int = 16
    ) -> None:
        self.folder, self.recipes, self.scores = folder, recipes, scores
        self.batches = batches
        self.names = [recipe.name for recipe in recipes]
        self._losses = SampleLosses()

    def place(self, number: int) -> Path:
        """The run folder of a task, counted from 0."""
        return self.folder / f"{number + 1}-{self.names[number].replace('/', '-')}"

    def learn(self) -> None:
        """Learn the next task, remember it, and test every task.

        Raises:
            TrainingError: a value is not finite, or a task does not measure the score.
            AdapterError: the method does not take this adapter.
        """
        number = len(self.scores.tasks)
        recipe, place = self.recipes[number], self.place(number)
        if place.exists():  # the task was cut before it was recorded
            shutil.rmtree(place)
        L.seed_everything(recipe.seed, workers=True, verbose=False)
        controller = self._controller(number)
        callback = ContinualCallback(controller, recipe.name, remember=False)
        fit(recipe, run_dir=place, backbone=controller.model, callbacks=[callback])
        self._remember(controller, recipe)
        self._save(controller, place)
        self.scores.tasks.append(recipe.name)
        self.scores.rows.append([])
        self.measure()

    def measure(self) -> None:
        """Test, after each task that was learnt, the tasks that were not tested then; write all."""
        for number, row in enumerate(self.scores.rows):
            for recipe in self.recipes[len(row) :]:
                row.append(self._score(self.place(number), recipe))
        self.scores.write(self.folder, self.names)

    def _controller(self, number: int) -> ContinualController:
        method = make_method(self.scores.method, self.scores.options, self._losses)
        if not number:
            return ContinualController(build(self.recipes[0])[0].backbone, method)
        before = self.place(number - 1)
        bare: Any = load_run(before).backbone  # with the head as it was trained
        model = load_adapter(bare.unload(), before / MEMORY / ADAPTER, trainable=True)
        controller = ContinualController(model, method)
        controller.load(before / MEMORY)
        return controller

    def _remember(self, controller: ContinualController, recipe: Any) -> None:
        device = _device(recipe.trainer.get("accelerator", "auto"))
        task, data = build(recipe, controller.model.to(device))
        self._losses.task = task.eval().to(device)
        data.prepare_data()
        data.setup("fit")
        found = islice(data.train_dataloader(), self.batches)
        controller.end(task.transfer_batch_to_device(batch, device, 0) for batch in found)
        controller.model.cpu()

    def _save(self, controller: ContinualController, place: Path) -> None:
        model: PeftModel = controller.model
        controller.save(place / MEMORY)
        save_adapter(model, place / MEMORY / ADAPTER)
        base = {str(k): str(v) for k, v in getattr(model.get_base_model(), "card", {}).items()}
        with summed(model) as name:
            save_adapter(model, place / ADAPTER, base=base, name=name)

    def _score(self, place: Path, recipe: Any) -> float:
        found = test(place, recipe)
        if self.scores.score not in found:
            rule = f"its test measures {', '.join(found)}"
            raise TrainingError(f"{recipe.name}: {self.scores.score}", rule, "Choose one: --score")
        return found[self.scores.score]


def _device(accelerator: str) -> torch.device:
    """Where a run with this accelerator trains."""
    wanted = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if wanted else "cpu")
