"""The options that verbs share, each declared once: for Python, the command line and a service.

A command reads them before anything heavy is imported, so this module imports no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scionwood import RecipeError, TrainingError
from scionwood.authoring import RunPath
from scionwood_deid import Window


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to compute.

    Attributes:
        device: device of the computation, such as cpu or cuda.
    """

    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class RunOptions(Place):
    """The run that a verb applies, and how it shows images.

    Attributes:
        run: a run, as a folder or by another reference. None is shipped, since no medical base
            model is.
        window: CT window; by default that of the run's data.

    Example:
        >>> RunOptions(run="run", window="lung").device
        'cpu'
    """

    run: RunPath | None = None
    window: Window | None = None

    def needed_run(self, verb: str, remedy: str) -> Path | str:
        """Return the run.

        Args:
            verb: the command, for the error.
            remedy: how to train a run for it.

        Raises:
            TrainingError: there is none.
        """
        if self.run is None:
            rule = "a run is needed, and none is shipped, since no medical base model is"
            raise TrainingError(f"{verb} without --run", rule, remedy)
        return self.run


@dataclass(frozen=True, kw_only=True)
class ClassifyRequest:
    """What may be chosen for an image by whoever sends it, a stranger included.

    Attributes:
        confidence: lowest probability at which a class is named, 0 to 1.
        views: maximum number of slices or tiles, evenly spaced over those with tissue.
        mpp: pixel size of slide tiles in micrometres; by default that of the run's data.

    Raises:
        RecipeError: the confidence is not a probability, or `views` is below 1.
    """

    confidence: float = 0.5
    views: int = 32
    mpp: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            rule = "a confidence is a probability from 0 to 1"
            raise RecipeError(f"confidence={self.confidence}", rule, "Give a value such as 0.8")
        if self.views < 1:
            raise RecipeError(
                f"views={self.views}", "it must be 1 or more", "Give a value such as 32"
            )


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions(ClassifyRequest, RunOptions):
    """How an image is read, and the run of `biomed/few_shot` that classifies it.

    Attributes:
        classes: class names; by default those of the run's data.

    Example:
        >>> ClassifyOptions(run="run", confidence=0.9).views
        32
    """

    classes: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How the images of a data set are read, and the model that sees them.

    Attributes:
        subject: for folders, a regular expression with one group that extracts the subject from a
            path; `unknown` uses MedMNIST's own splits.
        window: CT window.
        model: the model, or the one whose frozen vision tower computes features: `tiny`, a folder,
            a name on the hub, or an architecture of open_clip.
    """

    subject: str | None = None
    window: Window = "file"
    model: str = "tiny"
