"""One layer, a ViT and a Llama with random weights, in all forms that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import layer as lora
from torch import Tensor, nn

from scionwood.kernels import enable

FORMS = ("frozen", "peft", "peft, bf16 adapters", "addmm by hand")
FORMS += ("ours", "ours, memory", "ours, speed")
RANK, CLASSES = 8, 10


@final
class Setup(NamedTuple):
    """A network, the layers that are adapted, and its input."""

    net: nn.Module
    targets: str
    x: Tensor


def layer(width: int, rows: tuple[int, ...]) -> Setup:
    """Return one linear layer; `rows` are the first axes of its input."""
    return Setup(nn.Sequential(nn.Linear(width, width)), "0", torch.randn(*rows, width))


def vit(depth: int = 2, size: int = 224, batch: int = 4) -> Setup:
    """Return a ViT-S of timm."""
    import timm

    options = {"img_size": size, "num_classes": CLASSES, "depth": depth}
    net = timm.create_model("vit_small_patch16_224", **options)
    targets = r".*blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])"
    return Setup(net, targets, torch.randn(batch, 3, size, size))


def llama(depth: int = 6, width: int = 576, tokens: int = 96) -> Setup:
    """Return a Llama behind its embedding, with the heads of SmolLM."""
    import transformers as hf

    heads = width // 64
    config = hf.LlamaConfig(
        hidden_size=width,
        intermediate_size=8 * width // 3,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 3),
        vocab_size=32,
    )
    targets = r".*(self_attn|mlp)\.\w+_proj"
    return Setup(_Embedded(hf.LlamaModel(config)), targets, torch.randn(2, tokens, width))


class _Embedded(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.model(inputs_embeds=x).last_hidden_state
        return output


def prepared(setup: Setup, form: str, dtype: torch.dtype) -> tuple[nn.Module, Tensor]:
    """Return a network in a form, and its input, which needs a gradient.

    B is random, so that no gradient is zero.
    """
    net = setup.net.to(dtype).train()
    x = setup.x.to(dtype).requires_grad_()
    if form == "frozen":
        return net.requires_grad_(False), x
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=setup.targets)
    tuned = get_peft_model(net, config, autocast_adapter_dtype="bf16" not in form).train()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            value = torch.randn(parameter.shape, generator=generator) * 0.02
            parameter.data.copy_(value.bfloat16())
    if form.startswith("ours"):
        enable(tuned, recompute=form.partition(", ")[2] or "auto")  # type: ignore[arg-type]
    if form == "addmm by hand":
        for module in tuned.modules():
            if type(module) is lora.Linear:
                module.forward = _by_hand(module)  # type: ignore[method-assign]
    return tuned, x


class _Hand(torch.autograd.Function):
    """The function that many libraries have: it keeps x, and knows neither dropout nor hooks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Any, a: Tensor, b: Tensor, s: float) -> Any:
        z = x @ a.t()
        ctx.save_for_backward(x, w, a, b, z)
        ctx.s = s
        return F.linear(x, w, bias).addmm_(z, b.t(), alpha=s)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, w, a, b, z = ctx.saved_tensors
        dz = (grad @ b).mul_(ctx.s)
        dx = (grad @ w).addmm_(dz, a) if ctx.needs_input_grad[0] else None
        return dx, None, None, dz.t() @ x, (grad.t() @ z).mul_(ctx.s), None


def _by_hand(module: Any) -> Callable[[Tensor], Tensor]:
    base, s = module.base_layer, module.scaling["default"]
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight

    def forward(x: Tensor) -> Tensor:
        rows = x if x.dim() == 2 else x.reshape(-1, x.shape[-1])
        y = _Hand.apply(rows, base.weight, base.bias, a.to(x.dtype), b.to(x.dtype), s)
        return y if x.dim() == 2 else y.view(*x.shape[:-1], -1)  # type: ignore[no-any-return]

    return forward


@final
class Step:
    """Forward, backward and AdamW on one batch."""

    def __init__(self, setup: Setup, form: str, dtype: torch.dtype) -> None:
        self.model, self.x = prepared(setup, form, dtype)
        self.grad = torch.randn(self.model(self.x).shape, dtype=dtype) / 100
        learned = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learned, 1e-5) if learned else None

    def pass_both_ways(self) -> None:
        """Run forward and backward."""
        self.model(self.x).backward(self.grad)

    def run(self) -> None:
        """Take one step."""
        self.pass_both_ways()
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.x.grad = None

    def gradients(self) -> Mapping[str, Tensor]:
        """Return the output and the gradients in float64, by name."""
        self.x.grad = None
        y = self.model(self.x)
        y.backward(self.grad)
        named = {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}
        made = {n: g.double() for n, g in (named | {"x": self.x.grad, "y": y.detach()}).items()}
        self.model.zero_grad()
        return made
