"""What a run leaves beside its checkpoints: adapter, head, figures, card and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from peft import PeftModel
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

from scionwood.adapters import save_adapter, save_head
from scionwood.adapters.head import head_names
from scionwood.recipe import Recipe
from scionwood.training.checkpoint import BEST, LAST, read_checkpoint
from scionwood.training.folder import ADAPTER, HEAD
from scionwood.training.task import Task


def export(
    task: Task, trainer: L.Trainer, data: L.LightningDataModule, folder: Path, recipe: Recipe
) -> None:
    """Write the best weights, or the last where nothing was validated, then the card.

    Every process calls this, since sharded weights are gathered; the first one writes.
    """
    chosen = folder / BEST if (folder / BEST).exists() else folder / LAST
    if chosen.exists():
        state = read_checkpoint(chosen)["state_dict"]
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(task, state, options=options)
    base: dict[str, str] = dict(getattr(_bare(task), "card", {}))
    if isinstance(task.backbone, PeftModel):
        save_adapter(task.backbone, folder / ADAPTER, base=base)
    if head_names(task.backbone):
        save_head(task.backbone, folder / HEAD)


def _bare(task: Task) -> Any:
    model = task.backbone
    return model.get_base_model() if isinstance(model, PeftModel) else model
