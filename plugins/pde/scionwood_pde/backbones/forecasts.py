"""Models of dynamics that predict a change: bilinear, U-Net, and Tadpole whose fields mix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from scionwood import RecipeError
from scionwood_pde.backbones.tadpole import SOURCE, load_coder, origin
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.mixed import MIXED_TARGETS, MixedTadpole
from scionwood_pde.model.presets import SIZES, SizeName
from scionwood_pde.model.setting import Axis, Setting
from scionwood_pde.model.stencils import StencilNet, UNet
from scionwood_pde.model.tiles import Boundary, Tiling


def bilinear(
    *,
    fields: int = 3,
    dims: int = 3,
    width: int = 24,
    stencil: int = 5,
    history: int = 1,
    conditions: Sequence[str] = (),
    solenoidal: Sequence[int] = (),
    forced_axis: Axis | None = None,
    forced_mode: int = 1,
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "periodic",
    at_once: int = 0,
) -> Forecast:
    """Build a small model of dynamics: the change of a state from products of learned stencils.

    A product forms `(u . grad) u` if the velocity is among the fields; for other fields compare it
    with `unet` and `fno`. It has no pretrained part; train it with `adapter: {name: full}`. Before
    training it predicts no change. With the defaults, three solenoidal fields and a forcing it has
    45,000 numbers.

    Args:
        fields: number of fields of a state.
        dims: number of space dimensions.
        width: products of stencils, and as many stencils with a GELU.
        stencil: odd side of the stencils, in voxels.
        history: frames of the input, 1 to 4.
        conditions: names of numbers that come with a state, such as `dt` or `viscosity`. The data
            must give them; see `pde/trajectories`.
        solenoidal: positions of the fields that form a vector without divergence in a periodic box,
            such as [0, 1, 2]. Leray's projection then keeps it so, and supplies the pressure.
        forced_axis: axis along which a stationary wave forces the flow. The model then sees the
            sine and cosine of that wave.
        forced_mode: number of waves of the forcing.
        init_seed: seed of the random weights.
        tile: voxels along each axis that the network processes at once, a multiple of 16. `None`
            means the whole domain.
        halo: voxels at each face of a tile that are computed and dropped, a multiple of 16.
        boundary: values beyond the domain: those of its opposite side (`periodic`) or its
            outermost values (`edge`).
        at_once: most tiles that the network processes at once; 0 means no limit.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32, oldest frame first;
        conditions (batch, condition).

    Units: each field has about zero mean and unit variance, in and out; conditions have theirs.

    Raises:
        RecipeError: a number does not fit the others.

    Source: this project; Leray's projection is that of `solvers.spectral`.
    """
    card = {"architecture": f"bilinear stencils of side {stencil}, width {width}"}

    def make(setting: Setting, within: Boundary) -> nn.Module:
        kind = {"dims": dims, "boundary": within}
        return StencilNet(setting.channels, fields, width=width, size=stencil, **kind)  # type: ignore[arg-type]

    return built(
        make,
        lambda: Setting(
            fields, dims, history, tuple(conditions), tuple(solenoidal), forced_axis, forced_mode
        ),
        lambda: Tiling(tile, halo, boundary),
        at_once=at_once,
        init_seed=init_seed,
        targets={"conv": r"network\..*\.(stencil|out)", "stencils": r"network\..*\.stencil"},
        card=card,
    )


def unet(
    *,
    fields: int = 3,
    dims: int = 3,
    width: int = 16,
    history: int = 1,
    conditions: Sequence[str] = (),
    solenoidal: Sequence[int] = (),
    forced_axis: Axis | None = None,
    forced_mode: int = 1,
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "periodic",
    at_once: int = 0,
) -> Forecast:
    """Build a U-Net of three resolutions as a model of dynamics; before training, nothing changes.

    Args:
        fields: see `pde/bilinear`, as for all other options that it shares.
        dims: number of space dimensions.
        width: channels at full resolution; they double twice.
        history: frames of the input, 1 to 4.
        conditions: names of numbers that come with a state.
        solenoidal: positions of the fields that form a vector without divergence.
        forced_axis: axis of a stationary forcing.
        forced_mode: number of waves of the forcing.
        init_seed: seed of the random weights.
        tile: voxels along each axis that the network processes at once.
        halo: voxels at each face of a tile that are computed and dropped.
        boundary: values beyond the domain.
        at_once: most tiles that the network processes at once.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32. Sides that are not
        multiples of 4 are padded to multiples of 16.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        RecipeError: a number does not fit the others.

    Source: Ronneberger et al. 2015, arXiv:1505.04597.
    """

    def make(setting: Setting, within: Boundary) -> nn.Module:
        return UNet(setting.channels, fields, width=width, dims=dims, boundary=within)

    return built(
        make,
        lambda: Setting(
            fields, dims, history, tuple(conditions), tuple(solenoidal), forced_axis, forced_mode
        ),
        lambda: Tiling(tile, halo, boundary),
        at_once=at_once,
        init_seed=init_seed,
        targets={"conv": r"network\.(down|up)\.\d\.[03]"},
        head=("network.out",),
        card={"architecture": f"U-Net, width {width}"},
    )


def tadpole_mixed(
    *,
    fields: int = 3,
    size: SizeName = "tiny",
    weights: str | Path = "none",
    width: int = 16,
    history: int = 1,
    conditions: Sequence[str] = (),
    solenoidal: Sequence[int] = (),
    forced_axis: Axis | None = None,
    forced_mode: int = 1,
    init_seed: int = 0,
    tile: int | None = None,
    halo: int = 0,
    boundary: Boundary = "periodic",
    at_once: int = 0,
) -> Forecast:
    """Build Tadpole as a model of dynamics with an adapter of ours that mixes its fields.

    The head mixes the maps of all fields at strides 1 to 16 with bilinear layers, and replaces the
    decoder's last convolution. Train it alone with `adapter: {name: frozen}`, or with LoRA.

    Args:
        fields: see `pde/bilinear`, as for all other options that it shares.
        size: `tiny`, `S`, `B` or `L`.
        weights: weights of encoder and decoder; see `pde/tadpole`.
        width: products at strides 1 and 2; twice as many at strides 4 and 8.
        history: frames of the input, 1 to 4.
        conditions: names of numbers that come with a state.
        solenoidal: positions of the fields that form a vector without divergence.
        forced_axis: axis of a stationary forcing.
        forced_mode: number of waves of the forcing.
        init_seed: seed of random weights, including those of the head.
        tile: voxels along each axis that the network processes at once.
        halo: voxels at each face of a tile that are computed and dropped.
        boundary: values beyond the domain. `periodic` also makes Tadpole's convolutions periodic.
        at_once: most tiles that the network processes at once.

    Shapes: (batch, frame * field, x, y, z) to (batch, field, x, y, z), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
        RecipeError: a number does not fit the others.

    Source: Tadpole, arXiv:2605.15284; the mixing layers are this project's.
    """

    def make(setting: Setting, within: Boundary) -> nn.Module:
        options = {"fields": fields, "history": history, "extra": setting.extra, "width": width}
        return MixedTadpole(SIZES[size], **options, boundary=within)

    model = built(
        make,
        lambda: Setting(
            fields, 3, history, tuple(conditions), tuple(solenoidal), forced_axis, forced_mode
        ),
        lambda: Tiling(tile, halo, boundary),
        at_once=at_once,
        init_seed=init_seed,
        targets=MIXED_TARGETS,
        head=("network.mixing",),
        card={
            "architecture": f"Tadpole, size {size}, with mixing of fields (this project's)",
            **origin(size, str(weights)),
            "source": SOURCE,
        },
    )
    load_coder(model.network, size, str(weights))
    return model


def built(
    make: Callable[[Setting, Boundary], nn.Module],
    setting: Callable[[], Setting],
    tiling: Callable[[], Tiling],
    *,
    at_once: int,
    init_seed: int,
    targets: Mapping[str, str],
    head: Sequence[str] = (),
    card: Mapping[str, str],
) -> Forecast:
    """Build a network from a seed, and a model of dynamics around it.

    Inside tiles a network never wraps around, even if the domain is periodic.

    Raises:
        RecipeError: a number does not fit the others.
    """
    try:
        described, tiles = setting(), tiling()
        within: Boundary = tiles.boundary if tiles.tile is None else "edge"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            network = make(described, within)
        return Forecast(
            network,
            described,
            tiling=tiles,
            at_once=at_once,
            targets=targets,
            head=head,
            card={"weights": "random, seeded", **card},
        )
    except ValueError as error:
        raise RecipeError(str(error)) from error
