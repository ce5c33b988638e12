"""Weights of a layer, and how each of them is read as a matrix.

A weight of any number of axes becomes a stack of matrices (batch, rows, columns). The letters of
its axes say how: `b` numbers independent matrices, such as the experts of a mixture; `o` are the
rows, such as output channels; all other axes are the columns. `*` stands for the remaining axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch import Tensor

from scionwood.errors import AdapterError


@dataclass(frozen=True)
class Weight:
    """One weight that is adapted.

    Attributes:
        name: The name of the parameter in its module, such as `weight` or `out_proj.weight`.
        axes: The letters of its axes, such as `oi*` for a convolution.
        bias: The name of the bias that belongs to its rows, if there is one.
        part: The first place and the shape of the weight in a flat parameter that holds several.
    """

    name: str
    axes: str
    bias: str | None = None
    part: tuple[int, tuple[int, ...]] | None = None

    @property
    def key(self) -> str:
        """The name of the factors of this weight in a saved adapter."""
        key = self.name.replace(".", "_")
        return key if self.part is None else f"{key}_{self.part[0]}"

    def of(self, module: nn.Module) -> Tensor:
        """Return the weight in a module: the parameter, or its part in the shape of the part."""
        value = parameter(module, self.name)
        if self.part is None:
            return value
        start, shape = self.part
        return value.narrow(0, start, math.prod(shape)).view(shape)


def parameter(module: nn.Module, name: str) -> Tensor:
    """Return a parameter by its dotted name, as it is stored."""
    owner, _, last = name.rpartition(".")
    value = module.get_submodule(owner)._parameters.get(last)
    if value is None:
        raise AdapterError(
            f"{name} of {type(module).__name__}",
            "it has no such parameter",
            "Target other layers, or remove the parametrization of this one, such as weight_norm",
        )
    return value


def to_matrix(value: Tensor, axes: str) -> Tensor:
    """Return a weight as a stack of matrices (batch, rows, columns).

    Example:
        >>> from scionwood.adapters.layers.matrices import to_matrix
        >>> to_matrix(torch.zeros(4, 8, 3, 3), "io*").shape
        torch.Size([1, 8, 36])
    """
    batch, rows, columns = _order(value.dim(), axes)
    moved = value.permute(*batch, *rows, *columns)
    sizes = [value.shape[axis] for axis in (*batch, *rows)]
    return moved.reshape(sizes[0] if batch else 1, sizes[-1] if rows else 1, -1)


def from_matrix(matrix: Tensor, like: Tensor, axes: str) -> Tensor:
    """Return a stack of matrices in the shape of the weight `like`; the inverse of `to_matrix`."""
    order = [axis for group in _order(like.dim(), axes) for axis in group]
    moved = matrix.reshape([like.shape[axis] for axis in order])
    return moved.permute([order.index(axis) for axis in range(like.dim())])


def assembled(module: nn.Module, values: Iterable[tuple[Weight, Tensor]]) -> dict[str, Tensor]:
    """Return parameters by name; parts of a flat parameter are put in their places in it."""
    parameters: dict[str, Tensor] = {}
    for weight, value in values:
        if weight.part is None:
            parameters[weight.name] = value
            continue
        flat = parameters.get(weight.name, parameter(module, weight.name))
        start, stop = weight.part[0], weight.part[0] + value.numel()
        parameters[weight.name] = torch.cat([flat[:start], value.reshape(-1), flat[stop:]])
    return parameters


def _order(dims: int, axes: str) -> tuple[list[int], list[int], list[int]]:
    letters = axes.replace("*", "k" * (dims - len(axes) + 1))
    if len(letters) != dims:
        raise AdapterError(f"a weight of {dims} axes", f"{axes!r} has other axes")
    positions = [[axis for axis, letter in enumerate(letters) if letter == role] for role in "bo"]
    matrix_axes = [axis for axis, letter in enumerate(letters) if letter not in "bo"]
    return positions[0], positions[1], matrix_axes
