"""One small model for each kind of layer, and suitable options of every method."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from attention_model import Attentive, numbers
from expert_models import Logits
from expert_models import tokens as words
from mixed_model import Mixed, tokens
from peft import PeftConfig, PeftModel, get_peft_model
from torch import Tensor

from scionwood import load
from scionwood_methods.p2d_heads.scores import head_targets


class Model(nn.Module):
    """Two layers of a kind and a gain without an adapter."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.gain = nn.Parameter(torch.ones(1))
        weight = getattr(second, "weight", torch.zeros(0, 0))
        self.width = weight.shape[-1 if weight.dim() == 1 else 1] * getattr(second, "groups", 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        return self.gain * self.second(hidden.narrow(1, 0, self.width))


class Kind(NamedTuple):
    """A kind of layer."""

    build: Callable[[], tuple[nn.Module, nn.Module]]
    shape: tuple[int, ...]
    options: dict[str, Any] = {}  # noqa: RUF012
    dtype: torch.dtype = torch.float32


def _graph() -> tuple[nn.Module, nn.Module]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import uses what torch has deprecated
        from torch_geometric.nn import Linear

    return Linear(12, 18), Linear(18, 9)


KINDS: dict[str, Kind] = {
    "Linear": Kind(lambda: (nn.Linear(12, 18), nn.Linear(18, 9, bias=False)), (5, 12)),
    "fused qkv": Kind(lambda: (nn.Linear(12, 36), nn.Linear(12, 36)), (5, 12), {"slices": "qv"}),
    "Conv1d": Kind(
        lambda: (
            nn.Conv1d(4, 8, 3, padding="same", padding_mode="circular"),
            nn.Conv1d(8, 6, 4, stride=2, bias=False),
        ),
        (2, 4, 11),
    ),
    "Conv2d": Kind(
        lambda: (nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 6, (3, 2), dilation=2)), (2, 4, 6, 7)
    ),
    "Conv3d": Kind(
        lambda: (nn.Conv3d(4, 8, 3, padding="same"), nn.Conv3d(8, 6, 1)), (2, 4, 3, 4, 5)
    ),
    "grouped conv": Kind(
        lambda: (nn.Conv2d(4, 8, 3, padding=1, groups=2), nn.Conv2d(8, 6, 3, groups=2)),
        (2, 4, 6, 7),
    ),
    "PyG Linear": Kind(_graph, (5, 12)),
    "Embedding": Kind(lambda: (nn.Embedding(9, 12), nn.Linear(12, 4)), (5, 3), dtype=torch.int64),
    "ConvTranspose": Kind(
        lambda: (nn.ConvTranspose1d(4, 8, 3), nn.ConvTranspose1d(8, 4, 3)), (2, 4, 11)
    ),
    "GRU, LSTM": Kind(lambda: (nn.GRU(4, 8), nn.LSTM(8, 4)), (2, 3, 4)),
    "MultiheadAttention": Kind(
        lambda: (nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2)), (2, 3, 4)
    ),
    "norms": Kind(lambda: (nn.LayerNorm(12), nn.BatchNorm1d(12)), (5, 12)),
}
SUPPORTED = ["Linear", "fused qkv", "Conv1d", "Conv2d", "Conv3d", "grouped conv", "PyG Linear"]
ADAPTED = [kind for kind in SUPPORTED if kind != "PyG Linear" or find_spec("torch_geometric")]
"""Those whose library is installed."""
REFUSED = [name for name in KINDS if name not in SUPPORTED]

METHODS: dict[str, dict[str, Any]] = {
    "disel": {"r": 3},
    "smoa": {"r": 4, "blocks": 2},
    "gpart": {"d": 60},
    "loft": {"r": 4},
    "hellora": {"r": 3},
    "peml": {"r": 3},
    "igsp": {"r": 2, "experts": 3},
}
"""Options of the methods for single layers of any kind; the others have their own tests."""

GROUPED = {"num_heads": 4, "num_kv_heads": 2}
HEADS = {"layers.0": [1], "layers.1": [0, 3]}
PREFIX = {**GROUPED, "r": 2, "prefix": 5, "width": 6}
PREFIX["target_modules"] = r"layers\.\d+\.[qkvo]_proj"
PARTS = ["embed", "recurrent", "block", "attend", "norm", "table"]
"""An embedding, a GRU, a whole transformer layer, attention, a norm, and a bare parameter."""
EXPERTS = [f"model.model.layers.{n}.mlp.experts" for n in (0, 1)]


class Whole(NamedTuple):
    """A method that acts on more than single layers, with a model for it."""

    method: str
    build: Callable[[], nn.Module]
    example: Callable[[], Tensor]
    options: dict[str, Any]


WHOLE: dict[str, Whole] = {
    "heads": Whole(
        "p2d_heads",
        Attentive,
        numbers,
        {**GROUPED, "heads": HEADS, "target_modules": head_targets(Attentive(), HEADS)},
    ),
    "attention": Whole("peml", Attentive, numbers, PREFIX),
    "searched attention": Whole("peml", Attentive, numbers, {**PREFIX, "network": "search"}),
    "parts": Whole("partial", Mixed, tokens, {"target_modules": PARTS}),
    "values": Whole("partial", Mixed, tokens, {"target_modules": PARTS, "stored": "values"}),
    "experts": Whole(
        "hellora",
        Logits,
        words,
        {"r": 3, "experts": {EXPERTS[0]: [1, 3], EXPERTS[1]: [2]}, "target_modules": EXPERTS},
    ),
}
PAIRS = [
    *((method, kind) for method in METHODS for kind in ADAPTED),
    *((whole.method, kind) for kind, whole in WHOLE.items()),
]


def bare(kind: str) -> Any:
    """Return the model of a kind; it is the same in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        if kind in WHOLE:
            # frozen, as in peft: where its mask trains, torch's attention takes another kernel
            return WHOLE[kind].build().eval().requires_grad_(False)
        return Model(*KINDS[kind].build())


def plain(kind: str) -> Model:
    """Return a model of a kind without dilation and odd padding, which peft's layers ignore."""
    if kind == "Linear":
        return bare(kind)
    conv = {"Conv1d": nn.Conv1d, "Conv2d": nn.Conv2d, "Conv3d": nn.Conv3d}[kind]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Model(conv(4, 8, 3, padding=1), conv(8, 6, 2, stride=2, bias=False))


def example(kind: str) -> Tensor:
    """Return an input of the model."""
    if kind in WHOLE:
        return WHOLE[kind].example()
    generator = torch.Generator().manual_seed(2)
    if KINDS[kind].dtype is torch.int64:
        return torch.randint(9, KINDS[kind].shape, generator=generator)
    return torch.randn(KINDS[kind].shape, generator=generator)


def config(method: str, kind: str, **options: Any) -> PeftConfig:
    """Return a config that targets both layers, or the parts of a whole model."""
    chosen = {"target_modules": ["first", "second"], **METHODS.get(method, {})}
    chosen = WHOLE[kind].options if kind in WHOLE else chosen | KINDS[kind].options
    return load("adapters", f"methods/{method}")(**{**chosen, **options})


def adapted(method: str, kind: str, **options: Any) -> PeftModel:
    """Return the model of a kind with a new adapter on both layers, attached by plain peft."""
    return get_peft_model(bare(kind), config(method, kind, **options))


def unsettle(model: nn.Module, seed: int = 3) -> nn.Module:
    """Change every trainable tensor as training could have done."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the trainable parameters by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
