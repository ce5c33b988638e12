"""The command `scionwood methods sequence RECIPE RECIPE ...`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from scionwood import OutputExistsError, RecipeError, resolve


def sequence(
    recipes: list[str],
    *,
    method: str = "ewc",
    options: dict[str, Any] | None = None,
    run_dir: Path | None = None,
    resume: bool = False,
    score: str | None = None,
    better: Literal["higher", "lower"] | None = None,
    batches: int = 16,
    override: list[str] | None = None,
    smoke: bool = False,
) -> None:
    """Learn the tasks of recipes one after another with one adapter; print and draw what is kept.

    After each task every task is tested. Written are a run folder for each task, as by
    `scionwood fit`, with what the method remembers in `memory/`; scores.csv, summary.csv and
    figures/scores.png. Fused kernels are off, since methods ask for gradients that they leave out.

    Args:
        recipes: names or files, in the order of learning; all with one backbone and one adapter.
        method: naive, ewc, ace_lora_edit, seqlora_bilevel, or igsp on the adapter methods/igsp.
        options: of the method, such as '{strength: 10}'.
        run_dir: the folder of the sequence; `runs/sequence-TIME` by default.
        resume: go on after the last task that the folder holds; more recipes may follow then.
        score: what to measure on the test splits; the task's own monitor by default.
        better: whether more or less of that score is better; needed with `score`.
        batches: how many batches of training data a method may look at when a task ends.
        override: changes of every recipe, such as '[trainer.max_steps=100]'.
        smoke: a few steps at the smallest size.

    Raises:
        RecipeError: recipes that do not fit together, or an unknown method or option.
        OutputExistsError: the folder holds a sequence, and `resume` is false.
        TrainingError: a value is not finite, or the folder holds another sequence.
        AdapterError: the method does not take this adapter.
    """
    from scionwood_methods.continual.methods import SampleLosses, make_method
    from scionwood_methods.continual.sequence import TaskSequence

    make_method(method, options or {}, SampleLosses())  # refuses what is wrong before any work
    changes = ["kernels=off", *(override or [])]
    resolved = [resolve(name, changes, smoke=smoke) for name in recipes]
    _check_together(resolved)
    name, higher = _measure(resolved, score, better)
    folder = _folder(run_dir, resume)
    scores = _begin(folder, resume, resolved, (method, dict(options or {}), name, higher))
    run = TaskSequence(folder, resolved, scores, batches=batches)
    if scores.tasks:
        run.measure()
    while len(scores.tasks) < len(resolved):
        print(f"task {len(scores.tasks) + 1} of {len(resolved)}: {run.names[len(scores.tasks)]}")
        run.learn()
    for line in scores.lines(run.names):
        print("  ".join(f"{cell:>18}" for cell in line))
    for key, value in scores.summary().items():
        print(f"{key:18} {value:.6g}")
    print(folder)


def _check_together(recipes: list[Any]) -> None:
    """Refuse recipes that cannot be one sequence.

    Raises:
        RecipeError: naming the two that differ.
    """
    first, names = recipes[0], [recipe.name for recipe in recipes]
    if len(recipes) < 2 or len(set(names)) < len(names):
        rule = "a sequence has two tasks or more, each with a name of its own"
        raise RecipeError(f"recipes {', '.join(names)}", rule, "Copy a recipe to another file")
    if first.adapter.component is None:
        rule = f"{first.adapter.name} is a baseline, and a sequence needs an adapter"
        raise RecipeError(f"recipe {first.name}: adapter", rule, "Name a method, such as lora")
    for other in recipes[1:]:
        for slot in ("backbone", "adapter"):
            if getattr(other, slot) != getattr(first, slot):
                rule = f"it is not that of {first.name}"
                remedy = "Give both the same, with the same options"
                raise RecipeError(f"recipe {other.name}: {slot}", rule, remedy)


def _measure(recipes: list[Any], score: str | None, better: str | None) -> tuple[str, bool]:
    """The name of the score, and whether more is better.

    Raises:
        RecipeError: it is not clear.
    """
    if score is not None:
        if better is None:
            rule = "whether more or less of it is better is not known"
            raise RecipeError(f"score {score!r}", rule, "Add --better higher, or lower")
        return score if score.startswith("test_") else f"test_{score}", better == "higher"
    own = {(r.task.component.monitor, r.task.component.mode) for r in recipes}
    if len(own) > 1:
        found = ", ".join(sorted(monitor for monitor, _ in own))
        raise RecipeError(f"monitors {found}", "the tasks have several", "Choose: --score NAME")
    ((monitor, mode),) = own
    return "test_" + monitor.removeprefix("val_"), mode == "max"


def _folder(run_dir: Path | None, resume: bool) -> Path:
    from scionwood_methods.continual.scores import RECORD

    if run_dir is None and resume:
        raise RecipeError("--resume", "the folder is not known", "Add --run-dir FOLDER")
    folder = run_dir or Path("runs") / f"sequence-{time.strftime('%Y%m%d-%H%M%S')}"
    if not resume and (folder / RECORD).exists():
        remedy = "Choose another folder, or continue it: --resume"
        raise OutputExistsError(str(folder), "it holds a sequence already", remedy)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _begin(
    folder: Path, resume: bool, recipes: list[Any], said: tuple[str, dict[str, Any], str, bool]
) -> Any:
    """The scores so far.

    Raises:
        TrainingError: the folder holds a sequence of other tasks, or by another method.
    """
    from scionwood import TrainingError
    from scionwood_methods.continual.scores import RECORD, Scores, read_scores

    if not resume or not (folder / RECORD).exists():
        return Scores(*said)
    found = read_scores(folder)
    names = [recipe.name for recipe in recipes]
    if (found.method, found.options, found.score, found.higher) != said:
        rule = f"it was learnt by {found.method} {found.options}, measured by {found.score}"
        raise TrainingError(f"sequence {folder}", rule, "Say the same, or start another folder")
    if found.tasks != names[: len(found.tasks)]:
        rule = f"it began with {', '.join(found.tasks)}"
        raise TrainingError(f"sequence {folder}", rule, "Name these first, in this order")
    return found
