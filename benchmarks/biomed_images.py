"""Write tables of real medical images, from packages that carry them, for the biomed benchmarks.

    python benchmarks/biomed_images.py FOLDER

The script writes pictures and two tables with the columns that `scionwood biomed` takes.
`slices.csv` has slices of the MNI template and of its tissue maps, with fixed splits.
`modalities.csv` has crops of images of five modalities from pydicom, pydicom-data, nilearn, nibabel
and scikit-image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from PIL import Image
from runner import option, parsed, write

from scionwood_biomed.readers.nifti import NiftiReader
from scionwood_biomed.readers.opening import read_image
from scionwood_deid import Window

POOLS = {"train": 150, "val": 50, "test": 200}
"""Images of each class of PneumoniaMNIST."""
DIGITS = {"train": 30, "test": 30}
MAPS = {"t1": "T1-weighted MRI", "gm": "grey matter map", "wm": "white matter map"}
PLANES = ("sagittal", "coronal", "axial")
SLABS = {
    "sagittal": {"train": (0.22, 0.34), "test": (0.38, 0.50)},
    "coronal": {"train": (0.25, 0.45), "test": (0.55, 0.75)},
    "axial": {"train": (0.25, 0.45), "test": (0.55, 0.75)},
}
"""Ranges of the slabs as shares of the field, from left, posterior or inferior. Sagittal slabs lie
in one hemisphere, because a slice of the other one would mirror a training slice: the template is
symmetric."""
SYNONYMS = {
    "T1-weighted MRI": "anatomical magnetic resonance image",
    "grey matter map": "cortical gray tissue probability image",
    "white matter map": "myelinated white tissue probability image",
    "sagittal": "side view",
    "coronal": "frontal view",
    "axial": "horizontal view",
}
SHORT = {
    "T1-weighted MRI": "T1w MR",
    "grey matter map": "GM prob",
    "white matter map": "WM prob",
    "sagittal": "sag",
    "coronal": "cor",
    "axial": "ax",
}

CROPS = 8
"""Crops per image of `modalities.csv`."""
SIDE = 224


@final
class Source(NamedTuple):
    """One image.

    Attributes:
        label: the modality.
        subject: the subject.
        picture: (row, column, 3) float32, 0 to 1.
    """

    label: str
    subject: str
    picture: np.ndarray


def write_slices(folder: Path, *, slices: int = 20) -> Path:
    """Write slices of the MNI 2009a template, unless they are there: planes of three maps."""
    rows, table = [], folder / "slices.csv"
    if table.exists():
        return table
    for short, kind in MAPS.items():
        volume = _mni(short)
        for axis, plane in enumerate(PLANES):
            for split, (low, high) in SLABS[plane].items():
                places = np.linspace(low, high, slices) * volume.shape[axis]
                for place in places.round().astype(int):
                    picture = np.rot90(np.take(volume, place, axis=axis))
                    name = f"{short}-{plane}-{place}.png"
                    save(folder / name, _square(picture))
                    subject = f"{plane} {split} slab"
                    rows.append((name, f"{plane} {kind}", subject, split))
    for name, words in (("synonyms", SYNONYMS), ("abbreviations", SHORT)):
        other = {f"{p} {k}": [_reworded(words, p, k)] for k in MAPS.values() for p in PLANES}
        (folder / f"{name}.json").write_text(json.dumps(other, indent=1))
    return write_table(table, ("path", "label", "subject", "split"), rows)


def write_modalities(folder: Path, *, seed: int = 0) -> Path:
    """Write crops of images of five modalities; all crops of a subject share its name."""
    rng, rows = np.random.default_rng(seed), []
    for number, source in enumerate(sources()):
        for at in range(CROPS):
            name = f"{source.label.replace(' ', '-')}-{number:02d}-{at}.png"
            save(folder / name, crop(source.picture, rng))
            rows.append((name, source.label, f"{source.label} {source.subject}"))
    return write_table(folder / "modalities.csv", ("path", "label", "subject"), rows)


def sources() -> Iterator[Source]:
    """Yield the images of all modalities."""
    for label, subjects in DICOM.items():
        for subject, (package, name) in subjects.items():
            path = _path(package, "data", *FOLDERS[package], name)
            window: Window = "soft_tissue" if label == "CT" else "file"
            yield Source(label, subject, read_image(path, window=window))
    volume = _mni("t1")
    for axis in range(3):
        middle = np.rot90(np.take(volume, volume.shape[axis] // 2, axis=axis))
        yield Source("MR", "MNI", _colour(middle))
    for subject in ("anatomical.nii", "example4d.nii.gz"):
        yield Source("MR", subject, read_image(_path("nibabel", "tests", "data", subject)))
    for subject in ("retina.jpg", "microaneurysms.png"):
        yield Source("fundus", subject, read_image(_path("skimage", "data", subject)))


PYDICOM, MORE = "pydicom", "data_store"
FOLDERS = {PYDICOM: ("test_files",), MORE: ()}
DICOM = {
    "CT": {
        "1CT1": (PYDICOM, "CT_small.dcm"),
        "CQ500-310": (MORE, "693_UNCI.dcm"),
        "supplemental": (MORE, "eCT_Supplemental.dcm"),
        "pancreas": (MORE, "explicit_VR-UN.dcm"),
        "neck": (MORE, "bad_sequence.dcm"),
        "head": (PYDICOM, "J2K_pixelrep_mismatch.dcm"),
    },
    "MR": {
        "4MR1": (PYDICOM, "MR_small.dcm"),
        "5MR2": (MORE, "MR2_UNCI.dcm"),
        "abdomen": (MORE, "MR-SIEMENS-DICOM-WithOverlays.dcm"),
        "head": (MORE, "emri_small.dcm"),
    },
    "X-ray": {"9RG1": (MORE, "RG1_UNCI.dcm"), "11RG3": (MORE, "RG3_UNCI.dcm")},
    "ultrasound": {
        "SonoSite": (MORE, "color3d_jpeg_baseline.dcm"),
        "Philips": (MORE, "OBXXXX1A.dcm"),
        "GE": (MORE, "US1_UNCI.dcm"),
        "ALOKA": (MORE, "gdcm-US-ALOKA-16.dcm"),
        "Philips 2": (MORE, "JPGLosslessP14SV1_1s_1f_8b.dcm"),
        "Acme": (MORE, "color-pl.dcm"),
    },
}
"""Package and file name by modality and subject."""


def _path(package: str, *parts: str) -> Path:
    return Path(str(files(package))).joinpath(*parts)


def _mni(short: str) -> np.ndarray:
    """Return a volume (x, y, z) from left, posterior and inferior, float32, 0 to 1."""
    name = f"mni_icbm152_{short}_tal_nlin_sym_09a_converted.nii.gz"
    data = NiftiReader(_path("nilearn", "datasets", "data", name)).read(0).data
    volume: np.ndarray = np.asarray(data, np.float32).reshape(data.shape[:3])
    return volume / volume.max()


def _square(picture: np.ndarray) -> np.ndarray:
    """Pad a slice to a square with black."""
    side = max(picture.shape)
    before = [(side - n) // 2 for n in picture.shape]
    margins = [(b, side - n - b) for b, n in zip(before, picture.shape, strict=True)]
    return _colour(np.pad(picture, margins))


def _colour(picture: np.ndarray) -> np.ndarray:
    return np.repeat(picture[..., None], 3, -1)


def crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a random square of half to all of the shorter side."""
    height, width = picture.shape[:2]
    side = int(min(height, width) * rng.uniform(0.5, 0.95))
    top = int(rng.integers(0, height - side + 1))
    left = int(rng.integers(0, width - side + 1))
    return picture[top : top + side, left : left + side]


