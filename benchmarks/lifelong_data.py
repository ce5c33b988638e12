"""Write four sources of real pictures, from packages that carry them, for lifelong.py.

`slices` are slices of the MNI template in nine classes; `modalities` are crops of CT, MR, X-ray
and ultrasound of other subjects; `pictures` are crops of eight pictures of scikit-image, with a
retina among them; `digits` are the handwritten digits of scikit-learn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch
from biomed_images import Source, crop, save, sources, write_digits, write_slices, write_table
from torch import Tensor

from scionwood_biomed.data.images import Images
from scionwood_biomed.readers.opening import read_image

ORDER = ("slices", "modalities", "pictures", "digits")
PICTURES = {
    "retina": "retina.jpg",
    "brick wall": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "coins": "coins.png",
    "stained tissue": "ihc.png",
    "printed page": "page.png",
    "moon": "moon.png",
}
"""File of scikit-image by class."""
CROPS = 20
KEPT_FOR_CHOICES = 4
"""Of every so many training pictures of a class, one belongs to the validation part."""


@final
class Part(NamedTuple):
    """Pictures of one part of a source.

    Attributes:
        image: (picture, 3, size, size) float32, 0 to 1.
        label: (picture,) int64.
        classes: the class names.
    """

    image: Tensor
    label: Tensor
    classes: list[str]


def write_sources(folder: Path) -> dict[str, Path]:
    """Write the pictures of all sources; return the table of each."""
    return {
        "slices": write_slices(folder),
        "modalities": _write_modalities(folder),
        "pictures": _write_pictures(folder),
        "digits": write_digits(folder),
    }


def read_source(table: Path, size: int) -> dict[str, Part]:
    """Return the parts `train`, `valid` and `test` of a source.

    The validation part is every fourth training picture of a class.

    Args:
        table: one of `write_sources`.
        size: side of a picture in pixels.
    """
    data = Images(source=table, size=size, shots=None, duplicates="allow")
    items, classes = data.items(), data.names()
    images: dict[str, list[tuple[Tensor, int]]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for item in items:
        part = str(item.split)
        if part == "train":
            counts[item.label] += 1
            part = "valid" if counts[item.label] % KEPT_FOR_CHOICES == 0 else "train"
        images[part].append((data.tensor(item), classes.index(item.label)))
    return {name: _part(pairs, classes) for name, pairs in images.items()}


def _part(pairs: Sequence[tuple[Tensor, int]], classes: list[str]) -> Part:
    images, labels = zip(*pairs, strict=True)
    return Part(torch.stack(images), torch.tensor(labels), classes)


def _write_modalities(folder: Path) -> Path:
    """Write crops; the subjects of a class are dealt in turn to training and test."""
    dealt: dict[str, int] = defaultdict(int)
    labelled = []
    for source in _other_modalities():
        split = ("train", "test")[dealt[source.label] % 2]
        dealt[source.label] += 1
        labelled.append((source, split))
    return _write_crops(folder, "modalities", labelled)


def _other_modalities() -> Iterator[Source]:
    """Yield the modalities without the MNI template and the retina, which other sources have."""
    for source in sources():
        if source.subject != "MNI" and source.label != "fundus":
            yield source


def _write_pictures(folder: Path) -> Path:
    """Write crops; those of the left half are for training, those of the right one for test."""
    labelled = []
    for label, name in PICTURES.items():
        picture = read_image(Path(str(files("skimage"))) / "data" / name)
        middle = picture.shape[1] // 2
        halves = {"train": picture[:, :middle], "test": picture[:, middle:]}
        labelled += [(Source(label, half, part), half) for half, part in halves.items()]
    return _write_crops(folder, "pictures", labelled)


def _write_crops(folder: Path, name: str, labelled: Sequence[tuple[Source, str]]) -> Path:
    """Write about `CROPS` crops for each class and part."""
    rng, rows = np.random.default_rng(0), []
    groups: dict[tuple[str, str], list[Source]] = defaultdict(list)
    for source, split in labelled:
        groups[source.label, split].append(source)
    for (label, split), mine in groups.items():
        for at in range(CROPS):
            source = mine[at % len(mine)]
            file = f"{name}-{label.replace(' ', '-')}-{split}-{at}.png"
            save(folder / file, crop(source.picture, rng))
            rows.append((file, label, f"{label} {source.subject}", split))
    return write_table(folder / f"{name}.csv", ("path", "label", "subject", "split"), rows)
