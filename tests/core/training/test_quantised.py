"""`backbone.quantize: nf4`: refused without bitsandbytes, and trained with it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from case_table import table
from lightning.pytorch import seed_everything
from run_column import column
from torch import Tensor, nn

import scionwood
from scionwood import AdapterError, PluginError, RecipeError, kernels
from scionwood.adapters import base_hash
from scionwood.recipes.recipe import resolve
from scionwood.training import build, load_run, quantize

NF4 = "backbone.quantize=nf4"
needs = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
WIDE = ("backbone.width=64", "kernels=off")


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_without_bitsandbytes_it_is_refused_with_the_remedy() -> None:
    recipe = resolve("toy/regress", [NF4])
    with pytest.raises(PluginError, match=r"not installed\. Run: pip install 'bitsandbytes>=0.50'"):
        build(recipe)


def test_the_recipe_keeps_the_value() -> None:
    recipe = resolve("toy/regress", ["backbone.quantize=none"])
    assert "quantize: none" in recipe.dump()
    assert recipe.backbone == resolve("toy/regress", ["backbone.quantize=none"]).backbone
    assert "quantize" not in resolve("toy/regress").dump()
    build(recipe)


@table("value", ["nf8", "true", "4"])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(RecipeError, match="none or nf4, not"):
        resolve("toy/regress", [f"backbone.quantize={value}"])


def test_four_bits_are_not_spread_over_processes(toy_fit: Callable[..., Path]) -> None:
    with pytest.raises(RecipeError, match="cannot spread four-bit weights"):
        toy_fit(NF4, "trainer.strategy=scale/model_parallel")


@needs
def test_a_run_trains_saves_and_loads(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit(NF4, "backbone.width=64", "trainer.max_steps=8")
    ordinary = toy_fit("backbone.width=64", "trainer.max_steps=8", name="ordinary")
    loss, expected = (column(folder, "val_loss")[-1] for folder in (run, ordinary))
    assert loss == pytest.approx(expected, rel=0.1)
    task, again = load_run(run), load_run(run)
    assert (
        scionwood.report(task.backbone).base == scionwood.report(load_run(ordinary).backbone).base
    )
    x = torch.randn(4, 8)
    assert torch.equal(task.backbone(x), again.backbone(x))
    with pytest.raises(AdapterError, match="would round the sum to four bits again"):
        scionwood.merge(task.backbone)


@needs
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_fused_operator_computes_what_peft_computes(dropout: float) -> None:
    x = torch.randn(16, 8)
    model = _tuned(dropout)
    expected, gradients = _step(model, x)
    report = kernels.enable(model)
    assert [row.implementation for row in report] == ["addmm", "addmm"]
    result, own = _step(model, x)
    if not dropout:  # the masks differ
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)
        for left, right in zip(own, gradients, strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=1e-5)
    model.eval()
    fused = model(x)
    kernels.disable(model)
    torch.testing.assert_close(model(x), fused, rtol=0, atol=1e-5)


@needs
def test_no_weight_is_kept_for_the_backward_pass() -> None:
    model, x = _tuned(0.0), torch.randn(2, 8)
    kernels.enable(model)
    shapes: list[tuple[int, ...]] = []

    def note(tensor: Tensor) -> Tensor:
        shapes.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(x).sum()
    assert (2, 64) in shapes
    assert (64, 64) not in shapes


@needs
def test_heads_ties_and_output_layers_keep_their_weights() -> None:
    class Tied(nn.Module):
        head = ("last",)

        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = (nn.Linear(64, 64) for _ in range(3))
            self.three.weight = self.two.weight
            self.last, self.output = nn.Linear(64, 64), nn.Linear(64, 64)

        def get_output_embeddings(self) -> nn.Module:
            return self.output

    torch.manual_seed(0)
    model = quantize(Tied())
    assert [n for n, m in model.named_children() if type(m) is not nn.Linear] == ["one"]
    torch.manual_seed(0)
    assert base_hash(model) == base_hash(quantize(Tied()))
    assert sum(p.nbytes for p in model.one.parameters()) == 64 * 64 // 2 + 64 * 4
    with pytest.raises(AdapterError, match="no linear layer"):
        quantize(nn.Sequential(nn.Conv2d(1, 1, 3)))


def _tuned(dropout: float) -> nn.Module:
    recipe = resolve("toy/regress", [NF4, *WIDE, f"adapter.lora_dropout={dropout}"])
    seed_everything(0, verbose=False)
    task, _ = build(recipe)
    for name, parameter in task.backbone.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return task.backbone


def _step(model: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    model.zero_grad()
    y: Tensor = model(x)
    y.square().mean().backward()
    return y.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]
