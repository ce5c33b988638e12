"""GPart's other projections: groups by sign and size, and Fastfood."""

import pytest
import torch
from blocks_model import Blocks
from case_table import table
from method_layers import adapted, bare, config, example, trainable, unsettle
from peft import get_peft_model, get_peft_model_state_dict

from scionwood import AdapterError, attach, load_adapter, report, save_adapter
from scionwood_methods.gpart.fastfood import Fastfood, hadamard
from scionwood_methods.gpart.magnitude import SignedMagnitude
from scionwood_methods.peft import GpartConfig

CPU = torch.device("cpu")
OPTIONS = [
    {"grouping": "signed_magnitude"},
    {"projection": "fastfood"},
    {"grouping": "signed_magnitude", "slices": "qv"},
]


def grouped(weights, d):
    made = SignedMagnitude(d, 0)
    for part in weights:
        made.extend(part.numel(), lambda part=part: part)
    starts = sorted(made.sources)
    parts = zip(starts, weights, strict=True)
    return made, torch.cat([made.groups(at, each.numel(), CPU) for at, each in parts])


def by_sorting(weights, d):
    """The groups as the authors define them: each half sorted, then cut into equal counts."""
    values = torch.cat(weights).tolist()
    halves = [
        [i for i, v in enumerate(values) if v < 0],
        [i for i, v in enumerate(values) if not v < 0],
    ]
    share = min(max(round(d * len(halves[0]) / len(values)), 1), d - 1)
    groups, first = [0] * len(values), 0
    for half, k in zip(halves, (share, d - share), strict=True):
        order = sorted(half, key=lambda i: (abs(values[i]), i))
        for g in range(k):
            for place in order[g * len(half) // k : (g + 1) * len(half) // k]:
                groups[place] = first + g
        first += k
    return groups


@table("dtype", [torch.float32, torch.bfloat16, torch.float64])
@table("d", [2, 7, 40])
def test_signed_magnitude_sorts_each_sign_and_cuts_into_equal_counts(dtype, d):
    drawn = torch.randn(150, generator=torch.Generator().manual_seed(4)).to(dtype)
    drawn[::9], drawn[4::9] = 0, -0.5  # equal values, in both halves
    made, groups = grouped(list(drawn.split([60, 90])), d)
    assert groups.tolist() == by_sorting([drawn], d)
    assert made.sizes(CPU).tolist() == torch.bincount(groups, minlength=d).tolist()
    assert int(made.sizes(CPU).min()) > 0


@pytest.mark.parametrize("sign", [1, -1])
def test_signed_magnitude_of_weights_of_one_sign(sign):
    weights = sign * torch.arange(1.0, 11.0)
    assert grouped([weights], 5)[1].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert grouped([torch.tensor([-1.0, 2.0])], 1)[1].tolist() == [0, 0]


def test_signed_magnitude_keeps_the_groups_while_merged_and_stores_no_table():
    model = unsettle(adapted("gpart", "Linear", grouping="signed_magnitude")).eval()
    x = example("Linear")
    before = model(x)
    model.merge_adapter()
    torch.testing.assert_close(model(x), before)
    model.unmerge_adapter()
    assert torch.equal(model(x), before)
    projection = model.base_model.model.first.gpart_place["default"].projection
    kept = [t.numel() for t in projection._firsts] + [projection.scales(CPU).numel()]
    assert kept == [kept[0], 60 - kept[0], 60]  # numbers for 60 groups, none for 378 weights


@table("d", [5, 20])
@table("grouping", ["random", "signed_magnitude"])
def test_a_partition_has_orthonormal_columns(d, grouping):
    columns = columns_of(d=d, grouping=grouping)
    torch.testing.assert_close(columns.T @ columns, torch.eye(d), rtol=0, atol=1e-5)


def columns_of(**options):
    """P as a matrix: the changes of all weights for each unit vector."""
    model = adapted("gpart", "Linear", **options)
    theta = model.base_model.gpart_theta["default"]
    layers = (model.base_model.model.first, model.base_model.model.second)
    columns = []
    for unit in torch.eye(len(theta)):
        theta.data = unit
        columns.append(torch.cat([layer.get_delta_weight("default").flatten() for layer in layers]))
    return torch.stack(columns, 1)


def test_fastfood_is_the_product_of_its_factors():
    made = Fastfood(5, 9)
    made.extend(20)
    theta = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    signs, order, normal = made._factors(0, 3, theta)
    h = hadamard(torch.eye(8, dtype=torch.float64))
    assert torch.equal(h @ h, 8 * torch.eye(8, dtype=torch.float64))
    blocks = [
        h @ torch.diag(normal[b]) @ torch.eye(8, dtype=torch.float64)[order[b]] @ h
        @ torch.diag(signs[b])
        for b in range(3)
    ]  # fmt: skip
    whole = torch.cat(blocks)[:20, :5] / (20 * 8) ** 0.5
    for start, count in ((0, 20), (3, 6), (9, 11)):
        rows = whole[start : start + count]
        torch.testing.assert_close(made.spread(theta, start, count), rows @ theta)
        values = torch.arange(count, dtype=torch.float64)
        torch.testing.assert_close(made.gather(values, start), rows.T @ values)


@table("options", [{}, *OPTIONS], ids=str)
def test_saves_the_vector_alone_and_loads_it_exactly(tmp_path, options):
    kind = "fused qkv" if "slices" in options else "Linear"
    model = unsettle(attach(bare(kind), GpartConfig(d=20, **options), targets="first|second"))
    assert report(model).trainable_adapter == 20
    state = get_peft_model_state_dict(model)
    assert {k: tuple(v.shape) for k, v in state.items()} == {"base_model.gpart_theta": (20,)}
    save_adapter(model, tmp_path)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 250
    x = example(kind)
    assert torch.equal(load_adapter(bare(kind), tmp_path).eval()(x), model.eval()(x))


@table("options", [{}, *OPTIONS[:2]], ids=str)
@table("kind", ["Linear", "Conv2d"])
def test_nothing_of_the_size_of_the_weight_is_stored_for_the_backward_pass(options, kind):
    model, x = adapted("gpart", kind, **options), example(kind).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        model.base_model.model.first.change("default", x)
    assert [tuple(t.shape) for t in kept] == [tuple(x.shape), (60,), ()]


@table("options", [{}, *OPTIONS[:2], {"scope": "block"}], ids=str)
def test_first_and_second_derivatives_are_exact(options):
    model = Blocks().double()
    own = GpartConfig(d=9, target_modules=["query", "value"], **options)
    model = unsettle(get_peft_model(model, own).double())
    name, vector = next(iter(trainable(model).items()))
    vector = vector.detach().clone().requires_grad_()
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).double().requires_grad_()

    def run(vector, x):
        return torch.func.functional_call(model, {name: vector}, x)

    assert torch.autograd.gradcheck(run, (vector, x), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (vector, x), fast_mode=True)


