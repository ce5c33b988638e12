"""Open every folder in argv[1] with peft alone, and compare the outputs with the saved ones."""

from __future__ import annotations

import json
import socket
import sys
import warnings
from pathlib import Path

import peft
import torch
from adapter_nets import LANGUAGE, Net, answer, language_model
from safetensors.torch import load_file


def refuse(*_: object) -> None:
    raise OSError("this process has no network")


socket.socket.connect = refuse
warnings.simplefilter("ignore")
verdicts = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    method = folder.name
    model = language_model() if method in LANGUAGE else Net()
    if (folder / "head.safetensors").exists():
        model.load_state_dict(load_file(folder / "head.safetensors"), strict=False)
    tuned = peft.PeftModel.from_pretrained(model, str(folder))
    wanted = torch.load(folder / "answer.pt", weights_only=True)
    verdicts[method] = bool(torch.equal(answer(method, tuned.eval()), wanted))
verdicts["scionwood was imported"] = any(name.startswith("scionwood") for name in sys.modules)
print(json.dumps(verdicts))
