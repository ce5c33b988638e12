"""Tune SmolLM2 on variants of one question before it answers: all variants, or verified ones alone.

    python benchmarks/language_queries.py     # four minutes on one core

The questions are those of `language/mixed_tasks`. The model reads a question without examples,
answers it, makes variants, is tuned on them, and answers again. An answer is right if its last
number is. The arm without a verifier is QueST as it was reconstructed here; the verified arm is
ours. After each question the weights must have the bits that they had before. All settings were
fixed before any answer was seen.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from typing import Any

import torch
from language_parts import append, read

from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.data.generated import MixedTasks
from scionwood_language.query.options import TuneOptions
from scionwood_language.query.tuning import Verify, answer_tuned, make_variants, verify_digits

QUESTIONS, VARIANTS, STEPS, TOKENS = 6, 6, 4, 24
ARMS: dict[str, Verify | None] = {"all variants": None, "verified variants": verify_digits}


def digest(model: torch.nn.Module) -> str:
    """Return a hash of all weights, by their names."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()


def main() -> None:
    """Answer each question in each arm, and write one row for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="smollm2", help="or a folder with the same weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = causal_lm(model=options.model)
    before = digest(model)
    pairs = MixedTasks(n_test=QUESTIONS).pairs("test")
    done = {row["question"] for row in read("language_queries")}
    for question, right, more in pairs:
        if question in done:
            continue
        made = make_variants(model, question, VARIANTS)
        for arm, verify in ARMS.items():
            options = TuneOptions(steps=STEPS, max_new_tokens=TOKENS)
            answered = answer_tuned(model, question, options, variants=made, verify=verify)
            row: dict[str, object] = {"question": question, "task": more["task"], "arm": arm}
            row |= {"made": answered.samples, "trained on": len(answered.variants)}
            row |= {"before": int(_last(answered.before) == right)}
            row |= {"after": int(_last(answered.answer) == right)}
            append("language_queries", row | {"same bits": int(digest(model) == before)})


def _last(answer: str) -> str:
    return (re.findall(r"\d+", answer) or [""])[-1]


if __name__ == "__main__":
    main()
