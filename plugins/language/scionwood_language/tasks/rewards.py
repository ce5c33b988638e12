"""Reward functions of GRPO by name: the judge of the data, entry points, files, reward models."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch

from scionwood import RecipeError, find_run, load_run

GROUP = "scionwood.rewards"
"""The entry-point group of reward functions."""

Reward = Callable[..., list[float]]
"""A reward function of TRL: prompts, completions and columns as keyword arguments to scores."""


def reward_functions(names: Sequence[str], data: Any) -> list[Reward]:
    """Return the reward functions of a recipe.

    Raises:
        RecipeError: there is no such reward. The message names those that exist.
    """
    if not names:
        raise RecipeError("rewards: []", "grpo needs a reward", "Such as [judge]")
    return [_reward(name, data) for name in names]


def text_of(completion: Any) -> str:
    """Return the text of a completion of TRL.

    Args:
        completion: a text, or the turns that the model wrote.

    Example:
        >>> from scionwood_language import text_of
        >>> text_of([{"role": "assistant", "content": "Yes."}])
        'Yes.'
    """
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _reward(name: str, data: Any) -> Reward:
    if name == "judge":
        return _judge_of(data)
    if name.startswith("run:"):
        return _model(name.removeprefix("run:"))
    path, _, function = name.rpartition(":")
    if path.endswith(".py"):
        return _of_file(Path(path), function)
    functions = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in functions:
        rule = f"the rewards are judge, {', '.join(sorted(functions)) or 'and none of a plugin'}"
        raise RecipeError(f"reward {name!r}", rule, "Or name FILE.py:FUNCTION, or run:FOLDER")
    reward: Reward = functions[name].load()
    return reward


def _judge_of(data: Any) -> Reward:
    judge_answers = getattr(data, "judge", None)
    if judge_answers is None:
        rule = f"{type(data).__name__} has no judge of answers"
        raise RecipeError("reward 'judge'", rule, "Name a reward function: task.rewards")

    def judge(completions: Sequence[Any], **columns: Any) -> list[float]:
        """Return the sum of the judge's shares for each answer."""
        lists = {name: c for name, c in columns.items() if isinstance(c, list)}
        scores = []
        for row, completion in enumerate(completions):
            shares = judge_answers([text_of(completion)], {n: [c[row]] for n, c in lists.items()})
            scores.append(float(sum(shares.values())))
        return scores

    return judge


def _of_file(path: Path, function: str) -> Reward:
    if any((folder / "recipe.yaml").is_file() for folder in path.resolve().parents):
        rule = "code inside a run folder is not run: it may be a stranger's"
        raise RecipeError(f"reward {path}", rule, "Read it, and copy it elsewhere")
    if not path.is_file():
        raise RecipeError(f"reward {path}", "there is no such file", "Name FILE.py:FUNCTION")
    spec = importlib.util.spec_from_file_location(f"scionwood_rewards_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # the user named the file, which the documentation calls trust
    reward: Reward | None = getattr(module, function, None)
    if not callable(reward):
        raise RecipeError(f"reward {path}:{function}", "it has no such function", "Correct it")
    return reward


def _model(run: str) -> Reward:
    from scionwood_language.chat.templates import encode

    model: Any = load_run(find_run(run)).backbone
    bare = model.get_base_model() if hasattr(model, "peft_config") else model
    if getattr(bare.config, "num_labels", None) != 1:
        rule = "its model is no reward model: it must write one number"
        raise RecipeError(f"reward run:{run}", rule, "Train one with method: reward")

    @torch.no_grad()
    def reward_model(
        prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float]:
        """Return the reward of each answer after its prompt."""
        scores = []
        for prompt, completion in zip(prompts, completions, strict=True):
            turns = [*prompt, {"role": "assistant", "content": text_of(completion)}]
            ids = torch.tensor([encode(bare.tokenizer, turns).input_ids], device=bare.device)
            scores.append(float(model(input_ids=ids).logits[0, 0]))
        return scores

    return reward_model
