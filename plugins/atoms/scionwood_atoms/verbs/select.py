"""Choose structures to label next: `scionwood atoms select`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scionwood.authoring import InputPath, OutputPath, atomic_path, check_target, prints, writing

if TYPE_CHECKING:
    from scionwood_atoms.inference.selecting import Selection


def _print_selection(selection: Selection) -> None:
    """Print the chosen structures and, with labels, whether the spread tells the error."""
    mean, chosen = selection.spreads.mean(), selection.spreads[list(selection.indices)].mean()
    print(f"structures: {', '.join(map(str, selection.indices))}")
    print(f"mean spread of their forces {chosen:.4f} eV/A, of the pool {mean:.4f} eV/A")
    if selection.correlation is not None:
        print(f"rank correlation of spread and error: {selection.correlation:.2f}")
    for name, error in selection.errors.items():
        print(f"mean error of the forces, {name}: {1000 * error:.1f} meV/A")


@prints(_print_selection)
def select(
    runs: list[str],
    pool: InputPath,
    target: OutputPath,
    *,
    n: int = 20,
    energy: str = "energy",
    forces: str = "forces",
    force: bool = False,
) -> Selection:
    """Write the structures of a pool to label next: uncertain ones, and no two alike.

    Runs of different seeds on one base are a committee. The spread of their forces is the
    uncertainty. Of the most uncertain quarter, each choice is as far as possible from those before.
    If the pool has labels, the error of the chosen structures and of the pool is printed, with the
    rank correlation of spread and error.

    Args:
        runs: two or more runs of adapters on one base, best on other draws of the labels.
        pool: extended XYZ, a database of ase, or OUTCAR or vasprun.xml of VASP.
        target: the extended XYZ file to write; `pool_index` and `force_spread` are new keys.
        n: how many structures.
        energy: the key of the energy, if the pool has labels.
        forces: the column of the forces, if the pool has labels.
        force: replace the target if it exists.

    Returns:
        The chosen structures, and the spread of all.

    Raises:
        ScionwoodError: a file, a run or a structure cannot be used; the message names it.

    Example:
        >>> selection = select(["runs/water", "runs/other"], "test.xyz", "next.xyz", n=2)
        >>> len(selection.indices), sorted(selection.errors)
        (2, ['pool', 'selected'])
    """
    import ase.io

    from scionwood_atoms.data.labels import read_frames
    from scionwood_atoms.inference.committee import Committee
    from scionwood_atoms.inference.selecting import select_frames
    from scionwood_atoms.inference.structures import atoms_of

    check_target(target, force)
    frames = list(read_frames(pool, energy=energy, forces=forces))
    selection = select_frames(Committee(runs), frames, n)
    pool_atoms = atoms_of(pool, frames)
    atoms = [pool_atoms[at] for at in selection.indices]
    for at, one in zip(selection.indices, atoms, strict=True):
        one.info |= {"pool_index": at, "force_spread": float(selection.spreads[at])}
    with writing(target), atomic_path(target, overwrite=force) as part:
        ase.io.write(part, atoms, format="extxyz")
    return selection
