"""One LoRA layer in all compared forms, on equal inputs, and the errors of each form."""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from shutil import which
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from lora.timing import Phases
from scionwood.kernels import dispatch, enable, operators

SCALING = 2.0
DROPOUT = 0.1
WORSE = {torch.float32: 2.0, torch.bfloat16: 1.1}
"""How much further from float64 ours may be than eager; in float32 both are rounding."""
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""The relative distance of a gradient from peft's that the dtype allows."""


@final
class Case(NamedTuple):
    """A layer, the shape of its input and the adapter's rank."""

    name: str
    layer: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rank: int
    limit: tuple[int, int, int] | None = None
    """m, k and n of a linear layer."""


@final
class Form:
    """A layer to run forward and backward, and the results of its last run."""

    def __init__(self, run: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor, learns: dict):
        self.run, self.grad = run, grad
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        self.inputs: dict[str, Tensor] = {"x": x, **learns}
        self.output = x
        self.results: dict[str, Tensor] = {}

    def phases(self) -> Phases:
        """Return the forward pass with a graph, and the backward pass to all inputs that train."""
        return {"forward": self.forward, "backward": self.backward}

    def forward(self) -> None:
        with self.around():
            self.output = self.run(self.inputs["x"])

    def backward(self) -> None:
        with self.around():
            gradients = torch.autograd.grad(self.output, list(self.inputs.values()), self.grad)
        self.results = {"y": self.output.detach(), **dict(zip(self.inputs, gradients, strict=True))}
        self.output = self.results["y"]

    def once(self) -> dict[str, Tensor]:
        """Return y and the gradients of one run."""
        self.forward()
        self.backward()
        return self.results


