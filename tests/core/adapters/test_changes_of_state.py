"""After each change of state that a user can make, fused layers compute what peft computes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from case_table import table
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from scionwood.kernels import enable

CONFIG = {"lora_alpha": 12, "target_modules": ["0"]}


def made(fused: bool) -> Any:
    torch.manual_seed(0)
    model = get_peft_model(nn.Sequential(nn.Linear(32, 32)), LoraConfig(r=4, **CONFIG))
    model.add_adapter("b", LoraConfig(r=2, **CONFIG))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    model.set_adapter("default")
    if fused:
        enable(model)
    model(torch.zeros(1, 32))
    return model


def layer(model: Any) -> Any:
    return model.base_model.model[0]


def replace_a(model: Any) -> None:
    layer(model).lora_A["default"].weight = nn.Parameter(torch.full((4, 32), 0.05))


def change_base(model: Any) -> None:
    with torch.no_grad():
        layer(model).base_layer.weight.mul_(1.5)


def write_through_data(model: Any) -> None:
    layer(model).lora_B["default"].weight.data.mul_(3)


def load_state(model: Any) -> None:
    model.load_state_dict({name: value * 1.3 for name, value in model.state_dict().items()})


def delete_default(model: Any) -> None:
    model.set_adapter("b")
    model.delete_adapter("default")


def exchange_default(model: Any) -> None:
    delete_default(model)
    torch.manual_seed(3)
    model.add_adapter("default", LoraConfig(r=6, init_lora_weights=False, **CONFIG))
    model.set_adapter("default")


def merge_and_unmerge(model: Any) -> None:
    model.merge_adapter()
    model.unmerge_adapter()


def replace_forward(model: Any) -> None:
    base = layer(model).base_layer
    base.forward = lambda x: nn.functional.linear(x, base.weight) * 0.5  # as accelerate does


def weight_as_attribute(model: Any) -> None:
    base = layer(model).base_layer  # as FSDP shows it
    weight = base._parameters.pop("weight").detach()
    base.weight = 1.5 * weight


class Halved(ModelHook):
    def post_forward(self, module: nn.Module, output: Tensor) -> Tensor:
        return output / 2


def hook_a(model: Any) -> None:
    layer(model).lora_A["default"].register_forward_hook(lambda module, inputs, z: 3 * z)


def bias_of_b(model: Any) -> None:
    layer(model).lora_B["default"].bias = nn.Parameter(torch.ones(32))


CHANGES: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda m: None,
    "another A": replace_a,
    "a bias of B": bias_of_b,
    "a hook on A": hook_a,
    "a hook on the base": lambda m: layer(m).base_layer.register_forward_pre_hook(
        lambda module, inputs: (2 * inputs[0],)
    ),
    "a hook on all modules": lambda m: register_module_forward_hook(
        lambda module, inputs, y: 2 * y if type(module) is nn.Linear else None
    ),
    "the scaling": lambda m: layer(m).scaling.update(default=7.0),
    "scale_layer": lambda m: layer(m).scale_layer(2.0),
    "a base that trains": lambda m: layer(m).base_layer.weight.requires_grad_(True),
    "a base changed in place": change_base,
    "a factor changed through data": write_through_data,
    "another adapter": lambda m: m.set_adapter("b"),
    "two adapters": lambda m: m.base_model.set_adapter(["default", "b"]),
    "merged": lambda m: m.merge_adapter(),
    "merged and unmerged": merge_and_unmerge,
    "disabled": lambda m: m.base_model.disable_adapter_layers(),
    "double": lambda m: m.double(),
    "a loaded state": load_state,
    "a deleted adapter": delete_default,
    "another adapter of the same name": exchange_default,
    "a forward on the instance": replace_forward,
    "a hook of accelerate": lambda m: add_hook_to_module(layer(m).base_layer, Halved()),
    "a weight that is no parameter": weight_as_attribute,
    "a parametrised base": lambda m: nn.utils.parametrizations.weight_norm(layer(m).base_layer),
}


def run(model: Any) -> list[Tensor]:
    x = torch.linspace(-1, 1, 96, dtype=next(model.parameters()).dtype).view(3, 32)
    y = model(x.requires_grad_())
    y.square().sum().backward()
    return [y.detach(), x.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


@table("change", CHANGES)
def test_a_change_acts_as_in_peft(change: str) -> None:
    results = []
    for fused in (False, True):
        model = made(fused)
        handle = CHANGES[change](model)
        results.append(run(model))
        if change == "a hook on all modules":
            handle.remove()
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_a_state_of_its_own(copied: Callable[[Any], Any]) -> None:
    original, plain = made(True), made(False)
    expected = run(original)
    other = copied(made(True))
    assert all(map(torch.equal, run(other), expected))
    for model in (other, plain):
        model.zero_grad()
        model.base_model.disable_adapter_layers()
    torch.testing.assert_close(run(other), run(plain))
    original.zero_grad()
    assert all(map(torch.equal, run(original), expected))


@pytest.mark.parametrize("part", ["base_layer", "lora_A"])
def test_what_changes_before_the_backward_pass_is_refused(part: str) -> None:
    model = made(True)
    y = model(torch.randn(2, 32).requires_grad_())
    module = layer(model).get_submodule(part if part == "base_layer" else f"{part}.default")
    with torch.no_grad():
        module.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_transforms_of_torch_func_see_plain_operations() -> None:
    fused, plain = made(True), made(False)
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(1))
    for model in (fused, plain):
        model.eval()
    ours, theirs = (
        torch.func.vmap(torch.func.jacrev(lambda row, m=model: m(row[None])[0]))(x)
        for model in (fused, plain)
    )
    torch.testing.assert_close(ours, theirs)
