"""
What a split by image hides
===========================

Images of one patient look alike. If some are in the training set and others in the test set, a
classifier is tested on patients that it knows. The audit measures this before you train.
"""

# %%
# Synthetic slices stand for a hospital's images: 16 patients with two images each.
import matplotlib.pyplot as plt

import scionwood_biomed as biomed
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.data.phantoms import Phantoms

audit = biomed.audit(Phantoms(subjects=16, images=2), ClipBackbone())

# %%
# How many patients are in both sets, by the way of splitting.
names = ("by_image", "by_subject")
shared = [audit[name]["shared_subjects"] for name in names]
print(dict(zip(names, shared, strict=True)))
figure, axis = plt.subplots(figsize=(5, 2.4), layout="constrained")
axis.barh(["by image", "by patient"], shared, color=["#D55E00", "#0072B2"])
axis.set_xlabel("patients in training and test")
plt.show()
