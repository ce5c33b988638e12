"""Bases and inputs that two processes build alike; run as a script, it opens saved adapters.

`python fresh_cases.py FOLDER` opens every folder in FOLDER, named after its case, with peft after
one import, and prints whether each gives the answer that was saved beside it.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from expert_models import tokens as words
from expert_models import transformer
from method_layers import bare, example
from mixed_model import Mixed, tokens
from peft import PeftModel
from prefix_models import CASES as ATTENDED
from prefix_models import base
from torch import Tensor


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """A model in eval mode, the same in every process."""
    torch.manual_seed(1)
    return build().eval()


CASES: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "loft": lambda: (bare("Linear").eval(), example("Linear")),
    "partial": lambda: (seeded(Mixed), tokens()),
    "p2d_heads": lambda: (seeded(Attentive), numbers()),
    "hellora": lambda: (transformer("olmoe"), words()),
    "peml": lambda: (base("llama"), ATTENDED["llama"].example()),
    "igsp": lambda: (bare("Linear").eval(), example("Linear")),
}


@torch.no_grad()
def answer(model: nn.Module, x: Tensor) -> Tensor:
    """The output, of a language model its logits."""
    output = model(x)
    return output if isinstance(output, Tensor) else output.logits


def main(folder: Path) -> None:
    """Open every case with peft and say whether its answer is the saved one, bit for bit."""
    import scionwood_methods.peft  # noqa: F401  # the one import that a user of plain peft makes

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    verdicts = {}
    for each in sorted(folder.iterdir()):
        base, x = CASES[each.name.partition("-")[0]]()
        tuned = PeftModel.from_pretrained(base, str(each)).eval()
        wanted = torch.load(each / "answer.pt", weights_only=True)
        verdicts[each.name] = bool(torch.equal(answer(tuned, x), wanted))
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
