"""Answer a request with a language model: `scionwood language generate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scionwood import RecipeError
from scionwood.authoring import RunPath, prints
from scionwood_language.inference.decoding import Decoding

if TYPE_CHECKING:
    from scionwood_language.inference.writer import Answer


@dataclass(frozen=True)
class ModelOptions:
    """Which model a verb uses, and where.

    Attributes:
        run: a run on `language/causal_lm`, as a folder or by its name.
        model: the model without a run: tiny, smollm2, a folder, or owner/name on the hub.
        device: the device of the model, such as cpu or cuda.

    Example:
        >>> from scionwood_language import ModelOptions
        >>> ModelOptions(model="tiny").device
        'cpu'
    """

    run: RunPath | None = None
    model: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class GenerateOptions(ModelOptions, Decoding):
    """Which model answers a request, and how.

    Attributes:
        system: a system turn before the request.

    Example:
        >>> from scionwood_language import GenerateOptions
        >>> GenerateOptions(model="tiny").max_new_tokens
        160
    """

    max_new_tokens: int = 160
    system: str | None = None


def _print_answer(answer: Answer, *, options: GenerateOptions) -> None:
    print(answer.text)
    if not answer.ended:
        print(f"cut off after {options.max_new_tokens} tokens")


@prints(_print_answer)
def generate(prompt: str, options: GenerateOptions = GenerateOptions()) -> Answer:
    """Print the answer of a model to one request.

    Args:
        prompt: the request.
        options: the model, and how it answers. Exactly one of `run` and `model` is needed.

    Raises:
        RecipeError: neither or both of run and model are given, an option is out of range, or the
            prompt is too long.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.

    Example:
        >>> from scionwood_language import GenerateOptions, generate
        >>> generate("Hi", GenerateOptions(model="tiny", max_new_tokens=4)).ended
        False
    """
    run, model = options.run, options.model
    if (run is None) == (model is None):
        rule = "exactly one of them must be given"
        raise RecipeError(f"run={run}, model={model}", rule, "Such as --model smollm2")
    from scionwood_language.inference.writer import Writer, load_model

    if run is not None:
        writer = Writer.of_run(run, options.device)
    else:
        writer = Writer(load_model(str(model), options.device))
    turns = [{"role": "system", "content": options.system}] if options.system else []
    [answer] = writer.write([[*turns, {"role": "user", "content": prompt}]], options)
    return answer
