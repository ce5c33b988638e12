"""Walrus as a model of dynamics in two or three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from scionwood import RecipeError, WeightsError
from scionwood.authoring import read_weights
from scionwood_pde.model.avit_fields import FieldNames, put
from scionwood_pde.model.forecast import Forecast
from scionwood_pde.model.tiles import Tiling
from scionwood_pde.model.walrus import SIZES, Walrus, WalrusSize
from scionwood_pde.model.walrus_coder import Face

REPOSITORY = "polymathic-ai/walrus"
FILE = "walrus.pt"
FRAMES = 6
"""Frames of the authors' training."""

_TENSOR = ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")
FIELDS = (
    *("closed_boundary", "open_boundary", "bias_correction", "pressure"),
    *("velocity_x", "velocity_y", "velocity_z", "zeros_like_density", "speed_of_sound"),
    *("concentration", *(f"D_{i}" for i in _TENSOR), *(f"E_{i}" for i in _TENSOR)),
    *("density", "energy", "velocity_r", "velocity_theta", "velocity_phi"),
    *("momentum_x", "momentum_y", "momentum_z", "pressure_re", "pressure_im", "mask"),
    *("magnetic_field_x", "magnetic_field_y", "magnetic_field_z", "A", "B", "height"),
    *("internal_energy", "temperature", "electron_fraction", "entropy"),
    *("magnetic_field_log_r", "magnetic_field_theta", "magnetic_field_phi", "velocity_log_r"),
    *("buoyancy", "tracer", "log10_density", "log10_temperature", "c_zz"),
    *(f"C_{i}" for i in _TENSOR),
)
"""The fields of the rows, as in the authors' `extended_config.yaml`; the first three are marks."""

REMEDY = (
    f"Give `weights` the authors' {FILE} of hf.co/{REPOSITORY}, its tensors as safetensors, or "
    "`hub`, with `size: full`; or `none`"
)
_ATTENTION = r"network\.blocks\.\d+\.(time_mixing\.(in|out)put_head|space_mixing\.attn_out)"
_FUSED = r"network\.blocks\.\d+\.space_mixing\.fused_ff_qkv"
_MLP = r"network\.blocks\.\d+\.space_mixing\.ff_out"


