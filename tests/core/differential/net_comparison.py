"""Compare scionwood with plain peft on one drawn net."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import net_actions
import net_grammar
import torch
from net_drawing import Drawn
from peft import get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

import scionwood
from scionwood import kernels
from scionwood.errors import AdapterError

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
    net_actions.seed(drawn.seed)
    names["net"] = eval(drawn.net, names)  # lines that `draw` wrote
    for line in (*drawn.before, f"config = {drawn.config}"):
        exec(line, names)
    names["tuned"] = attach(names["net"], names["config"])
    for line in drawn.after:
        exec(line, names)
    names["tuned"].words = names
    return names["tuned"]


def differences(drawn: Drawn, folder: Path | None = None) -> list[str]:
    """Return how scionwood differs from peft; nothing if they agree.

    Args:
        drawn: The net.
        folder: Where both adapters and the output of peft are saved for a fresh process.
    """
    with warnings.catch_warnings(), mock.patch("torch.nn.functional.dropout", net_actions.dropped):
        warnings.simplefilter("ignore")
        theirs = _side(drawn, Unfused if drawn.beyond else Peft, folder)
        ours = _side(drawn, Scionwood, folder)
    if isinstance(ours, str) or isinstance(theirs, str):
        return _refused(drawn, ours, theirs)
    if drawn.beyond and isinstance(ours.fresh, str):
        return [f"scionwood fails: {ours.fresh}"]
    pairs = [("fresh", ours.fresh, theirs.fresh), ("trained", ours.trained, theirs.trained)]
    for at, (one, other) in enumerate(zip(ours.steps, theirs.steps, strict=True)):
        pairs.append((f"step {at}", one, other))
    made = [text for name, *both in pairs for text in compared(name, *both, drawn.amp)]
    return made or _merges(drawn, ours, theirs)


def _refused(drawn: Drawn, ours: Any, theirs: Any) -> list[str]:
    if isinstance(ours, str) and "it shares its memory with" in ours:
        return []  # peft adapts one of the two places, or both, as its version goes
    if "adds its change once more at each call" in str(ours) and _grows(theirs):
        return []
    both, more = isinstance(ours, str), "is not supported. Currently" in str(theirs)
    if isinstance(theirs, str) and not drawn.beyond and (both or more):
        return []  # or scionwood adapts more kinds of layers
    return [f"attach: scionwood {_short(ours)}, peft {_short(theirs)}"]


def _grows(side: Any) -> bool:
    """Return whether the outputs without training are others at the end than at the start."""
    if isinstance(side, str) or isinstance(side.fresh, str) or isinstance(side.trained, str):
        return False
    return bool(compared("", {"output": side.trained["output"]}, side.fresh))


def _short(value: Any) -> str:
    return value if isinstance(value, str) else "works"


def compared(
    name: str, ours: Values | str, theirs: Values | str, amp: bool = False, bound: float = 1e-3
) -> list[str]:
    if isinstance(theirs, str):
        return []  # also if ours works: it does not need what was changed in place
    if isinstance(ours, str):
        return [f"{name}: {ours}"]
    if ours.keys() != theirs.keys():
        return [f"{name}: only one side has {sorted(ours.keys() ^ theirs.keys())}"]
    bound = 0.25 if amp else bound
    largest = max(float(value.double().norm()) for value in theirs.values())
    floor = (0.05 if amp else 1e-5) * largest
    errors = {key: error(ours[key], theirs[key], floor) for key in theirs}
    return [f"{name}, {key}: error {e:.2g}" for key, e in errors.items() if not e <= bound]


def error(value: Tensor, expected: Tensor, floor: float) -> float:
    """Return the relative error of a tensor; NaN in the same places is no error.

    The floor is the norm below which a difference does not count: behind a softmax, gradients
    cancel up to the rounding of larger ones.
    """
    value, expected = value.double(), expected.double()
    if torch.equal(value.isnan(), expected.isnan()):
        value, expected = value.nan_to_num(), expected.nan_to_num()
    return float((value - expected).norm() / (expected.norm() + floor + 1e-9))


def _merges(drawn: Drawn, ours: Side, theirs: Side) -> list[str]:
    """Compare a merge with what the adapter computed; a refusal needs a reason in peft's result."""
    if isinstance(ours.trained, str) or isinstance(theirs.trained, str):
        return []
    right = not isinstance(theirs.merged, str) and not compared(
        "", theirs.merged, theirs.trained, bound=1e-5
    )
    if isinstance(ours.merged, str):
        if right:
            return [f"merge is refused without need: {ours.merged}"]
        named = "computed at each call by" in ours.merged
        if any(line.startswith("change_weight") for line in drawn.before) and not named:
            return [f"merge is refused without what computes the weight: {ours.merged}"]
        return []
    return [
        *compared("merged", ours.merged, ours.trained),
        *compared("unmerged", ours.back, ours.trained),
    ]


