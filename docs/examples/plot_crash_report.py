"""
A good and a bad prediction
===========================

The figures of `scionwood crash evaluate --figures report`, for a part that the shipped run knows,
and for a part of another family. Read the sentence on the training parts first.
"""

# %%
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np

from scionwood_crash import evaluate_series, predict_series, simulate_series
from scionwood_crash.evaluation.figures import deformed, over_time


def image(figure):
    """Return a figure as an image."""
    memory = BytesIO()
    figure.savefig(memory, format="png", dpi=110)
    memory.seek(0)
    return plt.imread(memory)


def report(family):
    """Simulate, predict and evaluate a part, and draw two figures of the report."""
    simulated = simulate_series(family, seed=7)
    predicted = predict_series(simulated)
    errors = evaluate_series(predicted, simulated)
    print(errors["familiarity"])
    print(f"MED {errors['med_share']:.1f} % of the intrusion", end=", ")
    print(f"error of the intrusion {errors['intrusion_error']:.1f} %")
    mesh, last = simulated.mesh, [each.read(20).displacement for each in (simulated, predicted)]
    depths = {
        name: np.array(errors["by_time"][f"intrusion_{kind}"])
        for name, kind in (("simulated", "true"), ("predicted", "predicted"))
    }
    figures = (
        deformed(mesh.points, mesh.cells, *last, title="last state"),
        over_time(simulated.times, depths, label="maximum intrusion, mm", unit="ms"),
    )
    axes = plt.figure(figsize=(12, 4.2), layout="constrained").subplots(1, 2, width_ratios=(3, 2))
    for axis, figure in zip(axes, figures, strict=True):
        axis.imshow(image(figure))
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
