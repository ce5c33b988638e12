"""Saved adapters load bit-equal in a process that imports only `scionwood_methods.peft`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fresh_cases import CASES, answer
from method_layers import PAIRS, adapted, available, example, unsettle
from peft import get_peft_model
from prefix_models import config

from scionwood_methods.igsp.pruning import prune
from scionwood_methods.loft.calibration import calibrate
from scionwood_methods.p2d_heads.scores import head_targets
from scionwood_methods.peft import (
    HeadSliceConfig,
    HelloraConfig,
    IgspConfig,
    LoftConfig,
    PartialConfig,
)
from scionwood_methods.peml.search import discretise

SCRIPT = Path(__file__).parent / "support" / "fresh_cases.py"
MIXTURE = "model.layers.1.mlp.experts"
HEADS = {"layers.0": [1], "layers.1": [0, 3]}


def configs(base):
    targets = ["first", "second"]
    parts = ["embed", "recurrent", "block", "attend", "norm", "table"]
    grouped = {"num_heads": 4, "num_kv_heads": 2, "target_modules": head_targets(base, HEADS)}
    return {
        "loft-principal": LoftConfig(r=4, target_modules=targets),
        "loft-gradient": LoftConfig(r=4, support="gradient", target_modules=targets),
        "loft-random": LoftConfig(r=4, support="random", target_modules=targets),
        "partial-delta": PartialConfig(target_modules=parts),
        "partial-values": PartialConfig(target_modules=parts, stored="values"),
        "p2d_heads": HeadSliceConfig(heads=HEADS, **grouped),
        "hellora": HelloraConfig(experts={MIXTURE: [1, 4]}, target_modules=[MIXTURE, "q_proj"]),
        "peml": config("llama"),
        "peml-searched": config("llama", network="search"),
        "igsp-pruned": IgspConfig(r=2, experts=3, target_modules=targets),
    }


def finish(name, model, x):
    """Prepare an adapter for saving."""
    if name == "loft-gradient":
        calibrate(model, [x], lambda tuned, batch: tuned(batch).square().mean())
    if name == "peml-searched":
        discretise(model)
    if name == "igsp-pruned":
        shares = {"first": torch.tensor([0.4, 0.6, 0.0]), "second": torch.tensor([1.0, 0.0, 0.0])}
        prune(model, shares)
    return unsettle(model).eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_adapters_load_bit_equal_in_a_new_process(tmp_path):
    names = list(configs(CASES["p2d_heads"]()[0]))
    for method, kind in PAIRS:
        if available(kind):
            names += [save(tmp_path, method, kind)]
    for name in configs(CASES["p2d_heads"]()[0]):
        base, x = CASES[name.partition("-")[0]]()
        model = get_peft_model(base, configs(base)[name])
        finish(name, model, x)
        model.save_pretrained(tmp_path / name)
        torch.save(answer(model, x), tmp_path / name / "answer.pt")
    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    verdicts = json.loads(run.stdout)
    assert verdicts.pop("before the import").startswith("KeyError: ")
    assert verdicts == dict.fromkeys(sorted(names), True)


def save(folder, method, kind):
    """Save an adapter on a kind of layer with its output, and return the name of its folder."""
    model, name = unsettle(adapted(method, kind)).eval(), f"{method}, {kind}"
    model.save_pretrained(folder / name)
    (folder / name / "kind.json").write_text(json.dumps(kind))
    torch.save(answer(model, example(kind)), folder / name / "answer.pt")
    return name
