"""The sites of four fields whose data differ, for the benchmarks of federation.

Seismic sites are surveys that differ in noise. Biomed sites are scanners: phantoms with a lesion
are written as NIfTI volumes with the grey scale, blur and noise of a scanner, and a table names the
scanner of each.
Crash sites are makers with one family of parts each. Bangla sites are schools that write at one
level of address each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from runner import write
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
SUBJECTS, SLICES = 24, 4
"""The subjects of a scanner, and the slices of a subject."""

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
        "recipe": "biomed/segment",
        "override": ["data.batch_size=4", "backbone.width=16"],
        "targets": "vision",
        "rates": {"lora": "5e-3", "ia3": "1e-2"},
        "steps": 4,
        "every": 3,
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
            "data.batch_size=2",
            "data.levels=[tui, tumi, apni]",
            "task.max_new_tokens=1",
        ],
        "rates": {"lora": "5e-4"},
        "steps": 4,
    },
}


def sites_for(field: str, folder: Path, seed: int) -> tuple[str, list[str]]:
    """Return the way to make the sites of a field, and the changes of the recipe for a seed."""
    if field == "biomed":
        source = f"data={{name: biomed/masks, source: {scanned(folder, seed)}, seed: {seed}}}"
        return "by:scanner", ["adapter={name: lora, targets: vision, r: 4}", source]
    if field == "crash":
        simulated = (folder / "crash-suite").absolute()
        return "by:data.families", [f"data.seed={seed}", f"data.folder={simulated}"]
    if field == "bangla":
        return "by:data.levels", [f"data.seed={seed}"]
    path = folder / f"{field}{seed}.csv"
    rows = [f'{name},"{noises}",{10 * seed + n}' for n, (name, noises) in enumerate(SEISMIC)]
    path.write_text("site,data.noises,data.seed\n" + "\n".join(rows) + "\n")
    return str(path), []


def scanned(folder: Path, seed: int) -> Path:
    """Write the volumes and masks of all scanners, and return their table."""
    from scionwood_biomed.data.volume_phantoms import volume_phantom

    table = (folder / f"scanners{seed}" / "table.csv").absolute()
    if table.exists():
        return table
    rows = []
    for number, name in enumerate(SCANNERS):
        (table.parent / name).mkdir(parents=True, exist_ok=True)
        for subject in range(SUBJECTS):
            rng = np.random.default_rng((seed, number, subject))
            volume, mask = volume_phantom(rng, SLICES, sick=True)
            paths = f"{name}/{subject}.nii.gz", f"{name}/{subject}-mask.nii.gz"
            for path, values in zip(paths, (scan(volume, name, rng), mask), strict=True):
                image = nibabel.Nifti1Image(values.transpose(2, 1, 0), np.eye(4))
                nibabel.save(image, table.parent / path)
            rows.append((*paths, f"{name}-{subject}", name))
    head = ("path", "mask", "subject", "scanner")
    write(table, [dict(zip(head, row, strict=True)) for row in rows])
    return table


def scan(volume: np.ndarray, scanner: str, rng: np.random.Generator) -> np.ndarray:
    """Return what a scanner makes of a volume from 0 to 1: (slice, row, column) float32."""
    blur = SCANNERS[scanner]["blur"]
    soft = gaussian_filter(volume, (0.0, blur, blur)) ** SCANNERS[scanner]["gamma"]
    image: np.ndarray = np.clip(soft + rng.normal(0, SCANNERS[scanner]["noise"], soft.shape), 0, 1)
    return image.astype(np.float32)
