"""Adapters in the layout of Tadpole's published code, as `balanced_lora` and a head of ours.

Its library GIFt stores the factors of a layer beside it, as `lora_A` and `lora_B`, and the layer
itself as `parent_module`. Its wrapper for dynamics (DFT) nests encoder and decoder once more, and
adds scales of skip connections and a network over the latents.

Source: https://github.com/tum-pbs/Tadpole and https://github.com/qiauil/GIFt; only the names and
shapes of the tensors are taken from there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor, nn

from scionwood import AdapterFileError, attach
from scionwood.authoring import reading
from scionwood_pde.adapters.balanced import BalancedLoraConfig, matrix_shape

WRAPPERS = {
    "encoder.conv_encoder.conv_encoder.": "encoder.conv_encoder.",
    "encoder.transformer_encoder.transformer.": "encoder.transformer_encoder.",
    "decoder.conv_decoder.conv_decoder.": "decoder.conv_decoder.",
    "decoder.transformer_decoder.transformer.": "decoder.transformer_decoder.",
}
"""Prefixes of the wrapper for dynamics, and what we call the same parts."""

NETWORK = {
    r"^subnetwork\.": "latent.network.",
    r"\.attn\.(qkv|proj)\.": r".\1.",
    r"\.input_layernorm\.": ".norm1.",
    r"\.post_attention_layernorm\.": ".norm2.",
    r"\.mlp\.(gate|up|down)_proj\.": r".\1.",
    r"^latent_residual_scale$": "latent.scale",
}
"""Names of the network over the latents, and ours."""

SCALES = ("decoder.transformer_decoder.scales", "decoder.conv_decoder.scales")
"""Scales of the skip connections, of strides 8 and 4, and of strides 2 and 1."""

UNUSED = "adaLN_modulation"
"""A layer that the network never calls."""

PARTS = ("encoder.", "decoder.")
CLOSE = 1e-4
"""Largest difference between two weights of one base, relative to the largest weight.

