"""Generate answers with a causal language model: in batches, greedy or sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import (
    RecipeError,
    atomic_folder,
    check_target,
    find_run,
    load_adapter,
    load_run,
    merge,
    resolve,
    writing,
)
from scionwood_bangla.backbones import causal_lm
from scionwood_bangla.model.weights import TINY
from scionwood_bangla.text.examples import Message
from scionwood_bangla.text.normalise import normalise
from scionwood_bangla.text.templates import end_of_text, end_of_turn, prompt_ids

RECIPE = "recipe.yaml"

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
        if self.max_new_tokens < 1 or self.batch_size < 1:
            sizes = f"max_new_tokens={self.max_new_tokens}, batch_size={self.batch_size}"
            raise RecipeError(sizes, "both must be at least 1", "Give positive numbers")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            options = f"temperature={self.temperature}, top_p={self.top_p}"
            rule = "temperature must be above 0, and top_p above 0 and at most 1"
            raise RecipeError(options, rule, "Such as 0.8 and 0.95")

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
        model: a backbone of `bangla/causal_lm`, or any causal model of transformers or peft.
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
            run: the folder of a run with a task of this plugin, or another reference to it; see
                `scionwood.find_run`.
            device: the device of the model.

        Raises:
            TrainingError: the folder is not a finished run.
            AdapterFileError: the adapter is damaged, or was made for another base.
        """
        folder = find_run(run)
        backbone: Any = load_run(folder, device).backbone
        return cls(backbone, base=lambda: resolve(folder / RECIPE).backbone.build().to(device))

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
        return cls(load_adapter(causal_lm(model=model), Path(folder)).to(device))

    @contextmanager
    def without_adapter(self) -> Iterator[Writer]:
        """Yield a writer of the base model, without the adapter, for the block."""
        if hasattr(self.model, "disable_adapter"):
            with self.model.disable_adapter():
                yield Writer(self.model, self.tokenizer)
        elif self._base is not None:
            yield Writer(self._base(), self.tokenizer)
        else:
            yield self  # the model has no adapter

    @torch.no_grad()
    def write(
        self,
        prompts: Sequence[Sequence[Message]],
        decoding: Decoding | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Generate an answer to each conversation.

        Prompts are padded on the left, so that each answer begins where its prompt ends. The same
        seed and batch size give the same samples. The global generator of torch is not changed.

        Args:
            prompts: the turns of each conversation, without the answer.
            decoding: how tokens are chosen. `None` means greedy decoding.
            progress: called with the number of answers done.

        Raises:
            RecipeError: a prompt and its answer exceed the context length of the model.
        """
        decoding = decoding or Decoding()
        ids = [prompt_ids(self.tokenizer, prompt) for prompt in prompts]
        self._check_lengths(ids, decoding)
        answers: list[Answer] = []
        with seeded(decoding.seed):
            for start in range(0, len(ids), decoding.batch_size):
                answers += self._batch(ids[start : start + decoding.batch_size], decoding)
                if progress is not None:
                    progress(len(answers))
        return answers

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
        check_target(folder, overwrite)
        if hasattr(self.model, "unload"):
            merge(self.model)
            self.model = self.model.unload()
        with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
            self.model.save_pretrained(part)
            self.tokenizer.save_pretrained(part)

    def end_tokens(self) -> set[int]:
        """Return the tokens that end an answer: of the tokenizer, its template, and the config."""
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        if configured is None:
            configured = []
        others = configured if isinstance(configured, list) else [configured]
        return {end_of_text(self.tokenizer), end_of_turn(self.tokenizer), *others}

    def _batch(self, ids: list[list[int]], decoding: Decoding) -> list[Answer]:
        from transformers import GenerationConfig

        width, pad = max(map(len, ids)), self.tokenizer.pad_token_id
        device = next(self.model.parameters()).device
        tokens = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        sampling = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        config = GenerationConfig(  # type: ignore[no-untyped-call]  # of transformers
            max_new_tokens=decoding.max_new_tokens,
            do_sample=decoding.sampled,
            pad_token_id=pad,
            eos_token_id=sorted(self.end_tokens()),
            **(sampling if decoding.sampled else {}),
        )
        generated = self.model.generate(
            input_ids=tokens, attention_mask=mask.to(device), generation_config=config
        )
        return [self._answer(row) for row in generated[:, width:].cpu()]

    def _answer(self, row: Tensor) -> Answer:
        end_tokens = self.end_tokens()
        ends = [at for at, token in enumerate(row.tolist()) if token in end_tokens]
        tokens = row[: ends[0]] if ends else row
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return Answer(normalise(text).strip(), bool(ends))

    def _check_lengths(self, ids: list[list[int]], decoding: Decoding) -> None:
        context = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, ids), default=0)
        if context is not None and longest + decoding.max_new_tokens > context:
            new = decoding.max_new_tokens
            rule = f"with {new} new tokens it exceeds the context of the model, {context} tokens"
            remedy = "Shorten the prompt, use fewer shots, or lower max_new_tokens"
            raise RecipeError(f"a prompt of {longest} tokens", rule, remedy)


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
        return Writer(causal_lm(model=model).to(device))
    return Writer.of_run(SHIPPED, device)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch for a block, and restore its generators afterwards.

    Args:
        seed: the seed of the CPU's generator and of every CUDA device's generator.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
