"""Mark the saved adapters that peft alone cannot open, so that it refuses them by name.

In their files the `peft_type` is a sentence that tells how to open the folder. peft does not know
such a type, and shows it in its error.
"""

from __future__ import annotations

from typing import Any

from peft import PeftConfig, PeftModel

from scionwood.adapters.experts import stays
from scionwood.adapters.head import backbone
from scionwood.adapters.layers.attention import StandIn, fast_paths
from scionwood.adapters.layers.tuners import LAYERS_ATTRIBUTE, TUNERS, peft_cannot_open
from scionwood.adapters.modules import tuner_layers
from scionwood.adapters.sources import asks_for_attention

HOW = "open this folder with scionwood.load_adapter"
MARKED = {kind: f"SCIONWOOD_{kind}: {HOW}" for kind in TUNERS}
"""The `peft_type` in the files, by the type in memory."""


def marked(record: dict[str, Any], model: PeftModel, name: str) -> dict[str, Any]:
    """Return a record of a saved adapter, marked if peft alone cannot open the adapter.

    Args:
        record: The content of `adapter_config.json` or `scionwood.json`.
        model: A model with adapters.
        name: The name of the adapter.
    """
    kind = getattr(record["peft_type"], "value", record["peft_type"])
    layers = {
        key: layer
        for key, layer in tuner_layers(model).items()
        if name in layer._all_available_adapter_names()
    }
    bypassed = fast_paths(backbone(model), layers)
    foreign = bypassed or any(map(peft_cannot_open, layers.values()))
    for key, layer in layers.items():  # the attention of peft is none for `isinstance`
        if isinstance(layer, StandIn) and asks_for_attention(backbone(model), key):
            foreign = True
    if kind in MARKED and (foreign or not stays(model, model.peft_config[name])):
        return {**record, "peft_type": MARKED[kind]}
    return record


def unmarked(kind: Any) -> Any:
    """Return the type in memory for the `peft_type` of a file.

    Example:
        >>> from scionwood.adapters.layers.marks import MARKED, unmarked
        >>> unmarked(MARKED["LORA"]), unmarked("LORA")
        ('LORA', 'LORA')
    """
    return next((plain for plain, written in MARKED.items() if written == kind), kind)


def take_layers_of_file(config: PeftConfig, kind: Any) -> None:
    """Let a config build the layers that its file was written with.

    Args:
        config: The config of a saved adapter.
        kind: The `peft_type` in the file.
    """
    setattr(config, LAYERS_ATTRIBUTE, kind in MARKED.values())
