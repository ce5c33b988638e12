"""Register every method with peft: `import scionwood_methods.peft`, then use peft as usual.

`peft.PeftModel.from_pretrained` looks up the `peft_type` of the saved config, which must be
registered before. Recipes and `scionwood.load_adapter` do not need this import.
"""

from __future__ import annotations

from scionwood_methods.disel import DiselConfig
from scionwood_methods.gpart.tuner import GpartConfig
from scionwood_methods.hellora.tuner import HelloraConfig
from scionwood_methods.igsp.tuner import IgspConfig
from scionwood_methods.loft.tuner import LoftConfig
from scionwood_methods.p2d_heads.tuner import HeadSliceConfig
from scionwood_methods.partial import PartialConfig
from scionwood_methods.peml.tuner import PemlConfig
from scionwood_methods.smoa import SmoaConfig

__all__ = [
    "DiselConfig",
    "GpartConfig",
    "HeadSliceConfig",
    "HelloraConfig",
    "IgspConfig",
    "LoftConfig",
    "PartialConfig",
    "PemlConfig",
    "SmoaConfig",
]
