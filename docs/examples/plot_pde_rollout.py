"""
Predict the next states of a 3D field
=====================================

Burgers' equation on 32 x 32 x 32 points, simulated and predicted with the run that the pde plugin
ships. The simplest forecast, persistence, is beside it.
"""

# %%
import matplotlib.pyplot as plt

import scionwood_pde as pde

states = pde.simulate(equation="burgers", n=1, n_steps=4)
predicted = pde.rollout(states)
rows = pde.evaluate(predicted, states)
for row in rows[:1]:
    print(f"VRMSE {row['vrmse']:.2f}, of persistence {row['persistence']:.2f}")
print(predicted.dims, predicted.shape)

# %%
# The middle slice of the first velocity component, at the last predicted time.
time = predicted["time"].values[-1]
images = {
    "simulated": states.sel(time=time, method="nearest"),
    "predicted": predicted.isel(time=-1),
}
middle = {name: x.isel(sample=0, channel=0, z=16).values for name, x in images.items()}
limit = abs(middle["simulated"]).max()
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for axis, (title, image) in zip(axes, middle.items(), strict=True):
    shown = axis.imshow(image.T, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
    axis.set(title=f"{title}, t = {time:.2f}", xlabel="x (point)", ylabel="y (point)")
figure.colorbar(shown, ax=axes, label="velocity")
plt.show()
