"""iGSP over a sequence: candidates, the historical subspace, pruning, and frozen past tasks."""

import pytest
import torch
from case_table import table
from continual_models import batches, learn, losses, mixed, unsettle

from scionwood import AdapterError
from scionwood_methods.continual import ContinualController, Igsp
from scionwood_methods.continual.igsp import summary
from scionwood_methods.igsp.pruning import mixtures

PARTS = ("igsp_A", "igsp_B", "igsp_router", "igsp_bias")


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


def test_summary_is_the_best_approximation_of_its_rank():
    rows = torch.randn(20, 7)
    directions = summary(rows, 3)
    u, s, v = torch.linalg.svd(rows, full_matrices=False)
    best = (u[:, :3] * s[:3]) @ v[:3]
    basis = torch.nn.functional.normalize(directions, dim=1)
    torch.testing.assert_close(rows @ basis.T @ basis, best, rtol=1e-4, atol=1e-5)
    assert summary(rows[:0], 3).shape == (0, 7)


def test_the_state_of_other_mixtures_is_refused(tmp_path):
    controller = ContinualController(mixed(), Igsp(warm=2))
    learn(controller, "first", batches(0), 5)
    controller.save(tmp_path)
    with pytest.raises(AdapterError, match="does not fit the mixtures"):
        ContinualController(mixed(targets=["visual"]), Igsp()).load(tmp_path)


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


@table(
    "options",
    [{"warm": 0}, {"threshold": 1.5}, {"candidates": 0}, {"strength": -1.0}, {"rank": 0}],
)
def test_refuses_options_out_of_range(options):
    with pytest.raises(AdapterError, match=next(iter(options))):
        Igsp(**options)
