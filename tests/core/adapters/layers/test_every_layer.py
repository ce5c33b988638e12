"""Every layer with every method: the numbers, merging, saving and loading."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from layer_cases import CASES, METHODS, available, config_of, model_of, unsettle
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor

from scionwood.adapters import attach, base_hash, load_adapter, merge, save_adapter, unmerge
from scionwood.errors import AdapterError

# peft and torch_geometric warn about options and versions.
pytestmark = pytest.mark.filterwarnings("ignore")

Contract = Callable[[str, str, Path], None]

HERE = Path(__file__).parent
PRESENT = [name for name, case in CASES.items() if available(case)]
NEVER = {  # what the page docs/layers.md gives as "no", with the reason in the error
    ("nn.Embedding", "ia3"): "Embedding",
    ("weight-standardised Conv2d", "dora"): "norms of the rows",
    ("weight-standardised Conv2d", "ia3"): "its forward changes the weight",
    ("nn.ConvTranspose2d, groups", "dora"): "norms of the rows",
    ("nn.ConvTranspose2d, groups", "ia3"): "no weights and biases of their own",
    ("nn.MultiheadAttention, kdim and vdim", "ia3"): "no weights and biases of their own",
    ("Mixtral experts, target_parameters", "dora"): "ParamWrapper does not work with use_dora",
    ("Qwen3-MoE experts, target_parameters", "dora"): "ParamWrapper does not work with use_dora",
    ("e3nn o3.Linear, biases", "dora"): "norms of the rows",
    ("e3nn o3.Linear, biases", "ia3"): "no weights and biases of their own",
    ("neuralop SpectralConv, Tucker", "dora"): "norms of the rows",
    ("neuralop SpectralConv, Tucker", "ia3"): "no weights and biases of their own",
}
BOTH = [(name, method) for name in PRESENT for method in METHODS if (name, method) not in NEVER]
DRAWN = [  # each layer once, and the methods in turn
    next(
        (name, method)
        for method in METHODS[number % len(METHODS) :] + METHODS
        if (name, method) not in NEVER
    )
    for number, name in enumerate(PRESENT)
]


def tuned_of(name: str, method: str) -> PeftModel:
    case = CASES[name]
    model, inputs = model_of(case)
    return attach(model, config_of(method, case), head=(), example=inputs).eval()


@cache
def trained(name: str, method: str) -> tuple[PeftModel, Tensor]:
    """Return a model whose adapter is not at its start, and its output."""
    tuned = tuned_of(name, method)
    unsettle(tuned)
    return tuned, answer(name, tuned)


def answer(name: str, model: torch.nn.Module) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(*model_of(CASES[name])[1])
    return out


def close(one: Tensor, other: Tensor, error: float = 1e-5) -> bool:
    return bool((one - other).abs().max() <= error * max(1.0, float(other.abs().max())))


def changes_nothing_until_it_is_trained(name: str, method: str, _: Path) -> None:
    model, _ = model_of(CASES[name])
    base = answer(name, model)
    assert close(answer(name, tuned_of(name, method)), base, 1e-5 if method == "dora" else 1e-6)
    assert not close(trained(name, method)[1], base, 1e-2)


def merges_to_the_same_output_and_unmerges_to_the_same_bits(
    name: str, method: str, _: Path
) -> None:
    tuned, wanted = trained(name, method)
    fresh, _ = model_of(CASES[name])
    merge(tuned)
    try:
        assert close(answer(name, tuned), wanted)
    finally:
        unmerge(tuned)
    assert torch.equal(answer(name, tuned), wanted)
    assert base_hash(tuned) == base_hash(fresh)
    state = tuned.get_base_model().state_dict()
    state = {key.replace("base_layer.", ""): value for key, value in state.items()}
    assert all(torch.equal(state[key], value) for key, value in fresh.state_dict().items())


def has_the_gradient_of_the_merged_weights(name: str, method: str, _: Path) -> None:
    """The slope of the loss along the gradient, through merged weights, is the gradient's norm."""
    double = CASES[name].half is not None  # complex layers compute in single precision only
    tuned = tuned_of(name, method)
    tuned = tuned.double() if double else tuned
    unsettle(tuned)
    # DoRA treats the norms of the rows as constant: only its magnitudes have true gradients.
    trainable = [
        value
        for key, value in tuned.named_parameters()
        if value.requires_grad and (method != "dora" or "magnitude" in key)
    ]
    gradients = torch.autograd.grad(loss(name, tuned, double), trainable)
    norm = float(sum(g.double().square().sum() for g in gradients)) ** 0.5
    step = 1e-3 / norm
    ends = []
    for sign in (1, -2):
        for value, gradient in zip(trainable, gradients, strict=True):
            value.data += sign * step * gradient
        merge(tuned)
        ends.append(float(loss(name, tuned, double)))
        unmerge(tuned)
    assert norm > 1e-3
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(norm**2, rel=1e-3 if double else 2e-2)


