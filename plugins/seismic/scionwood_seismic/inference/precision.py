"""The arithmetic of a network: float32, or bfloat16 where the hardware computes in it.

On Viking, F3, a cube and generated gathers the two results agree to 47 to 72 dB, far better than
any noise goes, and the gate finds the same amplitudes. Only the field network was measured, so
`auto` leaves every other network in float32.
"""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from scionwood_seismic.model.field_unet import FieldUNet

Precision = Literal["auto", "float32", "bfloat16"]


def choose_precision(
    precision: Precision, model: nn.Module, device: torch.device
) -> Literal["float32", "bfloat16"]:
    """Return what `auto` stands for on a device; the other values stand for themselves.

    Args:
        precision: what the user wants.
        model: the network.
        device: where it computes.
    """
    if precision != "auto":
        return precision
    is_field_unet = any(isinstance(part, FieldUNet) for part in model.modules())
    return "bfloat16" if is_field_unet and _has_bfloat16(device) else "float32"


def _has_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16: AMX of a CPU, or a GPU that has it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@final
class InBfloat16(nn.Module):
    """A network that computes in bfloat16; its weights, inputs and outputs stay float32.

    Args:
        model: see `field.denoise_record`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, record: Tensor, mask: Tensor, level: Tensor, *slices: Tensor) -> Tensor:
        """Return the denoised record, of the type and shape of the record."""
        with torch.autocast(record.device.type, dtype=torch.bfloat16):
            denoised: Tensor = self.model(record, mask, level, *slices)
        return denoised.to(record.dtype)
