"""The backbones: interatomic potentials with the weights of their packages, or of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from scionwood import RecipeError
from scionwood_atoms.model.potential import Potential


def sevennet(*, model: Literal["tiny", "0", "l3i5"] = "tiny") -> Potential:
    """Build a SevenNet, whose layers are equivariant.

    Args:
        model: `0` (July 2024) or `l3i5` of the package sevenn; or `tiny`, a small random network
            for the elements H, C, N, O and Si.

    Shapes: a graph of b structures and n atoms to energy (b,), forces (n, 3) and virial (b, 3, 3),
        float32.

    Units: eV, eV/A and eV.

    Raises:
        WeightsError: the package does not hold the pinned file.

    Source: Y. Park et al. 2024, doi:10.1021/acs.jctc.4c00190; the package sevenn, MIT.
    """
    from scionwood_atoms.model.sevennet import load_sevennet

    return load_sevennet(model)


def chgnet(*, model: Literal["tiny", "0.3.0", "r2scan"] = "tiny") -> Potential:
    """Build a CHGNet for crystals, whose layers are invariant; it needs the extra `chgnet`.

    Args:
        model: `0.3.0` (PBE) or `r2scan` of the package chgnet; or `tiny`, a small random network.

    Shapes: a graph of b structures and n atoms to energy (b,), forces (n, 3) and virial (b, 3, 3),
        float32.

    Units: eV, eV/A and eV.

    Raises:
        WeightsError: the package is not installed, or does not hold the pinned file.

    Source: B. Deng et al. 2023, doi:10.1038/s42256-023-00716-3; the package chgnet, BSD-3-Clause.
    """
    from scionwood_atoms.model.chgnet import load_chgnet

    return load_chgnet(model)


def mace(*, model: str = "tiny") -> Potential:
    """Build a MACE from a file of mace-torch, whose layers are equivariant.

    No code of the file runs, and mace-torch is not needed.

    Args:
        model: the file, a `ScaleShiftMACE` of one head with residual interactions, such as
            MACE-MP-0 and MACE-OFF23; or `tiny`, a small random network as `sevennet` has it.

    Shapes: a graph of b structures and n atoms to energy (b,), forces (n, 3) and virial (b, 3, 3),
        float32.

    Units: eV, eV/A and eV.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds another network.

    Source: I. Batatia et al. 2022, arXiv:2206.07697; the layers follow mace-torch 0.3.16, MIT.
    """
    from scionwood_atoms.model.mace import load_mace
    from scionwood_atoms.model.weights import TINY

    built = load_mace(TINY / "mace.model" if model == "tiny" else Path(model))
    built.card |= {"base": f"mace/{model}"} | ({"weights": "random"} if model == "tiny" else {})
    return built


def potential(name: str) -> Potential:
    """Build a potential by its backbone and model, such as `sevennet/0` or `mace/FILE`."""
    family, _, model = name.partition("/")
    models_of = {"sevennet": ("tiny", "0", "l3i5"), "chgnet": ("tiny", "0.3.0", "r2scan")}
    if model not in models_of.get(family, (model if family == "mace" and model else None,)):
        names = ", ".join(
            f"{one}/{version}" for one, models in models_of.items() for version in models
        )
        rule = f"there are {names} and mace/FILE"
        raise RecipeError(f"base {name}", rule, "Choose one of them")
    make: Any = {"sevennet": sevennet, "chgnet": chgnet, "mace": mace}[family]
    built: Potential = make(model=model)
    return built