def loss(name: str, model: torch.nn.Module, double: bool) -> Tensor:
    inputs = model_of(CASES[name])[1]
    if double:
        inputs = tuple(v.double() if v.is_floating_point() else v for v in inputs)
    out: Tensor = model(*inputs)
    return (out * torch.arange(out.numel(), dtype=out.dtype).cos().view_as(out)).sum()


def stays_near_single_precision_in_bfloat16(name: str, method: str, _: Path) -> None:
    case = CASES[name]
    if case.half is None:
        return
    model, inputs = model_of(case)
    inputs = tuple(v.to(case.half) if v.is_floating_point() else v for v in inputs)
    kind = model.to(case.half)(*inputs).dtype  # some layers of torch_geometric answer in float32
    tuned = attach(model, config_of(method, case), head=(), example=inputs).eval()
    unsettle(tuned)
    out = tuned(*inputs)
    assert out.dtype is kind
    wide = tuple(v.float() if v.is_floating_point() else v for v in inputs)
    wanted = copy.deepcopy(tuned).float()(*wide)
    assert close(out.float(), wanted, 0.05)
    merge(tuned)
    assert close(tuned(*inputs).float(), wanted, 0.05)


def loads_with_the_same_bits(name: str, method: str, folder: Path) -> None:
    tuned, wanted = trained(name, method)
    save_adapter(tuned, folder)
    model, _ = model_of(CASES[name])
    assert torch.equal(answer(name, load_adapter(model, folder)), wanted)


CONTRACTS = (
    changes_nothing_until_it_is_trained,
    merges_to_the_same_output_and_unmerges_to_the_same_bits,
    has_the_gradient_of_the_merged_weights,
    stays_near_single_precision_in_bfloat16,
    loads_with_the_same_bits,
)


@pytest.mark.parametrize("contract", CONTRACTS)
@table(("name", "method"), DRAWN)
def test_an_adapter(contract: Contract, name: str, method: str, tmp_path: Path) -> None:
    contract(name, method, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("contract", CONTRACTS)
@table(("name", "method"), BOTH)
def test_an_adapter_of_every_method(
    contract: Contract, name: str, method: str, tmp_path: Path
) -> None:
    contract(name, method, tmp_path)


@table(("name", "method"), [pair for pair in NEVER if pair[0] in PRESENT])
def test_what_has_no_form_is_refused_by_name(name: str, method: str) -> None:
    model, _ = model_of(CASES[name])
    with pytest.raises(AdapterError, match=NEVER[name, method]):
        tuned_of(name, method)
    fresh = dict(model_of(CASES[name])[0].named_modules())
    before = {key: type(module).__name__ for key, module in model.named_modules()}
    assert before == {key: type(module).__name__ for key, module in fresh.items()}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Save every adapter, and open all of them in a fresh process."""
    root = tmp_path_factory.mktemp("layers")
    for number, (name, method) in enumerate(BOTH):
        place = root / f"{number:03}"
        save_adapter(trained(name, method)[0], place)
        (place / "case.json").write_text(json.dumps({"case": name, "method": method}))
    command = [sys.executable, str(HERE / "open_layers.py"), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return root, said


@pytest.mark.slow
def test_a_fresh_process_loads_each_adapter_exactly(opened: tuple[Path, dict[str, Any]]) -> None:
    root, said = opened
    outputs = load_file(root / "scionwood.safetensors")
    assert said["scionwood"] == {}
    for number, (name, method) in enumerate(BOTH):
        wanted = trained(name, method)[1]
        assert torch.equal(outputs[f"{number:03}"], wanted), (name, method)


@pytest.mark.slow
def test_peft_alone_opens_what_it_knows_and_refuses_the_rest_by_name(
    opened: tuple[Path, dict[str, Any]],
) -> None:
    root, said = opened
    outputs, errors = load_file(root / "peft.safetensors"), said["peft"]
    assert said["imported"] is False
    for number, (name, method) in enumerate(BOTH):
        key = f"{number:03}"
        if key in errors:
            assert "scionwood.load_adapter" in errors[key], (name, method)
        else:
            assert close(outputs[key], trained(name, method)[1]), (name, method)
    assert {
        ("nn.Linear", "lora"),
        ("nn.MultiheadAttention", "rslora"),
        ("torchvision EncoderBlock", "lora"),
        ("Mixtral experts, target_parameters", "lora"),
        ("nn.Embedding", "lora"),
    } <= {BOTH[int(key)] for key in outputs}
