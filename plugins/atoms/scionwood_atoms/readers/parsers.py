"""Samples of the formats that are read and not written, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from scionwood_atoms.readers.asedb import read_asedb
from scionwood_atoms.readers.vasp import read_vasp
from scionwood_kit import Parser

OUTCAR = """ vasp.6.3.0 20Jan22 (build May 08 2022 00:08:36) complex
   TITEL  = PAW_PBE Si 05Jan2001
   POMASS =   28.085; ZVAL   =    4.000    mass and valenz
   ions per type =               2
   ISPIN  =      1    spin polarized calculation?
   ENCUT  =  400.0 eV  29.40 Ry
   NELM   =     60;   NELMIN=  2; NELMDL= -5     # of ELM steps
   NELECT =       8.0000    total number of electrons
   GGA     =    --    GGA type
"""
STEP = """--------------------- Iteration    1(   1)  ---------------------
--------------------- aborting loop because EDIFF is reached ----------------------
  in kB      12.51388    -1.93449     2.73646     4.48991    12.97593    -0.19443
      direct lattice vectors                 reciprocal lattice vectors
     0.000000000  2.700000000  2.700000000    -0.185185185  0.185185185  0.185185185
     2.700000000  0.000000000  2.700000000     0.185185185 -0.185185185  0.185185185
     2.700000000  2.700000000  0.000000000     0.185185185  0.185185185 -0.185185185
 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.04116      0.10425      0.01285         0.652000      0.473540     -0.351867
      1.48664      1.28348      1.38515        -0.632711     -0.311637      0.020663
 -----------------------------------------------------------------------------------
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =       -10.80200000 eV

  energy  without entropy=      -10.80000000  energy(sigma->0) =      -10.80100000

"""
VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <parameters><i name="ENMAX">400.0</i><i name="NELECT">8.0</i><i name="GGA">--</i>
  <i type="int" name="NELM">60</i></parameters>
 <atominfo><array name="atomtypes" ><set><rc><c>2</c><c>Si</c><c>28.085</c><c>4.0</c>
  <c>PAW_PBE Si 05Jan2001</c></rc></set></array></atominfo>
"""
CALCULATION = """ <calculation>
  <scstep><energy><i name="e_fr_energy">-10.802</i><i name="e_0_energy">-10.801</i></energy>
  </scstep>
  <structure><crystal><varray name="basis" ><v>0.0 2.7 2.7</v><v>2.7 0.0 2.7</v>
   <v>2.7 2.7 0.0</v></varray></crystal>
   <varray name="positions" ><v>0.01 0.02 0.0</v><v>0.25 0.26 0.24</v></varray></structure>
  <varray name="forces" ><v>0.652 0.4735 -0.3518</v><v>-0.632 -0.311 0.0206</v></varray>
  <varray name="stress" ><v>12.5 4.4 -0.2</v><v>4.4 -1.9 12.9</v><v>-0.2 12.9 2.7</v></varray>
  <energy><i name="e_fr_energy">-10.802</i></energy>
 </calculation>
"""


class AseDb(Parser):
    """A database of ase with two structures."""

    suffixes = (".db",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the structures."""
        return list(read_asedb(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a molecule, and a crystal with stress and a level of theory."""
        from ase import Atoms
        from ase.build import bulk
        from ase.calculators.singlepoint import SinglePointCalculator
        from ase.db import connect

        make: Any = connect
        water: Any = Atoms("OHH", [(0, 0, 0.12), (0, 0.76, -0.47), (0, -0.76, -0.47)])
        calculator: Any = SinglePointCalculator
        water.calc = calculator(water, energy=-14.2, forces=np.full((3, 3), 0.1))
        silicon: Any = bulk("Si")
        labels = {"energy": -10.8, "forces": np.zeros((2, 3)), "stress": np.full(6, 0.01)}
        silicon.calc = calculator(silicon, **labels)
        with make(str(path), type="db", append=False) as base:
            base.write(water)
            base.write(silicon, functional="PBE")
        with closing(sqlite3.connect(path)) as plain, plain:  # the same bytes each time
            plain.execute("UPDATE systems SET ctime=0, mtime=0, username='', unique_id=id")


class Vasp(Parser):
    """An OUTCAR, and a vasprun.xml, of two steps of silicon."""

    suffixes = (".OUTCAR", ".xml")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the ionic steps."""
        return list(read_vasp(path))

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two steps."""
        end = " General timing and accounting informations for this job:\n"
        is_xml = path.suffix == ".xml"
        text = VASPRUN + 2 * CALCULATION + "</modeling>\n" if is_xml else OUTCAR + 2 * STEP + end
        path.write_bytes(text.encode())
