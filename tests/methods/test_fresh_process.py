"""Saved adapters load bit-equal in a process that imports only `scionwood_methods.peft`."""

import json
from pathlib import Path

import pytest
import torch
from method_layers import EXPERTS, PAIRS, adapted, example, unsettle

from scionwood_methods.igsp.pruning import prune
from scionwood_methods.loft.calibration import calibrate
from scionwood_methods.peml.search import discretise

SCRIPT = Path(__file__).parent / "support" / "fresh_cases.py"
MORE = {
    "loft-gradient": ("loft", "Linear", {"support": "gradient"}),
    "loft-random": ("loft", "Linear", {"support": "random"}),
    "igsp-pruned": ("igsp", "Linear", {}),
    "peml-searched": ("peml", "searched attention", {}),
    "hellora-mixed": ("hellora", "experts", {"target_modules": [EXPERTS[0], "q_proj"]}),
}
"""Method, kind of model and options of adapters that are finished in some way before saving."""


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
def test_adapters_load_bit_equal_in_a_new_process(tmp_path, python):
    names = {f"{m}, {kind}": (m, kind, {}) for m, kind in PAIRS} | MORE
    for name, (method, kind, options) in names.items():
        model, x = adapted(method, kind, **options), example(kind)
        finish(name, model, x).save_pretrained(tmp_path / name)
        (tmp_path / name / "kind.json").write_text(json.dumps(kind))
        with torch.no_grad():
            torch.save(model(x), tmp_path / name / "answer.pt")
    verdicts = json.loads(python(str(SCRIPT), str(tmp_path)))
    assert verdicts.pop("before the import").startswith("KeyError: ")
    assert verdicts == dict.fromkeys(sorted(names), True)
