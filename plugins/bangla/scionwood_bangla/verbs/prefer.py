"""Write pairs of answers for preference optimisation: `scionwood bangla prefer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scionwood import ReadError
from scionwood.authoring import OutputPath, check_target
from scionwood_bangla.verbs.options import ExampleOptions, WriterOptions
from scionwood_bangla.verbs.shared import load_examples, progress_bar
from scionwood_language import Decoding, Sampling

if TYPE_CHECKING:
    from scionwood_bangla.data.pairs import Preference


@dataclass(frozen=True)
class PreferOptions(WriterOptions, ExampleOptions, Sampling):
    """Which requests are answered, by which model, and how.

    Attributes:
        model: the model without a run: tiny, a local folder, or owner/name on the hub.
        seed: the seed of requests and samples.

    Example:
        >>> from scionwood_bangla import PreferOptions
        >>> PreferOptions().temperature
        1.0
    """

    model: str | None = "tiny"
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 120
    batch_size: int = 64


def prefer(
    target: OutputPath,
    options: PreferOptions = PreferOptions(),
    *,
    samples: int = 8,
    rank: Literal["register", "good"] = "register",
    force: bool = False,
) -> list[Preference]:
    """Write pairs of a better and a worse answer for `bangla/dpo_register`.

    The checker ranks several samples of a model for each request. A pair is the best answer, which
    must be correct and complete, and the worst answer, which must be wrong. With `samples` 0 no
    model is used: the reference answers are paired with the same answers at a wrong level or at
    mixed levels.

    Args:
        target: the file to write, JSON lines with prompt, chosen and rejected.
        options: the requests, the model, and how it answers.
        samples: the number of sampled answers per request.
        rank: rank samples by the level of address alone (register), or by relevance, fluency and
            freshness too (good).
        force: replace the target if it exists.

    Raises:
        RecipeError: an option is out of range.
        ReadError: the data cannot be read, or there is no pair.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
        OutputExistsError: the target exists and `force` is false.
        WriteError: the target cannot be written.

    Example:
        >>> pairs = prefer("pairs.jsonl", PreferOptions(n=4), samples=0)
        pairs.jsonl: 4 pairs of 4 requests
        >>> len(pairs) > 0
        True
    """
    check_target(target, force)
    examples = load_examples(options, options.seed, "seen")  # refused before torch is imported
    from scionwood_bangla.data.pairs import from_examples, from_samples, write_preferences
    from scionwood_bangla.inference import load_writer

    if samples == 0:
        pairs = from_examples(examples, seed=options.seed)
    else:
        decoding = Decoding.of(options, sampled=True)
        writer = load_writer(options)
        with progress_bar("answers", len(examples) * samples) as progress:
            pairs = from_samples(
                writer, examples, decoding, samples=samples, rank=rank, progress=progress
            )
    if not pairs:
        rule = "no request has both a correct and a wrong answer"
        raise ReadError(str(target), rule, "Draw more samples, or train the model further")
    write_preferences(pairs, target, overwrite=force)
    print(f"{target}: {len(pairs)} pairs of {len(examples)} requests")
    return pairs
