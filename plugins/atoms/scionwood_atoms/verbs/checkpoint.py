"""Write a run as a checkpoint of sevenn: `scionwood atoms checkpoint`."""

from __future__ import annotations

from pathlib import Path

import scionwood
from scionwood import AdapterError
from scionwood.authoring import OutputPath, RunPath, atomic_path, check_target, writing


def write_checkpoint(run: RunPath, target: OutputPath, *, force: bool = False) -> None:
    """Write a run on a SevenNet, its adapter merged, as a checkpoint that sevenn opens.

    Forces and stress are those of the run. Energies have the scale of the base: add the reference
    energies that this command prints to be on the scale of the labels.

    Args:
        run: a run on a SevenNet.
        target: the checkpoint, `.pth`.
        force: replace the target if it exists.

    Raises:
        ScionwoodError: the base is no SevenNet, the method cannot be merged, or a file is in the
            way.

    Example:
        >>> write_checkpoint("runs/water", "water.pth")
        water.pth: opens with SevenNetCalculator and sevenn get_model
        for the energy of the labels add, eV for each atom: H ..., O ...
    """
    import torch

    from scionwood_atoms.model.reference import FILE, Reference
    from scionwood_atoms.model.sevennet import SevenNet, state_of

    check_target(target, force)
    folder = scionwood.find_run(run)
    model = folder.merge()
    if not isinstance(model, SevenNet):
        rule = f"its base is a {type(model).__name__}, and sevenn opens its own networks alone"
        raise AdapterError(f"run {folder}", rule, "Use scionwood_atoms.calculator")
    energies = dict(Reference.read(folder).energies) if (folder / FILE).is_file() else {}
    with writing(target), atomic_path(target, overwrite=force) as part:
        torch.save({**state_of(model), "reference_energies": energies}, part)
    print(f"{Path(target)}: opens with SevenNetCalculator and sevenn get_model")
    if energies:
        added = ", ".join(f"{name} {energy:.6f}" for name, energy in energies.items())
        print(f"for the energy of the labels add, eV for each atom: {added}")
