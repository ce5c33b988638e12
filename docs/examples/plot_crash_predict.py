"""
Predict how a bumper deforms
============================

A part is simulated by the shell solver of the crash plugin, and predicted with the run that ships.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from scionwood_crash import evaluate_series, predict_series, simulate_series

simulated = simulate_series("bumper", seed=7)
predicted = predict_series(simulated)
errors = evaluate_series(predicted, simulated)
print(f"mean distance of the nodes: {errors['med']:.1f} mm")
print(f"that is {errors['med_share']:.1f} % of the largest intrusion")

# %%
# The last state from the side. The colour is the distance that a node has moved.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharex=True, sharey=True)
moved = [np.linalg.norm(series.displacement()[-1], axis=-1) for series in (simulated, predicted)]
for axis, title, series, distance in zip(
    axes, ("simulated", "predicted"), (simulated, predicted), moved, strict=True
):
    points = series.mesh.points + series.displacement()[-1]
    shown = axis.scatter(
        points[:, 0], points[:, 2], c=distance, s=6, cmap="viridis", vmin=0, vmax=moved[0].max()
    )
    axis.set(title=title, xlabel="x (mm)", ylabel="z (mm)", aspect="equal")
figure.colorbar(shown, ax=axes, label="displacement (mm)")
plt.show()

# sphinx_gallery_thumbnail_path = '_static/cards/crash.png'
