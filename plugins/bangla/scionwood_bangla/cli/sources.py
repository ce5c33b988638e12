"""Where commands take their models and examples from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scionwood import RecipeError

if TYPE_CHECKING:
    from scionwood_bangla.inference import Writer
    from scionwood_bangla.text.examples import Example

RECIPE = "recipe.yaml"


def training_examples(run: Path) -> list[Example]:
    """The examples on which a run was trained, as its recipe makes them.

    Args:
        run: the run folder.

    Raises:
        TrainingError: the folder is no run.
    """
    from scionwood import TrainingError, resolve

    if not (run / RECIPE).is_file():
        raise TrainingError(f"run {run}", f"it has no {RECIPE}", "Name a run's folder")
    data: Any = resolve(run / RECIPE).data.build()
    found: list[Example] = data.examples("train")
    return found


def examples_of(
    data: Path | None, count: int, seed: int, which: Literal["seen", "unseen"]
) -> list[Example]:
    """Examples with a register: of a file, or made up.

    Args:
        data: the file; None for made-up ones.
        count: how many to make.
        seed: of these.
        which: the pairs of verb and tense that they are about.

    Raises:
        ReadError: the file cannot be read, or none of its examples has a register.
    """
    if data is None:
        from scionwood_bangla.generator.make import examples

        return examples(count, seed=seed, which=which)
    from scionwood import ReadError
    from scionwood_bangla.readers.load import read_examples

    found = [example for example in read_examples(Path(data)) if example.register is not None]
    if not found:
        raise ReadError(str(data), "no example has a register", "Add a column such as `register`")
    return found


def writer_of(run: Path | None, adapter: Path | None, model: str, device: str) -> Writer:
    """The model of a run, or a model with an adapter or without.

    Args:
        run: the run folder.
        adapter: a plain peft folder that goes on `model`.
        model: without a run: tiny, a local folder, or owner/name on the hub.
        device: where to compute.

    Raises:
        RecipeError: both a run and an adapter are given.
    """
    from scionwood_bangla.inference import Writer

    if run is not None and adapter is not None:
        raise RecipeError("run and adapter", "only one of them is given", "Leave one out")
    if run is not None:
        return Writer.of_run(Path(run), device)
    if adapter is not None:
        return Writer.of_adapter(Path(adapter), model, device)
    from scionwood_bangla.backbones import causal_lm

    return Writer(causal_lm(model=model).to(device))
