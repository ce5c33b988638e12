"""The toy field: a frozen random network learns a random regression."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="toy",
    summary="Regression on random numbers, for tests",
    api=1,
    backbones={"mlp": "scionwood_toy.parts:mlp", "stored": "scionwood_toy.stored:stored"},
    data={"regression": "scionwood_toy.parts:RegressionData"},
    tasks={"regress": "scionwood_toy.parts:Regress", "slope": "scionwood_toy.slopes:Slope"},
    recipes="scionwood_toy.recipes",
    bases="scionwood_toy.bases",
    rooms=("child", "parts", "slopes", "stored"),
)
