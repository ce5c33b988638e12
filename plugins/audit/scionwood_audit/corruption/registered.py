"""The corruption that a task registers: is it what trained a run, and what the losses call?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from lightning import LightningDataModule

from scionwood import ScionwoodError, Task, adapters
from scionwood.authoring import Corruption
from scionwood_audit.corruption.battery import draw_and_test
from scionwood_audit.record import Row

_NONE = "the task registers none"


def of_run(task: Task, folder: Path) -> list[Row]:
    """Compare the corruption that an adapter states with that of the installed task.

    Args:
        task: the task of the run.
        folder: the folder of the adapter.
    """
    corruption = task.corruption()
    try:
        record = adapters.read_json(folder / "scionwood.json").get("corruption")
    except ScionwoodError:  # a run without an adapter states nothing
        record = None
    trained = record.get("sha256") if isinstance(record, dict) else None
    name = "source of the corruption"
    if corruption is None:
        why = "its training changes no sample, or the field has not registered how"
        return [Row("training", name, "note", _NONE, reason=why)]
    if trained is None:
        why = "an earlier version saved the run"
        return [Row("training", name, "skipped", f"{corruption.name}: not stated", reason=why)]
    if trained != corruption.sha256:
        value = f"{corruption.name}: {str(trained)[:12]} trained it, "
        value += f"{corruption.sha256[:12]} is installed"
        why = "another source than the installed one corrupted the samples of this run"
        return [Row("training", name, "broken", value, reason=why)]
    return [Row("training", name, "kept", f"{corruption.name}: {trained[:12]}")]


def of_recipe(task: Task, data: LightningDataModule, *, draws: int, seed: int) -> list[Row]:
    """Test what a task states about its corruption, and that its losses call this function.

    Args:
        task: the task with its model.
        data: its data, of which one batch is used.
        draws: samples to draw.
        seed: the seed of the draws.
    """
    corruption = task.corruption()
    if corruption is None:
        why = "nothing is known to be tested"
        return [Row("training", "corruption", "skipped", _NONE, reason=why)]
    rows = [Row("training", "source", "note", f"{corruption.name}: {corruption.sha256[:12]}")]
    rows.append(_called(task, data, corruption))
    return rows + draw_and_test(corruption, draws=draws, seed=seed)


def _called(task: Task, data: LightningDataModule, corruption: Corruption) -> Row:
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    called = calls(corruption.functions, lambda: task.train().losses(batch))
    names = ", ".join(function.__qualname__ for function in corruption.functions)
    missing = [function.__qualname__ for function in corruption.functions if function not in called]
    if missing:
        value = f"the losses do not call {', '.join(missing)}"
        why = "what is registered must be what trains"
        return Row("training", "the losses call it", "broken", value, reason=why)
    return Row("training", "the losses call it", "kept", names)


def calls(
    functions: Sequence[Callable[..., Any]], act: Callable[[], object]
) -> list[Callable[..., Any]]:
    """Return those of some Python functions that run while something is done.

    Args:
        functions: functions or methods.
        act: what is done.
    """
    codes: dict[CodeType, Callable[..., Any]] = {
        function.__code__: function for function in functions
    }
    functions_run: list[Callable[..., Any]] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if (
            event == "call"
            and (function := codes.get(frame.f_code))
            and function not in functions_run
        ):
            functions_run.append(function)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        with torch.no_grad():
            act()
    finally:
        sys.setprofile(before)
    return functions_run
