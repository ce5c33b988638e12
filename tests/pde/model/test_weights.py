"""The published layout of weights, and the errors for files that do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from case_table import table
from safetensors.torch import load_file, save_file
from torch import Tensor

from scionwood import WeightsError
from scionwood_pde.backbones import Tadpole
from scionwood_pde.model.weights import save_weights

ENCODER, DECODER = "tadpole_tiny_encoder.safetensors", "tadpole_tiny_decoder.safetensors"
BIAS = "transformer_encoder.latent.blocks.0.attn.pos_emb_funct"
Change = Callable[[dict[str, Tensor]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both files of a tiny model whose random weights are not the default ones."""
    save_weights(Tadpole(init_seed=7), "tiny", tmp_path / "weights")
    return tmp_path / "weights"


def change(path: Path, how: Change) -> None:
    state = load_file(path)
    how(state)
    save_file(state, path)


def test_saved_weights_load_bit_for_bit(folder):
    expected, loaded = Tadpole(init_seed=7).state_dict(), Tadpole(weights=folder).state_dict()
    assert all(torch.equal(expected[name], loaded[name]) for name in expected)


def test_files_have_the_published_names_and_the_computed_bias(folder):
    model, encoder = Tadpole(init_seed=7), load_file(folder / ENCODER)
    assert encoder.keys() == model.encoder.state_dict().keys()
    assert load_file(folder / DECODER).keys() == model.decoder.state_dict().keys()
    bias = model.encoder.get_submodule(BIAS)()
    assert torch.equal(encoder[f"{BIAS}.relative_bias"], bias)


def test_half_precision_takes_half_the_space_and_loads(folder, tmp_path):
    half = tmp_path / "half"
    save_weights(Tadpole(init_seed=7), "tiny", half, half=True)
    assert (half / DECODER).stat().st_size < 0.55 * (folder / DECODER).stat().st_size
    loaded, expected = Tadpole(weights=half).state_dict(), Tadpole(init_seed=7).state_dict()
    for name, value in loaded.items():
        assert value.dtype == expected[name].dtype
        torch.testing.assert_close(value, expected[name], atol=1e-3, rtol=1e-3)


def test_the_case_of_a_file_name_does_not_matter(folder):
    (folder / ENCODER).rename(folder / "Tadpole_Tiny_encoder.safetensors")
    (folder / DECODER).rename(folder / "tadpole_TINY_Decoder.SAFETENSORS")
    assert Tadpole(weights=folder).card["weights"] == f"local folder {folder.name}"
    (folder / ENCODER.upper()).write_bytes(
        (folder / "Tadpole_Tiny_encoder.safetensors").read_bytes()
    )
    with pytest.raises(WeightsError, match="differ only in case"):
        Tadpole(weights=folder)


def test_computed_buffers_may_be_missing(folder):
    computed = ("relative_coords_table", "relative_position_index", "relative_bias")

    def leave_out(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if name.endswith(computed)]:
            del state[name]

    change(folder / ENCODER, leave_out)
    x = Tadpole().example_input()[0]
    with torch.no_grad():
        torch.testing.assert_close(Tadpole(weights=folder)(x), Tadpole(init_seed=7)(x))


@table(
    ("how", "message"),
    [
        (lambda state: state.pop("to_latent.bias"), r"lacks to_latent\.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "also has extra"),
        (
            lambda state: state.update({"to_latent.bias": torch.zeros(7)}),
            r"has shapes to_latent\.bias \(7,\) for \(256,\)",
        ),
        (
            lambda state: state.update({"to_latent.bias": torch.full((256,), torch.nan)}),
            r"to_latent\.bias holds NaN or infinity",
        ),
        (
            lambda state: state.update({"to_latent.bias": torch.zeros(256, dtype=torch.int64)}),
            r"to_latent\.bias holds values of type torch.int64",
        ),
        (
            lambda state: state.update(
                {f"{BIAS}.relative_position_index": torch.arange(4096).view(64, 64)}
            ),
            "orders the cells of a window in another way",
        ),
        (lambda state: state.clear(), "lacks .* and 101 more"),
    ],
    ids=["missing", "unexpected", "shape", "nan", "integers", "order", "empty"],
)
def test_refuses_a_file_of_other_tensors(folder, tmp_path, how, message):
    folder = shutil.copytree(folder, tmp_path / "changed")
    change(folder / ENCODER, how)
    with pytest.raises(WeightsError, match=rf"{ENCODER}.*{message}"):
        Tadpole(weights=folder)


@table("content", [b"", b"no weights at all", b"\x10" + bytes(7) + b"{" * 16, 0.001, 0.5, 0.999])
def test_refuses_a_file_that_is_not_safetensors_or_truncated(folder, tmp_path, content):
    path = shutil.copytree(folder, tmp_path / "damaged") / DECODER
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: int(content * len(whole))])
    with pytest.raises(WeightsError, match=f"{DECODER}.*not a readable safetensors file"):
        Tadpole(weights=path.parent)


def test_names_what_is_missing_and_refuses_files_of_another_size(folder):
    with pytest.raises(WeightsError, match=r"has no file tadpole_s_encoder\.safetensors"):
        Tadpole(size="S", weights=folder)
    with pytest.raises(WeightsError, match="no such folder"):
        Tadpole(weights=folder / "nowhere")
    for name in (ENCODER, DECODER):
        (folder / name).rename(folder / name.replace("tiny", "s"))
    with pytest.raises(WeightsError, match="has shapes"):
        Tadpole(size="S", weights=folder)
    (folder / DECODER.replace("tiny", "s")).unlink()
    rule = f"has no file {DECODER.replace('tiny', 's')}.*Give `weights`"
    with pytest.raises(WeightsError, match=rule):
        Tadpole(size="S", weights=folder)


def test_the_tiny_size_alone_is_shipped_and_the_hub_has_the_published_ones():
    with pytest.raises(WeightsError, match=r"'shipped' of size 'B'.*only size 'tiny'"):
        Tadpole(size="B", weights="shipped")
    with pytest.raises(WeightsError, match=r"'hub' of size 'tiny'.*has S, B, L"):
        Tadpole(weights="hub")


def test_an_unreachable_hub_is_reported_with_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"cannot load size 'S' from hf\.co.*the folder of"):
        Tadpole(size="S", weights="hub:main")
