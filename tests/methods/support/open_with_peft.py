"""Open every folder under argv[1] with peft, before the one import that it takes and after it."""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path

import peft
import torch
from method_layers import bare, example

warnings.simplefilter("ignore")
verdicts = {}
folders = sorted(Path(sys.argv[1]).iterdir())
try:
    peft.PeftConfig.from_pretrained(str(folders[0]))
except KeyError as error:
    verdicts["before the import"] = f"KeyError: {error}"
import_module("scionwood_methods.peft")
for folder in folders:
    kind = json.loads((folder / "kind.json").read_text())
    tuned = peft.PeftModel.from_pretrained(bare(kind), str(folder)).eval()
    wanted = torch.load(folder / "answer.pt", weights_only=True)
    verdicts[folder.name] = bool(torch.equal(tuned(example(kind)), wanted))
print(json.dumps(verdicts))