@final
class ByHand(torch.autograd.Function):
    """LoRA as libraries write it by hand: it stores x, and `addmm_` works in place."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        h = x @ a.t()
        ctx.save_for_backward(x, weight, a, b, h)
        ctx.scaling = scaling
        return F.linear(x, weight, bias).addmm_(h, b.t(), alpha=scaling)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, h = ctx.saved_tensors
        dh = (grad @ b).mul_(ctx.scaling)
        dx = (grad @ weight).addmm_(dh, a)
        return dx, None, None, dh.t() @ x, (grad.t() @ h).mul_(ctx.scaling), None


@contextmanager
def forced(name: str) -> Iterator[None]:
    """Make the operators choose one implementation on a card; elsewhere they have `addmm` alone."""
    choose = operators.choose
    operators.choose = lambda *_: dispatch.Choice(name, "forced")
    try:
        yield
    finally:
        operators.choose = choose


def forms(case: Case, dtype: torch.dtype, device: str, compiled: str) -> dict[str, Form | str]:
    """Return all forms of a layer; a string says why a form cannot run.

    Args:
        case: what layer.
        dtype: of the base and of its input.
        device: `cpu` or `cuda`.
        compiled: why `torch.compile` is left out, or "".
    """
    bench = _Bench(case, dtype, device)
    low = dtype != torch.float32
    by_name: dict[str, Form | str] = {
        "frozen": bench.plain(learns=False),
        "ours": bench.lora(fused=True),
        "peft": bench.lora(),
        "full fine-tuning": bench.plain(learns=True),
    }
    if low:
        by_name["ours, bf16 adapters"] = bench.lora(fused=True, wide=False)
        by_name["peft, bf16 adapters"] = bench.lora(wide=False)
    by_name["peft, compiled"] = compiled or bench.compiled()
    if case.limit is not None:
        by_name |= {f"ours: {name}": bench.forced(name) for name in ("addmm", "triton")}
        by_name["addmm by hand"] = bench.by_hand()
        by_name["ours, dropout"] = bench.lora(fused=True, dropout=DROPOUT)
        by_name["peft, dropout"] = bench.lora(dropout=DROPOUT)
    return by_name


def errors(case: Case, dtype: torch.dtype, device: str, by_name: dict[str, Form | str]) -> dict:
    """Check every form, and return its error against float64, absolute and relative to eager.

    Raises:
        AssertionError: a gradient is zero, far from peft's, or ours is worse than eager's by more
            than `WORSE` allows.
    """
    truth = _Bench(case, dtype, device).exact().once()
    eager_name = "peft" if dtype == torch.float32 else "peft, bf16 adapters"
    eager = by_name[eager_name].once()
    result = {}
    for name, form in by_name.items():
        if isinstance(form, str):
            continue
        tensors = form.once()
        for what, value in tensors.items():
            assert value.norm() > 0, f"{case.name}, {name}: the gradient of {what} is zero"
        if "dropout" in name or "a" not in tensors:
            continue
        for what, value in tensors.items():
            far = _distance(value, eager[what])
            assert far < TOLERANCE[dtype], f"{case.name}, {name}: {what} is {far:.1e} from peft's"
        mine, peers = _worst(tensors, truth), {k: _distance(eager[k], truth[k]) for k in truth}
        over = max(_distance(tensors[k], truth[k]) / peers[k] for k in truth)
        if name.startswith("ours"):
            assert over < WORSE[dtype], (
                f"{case.name}, {name}: {over:.2f} times the error of {eager_name}"
            )
        result[name] = mine, over
    return result


def _worst(tensors: dict[str, Tensor], truth: dict[str, Tensor]) -> float:
    return max(_distance(tensors[name], truth[name]) for name in truth)


def _distance(value: Tensor, truth: Tensor) -> float:
    value, truth = value.double(), truth.double()
    return float((value - truth).norm() / truth.norm())


@final
class _Bench:
    """Gives all forms equal weights and inputs; the factors are exact in the dtype."""

    def __init__(self, case: Case, dtype: torch.dtype, device: str) -> None:
        self.case, self.dtype, self.device = case, dtype, device
        torch.manual_seed(0)
        self.base = case.layer().to(device, dtype).requires_grad_(False)
        self.x = torch.randn(case.shape, device=device).to(dtype).requires_grad_()
        self.grad = torch.randn_like(self.base(self.x))
        a, b = self._net(0.0, True)[1]
        self.factors = {
            "a": torch.randn_like(a).to(dtype) / a[0].numel() ** 0.5,
            "b": torch.randn_like(b).to(dtype) / b.shape[1] ** 0.5,
        }

    def _net(self, dropout: float, wide: bool) -> tuple[nn.Module, list[Tensor]]:
        config = LoraConfig(
            r=self.case.rank,
            lora_alpha=SCALING * self.case.rank,
            target_modules=["layer"],
            lora_dropout=dropout,
        )
        net = nn.Sequential(OrderedDict(layer=copy.deepcopy(self.base)))
        model = get_peft_model(net, config, autocast_adapter_dtype=wide).train()
        layer = model.base_model.model.layer
        return layer, [layer.lora_A["default"].weight, layer.lora_B["default"].weight]

    def lora(self, fused: bool = False, wide: bool = True, dropout: float = 0.0) -> Form:
        """Return peft's layer, unchanged or with our kernels; wide adapters are float32."""
        layer, factors = self._net(dropout, wide)
        learns = dict(zip("ab", factors, strict=True))
        for name, factor in learns.items():
            factor.data.copy_(self.factors[name])
        if fused:
            enable(layer)
        return Form(layer, self.x, self.grad, learns)

    def plain(self, learns: bool) -> Form:
        """Return the base alone, frozen or trained."""
        layer = copy.deepcopy(self.base).requires_grad_(learns)
        return Form(layer, self.x, self.grad, dict(layer.named_parameters()) if learns else {})

    def exact(self) -> Form:
        """Return peft's layer in float64, with the same values."""
        form = self.lora()
        x, grad = self.x.detach().double().requires_grad_(), self.grad.double()
        layer = form.run.double()
        return Form(layer, x, grad, {k: v for k, v in form.inputs.items() if k != "x"})

    def compiled(self) -> Form:
        """Return peft's layer under torch.compile, with adapters in the base's dtype."""
        form = self.lora(wide=False)
        form.run = torch.compile(form.run)
        return form

    def by_hand(self) -> Form:
        """Return `ByHand` as a layer, with adapters in the base's dtype."""
        form = self.lora(wide=False)
        base, (a, b) = form.run.base_layer, (form.inputs[name] for name in "ab")
        form.run = lambda x: ByHand.apply(x, base.weight, base.bias, a, b, SCALING)
        return form

    def forced(self, name: str) -> Form | str:
        """Return our layer with one implementation, if it can run here."""
        if name == "triton":
            on_card = self.device == "cuda"
            reason = (
                dispatch.obstacle(torch.device(self.device)) if on_card else "triton needs a GPU"
            )
            if reason:
                return reason
        form = self.lora(fused=True)
        form.around = lambda: forced(name)
        return form


def no_compiler(device: str) -> str:
    """Say why torch.compile cannot run here; empty if it can."""
    if device == "cuda":
        return dispatch.obstacle()
    compiler = os.environ.get("CXX") or which("g++") or which("clang++")
    return "" if compiler else "torch.compile needs a C++ compiler"
