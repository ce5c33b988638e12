"""Files of VASP in their real layout, from labels that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

KBAR = 1602.1766208
"""kbar in eV/A^3, the constant of ase 3.29."""


class Step(NamedTuple):
    """An ionic step as VASP prints it: eV, A, eV/A, and stress in eV/A^3 under tension."""

    cell: np.ndarray
    positions: np.ndarray
    energy: float
    forces: np.ndarray
    stress: np.ndarray
    iterations: int = 2
    done: bool = True


def outcar(
    symbols: Sequence[str], steps: Sequence[Step], *, encut: float = 400.0, charge: float = 0.0
) -> str:
    """Return the text of an OUTCAR; each atom is a type of its own.

    Args:
        symbols: the elements of the atoms.
        steps: what VASP would have computed.
        encut: the cutoff, eV.
        charge: of the cell; each atom has four valence electrons.
    """
    lines = [" vasp.6.3.0 20Jan22 (build May 08 2022 00:08:36) complex", " INCAR:"]
    for name in symbols:
        lines += [f"   TITEL  = PAW_PBE {name} 05Jan2001"]
        lines += ["   POMASS =   28.085; ZVAL   =    4.000    mass and valenz"]
    lines += [f"   ions per type =       {'   1' * len(symbols)}"]
    lines += ["   ISPIN  =      1    spin polarized calculation?", f"   ENCUT  =  {encut:5.1f} eV"]
    lines += ["   NELM   =     60;   NELMIN=  2; NELMDL= -5     # of ELM steps"]
    lines += [f"   NELECT =   {4 * len(symbols) - charge:12.4f}    total number of electrons"]
    lines += ["   GGA     =    --    GGA type", "   LHFCALC =     F    Hartree Fock is set to"]
    for at, step in enumerate(steps, start=1):
        lines += [f"--- Iteration {at:6d}({n + 1:4d})  ---" for n in range(step.iterations)]
        lines += ["--- aborting loop because EDIFF is reached ---"] if step.done else []
        kbar = -KBAR * step.stress.ravel()[[0, 4, 8, 1, 5, 2]]
        lines += ["  in kB  " + "".join(f"{value:12.5f}" for value in kbar)]
        lines += ["      direct lattice vectors                 reciprocal lattice vectors"]
        both = np.concatenate([step.cell, np.linalg.inv(step.cell).T], axis=1)
        lines += ["".join(f"{value:13.9f}" for value in row) for row in both]
        lines += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " ---"]
        rows = np.concatenate([step.positions, step.forces], axis=1)
        lines += ["".join(f"{value:14.7f}" for value in row) for row in rows]
        lines += [" ---", "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)", "  ---"]
        free = f"{step.energy - 0.002:18.8f}"
        lines += [f"  free  energy   TOTEN  = {free} eV", "", "  energy  without entropy="]
        lines[-1] += f"{step.energy:18.8f}  energy(sigma->0) ={step.energy:18.8f}"
    lines += ["", " General timing and accounting informations for this job:", ""]
    return "\n".join(lines)


def vasprun(symbols: Sequence[str], steps: Sequence[Step]) -> str:
    """Return the text of a vasprun.xml; each atom is a type of its own.

    Args:
        symbols: the elements of the atoms.
        steps: what VASP would have computed.
    """

    def rows(name: str, values: np.ndarray) -> str:
        inner = "".join(f"<v>{' '.join(f'{x:.8f}' for x in row)}</v>\n" for row in values)
        return f'<varray name="{name}" >\n{inner}</varray>\n'

    atoms = "".join(f"<rc><c>{name}</c><c>1</c></rc>\n" for name in symbols)
    types = "".join(
        f"<rc><c>1</c><c>{name}</c><c>28.085</c><c>4.0</c><c>PAW_PBE {name} 05Jan2001</c></rc>\n"
        for name in symbols
    )
    parts = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<parameters>\n'
        f'<i name="ENMAX">400.0</i>\n<i name="NELECT">{4 * len(symbols)}.0</i>\n'
        '<i type="int" name="NELM">60</i>\n<i type="string" name="GGA">--</i>\n</parameters>\n'
        f'<atominfo>\n<array name="atoms" ><set>\n{atoms}</set></array>\n'
        f'<array name="atomtypes" ><set>\n{types}</set></array>\n</atominfo>\n'
    ]
    for step in steps:
        energy = (
            f'<energy><i name="e_fr_energy">{step.energy - 0.002:.8f}</i>'
            f'<i name="e_0_energy">{step.energy:.8f}</i></energy>\n'
        )
        places = rows("positions", step.positions @ np.linalg.inv(step.cell))
        parts += ["<calculation>\n", *[f"<scstep>{energy}</scstep>\n"] * step.iterations]
        parts += [f"<structure><crystal>{rows('basis', step.cell)}</crystal>{places}</structure>\n"]
        parts += [rows("forces", step.forces), rows("stress", -KBAR * step.stress), energy]
        parts += ["</calculation>\n"]
    return "".join([*parts, "</modeling>\n"])
