"""The options of denoising, each declared once: for Python, the command line and a service.

A command reads them before anything heavy is imported, so this module imports no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scionwood import RecipeError
from scionwood.authoring import RunPath

if TYPE_CHECKING:
    from scionwood_seismic.readers.base import SeismicReader
    from scionwood_seismic.readers.segy import Gather

Model = Literal["auto", "shot", "stack", "das", "station"]
Slices = Literal["inline", "crossline", "both"]

_DIRECTIONS: dict[Slices, Gather] = {"inline": "iline", "crossline": "xline", "both": "xline"}


@dataclass(frozen=True)
class GateOptions:
    """The limits of the harm gate.

    Attributes:
        gate: what the harm gate does: `blend` puts lost signal back, and then blends the result
            with the input, until the worst kind of strong events keeps the amplitude that `strong`
            asks for; `report` only measures; `off` measures nothing. With all three, gathers
            outside the range that the models were made for pass through unchanged.
        strong: minimum recovered amplitude of the worst kind of strong events (4 x local RMS).
        weak: recovered amplitude of the worst kind of weak events (1 to 1.5 x local RMS) below
            which a gather is yellow, in noise too.

    Example:
        >>> GateOptions(strong=0.9).weak
        0.65
    """

    gate: Literal["blend", "report", "off"] = "blend"
    strong: float = 0.85
    weak: float = 0.65

    coherent_limit: ClassVar[float] = 0.12
    """The share of the energy that is removed and coherent, above which a gather is yellow."""
    smallest_share: ClassVar[float] = 0.2
    """The share of the removal below which the record passes through unchanged."""

    def __post_init__(self) -> None:
        for name in ("strong", "weak"):
            if not 0 <= getattr(self, name) < 1:
                rule = "the least recovered amplitude of events is a share from 0 to below 1"
                raise RecipeError(f"{name} {getattr(self, name)}", rule, "Such as 0.85")

    def limits(self) -> dict[str, Any]:
        """Return all limits as JSON values, under the names that sidecars have."""
        return {
            "action": self.gate,
            "strong": self.strong,
            "weak": self.weak,
            "coherent": self.coherent_limit,
            "least": self.smallest_share,
        }


@dataclass(frozen=True)
class RequestOptions(GateOptions):
    """What may be chosen for a file by whoever sends it, a stranger included.

    Attributes:
        coherent: `auto` mixes the model with filters, such as a band of the events and a reduction
            of the rank, by a risk that is estimated for each gather. Offset, trend and drift of the
            traces then go as noise, but not on a fibre. `off`: the model alone, as in stations and
            gathers of fewer than 7 traces.
        slow: with `coherent` `auto`, whether waves that are slower than the others and of lower
            frequency, such as ground roll, are kept or removed: they are coherent as events are,
            and only you can say that they are noise.
        common_mode: also remove the part that all traces of a gather share, flat events included.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: the file is one
            gather. `auto` is `fldr`, or `none` for a section, a file whose gathers by `fldr` have
            fewer than 8 traces and where another header counts the traces.
        slices: for a volume after stack in SEG-Y: `inline`, `crossline`, or `both`, the mean of the
            results of both directions, each with its own gate. The headers (bytes 189 and 193) give
            the numbers of the slices. This option replaces `gather`.
        vertical: whether the samples of a SEG-Y file are in time or in depth.
        samples: samples per trace, instead of the number in the headers of the file.
        dt: the sample interval, s (m in a depth file), instead of the value in the headers.

    Example:
        >>> RequestOptions(gate="report", gather="cdp").slices is None
        True
    """

    coherent: Literal["auto", "off"] = "off"
    slow: Literal["keep", "remove"] = "keep"
    common_mode: bool = False
    gather: Literal["auto", "fldr", "ep", "cdp", "offset", "iline", "xline", "none"] = "auto"
    slices: Slices | None = None
    vertical: Literal["time", "depth"] = "time"
    samples: int | None = None
    dt: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slow == "remove" and self.coherent == "off":
            rule = "slow waves are found by the coherent stage, which is off"
            raise RecipeError("slow remove", rule, "Add --coherent auto")

    def open(self, path: Path) -> SeismicReader:
        """Open a file; with both directions of slices, by crosslines.

        `section.choose_gathers` chooses the header of gathers before.
        """
        from scionwood_seismic.readers.opening import open_file

        return open_file(
            path,
            gather=_DIRECTIONS[self.slices] if self.slices else self.header,
            vertical=self.vertical,
            samples=self.samples,
            dt=self.dt,
        )

    @property
    def header(self) -> Gather | None:
        """The header of gathers; None if the file is one gather."""
        assert self.gather != "auto"
        return None if self.gather == "none" else self.gather

    def reading(self) -> dict[str, Any]:
        """Return what decides how a file is read, as JSON values; overrides only if given."""
        overrides = {"samples": self.samples, "dt": self.dt, "slices": self.slices}
        return {"gather": self.header, "vertical": self.vertical} | {
            name: value for name, value in overrides.items() if value is not None
        }


@dataclass(frozen=True)
class DenoiseOptions(RequestOptions):
    """How to denoise.

    Attributes:
        model: the shipped model: `shot` for gathers before stack, `stack` for sections and slices,
            `das` for fibres, `station` for one to three components. `auto` chooses by the file, or
            by the kind of object, the names of its channels, the number of traces and the interval.
            An array of a section is not recognised: say `stack`.
        run: a run folder that `scionwood fit` wrote, or the name of a shipped run, in place of the
            shipped models.
        neighbours: slices or shots on each side that the run sees beside each gather; by default as
            many as its recipe says, which is none for the shipped models. 0: each gather by itself.
        tta: adapt the LoRA of a run to each gather first: `matched` to the noise in a window,
            `kurtosis` to Gaussian noise, `none`; `recipe` follows the recipe of the run.
        noise_window: start and end of the window without signal, s (m in a depth file), such as
            0:0.2. The level of the noise is measured in it. SEG-Y times include the recording
            delay; other formats and arrays count from the first sample.
        device: where to compute, such as cpu or cuda.
        precision: the arithmetic of the network; `auto` takes bfloat16 where the hardware has it
            and the network was tried in it, and otherwise float32. The results differ by far less
            than any noise.
        tile: size of the tiles, traces and samples; by default that of the model.
        overlap: overlap of neighbouring tiles, traces and samples; by default a quarter.

    Example:
        >>> DenoiseOptions(tile=64).tiles, DenoiseOptions(noise_window="0:0.2").window
        ((64, 16), (0.0, 0.2))
    """

    model: Model = "auto"
    run: RunPath | None = None
    neighbours: int | None = None
    tta: Literal["recipe", "none", "matched", "kurtosis"] = "recipe"
    noise_window: str | None = None
    device: str = "cpu"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    tile: int | None = None
    overlap: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tiles and not 0 < self.tiles[1] <= self.tiles[0] // 2:
            value = "tile {}, overlap {}".format(*self.tiles)
            rule = "tiles overlap by at least 1 and at most half their size"
            raise RecipeError(value, rule, "Such as 256 and 64")
        _ = self.window  # which refuses a wrong text

    @property
    def tiles(self) -> tuple[int, int] | None:
        """Size and overlap of the tiles, traces and samples; None: those of the model."""
        if self.tile is None and self.overlap is None:
            return None
        size = 256 if self.tile is None else self.tile
        return size, max(1, size // 4) if self.overlap is None else self.overlap

    @property
    def window(self) -> tuple[float, float] | None:
        """Start and end of the window without signal, s; None: no window was named."""
        if self.noise_window is None:
            return None
        try:
            first, last = (float(part) for part in self.noise_window.split(":"))
        except ValueError:
            first = last = 0.0
        if not first < last < float("inf"):
            rule = "two times in s, the earlier one first"
            raise RecipeError(f"noise window {self.noise_window!r}", rule, "Such as 0:0.2")
        return first, last
