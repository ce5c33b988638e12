"""Does pretraining pay at equal steps? Frozen Tadpole with mixed fields, and its random twin.

    python benchmarks/pde_pretraining.py        # about six minutes on one core

The rows of `pde_dynamics.py` have equal CPU seconds, in which a busy machine makes fewer steps.
Here both make the same steps on the same pairs and noise, at the rate that was chosen there.
Nothing is tuned. Rows that the file holds are not measured again.
"""

from __future__ import annotations

from pde_dynamics import CHOSEN, NETWORKS
from pde_dynamics_parts import data_of, next_error, trained
from runner import SEEDS, Table, option, parsed

STEPS = 120
TWINS = ("random weights, mixed", "Tadpole, mixed")


def main() -> None:
    options = parsed(__doc__, SEEDS, option("--equations", nargs="*", default=["kolmogorov_flow"]))
    table = Table("pde_pretraining")
    jobs = (
        {"equation": name, "method": title, "seed": seed}
        for name in options.equations
        for seed in options.seeds
        for title in TWINS
    )
    for job in table.missing(jobs):
        name, title, seed = job.values()
        test = data_of(name, seed).trajectories("test")
        lr = CHOSEN[title, False]
        model = trained(NETWORKS[title], name, seed, 8, lr, 0.0, steps=STEPS)
        error = f"{next_error(model, test):.4f}"
        table.add({"device": "cpu"} | job | {"steps": STEPS, "next": error})


if __name__ == "__main__":
    main()
