"""Tadpole as published: a variational autoencoder for any field of a three-dimensional PDE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from scionwood_pde.model.coder import Coder


@final
@dataclass(kw_only=True, eq=False, repr=False)
class Tadpole(Coder):
    """Tadpole as an autoencoder: fields to latents with a 16th of the sides, and back.

    Shapes: (batch, field, x, y, z) to the same, float32, for any number of fields. Sides of at
        least 16 voxels are padded to multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Source: Tadpole, arXiv:2605.15284; the encoder and decoder are those of P3D, arXiv:2509.10186.
    """

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
