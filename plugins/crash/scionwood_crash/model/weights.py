"""Find pretrained weights: shipped with the package, of a run, or in a file."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from torch import nn

from scionwood import WeightsError, load_weights

REMEDY = "Give `weights` a run folder of the same backbone and size, its file, `shipped`, or `none`"


def load_pretrained(model: nn.Module, weights: str, shipped: str) -> None:
    """Load weights into a model; the dtype of the model stays.

    Args:
        model: is changed in place, or left as it was if this raises.
        weights: `none`, `shipped`, a safetensors file, or a run folder that holds
            `head.safetensors`, as a run with `adapter: full` leaves it.
        shipped: name of the shipped file.

    Raises:
        WeightsError: there is no such file, or it belongs to another model or size.
    """
    if weights == "none":
        return
    if weights != "shipped":
        path = Path(weights)
        path = path / "head.safetensors" if path.is_dir() else path
        load_weights(model, path, remedy=REMEDY, optional=_is_optional)
        return
    with as_file(files("scionwood_crash") / "weights" / shipped) as path:
        if not path.is_file():
            rule = "no weights of this model and size are shipped"
            raise WeightsError(f"weights 'shipped': {shipped}", rule, REMEDY)
        load_weights(model, path, remedy=REMEDY, optional=_is_optional)


def _is_optional(name: str) -> bool:
    """Return whether weights may lack a tensor: of plastic strain, further conditions, or links.

    A network that was pretrained without plastic strain then starts with random weights there.
    """
    return name.startswith(("decode.plastic.", "further.", "linked."))
