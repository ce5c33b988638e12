"""Tadpole as published: a variational autoencoder for any field of a three-dimensional PDE."""

from __future__ import annotations

from typing import final

from torch import Tensor

from scionwood_pde.model.coder import Coder


@final
class Tadpole(Coder):
    """An autoencoder with latents of a 16th of the sides (arXiv:2605.15284)."""

    def forward(self, x: Tensor) -> Tensor:
        """Encode states and decode the means of their latents.

        Args:
            x: (batch, field, x, y, z), each field with about zero mean and unit variance.

        Returns:
            The same shape and units.

        Raises:
            ValueError: the shape is wrong, or the domain does not fit the tiling.
        """
        return self.decode(self.encode(x).mean, x.shape[2:])
