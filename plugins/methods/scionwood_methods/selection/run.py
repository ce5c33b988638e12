"""Choose a share of the training examples of any recipe."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

import lightning as L

from scionwood import (
    AdapterError,
    OutputExistsError,
    RecipeError,
    TrainingError,
    fit,
    override,
)
from scionwood.authoring import TrainingSubset, atomic_path, reading, writing
from scionwood_methods.p2d_heads.scores import score_heads, select_heads
from scionwood_methods.p2d_heads.tuner import Heads
from scionwood_methods.selection.losses import Judge, Losses, measure, read_losses
from scionwood_methods.selection.options import ProxyRun
from scionwood_methods.selection.strong import projections, strong_change

Rule = Literal["heads", "random", "highest-loss", "lowest-loss"]
"""What decides: the drop of the loss by the strong heads, chance, or the loss itself."""

RECORD, LOSSES, SCORES, PROXY = "select.json", "losses.csv", "scores.csv", "proxy"


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        chosen: the indices of the examples, the best first.
        length: the number of examples of the training split.
        heads: the strong heads by the name of their block; empty where none were needed.
        losses: of all examples, in order; empty where none were needed.
        folder: the folder of the list.
    """

    chosen: list[int]
    length: int
    heads: Heads
    losses: list[Losses] = field(repr=False)
    folder: Path


def choose(
    recipe: Any,
    out: Path,
    proxy: ProxyRun,
    *,
    budget: float,
    by: Rule,
    seed: int | None,
    resume: bool,
    force: bool,
) -> Selection:
    """Choose examples of a resolved recipe, and write the list; see `select_examples`."""
    if not 0 < budget < 1:
        raise RecipeError(f"budget {budget}", "a share is above 0 and below 1", "Such as 0.1")
    if recipe.data.options.get("subset") is not None:
        rule = "the choice is made of all training examples"
        raise RecipeError("data.subset", rule, "Take it out of the recipe")
    digest = hashlib.sha256(recipe.dump().encode()).hexdigest()
    recipe = override(recipe, {"seed": recipe.seed if seed is None else seed})
    settings: dict[str, Any] = {"recipe": recipe.name, "sha256": digest, "seed": recipe.seed}
    settings |= {"proxy": asdict(proxy)} if by != "random" else {}
    _begin(out, settings, resume, force)
    heads: Heads = {}
    losses: list[Losses] = []
    if by == "random":
        loader = _training(recipe)
    else:
        loader, heads, losses = _measured(recipe, proxy, out)
    length = TrainingSubset.of(loader, [0]).length  # refuses streams
    chosen = _chosen(by, losses, length, max(1, round(budget * length)), recipe.seed)
    selection = Selection(chosen, length, heads, losses, out)
    _write(selection, loader, settings | {"budget": budget, "by": by})
    return selection


def _measured(recipe: Any, proxy: ProxyRun, out: Path) -> tuple[Any, Heads, list[Losses]]:
    """Train the proxy, find the strong heads, and return the training loader and all losses."""
    small = _proxy_recipe(recipe, proxy)
    part = _RandomPart(proxy.examples, recipe.seed)
    begun = (out / PROXY / "recipe.yaml").exists()
    where: dict[str, Any] = {"resume" if begun else "run_dir": out / PROXY}
    with _refusing(recipe.backbone.name):  # such as heads that no gradient reaches
        fit(small, callbacks=[part], **where)
    task, loader = part.task, part.loader()
    heads = select_heads(score_heads(task.backbone), proxy.share)
    length, file = len(loader.dataset), out / LOSSES
    remaining = range(len(read_losses(file, length)), length)
    with strong_change(task.backbone, heads) as switch:
        judge = Judge(task, loader.dataset, loader.collate_fn, recipe.seed)
        measure(judge, switch, remaining, file)
    return loader, heads, read_losses(file, length)


class _RandomPart(L.Callback):
    """Let a run train on some random examples, and keep its task and the loader of all."""

    def __init__(self, examples: int, seed: int) -> None:
        self.examples, self.seed = examples, seed
        self.task: Any = None
        self.loader: Callable[[], Any] = lambda: None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the place of the data module's training batches."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        self.task, self.loader = pl_module, data.train_dataloader
        data.train_dataloader = partial(_sample_part, self.loader, self.examples, self.seed)


