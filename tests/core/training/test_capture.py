"""Steps of the fields that a graph can repeat, and steps that read nothing on the host."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import scionwood
from scionwood import Task
from scionwood.training.trainer import make_trainer, quiet
from scionwood_scale.replay import Replay

SHIPPED = {
    "seismic/denoise": "",
    "language/masked_diffusion": "",
    "crash/transfer": "aten::index by a mask has a shape that depends on data",
    "pde/corrector": "torch.tensor copies values of the host",
    "biomed/segment": "aten::_local_scalar_dense reads values on the host",
    "bangla/register_tiny": "aten::nonzero has a shape that depends on data",
}
"""A recipe of each field, and what a graph cannot repeat in its steps."""


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "why"), SHIPPED.items(), ids=SHIPPED)
def test_which_steps_of_the_fields_a_graph_can_repeat(recipe: str, why: str) -> None:
    task, data = scionwood.build(scionwood.resolve(recipe, smoke=True))
    data.prepare_data()
    data.setup("fit")
    replay = Replay(task, lambda run: run)
    for batch in islice(iter(data.train_dataloader()), 5):
        loss = replay(batch)["loss"]
        loss.backward()
        assert loss.isfinite()
    assert replay.reason == why
    assert (replay.replays > 0) is (why == "")


class Squares(Task):
    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": self.backbone(batch).square().mean()}


class Floats(TorchDispatchMode):
    """Count the numbers of training that are read on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.data_dependent_output in func.tags and args[0].dtype == torch.float32:
            self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_step_without_a_row_of_metrics_reads_nothing_on_the_host(tmp_path: Path) -> None:
    loader = scionwood.authoring.DataLoader(torch.randn(40, 6), batch_size=4)
    counts = []
    for steps in (4, 8):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 2))
        tuned = scionwood.attach(net, LoraConfig(r=2), targets="0", head=())
        task = Squares(tuned, optimizer="sgd")
        options = {"accelerator": "cpu", "max_steps": steps, "limit_val_batches": 0, "nan_guard": 0}
        options |= {"log_every_n_steps": 50, "logger": "csv", "enable_progress_bar": False}
        with quiet(), Floats() as read:
            make_trainer(options, tmp_path / str(steps), task).fit(task, loader, loader)
        counts.append(read.count)
    assert counts[0] == counts[1], "numbers that are read at every step"
