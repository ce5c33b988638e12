"""iGSP over a sequence: candidates, the historical subspace, pruning, and frozen past tasks."""

from __future__ import annotations

from functools import partial

import lightning as L
import pytest
import torch
from case_table import table
from continual_models import Naive, Net, accuracy, batches, learn, losses, unsettle
from peft import get_peft_model

from scionwood import AdapterError, load_adapter, save_adapter
from scionwood_methods.continual import ContinualCallback, ContinualController, Igsp, forgetting
from scionwood_methods.continual.igsp import summary
from scionwood_methods.igsp.pruning import mixtures
from scionwood_methods.igsp.tuner import IgspConfig

PARTS = ("igsp_A", "igsp_B", "igsp_router", "igsp_bias")


def mixed(experts=2, targets=("visual", "textual")):
    """Return the toy network with a mixture; the base is the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = Net()
    config = IgspConfig(r=2, alpha=4, experts=experts, target_modules=list(targets))
    return get_peft_model(net, config)


def counts(model):
    return {name: layer.experts("default") for name, layer in mixtures(model).items()}


def test_a_task_adds_candidates_and_drops_rarely_used_ones():
    model = mixed(experts=3)
    controller = ContinualController(model, Igsp(warm=3, candidates=2, threshold=0.0))
    learn(controller, "first", batches(0), 6)
    assert counts(model) == {"visual": 3, "textual": 3}
    controller.begin("second")
    assert counts(model) == {"visual": 5, "textual": 5}
    controller.end([])
    strict = ContinualController(mixed(experts=3), Igsp(warm=3, threshold=0.5))
    learn(strict, "first", batches(0), 6)
    assert set(counts(strict.model).values()) == {1}
    learn(strict, "second", batches(1), 6)
    assert set(counts(strict.model).values()) == {1}
    assert strict.model.peft_config["default"].kept == counts(strict.model)


def test_routes_close_after_the_warm_steps_and_the_optimiser_continues():
    model, seen = mixed(experts=4), []
    controller = ContinualController(model, Igsp(warm=2, threshold=0.3))
    controller.begin("task")
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for batch in batches(0, 5):
        losses(model, batch).mean().backward()
        controller.adjust(batch)
        optimizer.step()
        controller.stepped()
        optimizer.zero_grad()
        closed = [layer.igsp_bias["default"].isinf().sum() for layer in mixtures(model).values()]
        seen.append(int(sum(closed)))
    assert seen[0] == 0
    assert seen[1] > 0
    assert set(seen[1:]) == {seen[1]}
    x = torch.randn(5, 16)
    before = model(x)
    controller.end([])
    torch.testing.assert_close(model(x), before)
    assert sum(counts(model).values()) == 8 - seen[1]


def test_experts_of_past_tasks_stay_bit_equal():
    model = mixed()
    controller = ContinualController(model, Igsp(warm=4, threshold=0.0))
    learn(controller, "first", batches(0), 8)
    kept = {
        (name, part): getattr(layer, part)["default"].detach().clone()
        for name, layer in mixtures(model).items()
        for part in PARTS
    }
    learn(controller, "second", batches(1), 8)
    for (name, part), value in kept.items():
        now = getattr(mixtures(model)[name], part)["default"]
        axis = 1 if part == "igsp_B" else 0
        assert torch.equal(now.narrow(axis, 0, value.shape[axis]), value)
        assert now.shape[axis] == 2 * value.shape[axis]
        assert not torch.equal(now.narrow(axis, value.shape[axis], value.shape[axis]), value)


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_gradient_outside_of_the_history_shrinks_only_in_phase_1(strength):
    model = mixed(targets=["visual"])
    controller = ContinualController(model, Igsp(warm=1, rank=3, strength=strength, threshold=0.0))
    learn(controller, "first", batches(0), 6)
    history = controller.method.state()["history:visual"]
    basis = torch.nn.functional.normalize(history, dim=1)
    torch.testing.assert_close(basis @ basis.T, torch.eye(3), rtol=0, atol=1e-4)
    controller.begin("second")
    unsettle(model)
    layer = mixtures(model)["visual"]
    for phase in (1, 2):
        batch = batches(1)[0]
        model.zero_grad()
        losses(model, batch).mean().backward()
        before = layer.igsp_A["default"].grad.clone()[4:]
        controller.adjust(batch)
        after = layer.igsp_A["default"].grad
        assert not after[:4].any()
        inside = before @ basis.T @ basis
        factor = 1 + strength if phase == 1 else 1
        torch.testing.assert_close(after[4:], inside + (before - inside) / factor)
        controller.stepped()


def test_history_spans_the_gradients_of_every_task():
    model = mixed(targets=["visual"])
    controller = ContinualController(model, Igsp(warm=2, rank=12, threshold=0.0))
    for seed in range(2):  # inputs of a task lie in 4 dimensions, which those of A's gradient span
        learn(controller, str(seed), batches(seed, width=4), 6)
    basis = torch.nn.functional.normalize(controller.method.state()["history:visual"], dim=1)
    assert len(basis) == 8
    for seed in range(2):
        x = batches(seed, width=4)[0][0]
        torch.testing.assert_close(x @ basis.T @ basis, x, rtol=0, atol=1e-4)


def test_summary_is_the_best_approximation_of_its_rank():
    rows = torch.randn(20, 7)
    directions = summary(rows, 3)
    u, s, v = torch.linalg.svd(rows, full_matrices=False)
    best = (u[:, :3] * s[:3]) @ v[:3]
    basis = torch.nn.functional.normalize(directions, dim=1)
    torch.testing.assert_close(rows @ basis.T @ basis, best, rtol=1e-4, atol=1e-5)
    assert summary(rows[:0], 3).shape == (0, 7)


def test_a_sequence_interrupted_between_tasks_continues_exactly(tmp_path):
    whole = ContinualController(mixed(), Igsp(warm=2))
    learn(whole, "first", batches(0), 5)
    whole.save(tmp_path)
    save_adapter(whole.model, tmp_path / "adapter")
    fresh = load_adapter(mixed().unload(), tmp_path / "adapter", trainable=True)
    cut = ContinualController(fresh, Igsp(warm=2))
    cut.load(tmp_path)
    for controller in (whole, cut):
        torch.manual_seed(5)
        learn(controller, "second", batches(1), 5)
    for key, value in whole.method.state().items():
        assert torch.equal(cut.method.state()[key], value)
    x = torch.randn(5, 16)
    assert torch.equal(cut.model.eval()(x), whole.model.eval()(x))
    assert counts(cut.model) == counts(whole.model)
    with pytest.raises(AdapterError, match="does not fit the mixtures"):
        ContinualController(mixed(targets=["visual"]), Igsp()).load(tmp_path)


class Module(L.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        return losses(self.model, batch).mean()

    def configure_optimizers(self):
        return torch.optim.AdamW([p for p in self.parameters() if p.requires_grad], lr=1e-2)


@pytest.mark.filterwarnings(
    "ignore:.*LeafSpec:FutureWarning", "ignore:.*does not have many workers"
)
def test_lightning_gives_the_result_of_the_plain_loop(tmp_path):
    plain, ours = (
        ContinualController(mixed(experts=3), Igsp(warm=3, threshold=0.2)) for _ in range(2)
    )
    ours.model.load_state_dict(plain.model.state_dict())
    off = {"enable_checkpointing": False, "enable_progress_bar": False, "logger": False}
    for seed in range(2):
        torch.manual_seed(3)
        learn(plain, str(seed), batches(seed), 8)
        torch.manual_seed(3)
        trainer = L.Trainer(
            max_epochs=1,
            accelerator="cpu",
            enable_model_summary=False,
            callbacks=[ContinualCallback(ours, str(seed))],
            default_root_dir=tmp_path,
            **off,
        )
        own = torch.Generator()  # so that the loader leaves the adapter's random numbers alone
        loader = torch.utils.data.DataLoader(batches(seed), batch_size=None, generator=own)
        trainer.fit(Module(ours.model), loader)
    assert counts(ours.model) == counts(plain.model)
    x = torch.randn(5, 16)
    torch.testing.assert_close(ours.model.eval()(x), plain.model.eval()(x))


def test_state_without_any_step_can_be_saved_and_loaded(tmp_path):
    controller = ContinualController(mixed(), Igsp())
    for number in range(2):
        controller.save(tmp_path / str(number))
        other = ContinualController(mixed(), Igsp())
        other.load(tmp_path / str(number))
        assert other.tasks == controller.tasks
        assert other.method.state().keys() == controller.method.state().keys()
        controller.begin(str(number))
        controller.end([])
    assert counts(controller.model) == {"visual": 4, "textual": 4}


def sequence(make, seed):
    torch.manual_seed(seed)
    controller = ContinualController(mixed(experts=4, targets=["visual"]), make())
    tasks, accuracies = [batches(10 * seed + k, width=4) for k in range(2)], []
    for number, data in enumerate(tasks):
        learn(controller, str(number), data, 80)
        accuracies.append([accuracy(controller.model, each) for each in tasks])
    return accuracies


def test_forgets_less_than_naive_training():
    free = partial(Igsp, warm=20, rank=4, candidates=4, strength=0.0)
    naive, ours = ([sequence(make, seed) for seed in range(3)] for make in (Naive, free))
    forgot = [sum(map(forgetting, runs)) / 3 for runs in (naive, ours)]
    assert forgot[0] > 0.2
    assert forgot[1] < forgot[0] - 0.04
    assert sum(run[1][1] for run in ours) / 3 > 0.85  # chance is 0.33


@table(
    "options",
    [{"warm": 0}, {"threshold": 1.5}, {"candidates": 0}, {"strength": -1.0}, {"rank": 0}],
)
def test_refuses_options_out_of_range(options):
    with pytest.raises(AdapterError, match=next(iter(options))):
        Igsp(**options)
