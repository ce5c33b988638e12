"""The backbones: interatomic potentials with the weights of their packages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from scionwood import RecipeError
from scionwood_atoms.model.potential import Potential


def sevennet(
    *,
    model: Literal["tiny", "0", "l3i5"] = "tiny",
    channels: int = 4,
    layers: int = 2,
    init_seed: int = 0,
) -> Potential:
    """Build a SevenNet, whose layers are equivariant.

    Args:
        model: `0` (July 2024) or `l3i5` of the package sevenn; or `tiny`, a small random network
            for the elements H, C, N, O and Si.
        channels: copies of each representation of `tiny`.
        layers: message passings of `tiny`.
        init_seed: the seed of the weights of `tiny`.

    Shapes: a graph of b structures and n atoms to energy (b,), forces (n, 3) and virial (b, 3, 3),
        float32.

    Units: eV, eV/A and eV.

    Raises:
        WeightsError: the package does not hold the pinned file.

    Source: Y. Park et al. 2024, doi:10.1021/acs.jctc.4c00190; the package sevenn, MIT.
    """
    from scionwood_atoms.model.sevennet import load_sevennet, tiny_sevennet

    tiny = model == "tiny"
    built = tiny_sevennet(channels, layers, init_seed) if tiny else load_sevennet(model)
    built.card["base"] = f"sevennet/{model}"
    return built


def chgnet(
    *,
    model: Literal["tiny", "0.3.0", "r2scan"] = "tiny",
    width: int = 8,
    layers: int = 2,
    init_seed: int = 0,
) -> Potential:
    """Build a CHGNet for crystals, whose layers are invariant; it needs the extra `chgnet`.

    Args:
        model: `0.3.0` (PBE) or `r2scan` of the package chgnet; or `tiny`, a small random network.
        width: features of an atom, a bond or an angle of `tiny`.
        layers: message passings of `tiny`.
        init_seed: the seed of the weights of `tiny`.

    Shapes: a graph of b structures and n atoms to energy (b,), forces (n, 3) and virial (b, 3, 3),
        float32.

    Units: eV, eV/A and eV.

    Raises:
        WeightsError: the package is not installed, or does not hold the pinned file.

    Source: B. Deng et al. 2023, doi:10.1038/s42256-023-00716-3; the package chgnet, BSD-3-Clause.
    """
    from scionwood_atoms.model.chgnet import load_chgnet, tiny_chgnet

    built = tiny_chgnet(width, layers, init_seed) if model == "tiny" else load_chgnet(model)
    built.card["base"] = f"chgnet/{model}"
    return built


MODELS: dict[str, Callable[[], Potential]] = {
    **{f"sevennet/{model}": partial(sevennet, model=model) for model in ("tiny", "0", "l3i5")},
    **{f"chgnet/{model}": partial(chgnet, model=model) for model in ("tiny", "0.3.0", "r2scan")},
}
"""The potentials by the name of their backbone and model, with the other options as they are."""


def potential(name: str) -> Potential:
    """Build a potential by its backbone and model, such as `sevennet/0`.

    Raises:
        RecipeError: there is no such potential.
        WeightsError: the package does not hold its weights.
    """
    if name not in MODELS:
        rule = f"there are {', '.join(MODELS)}"
        raise RecipeError(f"base {name}", rule, "Choose one of them")
    return MODELS[name]()
