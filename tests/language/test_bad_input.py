"""Models, templates and rewards that cannot be used are refused by name."""

import struct
import sys

import pytest
import torch
from case_table import table
from transformers import AutoConfig

from scionwood import PluginError, RecipeError, TrainingError, WeightsError, attach
from scionwood.adapters.methods import config_class
from scionwood_language.backbones.causal_lm import causal_lm, presets
from scionwood_language.backbones.encoder import encoder
from scionwood_language.backbones.seq2seq import seq2seq
from scionwood_language.chat.templates import check_template
from scionwood_language.data.conversations import Conversations
from scionwood_language.model import installed
from scionwood_language.model.tiny import auto_class, tiny_tokenizer
from scionwood_language.tasks.seq2seq import Seq2Seq
from scionwood_language.tasks.sft import Sft
from scionwood_language.verifiable.backbone import unir
from scionwood_language.verifiable.task import VerifiableReward
from scionwood_language.verifiable.unir import grpo_loss

pytestmark = pytest.mark.usefixtures("_one_thread")

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": 260}
FAMILIES = {
    "llama": "causal",
    "qwen3": "causal",
    "gemma3_text": "causal",
    "mistral": "causal",
    "olmoe": "causal",
    "bert": "encoder",
    "modernbert": "encoder",
    "t5": "seq2seq",
}


@table("family", FAMILIES)
def test_a_tiny_model_of_each_family_has_presets_and_takes_an_adapter(family):
    kind = FAMILIES[family]
    sizes = SIZES | HEADS if kind == "causal" else SIZES | {"vocab_size": 260}
    if kind == "encoder":
        sizes |= {"num_attention_heads": 2}
    if family == "olmoe":
        sizes |= {"num_experts": 4, "num_experts_per_tok": 2}
    if family == "t5":
        sizes = {"vocab_size": 260, "d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1}
        sizes |= {"num_heads": 2, "decoder_start_token_id": 0}
    config = AutoConfig.for_model(family, pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = auto_class(kind).from_config(config).eval()
    model.adapter_targets = presets(model)
    assert "attention" in model.adapter_targets
    ids = torch.arange(8).view(1, -1)
    inputs = (
        {"input_ids": ids, "decoder_input_ids": ids} if kind == "seq2seq" else {"input_ids": ids}
    )
    before = model(**inputs).logits
    tuned = attach(model, config_class("lora")(r=2), targets="attention")
    torch.testing.assert_close(tuned(**inputs).logits, before)


@table(
    ("template", "reason"),
    [
        (
            "{{ raise_exception('roles must alternate') }}",
            "cannot write a conversation .*roles must alternate",
        ),
        ("{% for m in messages %", "cannot write a conversation .*unexpected 'end of template'"),
        ("{{ messages[0].part.name }}", "cannot write a conversation .*has no attribute 'part'"),
        (
            "{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}",
            "the answer cannot be marked",
        ),
    ],
)
def test_a_template_that_writes_no_answer_is_refused_with_its_reason(template, reason):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(WeightsError, match=reason):
        check_template(tokenizer)


def test_an_example_over_the_context_is_refused():
    model = causal_lm()
    model.config.max_position_embeddings = 16
    task = Sft(attach(model, config_class("lora")(r=2), targets="attention"))
    batch = next(iter(Conversations(packing=False).train_dataloader()))
    with pytest.raises(RecipeError, match="the context of the model has 16 tokens"):
        task.losses(batch)


def test_a_model_without_its_tokens_is_refused(tmp_path):
    causal_lm().save_pretrained(tmp_path / "lm")
    with pytest.raises(WeightsError, match=r"its folder has no tokenizer\. Save it there"):
        causal_lm(model=str(tmp_path / "lm"))
    encoder().save_pretrained(tmp_path / "encoder")
    tokenizer = tiny_tokenizer()
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path / "encoder")
    with pytest.raises(WeightsError, match="no mask token"):
        encoder(model=str(tmp_path / "encoder"))


@table(
    ("model", "rule"),
    [
        ("no_such_package:weights", "the package is not installed"),
        ("scionwood_language:../..", "leads out of the package"),
        ("scionwood_language:weights/no", "no such folder"),
    ],
)
def test_a_folder_of_a_package_is_inside_of_it(model, rule):
    with pytest.raises(WeightsError, match=rule):
        causal_lm(model=model)


def test_gguf_of_an_unknown_quantisation_is_refused(tmp_path):
    pytest.importorskip("gguf", reason="reading GGUF needs gguf")
    name = b"x"
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    tensor = struct.pack("<Q", len(name)) + name + struct.pack("<IQIQ", 1, 32, 4711, 0)
    path = tmp_path / "odd.gguf"
    path.write_bytes(header + tensor + bytes(256))
    with pytest.raises(WeightsError, match="unknown quantisation"):
        causal_lm(model=str(path))
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"damaged\.gguf: it is not a GGUF file"):
        causal_lm(model=str(damaged))


def test_a_torchaudio_that_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "torchaudio.py").write_text("raise OSError('libc10_cuda.so: no such file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    installed.check_transformers.cache_clear()
    with pytest.raises(PluginError, match=r"libc10_cuda\.so.*pip uninstall torchaudio"):
        installed.check_transformers()
    monkeypatch.undo()
    installed.check_transformers.cache_clear()
    installed.check_transformers()


def test_a_group_and_a_reward_that_say_nothing_are_refused():
    with pytest.raises(TrainingError, match="group=1"):
        VerifiableReward(unir(), group=1)
    fusion = unir().fusion
    prompts = torch.zeros(1, 3, dtype=torch.long)

    def reward(asked, made):
        return torch.tensor([0.0, float("nan")])

    with pytest.raises(TrainingError, match="nan for completion 1"):
        grpo_loss(
            fusion, prompts, reward, group=2, temperature=1.0, max_new_tokens=2, eos_token_id=11
        )


def test_an_encoder_and_a_decoder_read_one_prompt_at_a_time():
    task = Seq2Seq(attach(seq2seq(), config_class("lora")(r=2), targets="attention"))
    batch = next(iter(Conversations(packing=False).train_dataloader()))
    assert task.losses(batch)["loss"].requires_grad
    packed = next(iter(Conversations().train_dataloader()))
    with pytest.raises(RecipeError, match=r"data\.packing: false"):
        task.losses(packed)
