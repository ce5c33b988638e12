"""Export a run: adapter, head, figures, card and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

from scionwood.adapters import report, save_adapter, save_head
from scionwood.adapters.head import backbone, head_names
from scionwood.files.styles import figure_style
from scionwood.recipes.recipe import Recipe
from scionwood.runs.layout import ADAPTER, HEAD, METRICS
from scionwood.runs.manifest import write_manifest
from scionwood.runs.metrics import read_metrics
from scionwood.training.card import Card, write_card
from scionwood.training.checkpoint import read_checkpoint, run_checkpoint
from scionwood.training.figures import metrics_figure
from scionwood.training.run_folder import BEST, LAST
from scionwood.training.run_page import CURVES, write_report
from scionwood.training.task import Task
from scionwood_sandbox.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def export(task: Task, trainer: L.Trainer, folder: Path, recipe: Recipe) -> None:
    """Write the best weights, or the last ones without a validation, then figures and the card.

    The manifest comes last: a run with a manifest is whole.

    Every process calls this, because sharded weights are gathered. Only the first one writes.
    """
    counts = report(task.backbone)  # first, since later calls free sharded weights
    step = _load_chosen(task, folder)
    task.before_export(trainer)
    bare = backbone(task.backbone)
    base = {str(k): str(v) for k, v in getattr(bare, "card", {}).items()}
    from scionwood.pretrained.catalogue import facts

    base |= facts(recipe.backbone.options)
    if bare is not task.backbone:
        corruption = task.corruption()
        record = corruption.record() if corruption is not None else None
        save_adapter(task.backbone, folder / ADAPTER, base=base, corruption=record)
    if head_names(task.backbone):
        save_head(task.backbone, folder / HEAD)
    if not trainer.is_global_zero:
        return
    rows = read_metrics(folder / METRICS)
    figures = {CURVES: metrics_figure(rows, step), **_draw(task, trainer)}
    for name, figure in figures.items():
        with atomic_path(folder / "figures" / f"{name}.png") as part:
            figure.savefig(part, dpi=120, bbox_inches="tight")
    goal, average = (task.monitor, task.mode), run_checkpoint(trainer).weights
    card = Card(recipe, base, counts, step, *goal, rows, list(figures), average)
    write_card(folder, card)
    write_report(folder, card)
    write_manifest(folder)


def _load_chosen(task: Task, folder: Path) -> int:
    chosen = folder / BEST if (folder / BEST).exists() else folder / LAST
    if not chosen.exists():
        return 0
    checkpoint = read_checkpoint(chosen)
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(task, checkpoint["state_dict"], options=options)
    return int(checkpoint["global_step"])


@figure_style()
def _draw(task: Task, trainer: L.Trainer) -> dict[str, Figure]:
    loaders = trainer.val_dataloaders
    # One process holds only a part of a sharded model, which cannot run alone.
    if task.sharded or not loaders:
        return {}
    batch: Any = next(iter(loaders[0] if isinstance(loaders, list) else loaders))
    with torch.set_grad_enabled(task.needs_gradient):
        return task.eval().draw(task.transfer_batch_to_device(batch, task.device, 0))
