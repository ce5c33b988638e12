"""The commands that take a recipe: fit and recipe. The commands that measure: test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from scionwood.errors import RecipeError
from scionwood.files.terminal import print_table
from scionwood.plugins import discovery
from scionwood.recipes.arguments import RecipeName, RestWords, RunPath
from scionwood.recipes.recipe_file import locate, read_yaml
from scionwood.recipes.recipe_keys import TOP
from scionwood.runs.layout import RECIPE, refuse_used

OVERRIDABLE = frozenset({"fit", "recipe"})
"""The commands whose options may be keys of a recipe."""


def fit(
    recipe: RecipeName | None = None,
    *,
    overrides: RestWords,
    run: Path | None = None,
    resume: Path | None = None,
    smoke: bool = False,
) -> None:
    """Train with a recipe, and print the run folder.

    Every key of the recipe can be overridden, as in `--task.lr 3e-4`. To list the keys with their
    values: scionwood recipe NAME

    Args:
        recipe: seismic/denoise, or a .yaml file.
        overrides: keys and values.
        run: the run folder; by default runs/NAME-TIME, or runs/NAME-JOB under torchrun and srun.
        resume: the folder of a run that stopped, to continue it.
        smoke: train a few steps at the smallest size.
    """
    from scionwood.recipes.recipe import resolve
    from scionwood.training.launch import is_first

    if resume and recipe:
        raise RecipeError("--resume", "a run carries its own recipe", "Name one of the two")
    if not resume and not recipe:
        raise RecipeError("fit", "needs a recipe, or --resume RUN", "See: scionwood plugins")
    if run is not None and is_first():
        # As `fit` does later. The other processes of a launcher find the folder of the first one.
        refuse_used(run)
    resolved = resolve(resume / RECIPE if resume else recipe or "", overrides, smoke=smoke)
    from scionwood import training

    folder = training.fit(resolved, run_dir=run, resume=resume)
    if is_first():
        print(folder)


def recipe(name: RecipeName, *, overrides: RestWords, source: bool = False) -> None:
    """Print a recipe with every default, as fit would train with it, and what makes it small.

    Every key can be overridden, as in `--task.lr 3e-4`.

    Args:
        name: seismic/denoise, or a .yaml file.
        overrides: keys and values.
        source: print the file with its comments instead.
    """
    from scionwood.recipes.recipe import resolve

    path = locate(name)[1]
    if source:
        print(path.read_text("utf-8"), end="")
        return
    print(resolve(name, overrides).dump(), end="")
    if small := read_yaml(path).get("smoke"):
        print(yaml.safe_dump({"smoke": small}, sort_keys=False, allow_unicode=True), end="")


def test(run: RunPath) -> None:
    """Measure a finished run on its test split.

    Args:
        run: the run folder, or another reference to a run such as seismic/denoise.
    """
    from scionwood import training

    print_table(("metric", "value"), list(training.test(run).items()), numeric=("value",))


def overrides_last(function: Callable[..., object], words: Sequence[str]) -> list[str]:
    """Move overrides of a recipe behind `--`, where a command takes them as `RestWords`.

    `--task.lr 3e-4` and `--task.lr=3e-4` mean the same.

    Raises:
        RecipeError: a word is neither an option of the command nor a key of a recipe.
    """
    names = [*inspect.signature(function).parameters, "help"]
    options = [f"--{name.replace('_', '-')}" for name in names if name != "overrides"]
    command_words: list[str] = []
    overrides: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        option = word.partition("=")[0]
        if word == "--":
            overrides += queue
            break
        if not option.startswith("--") or option.replace("_", "-") in options:
            command_words.append(word)
            continue
        _refuse_unknown(option, options)
        if "=" not in word and queue and not queue[0].startswith("--"):
            word += f"={queue.pop(0)}"
        overrides.append(word)
    return [*command_words, "--", *overrides]


def _refuse_unknown(option: str, options: Sequence[str]) -> None:
    if "." in option or option[2:] in TOP:
        return
    near = discovery.did_you_mean(option, [*options, *(f"--{key}" for key in TOP)])
    rule = "neither an option nor a key of a recipe"
    raise RecipeError(f"unknown option {option!r}", rule, near or "See: --help")
