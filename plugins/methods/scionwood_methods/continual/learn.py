"""Learn a sequence of recipes: check them, choose score and folder, and begin or resume."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from scionwood import OutputExistsError, RecipeError, Task, TrainingError, resolve
from scionwood.authoring import writing
from scionwood_methods.continual.controller import ContinualMethod
from scionwood_methods.continual.methods import SampleLosses, make_method
from scionwood_methods.continual.scores import RECORD, Scores, read_scores
from scionwood_methods.continual.sequence import TaskSequence


def learn_sequence(
    recipes: Sequence[str | Path],
    *,
    run: str | Path | None = None,
    method: str = "ewc",
    options: Mapping[str, Any] | None = None,
    resume: bool = False,
    score: str | None = None,
    better: Literal["higher", "lower"] | None = None,
    batches: int = 16,
    override: Sequence[str] = (),
    smoke: bool = False,
) -> Scores:
    """Learn the tasks of recipes one after another with one adapter, and test all after each.

    Args:
        recipes: names or files of recipes in the order of learning, with the same backbone and
            adapter.
        run: the folder of the sequence; `None` means `runs/sequence-TIME`.
        method: naive, ewc, ace_lora_edit, seqlora_bilevel, or igsp on the adapter methods/igsp.
        options: the options of the method, such as `{"strength": 10}`.
        resume: continue after the last task that the folder holds; more recipes may follow.
        score: the value to measure on the test splits; `None` means the monitor of the tasks.
        better: whether higher or lower scores are better; needed with `score`.
        batches: the number of training batches that a method may use when a task ends.
        override: changes of every recipe, such as `["trainer.max_steps=100"]`.
        smoke: take a few steps at the smallest size.

    Returns:
        The scores; `summary()` has their average, backward transfer and forgetting.

    Raises:
        RecipeError: the recipes do not fit together, or a method or option is unknown.
        OutputExistsError: the folder holds a sequence, and `resume` is false.
        TrainingError: a value is not finite, or the folder holds another sequence.
        AdapterError: the method cannot use this adapter.

    Example:
        >>> from pathlib import Path
        >>> import scionwood
        >>> from scionwood_methods.api import learn_sequence
        >>> small = scionwood.resolve("pde/dynamics", smoke=True).dump()
        >>> for name in ("first.yaml", "second.yaml"):
        ...     size = Path(name).write_text(small)
        >>> scores = learn_sequence(["first.yaml", "second.yaml"], run="runs/both", method="naive")
        >>> scores.tasks, sorted(scores.summary())
        (['first', 'second'], ['average', 'backward_transfer', 'forgetting'])
    """
    options = dict(options or {})
    losses = SampleLosses()
    made = make_method(method, options, losses, losses.pairs)  # checks the options before any work
    changes = ["kernels=off", *override]
    resolved = [resolve(recipe, changes, smoke=smoke) for recipe in recipes]
    _check_together(resolved)
    if made.needs_pairs:
        _check_pairs(resolved, made)
    name, higher = _measure(resolved, score, better)
    folder = _folder(run, resume)
    fresh = Scores(method, options, name, higher)
    scores = _resumed(folder, resolved, fresh) if resume else fresh
    return TaskSequence(folder, resolved, scores, batches=batches).learn_all()


def default_folder() -> Path:
    """Return the folder of a sequence that is given none, `runs/sequence-TIME`."""
    return Path("runs") / f"sequence-{time.strftime('%Y%m%d-%H%M%S')}"


def _check_together(recipes: list[Any]) -> None:
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


def _check_pairs(recipes: list[Any], method: ContinualMethod) -> None:
    """Check that every task has pairs.

    Raises:
        RecipeError: one has none; names it.
    """
    for recipe in recipes:
        if recipe.task.component.pairs is Task.pairs:
            rule = f"{recipe.task.name} has no pairs of features, which {method.name} would keep"
            remedy = "Set gamma to 0, or use a task that defines pairs(), such as biomed/few_shot"
            raise RecipeError(f"recipe {recipe.name}: task", rule, remedy)


def _measure(recipes: list[Any], score: str | None, better: str | None) -> tuple[str, bool]:
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


def _folder(run: str | Path | None, resume: bool) -> Path:
    if run is None and resume:
        raise RecipeError("--resume", "the folder is not given", "Add --run FOLDER")
    folder = default_folder() if run is None else Path(run)
    if not resume and (folder / RECORD).exists():
        remedy = "Choose another folder, or continue the sequence: --resume"
        raise OutputExistsError(str(folder), "it holds a sequence already", remedy)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _resumed(folder: Path, recipes: list[Any], wanted: Scores) -> Scores:
    """Return the scores so far.

    Raises:
        TrainingError: the folder holds a sequence of other tasks, or of another method.
    """
    if not (folder / RECORD).exists():
        return wanted
    scores = read_scores(folder)
    names = [recipe.name for recipe in recipes]
    if _settings(scores) != _settings(wanted):
        rule = f"it was learned by {scores.method} {scores.options}, measured by {scores.score}"
        remedy = "Give the same options, or start another folder"
        raise TrainingError(f"sequence {folder}", rule, remedy)
    if scores.tasks != names[: len(scores.tasks)]:
        rule = f"it began with {', '.join(scores.tasks)}"
        raise TrainingError(f"sequence {folder}", rule, "Name these first, in this order")
    return scores


def _settings(scores: Scores) -> tuple[Any, ...]:
    return scores.method, scores.options, scores.score, scores.higher
