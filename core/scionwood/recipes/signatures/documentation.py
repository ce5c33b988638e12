"""The first sentence of a component's documentation, read from its source."""

from __future__ import annotations

import ast
import re

from scionwood.recipes.signatures.source import define


def summary(reference: str) -> str | None:
    """Return the first sentence of a docstring without importing the component.

    Args:
        reference: `"module:attribute"`.

    Returns:
        The sentence, empty if there is no docstring; None if the source has no such definition.
    """
    definition = define(reference.replace(":", "."))
    return None if definition is None else first_sentence(ast.get_docstring(definition.node) or "")


def first_sentence(documentation: str) -> str:
    """Return the first sentence of a docstring on one line."""
    first = documentation.partition("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s", first)[0]
