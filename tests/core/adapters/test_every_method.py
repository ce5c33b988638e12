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


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save one folder for each method, without network access."""
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
    """Open all folders in one process that never imports scionwood."""
    script = Path(__file__).parent / "support" / "open_with_peft.py"
    done = subprocess.run(
        [sys.executable, script, saved], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    assert answers.pop("scionwood was imported") is False
    return answers


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_peft_alone_opens_the_folder_with_the_same_output(
    method: str, verdicts: dict[str, bool]
) -> None:
    needs(method)
    assert verdicts[method] is True


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_load_adapter_gives_the_same_output(method: str, saved: Path) -> None:
    needs(method)
    model = language_model() if method in LANGUAGE else Net()
    if method not in LANGUAGE:
        load_head(model, saved / method / "head.safetensors")
    tuned = load_adapter(model, saved / method)
    wanted = torch.load(saved / method / "answer.pt", weights_only=True)
    assert torch.equal(answer(method, tuned), wanted)


@pytest.mark.parametrize("method", [*PLAIN, *LANGUAGE])
def test_attaching_does_not_change_the_base(method: str) -> None:
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


def test_a_saved_folder_has_three_files_and_no_model_card(saved: Path) -> None:
    names = {path.name for path in (saved / "lora").iterdir()}
    assert names - {"head.safetensors", "answer.pt"} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "scionwood.json",
    }
