"""Answers of a causal language model: in batches, greedy or sampled, and whether they ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import RecipeError, load_adapter, load_run, merge, resolve
from scionwood_bangla.text.examples import Message
from scionwood_bangla.text.normalise import normalise
from scionwood_bangla.text.templates import end_of_text, prompt_ids

RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Attributes:
        sampled: draw each token; otherwise take the most probable one.
        temperature: divides the logits of samples.
        top_p: samples come from the most probable tokens that together reach it.
        max_new_tokens: after which an answer is cut off.
        batch_size: prompts at once.
        seed: of the samples.
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
            raise RecipeError(sizes, "each is 1 or more")
        if self.temperature <= 0 or not 0 < self.top_p <= 1:
            given = f"temperature={self.temperature}, top_p={self.top_p}"
            raise RecipeError(given, "the first is above 0, the second above 0 and up to 1")

    @property
    def name(self) -> str:
        """`greedy` or `sampled`."""
        return "sampled" if self.sampled else "greedy"


@dataclass(frozen=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: normalised, without special tokens.
        ended: whether the model ended it, and not the limit of tokens.
    """

    text: str
    ended: bool


@final
class Writer:
    """A language model with its tokenizer, and the same model without its adapter.

    Args:
        model: a backbone of `bangla/causal_lm`, or any causal model of transformers or peft.
        tokenizer: the model's own (`model.tokenizer`) where None.
        base: builds the model without adapter where that cannot be switched off.
    """

    def __init__(
        self, model: Any, tokenizer: Any = None, *, base: Callable[[], Any] | None = None
    ) -> None:
        self.model = model.eval()
        self.tokenizer = model.tokenizer if tokenizer is None else tokenizer
        self._base = base

    @classmethod
    def of_run(cls, run: Path, device: str = "cpu") -> Writer:
        """The model of a run folder with what was trained.

        Args:
            run: the folder that `scionwood fit` wrote, with a task of this plugin.
            device: where to compute.

        Raises:
            TrainingError: the folder is no finished run.
            AdapterFileError: the adapter is damaged, or made for another base.
        """
        backbone: Any = load_run(Path(run), device).backbone
        return cls(backbone, base=lambda: resolve(Path(run) / RECIPE).backbone.build().to(device))

    @classmethod
    def of_adapter(cls, folder: Path, model: str, device: str = "cpu") -> Writer:
        """A model with the adapter of a plain peft folder.

        Args:
            folder: with adapter_config.json.
            model: what `bangla/causal_lm` takes.
            device: where to compute.

        Raises:
            WeightsError: the model cannot be had.
            AdapterFileError: the adapter is damaged, or does not fit the model.
        """
        from scionwood_bangla.backbones import causal_lm

        return cls(load_adapter(causal_lm(model=model), Path(folder)).to(device))

    @contextmanager
    def without_adapter(self) -> Iterator[Writer]:
        """The base alone, for as long as the block lasts."""
        if hasattr(self.model, "disable_adapter"):
            with self.model.disable_adapter():
                yield Writer(self.model, self.tokenizer)
        elif self._base is not None:
            yield Writer(self._base(), self.tokenizer)
        else:
            yield self  # it never had one

    @torch.no_grad()
    def write(
        self,
        prompts: Sequence[Sequence[Message]],
        decoding: Decoding | None = None,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """An answer to each conversation.

        Prompts are padded on their left, so that every answer begins where its prompt ends. The
        same seed and batches give the same samples; torch's own generator is left alone.

        Args:
            prompts: the turns of each conversation, without the answer.
            decoding: how; greedy where None.
            progress: called with the number of answers done.

        Raises:
            RecipeError: a prompt and its answer do not fit into the model's context.
        """
        decoding = decoding or Decoding()
        ids = [prompt_ids(self.tokenizer, prompt) for prompt in prompts]
        self._check_lengths(ids, decoding)
        found: list[Answer] = []
        with seeded(decoding.seed):
            for start in range(0, len(ids), decoding.batch_size):
                found += self._batch(ids[start : start + decoding.batch_size], decoding)
                if progress is not None:
                    progress(len(found))
        return found

    def save_merged(self, folder: Path) -> None:
        """Write model and tokenizer with the adapter merged, as a plain folder of transformers.

        The model is without its adapter afterwards, and answers as it did with it.

        Args:
            folder: to be written, whole or not at all.

        Raises:
            AdapterError: the method cannot be merged.
            OSError: the folder exists and is not empty, or the disk is full.
        """
        if hasattr(self.model, "unload"):
            merge(self.model)
            self.model = self.model.unload()
        part = folder.with_name(f".{folder.name}-part")
        self.model.save_pretrained(part)
        self.tokenizer.save_pretrained(part)
        part.rename(folder)

    def stops(self) -> set[int]:
        """The tokens that end an answer: the tokenizer's, and those of the model's settings."""
        named = getattr(self.model.generation_config, "eos_token_id", None)
        others = named if isinstance(named, list) else [] if named is None else [named]
        return {end_of_text(self.tokenizer), *others}

    def _batch(self, ids: list[list[int]], decoding: Decoding) -> list[Answer]:
        from transformers import GenerationConfig

        width, pad = max(map(len, ids)), self.tokenizer.pad_token_id
        device = next(self.model.parameters()).device
        tokens = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        drawn = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        config = GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            do_sample=decoding.sampled,
            pad_token_id=pad,
            eos_token_id=sorted(self.stops()),
            **(drawn if decoding.sampled else {}),
        )
        made = self.model.generate(
            input_ids=tokens, attention_mask=mask.to(device), generation_config=config
        )
        return [self._answer(row) for row in made[:, width:].cpu()]

    def _answer(self, row: Tensor) -> Answer:
        stops = self.stops()
        ends = [at for at, token in enumerate(row.tolist()) if token in stops]
        kept = row[: ends[0]] if ends else row
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Answer(normalise(text).strip(), bool(ends))

    def _check_lengths(self, ids: list[list[int]], decoding: Decoding) -> None:
        context = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, ids), default=0)
        if context is not None and longest + decoding.max_new_tokens > context:
            rule = f"with {decoding.max_new_tokens} more they exceed the model's context, {context}"
            remedy = "Shorten the prompt, take fewer shots, or lower max_new_tokens"
            raise RecipeError(f"a prompt of {longest} tokens", rule, remedy)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch for a block, and give the generators back as they were.

    Args:
        seed: of the CPU's generator and of every CUDA device's.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
