"""Every method of peft: attached, trained for a step, saved, loaded, and opened by peft alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from adapter_nets import LANGUAGE, OPTIONS, Net, answer, language_model, unsettle
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

# Each method warns in its own way of its own options; they are peft's words to the user.
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


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for each method; nothing on the way may touch the network."""
    root = tmp_path_factory.mktemp("methods")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("network"))
        torch.manual_seed(0)
        for method in [*PLAIN, *LANGUAGE]:
            try:
                model = make(method)
            except pytest.skip.Exception:
                continue
            save_adapter(model, root / method)
            if method not in LANGUAGE:
                save_head(model, root / method / "head.safetensors")
            torch.save(answer(method, model).detach(), root / method / "answer.pt")
    return root


@pytest.fixture(scope="module")
def verdicts(saved: Path) -> dict[str, bool]:
    """What one process that never imports scionwood finds in all the folders."""
    script = Path(__file__).parent / "support" / "open_with_peft.py"
    done = subprocess.run(
        [sys.executable, script, saved], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("scionwood was imported") is False
    return found


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_peft_alone_opens_the_folder_and_answers_the_same(
    method: str, verdicts: dict[str, bool]
) -> None:
    needs(method)
    assert verdicts[method] is True


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_load_adapter_answers_the_same(method: str, saved: Path) -> None:
    needs(method)
    model = language_model() if method in LANGUAGE else Net()
    if method not in LANGUAGE:
        load_head(model, saved / method / "head.safetensors")
    tuned = load_adapter(model, saved / method)
    wanted = torch.load(saved / method / "answer.pt", weights_only=True)
    assert torch.equal(answer(method, tuned), wanted)


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_the_base_is_the_same_before_and_after(method: str) -> None:
    fresh = language_model() if method in LANGUAGE else Net()
    assert base_hash(make(method)) == base_hash(fresh)


@pytest.mark.parametrize("method", PLAIN)
def test_only_adapter_and_head_train(method: str) -> None:
    model = make(method)
    base = dict(Net().named_parameters())
    inner = model.get_base_model()
    for name, parameter in inner.named_parameters():
        plain = name.replace(".base_layer.", ".").replace(".original_module.", ".")
        if plain in base:
            assert parameter.requires_grad == name.startswith("decoder."), name


def test_a_saved_folder_holds_three_files_and_no_model_card(saved: Path) -> None:
    names = {path.name for path in (saved / "lora").iterdir()}
    assert names - {"head.safetensors", "answer.pt"} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "scionwood.json",
    }
