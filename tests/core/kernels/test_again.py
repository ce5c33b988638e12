"""Inputs that are computed again from saved tensors: exact values and exact gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from case_table import table
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scionwood.authoring import lora_linear
from scionwood.kernels.again import EPS, keep, source_of

D = 8


def rms(x: Tensor, weight: Tensor, shift: float = 0.0) -> Tensor:
    """RMSNorm as models of transformers write it, or with 1 + w as Gemma does."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
    return (weight + shift) * wide.to(x.dtype)


WEIGHT = torch.linspace(0.5, 1.5, D)
CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "RMSNorm": lambda x: rms(x, WEIGHT.to(x.dtype)),
    "RMSNorm with 1 + w": lambda x: rms(x, WEIGHT.to(x.dtype), 1.0),
    "RMSNorm in float32": lambda x: (WEIGHT * rms(x.float(), torch.ones(D))).to(x.dtype),
    "SwiGLU": lambda x: F.silu(x) * (x + 1),
    "GeGLU": lambda x: F.gelu(x + 1, approximate="tanh") * (2 * x),
    "GELU": lambda x: F.gelu(x + 0),
    "SiLU": lambda x: F.silu(x + 0),
    "dropout of ReLU": lambda x: F.dropout(F.relu(x), 0.5),
    "ReLU": lambda x: F.relu(x),
    "LayerNorm": lambda x: F.layer_norm(x + 0, (D,), torch.ones(D).to(x.dtype), None, 1e-12),
    "LayerNorm of a cast": lambda x: F.layer_norm(x + 0, (D,)).float().to(x.dtype),
    "a product times a number": lambda x: (x * x.sin()) * 2.0,
    "views": lambda x: (x * x.sin()).transpose(0, -2).transpose(-2, 0).reshape(-1, D),
}


@table("dtype", [torch.float32, torch.bfloat16])
@table("case", CASES)
def test_a_tensor_is_computed_again_bit_for_bit(case: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = CASES[case](torch.randn(3, 5, D, dtype=dtype).requires_grad_())
    source = source_of(x, torch.ones(1), "memory")
    assert source is not None
    again = source.read(x.grad_fn)
    assert again.dtype is dtype
    assert torch.equal(again, x)


@table("case", CASES)
def test_gradients_are_those_of_a_kept_input(case: str) -> None:
    weight, a, b = torch.randn(4, D), torch.randn(2, D).requires_grad_(), torch.randn(4, 2)
    start = torch.randn(3, 5, D).requires_grad_()
    gradients = []
    for layer in (
        lambda x: lora_linear(x, weight, None, a, b.requires_grad_()),
        lambda x: F.linear(x, weight) + F.linear(F.linear(x, a), b),
    ):
        torch.manual_seed(1)  # of the dropout
        y = layer(CASES[case](start))
        gradients.append(torch.autograd.grad(y.square().sum(), [start, a, b]))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_autograd_does_not_save_is_kept() -> None:
    x = torch.randn(3, D).requires_grad_()
    for y in (x, x + 1, x.exp() + x, (x + 1) * (x + 2).detach(), x.detach()):
        assert source_of(y, torch.ones(1), "memory") is None


def test_a_norm_whose_eps_is_none_of_those_tried_is_kept() -> None:
    assert 0.03 not in EPS
    y = F.layer_norm(torch.randn(3, D).requires_grad_(), (D,), eps=0.03)
    assert source_of(y, torch.ones(1), "memory") is None


def test_a_changed_factor_is_no_error_until_its_gradient_is_wanted() -> None:
    x = torch.randn(3, D).requires_grad_()
    left = x + 1
    y = left * x.sin()
    left.add_(1)
    weight, a, b = torch.randn(4, D), torch.randn(2, D), torch.randn(4, 2)
    out = lora_linear(y, weight, None, a.requires_grad_(), b)
    torch.testing.assert_close(out, F.linear(y, weight) + F.linear(F.linear(y, a), b))


class Half(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight = torch.randn(D, D)
        self.a, self.b = nn.Parameter(torch.randn(2, D)), nn.Parameter(torch.randn(D, 2))

    def forward(self, x: Tensor) -> Tensor:
        return lora_linear(F.silu(x) * x, self.weight, None, self.a, self.b)


def test_checkpointed_and_offloaded_blocks_give_the_same_gradients() -> None:
    block, x = Half(), torch.randn(3, D).requires_grad_()

    def gradients(run: Callable[[], Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(run().square().sum(), [x, block.a, block.b])

    def offloaded() -> Tensor:
        with torch.autograd.graph.save_on_cpu():
            return block(x)

    plain = gradients(lambda: block(x))
    for run in (lambda: checkpoint(block, x, use_reentrant=False), offloaded):
        for ours, theirs in zip(gradients(run), plain, strict=True):
            assert torch.equal(ours, theirs)


def test_a_checkpointed_block_saves_the_same_when_its_input_is_written_over() -> None:
    block, norm, start = Half(), nn.LayerNorm(D), torch.randn(2, 3, D).requires_grad_()

    def run(x: Tensor) -> Tensor:
        y = lora_linear(x, block.weight, None, block.a, block.b, recompute="memory")
        keep(x)  # as the layers do that have a hook
        x.data.mul_(2)
        return y + lora_linear(x, block.weight, None, block.a, block.b)

    checkpoint(run, norm(start), use_reentrant=False).sum().backward()
    assert start.grad is not None


def test_a_checkpointed_block_runs_twice_and_not_more_often() -> None:
    block, x, calls = Half(), torch.randn(3, D).requires_grad_(), []
    block.register_forward_pre_hook(lambda *_: calls.append(1))
    checkpoint(block, x, use_reentrant=False).sum().backward()
    assert len(calls) == 2
