"""Run forward and backward of a training step as one CUDA graph: the callback `scale/cuda_graph`.

In a small model the host takes longer to launch kernels than the card to run them. A graph launches
all of them at once. The optimiser stays outside: its rate changes in Python at each step, and
clipping and the NaN guard run between the backward pass and the update.
"""

from __future__ import annotations

from typing import Literal, final

import lightning as L
from lightning.pytorch.callbacks import Callback

from scionwood import RecipeError, Task
from scionwood_scale.replay import Capture, Replay, on_card, tell

Mode = Literal["auto", "on", "off"]
MODES = ("auto", "on", "off")
SMALL = 100_000_000
"""The most parameters of a model that `auto` captures. Beyond, the host is seldom behind."""
_DURING = ("on_train_batch_start", "on_before_backward", "on_after_backward", "on_before_zero_grad")
"""Hooks of callbacks that act during a step."""


@final
class CudaGraph(Callback):
    """Capture the training step, or say in one line why steps run one operation at a time.

    The first steps run as always. They are traced and compared; see `capture`. A further step runs
    on a stream of its own, as CUDA requires before a capture. From then on each batch of the same
    shape is copied to fixed tensors, and the graph is replayed. Other batches run as always.

    Args:
        mode: `auto` captures small models; `on` captures large ones too, and takes callbacks of
            others for harmless; `off` captures nothing.

    Attributes:
        capture: turns a step into its replay.

    Raises:
        RecipeError: another mode.

    Example:
        >>> from scionwood_scale import CudaGraph
        >>> CudaGraph(mode="on").mode
        'on'
    """

    def __init__(self, *, mode: Mode | bool = "auto") -> None:
        if mode not in (*MODES, True, False):
            raise RecipeError(
                f"scale/cuda_graph: mode {mode!r}", "auto, on or off", "Set it to auto"
            )
        # YAML reads on and off as true and false.
        self.mode: Mode = mode if isinstance(mode, str) else "on" if mode else "off"
        self.capture: Capture = on_card

    def on_train_start(self, trainer: L.Trainer, pl_module: Task) -> None:  # type: ignore[override]
        """Prepare the task, unless something stands against a graph."""
        if self.mode == "off":
            return
        needs_card = self.capture is on_card and pl_module.device.type != "cuda"
        reason = (
            "there is no CUDA device" if needs_card else obstacle(trainer, pl_module, self.mode)
        )
        if reason:
            tell(reason)
        else:
            pl_module.replay = Replay(pl_module, self.capture)

    def on_train_end(self, trainer: L.Trainer, pl_module: Task) -> None:  # type: ignore[override]
        """Free the graph and its memory."""
        pl_module.replay = None

    def on_exception(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: Task, exception: BaseException
    ) -> None:
        """Free the graph and its memory."""
        pl_module.replay = None


def obstacle(trainer: L.Trainer, task: Task, mode: Mode) -> str:
    """Return what stands against a graph before any step is taken, or an empty string."""
    for name in ("training_step", "backward"):
        if getattr(type(task), name) is not getattr(Task, name):
            return f"{type(task).__name__} has a {name} of its own"
    if not task.automatic_optimization:
        return f"{type(task).__name__} steps its optimiser itself"
    if not task.steady:
        return f"{type(task).__name__} takes other steps later in the training"
    if trainer.world_size > 1:
        return "gradients are exchanged between processes during the backward pass"
    if getattr(trainer.precision_plugin, "scaler", None) is not None:
        return "the scale of float16 changes"
    for module in task.modules():
        if module._compiled_call_impl is not None:
            return "blocks are compiled"
        again = getattr(module, "gradient_checkpointing", False)
        if again or getattr(vars(module).get("forward"), "__name__", "") == "_checkpointed":
            return "blocks are checkpointed, and restore states of random numbers"
    for name, parameter in task.named_parameters():
        if parameter._backward_hooks:
            return f"{name} has a hook on its gradient"
    return _too_much(trainer, task) if mode == "auto" else ""


def _too_much(trainer: L.Trainer, task: Task) -> str:
    """Return what `auto` avoids."""
    count = sum(parameter.numel() for parameter in task.parameters())
    if count > SMALL:
        return f"the model has {count:,} parameters, and auto captures up to {SMALL:,}"
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        is_ours = type(callback).__module__.partition(".")[0] in ("lightning", "scionwood")
        acts = any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in _DURING)
        if acts and not is_ours and not getattr(callback, "capture_safe", False):
            name = type(callback).__name__
            return f"the callback {name} acts during steps and does not set capture_safe = True"
    return ""
