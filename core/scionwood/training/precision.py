"""The precision that a machine computes fastest in: what `precision: auto` of a recipe becomes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from scionwood.errors import TrainingError


def native_precision(accelerator: str = "auto") -> str:
    """`bf16-mixed` where the hardware multiplies bfloat16, else `32-true`.

    On a CPU with AVX512-BF16 or AMX a step of a ViT-S takes about 0.6 of its time in float32;
    without these, bfloat16 is emulated and slower. Weights, optimiser and sums stay in float32.

    Args:
        accelerator: as Lightning's: `cpu`, `gpu`, `cuda`, `auto` ...

    Returns:
        A value of `lightning.Trainer(precision=...)`.
    """
    cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    if cuda:
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    found = _cpu() if accelerator in ("auto", "cpu") else {}
    return "bf16-mixed" if found.get("avx512_bf16") or found.get("amx_bf16") else "32-true"


def refuse_wrong_gradients(model: nn.Module, precision: str, device: torch.device) -> None:
    """Refuse bfloat16 where 3D convolutions get wrong gradients in it.

    Args:
        model: what trains.
        precision: as Lightning's, such as bf16-mixed.
        device: where it trains.

    Raises:
        TrainingError: it is such a CPU, and a 3D convolution trains.
    """
    if "bf16" not in precision or not volumes_fail_in_bfloat16(device):
        return
    volumes = [m for m in model.modules() if isinstance(m, nn.Conv3d)]
    if any(p.requires_grad for m in volumes for p in m.parameters()):
        rule = "3D convolutions get wrong gradients in bfloat16 on this CPU"
        raise TrainingError(f"trainer.precision {precision}", rule, "Set it to 32-true")


def volumes_fail_in_bfloat16(device: torch.device) -> bool:
    """Whether gradients of 3D convolutions are wrong in bfloat16.

    On a CPU with AVX512-BF16 and without AMX, gradients of kernels of 3^3 over fields of 2^3 cells
    hold whatever was in memory (oneDNN of torch 2.13; measured here). Where a plugin trains in a
    loop of its own, it computes in float32 then; `fit` refuses such a precision.

    Args:
        device: where it trains.
    """
    found = _cpu()
    return bool(device.type == "cpu" and found.get("avx512_bf16") and not found.get("amx_bf16"))


def _cpu() -> Mapping[str, bool]:
    ask = getattr(torch.cpu, "get_capabilities", dict)  # torch before 2.10 cannot tell
    return ask()
