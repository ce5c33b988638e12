"""Tokens per word of tokenizers that the tests train."""

import base64
import json

import pytest
from case_table import table
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from scionwood import ReadError
from scionwood_bangla.evaluation.fertility import locate, measure, words_of_text

TEXT = "আপনি কেমন আছেন আমি ভালো আছি আপনি কি কাল আসবেন " * 20


@pytest.fixture
def folder(tmp_path):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_trained_tokenizer_needs_few_tokens_per_word(folder):
    fertility = measure(folder, words_of_text(TEXT), 2048)
    assert 1.0 <= fertility.tokens_per_word < 1.5
    assert fertility.words_per_window == int(2048 / fertility.tokens_per_word)
    assert fertility.warning == ""
    assert measure(folder / "tokenizer.json", words_of_text(TEXT), 2048).tokens_per_word == (
        fertility.tokens_per_word
    )


def test_a_tokenizer_that_adds_a_space_itself_counts_none_of_it(folder):
    """As Llama's does; `Metaspace` adds it only where there is none."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.save(str(folder / "prepended.json"))
    plain, prepended = (
        measure(folder / name, words_of_text(TEXT), 2048).tokens_per_word
        for name in ("tokenizer.json", "prepended.json")
    )
    assert prepended == plain


def test_warns_of_a_tokenizer_of_bytes(tmp_path):
    path = tmp_path / "bytes.json"
    vocab = [{"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode()} for i in range(256)]
    config = {"default_vocab_size": 300, "default_num_special_tokens": 44, "pattern": r"\S+|\s"}
    path.write_text(json.dumps({"config": config, "vocab": vocab}), "utf-8")
    fertility = measure(path, {"আমি": 2.0, "কর": 1.0}, 100)
    assert fertility.tokens_per_word == pytest.approx((2 * (1 + 9) + (1 + 6)) / 3)
    assert fertility.vocabulary == 300
    assert "above 4" in fertility.warning


@table(("name", "content"), [("tokenizer.json", "{"), ("a.json", "[]"), ("b.tiktoken", "x y z")])
def test_names_a_damaged_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ReadError, match=name.replace(".", r"\.")):
        measure(path, {"আমি": 1.0}, 100)


def test_refuses_a_folder_without_a_tokenizer_and_locates_files_of_packages(tmp_path):
    with pytest.raises(ReadError, match="there is no tokenizer"):
        measure(tmp_path, {"আমি": 1.0}, 100)
    with pytest.raises(ReadError, match="window 0"):
        measure(tmp_path, {"আমি": 1.0}, 0)
    assert locate("wordfreq:large_bn.msgpack.gz").is_file()
    with pytest.raises(ReadError, match="no such file"):
        locate("wordfreq:absent.json")
    with pytest.raises(ReadError, match="is not installed"):
        locate("surely-absent:tokenizer.json")
