"""The sites of four fields whose data differ, for the benchmarks of federation.

Seismic sites are surveys that differ in noise. Biomed sites are scanners: phantoms are written as
PNG files with the grey scale, blur and noise of a scanner, and a table names the scanner of each.
Crash sites are makers with one family of parts each. Bangla sites are schools that write at one
level of address each.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

SEISMIC = (
    ("land", "[ground_roll, erratic]"),
    ("marine", "[swell, band]"),
    ("fibre", "[fading, checkerboard]"),
    ("quiet", "[white]"),
)
SCANNERS = {
    "bright": {"gamma": 0.5, "blur": 0.0, "noise": 0.02},
    "dark": {"gamma": 2.0, "blur": 0.0, "noise": 0.02},
    "soft": {"gamma": 1.0, "blur": 1.2, "noise": 0.02},
    "grainy": {"gamma": 1.0, "blur": 0.0, "noise": 0.12},
}
SUBJECTS = 80
"""The subjects of a scanner, two images each, over four classes."""

FIELDS: dict[str, dict[str, Any]] = {
    "seismic": {
        "recipe": "seismic/denoise",
        "override": [
            "data.n_traces=64",
            "data.n_samples=64",
            "data.n_val=4",
            "data.n_test=12",
            "data.n_train=24",
            "data.batch_size=4",
            "task.lr=2e-3",
        ],
    },
    "biomed": {
        "recipe": "biomed/few_shot_lora",
        "override": ["data.shots=8", "data.batch_size=8", "task.lr=2e-3"],
        "steps": 12,
    },
    "crash": {
        "recipe": "crash/transfer_lora",
        "override": [
            "data.n_train=4",
            "data.n_val=2",
            "data.n_test=4",
            "data.batch_size=2",
            "data.families=[hat, bumper, tube]",
        ],
        "steps": 4,
    },
    "bangla": {
        "recipe": "bangla/register_tiny",
        "override": [
            "data.n_train=60",
            "data.n_val=24",
            "data.n_test=24",
            "data.levels=[tui, tumi, apni]",
            "task.max_new_tokens=1",
        ],
        "steps": 4,
    },
}


def sites_for(field: str, folder: Path, seed: int) -> tuple[str, list[str]]:
    """Return the way to make the sites of a field, and the changes of the recipe for a seed."""
    if field == "biomed":
        source = f"data={{name: biomed/images, source: {scanned(folder, seed)}, size: 64}}"
        return "by:scanner", [source, f"data.seed={seed}"]
    if field == "crash":
        return "by:data.families", [f"data.seed={seed}"]
    if field == "bangla":
        return "by:data.levels", [f"data.seed={seed}"]
    path = folder / f"{field}{seed}.csv"
    rows = [f'{name},"{noises}",{10 * seed + n}' for n, (name, noises) in enumerate(SEISMIC)]
    path.write_text("site,data.noises,data.seed\n" + "\n".join(rows) + "\n")
    return str(path), []


def scanned(folder: Path, seed: int) -> Path:
    """Write the images of all scanners, and return their table."""
    from scionwood_biomed.data.phantoms import phantom, phantom_items

    table = folder / f"scanners{seed}" / "table.csv"
    if table.exists():
        return table
    rows = []
    for number, name in enumerate(SCANNERS):
        (table.parent / name).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng((seed, number))
        for item in phantom_items(SUBJECTS, 2):
            place = f"{name}/{item.subject}-{item.path.name}.png"
            pixels = seen(phantom(item, 10 * seed + number)[..., 0], name, rng)
            Image.fromarray(pixels).save(table.parent / place)
            rows.append((place, item.label, f"{name}-{item.subject}", name))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("path", "label", "subject", "scanner"), *rows])
    return table


def seen(image: np.ndarray, scanner: str, rng: np.random.Generator) -> np.ndarray:
    """Return what a scanner makes of an image from 0 to 1: (row, column) uint8."""
    with_blur = gaussian_filter(image, SCANNERS[scanner]["blur"])
    grain = rng.normal(0, SCANNERS[scanner]["noise"], image.shape)
    shown = np.clip(with_blur ** SCANNERS[scanner]["gamma"] + grain, 0, 1)
    pixels: np.ndarray = (255 * shown).round().astype(np.uint8)
    return pixels
