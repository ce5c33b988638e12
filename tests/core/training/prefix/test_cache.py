"""A model trains in the same way with and without the cache of its frozen prefix."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from scionwood import Task
from scionwood.errors import TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training.run import build
from scionwood_scale.prefix.cache import FrozenPrefix
from scionwood_scale.prefix.rules import find_blocks

LAST_BLOCK = r"adapter.targets='blocks\.3\.linear'"
X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True).sin()


def toy(*overrides: str) -> Task:
    """Four residual blocks with LoRA on the last one, and a trainable head."""
    with isolate_rng():
        torch.manual_seed(0)
        return build(resolve("toy/regress", ["backbone.depth=4", LAST_BLOCK, *overrides]))[0]


def computed(model: nn.Module) -> list[str]:
    """A list to which each frozen block adds its name when it computes."""
    names: list[str] = []
    blocks = find_blocks(model)
    for name, block in blocks.items():
        block.linear.register_forward_hook(lambda *_, name=name: names.append(name))
    return names


def gradients(task: Task, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    task.zero_grad()
    (task.backbone(x) - y).square().mean().backward()
    return {n: p.grad.clone() for n, p in task.named_parameters() if p.grad is not None}


def train(task: Task, epochs: int = 3) -> list[float]:
    """Train on shuffled batches with a validation between epochs, and return the losses."""
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], 1e-2)
    order, losses = torch.Generator().manual_seed(0), []
    for _ in range(epochs):
        for batch in torch.randperm(48, generator=order).split(10):  # the last one is smaller
            optimizer.zero_grad()
            loss = (task.train().backbone(X[batch]) - Y[batch]).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.inference_mode():
            losses.append(float((task.eval().backbone(X[48:]) - Y[48:]).square().mean()))
    return losses


def test_cached_samples_give_the_same_gradients_and_skip_the_prefix() -> None:
    task = toy()
    expected = gradients(task, X[:8], Y[:8])
    assert len(expected) == 4, "two matrices of LoRA, weight and bias of the head"
    assert any(gradient.norm() > 0 for gradient in expected.values())
    with FrozenPrefix(task.backbone) as cache:
        assert list(cache.blocks) == ["blocks.0", "blocks.1", "blocks.2"]
        gradients(task, X[:8], Y[:8])
        gradients(task, X[:8], Y[:8])  # the first cached batch is compared
        ran = computed(task.backbone)
        cached = gradients(task, X[:8], Y[:8])
        assert ran == []
        assert (len(cache), cache.hits, cache.misses) == (8, 16, 8)
    for name, value in expected.items():
        assert torch.equal(cached[name], value), name


def test_shuffled_epochs_have_the_same_losses_with_the_cache() -> None:
    expected = train(toy())
    task = toy()
    with FrozenPrefix(task.backbone) as cache:
        losses = train(task)
        assert (len(cache), cache.hits, cache.misses) == (64, 2 * 48, 48)
    assert losses == pytest.approx(expected, rel=1e-6)
    assert sum(expected[12:17]) < 0.9 * sum(expected[:5]), "it learns"


def test_dropout_after_the_prefix_draws_the_same_numbers_with_the_cache() -> None:
    def losses(cached: bool) -> list[float]:
        task = toy("adapter.lora_dropout=0.5")
        cache = FrozenPrefix(task.backbone) if cached else None
        with isolate_rng():
            torch.manual_seed(1)
            losses = train(task)
        assert cache is None or cache.hits
        return losses

    assert losses(True) == pytest.approx(losses(False), rel=1e-6)


def test_the_check_does_not_change_running_statistics_of_a_trained_norm() -> None:
    def statistics(cached: bool) -> Tensor:
        torch.manual_seed(0)
        stack = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        model = nn.Sequential(*stack, nn.BatchNorm1d(8))
        model[0].requires_grad_(False)
        cache = FrozenPrefix(model) if cached else None
        for _ in range(3):
            model(X[:8])
        assert cache is None or cache.hits == 16
        return model[-1].running_var

    assert torch.equal(statistics(True), statistics(False))


def test_the_key_of_a_sample_is_its_content_so_that_augmented_ones_differ() -> None:
    task = toy()
    with FrozenPrefix(task.backbone) as cache:
        for x in (X[:8], X[:8].flip(0), X[:8] + 1e-3, X[4:12]):
            expected = toy().backbone(x)
            assert torch.allclose(task.backbone(x), expected, rtol=1e-6)
        assert (len(cache), cache.hits) == (20, 8)


def test_bfloat16_takes_half_the_space_and_rounds() -> None:
    def bytes_and_output(dtype: torch.dtype | None) -> tuple[int, Tensor]:
        task = toy()
        with FrozenPrefix(task.backbone, dtype=dtype) as cache:
            output = [task.backbone(X[:8]) for _ in range(3)][-1]
            return cache.row_bytes, output

    (exact, expected), (rounded, output) = (bytes_and_output(d) for d in (None, torch.bfloat16))
    assert rounded * 2 == exact
    assert not torch.equal(output, expected)
    assert torch.allclose(output, expected, atol=0.02)


def test_blocks_that_return_tuples_and_take_side_inputs_are_skipped_too() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor, scale: Tensor, *, extra: Tensor | None) -> tuple[Any, ...]:
            return self.linear(x) * scale + x, extra

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Block() for _ in range(3))

        def forward(self, x: Tensor, scale: Tensor, extra: Tensor | None = None) -> Tensor:
            for block in self.blocks:
                x, extra = block(x, scale, extra=extra)
            return x if extra is None else x + extra

    model, x, scale = Net(), torch.randn(3, 5, 4), torch.randn(5, 1)
    model.blocks[:2].requires_grad_(False)
    for options in ({}, {"extra": torch.randn(3, 5, 4)}):
        expected = model(x, scale, **options)
        with FrozenPrefix(model) as cache:
            assert torch.equal(model(x, scale, **options), expected)
            assert torch.equal(model(x, scale, **options), expected)
            assert cache.hits == 3
            assert not torch.equal(model(x, scale + 1, **options), expected)
            assert cache.hits == 3, "a side input belongs to every sample's key"


def test_an_input_that_needs_a_gradient_is_computed() -> None:
    task, x = toy(), X[:8].clone().requires_grad_()
    (expected,) = torch.autograd.grad(task.backbone(x).sum(), x)
    with FrozenPrefix(task.backbone) as cache:
        for _ in range(2):
            task.backbone(X[:8])
        (gradient,) = torch.autograd.grad(task.backbone(x).sum(), x)
        assert cache.hits == 8
    assert expected.norm() > 0
    assert torch.equal(gradient, expected)


def test_the_model_can_be_copied_fail_and_have_its_cache_removed() -> None:
    def fail(*_: Any) -> None:
        raise ArithmeticError("the head fails")

    task = toy()
    cache = FrozenPrefix(task.backbone)
    expected = [task.backbone(X[:8]) for _ in range(2)][-1]
    assert torch.equal(copy.deepcopy(task).backbone(X[:8]), expected)
    assert cache.hits == 8, "a copy computes for itself"
    handle = task.backbone.get_base_model().readout.register_forward_hook(fail)
    with pytest.raises(ArithmeticError):
        task.backbone(X[:8])
    assert not any("forward" in vars(module) for module in task.modules())
    cache.remove()
    handle.remove()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in task.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": list(X), "budget": 63 * 64}, r"64 samples take .* GiB. Raise the budget"),
        ({"budget": 63}, "63 bytes: a sample's features take 64"),
    ],
    ids=["dataset", "sample"],
)
def test_a_budget_that_is_too_small_is_refused_at_the_first_step(
    options: dict[str, Any], message: str
) -> None:
    task = toy()
    with FrozenPrefix(task.backbone, **options), pytest.raises(TrainingError, match=message):
        task.backbone(X[:8])


def test_blocks_that_are_found() -> None:
    tuned = toy().backbone
    tuned.requires_grad_(False).get_base_model().readout.requires_grad_(True)
    assert len(find_blocks(tuned)) == 3, "an adapter that does not train is still an adapter"
    plain = build(resolve("toy/regress", ["backbone.depth=4", "adapter={name: frozen}"]))[0]
    assert list(find_blocks(plain.backbone)) == [f"blocks.{n}" for n in range(4)]
    stages = {f"stage{n}": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for n in range(3)}
    model = nn.ModuleDict(stages).requires_grad_(False)
    model.stage1[1].requires_grad_(True)
    assert list(find_blocks(model)) == ["stage0.0", "stage0.1", "stage1.0"]
    assert list(find_blocks(model, ["stage0"])) == ["stage0"]


def test_a_full_cache_warns_and_training_continues() -> None:
    task = toy()
    with FrozenPrefix(task.backbone, budget=10 * 64) as cache:
        task.backbone(X[:8])
        with pytest.warns(UserWarning, match="full with 10 samples"):
            task.backbone(X[8:16])
        assert torch.equal(task.backbone(X[8:16]), toy().backbone(X[8:16]))
        assert len(cache) == 10
