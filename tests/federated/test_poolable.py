"""Which methods may be pooled: what a config declares is what its weights do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from case_table import table
from peft import LoraConfig, PeftConfig, get_peft_model
from peft.tuners.lora.config import KasaConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from scionwood_federated import FederationError, Site, Update, apply, poolable
from scionwood_federated.update.together import check_together
from scionwood_methods.disel import DiselConfig
from scionwood_methods.gpart.tuner import GpartConfig
from scionwood_methods.loft.tuner import LoftConfig
from scionwood_methods.p2d_heads.tuner import HeadSliceConfig
from scionwood_methods.partial import PartialConfig
from scionwood_methods.smoa import SmoaConfig


class Net(nn.Module):
    """Two layers with fixed weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(12, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        return self.second(torch.relu(self.first(x)))


def merged(config: PeftConfig, adapter: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the net with an adapter merged into them."""
    model = get_peft_model(Net(), config)
    set_peft_model_state_dict(model, dict(adapter))
    whole = model.merge_and_unload()
    return {name: value.detach() for name, value in whole.named_parameters()}


def updates(config: PeftConfig) -> list[Update]:
    """Return the updates of two sites, with random values in whatever may train."""
    model = get_peft_model(Net(), config)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    names = {name for name, p in model.state_dict(keep_vars=True).items() if id(p) in trained}
    out = []
    for site in ("north", "south"):
        torch.manual_seed(len(out) + 1)
        with torch.no_grad():
            for name, value in model.state_dict(keep_vars=True).items():
                if name in names:
                    value.copy_(torch.randn_like(value) / 4)
        state = {k: v.clone() for k, v in get_peft_model_state_dict(model).items()}
        about = Site(site, 10, 1, 1, "start", "base", "recipe", "data")
        out.append(Update(about, config, state, {}))
    return out


LAYERS = ["first", "second"]
METHODS = {
    "gpart": GpartConfig(target_modules=LAYERS, d=32),
    "fastfood": GpartConfig(target_modules=LAYERS, d=32, projection="fastfood"),
    "smoa": SmoaConfig(target_modules=LAYERS, r=8),
    "partial": PartialConfig(target_modules=LAYERS),
    "lora": LoraConfig(target_modules=LAYERS, r=4),
}


@table("name", METHODS)
def test_the_exact_rule_gives_the_mean_of_the_merged_weights(name):
    config = METHODS[name]
    sent = updates(config)
    check_together(sent, "exact")
    weights = [0.25, 0.75]
    pooled = apply("exact", sent, weights, sent[0])
    each = [merged(config, dict(update.adapter)) for update in sent]
    got = merged(config, dict(pooled.adapter))
    energy = error = 0.0
    for layer, value in got.items():
        want = weights[0] * each[0][layer] + weights[1] * each[1][layer]
        base = Net().state_dict()[layer]
        error += float((value - want).square().sum())
        energy += float((want - base).square().sum())
    if poolable(config) == "mean":
        assert error < 1e-10 * energy
    else:  # a product loses what the rank cannot hold, and not more
        assert error <= 3 * pooled.lost * energy
        assert pooled.lost < 0.5


def test_methods_without_a_meaningful_mean_are_refused():
    assert poolable(HeadSliceConfig(target_modules=LAYERS)) == "mean"
    kasa = LoraConfig(target_modules=LAYERS, kasa_config=KasaConfig())  # B diag(d) A, not B A
    for config in (kasa, *(kind(target_modules=LAYERS) for kind in (DiselConfig, LoftConfig))):
        assert poolable(config) == "no"
        sent = [replace(each, config=config) for each in updates(METHODS["lora"])]
        with pytest.raises(FederationError, match="averages of its parameters mean nothing"):
            check_together(sent, "exact")
