"""Files in the layout of the authors' adapters, which these tests write."""

from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scionwood import AdapterFileError, ReadError, load_adapter, save_adapter, save_head
from scionwood.adapters import load_head
from scionwood_pde.adapters.balanced import matrix_shape
from scionwood_pde.adapters.published import adopt
from scionwood_pde.backbones import Tadpole, TadpoleDynamics

THEIRS = {
    r"^encoder\.conv_encoder\.": "encoder.conv_encoder.conv_encoder.",
    r"^encoder\.transformer_encoder\.": "encoder.transformer_encoder.transformer.",
    r"^decoder\.conv_decoder\.": "decoder.conv_decoder.conv_decoder.",
    r"^decoder\.transformer_decoder\.": "decoder.transformer_decoder.transformer.",
}


def values(shape: tuple[int, ...], seed: int) -> Tensor:
    return 0.05 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def changed(model: nn.Module, rank: int, nested: bool) -> dict[str, Tensor]:
    """Add a change of low rank to every layer, and return it in the layout of GIFt or DFT."""
    tensors: dict[str, Tensor] = {}
    layers = [
        (name, layer)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv3d) and name.startswith(("encoder.", "decoder."))
    ]
    for seed, (name, layer) in enumerate(layers):
        rows, columns = matrix_shape(layer.weight)
        a, b = values((rank, columns), 2 * seed), values((rows, rank), 2 * seed + 1)
        theirs = name
        for ours, new in THEIRS.items() if nested else ():
            theirs = re.sub(ours, new, theirs)
        tensors[f"{theirs}.parent_module.weight"] = layer.weight.detach().clone()
        tensors |= {f"{theirs}.lora_A": a, f"{theirs}.lora_B": b}
        with torch.no_grad():
            layer.weight += (b @ a).view(layer.weight.shape)
    return tensors


def network(model: TadpoleDynamics) -> dict[str, Tensor]:
    """Give the head new values, and return it in the layout of DFT."""
    tensors: dict[str, Tensor] = {}
    for seed, (name, value) in enumerate(model.named_parameters()):
        if not name.startswith(("latent.", "skips.")):
            continue
        with torch.no_grad():
            value += values(tuple(value.shape), 1000 + seed)
        name = name.replace("latent.network.", "subnetwork.")
        name = re.sub(r"\.(qkv|proj)\.", r".attn.\1.", name)
        name = re.sub(r"\.(gate|up|down)\.", r".mlp.\1_proj.", name)
        name = name.replace(".norm1.", ".input_layernorm.")
        name = name.replace(".norm2.", ".post_attention_layernorm.")
        name = name.replace("latent.scale", "latent_residual_scale")
        tensors[name] = value.detach().clone()
    scales = tensors.pop("skips.scales")
    tensors["decoder.transformer_decoder.scales"] = scales[:2].clone()
    tensors["decoder.conv_decoder.scales"] = scales[2:].clone()
    tensors["subnetwork.layers.0.attn.attn.lsh.proj_dir"] = torch.zeros(3)
    return tensors


@torch.no_grad()
def test_an_adapter_for_dynamics_gives_the_authors_model(tmp_path):
    theirs = TadpoleDynamics(fields=2, weights="shipped").eval()
    tensors = changed(theirs, 3, nested=True) | network(theirs)
    save_file(tensors, tmp_path / "dft.safetensors")
    x = values((1, 2, 16, 16, 16), 7) * 20
    ours = adopt(TadpoleDynamics(fields=2, weights="shipped"), tmp_path / "dft.safetensors").eval()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
    save_adapter(ours, tmp_path / "adapter")
    save_head(ours, tmp_path / "head.safetensors")
    again = load_adapter(TadpoleDynamics(fields=2, weights="shipped"), tmp_path / "adapter")
    load_head(again, tmp_path / "head.safetensors")
    torch.testing.assert_close(again.eval()(x), ours(x))


@torch.no_grad()
def test_an_adapter_of_the_autoencoder_may_be_merged_or_hold_factors_alone(tmp_path):
    theirs = Tadpole(weights="shipped").eval()
    tensors = changed(theirs, 2, nested=False)
    path, x = tmp_path / "gift.safetensors", values((1, 1, 16, 16, 16), 7) * 20
    merged = {
        name.removesuffix(".weight"): layer for name, layer in theirs.named_modules()
    }  # their module in evaluation adds the product to the weight that it stores
    kept = {
        name: merged[name.removesuffix(".parent_module.weight")].weight.detach().clone()
        if name.endswith("parent_module.weight")
        else value
        for name, value in tensors.items()
    }
    alone = {name: value for name, value in tensors.items() if "parent_module" not in name}
    for each in (kept, alone):
        save_file(each, path)
        ours = adopt(Tadpole(weights="shipped"), path).eval()
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


def test_files_that_do_not_fit_are_refused_by_name(tmp_path):
    path = tmp_path / "gift.safetensors"
    tensors = changed(Tadpole(weights="shipped"), 2, nested=False)
    save_file(tensors, path)
    with pytest.raises(AdapterFileError, match="differs from the weights of this model by"):
        adopt(Tadpole(init_seed=5), path)
    with pytest.raises(AdapterFileError, match=r"is \(.* there, and \(.* here"):
        adopt(Tadpole(size="S"), path)
    start = TadpoleDynamics(weights="shipped")
    assert adopt(start, path).peft_config["default"].r == 2  # the head stays fresh
    tensors["latent_residual_scale"] = torch.ones(())
    save_file(tensors, path)
    with pytest.raises(AdapterFileError, match=r"None there, and \(.* here"):
        adopt(TadpoleDynamics(weights="shipped"), path)
    first = next(name for name in tensors if name.endswith("lora_A"))
    save_file({name: value for name, value in tensors.items() if name != first}, path)
    with pytest.raises(AdapterFileError, match="has one factor"):
        adopt(Tadpole(weights="shipped"), path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(AdapterFileError, match="no factors"):
        adopt(Tadpole(), path)
    (tmp_path / "adapter.pth").write_bytes(b"\x80")
    with pytest.raises(AdapterFileError, match="it is a pickle"):
        adopt(Tadpole(), tmp_path / "adapter.pth")
    path.write_bytes(b"no tensors")
    with pytest.raises(ReadError):
        adopt(Tadpole(), path)


def test_damaged_tensors_are_refused_by_name(tmp_path):
    path, model = tmp_path / "gift.safetensors", Tadpole(weights="shipped")
    tensors = changed(Tadpole(weights="shipped"), 2, nested=False)
    name = next(name for name in tensors if name.endswith("lora_A")).removesuffix(".lora_A")
    a, b, weight = (tensors[f"{name}.{k}"] for k in ("lora_A", "lora_B", "parent_module.weight"))
    for change, rule in (
        ({f"{name}.lora_B": torch.zeros(len(b), 5)}, rf"{name}: lora_A is .* and lora_B .*, 5\)"),
        ({f"{name}.lora_A": torch.zeros(2)}, rf"{name}: lora_A is \(2,\)"),
        ({f"{name}.lora_A": a * torch.nan}, f"{name} lora_A holds torch.float32 that are no fin"),
        ({f"{name}.parent_module.weight": weight[1:].clone()}, rf"{name}.weight is .* there, and"),
        ({"encoder.other.weight": torch.zeros(2)}, r"encoder.other.weight is \(2,\) there"),
    ):
        save_file({**tensors, **change}, path)
        with pytest.raises(AdapterFileError, match=rule):
            adopt(model, path)
    save_file({key: value.bfloat16() for key, value in tensors.items()}, path)
    assert adopt(model, path).peft_config["default"].r == 2
