"""Tune a model on variants of one question: `scionwood language query-tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scionwood.authoring import prints
from scionwood_language.query.options import TuneOptions

if TYPE_CHECKING:
    from scionwood_language.query.tuning import Tuned


def _print_tuned(tuned: Tuned) -> None:
    print(f"before: {tuned.before}")
    if not tuned.variants:
        print(f"no variant of {tuned.samples} is left, so nothing was tuned")
        return
    print(f"after:  {tuned.answer}")
    print(f"tuned on {len(tuned.variants)} of {tuned.samples} variants")


@prints(_print_tuned)
def query_tune(
    question: str,
    options: TuneOptions = TuneOptions(),
    *,
    model: str = "smollm2",
    n: int = 8,
    verify: Literal["none", "digits"] = "none",
) -> Tuned:
    """Print the answers of a model to a question, before and after tuning on variants of it.

    The model makes the variants itself. Afterwards the adapter is removed. It is a reconstruction
    of QueST (arXiv 2605.13369); the verifier is ours.

    Args:
        question: the question, such as "Which number comes after 41?".
        options: how the adapter is tuned.
        model: tiny, smollm2, a folder, or owner/name on the hub.
        n: how many variants are sampled.
        verify: drop wrong solutions: none keeps all; digits knows the tasks of
            language/mixed_tasks.

    Raises:
        RecipeError: a size is not positive.
        WeightsError: the model cannot be loaded.

    Example:
        >>> from scionwood_language import query_tune
        >>> query_tune("Which number comes after 41?", model="tiny", n=1).samples
        0
    """
    from scionwood_language.inference.writer import load_model
    from scionwood_language.query.tuning import answer_tuned, make_variants, verify_digits

    loaded = load_model(model)
    variants = make_variants(loaded, question, n, options.seed)
    check = verify_digits if verify == "digits" else None
    return answer_tuned(loaded, question, options, variants=variants, verify=check)
