"""The controller of sequences: its order, its files, Lightning, and less forgetting."""

from __future__ import annotations

import json

import lightning as L
import pytest
import torch
from case_table import table
from continual_models import Naive, accuracy, batches, features, learn, lora, losses, unsettle
from safetensors.torch import load_file

from scionwood import AdapterError, AdapterFileError, TrainingError, load_adapter, save_adapter
from scionwood_methods.continual import (
    AceLora,
    ContinualCallback,
    ContinualController,
    Ewc,
    SeqLora,
    forgetting,
)

QUIET = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers"
)
METHODS = {
    "ewc": lambda: Ewc(losses),
    "consistency": lambda: Ewc(losses, consistency=features, gamma=5.0, every=2),
    "ace": lambda: AceLora(rank=4),
    "seqlora": lambda: SeqLora(),
}


@table("method", METHODS)
def test_state_is_bit_equal_after_saving_and_loading(method, tmp_path):
    controller = ContinualController(lora(), METHODS[method]())
    for seed in range(2):
        learn(controller, f"task {seed}", batches(seed), 4)
    controller.save(tmp_path)
    save_adapter(controller.model, tmp_path / "adapter", name="default")
    fresh = load_adapter(lora().unload(), tmp_path / "adapter", trainable=True)
    other = ContinualController(fresh, METHODS[method]())
    other.load(tmp_path)
    assert other.tasks == ["task 0", "task 1"]
    wanted, state = controller.method.state(), other.method.state()
    assert wanted.keys() == state.keys()
    assert all(torch.equal(state[key], value) for key, value in wanted.items())
    x = torch.randn(5, 16)
    assert torch.equal(fresh.eval()(x), controller.model.eval()(x))


@table("method", METHODS)
def test_a_sequence_interrupted_between_tasks_continues_exactly(method, tmp_path):
    whole = ContinualController(lora(), METHODS[method]())
    learn(whole, "first", batches(0), 4)
    whole.save(tmp_path)
    save_adapter(whole.model, tmp_path / "adapter", name="default")
    fresh = load_adapter(lora().unload(), tmp_path / "adapter", trainable=True)
    cut = ContinualController(fresh, METHODS[method]())
    cut.load(tmp_path)
    for controller in (whole, cut):
        torch.manual_seed(5)
        learn(controller, "second", batches(1), 4)
    for key, value in whole.method.state().items():
        assert torch.equal(cut.method.state()[key], value)


def test_folder_holds_only_the_files_of_the_last_save(tmp_path):
    controller = ContinualController(lora(), AceLora(rank=4))
    for seed in range(2):
        learn(controller, str(seed), batches(seed), 2)
        controller.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["continual-2.safetensors", "continual.json"]
    record = json.loads((tmp_path / "continual.json").read_text())
    assert record == {"format": 1, "method": "ace_lora_edit", "tasks": ["0", "1"]}
    assert load_file(tmp_path / names[0]).keys() == controller.method.state().keys()


def test_refuses_damaged_foreign_and_unsuitable_states(tmp_path):
    controller = ContinualController(lora(), AceLora(rank=4))
    learn(controller, "task", batches(0), 2)
    controller.save(tmp_path)
    with pytest.raises(AdapterFileError, match="not \\(1, 'ewc'\\)"):
        ContinualController(lora(), Ewc(losses)).load(tmp_path)
    with pytest.raises(AdapterError, match="not of rank 5"):
        ContinualController(lora(), AceLora(rank=5)).load(tmp_path)
    with pytest.raises(TrainingError, match="begun or learned tasks already"):
        controller.load(tmp_path)
    whole = (tmp_path / "continual-1.safetensors").read_bytes()
    (tmp_path / "continual-1.safetensors").write_bytes(whole[:-10])
    with pytest.raises(AdapterFileError, match="no complete state"):
        ContinualController(lora(), AceLora(rank=4)).load(tmp_path)
    with pytest.raises(AdapterFileError, match="no complete state"):
        ContinualController(lora(), AceLora(rank=4)).load(tmp_path / "nowhere")


