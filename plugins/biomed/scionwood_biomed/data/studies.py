"""Volumes with one label each: a row of the table is a file, a series, a study or a NIfTI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood.authoring import DataFiles, call_in_child
from scionwood_biomed.data.base import ImageData, Transforms, fitted
from scionwood_biomed.data.items import COLUMNS, Item
from scionwood_biomed.data.study_kinds import StudyKinds
from scionwood_biomed.data.tables import table_rows
from scionwood_biomed.readers.volumes import read_slices, study_kind
from scionwood_deid import Window


@final
class Studies(ImageData):
    """Studies with one label each; all slices of a study stay together.

    A row of the table names a file, a folder of one series, a folder of one study, or a NIfTI file.
    Each series is sorted along the normal of its slices. A series with a missing slice or with two
    slices at one place is refused, as is a study of two subjects.

    Shapes: a batch holds `image` (batch, slice, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names.

    Units: image from 0 to 1; CT is shown in the chosen window.

    Raises:
        RecipeError: no source is given, a row lacks a value, or a class has too few subjects.
        ReadError: a file is missing or damaged, or a series or a study is not whole.

    Source: splits by subject; see `splits.split_by_subject`.

    Args:
        source: a table `.csv` with the columns path, label, subject and optionally split.
        window: CT window; see `scionwood_deid.Window`.
        slices: slices of a study that the network sees, evenly spaced.
        shots: K, the number of training studies per class; `None` means all of them.
        root: a folder in which studies may lie, beside the folder of the table.
        size: side of a slice in pixels; it must be the size that the backbone takes.
        batch_size: studies per batch.
        seed: seed of the splits and of the shots.
        transforms: random transforms of MONAI for the training split (extra `monai`), such as
            `[{RandFlipd: {prob: 0.5, spatial_axis: 1}}]`; those of space and of intensity.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        window: Window = "file",
        slices: int = 16,
        shots: int | None = None,
        root: str | Path | None = None,
        size: int = 64,
        batch_size: int = 4,
        seed: int = 0,
        transforms: Transforms = None,
    ) -> None:
        super().__init__(
            shots=shots, size=size, batch_size=batch_size, seed=seed, transforms=transforms
        )
        self.data_files = DataFiles("raise", [path for path in (source, root) if path])
        self.source, self.window, self.slices, self.root = source, window, slices, root
        self._items: list[Item] = []

    def items(self) -> list[Item]:
        """Return every study of the table; the table is read once."""
        if self.source is None:
            rule = "it must name a table of studies"
            raise RecipeError("data.source null", rule, "Give it, or use biomed/volume_phantoms")
        if not self._items:
            source, root = Path(self.source), "" if self.root is None else str(self.root)
            if not source.is_file():
                raise ReadError(str(source), "there is no such table", "Check the path")
            self._items = list(call_in_child(rows_of, source, root))
        return self._items

    def setup(self, stage: str) -> None:
        """Read the table, so that errors appear before training."""
        self.items()

    def picture(self, item: Item) -> np.ndarray:
        """Return the middle one of the slices; see `tensor` for all."""
        middle: np.ndarray = self._slices(item)[self.slices // 2]
        return middle

    def tensor(self, item: Item) -> Tensor:
        """Return the slices as (slice, 3, size, size) float32 from 0 to 1."""
        return torch.stack([fitted(picture, self.size) for picture in self._slices(item)])

    def kinds(self) -> StudyKinds:
        """Return the modalities and the numbers of slices of the training studies."""
        kinds = []
        for item in self.splits()["train"]:
            with self.data_files.one_child(item.path):
                kinds.append(study_kind(item.path))
        return StudyKinds.of(kinds)

    def _slices(self, item: Item) -> np.ndarray:
        with self.data_files.one_child(item.path):
            return read_slices(item.path, window=self.window, slices=self.slices)


def rows_of(source: Path, root: str) -> Iterator[Item]:
    """Yield the studies of a table; see `tables.table_rows`."""
    for row in table_rows(source, root, COLUMNS, COLUMNS[:1]):
        yield Item(Path(row["path"]), row["label"], row["subject"], row["split"] or None)
