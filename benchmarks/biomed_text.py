"""Count the names that `--blank-text` leaves in pixels: planted names, and pydicom's own files.

    pip install -e 'plugins/biomed/deid[pixels,decoders]' pydicom-data
    python benchmarks/biomed_text.py

300 files: names, numbers and dates of the header are drawn on images of four modalities, 8 to 32
pixels high, a quarter of them turned, white, grey, black or faint, in four fonts. Each file is
copied by `deidentify` with `blank_text`; a name is gone if at least 0.9 of its pixels are blank in
the copy. Then every image of pydicom and pydicom-data is copied in the same way. One row a file is
`benchmarks/results/biomed_text_files.csv`, and `biomed_text.csv` has the counts.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import data_store
import matplotlib as mpl
import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from runner import Row, Table, parsed, printed, read, write

from scionwood import ScionwoodError
from scionwood_deid import DeidentifyOptions, deidentify
from scionwood_deid.pictures import windows_of

ROOTS = (Path(str(get_testdata_file("CT_small.dcm"))).parent, Path(data_store.__file__).parent)
GROUNDS = {
    "MR": ("MR2_UNCR.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "examples_overlay.dcm"),
    "CT": ("693_UNCR.dcm", "explicit_VR-UN.dcm", "bad_sequence.dcm"),
    "radiograph": ("RG1_UNCR.dcm", "RG3_UNCR.dcm"),
    "ultrasound": ("US1_UNCR.dcm", "OBXXXX1A.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm"),
}
SIZES = (8, 10, 12, 16, 24, 32)
ANGLES = (5, -5, 15, 45, 90, 180, 270)
INKS = ("white", "grey", "black", "faint")
FONTS = ("DejaVuSans", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif")
FIRST = ("FATEMA", "KARIM", "JANE", "OMAR", "LUCIA", "PETER", "ANNA", "WEI")
LAST = ("RAHMAN", "UDDIN", "DOE", "QUINLEVAN", "MOREAU", "SCHNEIDER", "IVANOVA", "CHEN")
FILES, LARGEST = 300, 640
"""Planted files, and the longest side of an image: larger ones are cut."""
NORMAL = 1.96


@cache
def ground(name: str) -> tuple[Dataset, np.ndarray]:
    """Return the first frame of a file as a data set, and as it is shown, (row, column, 3)."""
    path = next(path for root in ROOTS for path in root.rglob(name))
    shown, dataset = windows_of(path, [0])[0], pydicom.dcmread(path)
    values = dataset.pixel_array.reshape(-1, *dataset.pixel_array.shape[-2:]) if (
        dataset.SamplesPerPixel == 1
    ) else dataset.pixel_array[None]  # fmt: skip
    stored = values[0]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = (apply_color_lut(stored, dataset)[..., :3] >> 8).astype(np.uint8)
    if stored.ndim == 3:
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "RGB", 3
        dataset.PlanarConfiguration, dataset.BitsAllocated = 0, 8
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 7, 0
    for keyword in ("NumberOfFrames", "PerFrameFunctionalGroupsSequence"):
        if keyword in dataset and stored.ndim == 2:
            delattr(dataset, keyword)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    rows, columns = (slice(0, min(side, LARGEST)) for side in stored.shape[:2])
    dataset.PixelData = b""
    return dataset, np.ascontiguousarray(stored[rows, columns]), shown[rows, columns]


def said(rng: np.random.Generator) -> tuple[str, Dataset]:
    """Return what is drawn, and the elements of the header that say it."""
    last, first, header = LAST[rng.integers(8)], FIRST[rng.integers(8)], Dataset()
    year, month, day = rng.integers(1930, 2010), rng.integers(1, 13), rng.integers(1, 28)
    number = str(rng.integers(10**6, 10**7))
    header.PatientName, header.PatientID = f"{last}^{first}", number
    header.PatientBirthDate = f"{year}{month:02d}{day:02d}"
    born = f"{day:02d}/{month:02d}/{year}"
    texts = (f"{last}, {first}", f"{last}^{first} {born}", f"{first[0]}. {last.title()}",
             f"ID {number}", f"{first.title()} {last.title()} {2026 - year}Y F",
             f"MRN {number} {born}")  # fmt: skip
    return texts[rng.integers(6)], header


def letters(text: str, size: int, angle: int, rng: np.random.Generator) -> np.ndarray:
    """Return the letters of a text, (row, column) from 0 to 1."""
    place = Path(mpl.get_data_path()) / f"fonts/ttf/{FONTS[rng.integers(4)]}.ttf"
    font = ImageFont.truetype(place, size)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    ink = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(ink).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(ink.rotate(angle, Image.Resampling.BILINEAR, expand=True), np.float32) / 255


def planted(modality: str, size: int, rng: np.random.Generator) -> tuple[Dataset, np.ndarray, Row]:
    """Return a file with a text at a random place, the pixels of its letters, and what it is."""
    names = GROUNDS[modality]
    source, stored, shown = ground(names[rng.integers(len(names))])
    turned = rng.random() < 0.25
    while True:
        text, header = said(rng)
        angle = int(rng.choice(ANGLES)) if turned else 0
        drawn = letters(text, size, angle, rng)
        room = np.array(stored.shape[:2]) - drawn.shape
        if min(room) > 4:
            break
    y, x = (int(rng.integers(2, side - 1)) for side in room)
    alpha = np.zeros(stored.shape[:2], np.float32)
    alpha[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    under = shown[alpha > 0.05].astype(np.float32)
    level = float(np.median(under))
    ink = INKS[rng.choice(4, p=[0.5, 0.25, 0.1, 0.15])]
    value = {"white": 255, "grey": 170, "black": 0, "faint": level + (35 if level < 128 else -35)}
    if ink != "faint" and abs(value[ink] - level) < 40:
        ink = "white" if level < 128 else "black"
    dataset = copy.deepcopy(source)
    dataset.update(header)
    coloured = stored.ndim == 3
    target = value[ink] if coloured else np.interp(value[ink], *_steps(shown[..., 0], stored))
    share = alpha[..., None] if coloured else alpha
    mixed = stored * (1 - share) + target * share
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.PixelData = np.rint(mixed).astype(stored.dtype).tobytes()
    texture = "texture" if under.std() > 20 else "plain ground"
    row = {"turned": "turned" if turned else "level", "ink": ink, "ground": texture}
    return dataset, alpha > 0.4, row


def _steps(grey: np.ndarray, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the greys that are shown, in order, and the mean stored value of each."""
    levels, places = np.unique(grey, return_inverse=True)
    places = places.ravel()
    return levels, np.bincount(places, stored.ravel()) / np.bincount(places)


