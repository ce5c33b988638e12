"""Classify the images in files with the network of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch

from scionwood import TrainingError, find_run, load_run, resolve
from scionwood_biomed.data.base import ImageData, fitted
from scionwood_biomed.readers.opening import read_views
from scionwood_biomed.tasks.blockwise_lda import BlockwiseLda
from scionwood_biomed.tasks.few_shot import FewShot
from scionwood_biomed.verbs.options import ClassifyOptions
from scionwood_deid import Window

BATCH = 16
"""Views per forward pass."""

NOTICE = "Research use only: this is not a medical device and not a diagnosis."


@final
class Answer(NamedTuple):
    """The classification of one image.

    Attributes:
        probabilities: probability of each class, averaged over the views.
        label: the most probable class, or `None` if its probability is below the threshold.
        views: number of pictures of the image that were classified.

    Example:
        >>> answer = Answer({"liver": 0.9, "spleen": 0.1}, label="liver", views=1)
        >>> answer.probabilities[answer.label]
        0.9
    """

    probabilities: dict[str, float]
    label: str | None
    views: int


@final
class Classifier:
    """The trained network of a run of `biomed/few_shot` or `biomed/blockwise_lda`.

    Args:
        run: the run folder, or another reference to a run; see `scionwood.find_run`.
        classes: class names; `None` means the classes of the run's data.
        device: device of the computation, such as `cpu` or `cuda`.

    Attributes:
        window: CT window in which the run's training images were shown.
        mpp: pixel size of the run's slide tiles, in micrometres.

    Raises:
        TrainingError: the folder does not hold a finished run of this task.
        AdapterFileError: the adapter is damaged, or belongs to another base model.

    Example:
        >>> import scionwood
        >>> recipe = scionwood.resolve("biomed/few_shot_lora", smoke=True)
        >>> classifier = Classifier(scionwood.fit(recipe, run_dir="runs/first"))
        >>> classifier.classes
        ['calcified lesion', 'liver cyst', 'normal liver', 'rim enhancing lesion']
    """

    def __init__(
        self, run: str | Path, *, classes: Sequence[str] | None = None, device: str = "cpu"
    ) -> None:
        folder = find_run(run)
        task = load_run(folder, device)
        if not isinstance(task, FewShot | BlockwiseLda):
            needed = "biomed/blockwise_lda or biomed/few_shot is needed"
            rule = f"its task is {type(task).__name__}, and {needed}"
            raise TrainingError(str(run), rule, "Give the folder of another run")
        self.task = task
        data = resolve(folder / "recipe.yaml").data
        self.window: Window = data.options.get("window", "file")
        self.mpp: float = data.options.get("mpp", 0.5)
        if classes is None and isinstance(task, BlockwiseLda):
            classes = task.classes
        if classes is None:
            images: ImageData = data.build()
            classes = images.names()
        self.classes, self.device = list(classes), device

    @property
    def size(self) -> int:
        """Side of the network's input image in pixels."""
        if isinstance(self.task, FewShot):
            return self.task.towers.size
        return int(self.task.network.size)

    def classify(self, views: Iterable[np.ndarray], confidence: float) -> Answer:
        """Average the class probabilities over the views of one image.

        Every view has the same weight. A slice that shows nothing of a finding counts as much as
        one that does, so the probability of a volume is usually lower than that of its clearest
        slice.

        Args:
            views: pictures, each (row, column, 3) float32 from 0 to 1, as from `read_views`.
            confidence: lowest probability at which a class is named, 0 to 1.

        Raises:
            ValueError: there is no view.
        """
        (answer,) = self.classify_many([views], confidence)
        return answer

    def classify_many(
        self, images: Iterable[Iterable[np.ndarray]], confidence: float
    ) -> list[Answer]:
        """Classify several images, whose views pass the network together.

        Args:
            images: the views of each image; see `classify`.
            confidence: lowest probability at which a class is named, 0 to 1.

        Returns:
            An answer for each image. It differs from that of `classify` by rounding: sums in
            float32 depend on the size of a batch.

        Raises:
            ValueError: an image has no view.
        """
        counts: list[int] = []

        def all_views() -> Iterator[np.ndarray]:
            for views in images:
                counts.append(0)
                for view in views:
                    counts[-1] += 1
                    yield view

        # Views of several images share a batch; `counts` fills up as they are drawn, and splits the
        # answers again.
        remaining = all_views()
        batches = iter(lambda: list(islice(remaining, BATCH)), [])
        parts = [self._probabilities(batch) for batch in batches]
        if 0 in counts or not counts:
            raise ValueError("views: the sequence is empty. Give at least one view")
        return [self._answer(part, confidence) for part in torch.split(torch.cat(parts), counts)]

    def classify_file(
        self, path: str | Path, options: ClassifyOptions = ClassifyOptions()
    ) -> Answer:
        """Classify the image in a file; see `readers.opening.read_views` for its views.

        Args:
            path: a DICOM, NIfTI or picture file, a whole slide, or a folder of one DICOM series.
            options: how the image is read; its run, classes and device do not count here.

        Raises:
            ReadError: the file is damaged or its format is unknown.
        """
        pictures = read_views(
            Path(path),
            window=options.window or self.window,
            mpp=self.mpp if options.mpp is None else options.mpp,
            size=self.size,
            most=options.views,
        )
        return self.classify(pictures, options.confidence)

    def _answer(self, by_view: torch.Tensor, confidence: float) -> Answer:
        means = by_view.mean(0).tolist()
        best = max(range(len(means)), key=means.__getitem__)
        label = self.classes[best] if means[best] >= confidence else None
        return Answer(dict(zip(self.classes, means, strict=True)), label, len(by_view))

    @torch.no_grad()
    def _probabilities(self, views: Sequence[np.ndarray]) -> torch.Tensor:
        image = torch.stack([fitted(view, self.size) for view in views]).to(self.device)
        return self.task.predict({"image": image, "classes": self.classes}).double().cpu()
