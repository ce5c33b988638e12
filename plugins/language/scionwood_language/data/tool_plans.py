"""Requests for the commands of this installation, with plans that are judged by signatures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from scionwood import ReadError, ScionwoodError
from scionwood.authoring import Split, check_plan
from scionwood_language.data.generated import Talks
from scionwood_language.model.tiny import TINY
from scionwood_language.planning import HELD_OUT, REQUEST, TRAINED, request_for, usable


@final
class ToolPlans(Talks):
    """Plans of this project's own commands: one request, one command line.

    The judge tells the shares of plans that name a command that exists (`exists`), whose arguments
    fit its signature (`valid`), and that are the right command (`tool`). Validation and test use
    wordings that training never shows.

    Shapes: as for `language/conversations`; `tool` is the right command of each row.

    Units: tokens.

    Source: after Yakobe et al., arXiv:2605.17774, whose tuning set is not public; made here from
        the signatures of the installed commands.

    Args:
        requests: your own requests for the test: a CSV with `request` and `command`, such as texts
            of AssetOpsBench with commands of your own. null makes them.

    Raises:
        RecipeError: a size is not positive.
        ReadError: the file of requests has other columns.
    """

    def __init__(
        self,
        *,
        requests: str | Path | None = None,
        n_train: int = 1700,
        n_val: int = 40,
        n_test: int = 200,
        tokenizer: str = TINY,
        max_length: int = 256,
        packing: bool = True,
        batch_size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(
            n_train=n_train,
            n_val=n_val,
            n_test=n_test,
            tokenizer=tokenizer,
            max_length=max_length,
            packing=packing,
            batch_size=batch_size,
            seed=seed,
        )
        self.requests = requests

    def pairs(self, split: Split) -> list[tuple[str, str, dict[str, str]]]:
        """Return the examples of a split."""
        if split == "test" and self.requests is not None:
            return _read(Path(self.requests))
        random, count = self.random(split)
        wordings = TRAINED if split == "train" else HELD_OUT[:2] if split == "val" else HELD_OUT[2:]
        commands = usable()
        plans = []
        for number in range(count):
            command = commands[number % len(commands)]
            request, line = request_for(command, random, wordings)
            plans.append((REQUEST.format(request), line, {"tool": command}))
        return plans

    def judge(self, answers: Sequence[str], batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the shares of plans that exist, are valid, and name the right command."""
        pairs = zip(answers, batch["tool"], strict=True)
        scores = [judge_plan(answer, tool) for answer, tool in pairs]
        names = ("exists", "valid", "tool")
        return {name: sum(row[name] for row in scores) / len(scores) for name in names}


def judge_plan(line: str, tool: str) -> dict[str, bool]:
    """Return whether a plan names a command, fits its signature, and is the right command."""
    try:
        command = check_plan(line)
    except ScionwoodError as error:
        is_command = error.rule != "there is no such command" and "not a command" not in error.rule
        return {"exists": is_command, "valid": False, "tool": False}
    return {"exists": True, "valid": True, "tool": command == tool}


def _read(path: Path) -> list[tuple[str, str, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["request"], row["command"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        rule = f"it is not a table of requests ({type(error).__name__}: {error})"
        raise ReadError(str(path), rule, "Write a CSV with `request` and `command`") from error
    return [(REQUEST.format(request), line, {"tool": check_plan(line)}) for request, line in rows]
