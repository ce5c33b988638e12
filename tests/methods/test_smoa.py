"""SMoA: it equals HiRA with one block; its orders are saved and never computed again."""

import pytest
import torch
from case_table import table
from method_layers import (
    adapted,
    bare,
    config,
    example,
    plain,
    unsettle,
)
from peft import HiraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from scionwood import AdapterError, AdapterFileError, attach, load_adapter, save_adapter
from scionwood.adapters import state_hash, tensors_hash
from scionwood_methods.smoa import SmoaConfig, spectral_order


@table("kind", ["Linear", "Conv1d", "Conv2d", "Conv3d"])
def test_one_block_gives_hira(kind):
    x, options = example(kind), {"blocks": 1, "alpha": 4.0}
    model = unsettle(get_peft_model(plain(kind), config("smoa", kind, **options)))
    hira = get_peft_model(plain(kind), HiraConfig(r=4, target_modules=["first", "second"]))
    for name in ("first", "second"):
        ours, theirs = getattr(model.base_model.model, name), getattr(hira.base_model.model, name)
        for key in ("A", "B"):
            own, other = getattr(ours, f"smoa_{key}"), getattr(theirs, f"hira_{key}")["default"]
            other.data = own["default"][0].detach().reshape(other.shape)
    torch.testing.assert_close(model(x), hira(x))
    model.merge_adapter()
    hira.merge_adapter()
    torch.testing.assert_close(
        model.base_model.model.second.weight, hira.base_model.model.second.weight
    )


@table("kind", ["Linear", "Conv2d"])
@table("blocks", [1, 2, 3])
def test_update_is_block_diagonal_in_the_spectral_order(kind, blocks):
    model = unsettle(adapted("smoa", kind, blocks=blocks, alpha=8.0))
    layer = model.base_model.model.first
    weight = layer.base_layer.weight.flatten(1)
    order = layer.smoa_order["default"]
    if blocks > 1:
        rows, cols = spectral_order(weight.detach())
        assert torch.equal(order.rows.long(), rows)
        assert torch.equal(order.cols.long(), cols)
    expected = torch.zeros_like(weight)
    pieces = zip(order.rows.tensor_split(blocks), order.cols.tensor_split(blocks), strict=True)
    for k, (rows, cols) in enumerate(pieces):
        product = layer.smoa_B["default"][k] @ layer.smoa_A["default"][k]
        for i, row in enumerate(rows):
            for j, col in enumerate(cols):
                expected[row, col] = 8 / 4 * product[i, j] * weight[row, col]
    torch.testing.assert_close(layer.get_delta_weight("default").flatten(1), expected.detach())


def test_rows_are_sorted_by_their_singular_values():
    u, _ = torch.linalg.qr(torch.randn(6, 6))
    leading = torch.diag(torch.tensor([9.0, 8, 7, 6, 5, 4]))[torch.tensor([3, 0, 5, 1, 4, 2])]
    rows, cols = spectral_order(leading)
    assert rows.tolist() == [1, 3, 5, 0, 4, 2]
    assert cols.tolist() == [0, 1, 2, 3, 4, 5]
    rows, _ = spectral_order(torch.cat([torch.zeros(1, 6), u]))
    assert sorted(rows.tolist()) == list(range(7))


def test_no_weight_is_stored_for_the_backward_pass():
    model, x = adapted("smoa", "Linear"), torch.randn(3, 12, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        model.base_model.model.first.change("default", x)
    assert sorted(tuple(t.shape) for t in kept) == [(2, 6), (2, 6), (3, 12), (9, 2), (9, 2)]


def test_loading_uses_the_saved_order(tmp_path):
    model, x = unsettle(adapted("smoa", "Linear")).eval(), example("Linear")
    order = model.base_model.model.first.smoa_order["default"]
    order.rows.copy_(torch.randperm(18))  # as another library might have sorted
    model.save_pretrained(tmp_path)
    for trains in (False, True):
        loaded = PeftModel.from_pretrained(bare("Linear"), tmp_path, is_trainable=trains)
        loaded_order = loaded.base_model.model.first.smoa_order["default"]
        assert torch.equal(loaded_order.rows, order.rows)
        assert torch.equal(loaded.eval()(x), model(x))


def test_refuses_an_order_that_is_not_a_permutation(tmp_path):
    model = adapted("smoa", "Linear")
    state = dict(get_peft_model_state_dict(model))
    key = next(key for key in state if key.endswith("first.smoa_order.rows"))
    rows = state[key]
    twice, outside = rows.clone(), rows.clone()
    twice[0], outside[0] = rows[1], 18
    for wrong in (twice, outside, rows[:-1]):
        with pytest.raises(AdapterError, match="each number from 0 to 17 once"):
            set_peft_model_state_dict(model, state | {key: wrong})
    # A damaged file leaves the model unchanged.
    save_adapter(attach(bare("Linear"), SmoaConfig(), targets="first"), tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    state = load_file(path)
    state["base_model.model.first.smoa_order.cols"][3] = 4
    save_file(state, path)
    state_hash(tmp_path / "scionwood.json", "adapter", tensors_hash(state))
    plain_model = bare("Linear")
    with pytest.raises(AdapterFileError, match="each number from 0 to 11 once"):
        load_adapter(plain_model, tmp_path)
    assert type(plain_model.first) is torch.nn.Linear
