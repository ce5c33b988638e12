"""Recent adapter methods for peft; `import scionwood_methods.peft` registers all of them."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="methods",
    summary="Recent adapter methods for any torch model, composition and continual learning",
    adapters={
        "disel": "scionwood_methods.disel:DiselConfig",
        "smoa": "scionwood_methods.smoa:SmoaConfig",
        "gpart": "scionwood_methods.gpart.tuner:GpartConfig",
        "loft": "scionwood_methods.loft.tuner:LoftConfig",
        "partial": "scionwood_methods.partial:PartialConfig",
        "p2d_heads": "scionwood_methods.p2d_heads.tuner:HeadSliceConfig",
        "hellora": "scionwood_methods.hellora.tuner:HelloraConfig",
        "peml": "scionwood_methods.peml.tuner:PemlConfig",
        "igsp": "scionwood_methods.igsp.tuner:IgspConfig",
    },
    commands={
        "diagnose": "scionwood_methods.verbs.diagnose:diagnose",
        "select": "scionwood_methods.verbs.select:select_examples",
        "sequence": "scionwood_methods.verbs.sequence:learn_sequence",
    },
    bases="scionwood_methods.bases",
    optimizers={"lora_plus": "scionwood_methods.lora_plus:lora_plus"},
    rooms=(
        *(
            "attachment",
            "composition",
            "continual",
            "diagnosis",
            "flux2_klein",
            "lora_plus",
            "peft",
        ),
        *("selection", "shared", "trials"),
    ),
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