For weights in half precision it is the precision of their type."""


@final
@dataclass
class Published:
    """The tensors of a file by our names.

    Attributes:
        factors: A and B of each adapted layer.
        base: weights of the frozen layers, which a file may omit.
        head: everything besides encoder and decoder.
    """

    factors: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    base: dict[str, Tensor] = field(default_factory=dict)
    head: dict[str, Tensor] = field(default_factory=dict)


def adopt(model: nn.Module, source: str | Path) -> PeftModel:
    """Attach `balanced_lora` to a model, and fill it and the head from a published file.

    Args:
        model: `pde/tadpole` or `pde/tadpole_dynamics` of the size of the file, with the weights on
            which the adapter was trained.
        source: a safetensors file with the state of the authors' model, or with the part of it
            that was trained.

    Returns:
        The model with its adapter, which `scionwood.save_adapter` writes.

    Raises:
        ReadError: the file is no safetensors file.
        AdapterFileError: the file holds no factors, its ranks differ, or a tensor has another name
            or shape or belongs to other base weights.

    Example:
        >>> from scionwood import ReadError
        >>> from scionwood_pde import adopt
        >>> from scionwood_pde.backbones import TadpoleDynamics
        >>> model = TadpoleDynamics()
        >>> try:
        ...     tuned = adopt(model, "tadpole_dft_s.safetensors")
        ... except ReadError as error:
        ...     print(error.value)
        tadpole_dft_s.safetensors
    """
    path = Path(source)
    published = read_published(path)
    _check_factors(path, published)
    ranks = sorted({pair["A"].shape[0] for pair in published.factors.values()})
    if len(ranks) != 1:
        rule = f"its ranks are {ranks}; balanced_lora has one rank for all layers"
        raise AdapterFileError(str(path), rule, "Give the file of one adapter of this layout")
    _check_shapes(path, model, published)
    _check_base(path, model, published)
    names = sorted(published.factors)
    config = BalancedLoraConfig(r=ranks[0], target_modules=names)
    tuned = attach(model, config, targets="|".join(map(re.escape, names)))
    with torch.no_grad():
        for name, pair in published.factors.items():
            layer = tuned.base_model.model.get_submodule(name)
            layer.balanced_A["default"].copy_(pair["A"])
            layer.balanced_B["default"].copy_(pair["B"])
        parameters = dict(model.named_parameters())
        for name, value in published.head.items():
            parameters[name].copy_(value)
    return tuned


def read_published(path: Path) -> Published:
    """Read a file of the authors' layout, and return its tensors by our names.

    Raises:
        ReadError: the file is no safetensors file.
        AdapterFileError: it holds one factor of a layer without the other, or no factors.
    """
    if path.suffix in (".pt", ".pth", ".bin"):
        rule = "it is a pickle, which can run code when it is read"
        remedy = "Let its author store it with safetensors.torch.save_file"
        raise AdapterFileError(str(path), rule, remedy)
    with reading(path, "safetensors"):
        tensors = load_file(path)
    published = Published()
    scales = [tensors.pop(name, None) for name in SCALES]
    if all(scale is not None for scale in scales):
        published.head["skips.scales"] = torch.cat([s for s in scales if s is not None])
    for name, value in tensors.items():
        if UNUSED in name or ".attn.attn." in name:  # buffers of the approximate attention
            continue
        local_name = _renamed(name)
        layer, _, factor = local_name.rpartition(".lora_")
        if layer:
            published.factors.setdefault(layer, {})[factor] = value
        elif local_name.startswith(PARTS):
            published.base[local_name] = value
        else:
            published.head[local_name] = value
    halves = [name for name, pair in published.factors.items() if set(pair) != {"A", "B"}]
    if halves or not published.factors:
        rule = (
            f"layer {halves[0]} has one factor" if halves else "it holds no factors lora_A, lora_B"
        )
        raise AdapterFileError(str(path), rule, "Give a file of Tadpole's LoRA; see the docs")
    return published


def _renamed(name: str) -> str:
    for wrapper, replacement in WRAPPERS.items():
        name = name.replace(wrapper, replacement)
    name = name.replace(".parent_module.", ".")
    if name.startswith(PARTS):
        return name
    for pattern, replacement in NETWORK.items():
        name = re.sub(pattern, replacement, name)
    return name


def _check_factors(path: Path, published: Published) -> None:
    """Check that A and B of each layer are matrices of finite numbers whose product exists.

    Raises:
        AdapterFileError: they are not; the message names the layer.
    """
    for layer, pair in published.factors.items():
        shapes = {name: tuple(value.shape) for name, value in pair.items()}
        fits = all(len(shape) == 2 for shape in shapes.values())
        if not fits or shapes["A"][0] != shapes["B"][1]:
            rule = f"layer {layer}: lora_A is {shapes['A']} and lora_B {shapes['B']}; "
            rule += "they are (rank, inputs) and (outputs, rank)"
            raise AdapterFileError(str(path), rule, "Copy the file again")
    factor_tensors = {
        f"{n} lora_{k}": v for n, pair in published.factors.items() for k, v in pair.items()
    }
    for name, value in {**factor_tensors, **published.base, **published.head}.items():
        if not value.is_floating_point() or not bool(value.isfinite().all()):
            rule = f"{name} holds {value.dtype} that are no finite real numbers"
            raise AdapterFileError(str(path), rule, "Copy the file again")


def _check_shapes(path: Path, model: nn.Module, published: Published) -> None:
    """Check that each tensor has a place of its shape in the model.

    Raises:
        AdapterFileError: a tensor has none; the message names it.
    """
    model_shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    file_shapes = {name: tuple(value.shape) for name, value in published.head.items()}
    expected = {
        n: shape for n, shape in model_shapes.items() if published.head and not n.startswith(PARTS)
    }
    for layer, pair in published.factors.items():
        name = f"{layer}.weight"
        product = (pair["B"].shape[0], pair["A"].shape[1])
        weight = dict(model.named_parameters()).get(name)
        file_shapes[name] = (
            model_shapes[name]
            if weight is not None and matrix_shape(weight) == product
            else product
        )
        expected[name] = model_shapes.get(name, ())
    wrong = [
        name for name in {**file_shapes, **expected} if file_shapes.get(name) != expected.get(name)
    ]
    if wrong:
        rule = f"{wrong[0]} is {file_shapes.get(wrong[0])} there, and {expected.get(wrong[0])} here"
        remedy = "Build the model with the size and the fields of the file"
        raise AdapterFileError(str(path), rule, remedy)


def _check_base(path: Path, model: nn.Module, published: Published) -> None:
    """Check that weights in the file are those of the model, plain or with the adapter merged.

    Raises:
        AdapterFileError: they are other weights, or have no place in the model.
    """
    parameters = dict(model.named_parameters())
    for name, value in published.base.items():
        if name not in parameters and not name.endswith((".weight", ".bias")):
            continue  # buffers that the architecture determines
        model_shape = tuple(parameters[name].shape) if name in parameters else None
        if model_shape != tuple(value.shape):
            rule = f"{name} is {tuple(value.shape)} there, and {model_shape} here"
            raise AdapterFileError(str(path), rule, "Build the model with the size of the file")
        pair = published.factors.get(name.removesuffix(".weight"))
        change = torch.zeros(()) if pair is None else (pair["B"] @ pair["A"]).view(value.shape)
        plain, merged = (
            (value - parameters[name]).abs().max(),
            (value - parameters[name] - change).abs().max(),
        )
        close = max(CLOSE, torch.finfo(value.dtype).eps)
        if min(plain, merged) > close * (1 + parameters[name].abs().max()):
            rule = f"{name} differs from the weights of this model by {plain:.2g}"
            remedy = "Build the model with the weights on which the adapter was trained"
            raise AdapterFileError(str(path), rule, remedy)
