"""The command `scionwood methods select RECIPE`: choose training data by the strong heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood.authoring import print_table

if TYPE_CHECKING:
    from scionwood_methods.selection.run import Selection


def select(
    recipe: str,
    chosen: Path = Path("chosen"),
    *,
    budget: float = 0.1,
    by: Literal["heads", "random", "highest-loss", "lowest-loss"] = "heads",
    examples: int = 100,
    steps: int = 30,
    lr: float | None = None,
    share: float = 0.1,
    seed: int | None = None,
    override: list[str] | None = None,
    smoke: bool = False,
    resume: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Choose a share of a recipe's training examples by the strong heads, and write the list.

    A short run on a few random examples finds the attention heads that move most. An example's
    score is the relative drop of its loss by these heads' change alone. The folder gets the list
    `subset.json`, `scores.csv`, `select.json` and the short run. To train on the list, set
    `data.subset` to the folder: `scionwood fit RECIPE --data.subset chosen`. This is a
    reconstruction of the data half of P2D (arXiv 2605.21558). Random choice is a strong baseline:
    compare with `--by random`.

    Args:
        recipe: a recipe by name or file.
        chosen: the folder for the list.
        budget: the share of the examples to choose, above 0 and below 1.
        by: what decides: the drop by the strong heads, chance, or the loss after the short run.
        examples: the random examples of the short run.
        steps: the optimiser steps of the short run.
        lr: the learning rate of the short run; a tenth of that of the recipe by default.
        share: the share of all heads that count as strong.
        seed: the seed of the short run and of chance; that of the recipe by default.
        override: changes of the recipe, such as '[data.n_train=100]'.
        smoke: apply the recipe's own changes for a run of seconds.
        resume: go on in the folder. Another budget or rule needs no new losses.
        force: replace a choice that the folder holds.
        json: print JSON.

    Raises:
        RecipeError: the recipe is not valid, or the budget is out of its range.
        OutputExistsError: the folder holds a choice.
        AdapterError: the backbone has no attention heads.
        TrainingError: the data are a stream, or `resume` finds other options.
    """
    from scionwood_methods.selection.run import ProxyRun, select_examples

    made = select_examples(
        recipe,
        chosen,
        budget=budget,
        by=by,
        proxy=ProxyRun(examples, steps, lr, share),
        seed=seed,
        overrides=override or (),
        smoke=smoke,
        resume=resume,
        force=force,
    )
    rows = table(made)
    if json:
        from json import dumps

        print(dumps({**dict(rows), "heads": made.heads, "indices": made.chosen}, indent=2))
        return
    print_table(("measure", "value"), rows, numeric=("value",))
    if made.heads:
        print_table(("block", "strong heads"), [(b, _joined(h)) for b, h in made.heads.items()])
    print(f"scionwood fit {recipe} --data.subset {chosen}")


def table(made: Selection) -> list[tuple[str, str]]:
    """Return what was chosen as rows of a measure and its value."""
    rows = [("examples", str(made.length)), ("chosen", str(len(made.chosen)))]
    if not made.losses:
        return rows
    taken = [made.losses[index] for index in made.chosen]
    for name, group in (("all", made.losses), ("chosen", taken)):
        drop = sum(each.drop for each in group) / len(group)
        loss = sum(each.with_heads for each in group) / len(group)
        rows += [(f"mean score, {name}", f"{drop:.4f}"), (f"mean loss, {name}", f"{loss:.4f}")]
    return rows


def _joined(heads: list[int]) -> str:
    return " ".join(str(head) for head in heads)
