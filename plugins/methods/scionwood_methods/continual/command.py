"""The command `scionwood methods sequence RECIPE RECIPE ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from scionwood.authoring import print_table


def sequence(
    recipes: list[str],
    *,
    method: str = "ewc",
    options: dict[str, Any] | None = None,
    run: Path | None = None,
    resume: bool = False,
    score: str | None = None,
    better: Literal["higher", "lower"] | None = None,
    batches: int = 16,
    override: list[str] | None = None,
    smoke: bool = False,
    json: bool = False,
) -> None:
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
        json: print the scores as JSON.

    Raises:
        RecipeError: the recipes do not fit together, or a method or option is unknown.
        OutputExistsError: the folder holds a sequence, and `resume` is false.
        TrainingError: a value is not finite, or the folder holds another sequence.
        AdapterError: the method cannot use this adapter.
    """
    from scionwood_methods.continual.learn import default_folder, learn_sequence

    if run is None and not resume:
        run = default_folder()
    scores = learn_sequence(
        recipes,
        run=run,
        method=method,
        options=options,
        resume=resume,
        score=score,
        better=better,
        batches=batches,
        override=override or (),
        smoke=smoke,
    )
    folder = str(Path(run or "").resolve())
    if json:
        from json import dumps

        print(dumps({**vars(scores), **scores.summary(), "run": folder}, indent=2))
        return
    heading, *rows = scores.lines(scores.tasks)
    print_table(heading, rows, numeric=heading[1:])
    print()
    print_table(["measure", "value"], list(scores.summary().items()), numeric=["value"])
    print(f"\n{folder}")
