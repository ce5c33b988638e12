"""Generate answers with a causal language model: in batches, greedy or sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from scionwood import RecipeError, find_run, load_adapter, load_run, merge, resolve
from scionwood.authoring import atomic_folder, check_target, with_base, writing
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import Message, end_of_text, end_of_turn, prompt_ids
from scionwood_language.inference.decoding import Decoding
from scionwood_language.model.tiny import TINY

RECIPE = "recipe.yaml"


class Answer(NamedTuple):
    """An answer of a model.

    Attributes:
        text: the text without special tokens.
        ended: whether the model ended the answer itself, before the limit of tokens.

    Example:
        >>> from scionwood_language import Answer
        >>> Answer("Yes.", ended=True).ended
        True
    """

    text: str
    ended: bool


def load_model(model: str = TINY, device: str = "cpu") -> Any:
    """Load a causal language model, with its tokenizer as `tokenizer`.

    Args:
        model: `tiny`, `smollm2`, a folder or GGUF file, PACKAGE:FOLDER, or owner/name on the hub.
        device: the device of the model.

    Raises:
        WeightsError: the model cannot be loaded.

    Example:
        >>> from scionwood_language import load_model
        >>> load_model("tiny").config.num_hidden_layers
        2
    """
    return causal_lm(model=model).to(device)


@torch.no_grad()
def write(
    model: Any,
    prompts: Sequence[Sequence[Message]],
    decoding: Decoding = Decoding(),
    *,
    tokenizer: Any = None,
    progress: Callable[[int], None] | None = None,
) -> list[Answer]:
    """Generate an answer to each conversation.

    Prompts are padded on the left, so that each answer begins where its prompt ends. The same seed
    and batch size give the same samples. The global generator of torch is not changed.

    Args:
        model: a model of `language/causal_lm`, or any causal model of transformers or peft.
        prompts: the turns of each conversation, without the answer.
        decoding: how tokens are chosen.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
        progress: called with the number of answers so far.

    Raises:
        RecipeError: a prompt and its answer exceed the context length of the model.

    Example:
        >>> from scionwood_language import Decoding, load_model, write
        >>> model = load_model("tiny")
        >>> turns = [{"role": "user", "content": "Hi"}]
        >>> [answer] = write(model, [turns], Decoding(max_new_tokens=4))
        >>> answer.ended
        False
    """
    tokenizer = model.tokenizer if tokenizer is None else tokenizer
    ids = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    context = getattr(model.config, "max_position_embeddings", None)
    longest, new = max(map(len, ids), default=0), decoding.max_new_tokens
    if context is not None and longest + new > context:
        rule = f"with {new} new tokens it exceeds the context of the model, {context} tokens"
        remedy = "Shorten the prompt, use fewer shots, or lower max_new_tokens"
        raise RecipeError(f"a prompt of {longest} tokens", rule, remedy)
    answers: list[Answer] = []
    model.eval()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(decoding.seed)
        for start in range(0, len(ids), decoding.batch_size):
            part = ids[start : start + decoding.batch_size]
            answers += answers_to(model, tokenizer, part, decoding)
            if progress is not None:
                progress(len(answers))
    return answers


@torch.no_grad()
def answers_to(
    model: Any, tokenizer: Any, ids: Sequence[Sequence[int]], decoding: Decoding
) -> list[Answer]:
    """Return the answers to prompts as tokens, all in one batch; see `write`."""
    from transformers import GenerationConfig

    sampling: dict[str, Any] = {}
    if decoding.sampled:
        sampling = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    ends, pad = end_tokens(model, tokenizer), tokenizer.pad_token_id
    width, device = max(map(len, ids)), next(model.parameters()).device
    padded = [[pad] * (width - len(row)) + [*row] for row in ids]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in ids]
    tokens: Tensor = model.generate(
        input_ids=torch.tensor(padded, device=device),
        attention_mask=torch.tensor(mask, device=device),
        generation_config=GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            do_sample=decoding.sampled,
            pad_token_id=pad,
            eos_token_id=sorted(ends),
            **sampling,
        ),
    )
    answers = []
    for row in tokens[:, width:].tolist():
        end = next((at for at, token in enumerate(row) if token in ends), None)
        text = tokenizer.decode(row[:end], skip_special_tokens=True)
        answers.append(Answer(text.strip(), end is not None))
    return answers


class Writer:
    """Generates text with a language model, with or without its adapter.

    Args:
        model: a backbone of `language/causal_lm`, or any causal model of transformers or peft.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
        base: a function that builds the model without its adapter. It is needed if the adapter
            cannot be switched off.

    Example:
        >>> from scionwood_language import Decoding, Writer, load_model
        >>> writer = Writer(load_model("tiny"))
        >>> turns = [{"role": "user", "content": "Hi"}]
        >>> len(writer.write([turns], Decoding(max_new_tokens=4)))
        1
    """

    def __init__(
        self, model: Any, tokenizer: Any = None, *, base: Callable[[], Any] | None = None
    ) -> None:
        self.model = model.eval()
        self.tokenizer = model.tokenizer if tokenizer is None else tokenizer
        self._base = base

    @classmethod
    def of_run(cls, run: str | Path, device: str = "cpu") -> Self:
        """Load the model of a run with its trained adapter.

        Args:
            run: the folder of a run with a task on `language/causal_lm`, or another reference to
                it; see `scionwood.find_run`.
            device: the device of the model.

        Raises:
            TrainingError: the folder is not a finished run.
            AdapterFileError: the adapter is damaged, or was made for another base.
        """
        folder = find_run(run)

        def base() -> Any:
            return with_base(folder, resolve(folder / RECIPE)).backbone.build().to(device)

        return cls(load_run(folder, device).backbone, base=base)

    @classmethod
    def of_adapter(cls, folder: str | Path, model: str, device: str = "cpu") -> Self:
        """Load a model with the adapter of a plain peft folder.

        Raises:
            WeightsError: the model cannot be loaded.
            AdapterFileError: the adapter is damaged, or does not fit the model.
        """
        return cls(load_adapter(load_model(model), Path(folder)).to(device))

    @contextmanager
    def without_adapter(self) -> Iterator[Self]:
        """Yield a writer of the base model, without the adapter, for the block."""
        if hasattr(self.model, "disable_adapter"):
            with self.model.disable_adapter():
                yield type(self)(self.model, self.tokenizer)
        elif self._base is None:
            yield self
        else:
            yield type(self)(self._base(), self.tokenizer)

    def write(
        self,
        prompts: Sequence[Sequence[Message]],
        decoding: Decoding = Decoding(),
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Generate an answer to each conversation; see the function `write`."""
        return write(self.model, prompts, decoding, tokenizer=self.tokenizer, progress=progress)

    def save_merged(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the merged model and its tokenizer; see the function `save_merged`."""
        self.model = save_merged(self.model, folder, tokenizer=self.tokenizer, overwrite=overwrite)


def save_merged(
    model: Any, folder: str | Path, *, tokenizer: Any = None, overwrite: bool = False
) -> Any:
    """Write a model with its adapter merged, and the tokenizer, as a folder of transformers.

    Args:
        model: the model. Afterwards its adapter is merged.
        folder: the new folder. It appears only if everything was written.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
        overwrite: replace a folder that exists.

    Returns:
        The model without the layers of the adapter, which answers as it did with the adapter.

    Raises:
        AdapterError: the adapter method cannot be merged.
        OutputExistsError: the folder exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_language import load_model, save_merged
        >>> merged = save_merged(load_model("tiny"), "merged")
        >>> Path("merged/config.json").is_file()
        True
    """
    check_target(folder, overwrite)
    tokenizer = model.tokenizer if tokenizer is None else tokenizer
    if hasattr(model, "unload"):
        merge(model)
        model = model.unload()
    with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    return model


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer: of the tokenizer, its template, and the config."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    others = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return {end_of_text(tokenizer), end_of_turn(tokenizer), *others}
