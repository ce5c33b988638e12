"""The command `scionwood language query-tune`."""

from __future__ import annotations

from typing import Literal


def query_tune(
    question: str,
    *,
    model: str = "smollm2",
    n: int = 8,
    steps: int = 8,
    rank: int = 8,
    verify: Literal["none", "digits"] = "none",
    seed: int = 0,
) -> None:
    """Print the answers of a model to a question, before and after tuning on variants of it.

    The model makes the variants itself. Afterwards the adapter is removed. It is a reconstruction
    of QueST (arXiv 2605.13369); the verifier is ours.

    Args:
        question: the question, such as "Which number comes after 41?".
        model: tiny, smollm2, a folder, or owner/name on the hub.
        n: how many variants are sampled.
        steps: the optimiser steps, each on all variants.
        rank: the rank of LoRA.
        verify: drop wrong solutions: none keeps all; digits knows the tasks of
            language/mixed_tasks.
        seed: the seed of the samples and the adapter.

    Raises:
        RecipeError: a size is not positive.
        WeightsError: the model cannot be loaded.
    """
    from scionwood_language.backbones.causal_lm import causal_lm
    from scionwood_language.query.tuning import answer_tuned, make_variants, verify_digits

    loaded = causal_lm(model=model)
    made = make_variants(loaded, question, n, seed)
    check = verify_digits if verify == "digits" else None
    done = answer_tuned(
        loaded, question, variants=made, verify=check, steps=steps, rank=rank, seed=seed
    )
    print(f"before: {done.before}")
    if not done.variants:
        print(f"no variant of {done.made} is left, so nothing was tuned")
        return
    print(f"after:  {done.answer}")
    print(f"tuned on {len(done.variants)} of {done.made} variants")
