"""The Python interface: attach a method, combine adapters, learn a sequence of tasks, diagnose.

`import scionwood_methods.peft` registers the methods for plain peft. The functions that a method
needs in a training loop of your own are in its folder, such as
`scionwood_methods.loft.calibration.calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch.nn as nn
from peft import PeftConfig, PeftModel, get_peft_model

from scionwood import RecipeError, load
from scionwood_methods import plugin
from scionwood_methods.composition import AdapterGates, composed
from scionwood_methods.continual.learn import learn_sequence
from scionwood_methods.diagnosis.meanfield import Diagnosis
from scionwood_methods.diagnosis.run import diagnose_run
from scionwood_methods.selection.run import ProxyRun, select_examples

__all__ = [
    "AdapterGates",
    "ProxyRun",
    "adapt",
    "composed",
    "diagnose",
    "learn_sequence",
    "method_config",
    "select_examples",
]

Method = Literal[
    "disel", "smoa", "gpart", "loft", "partial", "p2d_heads", "hellora", "peml", "igsp"
]
"""The names of the adapter methods of this plugin."""


def method_config(method: Method, options: Mapping[str, Any] | None = None) -> PeftConfig:
    """Return the peft config of a method.

    Args:
        method: the name of the method, without `methods/`.
        options: the options of its config class, such as `{"r": 8, "target_modules": ["0"]}`.

    Raises:
        RecipeError: there is no such method, or it has no such option.
        AdapterError: an option has a wrong value.

    Example:
        >>> from scionwood_methods.api import method_config
        >>> method_config("smoa", {"r": 4, "blocks": 2, "target_modules": ["0"]}).blocks
        2
    """
    if method not in plugin.adapters:
        rule = "it is not a method of this plugin"
        raise RecipeError(f"method {method!r}", rule, f"Known: {', '.join(plugin.adapters)}")
    kind: Any = load("adapters", f"methods/{method}")
    known = kind.__dataclass_fields__
    for key in options or {}:
        if key not in known:
            rule = f"{kind.__name__} has no such option"
            raise RecipeError(f"method {method!r}: option {key!r}", rule, "See its documentation")
    config: PeftConfig = kind(**(options or {}))
    return config


def adapt(model: nn.Module, method: Method, options: Mapping[str, Any] | None = None) -> PeftModel:
    """Attach a new adapter to a model, which is changed in place.

    Args:
        model: any model with layers that the method supports.
        method: the name of the method, without `methods/`.
        options: see `method_config`; `target_modules` names the layers.

    Returns:
        The model with the adapter, whose output is the same as before.

    Raises:
        RecipeError: there is no such method, or it has no such option.
        AdapterError: an option has a wrong value, or a layer is not supported.

    Example:
        >>> import torch
        >>> from scionwood_methods.api import adapt
        >>> base = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Linear(64, 8))
        >>> model = adapt(base, "disel", {"r": 4, "target_modules": ["0", "1"]})
        >>> model(torch.randn(16, 32)).shape
        torch.Size([16, 8])
    """
    model_with_adapter: PeftModel = get_peft_model(model, method_config(method, options))
    return model_with_adapter


def diagnose(run: str | Path) -> Diagnosis:
    """Return mean-field quantities of forgetting for each attention block of a run.

    Args:
        run: the run folder, or another reference to a run; see `scionwood.find_run`.

    Returns:
        The shifts of all heads and the drift of the tokens; a diagnostic, not a guarantee.

    Raises:
        TrainingError: the folder is not a finished run.
        AdapterError: the run has no adapter, no attention of a known kind, or no map to compare.

    Example:
        >>> from scionwood_methods.api import diagnose
        >>> diagnosis = diagnose("seismic/denoise")
        >>> worst = min(head.margin for block in diagnosis.shifts for head in block)
    """
    return diagnose_run(run)
