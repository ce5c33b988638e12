"""Load the weights of an encoder strictly from any layout in which they are published."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn

from scionwood import WeightsError
from scionwood.authoring import load_tensors
from scionwood_seismic.dino.family import Family
from scionwood_seismic.dino.state_dicts import from_transformers, without_zero_biases

WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts store the weights."""

LONGEST = 240
"""The longest reason in an error, characters; a wrong file may lack hundreds of keys."""


def load_checkpoint(
    encoder: nn.Module, path: str | Path, family: Family, size: str
) -> dict[str, str]:
    """Load weights from a `.safetensors` file, or from a PyTorch file that contains only tensors.

    Args:
        encoder: the encoder, modified in place. It has one input channel, the file one or three.
        path: the file.
        family: the family of the encoder.
        size: the size of the encoder.

    Returns:
        The metadata of the file; empty for a PyTorch file.

    Raises:
        WeightsError: the file is unreadable, contains other objects than tensors, or does not fit
            the encoder.
    """
    path = Path(path)
    try:
        state, facts = _read(path)
        state = without_zero_biases(from_transformers(state), encoder)
        state = family.to_timm(state, encoder)
        _sum_channels(state, f"{family.stem}.weight")
        encoder.load_state_dict(state)
        _check_finite(encoder)
    except Exception as error:  # a hostile file may raise any exception
        rule = f"cannot load {family.sizes[size]} of size {size!r} ({_reason(error)})"
        raise WeightsError(str(path), rule, family.remedy(size)) from error
    return facts


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    content = load_tensors(path)
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(x, Tensor) for x in content.values()):
        raise ValueError("it is not a dictionary of tensors")
    return dict(content), {}


def _sum_channels(state: dict[str, Tensor], name: str) -> None:
    """Sum the weights of three input channels, as if the gather were repeated three times."""
    weight = state[name]
    if weight.ndim == 4 and weight.shape[1] == 3:
        state[name] = weight.float().sum(1, keepdim=True)


def _check_finite(encoder: nn.Module) -> None:
    for name, parameter in encoder.named_parameters():
        if not parameter.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity")


def _reason(error: Exception) -> str:
    """Return one line; for `load_state_dict`, which reports hundreds, the most informative one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Error(s) in loading"):
        lines = [line for line in lines if line.startswith("size mismatch")] or lines[1:]
    first = lines[0] if lines else type(error).__name__
    if isinstance(error, KeyError):
        first = f"it has no {first}"
    return first if len(first) <= LONGEST else f"{first[:LONGEST]}..."
