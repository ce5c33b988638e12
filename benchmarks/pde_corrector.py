"""A coarse solver with and without the network that corrects it, on the flow of `pde_dynamics.py`.

    python benchmarks/pde_corrector.py        # about three minutes on one core for a seed

The recipe `pde/corrector` is trained as it stands, but for one of its three epochs (`--epochs 3`
for all). Nothing was tuned on the test trajectories; they are those of `pde_dynamics.py` with the
same seed. Rows of a seed that the file holds are not measured again.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pde_dynamics_parts import data_of, rolled, scores
from runner import Row, Table, machine, option, parsed

from scionwood import fit, load_run, resolve
from scionwood_pde.backbones import Corrector
from scionwood_pde.evaluation.filters import fitted
from scionwood_pde.evaluation.modes import Modes

CASE = "kolmogorov_flow"


def rows(seed: int, epochs: int) -> list[Row]:
    """Train the recipe with a seed, and return the rows of the solver alone and of both."""
    torch.set_num_threads(1)
    data = data_of(CASE, seed)
    test = data.trajectories("test")
    filters = fitted(list(data.trajectories("train")), Modes((32,) * 3, (True,) * 3))
    best = scores(
        lambda x: filters.predict("shell", x, 1).float(),
        torch.stack(
            [filters.predict("shell by horizon", test[:2, 1], h + 1) for h in range(30)], 1
        ),
        test,
    )
    start, table = time.process_time(), []
    changes = {"data.seed": seed, "backbone.init_seed": seed, "seed": seed}
    changes["trainer.max_epochs"] = epochs
    with TemporaryDirectory() as folder:
        fit(resolve("pde/corrector", changes), run_dir=Path(folder) / "run")
        spent = time.process_time() - start
        loaded: Any = load_run(Path(folder) / "run").backbone
    model: Corrector = next(m for m in loaded.modules() if isinstance(m, Corrector)).eval()
    for title, step in (("solver alone", model.solved), ("solver, corrected", model)):
        with torch.no_grad():
            states = rolled(lambda x, step=step: model.limited(step(x)), test[:2])
        row = scores(step, states, test)
        skills = {
            f"skill {name}": f"{1 - float(str(row[name])) / float(str(best[name])):.3f}"
            for name in ("next", "6:12", "13:30")
        }
        about: Row = {"device": "cpu", "equation": CASE, "method": title, "seed": seed}
        trained: Row = {"epochs": epochs, "cpu_s": f"{spent:.0f}"} if step is model else {}
        table.append(about | row | skills | trained | machine())
    return table


def main() -> None:
    """Measure, print and write."""
    options = parsed(
        __doc__,
        option("--seeds", type=int, nargs="*", default=[0]),
        option("--epochs", type=int, default=1),
    )
    table = Table("pde_corrector", dict)
    for job in table.missing({"seed": seed} for seed in options.seeds):
        table.add(*rows(job["seed"], options.epochs))


if __name__ == "__main__":
    main()
