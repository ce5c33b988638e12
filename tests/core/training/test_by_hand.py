"""The loop of AdamW outside Lightning takes the same steps as a loop written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from scionwood import TrainingError
from scionwood.authoring import Resume, minimise, warm_cosine

STEPS = 12


def rows(step: int) -> Tensor:
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(step))


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loss_of(network: nn.Module) -> Callable[[int], Tensor]:
    return lambda step: (network(rows(step)) - 1).square().mean()


def former_rate(step: int) -> float:
    warm = min(200, STEPS // 10 + 1)
    done = max(0, step - warm) / max(1, STEPS - warm)
    return min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


SCHEDULES: dict[str, tuple[Callable[[Optimizer], LRScheduler], Any]] = {
    "warm-up": (lambda o: LambdaLR(o, former_rate), warm_cosine(STEPS)),
    "cosine": (lambda o: CosineAnnealingLR(o, STEPS),) * 2,
}


@table("name", SCHEDULES)
def test_takes_the_same_steps_as_a_loop_written_by_hand(name: str) -> None:
    by_hand, ours = SCHEDULES[name]
    expected, network = model(), model()
    options: dict[str, Any] = {"lr": 1e-2, "weight_decay": 0.05, "betas": (0.9, 0.95)}
    optimizer = AdamW(expected.parameters(), **options)
    scheduler, losses = by_hand(optimizer), []
    for step in range(STEPS):
        value = loss_of(expected)(step)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(expected.parameters(), 0.1)
        optimizer.step()
        scheduler.step()
        losses.append(value.item())
    made = minimise(
        loss_of(network), network.parameters(), steps=STEPS, schedule=ours, clip=0.1, **options
    )
    assert made == losses
    for after, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(after, wanted)


def test_groups_keep_their_own_learning_rate() -> None:
    network, before = model(), model()
    still, moved = list(network.parameters())[:2], list(network.parameters())[2:]
    groups: list[dict[str, Any]] = [{"params": still, "lr": 0.0}, {"params": moved}]
    minimise(loss_of(network), groups, steps=1, lr=1e-2)
    pairs = zip(network.parameters(), before.parameters(), strict=True)
    assert [torch.equal(*pair) for pair in pairs] == [True, True, False, False]


def test_ends_with_the_data_and_reports_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    network, seen = model(), []

    def loss(step: int) -> Tensor | None:
        return loss_of(network)(step) if step < 60 else None

    def report(*step: Any) -> None:
        seen.append(step)

    options: dict[str, Any] = {"steps": 120, "lr": 1e-3, "label": "pretraining", "report": report}
    assert seen == list(enumerate(minimise(loss, network.parameters(), **options)))
    assert len(seen) == 60
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10, "without a terminal, progress is a line for each twentieth"
    assert lines[-1].startswith("pretraining: step 60 of 120, loss ")
    assert lines[-1].endswith(" min left")


def test_refuses_an_empty_list_of_parameters_and_a_loss_that_is_not_finite() -> None:
    network = model()
    with pytest.raises(TrainingError, match="nothing to train"):
        minimise(loss_of(network), [], steps=1, lr=1e-3)
    with pytest.raises(TrainingError, match="step 0: the loss is nan"):
        minimise(
            lambda step: loss_of(network)(step) * math.nan, network.parameters(), steps=1, lr=1e-3
        )


def test_a_stopped_training_continues_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def trained(file: str, stops_at: int | None = None) -> tuple[nn.Module, list[float]]:
        network = model()

        def loss(step: int) -> Tensor:
            if step == stops_at:
                raise KeyboardInterrupt
            return loss_of(network)(step)

        kept = Resume(tmp_path / file, {"model": network}, every=3)
        options: dict[str, Any] = {"lr": 1e-2, "schedule": warm_cosine(STEPS), "resume": kept}
        return network, minimise(loss, network.parameters(), steps=STEPS, **options)

    expected, losses = trained("whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained("stopped.pt", stops_at=8)
    assert torch.load(tmp_path / "stopped.pt", weights_only=True)["losses"] == losses[:6]
    network, again = trained("stopped.pt")
    assert again == losses
    for after, wanted in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(after, wanted)


def test_refuses_the_state_of_another_training(tmp_path: Path) -> None:
    network, file = model(), tmp_path / "state.pt"
    kept = Resume(file, {"model": network})
    minimise(loss_of(network), network.parameters(), steps=2, lr=1e-3, resume=kept)
    with pytest.raises(TrainingError, match=r"state of another training.*'stream'"):
        minimise(
            loss_of(network),
            network.parameters(),
            steps=2,
            lr=1e-3,
            resume=Resume(file, {"model": network, "stream": network}),
        )
