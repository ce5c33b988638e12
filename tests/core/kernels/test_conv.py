"""LoRA for convolutions in weight space: output and gradients of peft with less memory."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from scionwood.kernels.conv import lora_conv, merged_delta, why_not

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
HOW: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
SHAPES = [(1, 1, 0), (3, 1, 1), (3, 2, 0), (3, 1, "valid"), (2, 1, "same"), (3, 1, "same")]
"""Kernel, stride and padding."""


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def adapted(*layers: nn.Module, r: int = 4, **options: Any) -> Any:
    """Wrap layers with peft, with factors other than zero; its warning on groups is expected."""
    config = LoraConfig(r=r, lora_alpha=3, target_modules="0|2|4", init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="LoRA adapter added to ConvNd layer with groups")
        return get_peft_model(nn.Sequential(*layers), config, **options).base_model.model


def factors(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight


def fused(layer: Any, x: Tensor) -> Tensor:
    """Run the operator with the tensors and settings of a layer of peft."""
    base, scaling = layer.base_layer, layer.scaling["default"]
    assert why_not(base) == ""
    how = {key: getattr(base, key) for key in HOW}
    return lora_conv(x, base.weight, base.bias, *factors(layer), scaling=scaling, **how)


def learn(call: Callable[[Tensor], Tensor], x: Tensor, *parameters: Tensor) -> list[Tensor]:
    """Return the output and, for fixed output gradients, the gradients of x and parameters."""
    x = x.detach().clone().requires_grad_()
    y = call(x)
    weights = draw(*y.shape, seed=9).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, (x, *parameters), weights)]


def assert_near(values: list[Tensor], expected: list[Tensor], limit: float) -> None:
    """Check that each tensor differs by at most `limit` times the largest entry."""
    for one, other in zip(values, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert (one - other).abs().max() <= limit * other.abs().max()


def assert_same_training(call: Callable[[Tensor], Tensor], layer: Any, *shape: int) -> None:
    """Check that output and gradients of the operator equal those of a call within 2e-6."""
    trained, x = [p for p in layer.parameters() if p.requires_grad], draw(*shape).float()
    assert_near(learn(partial(fused, layer), x, *trained), learn(call, x, *trained), 2e-6)


class TestFunction:
    @pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch's copy
    @table("batch", [(2,), ()])
    @table("groups", [1, 2])
    @table("shape", SHAPES)
    @table("n", [1, 2, 3])
    def test_output_and_gradients_equal_those_of_peft(
        self, n: int, shape: Any, groups: int, batch: Any
    ) -> None:
        conv = CONVS[n](6, 8, *shape, groups=groups)
        layer = adapted(conv)[0]
        conv.bias.requires_grad_()
        assert_same_training(layer, layer, *batch, 6, *[9, 8, 7][:n])

    def test_dilation_equals_the_merged_kernel_since_peft_ignores_it(self) -> None:
        layer = adapted(nn.Conv2d(6, 8, 3, padding=2, dilation=2, bias=False))[0]
        with pytest.raises(RuntimeError, match="size of tensor"):
            layer(draw(2, 6, 9, 8).float())

        def merged(x: Tensor) -> Tensor:
            delta = merged_delta(*factors(layer), (8, 6, 3, 3), 1)
            kernel = layer.base_layer.weight + layer.scaling["default"] * delta
            return functional.conv2d(x, kernel, padding=2, dilation=2)

        assert_same_training(merged, layer, 2, 6, 9, 8)

    @table("kernel", [1, 3])
    @table("n", [1, 2, 3])
    def test_the_merged_layer_equals_the_adapted_layer(self, n: int, kernel: int) -> None:
        layer = adapted(CONVS[n](6, 8, kernel))[0]
        base, x = layer.base_layer, draw(2, 6, *[5] * n, dtype=torch.float32)
        expected = layer(x).detach()
        delta = merged_delta(*factors(layer), base.weight.shape, 1)
        with torch.no_grad():
            base.weight += layer.scaling["default"] * delta
        assert_near([base(x).detach()], [expected], 2e-6)
        half = merged_delta(*(f.bfloat16() for f in factors(layer)), base.weight.shape, 1)
        assert_near([half], [delta.detach()], 2e-2)  # both are float32
        with pytest.raises(ValueError, match=r"groups=2.*cannot represent.*unmerged"):
            merged_delta(*factors(layer), base.weight.shape, 2)

    @table("groups", [1, 2])
    @table("n", [1, 2, 3])
    def test_gradients_equal_finite_differences(self, n: int, groups: int) -> None:
        size, kernel, ones = [4, 3, 2][:n], [2, 3, 1][:n], [1] * n
        weight, bias = draw(4, 2 // groups, *kernel, seed=1), draw(4, seed=2)
        a, b = draw(2, 2, *kernel, seed=3), draw(4, 2 // groups, *ones, seed=4)
        how = HOW | {"padding": "same", "groups": groups, "scaling": 0.7}
        inputs = [value.requires_grad_() for value in (draw(2, 2, *size), bias, a, b)]
        torch.autograd.gradcheck(lambda x, *rest: lora_conv(x, weight, *rest, **how), inputs)

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_any_shape_with_any_trainable_tensors(self, data: st.DataObject) -> None:
        pick = lambda *of: data.draw(st.sampled_from(of))  # noqa: E731
        n, groups, kernel, size = pick(1, 2, 3), pick(1, 2, 4), pick(1, 2, 3), pick(6, 7)
        how = {"stride": pick(1, 2, 3), "padding": pick(0, 1, 2), "dilation": pick(1, 2)}
        out, fan, rank = groups * pick(1, 3), groups * pick(1, 2), groups * pick(1, 2)
        kernels, ones = [kernel] * n, [1] * n
        weight = draw(out, fan // groups, *kernels, seed=1)
        x, a = draw(pick(1, 3), fan, *[size] * n), draw(rank, fan, *kernels, seed=2)
        bias, b = draw(out, seed=3), draw(out, rank // groups, *ones, seed=4)
        which = data.draw(st.sets(st.integers(0, 3), min_size=1))
        trained = [(x, bias, a, b)[i].requires_grad_() for i in which]
        conv = getattr(functional, f"conv{n}d")
        low = conv(conv(x, a, None, *how.values()), b, groups=groups)
        expected = conv(x, weight, bias, *how.values(), groups) + 0.3 * low
        value = lora_conv(x, weight, bias, a, b, scaling=0.3, **how, groups=groups)
        grads = [torch.autograd.grad(y.square().sum(), trained) for y in (value, expected)]
        assert_near([value, *grads[0]], [expected, *grads[1]], 1e-12)

    def test_refuses_a_second_derivative(self) -> None:
        layer = adapted(nn.Conv1d(2, 3, 3))[0]
        y = fused(layer, draw(1, 2, 5, dtype=torch.float32)).square().sum()
        (grad,) = torch.autograd.grad(y, factors(layer)[0], create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            grad.sum().backward()


def small_net(n: int) -> list[nn.Module]:
    conv = CONVS[n]
    return [conv(1, 16, 1), nn.GELU(), conv(16, 16, 3, padding=1), nn.GELU(), conv(16, 2, 1)]


def saved_bytes(run: Callable[[], Tensor], net: nn.Module) -> int:
    """Return the bytes kept for the backward pass: each storage once, without parameters."""
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        assert run().requires_grad
    storages = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in kept}
    known = {value.untyped_storage().data_ptr() for value in net.parameters()}
    return sum(size for key, size in storages.items() if key not in known)


class TestMemory:
    @table("autocast", [False, True])
    @table("n", [1, 2, 3])
    def test_keeps_no_more_than_full_fine_tuning(self, n: int, autocast: bool) -> None:
        x = draw(2, 1, *[12] * n, dtype=torch.float32)
        full, net = nn.Sequential(*small_net(n)), adapted(*small_net(n))

        def ours(x: Tensor) -> Tensor:
            for layer in net:
                x = fused(layer, x) if hasattr(layer, "lora_A") else layer(x)
            return x

        with torch.autocast("cpu", torch.bfloat16, enabled=autocast, cache_enabled=False):
            kept, of_peft = (saved_bytes(lambda f=f: f(x), net) for f in (ours, net))
            assert 0 < kept <= 1.02 * saved_bytes(lambda: full(x), full)
        assert kept < of_peft

    @table("autocast", [False, True])
    @table("groups", [1, 2])
    def test_keeps_only_the_input_or_nothing(self, groups: int, autocast: bool) -> None:
        layer = adapted(nn.Conv2d(4, 4, 3, groups=groups))[0]
        x = draw(2, 4, 9, 9).float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            assert saved_bytes(lambda: fused(layer, x), layer) == x.nbytes // (1 + autocast)
            layer.requires_grad_(False)
            assert saved_bytes(lambda: fused(layer, x), layer) == 0
            (gradient,) = torch.autograd.grad(fused(layer, x).float().sum(), x)
            (expected,) = torch.autograd.grad(layer(x).float().sum(), x)
        assert_near([gradient], [expected], 2e-2 if autocast else 2e-6)


class TestPrecision:
    @table("case", ["bfloat16 factors", "autocast"])
    @table("groups", [1, 2])
    @table("n", [2, 3])
    def test_bfloat16_is_as_close_to_float64_as_peft(self, n: int, groups: int, case: str) -> None:
        dtype = torch.float32 if case == "autocast" else torch.bfloat16
        errors = torch.zeros(2, 2, 4)  # ours and those of peft, averaged
        for seed in range(24):
            conv = CONVS[n](16, 24, 3, padding=1, groups=groups).to(dtype)
            layer = adapted(conv, r=8, autocast_adapter_dtype=False)[0]
            x = draw(4, 16, *[6] * n, seed=seed).to(dtype)
            with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
                results = [learn(f, x, *factors(layer)) for f in (partial(fused, layer), layer)]
            exact = learn(layer.double(), x.double(), *factors(layer))
            for whose, tensors in enumerate(results):
                wrong = [(one - true).abs() for one, true in zip(tensors, exact, strict=True)]
                errors[whose] += torch.tensor([[e.norm(), e.max()] for e in wrong]).T
        assert (errors > 0).all()
        assert (errors[0] <= 1.1 * errors[1]).all(), errors[0] / errors[1]

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_a_change_below_the_weights_rounding_is_not_lost(self, dtype: torch.dtype) -> None:
        weight, b = torch.ones(1, 2, 1, dtype=dtype), torch.full((1, 1, 1), 2.0**-12, dtype=dtype)
        a, x = (torch.tensor([[[1], [last]]], dtype=dtype) for last in (0, -1))  # so W x is 0
        merged = weight + (b.flatten(1) @ a.flatten(1)).view_as(weight)
        assert torch.equal(merged, weight), "in this dtype it is lost"
        assert (lora_conv(x, weight, None, a, b, **HOW) == 2.0**-12).all()

    def test_the_backward_pass_uses_the_dtypes_of_the_forward_pass(self) -> None:
        layer, x = adapted(nn.Conv2d(6, 8, 3))[0], draw(2, 6, 9, 9).float().requires_grad_()
        expected = torch.autograd.grad(fused(layer, x).square().sum(), (x, *factors(layer)))
        loss = fused(layer, x).square().sum()
        with torch.autocast("cpu", torch.bfloat16):
            gradients = torch.autograd.grad(loss, (x, *factors(layer)))
        assert_near([*gradients], [*expected], 0)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # Dynamo's
class TestTorch:
    @pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # Inductor's
    @pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
    def test_compiles_as_one_graph(self) -> None:
        layer = adapted(nn.Conv2d(6, 8, 3, padding=1))[0]
        compiled = torch.compile(partial(fused, layer), fullgraph=True)
        assert_same_training(compiled, layer, 2, 6, 9, 9)

    @pytest.mark.parametrize("autocast", [False, True])
    def test_the_graph_with_groups_has_no_break(self, autocast: bool) -> None:
        layer = adapted(nn.Conv2d(6, 8, 2, padding="same", groups=2))[0]
        traced = torch.compile(partial(fused, layer), fullgraph=True, backend="aot_eager")
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            assert_same_training(traced, layer, 2, 6, 9, 9)

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_works_with_gradient_checkpointing(self, reentrant: bool) -> None:
        layer = adapted(nn.Conv2d(6, 8, 3, groups=2))[0]
        x = draw(2, 6, 9, 9, dtype=torch.float32).requires_grad_()
        expected = torch.autograd.grad(fused(layer, x).square().sum(), [x, *factors(layer)])
        checkpoint(fused, layer, x, use_reentrant=reentrant).square().sum().backward()
        assert_near([x.grad, *[value.grad for value in factors(layer)]], [*expected], 1e-6)


REFUSED: dict[str, dict[str, Any]] = {
    r"requires_grad is True.*no gradient.*Freeze it": {"weight": draw(8, 6, 3).requires_grad_()},
    r"takes a \(r, 6, 3\) and b .*Pass lora_A": {"a": draw(4, 6, 2)},
    r"a weight .* takes a .* and b .*lora_B": {"b": draw(8, 2, 1)},
    r"in 2 group\(s\) takes a": {"weight": draw(8, 3, 3), "groups": 2},
    r"a is torch.float64, b torch.float32.*Convert": {"b": draw(8, 4, 1).float()},
    r"padding 'full'.* 'valid', or 'same'.*Pass the number": {"padding": "full"},
    r"stride \(2,\).*'same' with stride 1": {"padding": "same", "stride": 2},
}
INELIGIBLE = {
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(2, 2, 3),
    "ParametrizedConv1d": lambda: nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 2, 3)),
    "'reflect', not zeros": lambda: nn.Conv1d(2, 2, 3, padding=1, padding_mode="reflect"),
    "torch.complex64": lambda: nn.Conv1d(2, 2, 3, dtype=torch.complex64),
    "lora_A of peft ignores": lambda: nn.Conv1d(2, 2, 3, padding="same", dilation=2),
}


class TestLimits:
    @table("message", REFUSED)
    def test_refuses_arguments_that_do_not_fit(self, message: str) -> None:
        x, weight, a, b = draw(1, 6, 9), draw(8, 6, 3), draw(4, 6, 3), draw(8, 4, 1)
        given = {"x": x, "weight": weight, "bias": None, "a": a, "b": b} | HOW
        with pytest.raises(ValueError, match=message):
            lora_conv(**given | REFUSED[message])

    @table("reason", INELIGIBLE)
    def test_reports_why_a_layer_is_not_supported(self, reason: str) -> None:
        assert reason in why_not(INELIGIBLE[reason]().requires_grad_(False))

    def test_needs_a_frozen_weight_and_no_hooks(self) -> None:
        conv = nn.Conv3d(2, 2, 3)
        assert why_not(conv) == "a weight that trains"
        assert why_not(conv.requires_grad_(False)) == ""
        conv.register_forward_hook(lambda module, inputs, output: None)
        assert why_not(conv).startswith("hooks")
