"""Choose training data by the strong heads: `scionwood methods select`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scionwood.authoring import print_table, prints
from scionwood_methods.selection.options import ProxyRun

if TYPE_CHECKING:
    from scionwood_methods.selection.run import Selection


def _print_choice(
    choice: Selection, *, recipe: str, chosen: Path = Path("chosen"), json: bool = False
) -> None:
    """Print which examples were chosen.

    Args:
        choice: the choice.
        recipe: the recipe.
        chosen: the folder of the list.
        json: print JSON.
    """
    rows = table(choice)
    if json:
        from json import dumps

        print(dumps({**dict(rows), "heads": choice.heads, "indices": choice.chosen}, indent=2))
        return
    print_table(("measure", "value"), rows, numeric=("value",))
    if choice.heads:
        print_table(("block", "strong heads"), [(b, _joined(h)) for b, h in choice.heads.items()])
    print(f"scionwood fit {recipe} --data.subset {chosen}")


@prints(_print_choice)
def select_examples(
    recipe: str,
    chosen: Path = Path("chosen"),
    proxy: ProxyRun = ProxyRun(),
    *,
    budget: float = 0.1,
    by: Literal["heads", "random", "highest-loss", "lowest-loss"] = "heads",
    seed: int | None = None,
    override: list[str] | None = None,
    smoke: bool = False,
    resume: bool = False,
    force: bool = False,
) -> Selection:
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
        proxy: the short run.
        budget: the share of the examples to choose, above 0 and below 1.
        by: what decides: the drop by the strong heads, chance, or the loss after the short run.
        seed: the seed of the short run and of chance; that of the recipe by default.
        override: changes of the recipe, such as '[data.n_train=100]'.
        smoke: apply the recipe's own changes for a run of seconds.
        resume: go on in the folder. Another budget or rule needs no new losses.
        force: replace a choice that the folder holds.

    Raises:
        RecipeError: the recipe is not valid, or the budget is out of its range.
        OutputExistsError: the folder holds a choice.
        AdapterError: the backbone has no attention heads.
        TrainingError: the data are a stream, or `resume` finds other options.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_methods import select_examples
        >>> small = select_examples("seismic/denoise", Path("chosen"), budget=0.5, smoke=True)
        >>> len(small.chosen), small.length
        (4, 8)
        >>> recipe = scionwood.resolve("seismic/denoise", {"data.subset": "chosen"}, smoke=True)
        >>> run = scionwood.fit(recipe, run_dir="run")
    """
    from scionwood import resolve
    from scionwood_methods.selection.run import choose

    is_name = isinstance(recipe, str | Path)  # Python callers may pass a resolved recipe
    resolved = resolve(recipe, override or (), smoke=smoke) if is_name else recipe
    return choose(
        resolved,
        Path(chosen),
        proxy,
        budget=budget,
        by=by,
        seed=seed,
        resume=resume,
        force=force,
    )


def table(choice: Selection) -> list[tuple[str, str]]:
    """Return what was chosen as rows of a measure and its value."""
    rows = [("examples", str(choice.length)), ("chosen", str(len(choice.chosen)))]
    if not choice.losses:
        return rows
    losses = [choice.losses[index] for index in choice.chosen]
    for name, group in (("all", choice.losses), ("chosen", losses)):
        drop = sum(item.drop for item in group) / len(group)
        loss = sum(item.with_heads for item in group) / len(group)
        rows += [(f"mean score, {name}", f"{drop:.4f}"), (f"mean loss, {name}", f"{loss:.4f}")]
    return rows


def _joined(heads: list[int]) -> str:
    return " ".join(str(head) for head in heads)
