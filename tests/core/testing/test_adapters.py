"""Adapter checks: each rule is broken once by a method, a backbone or a task."""

from __future__ import annotations

from typing import Any

import pytest
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file

from scionwood_kit import CheckFailure, NothingToCheck, run_checks
from scionwood_kit.cases import RecipeCase, case_of, cases
from scionwood_kit.checks.adapters import (
    check_attach_is_identity,
    check_base_is_untouched_by_a_step,
    check_merge_equals_unmerged,
    check_only_adapter_trains,
    check_trainable_tensors_get_gradients,
)
from scionwood_kit.checks.files import _save, check_adapter_survives_a_fresh_process
from scionwood_kit.child import last_line, run_python
from scionwood_kit.reload import reload
from scionwood_kit.tensors import difference, output

INIT = "super().__init__(backbone, **optimiser)"
EMBED = "x = self.embed(series)"


def test_the_part_of_a_fresh_process_gives_the_same_output(sample, tmp_path):
    (case,) = cases(sample.plugin())
    rig = case.rig()
    rig.perturb()
    _save(rig, case, tmp_path / "case")
    reload(tmp_path / "case")
    again = load_file(tmp_path / "case" / "output.safetensors")["0"]
    assert difference(output(rig.model, rig.example), [again]) == 0


@pytest.mark.slow
def test_the_fresh_process_imports_no_lightning(sample, tmp_path):
    (case,) = cases(sample.plugin())
    assert isinstance(case, RecipeCase)
    rig = case.rig()
    _save(rig, case, tmp_path / "case")
    code = "import sys; from pathlib import Path; from scionwood_kit.reload import reload; "
    code += "reload(Path(sys.argv[1])); print(sorted({'lightning', 'peft'} & set(sys.modules)))"
    done, out, err = run_python(["-c", code, str(tmp_path / "case")])
    assert (done, last_line(out)) == (0, "['peft']"), err
    again = load_file(tmp_path / "case" / "output.safetensors")["0"]
    assert difference(output(rig.model, rig.example), [again]) == 0


def test_a_backbone_whose_options_json_cannot_hold_is_rebuilt_from_its_recipe(sample):
    sample.change(
        "backbones.py", "depth: int = 2,", "depth: int = 2, taps: tuple[int, ...] = (1,),"
    )
    (case,) = cases(sample.plugin())
    assert case.described() == {"kind": "recipe", "name": "sample/reservoir"}
    built = case_of(case.described()).backbone()
    assert built.state_dict().keys() == case.backbone().state_dict().keys()


@pytest.mark.slow
def test_a_plugin_of_methods_alone_is_checked_on_a_small_net(sample):
    outcomes = run_checks(sample.only_method().plugin())
    assert [outcome for outcome in outcomes if outcome.failed] == []
    nothing = {outcome.check for outcome in outcomes if outcome.status == "nothing"}
    assert nothing == {
        "check_vocabulary",
        "check_backbones_build_offline",
        "check_backbones_are_seeded",
        "check_backbones_describe_themselves",
        "check_readers_read_their_sample",
        "check_readers_refuse_damage",
        "check_readers_rewrite",
        "check_readers_write_all_or_nothing",
        "check_data_is_seeded",
        "check_data_splits_are_disjoint",
        "check_data_resumes_exactly",
        "check_trainer_parts_build",
        "check_trainer_parts_run",
        "check_shipped_runs",
        "check_recipes_are_complete",
        "check_recipes_parse_strictly",
        "check_recipes_run",
        "check_loss_falls",
        "check_exports",
        "check_examples",
        "check_probes",
        "check_pairs",
        "check_services",
        "check_services_refuse_damage",
    }


def test_a_backbone_that_no_recipe_uses_is_checked_with_lora(sample):
    sample.change("recipes/reservoir.yaml", "name: lora", "name: frozen")
    for line in ("  r: 4 ", "  targets: attention "):
        sample.change("recipes/reservoir.yaml", line, "  #")
    sample.change("backbones.py", EMBED, f"self.calls += 1; {EMBED}")
    sample.change(
        "backbones.py",
        "self.embed = ",
        "self.register_buffer('calls', torch.zeros(1)); self.embed = ",
    )
    with pytest.raises(CheckFailure, match=r"backbone 'scionwood_sample.backbones:causal': calls"):
        check_base_is_untouched_by_a_step(sample.plugin())


def test_an_adapter_that_is_not_the_identity_at_first_is_caught(sample):
    sample.only_method().change("method.py", "zeros_", "ones_")
    with pytest.raises(CheckFailure, match="method 'sample/gate': the output moves by"):
        check_attach_is_identity(sample.plugin())


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (f"{INIT}\n        backbone.requires_grad_(True)", "embed.weight requires a gradient"),
        (f"{INIT}\n        backbone.requires_grad_(False)", "readout.weight is frozen"),
        (f"{INIT}\n        self.own = torch.nn.Linear(1, 1)", "own.weight belongs to the task"),
    ],
)
def test_a_task_that_changes_what_trains_is_caught(sample, new, message):
    sample.change("tasks.py", INIT, new)
    with pytest.raises(CheckFailure, match=message):
        check_only_adapter_trains(sample.plugin())


