"""Steps by a graph: equal to usual steps, and refused where a graph could not repeat them.

Without a card, the replay of a graph is the same step on the same fixed tensors, run by torch. The
copies into fixed tensors, the gradients and every refusal run here; the capture itself does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from peft import LoraConfig
from torch import Tensor, nn

import scionwood
from scionwood import Task
from scionwood.errors import RecipeError
from scionwood.kernels import enable
from scionwood.training.trainer import quiet
from scionwood_scale.graph import CudaGraph
from scionwood_scale.replay import Replay

Losses = dict[str, Tensor]


def same(run: Callable[[], None]) -> Callable[[], None]:
    """Stand for a capture where there is no card."""
    return run


def captured(mode: str, capture: Any) -> CudaGraph:
    """Return the callback with another capture than that of a card."""
    graph = CudaGraph(mode=mode)
    graph.capture = capture
    return graph


class Regression(Task):
    """A mean square, and the mean as a further value."""

    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        x, y = batch
        error = self.backbone(x) - y
        return {"loss": error.square().mean(), "bias": error.mean()}


def made(kind: type[Task] = Regression, dropout: float = 0.1) -> Task:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 2))
    tuned = scionwood.attach(net, LoraConfig(r=2, lora_dropout=dropout), targets=r"0|3", head=())
    enable(tuned)
    return kind(tuned, lr=1e-2, warmup_steps=3)


@pytest.fixture
def fitted(tmp_path: Path) -> Callable[..., list[float]]:
    """Train for two epochs of seven batches, the last of which is smaller; return the losses."""

    def fit(task: Task, *callbacks: Callback, **options: Any) -> list[float]:
        torch.manual_seed(1)
        rows = [(torch.randn(6), torch.randn(2)) for _ in range(27)]
        seen, loader = Seen(), scionwood.authoring.DataLoader(rows, batch_size=4)  # type: ignore[arg-type]
        with quiet():
            trainer = L.Trainer(
                accelerator="cpu",
                max_epochs=2,
                limit_val_batches=0,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                callbacks=[seen, *callbacks],
                default_root_dir=tmp_path,
                **options,
            )
            trainer.fit(task, loader, loader)
        return seen.losses

    return fit


class Seen(Callback):
    """The losses of all batches, and the replay of the task."""

    capture_safe = True

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))


class Kept(Callback):
    """The object that replays; the task forgets it at the end of the run."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.replay = pl_module.replay


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"gradient_clip_val": 0.1}, id="clipped"),
        pytest.param({"accumulate_grad_batches": 2}, id="accumulated"),
        pytest.param({"precision": "bf16-mixed"}, id="bf16"),
    ],
)
def test_replayed_steps_equal_usual_ones_bit_for_bit(
    fitted: Callable[..., list[float]], capsys: pytest.CaptureFixture[str], options: dict[str, Any]
) -> None:
    usual, by_graph, kept = made(), made(), Kept()
    expected = fitted(usual, **options)
    assert fitted(by_graph, captured("on", same), kept, **options) == expected
    weights = zip(usual.parameters(), by_graph.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    # Of 14 batches, three come before the capture, and two are smaller than the others.
    assert kept.replay.replays == 9
    assert by_graph.replay is None
    said = capsys.readouterr().err
    assert "operations of a step are one launch" in said
    assert said.count("batches of another shape run without the graph") == 1


class Reads(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        losses = super().losses(batch)
        assert float(losses["loss"].detach()) > 0
        return losses


class Masks(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        x, y = batch
        error = (self.backbone(x) - y)[y > 0]
        return {"loss": error.square().mean()}


class Anneals(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        losses = super().losses(batch)
        return {"loss": losses["loss"] * 0.9**self.trainer.global_step}


class Chooses(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        losses = super().losses(batch)
        self.turn = 1 - getattr(self, "turn", 0)
        return {"loss": losses["loss"].exp() if self.turn else losses["loss"]}


class Rolls(Regression):
    def on_train_start(self) -> None:
        self.rolls = random.Random(0)

    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        return super().losses((batch[0] + torch.tensor(self.rolls.random()), batch[1]))


class Logs(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        losses = super().losses(batch)
        self.log("mine", losses["bias"])
        return losses


class Own(Regression):
    def losses(self, batch: tuple[Tensor, Tensor]) -> Losses:
        noise = torch.randn(6, generator=torch.Generator().manual_seed(1))
        return super().losses((batch[0] + noise, batch[1]))


class OwnStep(Regression):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return super().training_step(batch, batch_idx)


UNSAFE = {
    Reads: "Tensor.__float__ reads values on the host",
    Masks: "aten::index by a mask has a shape that depends on data",
    Anneals: "two steps differ: aten::mul has other shapes, numbers or tensors",
    Chooses: "two steps differ",
    Rolls: "torch.tensor copies values of the host",
    Logs: "the losses log values themselves",
    Own: "aten::randn draws from a generator of its own",
    OwnStep: "OwnStep has a training_step of its own",
}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__) for kind in UNSAFE])
def test_a_task_that_a_graph_cannot_repeat_trains_as_always(
    fitted: Callable[..., list[float]], capsys: pytest.CaptureFixture[str], kind: type[Task]
) -> None:
    expected = fitted(made(kind))
    assert fitted(made(kind), captured("on", same)) == expected
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "cuda_graph" in line]
    start = "cuda_graph: steps run one operation at a time, since "
    assert line.startswith(start + UNSAFE[kind])


class Frees(Callback):
    """Freeze a parameter during the run."""

    capture_safe = True

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, index: int) -> None:
        if trainer.global_step == 6:
            next(p for p in pl_module.parameters() if p.requires_grad).requires_grad_(False)


class Acts(Callback):
    """A callback of others, of which nothing is known."""

    def on_before_backward(self, *_: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("callback", "why"),
    [
        pytest.param(Frees(), "a parameter was moved, frozen or released", id="frozen"),
        pytest.param(Acts(), "the callback Acts acts during steps", id="unknown"),
    ],
)
def test_callbacks_that_change_a_step(
    fitted: Callable[..., list[float]],
    capsys: pytest.CaptureFixture[str],
    callback: Callback,
    why: str,
) -> None:
    expected = fitted(made(), callback)
    assert fitted(made(), captured("auto", same), callback) == expected
    assert why in capsys.readouterr().err


def test_a_capture_that_fails_leaves_the_steps_as_they_are(
    fitted: Callable[..., list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(run: Callable[[], None]) -> Callable[[], None]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    expected = fitted(made())
    assert fitted(made(), captured("auto", fails)) == expected
    assert "since CUDA out of memory" in capsys.readouterr().err


def test_other_obstacles(
    fitted: Callable[..., list[float]], capsys: pytest.CaptureFixture[str]
) -> None:
    hooked = made()
    next(p for p in hooked.parameters() if p.requires_grad).register_hook(lambda grad: 2 * grad)
    fitted(hooked, captured("on", same))
    assert "has a hook on its gradient" in capsys.readouterr().err
    fitted(made(), CudaGraph(mode=True))
    assert "since there is no CUDA device" in capsys.readouterr().err
    fitted(made(), CudaGraph(mode=False))
    assert not capsys.readouterr().err
    with pytest.raises(RecipeError, match="auto, on or off"):
        CudaGraph(mode="sometimes")  # type: ignore[arg-type]


def test_a_batch_of_unknown_objects_is_not_captured(capsys: pytest.CaptureFixture[str]) -> None:
    replay = Replay(made(), same)
    x, y = torch.randn(4, 6), torch.randn(4, 2)
    with pytest.raises(ValueError, match="unpack"):
        replay((x, y, object()))
    assert "the batch holds a object, which may hide tensors" in capsys.readouterr().err
