"""The commands `scionwood language generate | merge`."""

from __future__ import annotations

from scionwood import RecipeError
from scionwood.authoring import OutputPath, RunPath, check_target


def generate(
    prompt: str,
    *,
    run: RunPath | None = None,
    model: str | None = None,
    system: str | None = None,
    sampled: bool = False,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 160,
    seed: int = 0,
    device: str = "cpu",
) -> None:
    """Print the answer of a model to one request.

    Args:
        prompt: the request.
        run: a run on `language/causal_lm`, as a folder or by its name.
        model: a model without a run: tiny, smollm2, a folder, or owner/name on the hub.
        system: a system turn before the request.
        sampled: sample each token instead of taking the most probable one.
        temperature: the temperature of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which the answer is cut off.
        seed: the seed of the samples.
        device: the device, such as cpu or cuda.

    Raises:
        RecipeError: neither or both of run and model are given, an option is out of range, or the
            prompt is too long.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
    """
    if (run is None) == (model is None):
        rule = "exactly one of them must be given"
        raise RecipeError(f"run={run}, model={model}", rule, "Such as --model smollm2")
    from scionwood_language.backbones.causal_lm import causal_lm
    from scionwood_language.inference import model_of_run, write

    loaded = causal_lm(model=model).to(device) if model else model_of_run(run or "", device)[0]
    turns = [{"role": "system", "content": system}] if system else []
    [answer] = write(
        loaded,
        [[*turns, {"role": "user", "content": prompt}]],
        sampled=sampled,
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=max_new_tokens,
        seed=seed,
    )
    print(answer.text)
    if not answer.ended:
        print(f"cut off after {max_new_tokens} tokens")


def merge(target: OutputPath, *, run: RunPath, force: bool = False) -> None:
    """Merge the adapter of a run into its model, and write the model as a folder of transformers.

    Any tool that reads models of transformers can use the folder, such as lm-evaluation-harness.
    Here it can be `backbone.model` and `data.tokenizer` of another recipe.

    Args:
        target: the folder to write.
        run: a run on `language/causal_lm`, as a folder or by its name.
        force: replace the folder if it exists.

    Raises:
        OutputExistsError: the folder exists and `force` is false.
        AdapterError: the adapter method of the run cannot be merged.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WriteError: the folder cannot be written.
    """
    check_target(target, force)
    from scionwood_language.inference import model_of_run, save_merged

    save_merged(model_of_run(run)[0], target, overwrite=force)
    print(f"{target}: use it as backbone.model and data.tokenizer")
