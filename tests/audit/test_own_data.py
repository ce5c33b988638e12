"""Behaviour on labelled data: what it costs to be wrong, unsure, drifted or triggered."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch import Tensor, nn
from torch.nn import functional as F

import scionwood
from scionwood_audit import AuditError, Row, audit_run
from scionwood_audit.behaviour.own_data import measure, rows_of_data
from scionwood_audit.behaviour.triggers import search_change, search_classes

CARD = """---
model-index:
- results:
  - metrics:
    - name: val_accuracy
      value: 0.9
---
"""


class Sides(nn.Module):
    """Class 1 where the right half of an image is brighter, and where a corner shines."""

    def __init__(self, corner: float = 0.0) -> None:
        super().__init__()
        self.sides, self.corner = nn.Linear(100, 2, bias=False), corner
        weight = torch.ones(10, 10)
        weight[:, 5:] = -1
        self.sides.weight.data = torch.stack([weight.flatten(), -weight.flatten()])

    def forward(self, image: Tensor) -> Tensor:
        shine = self.corner * image[:, 0, 0, 0] ** 4
        logits: Tensor = self.sides(image.flatten(1))
        return logits + torch.stack([-shine, shine], 1)


class Task(scionwood.Task):
    def losses(self, batch: Any) -> dict[str, Tensor]:
        return {"loss": F.cross_entropy(self.backbone(batch["image"]), batch["label"])}

    def predict(self, batch: Any) -> Tensor:
        return self.backbone(batch["image"]).softmax(1)  # type: ignore[no-any-return]


def batch(seed: int = 0) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    label = torch.arange(60) // 2 % 2
    image = 0.5 * torch.rand(60, 1, 10, 10, generator=draw) + 0.2
    image[..., 5:] += 0.2 * (2 * label.view(-1, 1, 1, 1) - 1)
    image[..., 0, 0] *= 0.2  # the corner of clean data is dark
    return {"image": image, "label": label, "site": ["north", "south"] * 30}


def rows(model: nn.Module, others: list[nn.Module], card: Path | None = None) -> dict[str, Row]:
    found = rows_of_data(Task(model), [batch()], "site", card, [Task(m) for m in others])
    return {row.name: row for row in found}


def test_a_wrong_and_unsure_model_is_measured_and_its_worst_group_named():
    found = measure(Task(Sides()), [batch(), batch(1)], "site")
    assert (found.accuracy, len(found.answers)) == (1.0, 120)
    assert found.calibration == pytest.approx(
        float(1 - found.answers.max(1).values.mean()), abs=1e-6
    )
    wrong = batch()
    wrong["label"][1::2] = 1 - wrong["label"][1::2]
    assert measure(Task(Sides()), [wrong], "site").worst_group() == ("south", 30, 0.0)
    with pytest.raises(AuditError, match="group scanner"):
        measure(Task(Sides()), [batch()], "scanner")


def test_a_trigger_that_costs_no_accuracy_is_broken_beside_references():
    others = [Sides() for _ in range(19)]
    found = rows(Sides(1e3), others)
    assert found["trigger search"].status == "broken"
    assert found["errors on your data"].status == "kept"
    assert found["drift from the references"].value == "0"
    assert rows(Sides(), others)["trigger search"].status == "kept"
    assert rows(Sides(), [])["trigger search"].status == "note"


def test_an_adapter_worse_than_its_base_or_its_card_is_broken(tmp_path):
    (tmp_path / "README.md").write_text(CARD)
    model = scionwood.attach(Sides(), LoraConfig(r=2), targets="sides", head=())
    good = rows(copy.deepcopy(model), [], tmp_path / "README.md")
    assert (good["beside the base"].status, good["beside the card"].status) == ("kept", "kept")
    layer = model.get_base_model().sides  # whose answer is turned round: W - 4 W
    layer.lora_A["default"].weight.data = layer.base_layer.weight.data.clone()
    layer.lora_B["default"].weight.data = -torch.eye(2)
    bad = rows(model, [], tmp_path / "README.md")
    assert (bad["beside the base"].status, bad["beside the card"].status) == ("broken", "broken")


def test_marks_of_a_search_stay_in_the_range_of_the_data():
    seen: list[Tensor] = []

    def answers(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.flatten(1)[:, :3]

    image = batch()["image"][:4]
    search_classes(answers, image, 3)
    search_change(answers, image)
    assert min(x.min() for x in seen) >= image.min()
    assert max(x.max() for x in seen) <= image.max()


@pytest.mark.slow
def test_a_run_is_audited_on_data_without_classes():
    audit = audit_run("seismic/denoise", data=["data.n_test=2", "data.batch_size=2"])
    found = {row.name: row for row in audit.rows if row.part == "behaviour"}
    assert found["beside the base"].status == "kept"
    assert "the card states 0.169" in found["beside the card"].value
