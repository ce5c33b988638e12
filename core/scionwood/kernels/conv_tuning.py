"""Measure the forms of LoRA convolutions on a card."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import torch
from torch import Tensor

from scionwood.kernels.conv import in_form
from scionwood.kernels.conv_forms import FORMS, ConvShape, Form, key
from scionwood.kernels.convolution import geometry_of
from scionwood.kernels.tuning import FAR, seconds

TINY = {"tiny convolution": ConvShape(4, 3, (3, 3), 2, 2 * 5 * 5)}
CONVS = {
    f"{name}{', TF32' if tf32 else ''}": ConvShape(*shape, tf32)
    for tf32 in (False, True)
    for name, shape in {
        "3-D, 64 channels": (64, 64, (3, 3, 3), 8, 64**3),
        "3-D, 128 channels": (128, 128, (3, 3, 3), 8, 32**3),
        "2-D, 64 channels": (64, 64, (3, 3), 8, 16 * 128**2),
        "2-D, 256 channels": (256, 256, (3, 3), 8, 16 * 32**2),
    }.items()
}
"""Outputs, inputs, kernel, rank and voxels of the layers that are measured, all in float32."""


def tune(
    device: str, shapes: Mapping[str, ConvShape], limit: float
) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    """Yield the name of each layer, its entry, and why a form or all are left out.

    Args:
        device: `cuda` or `cpu`.
        shapes: The layers.
        limit: The seconds after which no layer starts.
    """
    until = time.monotonic() + limit
    for name, shape in shapes.items():
        if time.monotonic() > until:
            yield name, None, "the time was over"
            continue
        try:
            yield name, *_measured(device, shape)
        except torch.OutOfMemoryError as error:  # others are smaller
            torch.cuda.empty_cache()
            yield name, None, str(error).splitlines()[0]


def _measured(device: str, shape: ConvShape) -> tuple[dict[str, Any], str]:
    """Return the entry of a layer, and the forms that differ from the separate one."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = shape.tf32
    try:
        layer = _Layer(device, shape)
        right = layer.run("separate")
        micros, wrong = {}, []
        for form in FORMS:
            near = all(
                bool((one - other).abs().max() <= FAR * other.abs().max())
                for one, other in zip(layer.run(form), right, strict=True)
            )
            if near:
                micros[form] = round(1e6 * seconds(lambda: layer.run(form), device), 2)  # noqa: B023
            else:
                wrong.append(f"{form} differs from separate convolutions")
    finally:
        torch.backends.cudnn.allow_tf32 = before
    entry = {**key(shape), "voxels": shape.voxels, "microseconds": micros}
    return entry | {"form": min(micros, key=micros.__getitem__)}, "; ".join(wrong)


class _Layer:
    """The operands of a layer: one image whose last axis has all voxels that the others leave."""

    def __init__(self, device: str, shape: ConvShape) -> None:
        rng = torch.Generator(device).manual_seed(0)  # a user's random numbers stay as they are

        def draw(*size: int) -> Tensor:
            sample: Tensor = torch.randn(size, generator=rng, device=device)
            return sample.div(prod(size[1:]) ** 0.5).requires_grad_()

        axes = len(shape.kernel)
        side = max(1, round(shape.voxels ** (1 / axes)))
        sides = [*[side] * (axes - 1), -(-shape.voxels // side ** (axes - 1))]
        self.x, self.weight = (
            draw(1, shape.inputs, *sides),
            draw(shape.out, shape.inputs, *shape.kernel),
        )
        self.weight.requires_grad_(False)
        self.a = draw(shape.rank, shape.inputs, *shape.kernel)
        self.b = draw(shape.out, shape.rank, *[1] * axes)
        self.geometry = geometry_of(shape.kernel, 1, "same", 1, 1)
        self.grad = draw(1, shape.out, *sides).detach()

    def run(self, form: Form) -> tuple[Tensor, ...]:
        """Return y and the gradients of x, A and B."""
        operands = (self.x, self.weight, None, self.a, self.b, 0.7, self.geometry, None)
        y = in_form(form, *operands)
        return y.detach(), *torch.autograd.grad(y, (self.x, self.a, self.b), self.grad)
