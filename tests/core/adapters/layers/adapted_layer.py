"""The model of a case with an adapter on its layer."""

from __future__ import annotations

from layer_cases import CASES, config_of, model_of, unsettle
from peft import PeftModel

from scionwood.adapters import attach


def adapted(name: str, method: str = "lora") -> PeftModel:
    model, inputs = model_of(CASES[name])
    tuned = attach(model, config_of(method, CASES[name]), head=(), example=inputs).eval()
    unsettle(tuned)
    return tuned
