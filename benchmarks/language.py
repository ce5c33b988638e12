"""Adapt SmolLM2 to name functions of Python's standard library by what they do.

    pip install -e . -e core/sandbox -e 'plugins/language[language-demo]' -e plugins/methods
    python benchmarks/language.py                     # about ten minutes on one core
    python benchmarks/language.py --methods LoRA DoRA --seeds 0

The data are the first sentences of the docstrings of the installed Python. No function name is in
two splits. A model reads the sentence and writes the full name. Prompting comes first: without
examples, and with four. Then every method trains for the same steps on the same examples, in the
last six blocks; one row trains all thirty.

The rate of a method is the one with the lowest loss on the validation split, after half of the
steps with another seed. Three rates are tried first. While the best one lies at an end of those
tried, one more is tried beyond this end. `full, all blocks` takes the rate of `full, last blocks`.

Forgetting is measured in nats a token on the descriptions of installed packages, which no method
trains on. A first run had three rates only, and most of the best ones lay at an end; the rule was
extended after its test scores were seen, and the whole table was measured again. Each row is
written when it is done, and rows that exist are kept.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata
from random import Random
from typing import Any, NamedTuple

import torch
from language_parts import (
    LAYERS,
    MODEL,
    Examples,
    Tail,
    before,
    best_rate,
    beyond,
    examples,
    judge,
    loss_of,
)
from language_parts import train as fit
from peft import PeftConfig
from runner import SEEDS, Table, option, parsed
from torch import nn

from scionwood import attach, kernels
from scionwood.adapters.methods import config_class
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_methods.p2d_heads.scores import head_targets, score_heads, select_heads

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
ATTENTION = r"layers\.\d+\.self_attn\.[qkvo]_proj"
NORMS = r"layers\.\d+\.(input|post_attention)_layernorm"
BLOCKS, ALL = 6, 30
SMALL, MIDDLE, LARGE = (5e-4, 2e-3, 8e-3), (1e-3, 4e-3, 1.6e-2), (4e-3, 1.6e-2, 6.4e-2)


class Method(NamedTuple):
    """A way to adapt: name for `attach`, options, first rates, layers, and the last blocks."""

    name: str
    options: dict[str, Any]
    rates: tuple[float, ...]
    targets: str = LAYERS
    blocks: int = BLOCKS


LORA = {"r": 4, "lora_alpha": 8}
METHODS = {
    "LoRA": Method("lora", LORA, SMALL),
    "DoRA": Method("lora", {**LORA, "use_dora": True}, SMALL),
    "DISeL": Method("methods/disel", {"r": 3, "alpha": 6}, SMALL),
    "SMoA": Method("methods/smoa", {"r": 8, "alpha": 8, "blocks": 2}, LARGE),
    "GPart, attention": Method("methods/gpart", {"d": 244_224}, LARGE, ATTENTION),
    "P2D heads": Method("methods/p2d_heads", {}, (1e-4, 5e-4, 2e-3), ATTENTION),
    "LOFT": Method("methods/loft", {"r": 108, "support": "principal"}, MIDDLE),
    "norms only": Method("methods/partial", {}, MIDDLE, NORMS),
    "full, last blocks": Method("full", {}, (2e-5, 1e-4, 5e-4)),
    "full, all blocks": Method("full", {}, (), blocks=ALL),
}
"""Ranks and sizes make the trained parameters alike, about those of LoRA."""

LIKE = {"full, all blocks": "full, last blocks"}
"""A method that takes the rate of another one."""

STEPS, BATCH = 20, 4
POOL, TESTED, VALID, WINDOWS, WINDOW, SHOTS = 160, 64, 48, 12, 128, 4
HEADS, SHARE = {"num_heads": 9, "num_kv_heads": 3}, 2 / 54
"""The heads of a block of SmolLM2, and the share of heads that P2D trains."""

TUNING_SEED = 100


@dataclass(frozen=True)
class Item:
    """A question about a function, and its full name."""

    asked: str
    answer: str


def items() -> list[Item]:
    """Return one item for each documented function of the modules."""
    by_answer: dict[str, Item] = {}
    for module in MODULES:
        for name, value in sorted(vars(import_module(module)).items()):
            if name.startswith("_") or not callable(value) or inspect.isclass(value):
                continue
            if getattr(value, "__module__", module) in {*MODULES, "keyword"} - {module}:
                continue  # a module that uses the function
            if (sentence := _sentence(value, name)) and sentence not in by_answer:
                by_answer[sentence] = Item(sentence, f"{module}.{name}")
    return list(by_answer.values())


def _sentence(value: object, name: str) -> str:
    text = " ".join((inspect.getdoc(value) or "").split())
    text = re.sub(r"^\w+\([^)]*\)\s*(->\s*[\w\[\], ]+)?\s*[-:]*\s*", "", text)
    sentence = re.split(r"(?<=[a-z)])\.\s|\.$", text)[0].strip()
    is_plain = 4 <= len(sentence.split()) <= 25 and name.lower() not in sentence.lower()
    return sentence if is_plain and sentence.isascii() else ""


def splits() -> dict[str, list[Item]]:
    """Return the items by split; no function name is in two of them."""
    parts: dict[str, list[Item]] = {"test": [], "val": [], "train": []}
    for item in items():
        code = hashlib.sha256(item.answer.rpartition(".")[2].encode()).digest()[0]
        parts["test" if code < 64 else "val" if code < 96 else "train"].append(item)
    for part in parts.values():
        Random(0).shuffle(part)
    return parts


def turns(item: Item, shots: Sequence[Item] = ()) -> list[dict[str, str]]:
    """Return the conversation of an item, with others before it."""
    talks = []
    for entry in (*shots, item):
        question = f"Which function of Python's standard library does this? {entry.asked}"
        talks += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": entry.answer},
        ]
    return talks


def prose(tokenizer: Any) -> list[list[int]]:
    """Return windows of the descriptions of installed packages, as tokens."""
    texts = [str(metadata.metadata(name).get_payload()) for name in PROSE]
    plain = [" ".join(re.findall(r"[A-Z][a-z ,']{60,}[a-z ,'.]+", text)) for text in texts]
    ids = tokenizer(" ".join(plain))["input_ids"][: WINDOWS * WINDOW]
    return [ids[at : at + WINDOW] for at in range(0, len(ids) - WINDOW + 1, WINDOW)]


class Bench:
    """SmolLM2, and the states of all splits before its last blocks."""

    def __init__(self, model: str = "smollm2") -> None:
        self.model: Any = causal_lm(model=model).requires_grad_(False)
        self.tokenizer, self.head, self.items = self.model.tokenizer, self.model.lm_head, splits()
        for name, size in (("train", POOL), ("val", VALID), ("test", TESTED)):
            self.items[name] = self.items[name][:size]
        self.kept: dict[int, dict[str, Examples]] = {}
        print({name: len(part) for name, part in self.items.items()}, flush=True)

    def data(self, blocks: int) -> dict[str, Examples]:
        """Return the examples of each split, and general text."""
        if blocks not in self.kept:
            parts_encoded = {
                name: self.encoded(part, (), blocks) for name, part in self.items.items()
            }
            windows = prose(self.tokenizer)
            hidden = before(self.model, windows, blocks)
            parts_encoded["general"] = Examples(hidden, [torch.tensor(row) for row in windows])
            self.kept[blocks] = parts_encoded
        return self.kept[blocks]

    def encoded(self, part: Sequence[Item], shots: Sequence[Item], blocks: int) -> Examples:
        talks = [turns(item, shots) for item in part]
        return examples(self.model, self.tokenizer, talks, blocks)

    def scores(self, tail: nn.Module, questions: Examples, blocks: int) -> dict[str, str]:
        """Return the scores on test items and on general text."""
        verdict = judge(tail, self.head, questions, self.tokenizer)
        modules = [item.answer.rpartition(".")[0] for item in self.items["test"]]
        right = [text.startswith(f"{m}.") for text, m in zip(verdict.begun, modules, strict=True)]
        return {
            "nats": f"{verdict.nats:.3f}",
            "exact": f"{sum(verdict.exact) / len(verdict.exact):.3f}",
            "module": f"{sum(right) / len(right):.3f}",
            "general nats": f"{loss_of(tail, self.head, self.data(blocks)['general']):.4f}",
        }

    @contextmanager
    def adapted(self, method: Method, seed: int) -> Iterator[nn.Module]:
        """Yield the tail with a fresh adapter, or to train all of it; then restore the model."""
        tail = Tail(self.model, method.blocks)
        torch.manual_seed(seed)
        if method.name == "full":
            state = {key: value.clone() for key, value in tail.state_dict().items()}
            yield tail.requires_grad_(True)
            tail.load_state_dict(state)
        else:
            config = self.config(method, tail, seed)
            targets = None if config.target_modules else method.targets
            tuned = attach(tail, config, targets=targets, head=())
            kernels.enable(tuned)
            yield tuned
            tuned.unload()
        tail.requires_grad_(False)

    def config(self, method: Method, tail: nn.Module, seed: int) -> PeftConfig:
        """Return the config of a method; P2D's heads come from a short run."""
        make = config_class(method.name)
        if method.name != "methods/p2d_heads":
            return make(**method.options)
        probe = attach(tail, make(), targets=method.targets, head=())
        train_examples = self.data(method.blocks)["train"]
        fit(probe, self.head, train_examples, rate=5e-4, steps=8, batch=BATCH, seed=seed)
        scores = score_heads(probe, **HEADS)
        probe.unload()
        heads = select_heads(scores, SHARE)
        return make(heads=heads, target_modules=head_targets(tail, heads), **HEADS)

    def measured(
        self, method: Method, seed: int, rate: float, steps: int, part: str
    ) -> dict[str, Any]:
        """Train a method, and return its scores on the test, or its loss on another split."""
        data = self.data(method.blocks)
        with self.adapted(method, seed) as tail:
            trained = sum(p.numel() for p in tail.parameters() if p.requires_grad)
            train_examples = data["train"]
            pace = fit(
                tail, self.head, train_examples, rate=rate, steps=steps, batch=BATCH, seed=seed
            )
            if part != "test":
                return {"nats": loss_of(tail, self.head, data[part])}
            row = {"trained": trained, "rate": rate, "s a step": f"{pace.seconds:.3f}"}
            return row | {"MiB": f"{pace.mib:.1f}"} | self.scores(tail, data["test"], method.blocks)


