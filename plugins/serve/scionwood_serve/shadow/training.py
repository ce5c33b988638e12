"""Go on training a live version in a process of its own, and measure both.

The server starts it as `python -m scionwood_serve.shadow.training START RECIPE OUT`, and stops it
whenever a request is under way.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from scionwood import ScionwoodError, fit, load_adapter, load_head, load_run, resolve
from scionwood.authoring import atomic_path
from scionwood_serve.versions.problem import ServingError

GATE = "gate.json"
LOSS = "val_loss"
"""What must be no worse: every task has it."""


def continue_training(start: Path, recipe: str, out: Path) -> None:
    """Train from the weights of a run, and write both validation losses.

    Args:
        start: the run folder of the live version.
        recipe: a recipe with the same backbone and adapter.
        out: an empty folder; `run` in it becomes the new run, and `gate.json` the two losses.

    Raises:
        ServingError: the recipe has another backbone or adapter, or the run has no adapter.
    """
    new_recipe: Any = resolve(recipe)
    live_recipe: Any = resolve(start / "recipe.yaml")
    if (new_recipe.backbone, new_recipe.adapter) != (live_recipe.backbone, live_recipe.adapter):
        rule = "its backbone or its adapter is not that of the live version"
        raise ServingError(f"recipe {recipe}", rule, "Change data, task or trainer alone")
    if new_recipe.adapter.component is None:
        raise ServingError(f"recipe {recipe}", "it has no adapter", "Serve a run that has one")
    before = validation_loss(load_run(start), new_recipe)
    saved_modules = new_recipe.adapter.options.get("modules_to_save") or ()
    model: Any = load_adapter(
        new_recipe.backbone.build(), start / "adapter", trainable=True, whole=saved_modules
    )
    if (start / "head.safetensors").is_file():
        load_head(model, start / "head.safetensors")
    run_folder = Path(fit(new_recipe, run_dir=out / "run", backbone=model))
    after = validation_loss(load_run(run_folder), new_recipe)
    with atomic_path(out / GATE) as part:
        part.write_text(json.dumps({"measure": LOSS, "before": before, "after": after}), "utf-8")


def validation_loss(task: Any, recipe: Any) -> float:
    """Return the loss of a task on the validation split of a recipe.

    Args:
        task: the loaded task.
        recipe: the recipe whose data measure it.
    """
    import lightning as L

    trainer = L.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        inference_mode=not task.needs_gradient,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice of Lightning on workers and loggers
        (values,) = trainer.validate(task, datamodule=recipe.data.build(), verbose=False)
    return float(values[LOSS])


def main(words: list[str]) -> int:
    """Run the module.

    Args:
        words: the run folder, the recipe, and the folder of the result.
    """
    os.nice(15)
    import torch

    torch.set_num_threads(1)
    start, recipe, out = words
    try:
        continue_training(Path(start), recipe, Path(out))
    except ScionwoodError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
