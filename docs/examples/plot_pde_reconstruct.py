"""
Compress a field, and see what is lost
======================================

The shipped autoencoder turns each field into latents with a sixteenth of its sides. It was trained
on this equation, but the error is large for a field as rough as this one. The spectrum shows why.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import scionwood_pde as pde

states = pde.simulate(equation="advection_diffusion", n=1, n_points=32, n_steps=1, seed=5)
with tempfile.TemporaryDirectory() as folder:
    latents = Path(folder) / "latents.zarr"
    pde.encode(states, latents)
    back = pde.decode(latents)
for time in range(2):
    pair = [x.isel(sample=0, time=time, channel=0).values for x in (states, back)]
    print(f"time {time}: VRMSE {np.sqrt(((pair[1] - pair[0]) ** 2).mean()) / pair[0].std():.2f}")

# %%
# The first state in the middle of z, before and after.
images = [x.isel(sample=0, time=0, channel=0, z=16).values for x in (states, back)]
limit = np.abs(images[0]).max()
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for axis, image, title in zip(axes, images, ("simulated", "after compression"), strict=True):
    shown = axis.imshow(image.T, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
    axis.set(title=title, xlabel="x (point)", ylabel="y (point)")
figure.colorbar(shown, ax=axes, label="u (solver's unit U)")
plt.show()

# %%
# Power along x: coarse waves are on the left, fine ones on the right. The field has five waves and
# nothing finer. Compression weakens the fourth and the fifth, and adds fine waves.
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
lines = (("simulated", states, "-", "#0072B2"), ("after compression", back, "--", "#D55E00"))
for label, x, dashes, colour in lines:
    waves = np.fft.rfft(x.isel(sample=0, time=0, channel=0).values, axis=0)
    power = (np.abs(waves) ** 2).mean((1, 2))[1:]
    axis.loglog(np.arange(1, len(power) + 1), power, dashes, color=colour, label=label)
axis.set(xlabel="waves along x (per box)", ylabel="power (U²)", ylim=(1e-3, None))
axis.legend()
plt.show()
