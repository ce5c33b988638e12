"""The options that verbs share, each declared once: for Python, the command line and a service.

A command reads them before anything heavy is imported, so this module imports no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from scionwood.authoring import InputPath, RunPath
from scionwood_pde.verbs.words import numbers_of, words_of

if TYPE_CHECKING:
    from scionwood_pde.readers.files import States as States

    Names: TypeAlias = Sequence[str] | None
    Words: TypeAlias = Mapping[str, str] | Sequence[str] | None
    Numbers: TypeAlias = Mapping[str, Any] | Sequence[str] | None
    Training: TypeAlias = States | Sequence[States] | None
    Target: TypeAlias = str | Path | None
else:  # what the command line can pass
    from scionwood.authoring import OutputPath

    States = InputPath
    Names = Words = Numbers = list[str] | None
    Training = list[InputPath] | None
    Target = OutputPath | None


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Which fields are read.

    Attributes:
        fields: names of the channels, in their order; by default all, or those of the run.
    """

    fields: Names = None


@dataclass(frozen=True, kw_only=True)
class Placing(Fields):
    """Which fields of a file are read, and where they lie.

    Attributes:
        dims: dimensions of the file by their role, such as x=lon, or {"x": "lon"} in Python; roles
            are sample, time, x, y, z.
        rename: new names of channels, each as NAME=NEW, or as a mapping in Python.

    Raises:
        RecipeError: a word has another form, or a name occurs twice.

    Example:
        >>> Placing(dims=["x=lon"]).dims
        {'x': 'lon'}
    """

    dims: Words = None
    rename: Words = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", words_of(self.dims))
        object.__setattr__(self, "rename", words_of(self.rename))

    def places(self) -> dict[str, Any]:
        """Return `dims` and `rename` as mappings."""
        return {"dims": words_of(self.dims), "rename": words_of(self.rename)}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to compute.

    Attributes:
        device: where to compute, such as cpu or cuda.
    """

    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(Place):
    """The autoencoder that makes latents, or states of them.

    Attributes:
        run: the run folder of an autoencoder that `scionwood fit` wrote, whose normalisation is
            used if it has one; by default the model without an adapter.
        size: size of the model without an adapter.
        weights: weights of the model without an adapter; see `scionwood show pde/tadpole`.
        tile: tile of the model without an adapter, in voxels; by default the whole domain.
        halo: halo of the model without an adapter, in voxels. If the states are periodic along all
            axes, the halo of the outer tiles holds the values of the opposite side.
        at_once: most tiles that pass through the network together, which bounds the memory; 0
            means that of the run, or 8.

    Example:
        >>> DecodeOptions(tile=32, halo=16).weights
        'shipped'
    """

    run: RunPath | None = None
    size: Literal["tiny", "S", "B", "L"] = "tiny"
    weights: str = "shipped"
    tile: int | None = None
    halo: int = 0
    at_once: int = 0


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(DecodeOptions, Placing):
    """How states are read, and the autoencoder that compresses them.

    Example:
        >>> EncodeOptions(fields=["u_x"], tile=32).fields
        ['u_x']
    """


@dataclass(frozen=True, kw_only=True)
class RolloutRequest(Fields):
    """What may be chosen for a prediction by whoever sends a file, a stranger included.

    Attributes:
        steps: number of steps; by default as many as the states have after their first time.
        conditions: numbers that the model of the run needs, such as viscosity=0.05, or by name in
            Python, one or one of each sample; in the units of the training.

    Raises:
        RecipeError: a word has another form.
    """

    steps: int | None = None
    conditions: Numbers = None

    def __post_init__(self) -> None:
        if self.conditions is not None:
            object.__setattr__(self, "conditions", numbers_of(self.conditions))


@dataclass(frozen=True, kw_only=True)
class RolloutOptions(RolloutRequest, Placing, Place):
    """How states are read, and the run that predicts the next ones.

    Attributes:
        run: a run of `pde/dynamics`, as a folder or by its name. It supplies the normalisation and
            the time of a step. The default run is shipped; it knows Burgers' equation only.
        statistics: a cache whose means and standard deviations replace those of the run.

    Example:
        >>> RolloutOptions(steps=2, conditions=["viscosity=0.05"]).conditions
        {'viscosity': 0.05}
    """

    run: RunPath = "pde/burgers"
    statistics: InputPath | str | None = None

    def __post_init__(self) -> None:
        RolloutRequest.__post_init__(self)
        Placing.__post_init__(self)
