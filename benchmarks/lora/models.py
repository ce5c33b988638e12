"""Whole networks in all compared forms: a ViT, and a convolutional network of volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, final

import timm
import torch
import torch.nn.functional as F
import transformers as hf
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from lora.timing import Phases
from scionwood.kernels import enable

PROJECTIONS = {
    "llama": r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj",
    "qwen3": r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj",
    "bert": r".*layer\.\d+\..*(query|key|value|dense)",
    "t5": r".*block\.\d+\..*\.(q|k|v|o|wi|wo)",
}
"""All linear layers of the blocks."""


def language_models(width: int, depth: int, tokens: int, batch: int) -> list[Setup]:
    """Return a Llama, a Qwen3, a BERT and the encoder of a T5 of the same width and depth."""
    size = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": width // 64}
    gated = {**size, "intermediate_size": 8 * width // 3 // 8 * 8, "vocab_size": 32}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    heads = {"num_key_value_heads": width // 128 or 1, "head_dim": 64}
    configs: dict[str, tuple[Callable[..., Any], Any]] = {
        "llama": (hf.LlamaModel, hf.LlamaConfig(**gated, num_key_value_heads=width // 64)),
        "qwen3": (hf.Qwen3Model, hf.Qwen3Config(**gated, **heads)),
        "bert": (
            hf.BertModel,
            hf.BertConfig(**size, **still, intermediate_size=4 * width, vocab_size=32),
        ),
        "t5": (
            hf.T5EncoderModel,
            hf.T5Config(
                d_model=width,
                d_ff=4 * width,
                d_kv=64,
                num_layers=depth,
                num_heads=width // 64,
                dropout_rate=0.0,
                vocab_size=32,
            ),
        ),
    }
    return [
        Setup(
            f"{name}, width {width}, {depth} blocks, {batch} x {tokens} tokens",
            partial(_Embedded, *configs[name]),
            (batch, tokens, width),
            {"all": pattern},
            "stem",
        )
        for name, pattern in PROJECTIONS.items()
    ]


class _Embedded(nn.Module):
    """A model behind its embedding, whose output is differentiable in every compared form."""

    def __init__(self, build: Callable[..., nn.Module], config: Any) -> None:
        super().__init__()
        self.stem, self.model = _Start(), build(config)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.model(inputs_embeds=self.stem(x)).last_hidden_state
        return output


class _Start(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().requires_grad_()


RANK, CLASSES = 8, 10
BLOCK = r".*blocks\.\d+\."
ADAPTED = {"qkv": BLOCK + r"attn\.qkv", "all": BLOCK + r"(attn\.(qkv|proj)|mlp\.fc[12])"}


@final
class Regime(NamedTuple):
    """The precision of a training step."""

    name: str
    base: torch.dtype
    autocast: bool = False


REGIMES = (
    Regime("float32", torch.float32),
    Regime("autocast bfloat16", torch.float32, True),
    Regime("bfloat16 base", torch.bfloat16),
)


@final
class Setup(NamedTuple):
    """A network and its input."""

    title: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    targets: Mapping[str, str]
    stem: str
    """The module whose output the frozen floor differentiates by."""
    head: str = ""
    """The module that trains whole, in every form."""
    small: bool = False
    """Whether a GPU waits for launches."""


def vit(name: str, batch: int, size: int = 224, small: bool = False, **options: int) -> Setup:
    """Return a ViT of timm with random weights."""
    build = partial(timm.create_model, name, img_size=size, num_classes=CLASSES, **options)
    title = f"{name.removesuffix('_224')}, batch {batch}"
    return Setup(title, build, (batch, 3, size, size), ADAPTED, "patch_embed", "head", small)


def convnet(channels: int, size: int, batch: int) -> Setup:
    """Return four convolutions of volumes with kernels of 3 x 3 x 3, and GELU between them."""
    shape = (batch, channels, size, size, size)
    title = f"4 conv3d of {channels} channels, {size}^3, batch {batch}"
    return Setup(title, partial(_stack, channels), shape, {"conv": r"[0246]"}, "0")


def _stack(channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(4):
        layers += [nn.Conv3d(channels, channels, 3, padding=1), nn.GELU()]
    return nn.Sequential(*layers[:-1])


SETUPS = {
    "cpu": [vit("vit_small_patch16_224", 8)],
    "cuda": [
        vit("vit_small_patch16_224", 8, small=True),
        vit("vit_base_patch16_224", 64),
        vit("vit_large_patch16_224", 64),
    ],
}
CONVNET = convnet(64, 16, 2)
TINY = vit("vit_tiny_patch16_224", 2, size=32, depth=2)
TINY_CONVNET = convnet(4, 4, 1)


@final
class Variant(NamedTuple):
    """What trains, and in which form."""

    form: str
    regime: Regime
    targets: str = ""
    dropout: float = 0.0
    fused: bool = False
    wide: bool = True
    """Whether adapters are float32 on a base of any dtype, which is peft's default."""


