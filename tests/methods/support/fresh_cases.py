"""Models and inputs that two processes build alike; run as a script, it loads saved adapters.

`python fresh_cases.py FOLDER` loads every folder in FOLDER with peft after one import, and prints
whether each gives the saved output. A folder has the name of its case, or a file `kind.json`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from expert_models import tokens as words
from expert_models import transformer
from method_layers import bare, example
from mixed_model import Mixed, tokens
from peft import PeftConfig, PeftModel
from prefix_models import CASES as ATTENDED
from prefix_models import base
from torch import Tensor


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a model in evaluation mode, the same in every process."""
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


def case(folder: Path) -> tuple[nn.Module, Tensor]:
    """Return the base model and the input of a folder."""
    path = folder / "kind.json"
    if not path.exists():
        return CASES[folder.name.partition("-")[0]]()
    kind = json.loads(path.read_text())
    return bare(kind).eval(), example(kind)


@torch.no_grad()
def answer(model: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a model, or the logits of a language model."""
    output = model(x)
    return output if isinstance(output, Tensor) else output.logits


def main(folder: Path) -> None:
    """Load every case with peft, and print whether its output is bit-equal to the saved one."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    verdicts = {}
    folders = sorted(folder.iterdir())
    try:
        PeftConfig.from_pretrained(str(folders[0]))
    except KeyError as error:
        verdicts["before the import"] = f"KeyError: {error}"
    import_module("scionwood_methods.peft")  # the only import that a user of plain peft needs
    for each in folders:
        base, x = case(each)
        tuned = PeftModel.from_pretrained(base, str(each)).eval()
        wanted = torch.load(each / "answer.pt", weights_only=True)
        verdicts[each.name] = bool(torch.equal(answer(tuned, x), wanted))
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
