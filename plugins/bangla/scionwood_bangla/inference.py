"""Answers of a language model in Bangla: the writer of `language`, with normalised texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from scionwood import RecipeError
from scionwood_bangla.model.weights import TINY, causal_lm, language, place_of, plain
from scionwood_bangla.text.examples import Message
from scionwood_bangla.text.normalise import normalise

SHIPPED = "bangla/register_tiny"
"""The run that writes if neither a run nor a model is given."""


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Attributes:
        sampled: sample each token. Otherwise take the most probable token.
        temperature: the divisor of the logits of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which an answer is cut off.
        batch_size: the number of prompts in a batch.
        seed: the seed of the samples.

    Raises:
        RecipeError: an option is out of range.

    Example:
        >>> from scionwood_bangla.api import Decoding
        >>> Decoding(sampled=True, temperature=0.7, seed=3).name
        'sampled'
    """

    sampled: bool = False
    temperature: float = 0.8
    top_p: float = 0.95
    max_new_tokens: int = 96
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        language("check_decoding")(**asdict(self))

    @property
    def name(self) -> str:
        """`greedy` or `sampled`."""
        return "sampled" if self.sampled else "greedy"


@dataclass(frozen=True)
class Answer:
    """An answer of a model.

    Attributes:
        text: the normalised text without special tokens.
        ended: whether the model ended the answer itself, before the limit of tokens.

    Example:
        >>> from scionwood_bangla.api import Answer
        >>> Answer("আপনি কেমন আছেন?", ended=True).ended
        True
    """

    text: str
    ended: bool


@final
class Writer:
    """Generates text with a language model, with or without its adapter.

    Args:
        model: a backbone of `language/causal_lm`, or any causal model of transformers or peft.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
        base: a function that builds the model without its adapter. It is needed if the adapter
            cannot be switched off.
    """

    def __init__(
        self, model: Any, tokenizer: Any = None, *, base: Callable[[], Any] | None = None
    ) -> None:
        self.model = model.eval()
        self.tokenizer = model.tokenizer if tokenizer is None else tokenizer
        self._base = base

    @classmethod
    def of_run(cls, run: str | Path, device: str = "cpu") -> Writer:
        """Load the model of a run folder with its trained adapter.

        Args:
            run: the folder of a run on `language/causal_lm`, or another reference to it; see
                `scionwood.find_run`.
            device: the device of the model.

        Raises:
            TrainingError: the folder is not a finished run.
            AdapterFileError: the adapter is damaged, or was made for another base.
        """
        model, base = language("model_of_run")(run, device)
        return cls(model, base=base)

    @classmethod
    def of_adapter(cls, folder: str | Path, model: str, device: str = "cpu") -> Writer:
        """Load a model with the adapter of a plain peft folder.

        Args:
            folder: the folder with adapter_config.json.
            model: the base model: `tiny`, a local folder, or owner/name on the hub.
            device: the device of the model.

        Raises:
            WeightsError: the model cannot be loaded.
            AdapterFileError: the adapter is damaged, or does not fit the model.
        """
        return cls(language("model_of_adapter")(folder, place_of(model), device))

    @contextmanager
    def without_adapter(self) -> Iterator[Writer]:
        """Yield a writer of the base model, without the adapter, for the block."""
        with language("without_adapter")(self.model, self._base) as model:
            same = model is self.model and not hasattr(model, "disable_adapter")
            yield self if same else Writer(model, self.tokenizer)

    def write(
        self,
        prompts: Sequence[Sequence[Message]],
        decoding: Decoding | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Generate an answer to each conversation; see `language/write`.

        Args:
            prompts: the turns of each conversation, without the answer.
            decoding: how tokens are chosen. `None` means greedy decoding.
            progress: called with the number of answers done.

        Raises:
            RecipeError: a prompt and its answer exceed the context length of the model.
        """
        answers = language("write")(
            self.model,
            [plain(turns) for turns in prompts],
            tokenizer=self.tokenizer,
            progress=progress,
            **asdict(decoding or Decoding()),
        )
        return [Answer(normalise(text).strip(), ended) for text, ended in answers]

    def save_merged(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the model with its adapter merged, and the tokenizer, as a folder of transformers.

        Afterwards this model has no adapter, and it answers as it did with the adapter.

        Args:
            folder: the new folder. It appears only if everything was written.
            overwrite: replace a folder that exists.

        Raises:
            AdapterError: the adapter method cannot be merged.
            OutputExistsError: the folder exists and `overwrite` is false.
            WriteError: the folder cannot be written.
        """
        self.model = language("save_merged")(
            self.model, folder, tokenizer=self.tokenizer, overwrite=overwrite
        )


def load_writer(
    run: str | Path | None = None,
    peft: str | Path | None = None,
    model: str | None = None,
    device: str = "cpu",
) -> Writer:
    """Load the model of a run, or a model with or without an adapter.

    Args:
        run: the run. If `run`, `peft` and `model` are all `None`, it is the shipped one, `SHIPPED`.
        peft: a plain peft folder for `model`, instead of a run.
        model: the model without a run: `tiny`, a local folder, or owner/name on the hub. With
            `peft`, `None` means `tiny`.
        device: the device of the model.

    Raises:
        RecipeError: both `run` and `peft` are given.
        TrainingError: the folder is not a finished run.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WeightsError: the model cannot be loaded.
    """
    if run is not None and peft is not None:
        rule = "only one of them can be given"
        raise RecipeError(f"run={run}, peft={peft}", rule, "Leave one of them out")
    if run is not None:
        return Writer.of_run(run, device)
    if peft is not None:
        return Writer.of_adapter(peft, model or TINY, device)
    if model is not None:
        return Writer(causal_lm(model).to(device))
    return Writer.of_run(SHIPPED, device)