def floors(regime: Regime) -> list[Variant]:
    """Return the lower bound of every adapter, and the full fine-tuning that it replaces."""
    return [Variant("frozen", regime), Variant("full fine-tuning", regime)]


def adapters(regime: Regime, targets: str, dropout: float = 0.0) -> Iterator[Variant]:
    """Return peft and ours with default adapters and, on a bfloat16 base, with bfloat16 ones."""
    for wide in (True, False) if regime.base != torch.float32 else (True,):
        for form, fused in (("peft", False), ("ours", True)):
            name = form if wide else f"{form}, bf16 adapters"
            yield Variant(name, regime, targets, dropout, fused, wide)


def prepare(setup: Setup, variant: Variant) -> nn.Module:
    """Return the network, ready to train; B is random, so that no gradient is zero."""
    torch.manual_seed(0)
    model = setup.build().to(variant.regime.base).train()
    if variant.form == "full fine-tuning":
        return model
    if not variant.targets:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(bool(setup.head) and name.startswith(setup.head))
        model.get_submodule(setup.stem).register_forward_hook(_differentiate)
        return model
    config = LoraConfig(
        r=RANK,
        lora_alpha=2 * RANK,
        target_modules=setup.targets[variant.targets],
        lora_dropout=variant.dropout,
        modules_to_save=[setup.head] if setup.head else None,
    )
    adapted = get_peft_model(model, config, autocast_adapter_dtype=variant.wide).train()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            value = torch.randn(parameter.shape, generator=generator) * 0.02
            parameter.data.copy_(value.bfloat16())
    if variant.fused:
        enable(adapted)
    return adapted


def _differentiate(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output.requires_grad_()


@final
class Step:
    """A training step of AdamW on one batch."""

    def __init__(self, setup: Setup, variant: Variant, device: str) -> None:
        self.regime, self.device = variant.regime, device
        self.model = prepare(setup, variant).to(device)
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(setup.shape, generator=generator).to(device, self.regime.base)
        labels = torch.randint(0, CLASSES, (len(self.x),), generator=generator)
        self.labels = labels.to(device)
        learns = [p for p in self.model.parameters() if p.requires_grad]
        capturable = device == "cuda"  # needed by a CUDA graph
        self.optimizer = torch.optim.AdamW(learns, lr=1e-4, fused=True, capturable=capturable)
        self.loss = self.x.new_zeros(())

    def phases(self) -> Phases:
        """Return forward, backward and update."""
        return {"forward": self.forward, "backward": self.backward, "optimizer": self.update}

    def run(self) -> None:
        """Take one step."""
        for phase in self.phases().values():
            phase()

    def forward(self) -> None:
        self.optimizer.zero_grad()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.regime.autocast):
            output = self.model(self.x)
        self.loss = F.cross_entropy(output.float(), self.labels)

    def backward(self) -> None:
        self.loss.backward()

    def update(self) -> None:
        self.optimizer.step()

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the last backward pass, by parameter."""
        parameters = self.model.named_parameters()
        return {name: p.grad.double() for name, p in parameters if p.grad is not None}
