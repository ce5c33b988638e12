"""Models of dynamics that predict a change: bilinear, U-Net, and Tadpole whose fields mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from torch import nn

from scionwood import RecipeError
from scionwood_pde.model.forecast import Axis, Forecast
from scionwood_pde.model.mixed import MIXED_TARGETS, MixedTadpole
from scionwood_pde.model.presets import SIZES, SizeName
from scionwood_pde.model.stencils import StencilNet, UNet
from scionwood_pde.model.tiles import Boundary, Tiling
from scionwood_pde.model.weights import SOURCE, load_coder, origin


@dataclass(kw_only=True, eq=False, repr=False)
class TiledForecast(Forecast):
    """A model of dynamics for any fields, whose network may see the domain in tiles.

    Attributes:
        fields: number of fields of a state.
        dims: number of space dimensions.
        history: frames of the input, 1 to 4.
        conditions: names of numbers that come with a state, such as `dt` or `viscosity`. The data
            must give them; see `pde/trajectories`.
        solenoidal: positions of the fields that form a vector without divergence in a periodic box,
            such as [0, 1, 2]. Leray's projection then keeps it so, and supplies the pressure.
        forced_axis: axis along which a stationary wave forces the flow. The model then sees the
            sine and cosine of that wave.
        forced_mode: number of waves of the forcing.
        init_seed: seed of random weights, including those of the head.
        tile: voxels along each axis that the network processes at once, a multiple of 16. `None`
            means the whole domain.
        halo: voxels at each face of a tile that are computed and dropped, a multiple of 16.
        boundary: values beyond the domain: those of its opposite side (`periodic`) or its
            outermost values (`edge`).
        at_once: most tiles that the network processes at once; 0 means no limit.

    Raises:
        RecipeError: a number does not fit the others.
    """

    fields: int = 3
    dims: int = 3
    history: int = 1
    conditions: Sequence[str] = ()
    solenoidal: Sequence[int] = ()
    forced_axis: Axis | None = None
    forced_mode: int = 1
    init_seed: int = 0
    tile: int | None = None
    halo: int = 0
    boundary: Boundary = "periodic"
    at_once: int = 0

    def __post_init__(self) -> None:
        super().__init__()  # the options are plain attributes, which torch takes before this
        try:
            self.tiling = Tiling(self.tile, self.halo, self.boundary)
        except ValueError as error:
            raise RecipeError(str(error)) from error
        self.assemble(self.init_seed)


@final
@dataclass(kw_only=True, eq=False, repr=False)
class BilinearForecast(TiledForecast):
    """A small model of dynamics: the change of a state from products of learned stencils.

    A product forms `(u . grad) u` if the velocity is among the fields; for other fields compare it
    with `unet` and `fno`. It has no pretrained part; train it with `adapter: {name: full}`. Before
    training it predicts no change. With the defaults, three solenoidal fields and a forcing it has
    45,000 numbers.

    Attributes:
        width: products of stencils, and as many stencils with a GELU.
        stencil: odd side of the stencils, in voxels.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32, oldest frame first;
        conditions (batch, condition).

    Units: each field has about zero mean and unit variance, in and out; conditions have theirs.

    Source: this project; Leray's projection is that of `solvers.spectral`.
    """

    width: int = 24
    stencil: int = 5
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "conv": r"network\..*\.(stencil|out)",
        "stencils": r"network\..*\.stencil",
    }

    def build(self) -> nn.Module:
        """Return the network of stencils."""
        return StencilNet(
            self.channels,
            self.fields,
            width=self.width,
            size=self.stencil,
            dims=self.dims,
            boundary=self.around,
        )

    def describe(self) -> dict[str, str]:
        """Return the entry of the model card."""
        return {"architecture": f"bilinear stencils of side {self.stencil}, width {self.width}"}


@final
@dataclass(kw_only=True, eq=False, repr=False)
class UNetForecast(TiledForecast):
    """A U-Net of three resolutions as a model of dynamics; before training, nothing changes.

    Attributes:
        width: channels at full resolution; they double twice.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32. Sides that are not
        multiples of 4 are padded to multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Source: Ronneberger et al. 2015, arXiv:1505.04597.
    """

    width: int = 16
    head = ("network.out",)
    adapter_targets: ClassVar[Mapping[str, str]] = {"conv": r"network\.(down|up)\.\d\.[03]"}

    def build(self) -> nn.Module:
        """Return the U-Net."""
        return UNet(
            self.channels, self.fields, width=self.width, dims=self.dims, boundary=self.around
        )

    def describe(self) -> dict[str, str]:
        """Return the entry of the model card."""
        return {"architecture": f"U-Net, width {self.width}"}


@final
@dataclass(kw_only=True, eq=False, repr=False)
class MixedForecast(TiledForecast):
    """Tadpole as a model of dynamics with an adapter of ours that mixes its fields.

    The head mixes the maps of all fields at strides 1 to 16 with bilinear layers, and replaces the
    decoder's last convolution. Train it alone with `adapter: {name: frozen}`, or with LoRA. With
    the boundary `periodic` Tadpole's convolutions are periodic too.

    Attributes:
        dims: fixed, three.
        size: `tiny`, `S`, `B` or `L`.
        weights: weights of encoder and decoder; see `pde/tadpole`.
        width: products at strides 1 and 2; twice as many at strides 4 and 8.

    Shapes: (batch, frame * field, x, y, z) to (batch, field, x, y, z), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        RecipeError: a number does not fit the others.

    Source: Tadpole, arXiv:2605.15284; the mixing layers are this project's.
    """

    dims: int = field(default=3, init=False)
    size: SizeName = "tiny"
    weights: str | Path = "none"
    width: int = 16
    head = ("network.mixing",)
    adapter_targets: ClassVar[Mapping[str, str]] = MIXED_TARGETS

    def __post_init__(self) -> None:
        super().__post_init__()
        load_coder(self.network, self.size, str(self.weights))

    def build(self) -> nn.Module:
        """Return encoder, mixing and decoder with random weights."""
        return MixedTadpole(
            SIZES[self.size],
            fields=self.fields,
            history=self.history,
            extra=self.extra,
            width=self.width,
            boundary=self.around,
        )

    def describe(self) -> dict[str, str]:
        """Return the entries of the model card."""
        return {
            "architecture": f"Tadpole, size {self.size}, with mixing of fields (this project's)",
            **origin(str(self.weights)),
            "source": SOURCE,
        }
