"""The checks of what a plugin adds to the trainer: each rule is broken once."""

from __future__ import annotations

from typing import Any

import pytest

from scionwood_kit import CheckFailure
from scionwood_kit.checks.documentation import check_docstrings, check_signatures
from scionwood_kit.checks.layout import check_layout
from scionwood_kit.checks.trainer import check_trainer_parts_build, check_trainer_parts_run

PARTS = {
    "callbacks": '''
from lightning.pytorch.callbacks import Callback


class Count(Callback):
    """Counts batches, and writes how many there were.

    Args:
        every: print each such batch.
    """

    def __init__(self, *, every: int = 0) -> None:
        self.every, self.seen = every, 0

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx) -> None:
        self.seen += 1
''',
    "loggers": '''
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger


def table(folder: Path, *, name: str = "table") -> CSVLogger:
    """Return a logger that writes a table.

    Args:
        folder: the run folder.
        name: the folder of the table.
    """
    return CSVLogger(folder, name=name)
''',
    "optimizers": '''
from torch.optim import SGD


def plain(groups, backbone, *, momentum: float = 0.0) -> SGD:
    """Return stochastic gradient descent.

    Args:
        groups: parameter groups.
        backbone: the model.
        momentum: of the steps.

    Source: H. Robbins and S. Monro (1951).
    """
    return SGD(groups, momentum=momentum)
''',
    "schedules": '''
def halved(step: int, total: float, *, every: int = 10) -> float:
    """Halve the rate again and again.

    Args:
        step: since the warm-up.
        total: steps after it.
        every: steps between two halvings.

    Source: our own.
    """
    return 0.5 ** (step // every)
''',
}
NAMES = {
    "callbacks": ("count", "Count"),
    "loggers": ("table", "table"),
    "optimizers": ("plain", "plain"),
    "schedules": ("halved", "halved"),
}


@pytest.fixture
def parts(sample: Any) -> Any:
    """The sample with one component of each kind that the trainer takes."""
    lines = ""
    for kind, text in PARTS.items():
        sample.add(f"{kind}.py", f'"""One of the {kind}."""\n{text}')
        name, attribute = NAMES[kind]
        lines += f'    {kind}={{"{name}": "scionwood_sample.{kind}:{attribute}"}},\n'
    sample.change("__init__.py", '    recipes="', lines + '    recipes="')
    return sample


def test_sound_parts_pass_every_check_that_concerns_them(parts):
    plugin = parts.plugin()
    for check in (check_layout, check_docstrings, check_signatures):
        assert not check(plugin)
    assert not check_trainer_parts_build(plugin)
    assert not check_trainer_parts_run(plugin)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("callbacks", "class Count(Callback)", "class Count", "'count': Count: a callback is a"),
        (
            "callbacks",
            "self.every, self.seen = every, 0",
            "self.every, self.seen = every, 0\n"
            "        import contextlib, socket\n"
            "        with contextlib.suppress(OSError):\n"
            "            socket.create_connection(('192.0.2.1', 80))",
            "asks for .*192.0.2.1.* without the network",
        ),
        ("loggers", "return CSVLogger(folder, name=name)", "return folder", "Path: a logger is a"),
        ("loggers", "CSVLogger(folder, ", "CSVLogger('elsewhere', ", "it writes elsewhere"),
        ("optimizers", "return SGD(groups, momentum=momentum)", "return groups", "list: an optim"),
        ("optimizers", "SGD(groups,", "SGD(groups[0]['params'][:1], 1,", "1 tensors of 2"),
        ("schedules", "step // every", "1 + step // every", "0.5 of 1 steps: .* at step 0 is 1"),
        ("schedules", "0.5 ** (step // every)", "1.0 - step", "step 50 of 100: -49: a share is"),
        ("schedules", "0.5 ** (step // every)", "1 - step / total * float('nan')", "nan"),
    ],
)
def test_a_part_that_breaks_its_contract_is_named(parts, file, old, new, message):
    parts.change(f"{file}.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check_trainer_parts_build(parts.plugin())


@pytest.mark.parametrize(("rate", "message"), [("0.0", "no weight moved"), ("1e30", "the loss is")])
def test_a_part_that_fails_in_a_run_is_named(parts, rate, message):
    parts.change("optimizers.py", "SGD(groups,", f"SGD([{{**g, 'lr': {rate}}} for g in groups],")
    with pytest.raises(CheckFailure, match=message):
        check_trainer_parts_run(parts.plugin())


def test_an_error_of_a_callback_in_a_run_keeps_its_traceback(parts):
    parts.change("callbacks.py", "self.seen += 1", 'raise ValueError("boom")')
    with pytest.raises(ValueError, match="boom"):
        check_trainer_parts_run(parts.plugin())
