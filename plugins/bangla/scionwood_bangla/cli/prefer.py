"""The commands `scionwood bangla prefer | merge`."""

from __future__ import annotations

from pathlib import Path

from scionwood_bangla.cli.sources import examples_of, writer_of


def prefer(
    target: Path,
    *,
    run: Path | None = None,
    adapter: Path | None = None,
    model: str = "tiny",
    data: Path | None = None,
    requests: int = 300,
    samples: int = 8,
    temperature: float = 1.0,
    max_new_tokens: int = 120,
    batch_size: int = 64,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Sample answers, let the checker rank them, and write pairs for `bangla/dpo_register`.

    A pair is the best answer, which has to be right and to end, and the worst, which has to be
    wrong. With `samples` 0 no model is asked: the answers of the data stand against the same ones
    at a wrong level or with mixed ones.

    Args:
        target: the file to write, JSON lines with prompt, chosen and rejected.
        run: the run folder of a task of this plugin.
        adapter: instead of a run, a plain peft folder that goes on `model`.
        model: without a run: tiny, a local folder, or owner/name on the hub.
        data: examples with a register each, in any format that is read; made-up ones where null.
        requests: how many made-up ones.
        samples: answers of each request.
        temperature: of the samples.
        max_new_tokens: after which an answer is cut off.
        batch_size: prompts at once.
        seed: of requests and samples.
        device: where to compute, such as cpu or cuda.
        force: replace the target if it exists.

    Raises:
        RecipeError: an option is out of range.
        ReadError: the data cannot be read, or no pair came out.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or made for another base.
        WeightsError: the model cannot be had.
        OutputExistsError: the target exists and `force` is false.
    """
    from rich.console import Console
    from rich.progress import Progress

    from scionwood import OutputExistsError, ReadError
    from scionwood_bangla.data import pairs as preferences
    from scionwood_bangla.inference import Decoding

    if Path(target).exists() and not force:
        raise OutputExistsError(str(target), "it exists already", "Give --force")
    examples = examples_of(data, requests, seed, "seen")
    if samples == 0:
        pairs = preferences.from_examples(examples, seed=seed)
    else:
        decoding = Decoding(True, temperature, 1.0, max_new_tokens, batch_size, seed)
        writer = writer_of(run, adapter, model, device)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("answers", total=len(examples) * samples)
            pairs = preferences.from_samples(
                writer,
                examples,
                decoding,
                samples=samples,
                progress=lambda n: progress.update(bar, completed=n),
            )
    if not pairs:
        rule = "no request had an answer that is right and one that is wrong"
        raise ReadError(str(target), rule, "Sample more, or take a model that is trained further")
    preferences.write_preferences(pairs, Path(target), overwrite=force)
    print(f"{target}: {len(pairs)} pairs of {len(examples)} requests")


def merge(target: Path, *, run: Path) -> None:
    """Write the model of a run with its adapter merged, as a plain folder of transformers.

    The folder serves as a model anywhere, and here as `backbone.model` and `data.tokenizer` of
    another recipe, such as `bangla/dpo_register` after `bangla/blade_lora`.

    Args:
        target: the folder to write, which must not exist.
        run: the run folder of a task of this plugin.

    Raises:
        OutputExistsError: the folder exists.
        AdapterError: the run's method cannot be merged.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or made for another base.
    """
    from scionwood import OutputExistsError
    from scionwood_bangla.inference import Writer

    target = Path(target)
    if target.exists():
        raise OutputExistsError(str(target), "it exists already", "Choose another name")
    Writer.of_run(Path(run)).save_merged(target)
    print(f"{target}: use it as backbone.model and data.tokenizer")
