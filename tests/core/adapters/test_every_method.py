"""Every method of peft: attached, changed, saved, loaded, and opened by peft alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from adapter_nets import LANGUAGE, OPTIONS, Net, answer, language_model, unsettle
from case_table import table
from peft import PeftModel

from scionwood.adapters import (
    attach,
    base_hash,
    load_adapter,
    load_head,
    save_adapter,
    save_head,
)
from scionwood.adapters.methods import config_class, methods

# Many methods of peft warn about their own options.
pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = [name for name in methods() if "/" not in name]
TARGETS = {"ln_tuning": "norms", "trainable_tokens": None}


def needs(method: str) -> None:
    if method == "adamss":
        pytest.importorskip("sklearn", reason="AdaMSS clusters with scikit-learn")


def make(method: str) -> PeftModel:
    needs(method)
    if method in LANGUAGE:
        config = config_class(method)(task_type="CAUSAL_LM", **LANGUAGE[method])
        return unsettle(attach(language_model(), config)).eval()
    config = config_class(method)(**OPTIONS.get(method, {}))
    example = (torch.arange(10).reshape(2, 5),) if method == "trainable_tokens" else None
    model = attach(Net(), config, targets=TARGETS.get(method, "mlp"), example=example)
    return unsettle(model).eval()


@table("method", [*PLAIN, *LANGUAGE], parts=3)
def test_a_method_keeps_the_base_and_loads_with_the_same_output(method, tmp_path):
    model = make(method)
    base = language_model() if method in LANGUAGE else Net()
    assert base_hash(model) == base_hash(base)
    assert method in LANGUAGE or only_adapter_and_head_train(model)
    save(model, method, tmp_path)
    if method not in LANGUAGE:
        load_head(base, tmp_path / "head.safetensors")
    tuned = load_adapter(base, tmp_path)
    assert torch.equal(answer(method, tuned), answer(method, model))


def only_adapter_and_head_train(model: PeftModel) -> bool:
    base = dict(Net().named_parameters())
    return all(
        parameter.requires_grad == name.startswith("decoder.")
        for name, parameter in model.get_base_model().named_parameters()
        if name.replace(".base_layer.", ".").replace(".original_module.", ".") in base
    )


def save(model: PeftModel, method: str, folder: Path) -> None:
    """Save an adapter, and the head where there is one, without network access."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("network"))
        save_adapter(model, folder)
        if method not in LANGUAGE:
            save_head(model, folder / "head.safetensors")


@pytest.mark.slow
def test_peft_alone_opens_the_folders_with_the_same_output(tmp_path):
    """All of them in one process that never imports scionwood."""
    for method in [*PLAIN, *LANGUAGE]:
        model = make(method)
        save(model, method, tmp_path / method)
        torch.save(answer(method, model).detach(), tmp_path / method / "answer.pt")
    script = Path(__file__).parent / "support" / "open_with_peft.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    verdicts: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    assert verdicts.pop("scionwood was imported") is False
    assert verdicts == dict.fromkeys([*PLAIN, *LANGUAGE], True)
