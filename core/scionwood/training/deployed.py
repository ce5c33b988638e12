"""The form of a run that another program executes, and what its caller must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from torch import Tensor, nn

from scionwood.errors import ScionwoodError


class ExportError(ScionwoodError, RuntimeError):
    """A run cannot be exported, or the exported file differs from the run.

    Example:
        >>> model, example = torch.nn.Linear(2, 1), torch.zeros(1, 2)
        >>> authoring.Deployed(model, (example,), inputs=(authoring.Signal("x", ("batch",), "m"),))
        Traceback (most recent call last):
        ...
        scionwood.training.deployed.ExportError: deployed model: its inputs name [1] axes, ...
    """


@final
@dataclass(frozen=True)
class Signal:
    """One input or output of a deployed model.

    Attributes:
        name: its name, an identifier such as `noisy`.
        axes: the names of its axes in order, such as `("batch", "channel", "trace", "time")`.
        unit: the unit of its values in words, such as `mm`.

    Example:
        >>> authoring.Signal("noisy", ("batch", "channel", "trace", "time"), "unit amplitude").unit
        'unit amplitude'
    """

    name: str
    axes: tuple[str, ...]
    unit: str


@final
@dataclass(frozen=True)
class Normalisation:
    """What the caller does around the model, because it is not part of the graph.

    Attributes:
        before: the steps before the model, one sentence each.
        after: the steps after the model, one sentence each.
        numbers: the numbers and names that these steps use, as JSON can hold them.

    Example:
        >>> steps = authoring.Normalisation(
        ...     before=("Divide by the standard deviation of the gather.",),
        ...     after=("Multiply by it again.",),
        ... )
        >>> len(steps.before), dict(steps.numbers)
        (1, {})
    """

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Deployed:
    """The model of a run as another program executes it: tensors in, tensors out.

    `Task.deploy` returns it. The exporter merges the adapter into the base, wherever the adapter
    is in `module`, and leaves the fused kernels of Scionwood out.

    Args:
        module: maps the tensors of `example` to a tensor, or to a tuple of tensors.
        example: a small input.
        inputs: one description for each tensor of `example`.
        outputs: one description for each output.
        dynamic: the names of axes whose length the caller may choose. Every other axis has the
            length that it has in the example.
        multiples: the name of an axis -> the number of which its length must be a multiple.
        padding: how the caller pads to that multiple, such as `repeat the last sample`.
        normalisation: what the caller does before and after.
        shape: the lengths of the first input's axes after the batch in an exported file, if they
            should differ from those of `example`.

    Raises:
        ExportError: the descriptions do not fit the example.

    Example:
        >>> axes = ("batch", "channel", "trace", "time")
        >>> deployed = authoring.Deployed(
        ...     torch.nn.Conv2d(1, 1, 3, padding=1),
        ...     (torch.zeros(2, 1, 32, 48),),
        ...     inputs=(authoring.Signal("noisy", axes, "unit amplitude"),),
        ...     outputs=(authoring.Signal("clean", axes, "unit amplitude"),),
        ...     dynamic=("batch",),
        ... )
        >>> deployed.inputs[0].axes == axes
        True
    """

    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: tuple[Signal, ...] = ()
    outputs: tuple[Signal, ...] = ()
    dynamic: tuple[str, ...] = ()
    multiples: Mapping[str, int] = field(default_factory=dict)
    padding: str = ""
    normalisation: Normalisation = Normalisation()
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.inputs:
            return
        axes = [len(signal.axes) for signal in self.inputs]
        dims = [tensor.ndim for tensor in self.example]
        if axes != dims:
            rule = f"its inputs name {axes} axes, and the tensors of the example have {dims}"
            raise ExportError("deployed model", rule, "Describe each tensor, axis by axis")
