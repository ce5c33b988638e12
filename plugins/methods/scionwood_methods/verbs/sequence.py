"""Learn tasks one after another with one adapter: `scionwood methods sequence`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scionwood import resolve
from scionwood.authoring import print_table, prints

if TYPE_CHECKING:
    from scionwood_methods.continual.scores import Scores


def _print_scores(scores: Scores, *, json: bool = False) -> None:
    """Print the scores of a sequence.

    Args:
        scores: the scores.
        json: print the scores as JSON.
    """
    if json:
        from json import dumps

        record = {**scores.record(), **scores.summary(), "run": str(scores.folder)}
        print(dumps(record, indent=2))
        return
    heading, *rows = scores.lines(scores.tasks)
    print_table(heading, rows, numeric=heading[1:])
    print()
    print_table(["measure", "value"], list(scores.summary().items()), numeric=["value"])
    print(f"\n{scores.folder}")


@prints(_print_scores)
def learn_sequence(
    recipes: list[str],
    *,
    run: Path | None = None,
    method: str = "ewc",
    options: dict[str, Any] | None = None,
    resume: bool = False,
    score: str | None = None,
    better: Literal["higher", "lower"] | None = None,
    batches: int = 16,
    override: list[str] | None = None,
    smoke: bool = False,
) -> Scores:
    """Learn the tasks of recipes one after another with one adapter; print and draw the scores.

    After each task every task is tested. The folder gets a run folder for each task, as from
    `scionwood fit`, with the memory of the method in `memory/`. It also gets scores.csv,
    summary.csv and figures/scores.png. Fused kernels are off, because the methods need gradients
    that fused kernels do not compute.

    Args:
        recipes: names or files of recipes in the order of learning, with the same backbone and
            adapter.
        method: naive, ewc, ace_lora_edit, seqlora_bilevel, or igsp on the adapter methods/igsp.
        options: options of the method, such as '{strength: 10}'. With '{gamma: 10}', `ewc` keeps
            the similarities of pairs too, such as images and texts, if the tasks have pairs.
        run: the folder of the sequence; `runs/sequence-TIME` by default.
        resume: continue after the last task that the folder holds; more recipes may follow.
        score: the value to measure on the test splits; the monitor of the tasks by default.
        better: whether higher or lower scores are better; needed with `score`.
        batches: the number of training batches that a method may use when a task ends.
        override: changes of every recipe, such as '[trainer.max_steps=100]'.
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
        >>> from scionwood_methods import learn_sequence
        >>> small = scionwood.resolve("pde/dynamics", smoke=True).dump()
        >>> for name in ("first.yaml", "second.yaml"):
        ...     size = Path(name).write_text(small)
        >>> scores = learn_sequence(["first.yaml", "second.yaml"], run="runs/both", method="naive")
        >>> scores.tasks, sorted(scores.summary())
        (['first', 'second'], ['average', 'backward_transfer', 'forgetting'])
    """
    from scionwood_methods.continual import learn
    from scionwood_methods.continual.methods import SampleLosses, make_method
    from scionwood_methods.continual.scores import Scores
    from scionwood_methods.continual.sequence import TaskSequence

    options = dict(options or {})
    losses = SampleLosses()
    learner = make_method(method, options, losses, losses.pairs)  # checks the options at once
    changes = ["kernels=off", *(override or ())]
    resolved = [resolve(recipe, changes, smoke=smoke) for recipe in recipes]
    learn.check_together(resolved)
    if learner.needs_pairs:
        learn.check_pairs(resolved, learner)
    name, higher = learn.measure(resolved, score, better)
    folder = learn.open_folder(run, resume)
    scores = Scores(method, options, name, higher)
    if resume:
        scores = learn.resume_scores(folder, resolved, scores)
    scores = TaskSequence(folder, resolved, scores, batches=batches).learn_all()
    scores.folder = folder
    return scores
