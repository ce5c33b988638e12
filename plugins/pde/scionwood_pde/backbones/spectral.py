"""A model of dynamics that does not need the right variables: stencils and Fourier symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast, final

from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_pde.backbones.forecasts import TiledForecast
from scionwood_pde.model.symbols import Feature, SpectralNet


@final
@dataclass(kw_only=True, eq=False, repr=False)
class SpectralForecast(TiledForecast):
    """Products of stencils over the fields and over spectral features of them, in a periodic box.

    The features are `1/k^2` (`poisson`) and `i k/k^2` (`gradient`) of each field, which give the
    velocity of a vorticity; the symbols after the products, `k_a k_b/k^2` and `i k_a/|k|`
    (`riesz`), contain Leray's projection. All have a learned gain for each shell of wavenumbers.
    A linear part, one matrix for each shell, is fitted before the training. With the defaults and
    one field in two dimensions it has 9,000 numbers.

    Attributes:
        width: products of stencils, and as many stencils with a GELU.
        stencil: odd side of the stencils, in voxels.
        features: symbols of the features before the products; `[]` means none.
        feature_channels: most features that the stencils see; more are mixed linearly.
        after: symbols after the products, `riesz` or `none`.
        linear: add the linear part.
        shells: shells that have numbers of their own. Finer ones share those of the last one, so
            that the model runs on any sides.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32, oldest frame first.
        The features are those of the last frame.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        RecipeError: a number does not fit the others, or the box is not whole and periodic.

    Source: this project. The pressure and the velocity of a vorticity as symbols: Majda and
        Bertozzi 2002, Vorticity and Incompressible Flow, sections 1.8 and 2.1.
    """

    width: int = 24
    stencil: int = 5
    features: Sequence[Feature] = ("poisson", "gradient")
    feature_channels: int = 6
    after: Literal["riesz", "none"] = "riesz"
    linear: bool = True
    shells: int = 64
    head = ("network.multipliers",)
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "conv": r"network\.stencils\..*\.(stencil|out)",
        "stencils": r"network\.stencils\..*\.stencil",
    }

    def __post_init__(self) -> None:
        if self.tile is not None or self.boundary != "periodic":
            value = f"boundary: {self.boundary}" if self.tile is None else f"tile: {self.tile}"
            rule = "the symbols of pde/spectral need the whole periodic box"
            raise RecipeError(value, rule, "Use pde/unet, or a periodic box without tiles")
        super().__post_init__()

    def build(self) -> nn.Module:
        """Return the network of stencils and symbols."""
        return SpectralNet(
            self.channels,
            self.fields,
            last=(self.history - 1) * self.fields,
            dims=self.dims,
            width=self.width,
            size=self.stencil,
            features=self.features,
            feature_channels=self.feature_channels,
            after=self.after == "riesz",
            linear=self.linear,
            shells=self.shells,
        )

    def describe(self) -> dict[str, str]:
        """Return the entry of the model card."""
        symbols = ", ".join((*self.features, self.after))
        return {"architecture": f"stencils of side {self.stencil} and symbols ({symbols})"}

    def measure(
        self, batches: Iterable[Mapping[str, Tensor]], std: Sequence[float] | None = None
    ) -> None:
        """Measure the scales, the sizes of the features and the linear part on training data."""
        sample = list(batches)
        super().measure(sample, std)
        scale = self.scales.change.view(-1, *[1] * self.dims)
        states = [batch["state"][:, -self.fields :].to(scale) for batch in sample]
        changes = [
            (batch["next"].to(scale) - state) / scale
            for batch, state in zip(sample, states, strict=True)
        ]
        cast(SpectralNet, self.network).multipliers.measure(states, changes)
