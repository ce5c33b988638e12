"""Open every folder in argv[1] in a fresh process, and print how far the answers are off.

Plain peft comes first, before anything imports scionwood.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import peft
import torch
from foreign_models import MODELS, answer, built
from safetensors.torch import load_file

warnings.simplefilter("ignore")
said: dict[str, dict[str, float | str]] = {}
for opener in ("peft", "scionwood"):
    if opener == "peft":
        load = peft.PeftModel.from_pretrained
    else:
        assert "scionwood" not in sys.modules
        import scionwood

        load = scionwood.load_adapter
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        name = (folder / "name.txt").read_text()
        wanted = load_file(folder / "answer.safetensors")["answer"]
        torch.manual_seed(1)
        inputs = MODELS[name].inputs()
        try:
            model = load(built(name), str(folder)).eval()
        except KeyError as error:
            said.setdefault(name, {})[opener] = str(error)
            continue
        with torch.no_grad():
            error = float((answer(model, inputs) - wanted).abs().max() / wanted.abs().max())
        said.setdefault(name, {})[opener] = error
print(json.dumps(said))
