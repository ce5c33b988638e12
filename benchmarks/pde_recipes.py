"""Train the recipes of the pde plugin at full length, and evaluate them on their test splits.

    python benchmarks/pde_recipes.py                   # three seeds: about half an hour on one core
    python benchmarks/pde_recipes.py --seeds 0 --only dynamics

A seed is the seed of the recipe and of its data, so that simulations differ too. Finished runs in
the folder of runs are evaluated and not repeated.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from runner import SEEDS, Row, machine, option, out, parsed, printed, write

from scionwood import fit, resolve, test

RECIPES = ("autoencode", "dynamics", "generate")


def measured(name: str, seed: int, folder: Path) -> list[Row]:
    """Return the results on the test split of a run, which is trained first if it is missing."""
    if not (folder / "README.md").is_file():
        fit(resolve(f"pde/{name}", [f"seed={seed}", f"data.seed={seed}"]), run_dir=folder)
    return [
        {
            "device": "cpu",
            "recipe": name,
            "seed": seed,
            "measure": measure,
            "value": f"{value:.5g}",
            **machine(),
        }
        for measure, value in test(folder).items()
    ]


def main() -> None:
    """Train, measure, print and write."""
    options = parsed(
        __doc__,
        SEEDS,
        option("--only", nargs="*", choices=RECIPES, default=list(RECIPES)),
        option("--runs", type=Path, help="folder of the runs; by default a temporary folder"),
        out("pde_recipes"),
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for seed in options.seeds:
            for name in options.only:
                folder = (options.runs or Path(place)) / f"{name}-{seed}"
                rows += printed(measured(name, seed, folder))
                write(options.out, rows)  # so that an interrupted benchmark keeps its rows


if __name__ == "__main__":
    main()
