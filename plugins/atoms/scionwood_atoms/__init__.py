"""Adapt interatomic potentials to a few structures with first-principles labels."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="atoms",
    summary="Interatomic potentials: adapt SevenNet, CHGNet or MACE to a few structures with "
    "energies and forces, and use it as a calculator of ase",
    backbones={
        "sevennet": "scionwood_atoms.backbones:sevennet",
        "chgnet": "scionwood_atoms.backbones:chgnet",
        "mace": "scionwood_atoms.backbones:mace",
    },
    parsers={
        "extxyz": "scionwood_atoms.readers.parsers:Extxyz",
        "asedb": "scionwood_atoms.readers.parsers:AseDb",
        "vasp": "scionwood_atoms.readers.parsers:Vasp",
    },
    data={"files": "scionwood_atoms.data.files:Files"},
    tasks={"potential": "scionwood_atoms.tasks.potential:PotentialTask"},
    commands={
        "inspect": "scionwood_atoms.verbs.inspect:inspect",
        "choose": "scionwood_atoms.verbs.choose:choose",
        "evaluate": "scionwood_atoms.verbs.evaluate:evaluate",
        "predict": "scionwood_atoms.verbs.predict:predict",
        "relax": "scionwood_atoms.verbs.relax:relax",
        "md": "scionwood_atoms.verbs.md:md",
        "select": "scionwood_atoms.verbs.select:select",
        "checkpoint": "scionwood_atoms.verbs.checkpoint:write_checkpoint",
    },
    recipes="scionwood_atoms.recipes",
    bases="scionwood_atoms.bases",
    runs="scionwood_atoms.runs",
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
