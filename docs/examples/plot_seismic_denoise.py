"""
Denoise a gather
================

A NumPy array in, a NumPy array out, with the run that the seismic plugin ships.
"""

# %%
# A simulated gather with noise, and the same gather without it. Both are (trace, time).
import matplotlib.pyplot as plt
import numpy as np

from scionwood_seismic import DenoiseOptions, denoise_data
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

rng = np.random.default_rng(7)
reference = draw_gather(rng, (128, 128), dt=0.002, dx=12.5)
noisy = corrupt(rng, reference, "swell", 0.0, dt=0.002, dx=12.5)

# %%
# One call. The run is a reference: `seismic/denoise` ships with the plugin.
clean = denoise_data(noisy, DenoiseOptions(run="seismic/denoise", dt=0.002))


def snr(traces):
    """Signal-to-noise ratio against the reference, dB."""
    error = traces - reference
    return 10 * np.log10(np.sum(reference**2) / np.sum(error**2))


print(f"{snr(noisy):.1f} dB before, {snr(clean):.1f} dB after")

# %%
# Look at what was removed: events in that panel would be lost signal.
figure, axes = plt.subplots(1, 4, figsize=(10, 3.6), layout="constrained", sharey=True)
limit = 2.5 * reference.std()
panels = {"noisy": noisy, "denoised": clean, "removed": noisy - clean, "reference": reference}
for axis, (title, image) in zip(axes, panels.items(), strict=True):
    axis.imshow(
        image.T, cmap="gray", aspect="auto", vmin=-limit, vmax=limit, extent=(0, 128, 0.256, 0)
    )
    axis.set(title=title, xlabel="trace")
axes[0].set_ylabel("time (s)")
plt.show()

# sphinx_gallery_thumbnail_path = '_static/cards/seismic.png'
