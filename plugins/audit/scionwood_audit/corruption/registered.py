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
    own = task.corruption()
    try:
        stated = adapters.read_json(folder / "scionwood.json").get("corruption")
    except ScionwoodError:  # a run without an adapter states nothing
        stated = None
    trained = stated.get("sha256") if isinstance(stated, dict) else None
    name = "source of the corruption"
    if own is None:
        why = "its training changes no sample, or the field has not registered how"
        return [Row("training", name, "note", _NONE, reason=why)]
    if trained is None:
        why = "an earlier version saved the run"
        return [Row("training", name, "skipped", f"{own.name}: not stated", reason=why)]
    if trained != own.sha256:
        value = f"{own.name}: {str(trained)[:12]} trained it, {own.sha256[:12]} is installed"
        why = "another source than the installed one corrupted the samples of this run"
        return [Row("training", name, "broken", value, reason=why)]
    return [Row("training", name, "kept", f"{own.name}: {trained[:12]}")]


def of_recipe(task: Task, data: LightningDataModule, *, draws: int, seed: int) -> list[Row]:
    """Test what a task states about its corruption, and that its losses call this function.

    Args:
        task: the task with its model.
        data: its data, of which one batch is used.
        draws: samples to draw.
        seed: the seed of the draws.
    """
    own = task.corruption()
    if own is None:
        why = "nothing is known to be tested"
        return [Row("training", "corruption", "skipped", _NONE, reason=why)]
    rows = [Row("training", "source", "note", f"{own.name}: {own.sha256[:12]}")]
    rows.append(_called(task, data, own))
    return rows + draw_and_test(own, draws=draws, seed=seed)


def _called(task: Task, data: LightningDataModule, own: Corruption) -> Row:
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    called = calls(own.functions, lambda: task.train().losses(batch))
    names = ", ".join(each.__qualname__ for each in own.functions)
    missing = [each.__qualname__ for each in own.functions if each not in called]
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
    codes: dict[CodeType, Callable[..., Any]] = {each.__code__: each for each in functions}
    seen: list[Callable[..., Any]] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and (each := codes.get(frame.f_code)) and each not in seen:
            seen.append(each)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        with torch.no_grad():
            act()
    finally:
        sys.setprofile(before)
    return seen
