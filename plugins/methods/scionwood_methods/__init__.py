"""Recent adapter methods as tuners of peft; `import scionwood_methods.peft` registers them all."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="methods",
    summary="Recent adapter methods for any torch model, composition and continual learning",
    adapters={
        "disel": "scionwood_methods.disel:DiselConfig",
        "smoa": "scionwood_methods.smoa:SmoaConfig",
        "gpart": "scionwood_methods.gpart:GpartConfig",
        "loft": "scionwood_methods.loft:LoftConfig",
        "partial": "scionwood_methods.partial:PartialConfig",
        "p2d_heads": "scionwood_methods.head_slices:HeadSliceConfig",
        "hellora": "scionwood_methods.experts:HelloraConfig",
    },
    commands={"diagnose": "scionwood_methods.diagnose:diagnose"},
)
