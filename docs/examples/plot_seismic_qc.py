"""
A good and a bad QC sheet
=========================

The sheet that `scionwood seismic denoise --qc qc.png` draws, for two files: a shot with noise of
the training, and flat events, which the shipped run removes.
"""

# %%
import tempfile
from contextlib import chdir
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import segyio

from scionwood_seismic import DenoiseOptions, denoise, simulate

folder = Path(tempfile.mkdtemp())


def show(path):
    """Show an image at its own size."""
    axes = plt.figure(figsize=(12, 10), layout="constrained").subplots()
    axes.imshow(plt.imread(path))
    axes.axis("off")
    plt.show()


# %%
# **Good.** A simulated shot with swell noise. *Removed* holds low frequencies and no events.
with chdir(folder):
    simulate("noisy.sgy", "reference.sgy", n=1, n_traces=128, n_samples=256, noise="swell")
    denoise("noisy.sgy", "clean.sgy", qc="good.png")
show(folder / "good.png")

# %%
# **Bad.** The same headers, but the samples are flat events with a little white noise. The older
# run works without the harm gate, which would return the gather unchanged. The events are in
# *removed*, whose spectrum covers that of the input. The correlation is far below 1.
flat = folder / "flat.sgy"
flat.write_bytes((folder / "noisy.sgy").read_bytes())
lag = np.pi * 25 * (np.arange(256) * 0.002 - np.array([[0.12], [0.25], [0.38]]))
trace = ((1 - 2 * lag**2) * np.exp(-(lag**2))).sum(axis=0)
rng = np.random.default_rng(0)
with segyio.open(str(flat), "r+", ignore_geometry=True) as file:
    for i in range(file.tracecount):
        file.trace[i] = (trace + 0.1 * rng.standard_normal(256)).astype(np.float32)
with chdir(folder):
    ungated = DenoiseOptions(run="seismic/denoise", gate="off")
    denoise("flat.sgy", "flat_clean.sgy", ungated, qc="bad.png")
show(folder / "bad.png")
