"""
Look at a CT slice in three windows
===================================

A CT value is a number of Hounsfield units (HU), from air at -1000 to bone above 1000. A window
chooses the range that is shown between black and white. The model sees what the window shows, so a
finding outside the window does not exist for it.
"""

# %%
# `CT_small.dcm` is a test image of pydicom. It stands for a scan of yours.
import matplotlib.pyplot as plt
from pydicom.data import get_testdata_file

import scionwood_biomed as biomed

scan = get_testdata_file("CT_small.dcm")
names = ("soft_tissue", "lung", "bone")
pictures = {name: biomed.read_image(scan, window=name) for name in names}

# %%
# The same slice three times. The share of pixels at either end has lost its differences.
figure, axes = plt.subplots(1, 3, figsize=(8, 3.2), layout="constrained")
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    grey = picture[..., 0]
    lost = ((grey <= 0) | (grey >= 1)).mean()
    print(f"{name}: {lost:.0%} of the pixels are black or white")
    shown = axis.imshow(grey, cmap="gray", vmin=0, vmax=1)
    axis.set(title=name.replace("_", " "), xlabel="column (pixel)", ylabel="row (pixel)")
figure.colorbar(shown, ax=axes, label="brightness, 0 to 1")
plt.show()

# %%
# What in this file identifies a person. Only the names of elements are listed.
findings = biomed.inspect(scan)
print(len(findings.identity), "elements, for example", findings.identity[:3])
print(findings.private, "private elements")
