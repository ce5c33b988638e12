"""Your own images: a table, class folders, whole slides, a MedMNIST archive, or shards."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, final

import numpy as np

from scionwood import RecipeError
from scionwood.authoring import DataFiles
from scionwood_biomed.data.base import ImageData, Side, Transforms
from scionwood_biomed.data.duplicates import refuse_shared
from scionwood_biomed.data.items import Item, read_items
from scionwood_biomed.data.splits import digest_of_file
from scionwood_biomed.readers.archives import Archives
from scionwood_biomed.readers.opening import read_image
from scionwood_deid import Window


@final
class Images(ImageData):
    """Your images: a table, one folder per class, whole slides, MedMNIST, or shards.

    Shapes: a batch holds `image` (batch, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names. With findings, `label` is (batch, finding) float32: 1, 0, or NaN
        if it is not known.

    Units: image from 0 to 1; CT is shown in the chosen window.

    Raises:
        RecipeError: no source is given, an image has no subject, a label has no name, a class has
            too few images or subjects, or one image has two subjects.
        ReadError: a file is missing, damaged, hostile or too large.

    Source: few-shot adaptation with splits by subject; see `splits.split_by_subject`.

    Args:
        source: a table `.csv`, a folder, a MedMNIST archive `.npz`, a shard `.tar`, or a folder of
            shards.
        subject: a regular expression with one group that extracts the subject: from the path of a
            file in a class folder, or from the name of a sample in a shard. DICOM files state their
            subject and need none. Use `unknown` for MedMNIST, which does not record subjects; its
            own splits are then used.
        window: CT window; see `scionwood_deid.Window`.
        class_names: class names in the order of the label numbers, for files that hold numbers
            only.
        slices: slices of a three-dimensional MedMNIST volume: the middle one, or all.
        mpp: size of a pixel of a slide tile, in micrometres.
        tiles: maximum number of tiles per slide, evenly spaced over its tissue; `None` means all.
        shots: K, the number of training images per class; `None` means all of them.
        classes: all classes, or only the base or the novel ones of a base-to-novel experiment.
        root: a folder in which images may lie, beside the folder of the table or the source
            itself. Without it, paths and links that lead elsewhere are refused.
        size: side of an image in pixels; it must be the size that the backbone takes.
        batch_size: images per batch.
        duplicates: `refuse` one image under two subjects: the same SOPInstanceUID, the same pixels
            of DICOM, or the same bytes of another file. `allow` reads no file beforehand.
        findings: columns of the table with 1, 0, or nothing if it is not known, for images that may
            have several findings. `shots` must then be null.
        on_bad_file: `raise` stops at a file that cannot be read. `skip` reads every file once at
            the beginning, and leaves out the bad ones.
        seed: seed of the splits and of the shots.
        transforms: random transforms of MONAI for the training split (extra `monai`), such as
            `[{RandFlipd: {prob: 0.5, spatial_axis: 1}}]`; those of space and of intensity.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | Path | None = None,
        subject: str | None = None,
        window: Window = "file",
        class_names: list[str] | None = None,
        slices: Literal["middle", "all"] = "middle",
        mpp: float = 0.5,
        tiles: int | None = 64,
        shots: int | None = 16,
        classes: Side = "all",
        root: str | Path | None = None,
        size: int = 224,
        batch_size: int = 16,
        duplicates: Literal["refuse", "allow"] = "refuse",
        findings: list[str] | None = None,
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
        transforms: Transforms = None,
    ) -> None:
        if findings and shots is not None:
            rule = "shots are drawn for each class, and findings are no classes"
            raise RecipeError(f"data.shots {shots} with findings", rule, "Set data.shots to null")
        super().__init__(
            shots=shots,
            classes=classes,
            size=size,
            batch_size=batch_size,
            seed=seed,
            transforms=transforms,
        )
        self.data_files = DataFiles(on_bad_file, [path for path in (source, root) if path])
        self.source, self.subject, self.window, self.root = source, subject, window, root
        self.duplicates, self.findings = duplicates, list(findings or ())
        self._archives = Archives(
            class_names=class_names, slices=slices, mpp=mpp, tiles=tiles, size=size
        )
        self._items: list[Item] = []

    def items(self) -> list[Item]:
        """Return every image of the source; the source is listed once."""
        if self.source is None:
            rule = "it must name a table, a folder or an archive of images"
            remedy = "Give it, or use the synthetic data biomed/phantoms"
            raise RecipeError("data.source null", rule, remedy)
        if not self._items:
            self._items = self._listed(Path(self.source))
        return self._items

    def setup(self, stage: str) -> None:
        """List the images, so that errors appear before training."""
        self.items()

    def _listed(self, source: Path) -> list[Item]:
        items = read_items(
            source,
            subject=self.subject,
            archives=self._archives,
            root=self.root,
            findings=self.findings,
        )
        of_file: dict[Path, list[Item]] = {}
        for item in items:
            of_file.setdefault(item.path, []).append(item)

        def check(path: Path) -> None:
            for item in of_file[path]:
                self._pixels(item)

        readable_paths = self.data_files.readable(of_file, lambda path: path, check)
        items = [item for item in items if item.path in readable_paths]
        if self.duplicates == "refuse":
            refuse_shared(items, source if source.is_dir() else source.parent)
        return items

    def picture(self, item: Item) -> np.ndarray:
        """Return the pixels of an image; see `readers.opening.read_image`."""
        with self.data_files.one_child(item.path):
            return self._pixels(item)

    def _pixels(self, item: Item) -> np.ndarray:
        if item.part is not None:
            return self._archives.picture(item.path, item.part)
        return read_image(item.path, window=self.window)

    def digest(self, item: Item) -> bytes:
        """Return a hash that equal images share: of the file, or of one picture in an archive."""
        return digest_of_file(item) if item.part is None else super().digest(item)
