"""
A good and a bad prediction
===========================

The figures of `scionwood crash evaluate --figures report`, for a part that the shipped run knows,
and for a part of another family. Read the sentence on the training parts first.
"""

# %%
import tempfile
from contextlib import chdir
from pathlib import Path

import matplotlib.pyplot as plt

from scionwood_crash import api

folder = Path(tempfile.mkdtemp())


def report(family):
    """Simulate, predict and evaluate a part, and show two figures of the report."""
    simulated = api.simulate(family, seed=7)
    predicted = api.predict(simulated)
    errors = api.evaluate(predicted, simulated)
    with chdir(folder):
        api.report(predicted, simulated, errors, family)
    print(errors["familiarity"])
    print(f"MED {errors['med_share']:.1f} % of the intrusion", end=", ")
    print(f"error of the intrusion {errors['intrusion_error']:.1f} %")
    axes = plt.figure(figsize=(12, 4.6), layout="constrained").subplots(1, 2, width_ratios=(3, 2))
    for axis, name in zip(axes, ("deformed", "intrusion"), strict=True):
        axis.imshow(plt.imread(folder / family / f"{name}.png"))
        axis.axis("off")
    plt.show()


# %%
# **Good.** A bumper beam, the family of the training. Both shapes buckle at the same place, and the
# curves of the intrusion lie together up to the last state.
report("bumper")

# %%
# **Bad.** A hat-section beam. The network never saw one after it was adapted to bumpers. The report
# says so, whatever the shapes look like.
report("hat")
