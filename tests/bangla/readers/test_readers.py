"""All layouts and file types give the same examples, and errors name the invalid row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from case_table import table

from bangla_checker import normalise
from scionwood import ReadError, RecipeError
from scionwood_bangla.readers.load import read_examples
from scionwood_bangla.text.examples import Example, Message

TALKS = [
    ("ছুটির আবেদন লেখো", "মহোদয়, আমাকে দুই দিনের ছুটি দিন।", "ছুটি"),
    ("ছোট ভাইকে ডাকো", 'তুই এখানে আয়, একটু "কাজ" আছে।', "ডাক"),
    ("বন্ধুকে চিঠি লেখো", "প্রিয় বন্ধু,\nতুমি কেমন আছ?\nইতি", "চিঠি"),
]
EXAMPLES = [
    Example(
        (Message("user", normalise(prompt)), Message("assistant", normalise(answer))),
        topic=normalise(topic),
    )
    for prompt, answer, topic in TALKS
]

LAYOUTS: dict[str, Callable[[str, str, str], dict]] = {
    "alpaca": lambda p, a, t: {"instruction": p, "input": "", "output": a, "topic": t},
    "sharegpt": lambda p, a, t: {
        "conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": a}],
        "topic": t,
    },
    "messages": lambda p, a, t: {
        "messages": [{"role": "user", "content": p}, {"role": "assistant", "content": a}],
        "topic": t,
    },
    "pairs": lambda p, a, t: {"prompt": p, "completion": a, "topic": t},
    "pairs of turns": lambda p, a, t: {
        "prompt": [{"role": "user", "content": p}],
        "completion": [{"role": "assistant", "content": a}],
        "topic": t,
    },
    "English names": lambda p, a, t: {"ID": "7", "Question": p, "Response": a, "Title": t},
    "Bangla names": lambda p, a, t: {"প্রশ্ন": p, "উত্তর": a, "বিষয়": t},
    "words in names": lambda p, a, t: {"Prompt (Bangla)": p, "bangla_response": a, "topic": t},
}


def save(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps({"data": rows}))
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        flat = [{k: v if isinstance(v, str) else json.dumps(v) for k, v in r.items()} for r in rows]
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, flat[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(flat)
    return path


@table("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
@table("layout", LAYOUTS)
def test_every_layout_in_every_container_gives_the_same_examples(tmp_path, layout, suffix):
    path = save(tmp_path / f"data{suffix}", [LAYOUTS[layout](*talk) for talk in TALKS])
    assert read_examples(path) == EXAMPLES


def test_maps_columns_that_are_not_recognised(tmp_path):
    rows = [{"a": answer, "b": prompt, "c": topic} for prompt, answer, topic in TALKS]
    path = save(tmp_path / "data.csv", rows)
    columns = {"prompt": "b", "completion": "a", "topic": "c"}
    assert read_examples(path, columns=columns) == EXAMPLES
    with pytest.raises(ReadError, match=r"the column of the prompt.*data\.columns"):
        read_examples(path)
    with pytest.raises(RecipeError, match=r"no such column\. It has: a, b, c"):
        read_examples(path, columns=columns | {"topic": "d"})


def test_does_not_choose_between_two_possible_columns(tmp_path):
    path = save(tmp_path / "data.csv", [{"prompt": "ক", "good response": "খ", "bad response": "গ"}])
    with pytest.raises(ReadError, match="good response, bad response could all be"):
        read_examples(path)


def test_the_topic_defaults_to_the_prompt(tmp_path):
    path = save(
        tmp_path / "data.jsonl",
        [{"prompt": "ডাকো  ওকে", "completion": "তুই আয়", "register": "tui, tumi"}],
    )
    (example,) = read_examples(path)
    assert example.topic == "ডাকো ওকে"
    assert example.register == {"tui", "tumi"}


def test_earlier_turns_and_history_are_the_prompt(tmp_path):
    turns = [
        {"role": "system", "content": "ভদ্রভাবে বলো"},
        {"role": "user", "content": "এক"},
        {"role": "assistant", "content": "দুই"},
        {"role": "user", "content": "তিন"},
        {"role": "assistant", "content": "চার"},
        {"role": "user", "content": "পাঁচ"},
    ]
    (example,) = read_examples(save(tmp_path / "a.jsonl", [{"messages": turns}]))
    assert [m.role for m in example.prompt] == ["system", "user", "assistant", "user"]
    assert example.completion == "চার"
    row = {"instruction": "তিন", "input": "", "output": "চার", "history": [["এক", "দুই"]]}
    row["system"] = "ভদ্রভাবে বলো"
    (same,) = read_examples(save(tmp_path / "b.jsonl", [row]))
    assert same.messages == example.messages


def test_reads_all_files_of_a_folder(tmp_path):
    for number, talk in enumerate(TALKS):
        save(tmp_path / f"{number}.jsonl", [LAYOUTS["pairs"](*talk)])
    assert read_examples(tmp_path) == EXAMPLES


GOOD = {"prompt": "ডাকো", "completion": "তুই এখানে আয়।"}
BAD = {
    "mojibake": ("à¦†à¦®à¦¿ à¦à¦¾à¦²à§‹", "it is mojibake"),
    "Bijoy": ("Avwg †Zvgv‡K fv‡jvevwm Ges Avcwb fv‡jv", "it is Bijoy"),
    "another language": ("I am fine, thank you.", "most are Latin"),
    "Hindi": ("मैं ठीक हूँ।", "most are Devanagari"),
    "Assamese": ("মই ভালে আছোঁ ৰাতি ৱ", "Assamese"),
    "empty": ("  ", "the completion is empty"),
    "mixed scripts": ("তুmi কেমoন আছo তুi আsো এখন যাo", "words mix Bengali letters"),
    "an endless line": ("তুমি " * 20_000 + "যাও", r"100,003 characters, but at most 100,000"),
}


@table("kind", BAD)
def test_names_an_invalid_completion_with_its_row(tmp_path, kind):
    text, rule = BAD[kind]
    path = save(tmp_path / "data.jsonl", [GOOD, GOOD | {"completion": text}])
    with pytest.raises(ReadError, match=rule) as caught:
        read_examples(path)
    assert f"{path}, row 2" in caught.value.value
    assert caught.value.remedy


def test_skips_and_counts_invalid_rows(tmp_path):
    path = save(tmp_path / "data.jsonl", [GOOD, GOOD | {"completion": ""}])
    with pytest.warns(UserWarning, match=r"1 of 2 rows were skipped; the first: .*row 2.*is empty"):
        assert len(read_examples(path, bad_rows="skip")) == 1
    path = save(tmp_path / "none.jsonl", [GOOD | {"completion": ""}])
    with pytest.raises(ReadError, match="none of its 1 rows is valid"):
        read_examples(path, bad_rows="skip")


@table(
    ("row", "rule"),
    [
        ({"messages": [{"role": "user", "content": "এক"}]}, "no turn is the assistant's"),
        ({"messages": [{"role": "ghost", "content": "এক"}]}, "turn 1 has the unknown role 'ghost'"),
        ({"messages": "nonsense"}, "not a list of objects"),
        ({"instruction": "এক", "output": 7}, "output has the type int, not text"),
        (
            {"conversations": [{"from": "human", "value": ""}, {"from": "gpt", "value": "ক"}]},
            "empty",
        ),
        ({"prompt": "এক", "completion": "দুই", "register": "you"}, "it is not a level"),
        ({"prompt": "Avwg †Zvgv‡K fv‡jvevwm Ges", "completion": "দুই"}, r"turn 1 \(user\).*Bijoy"),
    ],
)
def test_names_an_invalid_row(tmp_path, row, rule):
    path = save(tmp_path / "data.jsonl", [row])
    with pytest.raises(ReadError, match=rule) as caught:
        read_examples(path)
    assert "row 1" in caught.value.value


@table(
    ("name", "content", "rule"),
    [
        ("a.txt", b"x", "its type is not one of .jsonl"),
        ("a.jsonl", b"", "it has no rows"),
        ("a.jsonl", b"{", "row 1: it is not valid JSON"),
        ("a.jsonl", b"[1]", "the type list, not a JSON object"),
        ("a.json", b'{"a": 1}', "no list of rows"),
        ("a.csv", 'prompt,completion\n"ক,খ'.encode(), "row 1: it cannot be read as a table"),
        ("a.csv", "prompt,completion\nক,খ,গ".encode(), "row 1: it has more cells"),
        ("a.csv", "prompt,completion\nক".encode("utf-16"), "it is UTF-16"),
        ("a.csv", b"prompt,completion\n\xff,x", "line 2: byte 18 is not UTF-8"),
        ("a.parquet", b"PAR1 nonsense", "not a readable Parquet"),
        ("a.csv", None, "no such file"),
    ],
)
def test_names_an_invalid_file(tmp_path, name, content, rule):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReadError, match=rule) as caught:
        read_examples(path)
    assert caught.value.remedy


def test_a_data_set_that_cannot_be_downloaded_has_a_remedy(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ReadError, match=r"hf\.co/datasets/shuvo-xyz/BLADE.*give its path"):
        read_examples("shuvo-xyz/BLADE")
