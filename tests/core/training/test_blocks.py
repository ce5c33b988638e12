"""Repeated blocks: which they are, computed again in the backward pass, and compiled by region."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from peft import LoraConfig
from run_column import column
from safetensors.torch import load_file
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

import scionwood
from scionwood import kernels
from scionwood.errors import RecipeError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import preparation
from scionwood.training.preparation import checkpoint_blocks, compile_blocks, compiled, repeated

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*autograd.function.Function'> should not be instantiated:DeprecationWarning",
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning",
)


class Block(nn.Module):
    """A residual block of two layers with dropout."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.1))
        self.outer = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(self.inner(x))


class Stack(nn.Module):
    """A stem, equal blocks and a head."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))


def tuned(depth: int = 3) -> nn.Module:
    torch.manual_seed(0)
    targets = r"blocks\.\d+\.(inner\.0|outer)"
    model = scionwood.attach(Stack(depth), LoraConfig(r=2), targets=targets, head=("head",))
    kernels.enable(model)
    return model.train()


def measured(model: nn.Module, *inputs: Tensor) -> tuple[Tensor, list[Tensor], int]:
    """The loss, the gradients, and the bytes of activations that were kept for them."""
    kept = 0
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        storage = tensor.untyped_storage()
        kept += storage.nbytes() * (storage.data_ptr() not in known)
        known.add(storage.data_ptr())
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(*(inputs or (torch.ones(64, 4),))).square().mean()
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.requires_grad]
    model.zero_grad()
    return loss.detach(), gradients, kept


def test_blocks_are_the_outermost_repeated_modules_with_parts() -> None:
    model = tuned()
    assert repeated(model) == list(model.get_base_model().blocks)
    assert repeated(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == []
    assert repeated(nn.Sequential(Block(), nn.ReLU())) == []
    nested = nn.ModuleList([nn.ModuleList([Block(), Block()]), nn.Linear(2, 2)])
    assert repeated(nested) == list(nested[0])


def test_layers_with_an_adapter_are_no_blocks() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    assert repeated(scionwood.attach(model, LoraConfig(r=1), targets="0|1", head=())) == []


def test_checkpointed_blocks_give_the_same_gradients_and_keep_less() -> None:
    model = tuned()
    loss, gradients, kept = measured(model)
    checkpoint_blocks(model)
    again, same, less = measured(model)
    assert torch.equal(again, loss), "dropout is drawn alike"
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
    assert less < 0.25 * kept


def test_a_copy_of_a_checkpointed_model_computes_with_its_own_weights() -> None:
    model = tuned()
    checkpoint_blocks(model)
    copy = deepcopy(model)
    with torch.no_grad():
        for p in copy.parameters():
            p.zero_()
    assert measured(copy)[0] == 0
    assert measured(model)[0] != 0


def test_without_gradients_a_block_runs_once() -> None:
    model = tuned()
    checkpoint_blocks(model)
    calls = []
    model.get_base_model().blocks[0].outer.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(torch.ones(2, 4))
    model.eval()(torch.ones(2, 4)).sum().backward()
    assert len(calls) == 2


def test_a_model_of_transformers_uses_its_own_method() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    torch.manual_seed(0)
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=16, num_hidden_layers=3, **sizes))
    model = scionwood.attach(llama, LoraConfig(r=2), targets=r".*\.2\..*v_proj", head=()).train()

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: Tensor) -> Tensor:
            return self.model(input_ids=tokens).logits

    whole, tokens = Logits(), torch.arange(16)[None]
    loss, gradients, kept = measured(whole, tokens)
    checkpoint_blocks(whole)
    again, same, less = measured(whole, tokens)
    assert torch.equal(again, loss)
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))
    assert less < kept
    embedded = llama.get_input_embeddings()(tokens)
    assert not embedded.requires_grad, "no backward pass through the frozen blocks"


def test_a_block_that_counts_batches_is_not_computed_twice() -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(2)))
    with pytest.raises(RecipeError, match=r"1 updates running statistics.*Freeze it"):
        checkpoint_blocks(model.train())
    checkpoint_blocks(model.eval())


def test_compiled_blocks_share_code_and_agree_with_eager() -> None:
    model = tuned(depth=4)
    loss, gradients, _ = measured(model)
    counter: Any = CompileCounterWithBackend("aot_eager")
    for block in repeated(model):
        block.compile(backend=counter)
    with compiled(model, True):
        again, same, _ = measured(model)
    assert all(block._compiled_call_impl is None for block in repeated(model)), "until the end"
    assert counter.frame_count <= 2, "the first block sees an input that needs no gradient"
    assert torch.allclose(again, loss)
    assert all(torch.allclose(a, b) for a, b in zip(gradients, same, strict=True))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("frozen", "full")]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("adapter", ["lora", *SLOW])
def test_a_run_whose_blocks_are_computed_again_has_the_losses_of_a_plain_one(
    toy_fit: Callable[..., Path], adapter: str, compiled: bool
) -> None:
    options = [f"adapter={{name: {adapter}, targets: blocks}}", "trainer.max_steps=3"]
    options += ["backbone.dropout=0.2"]
    plain = toy_fit(*options, name="plain")
    keys = ["gradient_checkpointing=true", *["compile={backend: aot_eager}"] * compiled]
    assert column(toy_fit(*options, *keys, name="other")) == column(plain)


def test_a_finished_run_is_loaded_without_compiling(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit("compile={backend: aot_eager}", "trainer.max_steps=1")
    task = scionwood.load_run(run)
    assert all(m._compiled_call_impl is None for m in task.modules())
    assert resolve(run / "recipe.yaml").compile == {"backend": "aot_eager"}


@table(
    ("override", "message"),
    [
        ("compile=fast", "compile 'fast': true, false, or options of torch.compile"),
        ("compile={mod: max-autotune}", "compile: unknown key 'mod'.*'mode'"),
        ("compile={dynamic: 3}", "compile.dynamic 3: it is a bool"),
        ("gradient_checkpointing=often", "gradient_checkpointing 'often': true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_the_recipe(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s)toy/regress: {message}"):
        resolve("toy/regress", [override])


def test_a_cache_that_skips_blocks_is_refused_beside_compiled_ones(
    toy_fit: Callable[..., Path],
) -> None:
    with pytest.raises(TrainingError, match=r"prefix_cache.*compiled blocks cannot be skipped"):
        toy_fit("compile=true", "trainer.callbacks=scale/prefix_cache")


@pytest.mark.parametrize("key", ["compile", "gradient_checkpointing"])
def test_a_backbone_without_blocks_is_refused(toy_fit: Callable[..., Path], key: str) -> None:
    with pytest.raises(RecipeError, match=f"{key}: Mlp repeats no block. Leave the key out"):
        toy_fit("backbone.depth=1", f"{key}=true")


def test_an_unknown_backend_is_refused_with_those_that_torch_has() -> None:
    with pytest.raises(RecipeError, match=r"no compiler backend 'fast'. Known: .*inductor"):
        compile_blocks(tuned(), {"backend": "fast"})


class Printing(Block):
    """A block that looks at its values, which a whole graph cannot do."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if float(x.detach().sum()) > -1e9 else x


