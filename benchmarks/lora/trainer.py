"""Training steps through the Trainer of a run, with the NaN guard on and off."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from itertools import chain, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from runner import Row, machine
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import scionwood
from lora.models import CLASSES, Setup, prepared, vit
from lora.timing import compared
from scionwood import Task
from scionwood.authoring import DataLoader
from scionwood.recipes.recipe_file import recipes
from scionwood.training.trainer import make_trainer, quiet
from scionwood_scale.replay import Replay

PLUGINS = ("seismic", "crash", "pde", "biomed", "bangla", "language")
BATCHES = 5
"""Batches of each recipe; a batch of another shape than the first counts for nothing."""


def capture_rows(device: str, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_capture.csv: what a CUDA graph can repeat of each recipe."""
    for plugin in PLUGINS[:1] if quick else PLUGINS:
        for name in list(recipes(plugin))[: 1 if quick else None]:
            recipe = f"{plugin}/{name}"
            yield {"device": device, "recipe": recipe, **checked(recipe), **machine()}


def checked(recipe: str) -> Row:
    """Return the operations of a step, and what a graph could not repeat; empty if nothing."""
    task, data = scionwood.build(scionwood.resolve(recipe, smoke=True))
    data.prepare_data()
    data.setup("fit")
    replay = Replay(task, lambda run: run)
    epochs = (data.train_dataloader() for _ in range(BATCHES))  # one has few batches
    for batch in islice(chain.from_iterable(epochs), BATCHES):
        replay(batch)
    return {
        "task": type(task).__name__,
        "operations": replay.operations,
        "obstacle": replay.reason or ("" if replay.replays else "too few batches of one shape"),
    }


FORMS: Mapping[str, Mapping[str, Any]] = {
    "guard on": {},
    "guard off": {"nan_guard": 0},
    "guard every 10 steps": {"nan_guard": 10},
    "guard on, clipped": {"gradient_clip_val": 1.0},
    "guard off, clipped": {"nan_guard": 0, "gradient_clip_val": 1.0},
    "guard on, a row every 50 steps": {"log_every_n_steps": 50},
}
"""Options of `trainer:`; the first form is what the others are compared with."""
STEPS, WARM = 6, 2


def rows(device: str, rounds: int, quick: bool) -> Iterator[Row]:
    """Yield the rows of lora_trainer.csv."""
    setup = vit(2, 32, 2) if quick else vit(12, 224, 1)  # 48 layers
    steps = WARM + (2 if quick else STEPS)
    times: dict[str, list[float]] = {form: [] for form in FORMS}
    counts = {form: _run(setup, device, options, steps, True)[1] for form, options in FORMS.items()}
    for turn in range(rounds):
        for form in list(FORMS) if turn % 2 else list(FORMS)[::-1]:
            times[form].append(_run(setup, device, FORMS[form], steps, False)[0])
    base = np.array(times["guard on"])
    for form, seconds in times.items():
        yield {
            "device": device,
            "model": "ViT-S, tiny" if quick else "vit_small_patch16, batch 1",
            "regime": "float32",
            "targets": "all",
            "form": form,
            "operations": counts[form],
            **compared(np.array(seconds), base),
            "rounds": rounds,
            **machine(device),
        }


class _Classify(Task):
    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.backbone(batch[0]), batch[1])}


class _Clock(Callback):
    """CPU time, or time of the device, at the start of each step."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
            self.marks.append(time.perf_counter())
        else:
            self.marks.append(time.process_time())


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.total += 1
        return func(*args, **(kwargs or {}))


def _run(
    setup: Setup, device: str, options: Mapping[str, Any], steps: int, count: bool
) -> tuple[float, str]:
    """Return the median seconds of a step, and the operations of all steps for each step."""
    copied = setup._replace(net=copy.deepcopy(setup.net))
    tuned: Any = prepared(copied, "ours", torch.float32)[0]
    task, x = _Classify(tuned.get_base_model(), lr=1e-4), setup.x
    data = [(image, index % CLASSES) for index, image in enumerate(x)] * steps
    loader = DataLoader(data, batch_size=len(x))  # type: ignore[arg-type]  # any sequence will do
    clock, counter = _Clock(), _Count()
    fixed = {"accelerator": device, "max_epochs": 1, "limit_val_batches": 0, "logger": "csv"}
    fixed |= {"enable_progress_bar": False, "precision": "32-true"}
    with TemporaryDirectory() as folder, quiet():
        trainer = make_trainer({**fixed, **options}, Path(folder), task, callbacks=[clock])
        if count:
            with counter:
                trainer.fit(task, loader, loader)
        else:
            trainer.fit(task, loader, loader)
    seconds = [late - early for early, late in pairwise(clock.marks[WARM:])]
    return float(np.median(seconds)), f"{counter.total / steps:.0f}"
