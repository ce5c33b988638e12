"""Tune an adapter on variants of one question, on a copy of the model, and answer it.

After QueST (arXiv 2605.13369), reconstructed from its abstract: the model makes problems that are
structurally like the question, with solutions. Number, filter, rank and steps are not known, so
they are ours. Here a verifier may drop wrong solutions, which QueST does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from peft import LoraConfig

from scionwood import RecipeError, attach
from scionwood.authoring import minimise
from scionwood_language.chat.templates import encode
from scionwood_language.data.generated import solve, turns
from scionwood_language.data.packing import Collate, row_of
from scionwood_language.inference.decoding import Decoding
from scionwood_language.inference.writer import write
from scionwood_language.query.options import TuneOptions
from scionwood_language.tasks.causal import loss_of

Verify = Callable[[str, str], bool]
"""Takes a problem and a solution, and tells whether the solution is right."""

REQUEST = (
    "Write one new question of the same kind as this one, with other numbers, and its answer.\n"
    "Question: {}\nUse exactly two lines: `Question:` and `Answer:`."
)
_PAIR = re.compile(r"Question:\s*(\S.*?)\s*\n\s*Answer:\s*(\S[^\n]*)", re.DOTALL)


class Tuned(NamedTuple):
    """The result of tuning for one question.

    Attributes:
        before: the answer without tuning.
        answer: the answer after tuning; that without if no variant was left.
        variants: the problems and solutions that were trained on.
        samples: how many the model made in the right form.
    """

    before: str
    answer: str
    variants: list[tuple[str, str]]
    samples: int


def verify_digits(problem: str, solution: str) -> bool:
    """Return whether a solution of a problem of `language/mixed_tasks` is right."""
    return solve(problem) == solution.strip().rstrip(".")


def make_variants(model: Any, question: str, n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return problems like a question with solutions, as the model writes them.

    Raises:
        RecipeError: `n` is not positive.
    """
    if n < 1:
        raise RecipeError(f"n={n}", "at least one variant is sampled", "Such as 8")
    request = turns(REQUEST.format(question), "")[:1]
    answers = write(model, [request] * n, Decoding(sampled=True, max_new_tokens=64, seed=seed))
    pairs = (pair_of(answer.text) for answer in answers)
    return [pair for pair in dict.fromkeys(pairs) if pair and pair[0] != question]


def pair_of(text: str) -> tuple[str, str] | None:
    """Return the question and the first line of the answer that a model wrote, if both exist."""
    match = _PAIR.search(text)
    return (match[1], match[2].strip()) if match else None


def answer_tuned(
    model: Any,
    question: str,
    options: TuneOptions = TuneOptions(),
    *,
    variants: Sequence[tuple[str, str]],
    verify: Verify | None = None,
) -> Tuned:
    """Answer a question with a copy of the model that was tuned on variants of it.

    The model stays as it is. The copy needs as much memory as the model.

    Raises:
        RecipeError: a size is not positive, or the model has an adapter already.
    """
    if min(options.steps, options.rank) < 1 or hasattr(model, "peft_config"):
        value = f"steps={options.steps}, rank={options.rank}"
        value += f", adapter: {hasattr(model, 'peft_config')}"
        rule = "both are at least 1, and the model has no adapter"
        raise RecipeError(value, rule, "Give the bare model")
    prompts = [turns(question, "")[:1]]
    decoding = Decoding(max_new_tokens=options.max_new_tokens)
    [before] = write(model, prompts, decoding)
    pairs = [pair for pair in variants if verify is None or verify(*pair)]
    if not pairs:
        return Tuned(before.text, before.text, [], len(variants))
    rows = [row_of(encode(model.tokenizer, turns(*pair))) for pair in pairs]
    batch = Collate(model.tokenizer.pad_token_id)(rows)
    labels = batch.pop("labels")
    # The start of the adapter and its dropout must not move the caller's random numbers.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(options.seed)
        config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank)
        # Of a copy, so that the model itself needs no way back.
        tuned: Any = attach(deepcopy(model), config, targets="all-linear").train()
        minimise(
            lambda step: loss_of(tuned, batch, labels),
            [p for p in tuned.parameters() if p.requires_grad],
            steps=options.steps,
            lr=options.lr,
            clip=1.0,
        )
        [after] = write(tuned, prompts, decoding, tokenizer=model.tokenizer)
    return Tuned(before.text, after.text, pairs, len(variants))
