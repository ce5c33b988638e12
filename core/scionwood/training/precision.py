"""Choose the precision of `precision: auto`: the one in which the machine is fastest."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from scionwood.errors import TrainingError


def native_precision(accelerator: str = "auto") -> str:
    """Return `bf16-mixed` if the hardware multiplies bfloat16, else `32-true`.

    On a CPU with AVX512-BF16 or AMX a step of a ViT-S takes about 0.6 of its time in float32.
    Other CPUs emulate bfloat16, which is slower. Weights, optimiser and sums stay in float32.
    """
    cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    if cuda:
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    features = _cpu() if accelerator in ("auto", "cpu") else {}
    return "bf16-mixed" if features.get("avx512_bf16") or features.get("amx_bf16") else "32-true"


def refuse_wrong_gradients(model: nn.Module, precision: str, device: torch.device) -> None:
    """Refuse to train 3D convolutions in bfloat16 on a CPU that computes wrong gradients."""
    if "bf16" not in precision or not volumes_fail_in_bfloat16(device):
        return
    volumes = [m for m in model.modules() if isinstance(m, nn.Conv3d)]
    if any(p.requires_grad for m in volumes for p in m.parameters()):
        rule = "3D convolutions get wrong gradients in bfloat16 on this CPU"
        raise TrainingError(f"trainer.precision {precision}", rule, "Set it to 32-true")


def volumes_fail_in_bfloat16(device: torch.device) -> bool:
    """Return whether gradients of 3D convolutions are wrong in bfloat16.

    On a CPU with AVX512-BF16 and without AMX, gradients of kernels of 3^3 over fields of 2^3 cells
    hold uninitialised memory (oneDNN of torch 2.13; measured by this project). `fit` refuses that
    precision. A training loop outside `fit` should compute in float32 there.

    Args:
        device: the device of the training.

    Example:
        >>> device = torch.device("cpu")
        >>> dtype = torch.float32 if authoring.volumes_fail_in_bfloat16(device) else torch.bfloat16
    """
    features = _cpu()
    wrong = features.get("avx512_bf16") and not features.get("amx_bf16")
    return bool(device.type == "cpu" and wrong)


def _cpu() -> Mapping[str, bool]:
    ask = getattr(torch.cpu, "get_capabilities", dict)  # missing in torch before 2.10
    return ask()
