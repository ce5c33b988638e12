"""Take the steps of a task by replaying a graph of their forward and backward pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils._pytree import tree_leaves, tree_map

from scionwood_scale.capture import Trace, shape_of, traced, unsafe

if TYPE_CHECKING:
    from scionwood import Task

TRACED = 2
"""Steps that are compared before one is captured."""

Losses = dict[str, Tensor]
Capture = Callable[[Callable[[], None]], Callable[[], None]]
"""Turns a step on fixed tensors into one that repeats it."""


def on_card(run: Callable[[], None]) -> Callable[[], None]:
    """Capture a step on the current card, and return its replay."""
    graph = torch.cuda.CUDAGraph()
    # Other threads may allocate meanwhile: those of a loader pin memory.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        run()
    return graph.replay


def tell(reason: str) -> None:
    """Print why there is no graph."""
    print(f"cuda_graph: steps run one operation at a time, since {reason}", file=sys.stderr)


@final
class Replay:
    """The losses of a task with gradients from a graph.

    Attributes:
        reason: why nothing is or will be captured; empty while it may be.
        replays: the steps that a graph has taken.
        operations: the operations of torch in a step.
    """

    def __init__(self, task: Task, capture: Capture = on_card) -> None:
        self.task, self.capture = task, capture
        self.reason = ""
        self.replays, self.operations = 0, 0
        self._all = list(task.parameters())
        self._learn = [p for p in self._all if p.requires_grad]
        self._state = self._where()
        self._traces: list[Trace] = []
        self._shape: tuple[Any, ...] = ()
        self._steps = 0
        self._fixed: Any = None
        self._replay: Callable[[], None] | None = None
        self._told = False
        self._losses: Losses = {}
        self._gradients: tuple[Tensor | None, ...] = ()

    def __call__(self, batch: Any) -> Losses:
        """Return the losses of a batch; the gradients of `loss` are those of the graph."""
        if self.reason or not self._fits(batch):
            return self.task.losses(batch)
        if self._replay is None:
            if self._steps <= TRACED:
                self._before(batch)
                return self._result()
            if not self._captured(batch):
                return self.task.losses(batch)
        for fixed, value in zip(tree_leaves(self._fixed), tree_leaves(batch), strict=True):
            if isinstance(fixed, Tensor):
                fixed.copy_(value)
        assert self._replay is not None
        self._replay()
        self.replays += 1
        return self._result()

    def _fits(self, batch: Any) -> bool:
        """Return whether the graph is for such a batch, and for the parameters as they are."""
        try:
            shape = shape_of(batch)
        except TypeError as error:
            return self._give_up(str(error))
        if self._where() != self._state:
            return self._give_up("a parameter was moved, frozen or released")
        self._shape = self._shape or shape
        if shape != self._shape and not self._told:
            print("cuda_graph: batches of another shape run without the graph", file=sys.stderr)
            self._told = True
        return shape == self._shape

    def _before(self, batch: Any) -> None:
        """Take a step that comes before the capture."""
        self._steps += 1
        if self._steps > TRACED:
            with _side_stream(self.task.device):
                self._run(batch)
            return
        self._traces.append(self._trace(batch))
        self.operations = len(self._traces[-1].operations)
        if reason := unsafe(self._traces[0], self._traces[-1]):
            self._give_up(reason)

    def _captured(self, batch: Any) -> bool:
        """Capture the step, and return whether that was possible. Nothing is computed on a card."""
        self._fixed = tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, batch)
        try:
            self._replay = self.capture(lambda: self._run(self._fixed))
        except RuntimeError as error:
            return self._give_up((str(error).splitlines() or [type(error).__name__])[0][:200])
        summary = f"cuda_graph: the {self.operations} operations of a step are one launch"
        print(summary, file=sys.stderr)
        self._traces.clear()
        return True

    def _trace(self, batch: Any) -> Trace:
        task, names, logged = self.task, ("log", "log_dict"), []

        def noted(name: str) -> Callable[..., None]:
            def log(*args: Any, **options: Any) -> None:
                logged.append("the losses log values themselves")
                getattr(type(task), name)(task, *args, **options)

            return log

        tensors = [t for t in tree_leaves(batch) if isinstance(t, Tensor)]
        vars(task).update({name: noted(name) for name in names})
        try:
            trace = traced(
                lambda: self._run(batch), [*tensors, *task.parameters(), *task.buffers()]
            )
        finally:
            for name in names:
                del vars(task)[name]
        return trace._replace(faults=(*logged, *trace.faults))

    def _run(self, batch: Any) -> None:
        """Compute losses and gradients; in a capture, the tensors that each replay fills."""
        kind = self.task.device.type
        dtype, enabled = torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)
        # A cache of casts would hold the weights of an earlier step.
        with torch.autocast(kind, dtype=dtype, enabled=enabled, cache_enabled=False):
            losses = self.task.losses(batch)
        with torch.autocast(kind, enabled=False):
            self._gradients = torch.autograd.grad(losses["loss"], self._learn, allow_unused=True)
        self._losses = {name: value.detach() for name, value in losses.items()}

    def _result(self) -> Losses:
        """Return copies of the losses, since the next replay overwrites them."""
        losses = {name: value.clone() for name, value in self._losses.items()}
        joined: Tensor = _Joined.apply(losses["loss"], self._gradients, *self._learn)  # type: ignore[no-untyped-call, unused-ignore]
        return losses | {"loss": joined}

    def _where(self) -> list[tuple[int, bool]]:
        return [(parameter.data_ptr(), parameter.requires_grad) for parameter in self._all]

    def _give_up(self, reason: str) -> bool:
        self.reason, self._replay, self._fixed = reason, None, None
        self._traces.clear()
        tell(reason)
        return False


@final
class _Joined(torch.autograd.Function):
    """The loss of a step whose gradients are known."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: tuple[Tensor | None, ...], *_: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Any, ...]:
        """Return new tensors: autograd may keep them, and the next replay fills the old ones."""
        gradients = [gradient for gradient in ctx.gradients if gradient is not None]
        scaled = iter(torch._foreach_mul(gradients, scale))
        return None, None, *(None if g is None else next(scaled) for g in ctx.gradients)


@contextmanager
def _side_stream(device: torch.device) -> Iterator[None]:
    """Run on a stream of its own, as a step before a capture must; without a card, as always."""
    if device.type != "cuda":
        yield
        return
    side = torch.cuda.Stream(device)
    stream = torch.cuda.current_stream(device)
    side.wait_stream(stream)
    with torch.cuda.stream(side):
        yield
    stream.wait_stream(side)