def test_a_method_without_trainable_tensors_is_caught(sample):
    frozen = "self.set_adapter(self.active_adapters, inference_mode=True)"
    sample.only_method().change("method.py", "self.set_adapter(self.active_adapters)", frozen)
    sample.change("method.py", "class GateModel(BaseTuner):", "class GateModel(BaseTuner):\n"
                  "    def _mark_only_adapters_as_trainable(self, model):\n"
                  "        model.requires_grad_(False)\n")  # fmt: skip
    plugin = sample.plugin()
    with pytest.raises(CheckFailure, match="nothing requires a gradient"):
        check_only_adapter_trains(plugin)
    with pytest.raises(CheckFailure, match="no tensor moved"):
        check_base_is_untouched_by_a_step(plugin)


def test_a_tensor_without_a_gradient_in_training_is_caught(sample):
    cut = "x = x.detach() if self.training else x"
    sample.change("backbones.py", "return self.readout", f"{cut}\n        return self.readout")
    with pytest.raises(CheckFailure, match=r"query.lora_A.default.weight has no gradient"):
        check_trainable_tensors_get_gradients(sample.plugin())


@pytest.mark.parametrize(
    ("factor", "message"), [("0.0", "a gradient of zeros"), ("float('inf')", "NaN or infinity")]
)
def test_gradients_are_finite_and_not_zero(sample, factor, message):
    sample.change("tasks.py", '{"loss": ', f'{{"loss": {factor} * ')
    with pytest.raises(CheckFailure, match=message):
        check_trainable_tensors_get_gradients(sample.plugin())


def test_a_base_that_counts_its_calls_is_caught(sample):
    sample.change("backbones.py", EMBED, f"self.calls = self.calls + 1; {EMBED}")
    sample.change(
        "backbones.py",
        "self.embed = ",
        "self.register_buffer('calls', torch.zeros(1)); self.embed = ",
    )
    with pytest.raises(CheckFailure, match="recipe 'sample/reservoir': calls changed"):
        check_base_is_untouched_by_a_step(sample.plugin())


def test_a_merge_that_changes_the_output_is_refused_by_the_core(sample):
    sample.only_method().change(
        "method.py", "weight.data += self.delta(name)", "weight.data += 2 * self.delta(name)"
    )
    with pytest.raises(NothingToCheck, match="Linear changes its weight, its input or its output"):
        check_merge_equals_unmerged(sample.plugin())


FORGET = "        self.kitgate_b = nn.ModuleDict()\n"
UNMERGE = f"    def unmerge(self) -> None:\n{FORGET}\n    def gone(self)"
MERGE = (
    f"    def merge(self, **_) -> None:\n{FORGET}        raise NotImplementedError\n\n    def gone("
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    def unmerge(self)", UNMERGE, "unmerging keeps the output"),
        ("    def merge(", MERGE, "refusing to merge keeps the output"),
    ],
)
def test_neither_unmerging_nor_refusing_may_change_the_model(sample, old, new, message):
    sample.only_method().change("method.py", old, new)
    sample.change(
        "method.py",
        "for name in self.active_adapters:\n            y",
        "for name in self.kitgate_b:\n            y",
    )
    with pytest.raises(CheckFailure, match=message):
        check_merge_equals_unmerged(sample.plugin())


def test_a_method_that_cannot_be_merged_may_say_so(sample):
    sample.only_method().change(
        "method.py", "self.base_layer.weight.data += ", "raise NotImplementedError('gates'); _ = "
    )
    with pytest.raises(NothingToCheck, match="cannot be merged"):
        check_merge_equals_unmerged(sample.plugin())


@pytest.mark.slow
def test_a_base_that_differs_between_processes_is_caught(sample):
    sample.change(
        "backbones.py", "manual_seed(init_seed)", "manual_seed(__import__('os').getpid())"
    )
    with pytest.raises(CheckFailure, match=r"loads in a fresh process.*base"):
        check_adapter_survives_a_fresh_process(sample.plugin())


@pytest.mark.slow
def test_a_random_tensor_that_is_not_saved_is_caught(sample):
    line = "        self.set_adapter("
    more = "        self.register_buffer('gain', torch.rand(base.out_features), persistent=False)\n"
    sample.only_method().change("method.py", line, more + line)
    sample.change("method.py", "(self.kitgate_a[name](x))", "(self.kitgate_a[name](x)) * self.gain")
    with pytest.raises(CheckFailure, match="in a fresh process gives the same output"):
        check_adapter_survives_a_fresh_process(sample.plugin())


def test_a_file_with_a_tensor_of_the_base_is_caught(sample, monkeypatch):
    def greedy(model: Any, **options: Any) -> dict[str, Any]:
        prefix, state = "base_model.model.", get_peft_model_state_dict(model, **options)
        return {**state, f"{prefix}first.weight": model.base_model.model.first.base_layer.weight}

    monkeypatch.setattr("scionwood.adapters.save.get_peft_model_state_dict", greedy)
    with pytest.raises(CheckFailure, match=r"the file holds base_model.model.first.weight"):
        check_adapter_survives_a_fresh_process(sample.only_method().plugin())
