"""Write the data sets of biomed_methods.py as pictures and tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

POOLS = {"train": 150, "val": 50, "test": 200}
"""Images of each class of PneumoniaMNIST."""
DIGITS = {"train": 30, "test": 30}


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
    return _table(folder / "digits.csv", rows)


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
    return _table(folder / "pneumonia.csv", rows)


def _table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "subject", "split"))
        table.writerows(rows)
    return path