def _side(drawn: Drawn, kind: Any, folder: Path | None) -> Side | str:
    with net_actions.alone():
        try:
            tuned = build(drawn, kind.attach)
        except Exception as problem:  # what it refuses is compared too
            return f"{type(problem).__name__}: {problem}"
        net_actions.fill(tuned)
        kind.enable(tuned, drawn.recompute)
        for line in drawn.later:
            exec(line, tuned.words)

        def tried(train: bool = False, amp: bool = drawn.amp) -> Values | str:
            tuned.zero_grad()
            return _tried(lambda: copy.deepcopy(net_actions.run(tuned, amp=amp, train=train)))

        fresh = tried()
        if folder is not None and not isinstance(fresh, str):
            kind.save(tuned, folder / kind.__name__)
            torch.save((drawn, fresh["output"]), folder / f"{kind.__name__}.pt")
        steps = [tried(train=True)]
        for line in drawn.then:
            exec(line, tuned.words)
        steps.append(tried(train=True))
        trained = _tried(lambda: _layers(tuned))
        merged = _tried(lambda: kind.merge(tuned)) or _tried(lambda: _layers(tuned))
        if not isinstance(merged, str):
            kind.unmerge(tuned)
        return Side(fresh, steps, trained, merged, _tried(lambda: _layers(tuned)))


def _layers(tuned: Any) -> Values:
    """Return the output of a model and of each layer with an adapter, without gradients."""
    made: Values = {}

    def note(name: str) -> Any:
        return tuned.get_submodule(name).register_forward_hook(
            lambda layer, inputs, output: made.update(
                {name: output.detach().clone()} if isinstance(output, Tensor) else {}
            )
        )

    named = [name for name, each in tuned.named_modules() if isinstance(each, BaseTunerLayer)]
    notes = [note(name) for name in named]
    try:
        return net_actions.run(tuned, train=False) | made
    finally:
        for handle in notes:
            handle.remove()


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (RuntimeError, ValueError, TypeError, NotImplementedError, AssertionError) as problem:
        return f"{type(problem).__name__}: {problem}"


class Peft:
    """Plain peft."""

    attach = staticmethod(get_peft_model)

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


class Scionwood:
    """scionwood with its kernels."""

    @staticmethod
    def attach(net: nn.Module, config: Any) -> Any:
        return scionwood.attach(net, config, head=())

    @staticmethod
    def enable(tuned: Any, recompute: Any) -> None:
        kernels.enable(tuned, recompute=recompute)

    save = staticmethod(scionwood.save_adapter)
    merge = staticmethod(scionwood.merge)
    unmerge = staticmethod(scionwood.unmerge)


class Unfused(Scionwood):
    """scionwood without its kernels."""

    @staticmethod
    def enable(tuned: Any, recompute: Any) -> None:
        """Leave the forward of the layers."""


assert issubclass(AdapterError, ValueError)  # so that `_tried` sees refusals