@table(
    ("options", "message"),
    [
        ({"grouping": "magnitude"}, "grouping='magnitude': it must be one of random, signed_mag"),
        ({"projection": "dense"}, "projection='dense': it must be one of partition, fastfood"),
        ({"scope": "layer"}, "scope='layer': it must be one of model, block"),
        ({"projection": "fastfood", "grouping": "signed_magnitude"}, "fastfood` has no groups"),
    ],
)
def test_refuses_options_that_are_unknown_or_exclude_each_other(options, message):
    with pytest.raises(AdapterError, match=message):
        GpartConfig(**options)


def test_a_vector_keeps_the_dtype_of_the_weights_if_peft_is_asked_to():
    for autocast, dtype in ((True, torch.float32), (False, torch.bfloat16)):
        model = get_peft_model(
            bare("Linear").bfloat16(), config("gpart", "Linear"), autocast_adapter_dtype=autocast
        )
        (vector,) = trainable(model).values()
        assert vector.dtype == dtype
        model(example("Linear").bfloat16()).sum().backward()
        assert vector.grad is not None
        assert vector.grad.dtype == dtype


@pytest.mark.parametrize("grouping", ["random", "signed_magnitude"])
def test_a_model_that_ran_in_inference_mode_trains_afterwards(grouping):
    model, x = adapted("gpart", "Linear", grouping=grouping), example("Linear")
    with torch.inference_mode():
        model(x)
    model(x).sum().backward()
    assert trainable(model)["base_model.gpart_theta.default"].grad.abs().sum() > 0