def save(path: Path, picture: np.ndarray) -> None:
    """Write a picture (row, column, 3) from 0 to 1 with `SIDE` pixels a side."""
    values = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def _reworded(words: dict[str, str], plane: str, kind: str) -> str:
    joint = " of an " if words is SYNONYMS else " "
    return f"{words[plane]}{joint}{words[kind]}"


def write_digits(folder: Path) -> Path:
    """Write pictures and the table of scikit-learn's digits: the first of each, in its order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = []
    for value in range(10):
        images = digits.images[digits.target == value]
        at = 0
        for split, count in DIGITS.items():
            for _ in range(count):
                name = f"digit-{value}-{at}.png"
                picture = Image.fromarray((images[at] / 16 * 255).astype(np.uint8))
                picture.resize((128, 128), Image.Resampling.BICUBIC).save(folder / name)
                rows.append((name, f"digit {value}", name, split))
                at += 1
    return write_table(folder / "digits.csv", ("path", "label", "subject", "split"), rows)


def write_pneumonia(folder: Path, archive: Path) -> Path:
    """Write pictures and the table of a part of PneumoniaMNIST, drawn with one seed."""
    rng, rows = np.random.default_rng(0), []
    with np.load(archive) as data:
        for split, count in POOLS.items():
            label = data[f"{split}_labels"].ravel()
            for value, name in enumerate(("normal", "pneumonia")):
                places = np.flatnonzero(label == value)
                for at in rng.permutation(places)[:count]:
                    file = f"pneumonia-{split}-{at}.png"
                    picture = Image.fromarray(data[f"{split}_images"][at])
                    picture.resize((128, 128), Image.Resampling.BICUBIC).save(folder / file)
                    rows.append((file, name, file, split))
    return write_table(folder / "pneumonia.csv", ("path", "label", "subject", "split"), rows)


def write_table(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    write(path, [dict(zip(head, row, strict=True)) for row in rows])
    return path


def main() -> None:
    folder = parsed(__doc__, option("folder", type=Path), threads=None).folder
    folder.mkdir(parents=True, exist_ok=True)
    print(write_slices(folder), write_modalities(folder), sep="\n")


if __name__ == "__main__":
    main()
