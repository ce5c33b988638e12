"""The numbers of a scOT, the network of Poseidon, and how its `config.json` names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

EPS = 1e-5
_NAMES = {
    "side": "image_size",
    "patch": "patch_size",
    "channels": "num_channels",
    "out": "num_out_channels",
    "width": "embed_dim",
    "depths": "depths",
    "heads": "num_heads",
    "skips": "skip_connections",
    "window": "window_size",
    "ratio": "mlp_ratio",
    "bias": "qkv_bias",
    "eps": "layer_norm_eps",
    "timed": "use_conditioning",
    "residual": "learn_residual",
}
_OPTIONAL = {"ratio": 4.0, "bias": True, "eps": EPS, "timed": False, "residual": False}
"""Values where the file has none, as in the authors' code."""


@final
@dataclass(frozen=True)
class ScotShape:
    """The numbers of a scOT, as in its `config.json`.

    Args:
        side: points along each axis of a state.
        patch: points along each axis of a patch.
        channels: channels in.
        out: channels out.
        width: channels of the finest level; they double from level to level.
        depths: blocks of each level.
        heads: attention heads of each level.
        skips: ConvNeXt blocks of the skip connection of each level.
        window: cells along each axis of a window.
        ratio: width of an MLP relative to its channels.
        bias: queries and values have a bias.
        eps: added to variances.
        timed: norms depend on the lead time.
        residual: the output is a change that is added to the input.

    Raises:
        ValueError: a number does not fit the others.
    """

    side: int = 128
    patch: int = 4
    channels: int = 4
    out: int = 4
    width: int = 48
    depths: tuple[int, ...] = (4, 4, 4, 4)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    skips: tuple[int, ...] = (2, 2, 2, 0)
    window: int = 16
    ratio: float = 4.0
    bias: bool = True
    eps: float = EPS
    timed: bool = True
    residual: bool = False

    def __post_init__(self) -> None:
        numbers = (self.side, self.patch, self.channels, self.out, self.width, self.window)
        levels = {len(self.depths), len(self.heads), len(self.skips)}
        if len(levels) != 1 or not 1 <= len(self.depths) <= 8:
            raise ValueError("depths, num_heads and skip_connections: each names the same 1 to 8")
        many = (*numbers, *self.depths, *self.heads)
        if any(not 1 <= n <= 4096 for n in many) or any(not 0 <= n <= 64 for n in self.skips):
            raise ValueError(f"numbers {many}: each is between 1 and 4096")
        if self.side % (self.patch << len(self.depths) - 1):
            raise ValueError(
                f"image_size {self.side}: it is a multiple of the patch of {self.patch} points, "
                f"and its half {len(self.depths) - 1} times"
            )
        for level, heads in enumerate(self.heads):
            side = self.side // self.patch >> level
            if side % min(self.window, side) or (self.width << level) % heads:
                raise ValueError(
                    f"level {level}: a map of side {side} has windows of side {self.window}, and "
                    f"{self.width << level} channels have {heads} heads. Both must divide"
                )

    @property
    def levels(self) -> range:
        """The levels, finest first."""
        return range(len(self.depths))


def shape_of(config: Mapping[str, Any]) -> ScotShape:
    """Return the shape that a `config.json` describes.

    Raises:
        ValueError: the file describes another network, lacks a number, or has a wrong one.
    """
    kinds = config.get("model_type"), config.get("residual_model", "convnext")
    if kinds != ("swinv2", "convnext") or config.get("use_absolute_embeddings"):
        raise ValueError(
            f"model_type, residual_model {kinds}: scOT is read as ('swinv2', 'convnext') "
            "without absolute embeddings"
        )
    values: dict[str, Any] = {}
    for name, config_key in _NAMES.items():
        default = getattr(ScotShape, name)
        if config_key not in config and name not in _OPTIONAL:
            raise ValueError(f"{config_key}: config.json lacks it")
        value = config.get(config_key, _OPTIONAL.get(name))
        pair = isinstance(value, list) and not isinstance(default, tuple)
        value = value[0] if pair and len(set(map(str, value))) == 1 else value
        value = tuple(map(int, value)) if isinstance(value, list) else value
        allowed = (int, float) if isinstance(default, float) else type(default)
        if not isinstance(value, allowed):
            raise ValueError(f"{config_key} {value!r}: it is of the kind of {default!r}")
        values[name] = value
    return ScotShape(**values | {"residual": values["residual"] and values["timed"]})
