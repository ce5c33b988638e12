"""The parts of learning a sequence: check recipes, choose score and folder, begin or resume."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scionwood import OutputExistsError, RecipeError, Task, TrainingError
from scionwood.authoring import writing
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.continual.scores import RECORD, Scores, read_scores


def default_folder() -> Path:
    """Return the folder of a sequence that is given none, `runs/sequence-TIME`."""
    return Path("runs") / f"sequence-{time.strftime('%Y%m%d-%H%M%S')}"


def check_together(recipes: list[Any]) -> None:
    """Check that recipes can form one sequence.

    Raises:
        RecipeError: they cannot; names the recipes.
    """
    names = [recipe.name for recipe in recipes]
    if len(recipes) < 2 or len(set(names)) < len(names):
        rule = "a sequence needs at least two tasks with different names"
        raise RecipeError(f"recipes {', '.join(names)}", rule, "Copy a recipe to another file")
    first = recipes[0]
    if first.adapter.component is None:
        rule = f"{first.adapter.name} is a baseline, and a sequence needs an adapter"
        raise RecipeError(f"recipe {first.name}: adapter", rule, "Name a method, such as lora")
    for other in recipes[1:]:
        for slot in ("backbone", "adapter"):
            if getattr(other, slot) != getattr(first, slot):
                rule = f"it differs from that of {first.name}"
                remedy = "Give both recipes the same one, with the same options"
                raise RecipeError(f"recipe {other.name}: {slot}", rule, remedy)


def check_pairs(recipes: list[Any], method: ContinualMethod) -> None:
    """Check that every task has pairs.

    Raises:
        RecipeError: one has none; names it.
    """
    for recipe in recipes:
        if recipe.task.component.pairs is Task.pairs:
            rule = f"{recipe.task.name} has no pairs of features, which {method.name} would keep"
            remedy = "Set gamma to 0, or use a task that defines pairs(), such as biomed/few_shot"
            raise RecipeError(f"recipe {recipe.name}: task", rule, remedy)


def measure(recipes: list[Any], score: str | None, better: str | None) -> tuple[str, bool]:
    """Return the name of the score, and whether larger values are better.

    Raises:
        RecipeError: the recipes do not determine both.
    """
    if score is not None:
        if better is None:
            rule = "it is not known whether larger or smaller values are better"
            raise RecipeError(f"score {score!r}", rule, "Add --better higher, or lower")
        return score if score.startswith("test_") else f"test_{score}", better == "higher"
    monitors = {(r.task.component.monitor, r.task.component.mode) for r in recipes}
    if len(monitors) > 1:
        names = ", ".join(sorted(monitor for monitor, _ in monitors))
        rule = "the tasks have different monitors"
        raise RecipeError(f"monitors {names}", rule, "Choose a score: --score NAME")
    ((monitor, mode),) = monitors
    return "test_" + monitor.removeprefix("val_"), mode == "max"


def open_folder(run: str | Path | None, resume: bool) -> Path:
    """Return the folder of a sequence, which exists afterwards.

    Raises:
        RecipeError: no folder is named, and `resume` is true.
        OutputExistsError: it holds a sequence, and `resume` is false.
    """
    if run is None and resume:
        raise RecipeError("--resume", "the folder is not given", "Add --run FOLDER")
    folder = default_folder() if run is None else Path(run)
    if not resume and (folder / RECORD).exists():
        remedy = "Choose another folder, or continue the sequence: --resume"
        raise OutputExistsError(str(folder), "it holds a sequence already", remedy)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def resume_scores(folder: Path, recipes: list[Any], scores: Scores) -> Scores:
    """Return the scores so far.

    Raises:
        TrainingError: the folder holds a sequence of other tasks, or of another method.
    """
    if not (folder / RECORD).exists():
        return scores
    earlier = read_scores(folder)
    names = [recipe.name for recipe in recipes]
    if _settings(earlier) != _settings(scores):
        rule = f"it was learned by {earlier.method} {earlier.options}, measured by {earlier.score}"
        remedy = "Give the same options, or start another folder"
        raise TrainingError(f"sequence {folder}", rule, remedy)
    if earlier.tasks != names[: len(earlier.tasks)]:
        rule = f"it began with {', '.join(earlier.tasks)}"
        raise TrainingError(f"sequence {folder}", rule, "Name these first, in this order")
    return earlier


def _settings(scores: Scores) -> tuple[Any, ...]:
    return scores.method, scores.options, scores.score, scores.higher
