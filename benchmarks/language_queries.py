"""Tune SmolLM2 on variants of one question before it answers: all variants, or verified ones alone.

    python benchmarks/language_queries.py     # four minutes on one core

The questions are those of `language/mixed_tasks`. The model reads a question without examples,
answers it, makes variants, is tuned on them, and answers again. An answer is right if its last
number is. The arm without a verifier is QueST as it was reconstructed here; the verified arm is
ours. After each question the weights must have the bits that they had before. All settings were
fixed before any answer was seen.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import torch
from language_parts import MODEL
from runner import Table, parsed

from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.data.generated import MixedTasks
from scionwood_language.query.options import TuneOptions
from scionwood_language.query.tuning import Verify, answer_tuned, make_variants, verify_digits

QUESTIONS, VARIANTS, STEPS, TOKENS = 6, 6, 4, 24
ARMS: dict[str, Verify | None] = {"all variants": None, "verified variants": verify_digits}


def digest(model: torch.nn.Module) -> str:
    """Return a hash of all weights, by their names."""
    code = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        code.update(name.encode())
        code.update(value.contiguous().numpy().tobytes())
    return code.hexdigest()


def main() -> None:
    model: Any = causal_lm(model=parsed(__doc__, MODEL).model)
    before = digest(model)
    table = Table("language_queries")
    for question, right, more in MixedTasks(n_test=QUESTIONS).pairs("test"):
        if table.has(question=question):
            continue
        variants = make_variants(model, question, VARIANTS)
        for arm, verify in ARMS.items():
            options = TuneOptions(steps=STEPS, max_new_tokens=TOKENS)
            answered = answer_tuned(model, question, options, variants=variants, verify=verify)
            row: dict[str, object] = {"question": question, "task": more["task"], "arm": arm}
            row |= {"made": answered.samples, "trained on": len(answered.variants)}
            row |= {"before": int(_last(answered.before) == right)}
            row |= {"after": int(_last(answered.answer) == right)}
            table.add(row | {"same bits": int(digest(model) == before)})


def _last(answer: str) -> str:
    return (re.findall(r"\d+", answer) or [""])[-1]


if __name__ == "__main__":
    main()
