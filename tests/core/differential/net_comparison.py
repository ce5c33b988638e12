"""Compare scionwood with plain peft on one drawn net."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import net_grammar
import torch
from net_drawing import Drawn
from peft import get_peft_model
from torch import Tensor, nn

import scionwood
from scionwood import kernels
from scionwood.errors import AdapterError

TOLERANCE = {False: 1e-3, True: 0.1}
"""The largest relative error of an output or a gradient, without and with bfloat16."""

Values = dict[str, Tensor]


class Side(NamedTuple):
    """What one side computed; an error stands in the place of values."""

    fresh: Values | str
    steps: list[Values | str]
    trained: Values | str
    merged: Values | str
    back: Values | str


def words() -> dict[str, Any]:
    """Return the names that the lines of a net use."""
    return {name: getattr(net_grammar, name) for name in net_grammar.__all__}


def build(drawn: Drawn, attach: Callable[[nn.Module, Any], Any]) -> Any:
    """Return a net with its adapter and hooks, kernels off; `attach` puts the adapter on it."""
    names = words()
    torch.manual_seed(drawn.seed)
    names["net"] = eval(drawn.net, names)  # noqa: S307  # lines that `draw` wrote
    for line in (*drawn.before, f"config = {drawn.config}"):
        exec(line, names)  # noqa: S102
    names["tuned"] = attach(names["net"], names["config"])
    for line in drawn.after:
        exec(line, names)  # noqa: S102
    names["tuned"].words = names
    return names["tuned"]


def differences(drawn: Drawn, folder: Path | None = None) -> list[str]:
    """Return how scionwood differs from peft; nothing if they agree.

    Args:
        drawn: The net.
        folder: Where both adapters and the output of peft are saved for a fresh process.
    """
    with warnings.catch_warnings(), mock.patch("torch.nn.functional.dropout", net_grammar.dropped):
        warnings.simplefilter("ignore")
        theirs = _side(drawn, _peft, folder)
        ours = _side(drawn, _scionwood, folder)
    if isinstance(ours, str) or isinstance(theirs, str):
        return _refused(ours, theirs)
    pairs = [("fresh", ours.fresh, theirs.fresh), ("trained", ours.trained, theirs.trained)]
    for at, (one, other) in enumerate(zip(ours.steps, theirs.steps, strict=True)):
        pairs.append((f"step {at}", one, other))
    made = [text for name, *both in pairs for text in _compared(name, *both, drawn.amp)]
    return made or _merges(ours, theirs)


def _refused(ours: Any, theirs: Any) -> list[str]:
    if isinstance(ours, str) and isinstance(theirs, str):
        return []
    if isinstance(ours, str) and "it shares its memory with" in ours:
        return []  # peft adapts one of the two places, or both, as its version goes
    return [f"attach: scionwood {_short(ours)}, peft {_short(theirs)}"]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else "works"


def _compared(name: str, ours: Values | str, theirs: Values | str, amp: bool) -> list[str]:
    if isinstance(theirs, str):
        return []  # also if ours works: it does not need what was changed in place
    if isinstance(ours, str):
        return [f"{name}: {ours}"]
    if ours.keys() != theirs.keys():
        return [f"{name}: only one side has {sorted(ours.keys() ^ theirs.keys())}"]
    errors = {key: error(ours[key], theirs[key]) for key in theirs}
    return [f"{name}, {key}: error {e:.2g}" for key, e in errors.items() if not e <= TOLERANCE[amp]]


def error(value: Tensor, expected: Tensor) -> float:
    """Return the relative error of a tensor; NaN in the same places is no error."""
    value, expected = value.double(), expected.double()
    if torch.equal(value.isnan(), expected.isnan()):
        value, expected = value.nan_to_num(), expected.nan_to_num()
    floor = 1e-6 * expected.numel() ** 0.5
    return float((value - expected).norm() / (expected.norm() + floor))


def _merges(ours: Side, theirs: Side) -> list[str]:
    """Compare a merge with what the adapter computed; a refusal needs a reason in peft's result."""
    if isinstance(ours.trained, str) or isinstance(theirs.trained, str):
        return []
    right = not isinstance(theirs.merged, str) and not _compared(
        "", theirs.merged, theirs.trained, False
    )
    if isinstance(ours.merged, str):
        return [f"merge is refused without need: {ours.merged}"] if right else []
    return [
        *_compared("merged", ours.merged, ours.trained, False),
        *_compared("unmerged", ours.back, ours.trained, False),
    ]


def _side(drawn: Drawn, kind: Any, folder: Path | None) -> Side | str:
    with net_grammar.alone():
        try:
            tuned = build(drawn, kind.attach)
        except Exception as problem:  # what it refuses is compared too
            return f"{type(problem).__name__}: {problem}"
        net_grammar.fill(tuned)
        kind.enable(tuned, drawn.recompute)
        for line in drawn.later:
            exec(line, tuned.words)  # noqa: S102

        def tried(train: bool = False, amp: bool = drawn.amp) -> Values | str:
            tuned.zero_grad()
            return _tried(lambda: copy.deepcopy(net_grammar.run(tuned, amp=amp, train=train)))

        fresh = tried()
        if folder is not None and not isinstance(fresh, str):
            kind.save(tuned, folder / kind.__name__)
            torch.save(fresh, folder / f"{kind.__name__}.pt")
        steps = [tried(train=True), tried(train=True)]
        trained = tried(amp=False)
        merged = _tried(lambda: kind.merge(tuned)) or tried(amp=False)
        if not isinstance(merged, str):
            kind.unmerge(tuned)
        return Side(fresh, steps, trained, merged, tried(amp=False))


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (RuntimeError, ValueError, TypeError, NotImplementedError, AssertionError) as problem:
        return f"{type(problem).__name__}: {problem}"


class _peft:  # noqa: N801
    @staticmethod
    def attach(net: nn.Module, config: Any) -> Any:
        return get_peft_model(net, config)

    @staticmethod
    def enable(tuned: Any, recompute: str) -> None:
        """Leave the forward of peft."""

    @staticmethod
    def save(tuned: Any, folder: Path) -> None:
        tuned.save_pretrained(str(folder))

    @staticmethod
    def merge(tuned: Any) -> None:
        tuned.merge_adapter(safe_merge=True)

    @staticmethod
    def unmerge(tuned: Any) -> None:
        tuned.unmerge_adapter()


class _scionwood:  # noqa: N801
    @staticmethod
    def attach(net: nn.Module, config: Any) -> Any:
        return scionwood.attach(net, config, head=())

    @staticmethod
    def enable(tuned: Any, recompute: Any) -> None:
        kernels.enable(tuned, recompute=recompute)

    @staticmethod
    def save(tuned: Any, folder: Path) -> None:
        scionwood.save_adapter(tuned, folder)

    @staticmethod
    def merge(tuned: Any) -> None:
        scionwood.merge(tuned)

    @staticmethod
    def unmerge(tuned: Any) -> None:
        scionwood.unmerge(tuned)


assert issubclass(AdapterError, ValueError)  # so that `_tried` sees refusals
