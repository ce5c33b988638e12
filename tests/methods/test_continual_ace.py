"""ACE-LoRA: a history of fixed rank, which is exact if the rank suffices, and its penalty."""

import pytest
import torch
from case_table import table
from continual_models import NETS, learn, lora, task, unsettle
from peft import IA3Config, LoraConfig, get_peft_model

from scionwood import AdapterError
from scionwood_methods.continual import AceLora, ContinualController
from scionwood_methods.continual.ace import HISTORY, compress
from scionwood_methods.continual.factors import lora_layers, matrices


def test_compression_is_exact_if_the_rank_suffices_else_optimal():
    b, a = torch.randn(9, 7).double(), torch.randn(7, 12).double()
    product = b @ a
    new_b, new_a = compress(b, a, 7)
    torch.testing.assert_close(new_b @ new_a, product)
    new_b, new_a = compress(b, a, 4)
    sizes = torch.linalg.svdvals(product)
    error = torch.linalg.matrix_norm(new_b @ new_a - product)
    torch.testing.assert_close(error, sizes[4:].norm())


def test_compression_pads_with_zeros_and_sorts_orthogonal_rows():
    b, a = compress(torch.randn(3, 5), torch.randn(5, 12), 6)
    assert (b.shape, a.shape) == ((3, 6), (6, 12))
    assert torch.count_nonzero(a[3:]) == 0
    norms = a[:3].norm(dim=1)
    assert torch.equal(norms, norms.sort(descending=True).values)
    gram = a[:3] @ a[:3].T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), atol=1e-5, rtol=0)


@table("net", NETS)
def test_end_of_a_task_moves_it_into_the_history_without_changing_outputs(net):
    model, x = lora(net).eval(), task(net, 0)[0][0]
    controller = ContinualController(model, AceLora(rank=6))
    for name in ("first", "second"):  # together of rank 6
        controller.begin(name)
        unsettle(model)
        before = model(x)
        controller.end([])
        torch.testing.assert_close(model(x), before, atol=1e-5, rtol=1e-5)


def test_history_has_a_fixed_rank_and_is_frozen():
    model = lora()
    controller = ContinualController(model, AceLora(rank=4))
    sizes = []
    for number in range(3):
        controller.begin(str(number))
        held = {key: value.clone() for key, value in controller.method.state().items()}
        unsettle(model)
        for key, value in controller.method.state().items():
            assert torch.equal(value, held[key])
        controller.end([])
        sizes.append(sum(p.numel() for p in model.parameters()))
        for layer in lora_layers(model, HISTORY).values():
            assert matrices(layer, HISTORY)[1].shape[0] == 4
    assert len(set(sizes)) == 1
    assert all(
        ("history" in n) != p.requires_grad for n, p in model.named_parameters() if "lora" in n
    )


@table("net", NETS)
def test_penalty_follows_the_equation_and_ignores_orthogonal_directions(net):
    model = lora(net)
    method = AceLora(rank=4, strength=2.0, threshold=0.3)
    controller = ContinualController(model, method)
    learn(controller, "first", task(net, 0), 5)
    controller.begin("second")
    unsettle(model)
    layers, expected = lora_layers(model, "default"), 0.0
    for layer in layers.values():
        a, past = matrices(layer, "default")[1], matrices(layer, HISTORY)[1]
        q = torch.linalg.svd(past, full_matrices=False).Vh[: torch.linalg.matrix_rank(past)]
        for row in a:
            rho = (q @ row).norm() / row.norm()
            expected += 2 * (rho if rho > 0.3 else 0.0) * (q @ row).square().sum()
    assert expected > 0
    torch.testing.assert_close(method.penalty(model, None), expected)
    with torch.no_grad():
        for name, layer in layers.items():
            a, past = matrices(layer, "default")[1], matrices(layer, HISTORY)[1]
            a -= a @ torch.linalg.pinv(past) @ past
            assert method.overlaps(model)[name].max() < 1e-6
    assert method.penalty(model, None) == 0


def test_refuses_methods_other_than_plain_lora():
    ia3 = get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(4, 4)),
        IA3Config(target_modules=["0"], feedforward_modules=[]),
    )
    with pytest.raises(AdapterError, match="a LoRA adapter of peft"):
        ContinualController(ia3, AceLora()).begin("task")
    dora = get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(4, 4)), LoraConfig(target_modules=["0"], use_dora=True)
    )
    with pytest.raises(AdapterError, match="scale"):
        ContinualController(dora, AceLora()).begin("task")
    with pytest.raises(AdapterError, match="rank >= 1"):
        AceLora(rank=0)
