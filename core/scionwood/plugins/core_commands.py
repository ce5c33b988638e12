"""The table of the commands of the core, which no plugin may be named like."""

from __future__ import annotations

FUNCTIONS: dict[str, str] = {
    "plugins": "scionwood.cli.inspection:plugins",
    "show": "scionwood.cli.inspection:show",
    "recipe": "scionwood.cli.recipes:recipe",
    "fit": "scionwood.cli.recipes:fit",
    "test": "scionwood.cli.recipes:test",
    "push": "scionwood.cli.share:push",
    "pull": "scionwood.cli.share:pull",
    "runs": "scionwood.cli.share:runs",
    "bases": "scionwood.cli.bases:bases",
    "sign": "scionwood.cli.signing:sign",
    "verify": "scionwood.cli.signing:verify",
    "new": "scionwood.cli.inspection:new",
    "completion": "scionwood.cli.completion:completion",
}
"""Commands of the core, as `"module:function"`. The signature of a function is its command line,
and what it returns is the exit code."""
