"""Neural operators as models of dynamics: the Fourier neural operator and its Tucker form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, final

from scionwood.authoring import read_weights
from scionwood_pde.backbones.forecasts import TiledForecast
from scionwood_pde.model.fourier import FNO, to_neuraloperator

REMEDY = "Save the model's state_dict with safetensors.torch.save_file, or give `none`"
_MLP = r"network\.fno_blocks\.(fno_skips\.\d+\.conv|channel_mlp\.\d+\.fcs\.\d)"
_SPECTRAL = r"network\.fno_blocks\.convs\.\d+"


@dataclass(kw_only=True, eq=False, repr=False)
class FNOForecast(TiledForecast):
    """A Fourier neural operator, with the names and shapes of neuraloperator's FNO.

    Attributes:
        modes: number of modes along each axis, both signs together.
        width: channels of the layers.
        layers: number of layers.
        grid: append the coordinates, from 0 to 1, to the input, as neuraloperator does by default.
        target: what the network predicts: the scaled change of a state, or the next state.
        weights: `none` (random), or a safetensors file of the state dict of `neuralop.models.FNO`
            or of its TFNO. Its files of pickled weights are not read.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of other shapes.
        RecipeError: a number does not fit the others.

    Source: Li et al. 2021, arXiv:2010.08895; the layout is that of neuraloperator 2.0.
    """

    modes: int = 12
    width: int = 20
    layers: int = 4
    grid: bool = False
    target: Literal["change", "state"] = "change"
    weights: str | Path = "none"
    head = ("network.projection",)
    kind = "FNO"
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "spectral": _SPECTRAL,
        "mlp": _MLP,
        "all": f"{_SPECTRAL}|{_MLP}",
    }

    def build(self) -> FNO:
        """Return the operator with its weights; a random one of changes starts at no change."""
        network = FNO(
            self.channels,
            self.fields,
            modes=(self.modes,) * self.dims,
            width=self.width,
            layers=self.layers,
            rank=self.tucker_rank(),
            grid=self.grid,
        )
        weights = str(self.weights)
        if weights != "none":
            names = {to_neuraloperator(name): name for name in network.state_dict()}
            shapes = {
                foreign: network.state_dict()[local_name] for foreign, local_name in names.items()
            }
            state = read_weights(Path(weights), shapes, remedy=REMEDY)
            network.load_state_dict({names[foreign]: value for foreign, value in state.items()})
        elif self.target == "change":
            for parameter in network.projection.fcs[-1].parameters():
                parameter.detach().zero_()
        return network

    def describe(self) -> dict[str, str]:
        """Return the entries of the model card."""
        architecture = f"{self.kind}, {self.modes} modes, width {self.width}"
        if str(self.weights) == "none":
            return {"architecture": architecture}
        return {"architecture": architecture, "weights": f"file {Path(self.weights).name}"}

    def tucker_rank(self) -> float | None:
        """Return the rank of Tucker weights; `None` means dense weights."""
        return None


@final
@dataclass(kw_only=True, eq=False, repr=False)
class TFNOForecast(FNOForecast):
    """A Fourier neural operator with Tucker weights, in the layout of neuraloperator's TFNO.

    Adapters go on the pointwise layers only: the spectral weights have a low rank already.

    Attributes:
        rank: share of the numbers of a dense weight that its core and factors hold, about.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32.

    Units: each field has about zero mean and unit variance, in and out.

    Source: Kossaifi et al. 2024, arXiv:2310.00120; the layout is that of neuraloperator 2.0.
    """

    rank: float = 0.1
    kind = "TFNO"
    adapter_targets: ClassVar[Mapping[str, str]] = {"mlp": _MLP}

    def tucker_rank(self) -> float | None:
        """Return the rank."""
        return self.rank
