"""What a Python program imports from this plugin.

A client needs nothing of it: a request is a POST whose body is the file.
"""

from __future__ import annotations

from scionwood_serve.exports.container import export_container
from scionwood_serve.exports.vllm import export_vllm
from scionwood_serve.versions.book import Book
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version, take_version
from scionwood_serve.web.counters import Counters
from scionwood_serve.web.limits import Limits
from scionwood_serve.worker.sharing import Pool

__all__ = [
    "Book",
    "Counters",
    "Limits",
    "Pool",
    "ServingError",
    "Version",
    "export_container",
    "export_vllm",
    "take_version",
]