def copied(dataset: Dataset, folder: Path) -> tuple[Dataset, str, float]:
    """Return the copy of a file, what is said of its pixels, and the CPU seconds."""
    dataset.save_as(folder / "a.dcm", enforce_file_format=True)
    start = time.process_time()
    options = DeidentifyOptions(salt="pepper", blank_text=True)
    _, after = deidentify(folder / "a.dcm", folder / "b.dcm", options, force=True)
    return pydicom.dcmread(folder / "b.dcm"), after.burned_in, time.process_time() - start


def plant(job: Row) -> Row:
    """Plant one text, copy the file, and count what is left of the letters."""
    rng = np.random.default_rng([2026, job["number"]])
    dataset, ink, row = planted(job["modality"], job["size"], rng)
    if job["number"] % 3 == 0:
        dataset.compress(RLELossless)
    with TemporaryDirectory() as folder:
        result, line, seconds = copied(dataset, Path(folder))
    before, after = (item.pixel_array.reshape(*ink.shape, -1) for item in (dataset, result))
    share = float((after == 0).all(-1)[ink].mean())
    extra = float(((after == 0) & (before != 0)).any(-1)[~ink].mean())
    return {**job, **row, "share": f"{share:.3f}", "gone": int(share >= 0.9),
            "blank": f"{extra:.3f}", "line": line, "seconds": f"{seconds:.2f}"}  # fmt: skip


def real(name: str) -> Row:
    """Copy one real file."""
    path = next(root / name for root in ROOTS if (root / name).is_file())
    with TemporaryDirectory() as folder:
        try:
            result, line, seconds = copied(pydicom.dcmread(path), Path(folder))
        except (ScionwoodError, ValueError, AttributeError, NotImplementedError) as error:
            return {"line": f"not copied: {type(error).__name__}", "seconds": ""}
    return {"modality": str(result.get("Modality", "")), "line": line, "seconds": f"{seconds:.2f}"}


def real_names() -> Iterator[str]:
    """Yield the images of both packages: one of each content, not each encoding of it."""
    for root in ROOTS:
        for path in sorted(root.rglob("*.dcm")):
            try:
                dataset = pydicom.dcmread(path)
            except Exception:  # files that test a parser with damage
                continue
            if "PixelData" in dataset and dataset.get("SOPClassUID"):
                yield str(path.relative_to(root))


def jobs() -> Iterator[Row]:
    for number in range(FILES):
        modality = [*GROUNDS][number % 4]
        yield {"part": "planted", "number": number, "modality": modality,
               "size": SIZES[number // 4 % 6], "file": ""}  # fmt: skip


def interval(good: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson)."""
    rate, square = good / count, NORMAL**2
    middle = (rate + square / (2 * count)) / (1 + square / count)
    half = NORMAL * np.sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    half /= 1 + square / count
    return max(0.0, middle - half), min(1.0, middle + half)


def counts(rows: list[Row]) -> Iterator[Row]:
    """Yield how many names are left, by what they are."""
    level = [r for r in rows if r["turned"] == "level" and r["ink"] != "faint"]
    groups = [("all", rows), ("level, not faint", level)]
    groups += [
        (f"level, not faint: {s} px", [r for r in level if int(r["size"]) == s]) for s in SIZES
    ]
    groups += [
        (f"level, not faint: {m}", [r for r in level if r["modality"] == m]) for m in GROUNDS
    ]
    for key in ("ground", "ink", "turned"):
        for value in sorted({row[key] for row in rows}):
            groups.append((value, [row for row in rows if row[key] == value]))
    for case, chosen in groups:
        left = sum(row["gone"] == "0" for row in chosen)
        if not chosen:
            continue
        low, high = interval(left, len(chosen))
        yield {"what": case, "files": len(chosen), "missed": left,
               "low": f"{low:.3f}", "high": f"{high:.3f}"}  # fmt: skip


def main() -> None:
    parsed(__doc__, threads=None)
    warnings.simplefilter("ignore")
    table = Table("biomed_text_files")
    for job in table.missing(jobs()):
        table.add(plant(job))
    for job in table.missing({"part": "real", "file": name} for name in real_names()):
        table.add({**job, **real(str(job["file"]))})
    rows = [row for row in read("biomed_text_files") if row["part"] == "planted"]
    write("biomed_text", printed([*counts(rows)]))


if __name__ == "__main__":
    main()
