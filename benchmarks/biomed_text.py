"""Count what the text detector of `scionwood biomed review` misses: drawn names on real images.

    python benchmarks/biomed_text.py

The extra `ocr` of the biomed plugin must be installed. Names are drawn on images of four
modalities: slices of the MNI template (nilearn), and CT, radiographs and ultrasound of pydicom and
pydicom-data. A name counts as marked if boxes cover at least 0.9 of it. The result is
`benchmarks/results/biomed_text.csv`.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import data_store
import matplotlib as mpl
import numpy as np
from nilearn.datasets import load_mni152_template
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file
from rich.progress import track
from runner import Row, parsed, printed, write

from scionwood import ScionwoodError
from scionwood_deid.pictures import pictures_of
from scionwood_deid.text_detector import text_in

FONT = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
NAMES = ("RAHMAN, FATEMA", "DOE^JANE 12/03/1961", "M. Chowdhury", "ID 4471-A", "Karim Uddin 54Y M")
SIZES = (8, 10, 12, 16, 24, 32)
SIDE = 512
PER_CASE = 13
"""Pictures of a size and a modality; the last one is for turned text."""
NORMAL = 1.96
ROTATED = "turned by 5 to 90 degrees"
PARTS = {
    "CT": ("CT_small.dcm", "693_J2KR.dcm", "JPEG2000.dcm", "693_UNCI.dcm"),
    "radiograph": ("RG1_UNCR.dcm", "RG3_UNCR.dcm", "RG1_J2KR.dcm"),
    "ultrasound": ("US1_UNCR.dcm", "examples_rgb_color.dcm", "examples_palette.dcm"),
}


def grounds() -> dict[str, list[np.ndarray]]:
    """Return pictures of each modality, (512, 512, 3) uint8."""
    volume = load_mni152_template(resolution=1).get_fdata()
    slices = [volume[:, :, at].T[::-1] for at in range(30, 150, 10)]
    high = np.percentile(volume, 99.8)
    by_modality = {"MR": [_sized(np.clip(255 * item / high, 0, 255)) for item in slices]}
    roots = [Path(str(get_testdata_file("CT_small.dcm"))).parent, Path(data_store.__file__).parent]
    for name, files in PARTS.items():
        paths = [path for root in roots for file in files for path in root.rglob(file)]
        pictures = []
        for path in dict.fromkeys(paths):
            try:
                pictures.append(_sized(pictures_of(path, [0], 2000).window[0]))
            except ScionwoodError as error:
                print(error)
        by_modality[name] = pictures
    return by_modality


def _sized(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture.astype(np.uint8)).convert("RGB").resize((SIDE, SIDE)))


def with_text(
    ground: np.ndarray, text: str, size: int, angle: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture with a name at a random place, and the pixels of its letters."""
    font = ImageFont.truetype(FONT, size)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    ink = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(ink).text((1 - left, 1 - top), text, fill=255, font=font)
    rotated = ink.rotate(angle, expand=True)
    x, y = (int(rng.integers(2, max(3, SIDE - side - 2))) for side in rotated.size)
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(rotated, (x, y))
    alpha = np.asarray(mask, np.float32)[..., None] / 255
    grey = 255 if rng.random() < 0.5 else 160
    return (ground * (1 - alpha) + grey * alpha).astype(np.uint8), alpha[..., 0] > 0.4


def marked(picture: np.ndarray, ink: np.ndarray) -> bool:
    """Return whether boxes cover at least 0.9 of a name."""
    covered = np.zeros(ink.shape, bool)
    for (x, y, width, height), _ in text_in(picture):
        covered[y : y + height, x : x + width] = True
    return bool(covered[ink].mean() >= 0.9)


def interval(good: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson)."""
    rate, square = good / count, NORMAL**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = NORMAL * np.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    half /= 1 + square / count
    return max(0.0, middle - half), min(1.0, middle + half)


def row(case: str, good: int, count: int) -> Row:
    low, high = interval(good, count)
    return {
        "case": case,
        "pictures": count,
        "marked": good,
        "low": f"{low:.2f}",
        "high": f"{high:.2f}",
    }


def main() -> None:
    parsed(__doc__, threads=None)
    warnings.simplefilter("ignore")
    rng, pictures = np.random.default_rng(0), grounds()
    start = time.process_time()
    cases: dict[str, list[bool]] = {name: [] for name in (*(f"{s} px" for s in SIZES), *pictures)}
    plan = [(size, name, at) for size in SIZES for name in pictures for at in range(PER_CASE)]
    rng.shuffle(plan)
    for size, modality, number in track(plan, "names"):
        angle = int(rng.choice([5, -5, 90, 15])) if int(number) >= PER_CASE - 3 else 0
        text = NAMES[int(rng.integers(len(NAMES)))]
        ground = pictures[modality][int(rng.integers(len(pictures[modality])))]
        picture, ink = with_text(ground, text, int(size), angle, rng)
        good = marked(picture, ink)
        for name in (ROTATED,) if angle else (f"{size} px", modality):
            cases.setdefault(name, []).append(good)
    seconds = (time.process_time() - start) / len(plan)
    plain = [*pictures["MR"], *pictures["CT"]]
    rows = [row(name, sum(marks), len(marks)) for name, marks in cases.items()]
    rows.append(row("without text", sum(bool(text_in(picture)) for picture in plain), len(plain)))
    cost = {"case": "CPU seconds a picture", "pictures": len(plan), "marked": f"{seconds:.2f}"}
    write("biomed_text", printed([*rows, cost | {"low": "", "high": ""}]))


if __name__ == "__main__":
    main()
