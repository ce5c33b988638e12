"""Denoise two public field files with the shipped models, and draw QC sheets for the handbook.

Run `python benchmarks/seismic_qc_figures.py FOLDER`, with the folder of `viking_small.segy` and
`f3.sgy` of github.com/equinor/segyio, or set SCIONWOOD_FIELD_DATA to it. Nothing is trained. The
figures are in docs/figures. F3 data: CC BY-SA.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from scionwood_seismic import denoise

FIGURES = Path(__file__).parents[1] / "docs/figures"
FILES = {"viking_small.segy": "seismic_viking_qc.png", "f3.sgy": "seismic_f3_qc.png"}
WIDTH, COLOURS = 1100, 200
"""Pixels and colours of a figure, so that each is smaller than 300 kB."""


def draw(source: Path, figure: Path) -> None:
    """Denoise a file and save the QC sheet of its worst gather."""
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "qc.png"
        denoise(source, Path(folder) / f"clean{source.suffix}", qc=sheet)
        with Image.open(sheet) as image:
            height = round(image.height * WIDTH / image.width)
            small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
            small.quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG).save(figure, optimize=True)
    print(figure, figure.stat().st_size, "bytes")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["SCIONWOOD_FIELD_DATA"])
    for name, figure in FILES.items():
        draw(folder / name, FIGURES / figure)


if __name__ == "__main__":
    main()
