"""Draw the figure of the seismic plugin: two test gathers before and after denoising.

    python benchmarks/seismic_figure.py --run RUN

RUN is a run of `seismic/denoise`. Writes docs/figures/seismic.png.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from runner import option, parsed
from seismic_accuracy import snr

from scionwood import load_run
from scionwood.authoring import atomic_path, figure_style
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.evaluation.panels import clip
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "seismic.png"
SHAPE, DT = (160, 256), 0.002  # (trace, time); s
GATHERS = (("reflection", "ground_roll", 3), ("vsp", "common_mode", 5))
"""Kind of gather, noise class, and index in the test split of seed 1000."""
SHADES = 64  # of grey, which keeps the file small


def gathers(kind: str, noise: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy gather and its reference, both (trace, time), at an SNR of 0 dB."""
    rng = generator(1000, "test", index)
    clean = draw_gather(rng, SHAPE, dt=DT, kind=kind)
    return corrupt(rng, clean, noise, 0.0, dt=DT), clean


@figure_style()
def main() -> None:
    options = parsed(
        __doc__,
        option("target", type=Path, nargs="?", default=TARGET),
        option("--run", type=Path, required=True, help="a run of seismic/denoise"),
        threads=None,
    )
    model = load_run(options.run).backbone
    figure = Figure(figsize=(9.6, 6.2), layout="constrained")
    rows = figure.subplots(len(GATHERS), 4, sharex=True, sharey=True)
    for row, (kind, noise, index) in zip(rows, GATHERS, strict=True):
        noisy, clean = gathers(kind, noise, index)
        estimate = denoise_array(model, noisy)
        panels = {
            f"input, {snr(clean, noisy):z.0f} dB": noisy,
            f"denoised, {snr(clean, estimate):.0f} dB": estimate,
            "removed": noisy - estimate,
            "reference": clean,
        }
        gain = clip(noisy)
        for axes, (title, data) in zip(row, panels.items(), strict=True):
            axes.imshow(
                data.T,
                aspect="auto",
                cmap="gray",
                vmin=-gain,
                vmax=gain,
                extent=(0.5, SHAPE[0] + 0.5, SHAPE[1] * DT, 0),
            )
            axes.set_title(title, fontsize=10)
        row[0].set_ylabel("time (s)")
    for axes in rows[-1]:
        axes.set_xlabel("trace")
    image = io.BytesIO()
    figure.savefig(image, dpi=80, format="png")
    with atomic_path(options.target) as part, Image.open(image) as picture:
        picture.convert("L").quantize(SHADES).save(part, optimize=True)
    print(f"{options.target}: {options.target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
