"""Samples of expert prompts, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import json
from pathlib import Path

from scionwood_biomed.tasks.anchors import read_prompts
from scionwood_kit import Parser

_PROMPTS = {"cyst": ["a round dark region", "a cyst with a thin wall"], "tumour": ["a mass"]}


class Prompts(Parser):
    """Expert prompts by class, as JSON or as a table."""

    suffixes = (".json", ".csv")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the prompts."""
        return read_prompts(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write three prompts of two classes."""
        if path.suffix == ".json":
            path.write_text(json.dumps(_PROMPTS), "utf-8")
            return
        rows = [f"{name},{text}" for name, texts in _PROMPTS.items() for text in texts]
        path.write_text("\n".join(["class,prompt", *rows, ""]), "utf-8")
