"""
Which events does the model remove?
===================================

A denoiser that is trained on simulated gathers can take a flat event for noise. This page
measures it. The same events, at several dips and without any noise, pass through the older run
`seismic/denoise` without the harm gate. A good denoiser returns them whole, and the shipped model
for gathers does.
"""

# %%
# Three events with a dip in samples a trace. Nothing in the gather is noise.
import matplotlib.pyplot as plt
import numpy as np

from scionwood_seismic import DenoiseOptions, denoise_data

DT = 0.004  # s
time, trace = np.arange(256) * DT, np.arange(128)


def events(dip):
    """Return three Ricker events of 25 Hz, (trace, time)."""
    gather = np.zeros((128, 256))
    for start, amplitude in ((0.20, 1.0), (0.45, -0.7), (0.70, 0.8)):
        lag = np.pi * 25 * (time - start - dip * DT * trace[:, None])
        gather += amplitude * (1 - 2 * lag**2) * np.exp(-(lag**2))
    return gather


def denoise(gather):
    """Denoise with the older run and without the harm gate, which would refuse the result."""
    return denoise_data(gather, DenoiseOptions(run="seismic/denoise", dt=DT, gate="off"))


def kept(gather, result):
    """Return the amplitude of the events that is left: 1 if all is left, 0 if all is lost."""
    return float((result * gather).sum() / (gather * gather).sum())


# %%
# Without noise, and with white noise of the same energy (0 dB).
dips = (0.0, 0.05, 0.25, 1.0, 2.0, 4.0)
noise = np.random.default_rng(0).standard_normal((128, 256))
alone, noisy = [], []
for dip in dips:
    gather = events(dip)
    alone.append(kept(gather, denoise(gather)))
    noisy.append(kept(gather, denoise(gather + noise * gather.std())))
    shot = kept(gather, denoise_data(gather, DenoiseOptions(dt=DT)))
    print(f"dip {dip:4.2f}: {alone[-1]:5.2f} without noise, {noisy[-1]:5.2f} with noise")
    print(f"           {shot:5.2f} without noise, with the model shot and the harm gate")

# %%
# The left panel shows what is left at each dip. The others show the flat gather. Where the events
# are in *removed*, the result must not be used.
flat = events(0.0)
result = denoise(flat)
figure, axes = plt.subplots(
    1, 4, figsize=(11, 3.6), layout="constrained", width_ratios=(1.5, 1, 1, 1)
)
axes[0].plot(alone, "o-", color="#0072B2", label="without noise")
axes[0].plot(noisy, "s--", color="#D55E00", label="with white noise, 0 dB")
axes[0].axhline(1, color="0.6", linewidth=0.8)
axes[0].set_xticks(range(len(dips)), [str(dip) for dip in dips])
axes[0].set(xlabel="dip (samples a trace)", ylabel="amplitude that is left (share)")
axes[0].legend()
panels = {"input": flat, "denoised": result, "removed": flat - result}
for axis, (title, image) in zip(axes[1:], panels.items(), strict=True):
    axis.imshow(
        image.T, cmap="RdBu_r", aspect="auto", vmin=-1, vmax=1, extent=(0, 128, 256 * DT, 0)
    )
    axis.set(title=title, xlabel="trace", ylabel="time (s)" if title == "input" else "")
plt.show()

# %%
# Flatten nothing before you denoise: an NMO-corrected gather or a stacked section has flat events.
