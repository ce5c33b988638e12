"""Which method pays on one's own recipe: `scionwood study`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from scionwood import RecipeError
from scionwood.authoring import check_target, print_table, prints

if TYPE_CHECKING:
    from scionwood_methods.trials import Arm, Trials

METHODS = ("frozen", "ia3", "lora", "full")

CLOSE = 0.05  # values within 5 % of each other: other seeds may turn their order


@final
@dataclass(frozen=True)
class Study:
    """What each method gives on a recipe.

    Attributes:
        folder: the folder with `study.json` and the run of each fit.
        monitor: the value that chose the rates.
        arms: the fits of each method at its best rate, the best validation first.
        advice: what to use, and why.
    """

    folder: Path
    monitor: str
    arms: tuple[Arm, ...]
    advice: str


def _print_study(study: Study, *, json: bool = False) -> None:
    """Print a row for each method, and what to use.

    Args:
        study: the study.
        json: print JSON.
    """
    if json:
        from json import dumps

        content = asdict(study) | {"folder": str(study.folder)}
        print(dumps(content, indent=2))
        return
    tests = [study.monitor.replace("val_", "test_")]  # the others are in study.json
    names = ["method", "rate", "seed", study.monitor, *tests, "steps", "seconds", "trained"]
    rows: list[list[str | float | None]] = []
    for arm in study.arms:
        value = arm.validation if arm.validation is None else float(f"{arm.validation:.4g}")
        test = [float(f"{arm.test[name]:.4g}") if name in arm.test else None for name in tests]
        row = [arm.method, arm.rate, arm.seed, value, *test]
        rows.append([*row, arm.steps, round(arm.seconds), arm.trained, round(arm.size / 1000)])
    print_table([*names, "kB stored"], rows, title=f"{study.folder}, the best rate of each method")
    print(study.advice)


@prints(_print_study)
def study(
    recipe: str,
    folder: Path = Path("study"),
    *,
    methods: list[str] | None = None,
    budget: float = 10.0,
    steps: int | None = None,
    seeds: int = 1,
    override: list[str] | None = None,
    smoke: bool = False,
    force: bool = False,
) -> Study:
    """Fit a recipe by several methods at equal cost, and say which one pays.

    Each method has three rates, as shares of the rate of the recipe, and each fit the same seconds.
    The best validation by the task's monitor chooses the rate; the test split is read afterwards,
    once for each method and seed. An interrupted study goes on where it stopped.

    Args:
        recipe: a recipe by name or file, with a base and data of your own by `override`.
        folder: the folder for the study.
        methods: names of adapter methods, `frozen` (the head alone) and `full` (all weights);
            frozen, ia3, lora and full by default.
        budget: minutes for all fits.
        steps: the steps of each fit instead of a budget.
        seeds: fits of the best rate of each method.
        override: changes of the recipe, such as '[data.n_train=100]'.
        smoke: apply the recipe's own changes for a run of seconds.
        force: replace a study of another recipe or budget that the folder holds.

    Raises:
        RecipeError: the recipe is not valid, its task has no rate, or the budget is too small.
        OutputExistsError: the folder holds a study of another recipe or budget.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_methods import study
        >>> small = study("pde/dynamics", Path("s"), methods=["lora"], steps=2, smoke=True)
        >>> [arm.method for arm in small.arms]
        ['lora']
    """
    from scionwood import resolve
    from scionwood_methods.trials import OTHERS, Trials

    chosen = list(dict.fromkeys(methods or METHODS))
    if budget <= 0 or seeds < 1 or (steps is not None and steps < 1):
        rule = "a study has some minutes or steps, and at least one seed"
        values = f"budget {budget:g}, steps {steps}, seeds {seeds}"
        raise RecipeError(values, rule, "Such as --budget 10")
    resolved = resolve(recipe, override or (), smoke=smoke)
    if "lr" not in resolved.task.options:
        rule = "its task has no option lr, so that no rate can be searched"
        raise RecipeError(f"recipe {resolved.name}", rule, "Use a task with an optimiser")
    folder = Path(folder)
    if folder.exists() and not (folder / "study.json").is_file():
        check_target(folder, force)
    fits = len(chosen) * (len(OTHERS) + seeds - 1)
    trials = Trials(folder, resolved, 60 * budget / fits, fixed=steps, force=force)
    arms = tuple(trials.run(chosen, seeds))
    return Study(folder, trials.monitor, arms, advice(arms, trials))


def advice(arms: tuple[Arm, ...], trials: Trials) -> str:
    """Return what to use, and why."""
    fitted = [arm for arm in arms if arm.validation is not None]
    if not fitted:
        return f"No fit has a value: {arms[0].failure}"
    best = fitted[0]
    near = CLOSE * abs(best.validation or 0.0)
    close = [a for a in fitted if abs((a.validation or 0.0) - (best.validation or 0.0)) <= near]
    small = min(close, key=lambda arm: arm.trained)
    others = sorted({arm.method for arm in close} - {small.method})
    text = f"Use {small.method} at rate {small.rate:g}"
    if others:
        text += f": it trains the fewest numbers of those within 5 % ({', '.join(others)})"
    notes = [f"{text}."]
    if rising := sorted({arm.method for arm in fitted if arm.rising}):
        notes.append(
            f"Still improving at the end, so that more minutes may turn the order: "
            f"{', '.join(rising)}."
        )
    if edge := sorted({arm.method for arm in fitted if trials.at_edge(arm)}):
        notes.append(f"Best at the end of its rates: {', '.join(edge)}; change task.lr.")
    return " ".join(notes)
