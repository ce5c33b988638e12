"""Runs whose losses are TRL's: their files, their options, their rewards, and exact resume."""

import csv
import importlib.util

import pytest
import torch
from case_table import table

from scionwood import ReadError, RecipeError, fit, load_run, resolve
from scionwood import test as measure
from scionwood_language.data.conversations import Conversations
from scionwood_language.tasks.rewards import reward_functions, text_of
from scionwood_language.tasks.trl_inputs import check_options, rollouts

if importlib.util.find_spec("trl") is None:
    pytest.skip("the extra scionwood-language[trl]", allow_module_level=True)

pytestmark = pytest.mark.usefixtures("_one_thread", "_undrawn")

QUIET = ["trainer.enable_progress_bar=false", "trainer.accelerator=cpu"]


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_of_preferences_has_the_files_of_any_run(tmp_path):
    run = fit(resolve("language/dpo", QUIET, smoke=True), run_dir=tmp_path / "run")
    for name in ("adapter/adapter_model.safetensors", "README.md", "recipe.yaml", "files.json"):
        assert (run / name).is_file()
    assert {"train_rewards_margins", "val_rewards_accuracies"} <= set(rows(run)[0])
    backbone = load_run(run).backbone
    assert list(backbone.peft_config) == ["default"]  # TRL's reference is not part of it
    assert measure(run)["test_loss"] > 0


def test_an_interrupted_run_continues_exactly(tmp_path):
    every = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"
    small = [*QUIET, every, "task.schedule=constant", "trainer.val_check_interval=2"]

    def recipe(steps):
        return resolve("language/grpo", [*small, f"trainer.max_steps={steps}"], smoke=True)

    whole = fit(recipe(4), run_dir=tmp_path / "whole")
    cut = fit(recipe(2), run_dir=tmp_path / "cut")
    fit(recipe(4), resume=cut)
    assert (whole / "metrics.csv").read_text() == (cut / "metrics.csv").read_text()
    left, right = (torch.load(r / "checkpoints/last.ckpt")["state_dict"] for r in (whole, cut))
    assert all(torch.equal(left[key], value) for key, value in right.items())


def test_a_reward_model_rewards_the_samples_of_another_run(tmp_path):
    reward = fit(resolve("language/reward", QUIET, smoke=True), run_dir=tmp_path / "reward")
    assert (reward / "head.safetensors").is_file()
    changes = [*QUIET, f"task.rewards=[judge, 'run:{reward}']", "trainer.max_steps=1"]
    run = fit(resolve("language/grpo", changes, smoke=True), run_dir=tmp_path / "run")
    assert {"val_reward", "val_rewards_reward_model_mean"} <= set(rows(run)[-1])


def test_verdicts_of_a_file_train_by_kto(tmp_path):
    source = tmp_path / "verdicts.csv"
    lines = [f"What is {n} + 1?,{n + 1}.,{n % 2 == 0}" for n in range(40)]
    source.write_text("\n".join(["prompt,completion,label", *lines]))
    changes = [*QUIET, "task={name: language/trl, method: kto, options: {beta: 0.2}}"]
    changes += [f"data={{name: language/verdicts, source: {source}, batch_size: 4}}"]
    run = fit(resolve("language/dpo", changes, smoke=True), run_dir=tmp_path / "run")
    assert {"train_kl", "val_rewards_margins"} <= set(rows(run)[0])
    source.write_text("prompt,completion,label\nWhat?,That.,perhaps\n")
    with pytest.raises(ReadError, match="row 1: a row has `prompt`"):
        fit(resolve("language/dpo", changes, smoke=True), run_dir=tmp_path / "other")


def test_a_file_of_the_user_is_a_reward_and_one_of_a_run_is_not(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def short(completions, **rest):\n    return [1.0 for _ in completions]\n")
    [short] = reward_functions([f"{path}:short"], None)
    assert short(completions=["a", "b"]) == [1.0, 1.0]
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(RecipeError, match="code inside a run folder is not run"):
        reward_functions([f"{path}:short"], None)


@table(
    ("name", "match"),
    [
        ("nobody", "the rewards are judge"),
        ("nowhere.py:f", "there is no such file"),
        ("judge", "has no judge of answers"),
    ],
)
def test_an_unknown_reward_is_refused(name, match):
    with pytest.raises(RecipeError, match=match):
        reward_functions([name], None)


def test_the_judge_of_the_data_scores_each_answer():
    [judge] = reward_functions(["judge"], Conversations(packing=False))
    turns = [[{"role": "assistant", "content": text}] for text in ("5.", "6.")]
    assert judge(completions=turns, answer=["5.", "7."], trainer_state=None) == [1.0, 0.0]
    assert text_of(turns[0]) == text_of("5.")


@table(
    ("options", "match"),
    [
        ({"learning_rate": 1}, r"Set task\.lr"),
        ({"betta": 1}, "Such as beta"),
        ({"dataset_num_proc": 2}, "no option of DPOConfig"),
    ],
)
def test_options_of_other_sections_and_misspelt_ones_are_refused(options, match):
    from trl import DPOConfig

    with pytest.raises(RecipeError, match=match):
        check_options(options, DPOConfig)


def test_packed_rows_have_no_prompts_to_answer():
    with pytest.raises(RecipeError, match=r"data\.packing: false"):
        rollouts(next(iter(Conversations().train_dataloader())), 2)


def test_preferences_need_an_adapter(tmp_path):
    changes = [*QUIET, "adapter={name: full}", "task={name: language/trl, method: kto}"]
    with pytest.raises(RecipeError, match=r"method kto.*Name an adapter"):
        fit(resolve("language/dpo", changes, smoke=True), run_dir=tmp_path / "run")
