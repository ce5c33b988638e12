"""The precision that a machine computes fastest in: what `precision: auto` of a recipe becomes."""

from __future__ import annotations

from collections.abc import Mapping

import torch


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
    ask = getattr(torch.cpu, "get_capabilities", dict)  # torch before 2.10 cannot tell
    found: Mapping[str, bool] = ask() if accelerator in ("auto", "cpu") else {}
    return "bf16-mixed" if found.get("avx512_bf16") or found.get("amx_bf16") else "32-true"