def test_refuses_steps_out_of_order(tmp_path):
    controller = ContinualController(lora(), Naive())
    for early in (lambda: controller.adjust(None), controller.stepped, lambda: controller.end([])):
        with pytest.raises(TrainingError, match="no task has begun"):
            early()
    controller.begin("first")
    with pytest.raises(TrainingError, match="has not ended"):
        controller.begin("second")
    with pytest.raises(TrainingError, match="has not ended"):
        controller.save(tmp_path)
    controller.end([])
    with pytest.raises(TrainingError, match="learned already"):
        controller.begin("first")


def sequence(make, seed):
    """Return accuracies on two tasks with shared input directions, learned one after the other."""
    torch.manual_seed(seed)
    controller = ContinualController(lora(r=8, targets=["visual"]), make())
    tasks, accuracies = [batches(10 * seed + k, width=4) for k in range(2)], []
    for number, data in enumerate(tasks):
        learn(controller, str(number), data, 80)
        accuracies.append([accuracy(controller.model, each) for each in tasks])
    return accuracies


@table(
    "make",
    [
        lambda: Ewc(losses, strength=0.1),
        lambda: AceLora(rank=8, strength=30.0, threshold=0.0),
        SeqLora,
    ],
    ids=["ewc", "ace", "seqlora"],
)
def test_forgets_less_than_naive_training(make):
    naive, ours = ([sequence(each, seed) for seed in range(3)] for each in (Naive, make))
    forgot = [sum(map(forgetting, runs)) / 3 for runs in (naive, ours)]
    assert forgot[0] > 0.3
    assert forgot[1] < forgot[0] - 0.1
    for runs in (naive, ours):
        assert min(run[0][0] for run in runs) > 0.7
    assert sum(run[1][1] for run in ours) / 3 > 0.7  # chance is 0.33


class Module(L.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        return losses(self.model, batch).mean()

    def configure_optimizers(self):
        return torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=1e-2)


def fit(controller, task, seed, root, **options):
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ContinualCallback(controller, task)],
        default_root_dir=root,
        **options,
    )
    own = torch.Generator()  # so that the loader leaves the adapters' random numbers alone
    loader = torch.utils.data.DataLoader(batches(seed), batch_size=None, generator=own)
    trainer.fit(Module(controller.model), loader)
    return trainer


@QUIET
@table("method", METHODS)
def test_lightning_gives_the_result_of_the_plain_loop(method, tmp_path):
    plain = ContinualController(lora(), METHODS[method]())
    ours = ContinualController(lora(), METHODS[method]())
    ours.model.load_state_dict(plain.model.state_dict())
    for seed in range(2):
        torch.manual_seed(3)
        learn(plain, str(seed), batches(seed), 8)
        torch.manual_seed(3)
        trainer = fit(ours, str(seed), seed, tmp_path)
    assert ours.tasks == ["0", "1"]
    assert "continual_penalty" in trainer.callback_metrics
    for key, value in plain.method.state().items():
        torch.testing.assert_close(ours.method.state()[key], value)


@QUIET
def test_penalty_counts_once_per_step_with_accumulation(tmp_path):
    calls = []

    class Counting(Naive):
        def penalty(self, model, batch):
            calls.append("penalty")
            return torch.zeros(())

        def retract(self, model):
            calls.append("retract")

    fit(ContinualController(lora(), Counting()), "task", 0, tmp_path, accumulate_grad_batches=4)
    assert calls == ["penalty", "retract"] * 2


def test_refuses_a_callback_for_another_model(tmp_path):
    controller = ContinualController(lora(), Naive())
    trainer = L.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    with pytest.raises(TrainingError, match="controller's model"):
        ContinualCallback(controller, "task").setup(trainer, Module(lora()), "fit")


def test_a_head_beside_the_adapter_keeps_training(tmp_path):
    for make in METHODS.values():
        model = lora()
        model.base_model.model.textual.base_layer.bias.requires_grad_()
        controller = ContinualController(model, make())
        for seed in range(2):
            learn(controller, str(seed), batches(seed), 2)
        assert model.base_model.model.textual.base_layer.bias.requires_grad
        assert unsettle(model) is model
