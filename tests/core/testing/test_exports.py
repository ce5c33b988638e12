"""The check of exports: what cannot run without Scionwood is named."""

import pytest

from scionwood_kit import CheckFailure
from scionwood_kit.checks.exports import check_exports

READOUT = "        return self.readout(self.norm(x))"


def test_a_choice_by_value_cannot_be_traced(sample):
    sample.change("backbones.py", READOUT, f"        x = x if x.mean() > 0 else -x\n{READOUT}")
    with pytest.raises(CheckFailure, match=r"exported \(model Causal: torch.export cannot trace"):
        check_exports(sample.plugin())


def test_an_operator_of_the_plugin_is_refused(sample):
    own = """
@torch.library.custom_op("sample::double", mutates_args=())
def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@double.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


class Causal"""
    sample.change("backbones.py", "\nclass Causal", own)
    sample.change(
        "backbones.py",
        READOUT,
        f"        x = x if torch.is_grad_enabled() else double(x)\n{READOUT}",
    )
    with pytest.raises(CheckFailure, match="its graph calls sample::double, which other programs"):
        check_exports(sample.plugin())


def test_an_output_that_the_graph_cannot_follow_is_seen(sample):
    count = "        self.calls = getattr(self, 'calls', 0) + 1\n"
    sample.change("backbones.py", READOUT, f"{count}{READOUT} * self.calls")
    with pytest.raises(CheckFailure, match=r"it differs from the run by \S+, and 1e-05 is allowed"):
        check_exports(sample.plugin())
