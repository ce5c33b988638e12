"""Generate answers with a causal language model: in batches, greedy or sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from scionwood import RecipeError, find_run, load_adapter, load_run, merge, resolve
from scionwood.authoring import atomic_folder, check_target, with_base, writing
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import Message, end_of_text, end_of_turn, prompt_ids

RECIPE = "recipe.yaml"


class Answer(NamedTuple):
    """An answer of a model.

    Attributes:
        text: the text without special tokens.
        ended: whether the model ended the answer itself, before the limit of tokens.

    Example:
        >>> from scionwood_language.api import Answer
        >>> Answer("Yes.", ended=True).ended
        True
    """

    text: str
    ended: bool


def model_of_run(run: str | Path, device: str = "cpu") -> tuple[Any, Callable[[], Any]]:
    """Load the model of a run with its trained adapter.

    Args:
        run: the folder of a run with a task on `language/causal_lm`, or another reference to it;
            see `scionwood.find_run`.
        device: the device of the model.

    Returns:
        The model, and a function that builds its base without the adapter.

    Raises:
        TrainingError: the folder is not a finished run.
        AdapterFileError: the adapter is damaged, or was made for another base.
    """
    folder = find_run(run)
    backbone: Any = load_run(folder, device).backbone
    return backbone, lambda: _base(folder).to(device)


def _base(folder: Path) -> Any:
    return with_base(folder, resolve(folder / RECIPE)).backbone.build()


def model_of_adapter(folder: str | Path, model: str, device: str = "cpu") -> Any:
    """Load a model with the adapter of a plain peft folder.

    Args:
        folder: the folder with adapter_config.json.
        model: the base model, as for `language/causal_lm`.
        device: the device of the model.

    Raises:
        WeightsError: the model cannot be loaded.
        AdapterFileError: the adapter is damaged, or does not fit the model.
    """
    return load_adapter(causal_lm(model=model), Path(folder)).to(device)


def check_decoding(
    *,
    sampled: bool = False,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 96,
    batch_size: int = 32,
    seed: int = 0,
) -> None:
    """Refuse options of `write` that are out of range.

    Raises:
        RecipeError: the message names the options.
    """
    if max_new_tokens < 1 or batch_size < 1:
        sizes = f"max_new_tokens={max_new_tokens}, batch_size={batch_size}"
        raise RecipeError(sizes, "both must be at least 1", "Give positive numbers")
    if not (temperature > 0 and math.isfinite(temperature)) or not 0 < top_p <= 1:
        options = f"temperature={temperature}, top_p={top_p}"
        rule = "temperature must be above 0, and top_p above 0 and at most 1"
        raise RecipeError(options, rule, "Such as 0.8 and 0.95")


@torch.no_grad()
def write(
    model: Any,
    prompts: Sequence[Sequence[Message]],
    *,
    tokenizer: Any = None,
    sampled: bool = False,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_new_tokens: int = 96,
    batch_size: int = 32,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Answer]:
    """Generate an answer to each conversation.

    Prompts are padded on the left, so that each answer begins where its prompt ends. The same seed
    and batch size give the same samples. The global generator of torch is not changed.

    Args:
        model: a model of `language/causal_lm`, or any causal model of transformers or peft.
        prompts: the turns of each conversation, without the answer.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
        sampled: sample each token. Otherwise take the most probable token.
        temperature: the divisor of the logits of samples.
        top_p: samples come from the most probable tokens that together reach this probability.
        max_new_tokens: the length at which an answer is cut off.
        batch_size: the number of prompts in a batch.
        seed: the seed of the samples.
        progress: called with the number of answers done.

    Raises:
        RecipeError: an option is out of range, or a prompt and its answer exceed the context length
            of the model.

    Example:
        >>> from scionwood_language.api import load_model, write
        >>> model = load_model("tiny")
        >>> [answer] = write(model, [[{"role": "user", "content": "Hi"}]], max_new_tokens=4)
        >>> answer.ended
        False
    """
    check_decoding(
        temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens, batch_size=batch_size
    )
    own = model.tokenizer if tokenizer is None else tokenizer
    ids = [prompt_ids(own, prompt) for prompt in prompts]
    _check_lengths(model, ids, max_new_tokens)
    config = _config(model, own, max_new_tokens, (temperature, top_p) if sampled else None)
    answers: list[Answer] = []
    model.eval()
    with _seeded(seed):
        for start in range(0, len(ids), batch_size):
            rows = _generated(model, ids[start : start + batch_size], config)
            answers += [_answer(own, row, config.eos_token_id) for row in rows]
            if progress is not None:
                progress(len(answers))
    return answers


@contextmanager
def without_adapter(model: Any, base: Callable[[], Any] | None = None) -> Iterator[Any]:
    """Yield a model without its adapter for a block.

    Args:
        model: a model with or without an adapter.
        base: builds the model without its adapter, for one that cannot be switched off.
    """
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():
            yield model
    else:
        yield model if base is None else base()


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
        >>> from scionwood_language.api import load_model, save_merged
        >>> merged = save_merged(load_model("tiny"), "merged")
        >>> Path("merged/config.json").is_file()
        True
    """
    check_target(folder, overwrite)
    own = model.tokenizer if tokenizer is None else tokenizer
    if hasattr(model, "unload"):
        merge(model)
        model = model.unload()
    with writing(folder), atomic_folder(folder, overwrite=overwrite) as part:
        model.save_pretrained(part)
        own.save_pretrained(part)
    return model


def end_tokens(model: Any, tokenizer: Any = None) -> set[int]:
    """Return the tokens that end an answer: of the tokenizer, its template, and the config.

    Args:
        model: the model.
        tokenizer: the tokenizer. `None` takes `model.tokenizer`.
    """
    own = model.tokenizer if tokenizer is None else tokenizer
    configured = getattr(model.generation_config, "eos_token_id", None)
    if configured is None:
        configured = []
    others = configured if isinstance(configured, list) else [configured]
    return {end_of_text(own), end_of_turn(own), *others}


def _config(model: Any, tokenizer: Any, new: int, sampling: tuple[float, float] | None) -> Any:
    from transformers import GenerationConfig

    drawn = {"temperature": sampling[0], "top_p": sampling[1], "top_k": 0} if sampling else {}
    return GenerationConfig(
        max_new_tokens=new,
        do_sample=sampling is not None,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=sorted(end_tokens(model, tokenizer)),
        **drawn,
    )


def _generated(model: Any, ids: list[list[int]], config: Any) -> Tensor:
    width, pad = max(map(len, ids)), config.pad_token_id
    device = next(model.parameters()).device
    tokens = torch.tensor([[pad] * (width - len(row)) + row for row in ids], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
    made: Tensor = model.generate(
        input_ids=tokens, attention_mask=mask.to(device), generation_config=config
    )
    return made[:, width:].cpu()


def _answer(tokenizer: Any, row: Tensor, ends: list[int]) -> Answer:
    places = [at for at, token in enumerate(row.tolist()) if token in ends]
    text = tokenizer.decode(row[: places[0]] if places else row, skip_special_tokens=True)
    return Answer(text.strip(), bool(places))


def _check_lengths(model: Any, ids: list[list[int]], new: int) -> None:
    context = getattr(model.config, "max_position_embeddings", None)
    longest = max(map(len, ids), default=0)
    if context is not None and longest + new > context:
        rule = f"with {new} new tokens it exceeds the context of the model, {context} tokens"
        remedy = "Shorten the prompt, use fewer shots, or lower max_new_tokens"
        raise RecipeError(f"a prompt of {longest} tokens", rule, remedy)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
