"""Choose a model of dynamics for a flow by validation: `scionwood pde choose`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from scionwood import RecipeError
from scionwood.authoring import prints
from scionwood_pde.verbs.options import Placing, States, Target
from scionwood_pde.verbs.words import print_rows

if TYPE_CHECKING:
    from torch import Tensor

    from scionwood_pde.evaluation.modes import Modes

    Candidates: TypeAlias = Sequence[Literal["bilinear", "spectral", "unet", "fno"]]
    Rates: TypeAlias = Sequence[float]
    Positions: TypeAlias = Sequence[int]
else:  # what the command line can pass
    Candidates = list[Literal["bilinear", "spectral", "unet", "fno"]]
    Rates, Positions = list[float], list[int]

Row: TypeAlias = Mapping[str, str | float]


@dataclass(frozen=True, kw_only=True)
class ChooseOptions(Placing):
    """The candidates, their budget, and how the states are read.

    Attributes:
        candidates: backbones of this plugin, beside the linear filter by shell and horizon.
        seconds: CPU seconds in which each network is trained.
        search: CPU seconds for each rate of a network, before that.
        rates: learning rates that the validation chooses from.
        solenoidal: positions of the fields that form a vector without divergence.
        forced_axis: axis along which a stationary wave forces the flow.
        forced_mode: number of waves of the forcing.
        seed: seed of weights and samples.

    Example:
        >>> ChooseOptions(seconds=5.0).candidates
        ('bilinear', 'spectral', 'unet', 'fno')
    """

    candidates: Candidates = ("bilinear", "spectral", "unet", "fno")
    seconds: float = 20.0
    search: float = 4.0
    rates: Rates = (1e-3, 3e-3, 1e-2)
    solenoidal: Positions = ()
    forced_axis: Literal["x", "y", "z"] | None = None
    forced_mode: int = 1
    seed: int = 0


def _print_choice(rows: Sequence[Row], *, json: bool = False) -> None:
    """Print the rows.

    Args:
        rows: the result.
        json: print JSON.
    """
    print_rows(rows, json)


@prints(_print_choice)
def choose(
    training: States,
    validation: States,
    table: Target = None,
    options: ChooseOptions = ChooseOptions(),
    *,
    test: States | None = None,
    force: bool = False,
) -> list[Row]:
    """Train candidates at equal seconds, and let the validation choose one for each horizon.

    Each network has the same seconds and the same search of its rate. Rollouts are scored as they
    are and calibrated. A mixture adds the changes of all networks, with weights that fit the
    validation. Train the chosen one longer by `scionwood fit pde/dynamics_skill` with its
    `--backbone` and `--task.lr`.

    Args:
        training: a file of trajectories, or in Python also states.
        validation: other trajectories of the same fields, grid and time step.
        table: the CSV file to write.
        options: the candidates, their budget, and how the states are read.
        test: trajectories that nothing is chosen on; their errors show what the choice is worth.
        force: replace an existing file.

    Returns:
        A row for each horizon and candidate; see `evaluation.candidates.compared`.

    Raises:
        ReadError: a file is damaged, or lacks a field.
        RecipeError: the files differ in fields, grid or time step, or have fewer than two times.
        OutputExistsError: the table exists and `force` is false.
        WriteError: the table cannot be written.

    Example:
        >>> states = simulate(equation="burgers", n=4, n_points=16, dims=2, n_steps=8)
        >>> budget = ChooseOptions(candidates=("spectral",), seconds=0.2, search=0.1)
        >>> rows = choose(states[:3], states[3:], options=budget)
        >>> [row["horizon"] for row in rows if row["chosen"]]
        ['next', '6:12']
    """
    from scionwood.authoring import atomic_path, check_target, writing
    from scionwood_pde.evaluation.candidates import NETWORKS, Flow, compared, searched

    if table is not None:
        check_target(Path(table), overwrite=force)
    files = [training, validation] if test is None else [training, validation, test]
    states, modes = _read(files, options)
    axes = (0, 1, *range(3, states[0].ndim))
    mean, std = states[0].mean(axes, keepdim=True), states[0].std(axes, keepdim=True)
    train, val, *others = (((x - mean) / std.clamp(min=1e-30)).float() for x in states)
    settings = asdict(options)
    of_networks = {k: settings[k] for k in ("solenoidal", "forced_axis", "forced_mode")}
    flow = Flow(train, val, modes, tuple(std.flatten().tolist()), of_networks)
    budget = {k: settings[k] for k in ("seconds", "search", "rates", "seed")}
    names: Sequence[str] = options.candidates
    networks = {name: searched(NETWORKS[name], flow, **budget) for name in names}
    rows = compared(flow, networks, others[0] if others else None)
    if table is not None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with writing(table), atomic_path(Path(table), overwrite=force) as part:
            part.write_text(text.getvalue(), encoding="utf-8")
    return [*rows]


def _read(files: Sequence[States], options: ChooseOptions) -> tuple[list[Tensor], Modes]:
    """Return the states of each file in double precision, and the modes of their grid."""
    import numpy as np
    import torch

    from scionwood_pde.evaluation.skill import check_regular, filled, modes_of
    from scionwood_pde.readers.files import opened
    from scionwood_pde.readers.states import layout_of

    states, first = [], None
    for number, file in enumerate(files):
        array = opened(file, options.fields, **options.places())
        layout = layout_of(array)
        what = ("training", "validation", "test")[number] + " states"
        check_regular(layout, what)
        steps = np.diff(layout.times[:2]).tolist()
        shape = (array.shape[2:], [c.name for c in layout.channels], [f"{s:.4g}" for s in steps])
        first = shape if first is None else first
        if shape != first or not steps:
            rule = "they have the sides, fields and time step of the training, and two times"
            raise RecipeError(f"{what}: {shape}", f"{rule}: {first}", "Name such files")
        values = torch.from_numpy(array.values.astype(np.float64))
        states.append(torch.stack([torch.stack([filled(x) for x in run]) for run in values]))
    return states, modes_of(layout)
