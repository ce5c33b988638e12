import pytest
import torch
from case_table import table

from scionwood import AdapterError, attach, load_adapter, save_adapter
from scionwood_audio.adapters.text_bridge import (
    Bridge,
    TextBridgeConfig,
    bridges,
    centre,
    gate_spread,
)
from scionwood_audio.backbones import AudioVisual

SMALL = {"side": 28, "seconds": 2}


@pytest.fixture
def towers():
    return AudioVisual(**SMALL).eval()


def awake(towers, **options):
    """Return a bridge whose W_u is not zero."""
    torch.manual_seed(0)
    model = attach(towers, TextBridgeConfig(**options), targets="junctions").eval()
    for _, bridge in bridges(model):
        torch.nn.init.normal_(bridge.up.weight, std=0.3)
    return model


@torch.no_grad()
def output(model, text=None):
    return model(*model.example_input(), text)


def test_an_attached_bridge_is_the_identity(towers):
    before = output(towers)
    model = attach(towers, TextBridgeConfig(), targets="junctions").eval()
    assert torch.equal(output(model), before)


def test_a_saved_bridge_with_its_centre_loads_exactly(towers, tmp_path):
    model = awake(towers)
    centre(model, *model.stem(*model.example_input()))
    save_adapter(model, tmp_path / "adapter")
    again = load_adapter(AudioVisual(**SMALL).eval(), tmp_path / "adapter").eval()
    assert torch.equal(output(again), output(model))


def test_the_order_of_the_rows_of_text_changes_only_rounding(towers):
    model = awake(towers)
    turned = output(model, model.table[[2, 0, 3, 1]])
    torch.testing.assert_close(turned, output(model), atol=1e-5, rtol=0)


@table(
    "what, texts",
    [("foreign words", ["tax", "angle", "oxygen", "carpet"]), ("one name", ["rising"])],
)
def test_other_text_changes_the_output(what, texts):
    model = awake(AudioVisual(**SMALL).eval())
    change = (output(model, model.embed(texts)) - output(model)).abs().max()
    assert change > 1e-4


def test_clips_may_have_a_text_each(towers):
    model = awake(towers)
    rows = model.embed(["rising", "falling"])[:, None]
    both = output(model, rows)
    alone = output(model, rows[1:].expand(2, -1, -1))
    torch.testing.assert_close(both[1], alone[1], atol=1e-5, rtol=0)
    assert (both[0] - alone[0]).abs().max() > 1e-4


def test_without_text_there_is_no_gate(towers):
    model = awake(towers, gated=False)
    assert not gate_spread(model, lambda: output(model))
    assert torch.equal(output(model, model.embed(["tax", "angle"])), output(model))


@table("temperature, whole", [(0.1, False), (None, True)])
def test_a_second_may_ask_for_no_row_if_there_is_a_temperature(temperature, whole):
    bridge = Bridge(8, 8, 8, TextBridgeConfig(width=4, temperature=temperature))
    query, key = torch.randn(1, 3, 4), torch.randn(5, 4)
    total = bridge.attention(query, key).sum(-1)
    assert bool((total > 1 - 1e-6).all()) is whole


def test_centring_makes_what_differs_between_seconds_visible(towers):
    constant = torch.randn(64, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(4, 2, 1, 64, generator=torch.Generator().manual_seed(1))
    states = 5 * constant + 0.2 * noise  # towers say much that is the same in every second
    spreads = []
    for centred in (False, True):
        model = awake(AudioVisual(**SMALL).eval())
        if centred:
            centre(model, states, states)
        junction = model.get_submodule("base_model.model.junctions.0")
        spread = gate_spread(model, lambda: junction(states, states, model.table))  # noqa: B023
        spreads.append(min(spread.values()))
    assert spreads[1] > 3 * spreads[0]


def test_a_bridge_goes_into_junctions_only(towers):
    with pytest.raises(AdapterError, match="lies between two towers"):
        attach(towers, TextBridgeConfig(), targets=r"encoder\.conv1")


@table(
    "name, options, rule",
    [("width", {"width": 0}, "at least 1"), ("temperature", {"temperature": 0.0}, "above 0")],
)
def test_impossible_options_are_refused(name, options, rule):
    with pytest.raises(AdapterError, match=rule):
        TextBridgeConfig(**options)


def test_a_bridge_is_not_merged(towers):
    with pytest.raises(NotImplementedError, match="depends on its inputs"):
        awake(towers).merge_and_unload()
