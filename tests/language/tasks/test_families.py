"""Llama, Gemma, Qwen and Mistral: their own chat templates, training, generation and merging.

The models have random weights and two small layers. The tokenizer is the tiny one of the package
with the special tokens of the family. The templates are those that the families ship.
"""

import json
from pathlib import Path

import pytest
import torch
from case_table import table
from trained import TINY
from transformers import AutoConfig, AutoModelForCausalLM

from bangla_checker import normalise
from scionwood import resolve
from scionwood.cli import main
from scionwood_bangla import Decoding, Writer
from scionwood_bangla.data.conversations import Generated
from scionwood_bangla.model.weights import plain
from scionwood_bangla.text.examples import Message
from scionwood_language.chat.templates import IGNORED, encode, end_of_turn, prompt_ids
from scionwood_language.data.packing import Collate, join, row_of
from scionwood_language.model.weights import load_tokenizer
from scionwood_language.tasks.causal import loss_of

LLAMA = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim "
    "+ '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + "
    "message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
)
QWEN = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ ' [INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'] + eos_token }}{% else %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
FAMILIES = {
    # type of the model: template, special tokens, what ends a turn
    "llama": (LLAMA, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "<|eot_id|>"),
    "gemma2": (GEMMA, ["<start_of_turn>", "<end_of_turn>"], "<end_of_turn>"),
    "gemma3_text": (GEMMA, ["<start_of_turn>", "<end_of_turn>"], "<end_of_turn>"),
    "qwen2": (QWEN, ["<|im_start|>", "<|im_end|>"], "<|im_end|>"),
    "qwen3": (QWEN, ["<|im_start|>", "<|im_end|>"], "<|im_end|>"),
    "mistral": (MISTRAL, ["[INST]", "[/INST]"], "</s>"),
}
ASK, TOLD = normalise("কেমন আছেন?"), normalise("আপনি ভালো থাকবেন।")
TURNS = (
    Message("user", ASK),
    Message("assistant", normalise("ভালো আছি।")),
    Message("user", ASK),
    Message("assistant", TOLD),
)
TALK = plain(TURNS)


def examples(count, seed):
    examples = Generated(n_train=count, seed=seed).examples("train")
    return [plain(example.messages) for example in examples]


def tokenizer_of(family):
    template, special, _ = FAMILIES[family]
    tokenizer = load_tokenizer(TINY)
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.chat_template = template
    return tokenizer


def small(family, tokenizer):
    """Return a model of the family with random weights."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 4096}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **sizes, **heads, **ends)
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).eval()


@table("family", FAMILIES)
def test_the_end_of_turn_of_the_template_is_learned(family):
    tokenizer = tokenizer_of(family)
    code = encode(tokenizer, TALK)
    ends = tokenizer.convert_tokens_to_ids(FAMILIES[family][2])
    assert end_of_turn(tokenizer) == ends
    assert ends in code.completion
    answer = code.completion[: code.completion.index(ends)]
    assert tokenizer.decode(answer).strip() == TOLD
    assert code.input_ids[: len(code.prompt)] == prompt_ids(tokenizer, TALK[:-1])
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    assert tokenizer.decode(code.input_ids) == text


def test_the_space_before_an_answer_and_an_end_of_text_are_learned():
    code = encode(tokenizer := tokenizer_of("mistral"), TALK)
    assert tokenizer.decode(code.completion[:1]).startswith(" ")
    tokenizer = load_tokenizer(TINY)
    tokenizer.chat_template = (  # it ends no turn
        "{% for m in messages %}{{ m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '>' }}{% endif %}"
    )
    assert encode(tokenizer, TALK).completion[-1] == tokenizer.eos_token_id


@table("family", FAMILIES)
def test_all_turns_are_learned_on_request(family):
    tokenizer = tokenizer_of(family)
    labels = encode(tokenizer, TALK, turns="all").labels
    learned = tokenizer.decode([token for token in labels if token != IGNORED])
    assert normalise("ভালো আছি।") in learned
    assert TOLD in learned
    assert ASK not in learned
    last = encode(tokenizer, TALK).labels
    assert sum(token != IGNORED for token in labels) > sum(token != IGNORED for token in last)


def test_the_marks_of_a_template_say_what_all_turns_are():
    tokenizer = tokenizer_of("qwen2")
    body = "message['content'] + '<|im_end|>'"
    tokenizer.chat_template = (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        f"{{% if message['role'] == 'assistant' %}}{{% generation %}}{{{{ {body} }}}}"
        f"{{% endgeneration %}}{{% else %}}{{{{ {body} }}}}{{% endif %}}"
        "{{ '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    labels = encode(tokenizer, TALK, turns="all").labels
    ends = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert labels.count(ends) == 2
    assert labels[-1] == IGNORED  # the newline after the turn is outside of the marks


def own_batch(tokenizer, items, *, packed, turns="last"):
    codes = [encode(tokenizer, item, turns=turns) for item in items]
    rows = [row_of(code) for code in codes]
    return Collate(tokenizer.pad_token_id)([join(rows)] if packed else rows)


def loss(model, batch):
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    return loss_of(model, inputs, batch["labels"]).item()


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_packed_and_padded_losses_are_equal(family):
    tokenizer = tokenizer_of(family)
    model, items = small(family, tokenizer), [*examples(3, seed=1), TALK]
    padded = loss(model, own_batch(tokenizer, items, packed=False))
    assert loss(model, own_batch(tokenizer, items, packed=True)) == pytest.approx(padded, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_the_family_trains_generates_and_merges(family, tmp_path):
    tokenizer, base = tokenizer_of(family), tmp_path / "base"
    small(family, tokenizer).save_pretrained(base)
    tokenizer.save_pretrained(base)
    run = tmp_path / "run"
    words = ["fit", "bangla/register_tiny", "--run", str(run), "--smoke"]
    words += ["--backbone.model", str(base), "--data.tokenizer", str(base)]
    words += ["--trainer.accelerator", "cpu", "--data.turns", "all", "--data.max_length", "400"]
    assert main(words) == 0
    writer = Writer.of_run(run)
    prompts = [TURNS[:-1], TURNS[:1]]
    before = writer.write(prompts, Decoding(max_new_tokens=8))
    assert main(["bangla", "merge", str(tmp_path / "merged"), "--run", str(run)]) == 0
    recipe = resolve("bangla/register_tiny", [f"backbone.model={tmp_path / 'merged'}"])
    assert Writer(recipe.backbone.build()).write(prompts, Decoding(max_new_tokens=8)) == before


def of_trl(tokenizer, model, items, folder, **options):
    """Return the batch of TRL's trainer for these examples."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    turns = [list(item) for item in items]
    if options.get("assistant_only_loss"):
        rows = [{"messages": each} for each in turns]
    else:
        rows = [{"prompt": each[:-1], "completion": each[-1:]} for each in turns]
    args = SFTConfig(str(folder), use_cpu=True, report_to=[], max_length=4096, **options)
    trainer = SFTTrainer(
        model, args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    data = trainer.train_dataset
    columns = {"input_ids", "labels", "completion_mask", "assistant_masks", "seq_lengths"}
    kept = [{k: v for k, v in data[at].items() if k in columns} for at in range(len(data))]
    return trainer.data_collator(kept)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["padded", "packed", "all turns"])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_equal_those_of_trl(family, mode, tmp_path):
    trl = pytest.importorskip("trl", reason="the losses of TRL need trl")
    tokenizer = tokenizer_of(family)
    turns = "all" if mode == "all turns" else "last"
    if turns == "all":
        names = {"llama": "llama3", "gemma2": "gemma", "gemma3_text": "gemma", "qwen2": "qwen2_5"}
        if family not in names:
            pytest.skip("TRL has no training template for this family")
        folder = Path(trl.__file__).parent / "chat_templates"
        tokenizer.chat_template = (folder / f"{names[family]}_training.jinja").read_text("utf-8")
    model, items = small(family, tokenizer), [TALK, *examples(5, seed=2)]
    ours = loss(model, own_batch(tokenizer, items, packed=mode == "packed", turns=turns))
    options = {"packed": {"packing": True}, "all turns": {"assistant_only_loss": True}}
    theirs = of_trl(tokenizer, model, items, tmp_path, **options.get(mode, {}))
    theirs.pop("seq_lengths", None)
    with torch.no_grad():
        value = model(**theirs, use_cache=False).loss.item()
    print(json.dumps({"family": family, "mode": mode, "ours": ours, "trl": value}))
    assert ours == pytest.approx(value, abs=1e-6)