def _sample_part(make_loader: Callable[[], Any], count: int, seed: int) -> Any:
    loader = make_loader()
    length = TrainingSubset.of(loader, [0]).length  # refuses streams
    # Another stream than that of `_chosen`, so that `random` and the proxy draw apart.
    order = random.Random(f"proxy {seed}").sample(range(length), min(count, length))
    return loader.part(sorted(order))


def _proxy_recipe(recipe: Any, proxy: ProxyRun) -> Any:
    with _refusing(recipe.backbone.name):
        targets = projections(recipe.backbone.build())
    adapter = {"name": "methods/p2d_heads", "targets": targets}
    options = recipe.task.options
    changes: dict[str, Any] = {"adapter": adapter, "kernels": "off", "compile": False}
    if "lr" in options:
        # The recipe's rate is meant for a small adapter, and here whole weights train.
        changes["task.lr"] = options["lr"] / 10 if proxy.lr is None else proxy.lr
    if "warmup_steps" in options:
        # Else a long warm-up would last for the whole short run.
        changes["task.warmup_steps"] = min(options["warmup_steps"], proxy.steps // 5)
    quick: dict[str, Any] = {
        "max_steps": proxy.steps,
        "max_epochs": -1,
        "limit_val_batches": 0,
        "devices": 1,
    }
    quick |= {"num_sanity_val_steps": 0, "logger": False, "callbacks": []}
    return override(recipe, changes | {f"trainer.{key}": value for key, value in quick.items()})


@contextmanager
def _refusing(backbone: str) -> Iterator[None]:
    try:
        yield
    except AdapterError as error:
        remedy = f"{error.remedy}. Or choose without heads: --by random"
        raise AdapterError(f"backbone {backbone}, {error.value}", error.rule, remedy) from error


def _training(recipe: Any) -> Any:
    data = recipe.data.build()
    data.prepare_data()
    data.setup("fit")
    return data.train_dataloader()


def _chosen(by: Rule, losses: Sequence[Losses], length: int, count: int, seed: int) -> list[int]:
    if by == "random":
        return random.Random(f"choice {seed}").sample(range(length), count)
    value: Mapping[str, Callable[[Losses], float]] = {
        "heads": lambda example: example.drop,
        "highest-loss": lambda example: example.with_heads,
        "lowest-loss": lambda example: -example.with_heads,
    }
    ranked = sorted(losses, key=lambda example: (-value[by](example), example.number))
    return [example.number for example in ranked[:count]]


def _begin(out: Path, settings: Mapping[str, Any], resume: bool, force: bool) -> None:
    """Make the folder, or check that it is that of the same choice."""
    record = out / RECORD
    if record.exists() and resume:
        with reading(record, "record of a choice"):
            before = json.loads(record.read_text("utf-8"))
        if changed := [key for key, value in settings.items() if before.get(key) != value]:
            rule = f"it was begun with another {', '.join(changed)}"
            remedy = "Give the same recipe and options, or start again: --force"
            raise TrainingError(str(out), rule, remedy)
        return
    if out.exists() and any(out.iterdir()):
        if not (force and record.exists()):
            remedy = "Choose another folder, or go on there: --resume"
            raise OutputExistsError(str(out), "it is not empty", remedy)
        with writing(out):
            rmtree(out)
    _put(record, dict(settings))


def _write(selection: Selection, loader: Any, settings: Mapping[str, Any]) -> None:
    out, place = selection.folder, {n: rank for rank, n in enumerate(selection.chosen, 1)}
    subset = TrainingSubset.of(loader, selection.chosen)
    if selection.losses:
        with writing(out / SCORES), atomic_path(out / SCORES) as part, part.open("w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("index", "loss without", "loss with", "score", "rank"))
            for example in selection.losses:
                writer.writerow((*example, example.drop, place.get(example.number, "")))
    counts = {"examples": selection.length, "chosen": len(selection.chosen)}
    _put(out / RECORD, {**settings, **counts, "heads": selection.heads})
    subset.write(out)


def _put(path: Path, record: Mapping[str, Any]) -> None:
    with writing(path), atomic_path(path) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
