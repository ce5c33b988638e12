"""Adapt SmolLM2 to name functions of Python's standard library by what they do.

    pip install 'scionwood[language-demo,methods]'
    python benchmarks/language.py                     # about 20 minutes on one core
    python benchmarks/language.py --methods lora dora --seeds 0

The data are the first sentences of the docstrings of the installed Python. No function name is in
two splits. A model reads the sentence and writes the full name. Prompting comes first: without
examples, and with four. Then every method trains for the same steps on the same examples.

Forgetting is measured in nats per token on the descriptions of installed packages, which no method
trains on. The rates were fixed before any score was seen. Each row is written when it is done, and
rows that exist are kept.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import inspect
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from lora.timing import machine
from torch.nn.utils.rnn import pad_sequence

from scionwood import attach
from scionwood.adapters.methods import config_class
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.chat.templates import IGNORED, encode
from scionwood_language.inference import write
from scionwood_language.tasks.causal import loss_of

RESULTS = Path(__file__).parent / "results" / "language.csv"
NAMES = """
os os.path shutil math statistics re json csv datetime random itertools collections string
textwrap subprocess threading socket ssl urllib.parse urllib.request email.utils html
xml.sax.saxutils sqlite3 zipfile tarfile gzip bz2 lzma hashlib hmac secrets heapq bisect
functools operator inspect ast tokenize locale calendar time logging argparse glob fnmatch
tempfile filecmp stat pickle copy pprint struct codecs unicodedata difflib base64 binascii
types enum contextlib asyncio signal traceback warnings gc weakref dis importlib.util
pkgutil platform getpass curses mimetypes imaplib ftplib smtplib poplib http.client uuid
ipaddress wave colorsys gettext cmd shlex configparser netrc plistlib zlib errno io resource
pwd grp fileinput linecache timeit trace tracemalloc cProfile pdb doctest symtable
compileall py_compile sysconfig site runpy zipapp venv
"""
MODULES = NAMES.split()
PROSE = ("torch", "peft", "rich", "lightning", "transformers", "pytest", "matplotlib", "sacrebleu")
METHODS: dict[str, tuple[str, dict[str, Any], float]] = {
    "LoRA": ("lora", {"r": 8, "lora_alpha": 16}, 1e-3),
    "DoRA": ("lora", {"r": 8, "lora_alpha": 16, "use_dora": True}, 1e-3),
    "DISeL": ("methods/disel", {"r": 8}, 1e-3),
    "partial, 8 rows": ("methods/partial", {}, 1e-3),
    "full": ("full", {}, 5e-5),
}
"""Each method: its name for `attach`, its options, and its learning rate."""

STEPS, BATCH, TESTED, WINDOWS, WINDOW = 24, 8, 64, 12, 128
SHOTS = 4
FIELDS = ("method", "seed", "trained", "nats", "exact", "module", "general nats", "s a step")


@dataclass(frozen=True)
class Item:
    """A question about a function, and its full name."""

    asked: str
    answer: str


def items() -> list[Item]:
    """Return one item for each documented function of the modules."""
    made: dict[str, Item] = {}
    for module in MODULES:
        for name, value in sorted(vars(import_module(module)).items()):
            if name.startswith("_") or not callable(value) or inspect.isclass(value):
                continue
            if getattr(value, "__module__", module) in {*MODULES, "keyword"} - {module}:
                continue  # a module that uses the function
            if (sentence := _sentence(value, name)) and sentence not in made:
                made[sentence] = Item(sentence, f"{module}.{name}")
    return list(made.values())


def _sentence(value: object, name: str) -> str:
    text = " ".join((inspect.getdoc(value) or "").split())
    text = re.sub(r"^\w+\([^)]*\)\s*(->\s*[\w\[\], ]+)?\s*[-:]*\s*", "", text)
    sentence = re.split(r"(?<=[a-z)])\.\s|\.$", text)[0].strip()
    is_plain = 4 <= len(sentence.split()) <= 25 and name.lower() not in sentence.lower()
    return sentence if is_plain and sentence.isascii() else ""


def splits() -> dict[str, list[Item]]:
    """Return the items by split; no function name is in two of them."""
    parts: dict[str, list[Item]] = {"test": [], "train": []}
    for item in items():
        code = hashlib.sha256(item.answer.rpartition(".")[2].encode()).digest()[0]
        parts["test" if code < 64 else "train"].append(item)
    Random(0).shuffle(parts["test"])
    return parts


def turns(item: Item, shots: Sequence[Item] = ()) -> list[dict[str, str]]:
    """Return the conversation of an item, with others before it."""
    made = []
    for each in (*shots, item):
        asked = f"Which function of Python's standard library does this? {each.asked}"
        made += [{"role": "user", "content": asked}, {"role": "assistant", "content": each.answer}]
    return made


def prose(tokenizer: Any) -> torch.Tensor:
    """Return windows of the descriptions of installed packages, (window, token)."""
    texts = [str(metadata.metadata(name).get_payload()) for name in PROSE]
    plain = [" ".join(re.findall(r"[A-Z][a-z ,']{60,}[a-z ,'.]+", text)) for text in texts]
    ids = tokenizer(" ".join(plain))["input_ids"][: WINDOWS * WINDOW]
    return torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).view(-1, WINDOW)


def batch_of(tokenizer: Any, talks: Sequence[list[dict[str, str]]]) -> dict[str, torch.Tensor]:
    """Return padded tokens, labels and mask."""
    codes = [encode(tokenizer, talk) for talk in talks]
    ids = [torch.tensor(code.input_ids) for code in codes]
    labels = pad_sequence([torch.tensor(code.labels) for code in codes], True, IGNORED)
    mask = pad_sequence([torch.ones_like(row) for row in ids], True, 0)
    return {"input_ids": pad_sequence(ids, True, 0), "attention_mask": mask, "labels": labels}


def nats(model: Any, batches: Iterator[dict[str, torch.Tensor]]) -> float:
    """Return the loss of batches, nats per learned token."""
    total, count = 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for batch in batches:
            labels = batch.pop("labels")
            learned = int((labels[:, 1:] != IGNORED).sum())
            total += learned * loss_of(model, batch, labels).item()
            count += learned
    return total / count


def scores(model: Any, tokenizer: Any, tested: list[Item], shots: Sequence[Item]) -> dict[str, str]:
    """Return the scores of a model on the test items and on general text."""
    model.eval()
    talks = [turns(item, shots) for item in tested]
    parts = (batch_of(tokenizer, talks[at : at + 16]) for at in range(0, len(talks), 16))
    own = nats(model, parts)
    asked = [talk[:-1] for talk in talks]
    with torch.autocast("cpu", torch.bfloat16):
        answers = write(model, asked, tokenizer=tokenizer, max_new_tokens=12, batch_size=32)
    said = [re.sub(r"[`'\"()]", "", answer.text).strip() for answer in answers]
    pairs = list(zip(said, tested, strict=True))
    exact = sum(text == item.answer for text, item in pairs) / len(tested)
    right = sum(text.rpartition(".")[0] == item.answer.rpartition(".")[0] for text, item in pairs)
    text = prose(tokenizer)
    general = nats(model, iter([{"input_ids": row[None], "labels": row[None]} for row in text]))
    return {
        "nats": f"{own:.3f}",
        "exact": f"{exact:.3f}",
        "module": f"{right / len(tested):.3f}",
        "general nats": f"{general:.4f}",
    }


def train(model: Any, tokenizer: Any, known: list[Item], rate: float, seed: int) -> float:
    """Train on the answers, and return the seconds of a step."""
    drawn = Random(seed).sample(known, STEPS * BATCH)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=STEPS)
    start = time.perf_counter()
    model.train()
    for at in range(STEPS):
        batch = batch_of(tokenizer, [turns(item) for item in drawn[at * BATCH : (at + 1) * BATCH]])
        labels = batch.pop("labels")
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, batch, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
    return (time.perf_counter() - start) / STEPS


def adapted(model: Any, name: str, seed: int) -> Any:
    """Return the model with a fresh adapter, or the model itself to train all of it."""
    method, options, _ = METHODS[name]
    torch.manual_seed(seed)
    if method == "full":
        return model.requires_grad_(True)
    return attach(model.requires_grad_(False), config_class(method)(**options), targets="attention")


def rows(chosen: Sequence[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the row of each method and seed that is not measured yet."""
    done = {(row["method"], row["seed"]) for row in read()}
    model = causal_lm(model="smollm2")
    tokenizer, parts = model.tokenizer, splits()
    tested = parts["test"][:TESTED]
    print(f"{len(parts['train'])} items for training, {len(tested)} of {len(parts['test'])} tested")
    shots = Random(0).sample(parts["train"], SHOTS)
    for method, given in (("no training", ()), (f"no training, {SHOTS} examples", shots)):
        if (method, "") not in done:
            yield {"method": method, "seed": "", **scores(model, tokenizer, tested, given)}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for seed in seeds:
        for name in chosen:
            if (name, str(seed)) in done:
                continue
            tuned = adapted(model, name, seed)
            trained = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
            pace = train(tuned, tokenizer, parts["train"], METHODS[name][2], seed)
            row = {"method": name, "seed": seed, "trained": trained, "s a step": f"{pace:.2f}"}
            yield row | scores(tuned, tokenizer, tested, ())
            model = tuned.unload() if hasattr(tuned, "unload") else tuned
            model.load_state_dict(before)


def read() -> list[dict[str, str]]:
    """Return the rows that exist."""
    if not RESULTS.is_file():
        return []
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=[*METHODS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="stop after this many new rows")
    options = parser.parse_args()
    for row in islice(rows(options.methods, options.seeds), options.rows):
        every = {name: row.get(name, "") for name in FIELDS} | machine("cpu")
        is_new = not RESULTS.is_file()
        with RESULTS.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(every))
            if is_new:
                writer.writeheader()
            writer.writerow(every)
        print(row, flush=True)


if __name__ == "__main__":
    main()
