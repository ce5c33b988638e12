"""The controller of sequences: its order, its files, Lightning, and less forgetting."""

import json
from itertools import product

import lightning as L
import pytest
import torch
from case_table import table
from continual_models import (
    NETS,
    Naive,
    batches,
    features,
    learn,
    lora,
    losses,
    mixed,
    task,
)
from safetensors.torch import load_file

from scionwood import AdapterError, AdapterFileError, TrainingError, load_adapter, save_adapter
from scionwood_methods.continual import (
    AceLora,
    ContinualCallback,
    ContinualController,
    Ewc,
    Igsp,
    SeqLora,
)
from scionwood_methods.continual.factors import summed

QUIET = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers"
)
METHODS = {
    "naive": Naive,
    "ewc": lambda: Ewc(losses),
    "consistency": lambda: Ewc(losses, consistency=features, gamma=5.0, every=2),
    "ace": lambda: AceLora(rank=6, strength=1.0, threshold=0.0),
    "seqlora": lambda: SeqLora(inner_steps=1),
    "igsp": lambda: Igsp(warm=3, threshold=0.2),
}
FACTORS = ["naive", "ace", "seqlora"]
"""Methods whose adapters are sums of LoRA, also on convolutions."""


CASES = [*((name, NETS[0]) for name in METHODS), *product(FACTORS, NETS[1:])]


def started(method, net=NETS[0]):
    """Return a controller of a new model that suits the method."""
    return ContinualController(mixed(3) if method == "igsp" else lora(net), METHODS[method]())


@table(("method", "net"), CASES)
def test_a_sequence_interrupted_between_tasks_continues_exactly(method, net, tmp_path):
    whole = started(method, net)
    for seed in range(2):
        learn(whole, f"task {seed}", task(net, seed), 4)
    whole.save(tmp_path)
    save_adapter(whole.model, tmp_path / "adapter", name="default")
    bare = started(method, net).model.unload()
    fresh = load_adapter(bare, tmp_path / "adapter", trainable=True)
    cut = ContinualController(fresh, METHODS[method]())
    cut.load(tmp_path)
    assert cut.tasks == ["task 0", "task 1"]
    x = task(net, 9)[0][0]
    for again in (False, True):
        if again:
            for controller in (whole, cut):
                torch.manual_seed(5)  # a task may end with random factors
                learn(controller, "last", task(net, 2), 4)
        wanted, state = whole.method.state(), cut.method.state()
        assert wanted.keys() == state.keys()
        assert all(torch.equal(state[key], value) for key, value in wanted.items())
        assert torch.equal(fresh.eval()(x), whole.model.eval()(x))


@table("net", NETS)
@table("method", FACTORS)
def test_one_summed_adapter_replaces_those_of_a_method(method, net):
    controller = started(method, net)
    for number in range(2):
        learn(controller, str(number), task(net, number), 4)
    model, x = controller.model.eval(), task(net, 9)[0][0]
    expected, active = model(x), list(model.active_adapters)
    with summed(model) as adapter:
        model.base_model.set_adapter(adapter)
        alone = model(x)
        model.base_model.set_adapter(active)
    torch.testing.assert_close(alone, expected, atol=1e-5, rtol=1e-5)


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


class Module(L.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        return losses(self.model, batch).mean()

    def configure_optimizers(self):
        return torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=1e-2)


def fit(controller, name, seed, root, **options):
    trainer = L.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ContinualCallback(controller, name)],
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
    plain, ours = started(method), started(method)
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
    x = torch.randn(5, 16)
    torch.testing.assert_close(ours.model.eval()(x), plain.model.eval()(x))


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


def test_a_head_beside_the_adapter_keeps_training():
    for method in METHODS:
        controller = started(method)
        head = controller.model.base_model.model.textual.base_layer.bias.requires_grad_()
        for seed in range(2):
            learn(controller, str(seed), batches(seed), 2)
        assert head.requires_grad
