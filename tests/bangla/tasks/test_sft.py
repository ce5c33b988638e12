"""Adapters are trained by fine-tuning, saved, loaded again, and merged."""

from __future__ import annotations

import csv
import json
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch
from case_table import table
from peft import PeftModel
from plain_figures import undrawn

from bangla_checker import is_right
from scionwood import RecipeError, attach, fit, resolve
from scionwood.adapters.methods import config_class
from scionwood_bangla.data.conversations import Generated
from scionwood_bangla.model.weights import FOLDER, causal_lm
from scionwood_language.data.packing import Collate
from scionwood_language.tasks.sft import Sft

pytestmark = [
    pytest.mark.usefixtures("_one_thread"),
    # peft itself uses a name that transformers has deprecated
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A short run of the recipe, after which the adapter is not zero."""
    small = ["data.n_train=64", "data.n_val=3", "data.n_test=3", "trainer.max_steps=4"]
    recipe = resolve(
        "bangla/register_tiny", [*small, "task.max_new_tokens=8", "trainer.val_check_interval=2"]
    )
    with undrawn():
        return fit(recipe, run_dir=tmp_path_factory.mktemp("run"))


def test_the_adapter_is_a_plain_peft_folder_below_1_mb_and_6_percent(run):
    names = sorted(path.name for path in (run / "adapter").iterdir())
    assert names == ["adapter_config.json", "adapter_model.safetensors", "scionwood.json"]
    assert sum(path.stat().st_size for path in (run / "adapter").iterdir()) <= 1e6
    model = PeftModel.from_pretrained(causal_lm(), run / "adapter", is_trainable=True)
    assert model.active_adapters == ["default"]
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable / sum(p.numel() for p in causal_lm().parameters()) <= 0.06


def test_a_run_logs_and_draws_the_scores_of_its_answers(run):
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val_loss"]]
    assert len(rows) == 2
    assert all(0 <= float(row["val_register_match"]) <= 1 for row in rows)
    assert all(0 <= float(row["val_ended"]) <= 1 for row in rows)


@cache
def two_rows(packing: bool) -> dict:
    data = Generated(n_train=24, packing=packing, max_length=128)
    return Collate(0)(data.rows("train")[:2])


def loss_after_step(
    method: str, *, packing: bool = True, lr: float = 1e-2, **options
) -> tuple[float, float]:
    model = attach(causal_lm(), config_class(method)(**options))
    task = Sft(model, max_new_tokens=0)
    batch = two_rows(packing)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    losses = []
    for _ in range(2):
        loss = task.train().losses(batch)["loss"]
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[0], losses[-1]


PROMPTS = {"num_virtual_tokens": 4, "task_type": "CAUSAL_LM"}


@pytest.mark.parametrize("method", ["prompt_tuning", "prefix_tuning"])
def test_prompt_methods_of_peft_need_unpacked_rows(method):
    before, after = loss_after_step(method, packing=False, **PROMPTS)
    assert after < before
    with pytest.raises(RecipeError, match="virtual tokens before a row"):
        loss_after_step(method, **PROMPTS)


def test_refuses_data_of_another_tokenizer(tmp_path):
    other = tmp_path / "other"
    shutil.copytree(FOLDER, other)
    path = other / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"].append(content["added_tokens"][-1] | {"id": 4096, "content": "<|new|>"})
    path.write_text(json.dumps(content))
    recipe = resolve("bangla/register_tiny", [f"data.tokenizer={other}"], smoke=True)
    with pytest.raises(RecipeError, match=r"its vocabulary differs from that of the backbone"):
        fit(recipe, run_dir=tmp_path / "run")


def test_warns_of_truncation():
    data = Generated(n_train=128, max_length=40, packing=False)
    with pytest.warns(UserWarning, match=r"of 128 examples of train are longer than 40 tokens"):
        rows = data.rows("train")
    end = data.tokenizer.eos_token_id
    assert all(len(row["input_ids"]) <= 40 for row in rows)
    assert any(row["labels"][-1] != end for row in rows)
    assert all(end not in row["labels"][:-1] for row in rows)


def test_refuses_a_window_without_room_for_an_answer():
    with pytest.raises(RecipeError, match="no answer fits"), pytest.warns():
        Generated(n_train=5, max_length=3).rows("train")
    with pytest.raises(RecipeError, match="at least 2 tokens"):
        Generated(max_length=1)


@table(
    ("text", "levels", "right"),
    [
        ("তুই কেমন আছিস?", {"tui"}, True),
        ("তুই কেমন আছিস?", {"tui", "tumi"}, True),
        ("তুই কেমন আছিস?", {"apni"}, False),
        ("তুই কেমন আছেন?", {"tui"}, False),
        ("বৃষ্টি হচ্ছে।", {"tui"}, False),
    ],
)
def test_an_answer_is_right_at_an_accepted_level(text, levels, right):
    assert is_right(text, frozenset(levels)) == right
