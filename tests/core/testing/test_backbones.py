"""Backbone checks: the network, the time, the seed, and the description of a backbone."""

import pytest

from scionwood_kit import CheckFailure
from scionwood_kit.checks import backbones
from scionwood_kit.checks.backbones import (
    check_backbones_are_seeded,
    check_backbones_build_offline,
    check_backbones_describe_themselves,
)

BUILD = "    with torch.random.fork_rng"
SILENT_DOWNLOAD = """\
    import contextlib, urllib.request
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://127.0.0.1:9/weights.pt")
"""


def test_reports_a_download_even_if_its_failure_is_ignored(sample):
    sample.change("backbones.py", BUILD, SILENT_DOWNLOAD + BUILD)
    with pytest.raises(CheckFailure, match=r"asks for \('127.0.0.1', 9\): .*without the network"):
        check_backbones_build_offline(sample.plugin())


def test_a_slow_backbone_is_caught(sample, monkeypatch):
    monkeypatch.setattr(backbones, "LIMIT", 0.05)
    sample.change("backbones.py", BUILD, f"    import time; t = time.process_time()\n"
                  f"    while time.process_time() < t + 0.1: pass\n{BUILD}")  # fmt: skip
    with pytest.raises(CheckFailure, match=r"0.1 s: with its defaults it builds in 0.05 s"):
        check_backbones_build_offline(sample.plugin())


def test_a_backbone_is_a_module(sample):
    sample.change("backbones.py", "return Causal(width, depth, heads)", "return 3")
    with pytest.raises(CheckFailure, match=r"int: a backbone is a torch.nn.Module"):
        check_backbones_build_offline(sample.plugin())


def test_weights_from_the_global_generator_are_caught(sample):
    sample.change("backbones.py", "        torch.manual_seed(init_seed)\n", "")
    with pytest.raises(CheckFailure, match="built twice, its weights differ"):
        check_backbones_are_seeded(sample.plugin())


def test_moving_the_global_generator_is_caught(sample):
    sample.change("backbones.py", "with torch.random.fork_rng(devices=()):", "if True:")
    with pytest.raises(CheckFailure, match="draws from the global generator"):
        check_backbones_are_seeded(sample.plugin())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("adapter_targets: ClassVar", "targets: ClassVar", "adapter_targets is None"),
        (
            r"blocks\.\d+\.(up|down)",
            r"layers\.\d+",
            "matches the whole name of one or more modules",
        ),
        (r"blocks\.\d+\.(up|down)", r"blocks\.(", "is a regular expression"),
        ('head = ("readout",)', 'head = ("decoder",)', "head 'decoder': head names submodules"),
        ('"weights": "random, by init_seed"', '"weights": 3', "maps names to texts"),
        ("def example_input", "def sample_input", "it has no example_input"),
        ("return (torch.rand(2, 16, 1),)", "return torch.rand(2, 16, 1)", "gives Tensor"),
        ("self.norm(x))", "self.norm(x)) / 0", "finite tensors for example_input"),
    ],
)
def test_reports_faults_of_a_backbones_description(sample, old, new, message):
    sample.change("backbones.py", old, new)
    with pytest.raises(CheckFailure, match=message):
        check_backbones_describe_themselves(sample.plugin())