def test_a_block_that_torch_cannot_compile_is_an_error_with_the_reason() -> None:
    model = nn.Sequential(Printing(4), Printing(4))
    compile_blocks(model, {"backend": "eager", "fullgraph": True})
    message = r"torch cannot compile a block \(.+Set compile: false"
    with pytest.raises(TrainingError, match=message), compiled(model, True):
        model(torch.ones(2, 4))


class Numbered(Block):
    """A block with a number, for which torch compiles a version of its own."""

    number = 0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.number


def test_more_versions_than_allowed_are_an_error_and_not_a_silent_step_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preparation, "VERSIONS", 2)
    model = nn.Sequential(*(Numbered() for _ in range(4)))
    for number, block in enumerate(model):
        block.number = number
    compile_blocks(model, {"backend": "eager", "dynamic": False})
    with pytest.raises(TrainingError, match="cannot compile a block"), compiled(model, True):
        model(torch.ones(2, 8))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_the_default_compiler_agrees_with_eager(toy_fit: Callable[..., Path]) -> None:
    if not shutil.which("g++"):
        pytest.skip("the default compiler needs g++ on a CPU")
    plain = toy_fit("trainer.max_steps=4", name="plain")
    compiled = toy_fit("trainer.max_steps=4", "compile=true", name="compiled")
    assert column(compiled) == pytest.approx(column(plain), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "scale/model_parallel"])
@pytest.mark.parametrize("key", ["gradient_checkpointing=true", "compile={backend: aot_eager}"])
def test_two_processes_compute_what_one_does(
    train_pair: Callable[..., None], tmp_path: Path, strategy: str, key: str
) -> None:
    given = ("trainer.max_steps=2", "trainer.logger=csv", f"trainer.strategy={strategy}")
    runs = []
    for name, extra in (("plain", ()), ("blocks", (key,))):
        train_pair(*given, *extra, run_dir=tmp_path / name)
        runs.append(load_file(tmp_path / name / "adapter" / "adapter_model.safetensors"))
    torch.testing.assert_close(*runs, rtol=0, atol=1e-6)
