"""Records of weights for `toy/stored`, and the file that they pin."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from scionwood.authoring import Base

FILE = "toy_weights/line.safetensors"


def write(path: Path) -> Path:
    """Write the pinned file."""
    import torch
    from safetensors.torch import save_file

    from scionwood_toy.parts import Mlp

    shapes = {name: value.shape for name, value in Mlp(8, 16, 2, dropout=0.0).state_dict().items()}
    values = {
        name: torch.linspace(-1, 1, shape.numel()).view(shape) for name, shape in shapes.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(values, path)
    return path


_LINE = partial(
    Base,
    title="a line of numbers",
    field="tests",
    trained_on="nothing",
    parameters=705,
    licence="Apache-2.0",
    commercial="yes",
    files={FILE: "d289ef6514363ec70ebbd37172fd0ed6d089c7c4574704771abfea14faf6c32e"},
    contract="eight numbers in a row",
    seen="no",
    layout="8:1ea2e7aaf09368e6",
    backbones={"toy/stored": {"weights": "base:"}},
)
_WHEEL = {
    "package": "toy-weights==1.0",
    "archive": "toy_weights-1.0-py3-none-any.whl",
    "size": 3000,
}

BASES = {
    "line": _LINE(**_WHEEL),
    "terms": _LINE(**_WHEEL, licence="OpenRAIL", commercial="terms"),
    "hub": _LINE(hub="tester/line@main", files={"line.safetensors": ""}),
    "own": _LINE(
        steps="Ask its author for line.safetensors.",
        files={"line.safetensors": ""},
        outputs=(24.1446, 0.0, *[24.1446] * 6),
    ),
}
