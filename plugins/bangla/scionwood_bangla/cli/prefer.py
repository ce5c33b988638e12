"""The commands `scionwood bangla prefer | merge`, which prepare preference optimisation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import ReadError
from scionwood.authoring import InputPath, OutputPath, RunPath, check_target
from scionwood_bangla.cli.shared import load_examples, progress_bar


def prefer(
    target: OutputPath,
    *,
    run: RunPath | None = None,
    peft: InputPath | None = None,
    model: str = "tiny",
    data: Path | None = None,
    n: int = 300,
    samples: int = 8,
    rank: Literal["register", "good"] = "register",
    temperature: float = 1.0,
    max_new_tokens: int = 120,
    batch_size: int = 64,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Write pairs of a better and a worse answer for `bangla/dpo_register`.

    The checker ranks several samples of a model for each request. A pair is the best answer, which
    must be correct and complete, and the worst answer, which must be wrong. With `samples` 0 no
    model is used: the reference answers are paired with the same answers at a wrong level or at
    mixed levels.

    Args:
        target: the file to write, JSON lines with prompt, chosen and rejected.
        run: a run of a task of this plugin, as a folder or by its name.
        peft: a plain peft folder that goes on `model`, instead of a run.
        model: the model without a run: tiny, a local folder, or owner/name on the hub.
        data: a file of examples with a register each, in any supported format. Without it, examples
            are generated.
        n: the number of generated examples.
        samples: the number of sampled answers per request.
        rank: rank samples by the level of address alone (register), or by relevance, fluency and
            freshness too (good).
        temperature: the temperature of the samples.
        max_new_tokens: the length at which an answer is cut off.
        batch_size: the number of prompts in a batch.
        seed: the seed of requests and samples.
        device: the device, such as cpu or cuda.
        force: replace the target if it exists.

    Raises:
        RecipeError: an option is out of range.
        ReadError: the data cannot be read, or there is no pair.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written.
    """
    check_target(target, force)
    examples = load_examples(data, n, seed, "seen")  # refused before torch is imported
    from scionwood_bangla.data.pairs import from_examples, from_samples, write_preferences
    from scionwood_bangla.inference import Decoding, load_writer

    if samples == 0:
        pairs = from_examples(examples, seed=seed)
    else:
        decoding = Decoding(True, temperature, 1.0, max_new_tokens, batch_size, seed)
        writer = load_writer(run, peft, model, device)
        with progress_bar("answers", len(examples) * samples) as progress:
            pairs = from_samples(
                writer, examples, decoding, samples=samples, rank=rank, progress=progress
            )
    if not pairs:
        rule = "no request has both a correct and a wrong answer"
        raise ReadError(str(target), rule, "Draw more samples, or train the model further")
    write_preferences(pairs, target, overwrite=force)
    print(f"{target}: {len(pairs)} pairs of {len(examples)} requests")


def merge(target: OutputPath, *, run: RunPath, force: bool = False) -> None:
    """Merge the adapter of a run into its model, and write the model as a folder of transformers.

    Any tool that reads models of transformers can use the folder. Here it can be `backbone.model`
    and `data.tokenizer` of another recipe, such as `bangla/dpo_register` after
    `bangla/blade_lora`.

    Args:
        target: the folder to write.
        run: a run of a task of this plugin, as a folder or by its name.
        force: replace the folder if it exists.

    Raises:
        OutputExistsError: the folder exists and `force` is false.
        AdapterError: the adapter method of the run cannot be merged.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WriteError: the folder cannot be written.
    """
    from scionwood_bangla.inference import Writer

    check_target(target, force)
    Writer.of_run(run).save_merged(target, overwrite=force)
    print(f"{target}: use it as backbone.model and data.tokenizer")
