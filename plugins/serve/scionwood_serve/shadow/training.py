"""Go on training a live version inside the worker, on its base, in the time that requests leave."""

from __future__ import annotations

import os
import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch

from scionwood import fit, load_adapter, load_head, load_run, override, resolve
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.worker.holding import Holding

LOSS = "val_loss"
"""What must be no worse: every task has it."""

LOOK = 0.005
"""Seconds between two looks of a training that waits."""


class Gate:
    """Where a training waits while requests are computed: before each layer, and behind it.

    Args:
        flag: a file of the HTTP process; a training goes on only while it is there.
    """

    def __init__(self, flag: Path) -> None:
        self.flag = flag
        self._changed = threading.Condition()
        self._holders, self._trains = 0, False

    @contextmanager
    def held(self, *, wait: bool) -> Iterator[None]:
        """Let no training go on inside the block.

        Args:
            wait: whether it must have stopped before, since random numbers are drawn in the block.
        """
        with self._changed:
            self._holders += 1
            self._changed.wait_for(lambda: not (wait and self._trains))
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1

    @contextmanager
    def training(self) -> Iterator[None]:
        """Say that this thread trains inside the block."""
        self.stop_here()
        try:
            yield
        finally:
            with self._changed:
                self._trains = False
                self._changed.notify_all()

    def stop_here(self, *_: object) -> None:
        """Wait in the thread of the training until it may go on, with its own random numbers."""
        if self._trains and not self._is_closed():
            return
        states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
        with self._changed:
            self._trains = False
            self._changed.notify_all()
            while self._is_closed():
                self._changed.wait(LOOK)
            self._trains = True
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        random.setstate(states[2])

    def _is_closed(self) -> bool:
        return self._holders > 0 or not self.flag.exists()


class Gaps(L.Callback):
    """Let a training stop at a gate between two layers, and before each step.

    Args:
        gate: the gate.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate, self._hooks = gate, list[Any]()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Hook the layers, forwards and backwards."""

        def after(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.requires_grad:
                output.register_hook(self.gate.stop_here)

        for module in pl_module.modules():
            if not any(True for _ in module.children()):
                self._hooks.append(module.register_forward_pre_hook(self.gate.stop_here))
                self._hooks.append(module.register_forward_hook(after))

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Take the hooks off again."""
        for hook in self._hooks:
            hook.remove()

    def on_before_optimizer_step(self, *_: object, **__: object) -> None:
        """Stop before a step."""
        self.gate.stop_here()


def continue_training(
    start: Path, recipe: str, out: Path, held: Holding, gate: Gate
) -> dict[str, float]:
    """Train from the weights of a live version, and return both validation losses.

    The frozen weights are those that the worker holds already, so that they are in memory once.

    Args:
        start: the run folder of the live version.
        recipe: a recipe with the same backbone and adapter.
        out: an empty folder; `run` in it becomes the new run.
        held: the versions of the worker.
        gate: where the training waits.

    Raises:
        ServingError: the recipe has another backbone or adapter, or the run has no adapter.
    """
    new_recipe: Any = override(resolve(recipe), {"trainer.enable_progress_bar": False})
    live_recipe: Any = resolve(start / "recipe.yaml")
    if (new_recipe.backbone, new_recipe.adapter) != (live_recipe.backbone, live_recipe.adapter):
        rule = "its backbone or its adapter is not that of the live version"
        raise ServingError(f"recipe {recipe}", rule, "Change data, task or trainer alone")
    if new_recipe.adapter.component is None:
        raise ServingError(f"recipe {recipe}", "it has no adapter", "Serve a run that has one")
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # `fit` would change it
    with suppress(AttributeError, OSError):  # of this thread alone, on Linux
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
    with gate.training():
        saved_modules = new_recipe.adapter.options.get("modules_to_save") or ()
        model: Any = load_adapter(
            new_recipe.backbone.build(), start / "adapter", trainable=True, whole=saved_modules
        )
        if (start / "head.safetensors").is_file():
            load_head(model, start / "head.safetensors")
        held.share(model, frozen=True)
        before = validation_loss(new_recipe.task.build(model), new_recipe, gate)
        run = Path(fit(new_recipe, run_dir=out / "run", backbone=model, callbacks=[Gaps(gate)]))
        del model
        task = load_run(run)
        held.share(task, frozen=True)
        return {"before": before, "after": validation_loss(task, new_recipe, gate)}


def validation_loss(task: Any, recipe: Any, gate: Gate) -> float:
    """Return the loss of a loaded task on the validation split of a recipe; it may wait."""
    trainer = L.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[Gaps(gate)],
        inference_mode=not task.needs_gradient,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of Lightning on workers and loggers
        (values,) = trainer.validate(task, datamodule=recipe.data.build(), verbose=False)
    return float(values[LOSS])
