"""Train the run of the demonstration molecule that the plugin atoms ships.

    python benchmarks/atoms_ship.py

The labels are in the package: 30 structures of acetylacetone of BOTNet-datasets (MIT).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from runner import parsed

import scionwood
import scionwood_atoms
from scionwood.authoring import ship
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.files import Files
from scionwood_atoms.evaluation.of_run import measured
from scionwood_atoms.model.reference import Reference

NAME = "atoms/few_shot"
SCOPE = "24 structures of acetylacetone at 300 K, PBE + D3; no other molecule"
TARGET = Path(scionwood_atoms.__file__).parent / "runs/few_shot"


def score(run: Path) -> str:
    """Return the errors on the six structures of validation and test, beside the frozen base."""
    data = Files()
    data.setup("fit")
    frames = [*data.parts["val"], *data.parts["test"]]
    adapted = scionwood.load_run(run).backbone.eval()
    base = potential(data.base).eval()
    assert data.reference is not None
    errors, *_ = measured("run", adapted, frames, Reference.read(run))
    frozen, *_ = measured("frozen", base, frames, data.reference)
    others = f"on {len(frames)} other structures, frozen base {frozen.force:.0f}"
    return f"force error {errors.force:.0f} meV/A {others}"


def main() -> None:
    parsed(__doc__)
    print(
        ship(NAME, TARGET, name=NAME, version=version("scionwood-atoms"), scope=SCOPE, score=score)
    )


if __name__ == "__main__":
    main()