def chosen(bench: Bench, name: str) -> float:
    """Return the rate of a method by the rule, measuring what is missing."""
    name = LIKE.get(name, name)
    method = METHODS[name]

    def loss(rate: float) -> float:
        return bench.measured(method, TUNING_SEED, rate, STEPS // 2, "val")["nats"]

    return best_rate("language_rates", name, method.rates, loss, beyond)


def main() -> None:
    options = parsed(
        __doc__,
        option("--methods", nargs="+", default=[*METHODS], choices=[*METHODS]),
        SEEDS,
        MODEL,
    )
    bench = Bench(options.model)
    table = Table("language_methods")
    empty = {"trained": 0, "rate": "", "s a step": "", "MiB": ""}
    shots = Random(0).sample(bench.items["train"], SHOTS)
    for name, prefix in (("no training", []), (f"no training, {SHOTS} examples", shots)):
        if not table.has(method=name):
            questions = bench.encoded(bench.items["test"], prefix, BLOCKS)
            scores = bench.scores(Tail(bench.model, BLOCKS), questions, BLOCKS)
            table.add({"method": name, "seed": "", **empty, **scores})
    jobs = ({"method": name, "seed": seed} for seed in options.seeds for name in options.methods)
    for job in table.missing(jobs):
        rate = chosen(bench, job["method"])
        row = bench.measured(METHODS[job["method"]], job["seed"], rate, STEPS, "test")
        table.add(job | row)


if __name__ == "__main__":
    main()
