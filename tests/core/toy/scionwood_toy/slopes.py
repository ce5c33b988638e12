"""A task whose predictions are gradients, as the forces of a potential are."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from scionwood import Task


class Slope(Task):
    """Mean squared error of the gradient (batch, features) of the output, float32, no units.

    Source: none, it is a toy.
    """

    needs_gradient: ClassVar[bool] = True

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The squared error against the slope of the target sin(sum(x))."""
        x = batch[0].detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.backbone(x).sum(), x, create_graph=self.training)
        return {"loss": (slope - torch.cos(x.sum(1, keepdim=True))).square().mean()}