@final
class WalrusForecast(Forecast):
    """Walrus: causal attention along time and full attention over space, in 2D or 3D.

    It has a table with a row for each field. A state takes the rows of its fields; fields that the
    weights do not know get new rows, and then encoder and decoder train beside an adapter.

    Args:
        fields: the row of each field of a state, in their order, such as `velocity_x`, `pressure`,
            `density` or `magnetic_field_z`; an unknown name is refused with the list of all.
            `new.NAME` is a new row. The authors give planes a third component of vectors, zero.
        dims: number of space dimensions, 2 or 3.
        size: `full` as published (1.3 billion numbers, 5 GB), or `tiny` for CPUs.
        weights: `none` (random), `hub` or `hub:REVISION`, or a file: the authors' checkpoint, of
            which only tensors are read, or its tensors as safetensors.
        history: frames of the input. The weights were trained with 6. One frame tells nothing of
            the size of a change.
        faces: what lies beyond the faces of each axis, or of all axes: `periodic`, `open` or
            `wall`.
        jitter: shift states and tokens at random. The authors do so in training and in rollouts,
            where it damps errors that grow at the borders of tokens; results then depend on the
            state of torch's generator.
        init_seed: seed of random weights.

    Shapes: (batch, frame * field, *space) to (batch, field, *space), float32, oldest frame first.
        Sides are 32 in 2D, or 16 in 3D, times 1, 4, 8, 12, 16, 24 or 32.

    Units: any, as the network divides each field by its root mean square over the frames; its mean
        stays, so that a normaliser which takes it off shows the network other states than it knows.

    Raises:
        WeightsError: the file is missing, unreadable, or of another size; with `hub` this is said
            before anything is downloaded.
        RecipeError: a field is unknown, or a number does not fit the others.

    Source: McCabe et al. 2025, arXiv:2511.15684; the layout is that of the authors' code.
    """

    longest = FRAMES
    adapter_targets: ClassVar[Mapping[str, str]] = {
        "attention": f"{_ATTENTION}|{_FUSED}",
        "mlp": f"{_MLP}|{_FUSED}",
        "all-linear": f"{_ATTENTION}|{_MLP}|{_FUSED}",
    }

    def __init__(
        self,
        *,
        fields: Sequence[str] = ("velocity_x", "velocity_y", "pressure"),
        dims: int = 2,
        size: WalrusSize = "tiny",
        weights: str | Path = "none",
        history: int = FRAMES,
        faces: Sequence[Face] = ("periodic",),
        jitter: bool = False,
        init_seed: int = 0,
    ) -> None:
        super().__init__()
        self.names, self.weights = FieldNames(fields, FIELDS), str(weights)
        if self.weights.partition(":")[0] == "hub" and size != "full":
            rule = f"the hub has the size full, 5 GB, and this is {size}"
            raise WeightsError(
                f"weights {self.weights!r}", rule, "Set `size: full`, or `weights: none`"
            )
        self.faces = tuple(faces) * (dims if len(faces) == 1 else 1)
        allowed = {"periodic", "open", "wall"}
        if dims not in (2, 3) or len(self.faces) != dims or set(self.faces) - allowed:
            rule = "a state has 2 or 3 axes, and each is periodic, open or wall"
            raise RecipeError(
                f"dims {dims}, faces {list(faces)}", rule, "Name one for each, or for all"
            )
        marks = [name for name, place in zip(fields, self.names.places, strict=True) if place < 3]
        if marks:
            raise RecipeError(f"fields {marks}", "these rows mark the padding", "Leave them out")
        self.field_names, self.size, self.jitter = fields, size, jitter
        self.fields, self.dims, self.history, self.target = len(fields), dims, history, "state"
        self.tiling = Tiling(boundary="periodic" if set(self.faces) == {"periodic"} else "edge")
        if self.names.new or self.weights == "none":
            self.head = ("network.embed", "network.debed")
        self.assemble(init_seed)

    def build(self) -> nn.Module:
        """Return the network with its weights, and new rows for the fields that they lack."""
        shape, places = SIZES[self.size], self.names.places
        network = Walrus(
            shape, places, self.names.rows, self.faces, coders=(self.dims,), jitter=self.jitter
        )
        if self.weights != "none":
            with torch.device("meta"):
                both = Walrus(shape, places, len(FIELDS), self.faces, coders=(2, 3))
            put(network, _stored(self.weights, both.state_dict()))
        return network

    def describe(self) -> dict[str, str]:
        """Return the entries of the model card."""
        return {
            "architecture": f"Walrus, size {self.size}, {self.dims} dimensions",
            "fields": ", ".join(self.field_names),
            **({} if self.weights == "none" else {"weights": _origin(self.weights)}),
        }


def _stored(weights: str, shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file, or of the file on the hub.

    Raises:
        WeightsError: the file is missing, unreadable, or of another size.
    """
    kind, _, revision = weights.partition(":")
    path = _download(revision or None) if kind == "hub" else Path(weights)
    return read_weights(path, shapes, within=("app", "model"), remedy=REMEDY)


def _download(revision: str | None) -> Path:
    """Download the authors' file into the cache of the hub.

    Raises:
        WeightsError: the hub cannot be reached, or lacks the file.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(REPOSITORY, FILE, revision=revision))
    except Exception as error:  # from the hub or its HTTP library; the message is kept
        first = (str(error).splitlines() or [type(error).__name__])[0]
        rule = f"cannot load {FILE} from hf.co/{REPOSITORY} ({first})"
        raise WeightsError("weights 'hub'", rule, REMEDY) from error


def _origin(weights: str) -> str:
    return f"hf.co/{REPOSITORY}" if weights.startswith("hub") else f"file {Path(weights).name}"
