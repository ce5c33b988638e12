"""Take decisions about the pixels of copies: keep, blank or drop, into a new folder."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from pydicom.dataset import Dataset

from scionwood_deid.copying import inspect, kind_of
from scionwood_deid.dicom_copy import bytes_of, load, stamp
from scionwood_deid.look import (
    FINDINGS,
    NAME,
    Box,
    Decision,
    How,
    look_of,
    pixels_digest,
    read_looks,
    write_looks,
)
from scionwood_deid.nifti_copy import blank_nifti, is_nifti
from scionwood_deid.pictures import frames_in
from scionwood_deid.pixels import blank, mask_of
from scionwood_deid.profile import codes, stated_options
from scionwood_deid.verifying import METHOD, content_of, values_of
from scionwood_sandbox import ReadError, atomic_path, call_in_child, reading, writing


@final
@dataclass(frozen=True)
class Reviewed:
    """A file after a look at its pixels.

    Attributes:
        data: (byte,) uint8, the bytes of the file.
        pixels: SHA-256 of its pixels.
        stands: why it states that its identity is not removed; empty if it states that it is.
    """

    data: np.ndarray
    pixels: str
    stands: str


@final
@dataclass(frozen=True)
class Image:
    """A file that is to be looked at.

    Attributes:
        name: the file, relative to the folder.
        frames: the number of its frames; 0 if they cannot be shown.
        pixels: SHA-256 of its pixels.
        hint: what suggests that the pixels hold text, or why they cannot be shown.
    """

    name: str
    frames: int
    pixels: str
    hint: str


@final
class Review:
    """The looks at the copies of a folder, and the folder with what was kept.

    The copies are not changed. What is kept or blanked is written into another folder, with the
    record `review.csv` of who looked and when. A look that is repeated takes the place of the
    former one.

    Args:
        folder: the copies.
        target: the folder of what is kept; a former review of the same copies goes on in it.
        who: who looks.
        how: where the decisions are taken.

    Raises:
        ReadError: one folder lies in the other, there is no image, or the record is damaged.
    """

    def __init__(self, folder: Path, target: Path, who: str, how: How) -> None:
        for one, other in ((folder, target), (target, folder)):
            if one.resolve().is_relative_to(other.resolve()):
                rule = "the copies and what is kept of them must lie apart"
                raise ReadError(str(target), rule, "Give another folder")
        self.folder, self.target, self.who, self.how = folder, target, who, how
        self.looks = read_looks(target / NAME)
        self.images = [*self._images()]
        if not self.images:
            rule = "no file in it has an image to look at"
            raise ReadError(str(folder), rule, "Give the folder that `deidentify` wrote")
        self.places = {image.name: number for number, image in enumerate(self.images)}

    def open_names(self) -> list[str]:
        """Return the images without a decision, or whose pixels have changed since."""
        return [image.name for image in self.images if self.decision(image.name) is None]

    def decision(self, name: str) -> Decision | None:
        """Return what was decided about an image as it is now."""
        look, image = self.looks.get(name), self.images[self.places[name]]
        if look is None or (look.decision != "blank" and look.pixels != image.pixels):
            return None
        return look.decision

    def shown(self, name: str) -> Path:
        """Return the file whose picture is shown: the new copy, if regions of it are blanked."""
        blanked = self.decision(name) == "blank"
        return (self.target if blanked else self.folder) / name

    def decide(
        self, name: str, decision: Decision, boxes: Sequence[Box] = (), detector: str = "none ran"
    ) -> str:
        """Carry out a decision, and record it.

        Args:
            name: the image.
            decision: `keep` it, `blank` regions in all of its frames, or `drop` it.
            boxes: the regions.
            detector: what a text detector saw.

        Returns:
            Why the new copy still states that the identity is not removed; empty if it does not.

        Raises:
            ReadError: the image is not one of these or cannot be shown, there is nothing to blank,
                or a region lies outside.
            WriteError: the new copy or the record cannot be written.
        """
        image = self._image(name)
        if decision == "blank" and not boxes:
            raise ReadError(name, "it has no region to blank", "Draw or type one, or drop it")
        if decision != "drop" and not image.frames:
            raise ReadError(name, f"nobody can look at it: {image.hint}", "Drop it")
        path, pixels, stands = self.target / name, image.pixels, ""
        if decision == "drop":
            with writing(path):
                path.unlink(missing_ok=True)
        else:
            boxes_to_blank = [*boxes] if decision == "blank" else []
            result = call_in_child(reviewed, self.folder / name, boxes_to_blank)
            if not boxes_to_blank and result.pixels != image.pixels:
                raise ReadError(name, "it has changed since it was shown", "Start the review again")
            with writing(path), atomic_path(path, overwrite=True) as part:
                part.write_bytes(result.data.tobytes())
            pixels, stands = result.pixels, result.stands
        look_boxes = boxes if decision == "blank" else ()
        self.looks[name] = look_of(name, pixels, decision, look_boxes, self.who, self.how, detector)
        write_looks(self.target / NAME, self.looks)
        return stands

    def reopen(self, name: str) -> None:
        """Take back a decision: what was kept goes, and the image is undecided again.

        Args:
            name: the image.

        Raises:
            ReadError: the image is not one of these.
            WriteError: the new copy or the record cannot be changed.
        """
        path = self.target / self._image(name).name
        with writing(path):
            path.unlink(missing_ok=True)
        if self.looks.pop(name, None):
            write_looks(self.target / NAME, self.looks)

    def _image(self, name: str) -> Image:
        if name not in self.places:
            raise ReadError(name, f"{self.folder} has no such image", "Correct the name")
        return self.images[self.places[name]]

    def _images(self) -> list[Image]:
        images = []
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        for path in (path for path in files if kind_of(path) != "other"):
            name = path.relative_to(self.folder).as_posix()
            try:
                inspection = inspect(path)
                pixels, hint = inspection.pixels, inspection.burned_in.partition("; ")[2]
            except ReadError as error:
                images.append(Image(name, 0, "0" * 64, error.rule))
                continue
            if pixels:
                try:
                    images.append(Image(name, call_in_child(frames_in, path), pixels, hint))
                except ReadError as error:
                    images.append(Image(name, 0, pixels, error.rule))
        return images


def reviewed(path: Path, boxes: Collection[Box]) -> Reviewed:
    """Return a file after a look: regions blanked, and what it states about the look.

    A DICOM copy by the Basic Profile states YES if its verifier found nothing else.

    Args:
        path: a DICOM or NIfTI file.
        boxes: x, y, width and height of the regions to blank in all frames.

    Raises:
        ReadError: the file is damaged, a region lies outside, or its pixels cannot be blanked.
    """
    if is_nifti(path):
        volume = blank_nifti(path, [*boxes])
        return Reviewed(volume.data, volume.pixels, "; ".join(volume.after))
    dataset = load(path)
    with reading(path, "DICOM"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if boxes:
            blank(dataset, [mask_of(path, dataset, boxes)])
        content = content_of(dataset)
        is_own_copy, former = _copy_state(dataset)
        stands = "" if is_own_copy else "it is no copy that `deidentify` made"
        if is_own_copy and (former or not content.clean):
            stands = "; ".join([*content.identity, *content.unlisted, *content.channels])
            stands = stands or FINDINGS
        if is_own_copy:
            if boxes:
                options = [*stated_options(dataset) | {"pixels"}]
                dataset.DeidentificationMethodCodeSequence = codes(options)
            stamp(dataset, clean=not stands, looked=True)
        data = bytes_of(dataset)
    return Reviewed(np.frombuffer(data, np.uint8), pixels_digest(dataset), stands)


def _copy_state(dataset: Dataset) -> tuple[bool, bool]:
    """Return whether a file is a copy by the Basic Profile, and whether its verifier objected.

    Copies of the first form of the rules give no reason beside NO.
    """
    if "DeidentificationMethod" not in dataset or not stated_options(dataset):
        return False, False
    method, *reason = map(str, values_of(dataset["DeidentificationMethod"]))
    silent = not reason and dataset.get("PatientIdentityRemoved") != "YES"
    return METHOD.fullmatch(method) is not None, silent or FINDINGS in reason
