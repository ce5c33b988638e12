"""Neural operators as models of dynamics: the Fourier neural operator and its Tucker form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import nn

from scionwood.authoring import read_weights
from scionwood_pde.backbones.forecasts import built
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.fourier import FNO, to_neuraloperator
from scionwood_pde.model.setting import Axis, Setting
from scionwood_pde.model.tiles import Boundary, Tiling

REMEDY = "Save the model's state_dict with safetensors.torch.save_file, or give `none`"
_MLP = r"network\.fno_blocks\.(fno_skips\.\d+\.conv|channel_mlp\.\d+\.fcs\.\d)"
_SPECTRAL = r"network\.fno_blocks\.convs\.\d+"


def fno(
    *,
    fields: int = 3,
    dims: int = 3,
    modes: int = 12,
    width: int = 20,
    layers: int = 4,
    grid: bool = False,
    target: Literal["change", "state"] = "change",
    weights: str | Path = "none",
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
    """Build a Fourier neural operator, with the names and shapes of neuraloperator's FNO.

    Args:
        fields: see `pde/bilinear`, as for all other options that it shares.
        dims: number of space dimensions.
        modes: number of modes along each axis, both signs together.
        width: channels of the layers.
        layers: number of layers.
        grid: append the coordinates, from 0 to 1, to the input, as neuraloperator does by default.
        target: what the network predicts: the scaled change of a state, or the next state.
        weights: `none` (random), or a safetensors file of the state dict of `neuralop.models.FNO`.
            Its files of pickled weights are not read.
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

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of other shapes.
        RecipeError: a number does not fit the others.

    Source: Li et al. 2021, arXiv:2010.08895; the layout is that of neuraloperator 2.0.
    """
    shape = {"modes": (modes,) * dims, "width": width, "layers": layers, "grid": grid}

    def make(setting: Setting, within: Boundary) -> nn.Module:
        network = FNO(setting.channels, fields, **shape)  # type: ignore[arg-type]
        return _started(network, str(weights), target)

    return built(
        make,
        lambda: Setting(
            fields,
            dims,
            history,
            tuple(conditions),
            tuple(solenoidal),
            forced_axis,
            forced_mode,
            target,
        ),
        lambda: Tiling(tile, halo, boundary),
        at_once=at_once,
        init_seed=init_seed,
        targets={"spectral": _SPECTRAL, "mlp": _MLP, "all": f"{_SPECTRAL}|{_MLP}"},
        head=("network.projection",),
        card={"architecture": f"FNO, {modes} modes, width {width}", **_origin(str(weights))},
    )


def tfno(
    *,
    fields: int = 3,
    dims: int = 3,
    modes: int = 12,
    width: int = 20,
    layers: int = 4,
    rank: float = 0.1,
    grid: bool = False,
    target: Literal["change", "state"] = "change",
    weights: str | Path = "none",
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
    """Build a Fourier neural operator with Tucker weights, in the layout of neuraloperator's TFNO.

    Adapters go on the pointwise layers only: the spectral weights have a low rank already.

    Args:
        fields: see `pde/fno`, as for all other options that it shares.
        dims: number of space dimensions.
        modes: number of modes along each axis, both signs together.
        width: channels of the layers.
        layers: number of layers.
        rank: share of the numbers of a dense weight that its core and factors hold, about.
        grid: append the coordinates to the input.
        target: what the network predicts.
        weights: `none`, or a safetensors file of the state dict of `neuralop.models.TFNO`.
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

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of other shapes.
        RecipeError: a number does not fit the others.

    Source: Kossaifi et al. 2024, arXiv:2310.00120; the layout is that of neuraloperator 2.0.
    """
    shape = {"modes": (modes,) * dims, "width": width, "layers": layers, "grid": grid}

    def make(setting: Setting, within: Boundary) -> nn.Module:
        network = FNO(setting.channels, fields, **shape, rank=rank)  # type: ignore[arg-type]
        return _started(network, str(weights), target)

    return built(
        make,
        lambda: Setting(
            fields,
            dims,
            history,
            tuple(conditions),
            tuple(solenoidal),
            forced_axis,
            forced_mode,
            target,
        ),
        lambda: Tiling(tile, halo, boundary),
        at_once=at_once,
        init_seed=init_seed,
        targets={"mlp": _MLP},
        head=("network.projection",),
        card={"architecture": f"TFNO, {modes} modes, width {width}", **_origin(str(weights))},
    )


def _started(network: FNO, weights: str, target: str) -> FNO:
    """Load weights, or let a random network of changes start at no change."""
    if weights != "none":
        names = {to_neuraloperator(name): name for name in network.state_dict()}
        wanted = {theirs: network.state_dict()[own] for theirs, own in names.items()}
        state = read_weights(Path(weights), wanted, remedy=REMEDY)
        network.load_state_dict({names[theirs]: value for theirs, value in state.items()})
    elif target == "change":
        for parameter in network.projection.fcs[-1].parameters():
            parameter.detach().zero_()
    return network


def _origin(weights: str) -> dict[str, str]:
    return {} if weights == "none" else {"weights": f"file {Path(weights).name}"}
